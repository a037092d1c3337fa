/* POST /v1/sign: what a client sends to have a message signed, and what is refused. */
#include "api_scene.h"

#include "base/encode.h"
#include "crypto/sign.h"
#include "envelope/message.h"

static uint8_t statement[KW_MESSAGE_STATEMENT_SIZE];
static char text[256]; /* the statement in base64 */

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 2, NULL);
    kw_fixture_tenant(a->f, "acme", "eu");
    kw_fixture_tenant(a->f, "globex", "eu");
    struct kw_message_statement about = {.signing_version = 1, .suite = 1};
    kw_put_u64(about.key_ref, kw_fixture_key_row(a->f, "acme", "eu").reference);
    kw_class_tag(about.class_tag, "default");
    kw_message_statement_write(&about, statement);
    kw_base64_text(text, kw_bytes(statement, sizeof statement));
    return 0;
}

static void test_signature_verifies(void **state)
{
    KW_UNUSED(state);
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
    uint8_t signature[KW_SIGNATURE_SIZE];
    struct kw_asked *made = kw_ask(a, &kw_fixture_root, "POST", "/v1/sign",
                                   "{\"tenant\":\"acme\",\"region\":\"eu\",\"version\":1,"
                                   "\"statement\":\"%s\",\"justification\":\"order 7\"}",
                                   text);
    struct kw_asked *key = kw_ask(a, &kw_fixture_root, "GET", "/v1/tenants/acme/keys/eu", NULL);
    assert_int_equal(made->status, 200);
    assert_string_equal(kw_text_at(made, "version"), "1");
    assert_string_equal(kw_text_at(made, "receipt.count"), "1");
    assert_non_null(kw_at(made, "receipt.index"));
    assert_int_equal(kw_base64_decode_exact(signature, sizeof signature,
                                            kw_bytes_str(kw_text_at(made, "signature")), NULL),
                     KW_OK);
    assert_int_equal(kw_base64_decode_exact(public_key, sizeof public_key,
                                            kw_bytes_str(kw_text_at(key, "versions.0.sign_public")),
                                            NULL),
                     KW_OK);
    assert_int_equal(kw_verify(public_key, kw_bytes(statement, sizeof statement), signature, NULL),
                     KW_OK);
    assert_int_equal(kw_fixture_entries(a->f, "SignMessage", ""), 1);
    kw_asked_free(made);
    kw_asked_free(key);
}

#define NAMES "\"tenant\":\"acme\",\"region\":\"eu\""

static void test_bodies(void **state)
{
    static const struct {
        const char *body; /* a %s stands for the statement */
        int status;
        const char *code;
    } cases[] = {
        {"{}", 400, "bad_json"},
        {"{" NAMES ",\"version\":1}", 400, "bad_json"},
        {"{" NAMES ",\"statement\":\"%s\"}", 400, "bad_json"},
        {"{\"tenant\":\"acme\",\"version\":1,\"statement\":\"%s\"}", 400, "bad_json"},
        {"{" NAMES ",\"version\":\"1\",\"statement\":\"%s\"}", 400, "bad_json"},
        {"{" NAMES ",\"version\":-1,\"statement\":\"%s\"}", 400, "bad_json"},
        {"{" NAMES ",\"version\":4294967296,\"statement\":\"%s\"}", 400, "bad_json"},
        {"{" NAMES ",\"version\":1,\"statement\":\"%s\",\"seed\":1}", 400, "bad_json"},
        {"{" NAMES ",\"version\":1,\"statement\":\"!%s\"}", 400, "bad_encoding"},
        {"{\"tenant\":\"A\",\"region\":\"eu\",\"version\":1,\"statement\":\"%s\"}", 400,
         "bad_name"},
        {"{\"tenant\":\"acme\",\"region\":\"E\",\"version\":1,\"statement\":\"%s\"}", 400,
         "bad_name"},
        {"{" NAMES ",\"version\":1,\"statement\":\"\"}", 400, "bad_format"},
        {"{" NAMES ",\"version\":1,\"statement\":\"c2lnbiB0aGlz\"}", 400, "bad_format"},
        {"{" NAMES ",\"version\":2,\"statement\":\"%s\"}", 404, "version_not_found"},
        {"{\"tenant\":\"acme\",\"region\":\"us\",\"version\":1,\"statement\":\"%s\"}", 404,
         "key_not_found"},
        {"{\"tenant\":\"globex\",\"region\":\"eu\",\"version\":1,\"statement\":\"%s\"}", 403,
         "not_this_tenant"},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        KW_AUTO(kw_buf) body = KW_BUF_INIT;
        const char *at = strstr(cases[i].body, "%s");
        size_t len = at != NULL ? (size_t)(at - cases[i].body) : strlen(cases[i].body);
        kw_buf_append(&body, cases[i].body, len);
        if (at != NULL) {
            kw_buf_append_str(&body, text);
            kw_buf_append_str(&body, at + 2);
        }
        kw_expect(a, &kw_fixture_root, "POST", "/v1/sign", kw_buf_str(&body), cases[i].status,
                  cases[i].code);
    }
    assert_int_equal(kw_fixture_entries(a->f, "SignMessage", ""), 0);
    assert_int_equal(kw_fixture_entries(a->f, "SignMessage", "bad_format"), 2);
}

static void test_oversized(void **state)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_UNUSED(state);
    kw_buf_append_str(&body, "{" NAMES ",\"version\":1,\"statement\":\"");
    for (int i = 0; i < 100000; i++)
        kw_buf_append_str(&body, "AAAA");
    kw_buf_append_str(&body, "\"}");
    kw_expect(a, &kw_fixture_root, "POST", "/v1/sign", kw_buf_str(&body), 413, "too_large");
}

static void test_roles(void **state)
{
    char body[512];
    KW_UNUSED(state);
    struct kw_caller service = kw_fixture_caller("service", "acme");
    struct kw_caller elsewhere = kw_fixture_caller("service", "globex");
    struct kw_caller admin = kw_fixture_caller("admin", "*");
    struct kw_caller auditor = kw_fixture_caller("auditor", "*");
    snprintf(body, sizeof body, "{" NAMES ",\"version\":1,\"statement\":\"%s\"}", text);
    kw_expect(a, &service, "POST", "/v1/sign", body, 200, NULL);
    kw_expect(a, &elsewhere, "POST", "/v1/sign", body, 403, "forbidden");
    kw_expect(a, &admin, "POST", "/v1/sign", body, 403, "forbidden");
    kw_expect(a, &auditor, "POST", "/v1/sign", body, 403, "forbidden");
    assert_int_equal(kw_fixture_entries(a->f, "SignMessage", "forbidden"), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_signature_verifies),
        TEST(test_bodies),
        TEST(test_oversized),
        TEST(test_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

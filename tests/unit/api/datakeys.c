/* The data plane over HTTP's view of it: generate, unwrap, re-wrap, alone and in batches. */
#include "api_scene.h"

#include "base/encode.h"

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 2, NULL);
    kw_fixture_tenant(a->f, "acme", "eu");
    kw_fixture_tenant(a->f, "globex", "us");
    return 0;
}

/* Unwraps one item with these further members; the error's code, or "" and the plaintext. */
static void unwrap(const char *wrapped, const char *more, int status, const char *expected)
{
    struct kw_asked *asked = kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/unwrap",
                                    "{\"items\":[{\"wrapped\":\"%s\"%s}]}", wrapped, more);
    if (asked->status != status)
        print_error("%.*s\n", (int)asked->body.len, (const char *)asked->body.data);
    assert_int_equal(asked->status, status);
    assert_string_equal(kw_text_at(asked, status == 200 ? "items.0.plaintext" : "error.code"),
                        expected);
    kw_asked_free(asked);
}

static const char row1[] = ",\"context\":{\"row\":\"1\"}";

static void test_generate_and_unwrap(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    assert_int_equal(strlen(wrapped), 104);
    assert_int_equal(strlen(plaintext), 44);
    unwrap(wrapped, row1, 200, plaintext);
    unwrap(wrapped,
           ",\"context\":{\"row\":\"1\"},\"tenant\":\"acme\",\"region\":\"eu\","
           "\"class\":\"default\"",
           200, plaintext);
    unwrap(wrapped, ",\"context\":{\"row\":\"1\"},\"tenant\":null,\"class\":null", 200, plaintext);
    assert_int_equal(kw_fixture_entries(a->f, "GenerateDataKey", ""), 1);
    assert_int_equal(kw_fixture_entries(a->f, "UnwrapDataKey", ""), 3);
}

static void test_receipt_names_the_entry(void **state)
{
    KW_UNUSED(state);
    uint64_t before = kw_ledger_stats(a->f->ledger).size;
    struct kw_asked *asked =
        kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/generate",
               "{\"tenant\":\"acme\",\"region\":\"eu\",\"class\":\"pii\",\"count\":3}");
    char expected[32];
    assert_int_equal(asked->status, 200);
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)before);
    assert_string_equal(kw_text_at(asked, "receipt.index"), expected);
    assert_string_equal(kw_text_at(asked, "receipt.count"), "3");
    assert_int_equal(kw_at(asked, "items")->count, 3);
    assert_string_not_equal(kw_text_at(asked, "items.0.plaintext"),
                            kw_text_at(asked, "items.1.plaintext"));
    assert_int_equal(kw_ledger_stats(a->f->ledger).size, before + 3);
    kw_asked_free(asked);
}

/* ---- What is refused, and how it is called ----------------------------------------------------
 */

static void test_refused_items(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    unwrap(wrapped, "", 422, "seal_broken"); /* another context */
    unwrap(wrapped, ",\"context\":{\"row\":\"2\"}", 422, "seal_broken");
    unwrap(wrapped, ",\"context\":{\"row\":\"1\",\"more\":\"\"}", 422, "seal_broken");
    unwrap(wrapped, ",\"context\":{\"row\":\"1\"},\"tenant\":\"globex\"", 403, "not_this_tenant");
    unwrap(wrapped, ",\"context\":{\"row\":\"1\"},\"region\":\"us\"", 403, "not_this_tenant");
    unwrap(wrapped, ",\"context\":{\"row\":\"1\"},\"class\":\"pii\"", 403, "wrong_class");
    unwrap(wrapped, ",\"context\":{\"row\":\"1\"},\"tenant\":\"A B\"", 400, "bad_name");
    unwrap(wrapped, ",\"context\":{\"\":\"1\"}", 400, "bad_context");
    unwrap("", row1, 422, "truncated");
    unwrap("AAAA", row1, 422, "truncated");
    wrapped[100] = '\0';
    unwrap(wrapped, row1, 422, "truncated");
}

static void with_byte(const char *wrapped, size_t at, uint8_t flip, int status, const char *code)
{
    uint8_t head[KW_HEAD_SIZE];
    char text[128];
    assert_int_equal(
        kw_base64_decode_exact(head, sizeof head, kw_bytes(wrapped, strlen(wrapped)), NULL), KW_OK);
    head[at] ^= flip;
    kw_base64_text(text, kw_bytes(head, sizeof head));
    unwrap(text, row1, status, code);
}

static void test_altered_heads(void **state)
{
    char wrapped[128], plaintext[64], text[160];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    with_byte(wrapped, 0, 0xff, 400, "bad_format");
    with_byte(wrapped, 1, 0x40, 400, "unsupported_suite");
    with_byte(wrapped, 2, 1, 404, "key_not_found");
    with_byte(wrapped, 13, 3, 404, "version_not_found");
    with_byte(wrapped, 14, 1, 400, "unknown_class");
    for (size_t at = 18; at < KW_HEAD_SIZE; at++) /* nonce, data key, tag: each of them */
        with_byte(wrapped, at, (uint8_t)(1 << at % 8), 422, "seal_broken");
    snprintf(text, sizeof text, "%sAAAA", wrapped);
    unwrap(text, row1, 400, "bad_format");
    wrapped[50] = '*';
    unwrap(wrapped, row1, 400, "bad_encoding");
}

/* The format byte says what a head belongs to and is not bound: any sealed thing's head opens. */
static void test_heads_of_sealed_things(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    with_byte(wrapped, 0, KW_FORMAT_DATA_KEY ^ KW_FORMAT_ENVELOPE, 200, plaintext);
    with_byte(wrapped, 0, KW_FORMAT_DATA_KEY ^ KW_FORMAT_STREAM, 200, plaintext);
}

static void generate_fails(const char *body, int status, const char *code)
{
    kw_expect(a, &kw_fixture_root, "POST", "/v1/data-keys/generate", body, status, code);
}

static void test_generate_refused(void **state)
{
    KW_UNUSED(state);
    generate_fails("{\"tenant\":\"nobody\",\"region\":\"eu\"}", 404, "tenant_not_found");
    generate_fails("{\"tenant\":\"acme\",\"region\":\"us\"}", 404, "key_not_found");
    generate_fails("{\"tenant\":\"acme\",\"region\":\"eu\",\"class\":\"new\"}", 400,
                   "unknown_class");
    generate_fails("{\"tenant\":\"ACME\",\"region\":\"eu\"}", 400, "bad_name");
    generate_fails("{\"tenant\":\"acme\"}", 400, "bad_json");
    generate_fails("{\"region\":\"eu\"}", 400, "bad_json");
    generate_fails("{\"tenant\":1,\"region\":\"eu\"}", 400, "bad_json");
    generate_fails("{\"tenant\":\"acme\",\"region\":\"eu\",\"count\":0}", 400, "bad_json");
    generate_fails("{\"tenant\":\"acme\",\"region\":\"eu\",\"count\":1001}", 400, "bad_json");
    generate_fails("{\"tenant\":\"acme\",\"region\":\"eu\",\"context\":[]}", 400, "bad_json");
    generate_fails("{\"tenant\":\"acme\",\"region\":\"eu\",\"context\":{\"a\":1}}", 400,
                   "bad_context");
    generate_fails("{\"tenant\":\"acme\",\"region\":\"eu\",\"items\":[]}", 400, "bad_json");
    generate_fails("{\"items\":{}}", 400, "bad_json");
    generate_fails("{\"items\":[1]}", 400, "bad_json");
    generate_fails("[]", 400, "bad_json");
    generate_fails("7", 400, "bad_json");
    generate_fails("", 400, "bad_json");
    generate_fails("{", 400, "bad_json");
}

static void message_says(const char *path, const char *body, const char *words)
{
    struct kw_asked *asked = kw_ask_bytes(a, &kw_fixture_root, "POST", path, kw_bytes_str(body));
    assert_int_equal(asked->status, 400);
    if (strstr(kw_text_at(asked, "error.message"), words) == NULL)
        print_error("%s does not say: %s\n", kw_text_at(asked, "error.message"), words);
    assert_non_null(strstr(kw_text_at(asked, "error.message"), words));
    kw_asked_free(asked);
}

static void test_unknown_members(void **state)
{
    KW_UNUSED(state);
    message_says("/v1/data-keys/generate", "{\"tenant\":\"acme\",\"regoin\":\"eu\"}",
                 "unknown member \"regoin\": did you mean \"region\"?");
    message_says("/v1/data-keys/unwrap", "{\"items\":[{\"wraped\":\"\"}]}",
                 "did you mean \"wrapped\"?");
    message_says("/v1/data-keys/unwrap", "{\"item\":[]}", "\"item\"");
    message_says("/v1/tenants", "{\"id\":\"x\",\"region\":[\"eu\"]}", "\"regions\"?");
    message_says("/v1/tenants/acme/suspend", "{\"zzz\":1}", "unknown member \"zzz\"");
    message_says("/v1/data-keys/unwrap", "{\"items\":[{}]}", "\"wrapped\" is missing");
}

/* ---- Batches ----------------------------------------------------------------------------------
 */

/* Each item has its own outcome, and each is recorded. */
static void test_batch_of_good_and_bad(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    struct kw_asked *asked =
        kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/unwrap",
               "{\"items\":[{\"wrapped\":\"%s\",\"context\":{\"row\":\"1\"}},"
               "{\"wrapped\":\"%s\"},{\"wrapped\":\"short\"},"
               "{\"wrapped\":\"%s\",\"context\":{\"row\":\"1\"},\"tenant\":\"globex\"}]}",
               wrapped, wrapped, wrapped);
    assert_int_equal(asked->status, 200);
    assert_string_equal(kw_text_at(asked, "items.0.plaintext"), plaintext);
    assert_string_equal(kw_text_at(asked, "items.1.error.code"), "seal_broken");
    assert_string_equal(kw_text_at(asked, "items.1.error.class"), "integrity");
    assert_int_equal(kw_at(asked, "items.1.error.retryable")->type, KW_JSON_FALSE);
    assert_null(kw_at(asked, "items.1.plaintext"));
    assert_string_equal(kw_text_at(asked, "items.2.error.code"), "truncated");
    assert_string_equal(kw_text_at(asked, "items.3.error.code"), "not_this_tenant");
    assert_string_equal(kw_text_at(asked, "receipt.count"), "4");
    kw_asked_free(asked);
    assert_int_equal(kw_fixture_entries(a->f, "UnwrapDataKey", ""), 1);
    assert_int_equal(kw_fixture_entries(a->f, "UnwrapDataKey", "seal_broken"), 1);
    assert_int_equal(kw_fixture_entries(a->f, "UnwrapDataKey", "truncated"), 1);
    assert_int_equal(kw_fixture_entries(a->f, "UnwrapDataKey", "not_this_tenant"), 1);
}

static void test_generate_for_many(void **state)
{
    KW_UNUSED(state);
    struct kw_asked *asked =
        kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/generate",
               "{\"items\":[{\"tenant\":\"acme\",\"region\":\"eu\"},"
               "{\"tenant\":\"globex\",\"region\":\"us\",\"class\":\"health\"},"
               "{\"tenant\":\"globex\",\"region\":\"eu\"}]}");
    assert_int_equal(asked->status, 200);
    assert_non_null(kw_at(asked, "items.0.wrapped"));
    assert_non_null(kw_at(asked, "items.1.wrapped"));
    assert_string_equal(kw_text_at(asked, "items.2.error.code"), "key_not_found");
    kw_asked_free(asked);
}

static void append_items(struct kw_buf *body, const char *wrapped, size_t count)
{
    kw_buf_append_str(body, "{\"items\":[");
    for (size_t i = 0; i < count; i++)
        kw_buf_printf(body, "%s{\"wrapped\":\"%s\",\"context\":{\"row\":\"1\"}}", i > 0 ? "," : "",
                      wrapped);
    kw_buf_append_str(body, "]}");
}

static void test_largest_batch(void **state)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    append_items(&body, wrapped, 1000);
    struct kw_asked *asked =
        kw_ask_bytes(a, &kw_fixture_root, "POST", "/v1/data-keys/unwrap", kw_buf_bytes(&body));
    assert_int_equal(asked->status, 200);
    assert_int_equal(kw_at(asked, "items")->count, 1000);
    assert_string_equal(kw_text_at(asked, "items.999.plaintext"), plaintext);
    kw_asked_free(asked);
    kw_buf_reset(&body);
    append_items(&body, wrapped, 1001);
    asked = kw_ask_bytes(a, &kw_fixture_root, "POST", "/v1/data-keys/unwrap", kw_buf_bytes(&body));
    assert_int_equal(asked->status, 413);
    assert_string_equal(kw_text_at(asked, "error.code"), "too_large");
    kw_asked_free(asked);
}

/* ---- Who --------------------------------------------------------------------------------------
 */

/* Without the right to use keys a call is refused whole, and recorded. */
static void test_without_right(void **state)
{
    struct kw_caller admin = kw_fixture_caller("admin", "*");
    KW_UNUSED(state);
    kw_expect(a, &admin, "POST", "/v1/data-keys/generate",
              "{\"tenant\":\"acme\",\"region\":\"eu\",\"count\":2}", 403, "forbidden");
    assert_int_equal(kw_fixture_entries(a->f, "GenerateDataKey", "forbidden"), 2);
}

/* Who may act for another tenant only learns nothing about this one's keys. */
static void test_out_of_scope(void **state)
{
    struct kw_caller service = kw_fixture_caller("service", "globex");
    char wrapped[128], plaintext[64], body[512];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    kw_expect(a, &service, "POST", "/v1/data-keys/generate",
              "{\"tenant\":\"acme\",\"region\":\"eu\"}", 403, "forbidden");
    snprintf(body, sizeof body, "{\"items\":[{\"wrapped\":\"%s\"}]}", wrapped);
    kw_expect(a, &service, "POST", "/v1/data-keys/unwrap", body, 403, "forbidden");
    kw_expect(a, &service, "POST", "/v1/data-keys/rewrap", body, 403, "forbidden");
    kw_expect(a, &service, "POST", "/v1/data-keys/generate",
              "{\"tenant\":\"globex\",\"region\":\"us\"}", 200, NULL);
}

static void test_justification_is_recorded(void **state)
{
    KW_UNUSED(state);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/data-keys/unwrap",
              "{\"items\":[{\"wrapped\":\"\"}],\"justification\":\"ticket 4711\"}", 422,
              "truncated");
    struct kw_asked *asked = kw_ask(a, &kw_fixture_root, "GET", "/v1/ledger/entry?index=2", NULL);
    assert_int_equal(asked->status, 200);
    assert_string_equal(kw_text_at(asked, "unmapped.justification"), "ticket 4711");
    kw_asked_free(asked);
}

static void test_long_justification(void **state)
{
    char body[2048] = "{\"items\":[{\"wrapped\":\"\"}],\"justification\":\"";
    KW_UNUSED(state);
    size_t len = strlen(body);
    memset(body + len, 'x', 1025);
    snprintf(body + len + 1025, 8, "\"}");
    kw_expect(a, &kw_fixture_root, "POST", "/v1/data-keys/unwrap", body, 413, "too_large");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_generate_and_unwrap),
        T(test_receipt_names_the_entry),
        T(test_refused_items),
        T(test_altered_heads),
        T(test_heads_of_sealed_things),
        T(test_generate_refused),
        T(test_unknown_members),
        T(test_batch_of_good_and_bad),
        T(test_generate_for_many),
        T(test_largest_batch),
        T(test_without_right),
        T(test_out_of_scope),
        T(test_justification_is_recorded),
        T(test_long_justification),
    };
    return cmocka_run_group_tests_name("api datakeys", tests, NULL, NULL);
}

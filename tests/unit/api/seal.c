/* Small payloads, sealed and opened by the server. */
#include "api_scene.h"

#include "base/encode.h"
#include "envelope/envelope.h"
#include "envelope/text.h"

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 2, NULL);
    kw_fixture_tenant(a->f, "acme", "eu");
    return 0;
}

/* Seals size bytes of a pattern for acme in eu, class pii, context {"row":"1"}. */
static char *seal(size_t size, char **plaintext)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7);
    *plaintext = malloc(size / 3 * 4 + 8);
    kw_base64_text(*plaintext, kw_bytes(bytes, size));
    free(bytes);
    kw_buf_printf(&body, "{\"tenant\":\"acme\",\"region\":\"eu\",\"class\":\"pii\","
                         "\"context\":{\"row\":\"1\"},\"plaintext\":\"");
    kw_buf_append_str(&body, *plaintext);
    kw_buf_append_str(&body, "\"}");
    struct kw_asked *asked = kw_ask_bytes(a, root, "POST", "/v1/seal", kw_buf_bytes(&body));
    assert_int_equal(asked->status, 200);
    assert_string_equal(kw_text_at(asked, "receipt.count"), "1");
    char *envelope = strdup(kw_text_at(asked, "envelope"));
    kw_asked_free(asked);
    return envelope;
}

static void opens(const char *envelope, const char *more, int status, const char *expected)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    kw_buf_append_str(&body, "{\"envelope\":\"");
    kw_buf_append_str(&body, envelope);
    kw_buf_append_str(&body, "\"");
    kw_buf_append_str(&body, more);
    kw_buf_append_str(&body, "}");
    struct kw_asked *asked = kw_ask_bytes(a, root, "POST", "/v1/open", kw_buf_bytes(&body));
    if (asked->status != status)
        print_error("%.*s\n", (int)asked->body.len, (const char *)asked->body.data);
    assert_int_equal(asked->status, status);
    assert_string_equal(kw_text_at(asked, status == 200 ? "plaintext" : "error.code"), expected);
    kw_asked_free(asked);
}

static const char row1[] = ",\"context\":{\"row\":\"1\"}";

static void test_round_trips(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 64, 1000, 65536};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(sizes); i++) {
        char *plaintext = NULL;
        char *envelope = seal(sizes[i], &plaintext);
        size_t bytes = sizes[i] + KW_ENVELOPE_OVERHEAD;
        assert_int_equal(strlen(envelope), (bytes + 2) / 3 * 4);
        opens(envelope, row1, 200, plaintext);
        free(envelope);
        free(plaintext);
    }
    assert_int_equal(kw_fixture_entries(a->f, "GenerateDataKey", ""), KW_COUNT(sizes));
    assert_int_equal(kw_fixture_entries(a->f, "UnwrapDataKey", ""), KW_COUNT(sizes));
}

static void test_text_form(void **state)
{
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT, text = KW_BUF_INIT;
    char *plaintext = NULL;
    KW_UNUSED(state);
    char *envelope = seal(50, &plaintext);
    assert_int_equal(kw_base64_decode(&sealed, kw_bytes_str(envelope), NULL), KW_OK);
    kw_text_encode(&text, kw_buf_bytes(&sealed));
    opens(kw_buf_str(&text), row1, 200, plaintext);
    free(envelope);
    free(plaintext);
}

static void test_expectations(void **state)
{
    char *plaintext = NULL;
    KW_UNUSED(state);
    char *envelope = seal(10, &plaintext);
    opens(envelope,
          ",\"context\":{\"row\":\"1\"},\"tenant\":\"acme\",\"region\":\"eu\","
          "\"class\":\"pii\",\"justification\":\"x\"",
          200, plaintext);
    opens(envelope, "", 422, "seal_broken");
    opens(envelope, ",\"context\":{\"row\":\"1\"},\"tenant\":\"globex\"", 403, "not_this_tenant");
    opens(envelope, ",\"context\":{\"row\":\"1\"},\"class\":\"default\"", 403, "wrong_class");
    opens(envelope, ",\"contxt\":{}", 400, "bad_json");
    free(envelope);
    free(plaintext);
}

/* Each byte of a small envelope, one bit of it flipped: nothing opens, whatever it hits. */
static void test_each_byte_altered(void **state)
{
    uint8_t bytes[8 + KW_ENVELOPE_OVERHEAD];
    char *plaintext = NULL;
    char text[200];
    KW_UNUSED(state);
    char *envelope = seal(8, &plaintext);
    assert_int_equal(kw_base64_decode_exact(bytes, sizeof bytes, kw_bytes_str(envelope), NULL),
                     KW_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= (uint8_t)(1 << i % 8);
        kw_base64_text(text, kw_bytes(bytes, sizeof bytes));
        bytes[i] ^= (uint8_t)(1 << i % 8);
        struct kw_asked *asked = kw_ask(a, root, "POST", "/v1/open",
                                        "{\"envelope\":\"%s\",\"context\":{\"row\":\"1\"}}", text);
        assert_true(asked->status >= 400 && asked->status < 500);
        assert_null(kw_at(asked, "plaintext"));
        kw_asked_free(asked);
    }
    free(envelope);
    free(plaintext);
}

static void test_open_refused(void **state)
{
    char *plaintext = NULL;
    KW_UNUSED(state);
    char *envelope = seal(10, &plaintext);
    opens("", row1, 400, "bad_format");
    opens("****", row1, 400, "bad_encoding");
    opens("kw1.****", row1, 400, "bad_encoding");
    opens("AAAA", row1, 400, "bad_format");
    envelope[strlen(envelope) - 4] = '\0';
    opens(envelope, row1, 422, "seal_broken"); /* three bytes are missing */
    envelope[120] = '\0';
    opens(envelope, row1, 422, "truncated");
    kw_expect(a, root, "POST", "/v1/open", "{}", 400, "bad_json");
    kw_expect(a, root, "POST", "/v1/open", "{\"envelope\":1}", 400, "bad_json");
    free(envelope);
    free(plaintext);
}

static void test_too_large(void **state)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_UNUSED(state);
    kw_buf_append_str(&body, "{\"tenant\":\"acme\",\"region\":\"eu\",\"plaintext\":\"");
    for (size_t i = 0; i < 65537 / 3 + 1; i++)
        kw_buf_append_str(&body, "AAAA");
    kw_buf_append_str(&body, "\"}");
    struct kw_asked *asked = kw_ask_bytes(a, root, "POST", "/v1/seal", kw_buf_bytes(&body));
    assert_int_equal(asked->status, 413);
    assert_int_equal(kw_fixture_entries(a->f, "GenerateDataKey", NULL), 0);
    kw_asked_free(asked);
}

static void test_seal_refused(void **state)
{
    KW_UNUSED(state);
    kw_expect(a, root, "POST", "/v1/seal",
              "{\"tenant\":\"acme\",\"region\":\"eu\",\"plaintext\":\"A\"}", 400, "bad_encoding");
    kw_expect(a, root, "POST", "/v1/seal",
              "{\"tenant\":\"acme\",\"region\":\"eu\",\"plaintext\":\"=\"}", 400, "bad_encoding");
    kw_expect(a, root, "POST", "/v1/seal", "{\"tenant\":\"acme\",\"region\":\"eu\"}", 400,
              "bad_json");
    kw_expect(a, root, "POST", "/v1/seal", "{\"plaintext\":\"\"}", 400, "bad_json");
    kw_expect(a, root, "POST", "/v1/seal",
              "{\"tenant\":\"acme\",\"region\":\"eu\",\"plaintext\":\"\",\"count\":2}", 400,
              "bad_json");
    kw_expect(a, root, "POST", "/v1/seal",
              "{\"tenant\":\"nobody\",\"region\":\"eu\",\"plaintext\":\"\"}", 404,
              "tenant_not_found");
    kw_expect(a, root, "POST", "/v1/seal", "[]", 400, "bad_json");
}

static void test_ledger_away(void **state)
{
    char *plaintext = NULL;
    KW_UNUSED(state);
    char *envelope = seal(30, &plaintext);
    atomic_store(&a->f->ledger_fails, true);
    struct kw_asked *asked = kw_ask(a, root, "POST", "/v1/open",
                                    "{\"envelope\":\"%s\",\"context\":{\"row\":\"1\"}}", envelope);
    assert_true(asked->status >= 500);
    assert_null(memmem(asked->body.data, asked->body.len, plaintext, 16));
    kw_asked_free(asked);
    atomic_store(&a->f->ledger_fails, false);
    free(envelope);
    free(plaintext);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_round_trips),  T(test_text_form), T(test_expectations), T(test_each_byte_altered),
        T(test_open_refused), T(test_too_large), T(test_seal_refused), T(test_ledger_away),
    };
    return cmocka_run_group_tests_name("api seal", tests, NULL, NULL);
}

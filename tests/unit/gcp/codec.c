/* Cloud KMS's texts by transcript: what is sent, and what each answer means. */
#include "gcp/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define KEY "projects/acme/locations/europe-west3/keyRings/keyward/cryptoKeys/root"

static struct kw_error err;
static const struct kw_provider_pair pairs[] = {{"tenant", "acme"}};
static const struct kw_provider_call call = {.key = KEY, .context = pairs, .context_count = 1};

static void names_of_keys(void **state)
{
    static const char *const bad[] = {"",
                                      "root",
                                      KEY "/",
                                      KEY "/cryptoKeyVersions/1",
                                      "/" KEY,
                                      "projects//" KEY,
                                      "projects/acme/locations/eu/keyRings/r/cryptoKeys/",
                                      KEY "?a",
                                      KEY "%2f",
                                      KEY ":encrypt",
                                      "projects/../locations/eu/keyRings/r/cryptoKeys/k",
                                      "projects/acme/locations/eu/keyRings/r/cryptoKeys/k k",
                                      "projects/Acme/locations/eu/keyRings/r/cryptoKeys/k",
                                      "projects/acme/locations/eu/keyRing/r/cryptoKeys/k"};
    KW_UNUSED(state);
    assert_true(kw_gcp_is_key_name(KEY));
    assert_true(kw_gcp_is_key_name(
        "projects/example.com:billing-1/locations/global/keyRings/R_1/cryptoKeys/K-2"));
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_false(kw_gcp_is_key_name(bad[i]));
}

/* The context is 01 0006 "tenant" 0004 "acme". */
static void requests(void **state)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_SECRET;
    KW_UNUSED(state);
    assert_int_equal(kw_secret_copy(&plaintext, "123456789", 9, &err), KW_OK);
    kw_gcp_put_encrypt(&out, &call, &plaintext);
    assert_string_equal(kw_buf_str(&out),
                        "{\"plaintext\":\"MTIzNDU2Nzg5\",\"plaintextCrc32c\":3808858755,"
                        "\"additionalAuthenticatedData\":\"AQAGdGVuYW50AARhY21l\","
                        "\"additionalAuthenticatedDataCrc32c\":236024087}");
    kw_buf_reset(&out);
    kw_gcp_put_decrypt(&out, &call, kw_bytes("123456789", 9));
    assert_string_equal(kw_buf_str(&out),
                        "{\"ciphertext\":\"MTIzNDU2Nzg5\",\"ciphertextCrc32c\":3808858755,"
                        "\"additionalAuthenticatedData\":\"AQAGdGVuYW50AARhY21l\","
                        "\"additionalAuthenticatedDataCrc32c\":236024087}");
    kw_buf_reset(&out);
    kw_gcp_put_create(&out);
    assert_string_equal(kw_buf_str(&out), "{\"purpose\":\"ENCRYPT_DECRYPT\"}");
}

#define NAME "\"name\":\"" KEY "/cryptoKeyVersions/7\""
#define VERIFIED                                                                                   \
    "\"verifiedPlaintextCrc32c\":true,\"verifiedAdditionalAuthenticatedDataCrc32c\":true"
#define TEXT "\"ciphertext\":\"MTIzNDU2Nzg5\""

static kw_code ciphertext(const char *body, struct kw_buf *out)
{
    return kw_gcp_get_ciphertext(kw_bytes_str(body), KEY, out, &err);
}

static void ciphertexts(void **state)
{
    static const char *const good[] = {
        "{" NAME "," TEXT ",\"ciphertextCrc32c\":\"3808858755\"," VERIFIED "}",
        "{" TEXT ",\"ciphertextCrc32c\":3808858755," VERIFIED ",\"more\":{}," NAME "}"};
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{",
        "{" NAME "," TEXT "," VERIFIED "}",
        "{" NAME "," TEXT ",\"ciphertextCrc32c\":\"3808858754\"," VERIFIED "}",
        "{" NAME "," TEXT ",\"ciphertextCrc32c\":\"3808858755\"}",
        "{" NAME "," TEXT ",\"ciphertextCrc32c\":\"3808858755\",\"verifiedPlaintextCrc32c\":true}",
        "{" NAME "," TEXT ",\"ciphertextCrc32c\":true," VERIFIED "}",
        "{" NAME ",\"ciphertext\":\"\",\"ciphertextCrc32c\":0," VERIFIED "}",
        "{" NAME ",\"ciphertext\":\"MTIz!\",\"ciphertextCrc32c\":0," VERIFIED "}",
        "{" NAME ",\"ciphertext\":7,\"ciphertextCrc32c\":0," VERIFIED "}",
        "{\"name\":\"" KEY "\"," TEXT ",\"ciphertextCrc32c\":\"3808858755\"," VERIFIED "}",
        "{\"name\":\"" KEY "2/cryptoKeyVersions/7\"," TEXT
        ",\"ciphertextCrc32c\":\"3808858755\"," VERIFIED "}",
        "{" TEXT ",\"ciphertextCrc32c\":\"3808858755\"," VERIFIED "}"};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(good); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        assert_int_equal(ciphertext(good[i], &out), KW_OK);
        assert_string_equal(kw_buf_str(&out), "123456789");
    }
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        assert_int_equal(ciphertext(bad[i], &out), KW_PROVIDER_UNAVAILABLE);
        assert_int_equal(out.len, 0);
    }
}

static void plaintexts(void **state)
{
    static const char *const bad[] = {"{}",
                                      "null",
                                      "{\"plaintext\":\"MTIzNDU2Nzg5\"}",
                                      "{\"plaintext\":\"MTIzNDU2Nzg5\",\"plaintextCrc32c\":\"1\"}",
                                      "{\"plaintext\":\"MTIzNDU2Nzg5\",\"plaintextCrc32c\":-1}",
                                      "{\"plaintext\":\"MTIzNDU2Nzg\",\"plaintextCrc32c\":\"0\"}",
                                      "{\"plaintext\":\"====\",\"plaintextCrc32c\":\"0\"}",
                                      "{\"plaintext\":\"\",\"plaintextCrc32c\":\"0\"}"};
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_gcp_get_plaintext(kw_bytes_str(bad[i]), &got, &err),
                         KW_PROVIDER_UNAVAILABLE);
    assert_null(got.data);
    const char *good = "{\"plaintext\":\"MTIzNDU2Nzg5\",\"plaintextCrc32c\":\"3808858755\","
                       "\"usedPrimary\":true}";
    assert_int_equal(kw_gcp_get_plaintext(kw_bytes_str(good), &got, &err), KW_OK);
    assert_int_equal(got.len, 9);
    assert_memory_equal(got.data, "123456789", 9);
}

static void states(void **state)
{
    static const struct {
        const char *body;
        kw_code code;
    } answers[] = {
        {"{\"purpose\":\"ENCRYPT_DECRYPT\",\"primary\":{\"state\":\"ENABLED\"}}", KW_OK},
        {"{\"purpose\":1,\"primary\":{\"state\":1}}", KW_OK},
        {"{\"purpose\":1,\"primary\":{\"state\":2}}", KW_KEY_SUSPENDED},
        {"{\"purpose\":1,\"primary\":{\"state\":\"DISABLED\"}}", KW_KEY_SUSPENDED},
        {"{\"purpose\":1,\"primary\":{\"state\":3}}", KW_KEY_DESTROYED},
        {"{\"purpose\":1,\"primary\":{\"state\":\"DESTROYED\"}}", KW_KEY_DESTROYED},
        {"{\"purpose\":1,\"primary\":{\"state\":4}}", KW_KEY_PENDING},
        {"{\"purpose\":1,\"primary\":{\"state\":\"DESTROY_SCHEDULED\"}}", KW_KEY_PENDING},
        {"{\"purpose\":1,\"primary\":{\"state\":5}}", KW_PROVIDER_UNAVAILABLE},
        {"{\"purpose\":1,\"primary\":{\"state\":99}}", KW_PROVIDER_UNAVAILABLE},
        {"{\"purpose\":1,\"primary\":{\"state\":\"NEW\"}}", KW_PROVIDER_UNAVAILABLE},
        {"{\"purpose\":1,\"primary\":{}}", KW_PROVIDER_UNAVAILABLE},
        {"{\"purpose\":1}", KW_KEY_SUSPENDED},
        {"{\"purpose\":5,\"primary\":{\"state\":1}}", KW_FORBIDDEN},
        {"{\"purpose\":\"RAW_ENCRYPT_DECRYPT\",\"primary\":{\"state\":1}}", KW_FORBIDDEN},
        {"{\"primary\":{\"state\":1}}", KW_PROVIDER_UNAVAILABLE},
        {"[]", KW_PROVIDER_UNAVAILABLE},
        {"", KW_PROVIDER_UNAVAILABLE},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(answers); i++)
        assert_int_equal(kw_gcp_check_key(kw_bytes_str(answers[i].body), &err), answers[i].code);
}

#define ERROR(status, message)                                                                     \
    "{\"error\":{\"code\":400,\"message\":\"" message "\",\"status\":\"" status "\"}}"

static void errors(void **state)
{
    static const struct {
        int http;
        bool decrypting;
        const char *body;
        kw_code code;
    } answers[] = {
        {400, true, ERROR("INVALID_ARGUMENT", "Decryption failed"), KW_SEAL_BROKEN},
        {400, true, ERROR("INVALID_ARGUMENT", "The checksum in field ciphertext_crc32c"),
         KW_PROVIDER_UNAVAILABLE},
        {400, false, ERROR("INVALID_ARGUMENT", "no"), KW_FORBIDDEN},
        {400, true,
         ERROR("FAILED_PRECONDITION", KEY " is not enabled, current state is: DISABLED."),
         KW_KEY_SUSPENDED},
        {400, true, ERROR("FAILED_PRECONDITION", "current state is: DESTROYED."), KW_KEY_DESTROYED},
        {400, true, ERROR("FAILED_PRECONDITION", "current state is: DESTROY_SCHEDULED."),
         KW_KEY_PENDING},
        {400, true, ERROR("FAILED_PRECONDITION", "state is: PENDING_GENERATION."),
         KW_PROVIDER_UNAVAILABLE},
        {400, false, ERROR("FAILED_PRECONDITION", "something else"), KW_KEY_SUSPENDED},
        {401, false, ERROR("UNAUTHENTICATED", "x"), KW_UNAUTHENTICATED},
        {403, true, ERROR("PERMISSION_DENIED", "x"), KW_FORBIDDEN},
        {404, true, ERROR("NOT_FOUND", "x"), KW_KEY_NOT_FOUND},
        {409, false, ERROR("ALREADY_EXISTS", "x"), KW_EXISTS},
        {409, false, ERROR("ABORTED", "x"), KW_PROVIDER_UNAVAILABLE},
        {429, true, ERROR("RESOURCE_EXHAUSTED", "x"), KW_RATE_LIMITED},
        {500, true, ERROR("INTERNAL", "x"), KW_PROVIDER_UNAVAILABLE},
        {503, true, ERROR("UNAVAILABLE", "x"), KW_PROVIDER_UNAVAILABLE},
        {504, true, ERROR("DEADLINE_EXCEEDED", "x"), KW_PROVIDER_UNAVAILABLE},
        {429, true, "", KW_RATE_LIMITED},
        {403, true, "<html>", KW_FORBIDDEN},
        {400, true, "<html>", KW_PROVIDER_UNAVAILABLE},
        {502, true, "<html>", KW_PROVIDER_UNAVAILABLE},
        {302, true, "{\"error\":7}", KW_PROVIDER_UNAVAILABLE},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(answers); i++) {
        assert_int_equal(kw_gcp_error(answers[i].http, kw_bytes_str(answers[i].body),
                                      answers[i].decrypting, &err),
                         answers[i].code);
        assert_int_equal(err.code, answers[i].code);
        assert_null(strchr(err.text, '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_keys), cmocka_unit_test(requests), cmocka_unit_test(ciphertexts),
        cmocka_unit_test(plaintexts),    cmocka_unit_test(states),   cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

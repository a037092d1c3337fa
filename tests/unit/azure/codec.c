/* Key Vault's texts by transcript: what is sent, and what each answer means. */
#include "azure/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define VERSION "0123456789abcdef0123456789abcdef"
#define KID     "\"kid\":\"https://kw.vault.azure.net/keys/root/" VERSION "\""

static struct kw_error err;
static const struct kw_azure_key unversioned = {.name = "root"};
static const struct kw_azure_key versioned = {.name = "root", .version = VERSION};

static void names_of_keys(void **state)
{
    static const char *const bad[] = {"",   "/",   "/v",  "a/",   "a/b/c", "a b",
                                      "..", "a.b", "a?b", "a%2f", "a_b",   "a\"b"};
    struct kw_azure_key key;
    char name[KW_AZURE_NAME_MAX + 2];
    KW_UNUSED(state);
    assert_true(kw_azure_key_parse("root-1", 6, &key));
    assert_string_equal(key.name, "root-1");
    assert_string_equal(key.version, "");
    assert_true(kw_azure_key_parse("root/00ff", 9, &key));
    assert_string_equal(key.name, "root");
    assert_string_equal(key.version, "00ff");
    assert_false(kw_azure_key_parse("ro\0t", 4, &key));
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_false(kw_azure_key_parse(bad[i], strlen(bad[i]), &key));
    memset(name, 'n', sizeof name);
    assert_true(kw_azure_key_parse(name, KW_AZURE_NAME_MAX, &key));
    assert_false(kw_azure_key_parse(name, KW_AZURE_NAME_MAX + 1, &key));
    const struct kw_azure_key upper = {.name = "ROOT"};
    const struct kw_azure_key other = {.name = "root2"};
    assert_true(kw_azure_key_same(&unversioned, &upper));
    assert_false(kw_azure_key_same(&unversioned, &other));
}

static void requests(void **state)
{
    KW_AUTO(kw_buf) out = KW_BUF_SECRET;
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_UNUSED(state);
    kw_azure_put_value(&out, kw_bytes("\xfb\xff\x01\x02", 4));
    assert_string_equal(kw_buf_str(&out), "{\"alg\":\"RSA-OAEP-256\",\"value\":\"-_8BAg\"}");
    kw_buf_reset(&out);
    kw_azure_put_create(&out, "RSA");
    assert_string_equal(
        kw_buf_str(&out),
        "{\"kty\":\"RSA\",\"key_size\":3072,\"key_ops\":[\"wrapKey\",\"unwrapKey\"]}");
    kw_buf_reset(&out);
    assert_int_equal(kw_secret_copy(&secret, "a~8&+ \xc3\xa9", 8, &err), KW_OK);
    kw_azure_put_login(&out, "id-1", &secret, "https://vault.azure.net/.default");
    assert_string_equal(kw_buf_str(&out), "grant_type=client_credentials&client_id=id-1&"
                                          "client_secret=a~8%26%2B%20%C3%A9&"
                                          "scope=https%3A%2F%2Fvault.azure.net%2F.default");
}

static void values(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{" KID "}",
        "{\"value\":\"AQI\"}",
        "{" KID ",\"value\":\"\"}",
        "{" KID ",\"value\":\"AQI=\"}",
        "{" KID ",\"value\":\"A\"}",
        "{" KID ",\"value\":3}",
        "{\"kid\":\"https://kw.vault.azure.net/keys/root\",\"value\":\"AQI\"}",
        "{\"kid\":\"https://kw.vault.azure.net/keys/other/" VERSION "\",\"value\":\"AQI\"}",
        "{\"kid\":\"https://kw.vault.azure.net/keys/root/00\",\"value\":\"AQI\"}",
        "{\"kid\":\"https://kw.vault.azure.net/secrets/root/" VERSION "\",\"value\":\"AQI\"}",
        "{\"kid\":\"root/" VERSION "\",\"value\":\"AQI\"}",
        "{\"kid\":\"https://x\",\"value\":\"AQI\"}"};
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_azure_get_value(kw_bytes_str(bad[i]), &versioned, &got, &err),
                         KW_PROVIDER_UNAVAILABLE);
    assert_null(got.data);
    const char *good = "{" KID ",\"value\":\"AQI\",\"more\":1}";
    assert_int_equal(kw_azure_get_value(kw_bytes_str(good), &versioned, &got, &err), KW_OK);
    assert_int_equal(got.len, 2);
    assert_memory_equal(got.data, "\x01\x02", 2);
}

#define RSA_OPS  "\"kty\":\"RSA-HSM\",\"key_ops\":[\"wrapKey\",\"unwrapKey\"]"
#define BOTH     "\"key\":{" KID "," RSA_OPS "}"
#define ATTRS(x) "\"attributes\":{" x "}"

static void keys(void **state)
{
    static const struct {
        const char *body;
        kw_code code;
    } answers[] = {
        {"{" BOTH "," ATTRS("\"enabled\":true") "}", KW_OK},
        {"{" BOTH "," ATTRS("\"enabled\":true,\"nbf\":999,\"exp\":1001") "}", KW_OK},
        {"{" BOTH "," ATTRS("\"enabled\":false") "}", KW_KEY_SUSPENDED},
        {"{" BOTH "," ATTRS("\"enabled\":true,\"exp\":1000") "}", KW_KEY_SUSPENDED},
        {"{" BOTH "," ATTRS("\"enabled\":true,\"nbf\":1001") "}", KW_KEY_SUSPENDED},
        {"{" BOTH "," ATTRS("") "}", KW_KEY_SUSPENDED},
        {"{" BOTH "," ATTRS("\"enabled\":\"yes\"") "}", KW_PROVIDER_UNAVAILABLE},
        {"{" BOTH "," ATTRS("\"enabled\":true,\"exp\":\"soon\"") "}", KW_PROVIDER_UNAVAILABLE},
        {"{" BOTH "}", KW_PROVIDER_UNAVAILABLE},
        {"{\"key\":{" KID ",\"kty\":\"EC\",\"key_ops\":[\"sign\"]}," ATTRS("\"enabled\":true") "}",
         KW_FORBIDDEN},
        {"{\"key\":{" KID
         ",\"kty\":\"RSA\",\"key_ops\":[\"wrapKey\"]}," ATTRS("\"enabled\":true") "}",
         KW_FORBIDDEN},
        {"{\"key\":{" KID ",\"kty\":\"RSA\"}," ATTRS("\"enabled\":true") "}", KW_FORBIDDEN},
        {"{\"key\":{" RSA_OPS "}," ATTRS("\"enabled\":true") "}", KW_PROVIDER_UNAVAILABLE},
        {"{}", KW_PROVIDER_UNAVAILABLE},
        {"", KW_PROVIDER_UNAVAILABLE},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(answers); i++) {
        struct kw_azure_key got = {.name = ""};
        assert_int_equal(
            kw_azure_check_key(kw_bytes_str(answers[i].body), &unversioned, 1000, &got, &err),
            answers[i].code);
        assert_string_equal(got.version, answers[i].code == KW_OK ? VERSION : "");
    }
}

static void tokens(void **state)
{
    static const char *const good[] = {
        "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"eyJ0\"}",
        "{\"expires_in\":\"3599\",\"access_token\":\"eyJ0\"}"};
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"access_token\":\"eyJ0\"}",
                                      "{\"access_token\":\"\",\"expires_in\":3599}",
                                      "{\"access_token\":\"eyJ0\",\"expires_in\":0}",
                                      "{\"access_token\":\"eyJ0\",\"expires_in\":\"x\"}",
                                      "{\"access_token\":7,\"expires_in\":3599}"};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(good) + KW_COUNT(bad); i++) {
        struct kw_bearer_grant grant = {.token = KW_SECRET_INIT};
        bool is_good = i < KW_COUNT(good);
        const char *body = is_good ? good[i] : bad[i - KW_COUNT(good)];
        assert_int_equal(kw_azure_get_token(kw_bytes_str(body), &grant, &err),
                         is_good ? KW_OK : KW_PROVIDER_UNAVAILABLE);
        assert_int_equal(grant.lifetime_ms, is_good ? 3599000 : 0);
        assert_int_equal(grant.token.len, is_good ? 4 : 0);
        kw_secret_wipe(&grant.token);
    }
}

#define ERROR(code, inner)                                                                         \
    "{\"error\":{\"code\":\"" code                                                                 \
    "\",\"message\":\"why\\r\\n\",\"innererror\":{\"code\":\"" inner "\"}}}"

static void errors(void **state)
{
    static const struct {
        int http;
        bool unwrapping;
        const char *body;
        kw_code code;
    } answers[] = {
        {403, true, ERROR("Forbidden", "KeyDisabled"), KW_KEY_SUSPENDED},
        {403, true,
         "{\"error\":{\"code\":\"Forbidden\",\"innerError\":{\"code\":\"KeyDisabled\"}}}",
         KW_KEY_SUSPENDED},
        {403, false, ERROR("Forbidden", "ForbiddenByRbac"), KW_FORBIDDEN},
        {403, false, ERROR("Forbidden", "ForbiddenByFirewall"), KW_FORBIDDEN},
        {403, false, ERROR("Forbidden", "KeyExpired"), KW_KEY_SUSPENDED},
        {403, false, "{\"error\":{\"code\":\"Forbidden\",\"innererror\":null}}", KW_FORBIDDEN},
        {404, true, "{\"error\":{\"code\":\"KeyNotFound\",\"message\":\"x\"}}", KW_KEY_NOT_FOUND},
        {409, false, ERROR("Conflict", "ObjectIsDeletedButRecoverable"), KW_KEY_PENDING},
        {409, false, ERROR("Conflict", "ObjectIsBeingDeleted"), KW_KEY_PENDING},
        {409, false, ERROR("Conflict", "ObjectIsBeingRecovered"), KW_PROVIDER_UNAVAILABLE},
        {409, false, ERROR("Conflict", ""), KW_PROVIDER_UNAVAILABLE},
        {429, true, "{\"error\":{\"code\":\"Throttled\",\"message\":\"x\"}}", KW_RATE_LIMITED},
        {429, true, "", KW_RATE_LIMITED},
        {401, true, "{\"error\":{\"code\":\"Unauthorized\",\"message\":\"x\"}}",
         KW_UNAUTHENTICATED},
        {401, true, ERROR("Unauthorized", "KeyDisabled"), KW_UNAUTHENTICATED},
        {400, true, "{\"error\":{\"code\":\"BadParameter\",\"message\":\"x\"}}", KW_SEAL_BROKEN},
        {400, false, "{\"error\":{\"code\":\"BadParameter\",\"message\":\"x\"}}", KW_FORBIDDEN},
        {408, false, "", KW_PROVIDER_UNAVAILABLE},
        {500, true, "<html>", KW_PROVIDER_UNAVAILABLE},
        {302, true, "{}", KW_PROVIDER_UNAVAILABLE},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(answers); i++) {
        assert_int_equal(kw_azure_error(answers[i].http, kw_bytes_str(answers[i].body),
                                        answers[i].unwrapping, &err),
                         answers[i].code);
        assert_null(strpbrk(err.text, "\r\n"));
    }
}

static void login_errors(void **state)
{
    static const struct {
        int http;
        const char *body;
        kw_code code;
    } answers[] = {
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215\"}",
         KW_FORBIDDEN},
        {400, "{\"error\":\"invalid_scope\"}", KW_FORBIDDEN},
        {400, "{\"error\":\"temporarily_unavailable\"}", KW_PROVIDER_UNAVAILABLE},
        {429, "{}", KW_RATE_LIMITED},
        {503, "", KW_PROVIDER_UNAVAILABLE},
        {302, "", KW_PROVIDER_UNAVAILABLE},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(answers); i++)
        assert_int_equal(kw_azure_login_error(answers[i].http, kw_bytes_str(answers[i].body), &err),
                         answers[i].code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_keys), cmocka_unit_test(requests), cmocka_unit_test(values),
        cmocka_unit_test(keys),          cmocka_unit_test(tokens),   cmocka_unit_test(errors),
        cmocka_unit_test(login_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

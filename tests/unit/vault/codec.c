/* vault: requests as they are written, and answers as OpenBao gives them. */
#include "vault/codec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_error err;

static const struct kw_provider_pair pairs[] = {{"tenant", "acme"}, {"region", "eu"}};
static const struct kw_provider_call call = {.key = "a", .context = pairs, .context_count = 2};

/* Two pairs, each name and value after its length: 02 0006 tenant 0004 acme 0006 region 0002 eu. */
#define CONTEXT "AgAGdGVuYW50AARhY21lAAZyZWdpb24AAmV1"

static void names(void **state)
{
    static const char *const good[] = {"a", "A-b_c.9", "0", "_"};
    static const char *const bad[] = {"",     ".",   "..",  ".a", "a/b",     "a b",
                                      "a%2f", "a?b", "a#b", "\n", "\xc3\xa4"};
    char longest[130];
    KW_UNUSED(state);
    memset(longest, 'k', sizeof longest - 1);
    longest[129] = '\0';
    assert_false(kw_vault_is_key_name(longest));
    longest[128] = '\0';
    assert_true(kw_vault_is_key_name(longest));
    for (size_t i = 0; i < KW_COUNT(good); i++)
        assert_true(kw_vault_is_key_name(good[i]) && kw_vault_is_mount(good[i]));
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_false(kw_vault_is_key_name(bad[i]));
    assert_true(kw_vault_is_mount("team/a/transit"));
    assert_false(kw_vault_is_mount("/transit"));
    assert_false(kw_vault_is_mount("transit/"));
    assert_false(kw_vault_is_mount("a//b"));
    assert_false(kw_vault_is_mount("a/../b"));
}

static void requests(void **state)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_SECRET;
    KW_UNUSED(state);
    assert_int_equal(kw_secret_copy(&plaintext, "hello", 5, &err), KW_OK);
    kw_vault_put_encrypt(&out, &call, &plaintext);
    assert_string_equal(kw_buf_str(&out),
                        "{\"plaintext\":\"aGVsbG8=\",\"associated_data\":\"" CONTEXT "\"}");
    kw_buf_reset(&out);
    assert_int_equal(kw_vault_put_decrypt(&out, &call, kw_bytes_str("vault:v12:AAAA"), &err),
                     KW_OK);
    assert_string_equal(kw_buf_str(&out),
                        "{\"ciphertext\":\"vault:v12:AAAA\",\"associated_data\":\"" CONTEXT "\"}");
    kw_buf_reset(&out);
    kw_vault_put_create(&out);
    assert_string_equal(kw_buf_str(&out), "{\"type\":\"aes256-gcm96\"}");
    kw_buf_reset(&out);
    kw_secret_wipe(&plaintext);
    assert_int_equal(kw_secret_copy(&plaintext, "s\"x", 4, &err), KW_OK);
    kw_vault_put_login(&out, "role", &plaintext);
    assert_string_equal(kw_buf_str(&out), "{\"role_id\":\"role\",\"secret_id\":\"s\\\"x\"}");
}

/* One copy has one spelling, though Transit would take several. */
static void spellings(void **state)
{
    static const char *const bad[] = {
        "",
        "vault:v",
        "vault:v1",
        "vault:v1:",
        "vault:v:AAAA",
        "vault:v0:AAAA",
        "vault:v01:AAAA",
        "vault:v+1:AAAA",
        "vault:v1234567890:AAAA",
        "vault:v1:AAA",
        "vault:v1:AAA=AAAA",
        "vault:v1:AAB=", /* bits that are not used are set */
        "vault:v1:AAAA\n",
        "vault:v1:AA\nAA",
        "vault:v1:AA_-",
        " vault:v1:AAAA",
        "VAULT:v1:AAAA",
        "vault:v1:AAAA:AAAA",
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        assert_int_equal(kw_vault_put_decrypt(&out, &call, kw_bytes_str(bad[i]), &err),
                         KW_SEAL_BROKEN);
        assert_int_equal(out.len, 0);
    }
}

#define ENVELOPE(part) "{\"request_id\":\"35976b0\",\"lease_id\":\"\",\"renewable\":false," part "}"

static void ciphertexts(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"data\":null}",
        "{\"data\":{}}",
        "{\"data\":{\"ciphertext\":7}}",
        "{\"data\":{\"ciphertext\":\"\"}}",
        "{\"data\":{\"ciphertext\":\"v1:AAAA\"}}",
        "{\"data\":{\"ciphertext\":\"vault:v1:AAAA\",\"ciphertext\":\"vault:v1:BBBB\"}}",
        "{\"data\":{\"ciphertext\":\"vault:v1:AAAA\"}",
        "<html>",
    };
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_UNUSED(state);
    assert_int_equal(
        kw_vault_get_ciphertext(
            kw_bytes_str(ENVELOPE("\"data\":{\"ciphertext\":\"vault:v1:31zr\","
                                  "\"key_version\":1},\"wrap_info\":null,\"auth\":null")),
            &out, &err),
        KW_OK);
    assert_string_equal(kw_buf_str(&out), "vault:v1:31zr");
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_vault_get_ciphertext(kw_bytes_str(bad[i]), &out, &err),
                         KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(out.len, 13);
}

static void plaintexts(void **state)
{
    static const char *const bad[] = {
        "{\"data\":{\"plaintext\":\"\"}}",     "{\"data\":{\"plaintext\":\"=\"}}",
        "{\"data\":{\"plaintext\":\"====\"}}", "{\"data\":{\"plaintext\":\"aGVsbG8\"}}",
        "{\"data\":{\"plaintext\":\"aG=s\"}}", "{\"data\":{\"plaintext\":\"aGVsbG8=\\u0000\"}}",
        "{\"data\":{\"plaintext\":null}}",     "{\"data\":[\"aGVsbG8=\"]}",
    };
    KW_AUTO(kw_secret) out = KW_SECRET_INIT;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_vault_get_plaintext(kw_bytes_str(bad[i]), &out, &err),
                         KW_PROVIDER_UNAVAILABLE);
    assert_null(out.data);
    assert_int_equal(
        kw_vault_get_plaintext(kw_bytes_str(ENVELOPE("\"data\":{\"plaintext\":\"aGVsbG8=\"}")),
                               &out, &err),
        KW_OK);
    assert_int_equal(out.len, 5);
    assert_memory_equal(out.data, "hello", 5);
}

static void keys(void **state)
{
    static const struct {
        const char *data;
        kw_code code;
    } cases[] = {
        {"{\"type\":\"aes256-gcm96\",\"derived\":false,\"soft_deleted\":false}", KW_OK},
        {"{\"type\":\"chacha20-poly1305\",\"derived\":false}",
         KW_OK}, /* HashiCorp's has no soft_deleted */
        {"{\"type\":\"aes256-gcm96\",\"derived\":true}", KW_KEY_NOT_FOUND},
        {"{\"type\":\"aes128-gcm96\",\"derived\":false}", KW_KEY_NOT_FOUND},
        {"{\"type\":\"rsa-2048\"}", KW_KEY_NOT_FOUND},
        {"{\"type\":\"aes256-gcm96\",\"soft_deleted\":true}", KW_KEY_PENDING},
        {"{\"type\":\"aes256-gcm96\",\"derived\":\"no\"}", KW_PROVIDER_UNAVAILABLE},
        {"{}", KW_PROVIDER_UNAVAILABLE},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        KW_AUTO(kw_buf) body = KW_BUF_INIT;
        kw_buf_printf(&body, ENVELOPE("\"data\":%s"), cases[i].data);
        assert_int_equal(kw_vault_check_key(kw_buf_bytes(&body), "a", &err), cases[i].code);
    }
}

static void tokens(void **state)
{
    static const char login[] =
        ENVELOPE("\"data\":null,\"auth\":{\"client_token\":\"s.Yi1g\",\"policies\":[\"default\"],"
                 "\"lease_duration\":20,\"renewable\":true}");
    static const char lookup[] =
        ENVELOPE("\"data\":{\"id\":\"root\",\"renewable\":false,\"ttl\":0}");
    struct kw_vault_lease lease = {.seconds = 7};
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    KW_UNUSED(state);
    assert_int_equal(kw_vault_get_token(kw_bytes_str("{\"auth\":null}"), &token, &lease, &err),
                     KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(kw_vault_get_token(kw_bytes_str(lookup), &token, &lease, &err),
                     KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(lease.seconds, 7);
    assert_int_equal(kw_vault_get_token(kw_bytes_str(login), &token, &lease, &err), KW_OK);
    assert_string_equal((char *)token.data, "s.Yi1g");
    assert_int_equal(lease.seconds, 20);
    assert_true(lease.renewable);
    assert_int_equal(kw_vault_get_token(kw_bytes_str(login), NULL, &lease, &err), KW_OK);
    assert_int_equal(kw_vault_get_lease(kw_bytes_str(lookup), &lease, &err), KW_OK);
    assert_int_equal(lease.seconds, 0);
    assert_false(lease.renewable);
}

static void errors(void **state)
{
    static const struct {
        int status;
        const char *body;
        kw_code code;
    } cases[] = {
        {400, "{\"errors\":[\"encryption key not found\"]}", KW_KEY_NOT_FOUND},
        {400, "{\"errors\":[\"cipher: message authentication failed\"]}", KW_SEAL_BROKEN},
        {400, "{\"errors\":[\"invalid ciphertext: no prefix\"]}", KW_SEAL_BROKEN},
        {400, "{\"errors\":[\"invalid ciphertext: version is too new\"]}", KW_SEAL_BROKEN},
        {400, "{\"errors\":[\"invalid ciphertext length\"]}", KW_SEAL_BROKEN},
        {400, "{\"errors\":[\"invalid ciphertext: unable to decrypt\"]}", KW_SEAL_BROKEN},
        {400,
         "{\"errors\":[\"ciphertext or signature version is disallowed by policy (too old)\"]}",
         KW_KEY_SUSPENDED},
        {400, "{\"errors\":[\"invalid role or secret ID\"]}", KW_FORBIDDEN},
        {400, "{\"errors\":[\"something new\"]}", KW_PROVIDER_UNAVAILABLE},
        {403, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}", KW_FORBIDDEN},
        {403, "", KW_FORBIDDEN},
        {404, "{\"errors\":[]}", KW_KEY_NOT_FOUND},
        {404, "{\"errors\":[\"no handler for route \\\"x\\\". route entry not found.\"]}",
         KW_PROVIDER_UNAVAILABLE},
        {404, "<html>not found</html>", KW_PROVIDER_UNAVAILABLE},
        {404, "{\"errors\":null}", KW_PROVIDER_UNAVAILABLE},
        {429, "{\"errors\":[\"rate limit quota exceeded\"]}", KW_RATE_LIMITED},
        {500, "{\"errors\":[\"internal error: encryption key not found\"]}",
         KW_PROVIDER_UNAVAILABLE},
        {503, "{\"errors\":[\"Vault is sealed\"]}", KW_PROVIDER_UNAVAILABLE},
        {502, "", KW_PROVIDER_UNAVAILABLE},
        {302, "", KW_PROVIDER_UNAVAILABLE},
        {200, "{\"errors\":[7]}", KW_PROVIDER_UNAVAILABLE},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_code code = kw_vault_error(cases[i].status, kw_bytes_str(cases[i].body), &err);
        assert_int_equal(code, cases[i].code);
        assert_int_equal(err.code, code);
        assert_null(strchr(err.text, '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),       cmocka_unit_test(requests),   cmocka_unit_test(spellings),
        cmocka_unit_test(ciphertexts), cmocka_unit_test(plaintexts), cmocka_unit_test(keys),
        cmocka_unit_test(tokens),      cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests_name("vault/codec", tests, NULL, NULL);
}

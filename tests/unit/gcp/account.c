/* Service accounts' key files, the JWTs made with them, and the metadata server's answers. */
#include "gcp/account.h"

#include "base/encode.h"
#include "json/json.h"
#include "json/write.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;
static EVP_PKEY *key;
static char pem[4096];

static int make_key(void **state)
{
    KW_UNUSED(state);
    BIO *bio = BIO_new(BIO_s_mem());
    key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    if (key == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return -1;
    int len = BIO_read(bio, pem, sizeof pem - 1);
    BIO_free(bio);
    return len > 0 ? 0 : -1;
}

static int free_key(void **state)
{
    KW_UNUSED(state);
    EVP_PKEY_free(key);
    return 0;
}

/* A key file; without names one member that it then lacks. */
static void write_file(struct kw_buf *out, const char *type, const char *without)
{
    const char *const members[][2] = {{"type", type},
                                      {"project_id", "acme"},
                                      {"private_key_id", "0011"},
                                      {"private_key", pem},
                                      {"client_email", "k@acme.iam.gserviceaccount.com"}};
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    for (size_t i = 0; i < KW_COUNT(members); i++)
        if (without == NULL || strcmp(without, members[i][0]) != 0)
            kw_json_str(&w, members[i][0], members[i][1]);
    kw_json_end(&w);
}

static void files_are_read(void **state)
{
    KW_AUTO(kw_buf) file = KW_BUF_SECRET;
    KW_AUTO(kw_gcp_account) account = KW_GCP_ACCOUNT_INIT;
    KW_UNUSED(state);
    write_file(&file, "service_account", NULL);
    assert_int_equal(kw_gcp_account_read(kw_buf_bytes(&file), &account, &err), KW_OK);
    assert_string_equal(account.email, "k@acme.iam.gserviceaccount.com");
    assert_string_equal(account.key_id, "0011");
    assert_int_equal(account.pem.len, strlen(pem));
    assert_memory_equal(account.pem.data, pem, account.pem.len);
}

static void refuse(struct kw_bytes file, const char *words)
{
    KW_AUTO(kw_gcp_account) account = KW_GCP_ACCOUNT_INIT;
    assert_int_equal(kw_gcp_account_read(file, &account, &err), KW_BAD_CONFIG);
    assert_non_null(strstr(err.text, words));
    assert_null(strstr(err.text, "PRIVATE"));
    assert_null(account.pem.data);
}

static void other_files_are_refused(void **state)
{
    static const char *const needed[] = {"type", "private_key_id", "private_key", "client_email"};
    KW_UNUSED(state);
    refuse(kw_bytes_str(""), "JSON");
    refuse(kw_bytes_str("[]"), "type");
    refuse(kw_bytes_str(pem), "JSON");
    for (size_t i = 0; i < KW_COUNT(needed); i++) {
        KW_AUTO(kw_buf) file = KW_BUF_SECRET;
        write_file(&file, "service_account", needed[i]);
        refuse(kw_buf_bytes(&file), needed[i]);
    }
    KW_AUTO(kw_buf) user = KW_BUF_SECRET;
    write_file(&user, "authorized_user", NULL);
    refuse(kw_buf_bytes(&user), "authorized_user");
}

/* The parts of a JWT, decoded. */
static void decode_part(const char **text, struct kw_buf *out)
{
    size_t len = strcspn(*text, ".");
    assert_int_equal(kw_base64url_decode(out, kw_bytes(*text, len), &err), KW_OK);
    *text += len + ((*text)[len] == '.');
}

static void check_claims(struct kw_bytes claims)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const char *text = NULL;
    uint64_t number = 0;
    assert_int_equal(kw_json_parse(&doc, claims, &err), KW_OK);
    assert_int_equal(kw_json_get_str(doc.root, "iss", true, &text, &err), KW_OK);
    assert_string_equal(text, "k@acme.iam.gserviceaccount.com");
    assert_int_equal(kw_json_get_str(doc.root, "sub", true, &text, &err), KW_OK);
    assert_string_equal(text, "k@acme.iam.gserviceaccount.com");
    assert_int_equal(kw_json_get_str(doc.root, "scope", true, &text, &err), KW_OK);
    assert_string_equal(text, "https://www.googleapis.com/auth/cloudkms");
    assert_int_equal(kw_json_get_u64(doc.root, "iat", true, UINT32_MAX, &number, &err), KW_OK);
    assert_int_equal(number, 1700000000);
    assert_int_equal(kw_json_get_u64(doc.root, "exp", true, UINT32_MAX, &number, &err), KW_OK);
    assert_int_equal(number, 1700003600);
}

static bool verifies(struct kw_bytes text, struct kw_bytes signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, "SHA2-256", NULL, NULL, key, NULL), 1);
    bool good = EVP_DigestVerify(ctx, signature.data, signature.len, text.data, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static void tokens_are_signed(void **state)
{
    KW_AUTO(kw_buf) file = KW_BUF_SECRET;
    KW_AUTO(kw_buf) text = KW_BUF_SECRET;
    struct kw_buf parts[3] = {KW_BUF_INIT, KW_BUF_INIT, KW_BUF_INIT};
    KW_AUTO(kw_gcp_account) account = KW_GCP_ACCOUNT_INIT;
    struct kw_bearer_grant grant = {.token = KW_SECRET_INIT};
    KW_UNUSED(state);
    write_file(&file, "service_account", NULL);
    assert_int_equal(kw_gcp_account_read(kw_buf_bytes(&file), &account, &err), KW_OK);
    assert_int_equal(kw_gcp_account_token(&account, 1700000000, &grant, &err), KW_OK);
    assert_int_equal(grant.lifetime_ms, 3600000);
    kw_buf_append(&text, grant.token.data, grant.token.len);
    const char *at = kw_buf_str(&text);
    for (size_t i = 0; i < KW_COUNT(parts); i++)
        decode_part(&at, &parts[i]);
    assert_string_equal(kw_buf_str(&parts[0]),
                        "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"0011\"}");
    check_claims(kw_buf_bytes(&parts[1]));
    size_t signed_len = (size_t)(strrchr(kw_buf_str(&text), '.') - kw_buf_str(&text));
    assert_true(verifies(kw_bytes(text.data, signed_len), kw_buf_bytes(&parts[2])));
    kw_secret_wipe(&grant.token);
    for (size_t i = 0; i < KW_COUNT(parts); i++)
        kw_buf_wipe(&parts[i]);
}

static void metadata_answers(void **state)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"access_token\":\"ya29.x\"}",
                                      "{\"access_token\":\"\",\"expires_in\":9}",
                                      "{\"access_token\":\"ya29.x\",\"expires_in\":0}",
                                      "{\"access_token\":\"ya29.x\",\"expires_in\":-5}",
                                      "{\"access_token\":\"ya29.x\",\"expires_in\":99999999}"};
    struct kw_bearer_grant grant = {.token = KW_SECRET_INIT};
    const char *good =
        "{\"access_token\":\"ya29.x\",\"expires_in\":3599,\"token_type\":\"Bearer\"}";
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_gcp_metadata_token(kw_bytes_str(bad[i]), &grant, &err),
                         KW_PROVIDER_UNAVAILABLE);
    assert_null(grant.token.data);
    assert_int_equal(kw_gcp_metadata_token(kw_bytes_str(good), &grant, &err), KW_OK);
    assert_int_equal(grant.lifetime_ms, 3599000);
    assert_memory_equal(grant.token.data, "ya29.x", grant.token.len);
    kw_secret_wipe(&grant.token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(tokens_are_signed),
        cmocka_unit_test(metadata_answers),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}

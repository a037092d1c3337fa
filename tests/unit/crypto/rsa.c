/* RS256 with keys that OpenSSL makes here, verified by OpenSSL. */
#include "crypto/rsa.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;

static EVP_PKEY *make_rsa(size_t bits)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
    assert_non_null(key);
    return key;
}

static void write_pem(EVP_PKEY *key, const char *passphrase, struct kw_secret *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_256_cbc() : NULL;
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, passphrase,
                                                   passphrase != NULL ? 4 : 0, NULL, NULL),
                     1);
    long len = BIO_get_mem_data(bio, &text);
    assert_int_equal(kw_secret_copy(out, text, (size_t)len, &err), KW_OK);
    BIO_free(bio);
}

static bool verifies(EVP_PKEY *key, struct kw_bytes text, struct kw_bytes signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, "SHA2-256", NULL, NULL, key, NULL), 1);
    bool good = EVP_DigestVerify(ctx, signature.data, signature.len, text.data, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

static void signatures_verify(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) pem = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    EVP_PKEY *key = make_rsa(2048);
    write_pem(key, NULL, &pem);
    kw_buf_append_str(&out, "before"); /* is appended to */
    assert_int_equal(kw_rsa_sign_sha256(&pem, kw_bytes_str("text"), &out, &err), KW_OK);
    assert_int_equal(out.len, 6 + 256);
    const struct kw_bytes signature = kw_bytes(out.data + 6, 256);
    assert_true(verifies(key, kw_bytes_str("text"), signature));
    assert_false(verifies(key, kw_bytes_str("tex"), signature));
    EVP_PKEY_free(key);
}

static void refuse(const struct kw_secret *pem)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    assert_int_equal(kw_rsa_sign_sha256(pem, kw_bytes_str("text"), &out, &err), KW_BAD_CONFIG);
    assert_non_null(strstr(err.text, "RSA"));
    assert_int_equal(out.len, 0);
}

static void other_keys_are_refused(void **state)
{
    KW_UNUSED(state);
    EVP_PKEY *keys[] = {make_rsa(1024), EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    for (size_t i = 0; i < KW_COUNT(keys); i++) {
        KW_AUTO(kw_secret) pem = KW_SECRET_INIT;
        write_pem(keys[i], NULL, &pem);
        refuse(&pem);
        EVP_PKEY_free(keys[i]);
    }
}

/* And no passphrase is asked for at the terminal. */
static void what_is_no_plain_key_is_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) encrypted = KW_SECRET_INIT;
    KW_AUTO(kw_secret) rubbish = KW_SECRET_INIT;
    EVP_PKEY *key = make_rsa(2048);
    write_pem(key, "pass", &encrypted);
    EVP_PKEY_free(key);
    refuse(&encrypted);
    assert_int_equal(kw_secret_copy(&rubbish, "-----BEGIN", 10, &err), KW_OK);
    refuse(&rubbish);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_verify),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(what_is_no_plain_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

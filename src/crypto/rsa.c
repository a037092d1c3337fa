#include "crypto/rsa.h"

#include "crypto/context.h"
#include "crypto/rsa_internal.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

int kw_pem_no_passphrase(char *text, int size, int writing, void *arg)
{
    KW_UNUSED(text);
    KW_UNUSED(size);
    KW_UNUSED(writing);
    KW_UNUSED(arg);
    return -1;
}

static EVP_PKEY *read_key(const struct kw_secret *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    EVP_PKEY *key =
        bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, kw_pem_no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

bool kw_rsa_is_fit(const EVP_PKEY *key)
{
    return key != NULL && EVP_PKEY_is_a(key, "RSA") == 1 &&
           EVP_PKEY_get_bits(key) >= KW_RSA_BITS_MIN && EVP_PKEY_get_bits(key) <= KW_RSA_BITS_MAX;
}

static KW_ERR sign_with(EVP_PKEY *key, struct kw_bytes text, struct kw_buf *out,
                        struct kw_error *err)
{
    size_t len = (size_t)EVP_PKEY_get_size(key);
    uint8_t *to = kw_buf_reserve(out, len);
    if (to == NULL)
        return kw_buf_status(out, err);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx != NULL &&
                EVP_DigestSignInit_ex(ctx, NULL, "SHA2-256", NULL, NULL, key, NULL) == 1 &&
                EVP_DigestSign(ctx, to, &len, text.data, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    if (!done)
        return kw_crypto_fail(err, "an RSA signature");
    out->len += len;
    return KW_OK;
}

KW_ERR kw_rsa_sign_sha256(const struct kw_secret *pem, struct kw_bytes text, struct kw_buf *out,
                          struct kw_error *err)
{
    EVP_PKEY *key = pem->len <= INT32_MAX ? read_key(pem) : NULL;
    kw_code code;
    if (kw_rsa_is_fit(key))
        code = sign_with(key, text, out, err);
    else
        code = kw_fail(err, KW_BAD_CONFIG,
                       "the private key is no unencrypted RSA key of %d to %d bits in PEM form",
                       KW_RSA_BITS_MIN, KW_RSA_BITS_MAX);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return code;
}

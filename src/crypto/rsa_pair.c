#include "crypto/rsa.h"

#include "crypto/context.h"
#include "crypto/rsa_internal.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum { EXPONENT = 65537, PADDING = 66 };

/* ---- Keys in and out --------------------------------------------------------------------------
 */

/* Encoders of private keys free their buffers as they are; numbers are cleared by the library. */
static bool take_number(const EVP_PKEY *key, const char *name, uint8_t *out, size_t len)
{
    BIGNUM *number = NULL;
    bool done = EVP_PKEY_get_bn_param(key, name, &number) == 1 &&
                BN_bn2binpad(number, out, (int)len) == (int)len;
    BN_clear_free(number);
    return done;
}

static bool to_native(const uint8_t *from, uint8_t *to, size_t len)
{
    BIGNUM *number = BN_bin2bn(from, (int)len, NULL);
    bool done = number != NULL && BN_bn2nativepad(number, to, (int)len) == (int)len;
    BN_clear_free(number);
    return done;
}

static bool import(EVP_PKEY **key, const struct kw_secret *native, size_t len)
{
    unsigned exponent = EXPONENT;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, native->data, len),
                           OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_RSA_E, &exponent),
                           OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_D, native->data + len, len),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    bool done = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, key, EVP_PKEY_KEYPAIR, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    return done;
}

static KW_ERR read_secret(const struct kw_secret *secret, EVP_PKEY **key, struct kw_error *err)
{
    KW_AUTO(kw_secret) native = KW_SECRET_INIT;
    size_t len = secret->len / 2;
    if (secret->len % 2 != 0 || len * 8 < KW_RSA_BITS_MIN || len * 8 > KW_RSA_BITS_MAX)
        return kw_fail(err, KW_INTERNAL, "a private RSA key of %zu bytes", secret->len);
    KW_TRY(kw_secret_alloc(&native, secret->len, err));
    if (!to_native(secret->data, native.data, len) ||
        !to_native(secret->data + len, native.data + len, len) || !import(key, &native, len))
        return kw_crypto_fail(err, "reading an RSA key");
    return KW_OK;
}

static KW_ERR no_public_key(struct kw_error *err)
{
    ERR_clear_error();
    return kw_fail(err, KW_BAD_FORMAT, "this is no RSA public key of %d to %d bits",
                   KW_RSA_BITS_MIN, KW_RSA_BITS_MAX);
}

static KW_ERR read_public(struct kw_bytes der, EVP_PKEY **out, struct kw_error *err)
{
    const uint8_t *at = der.data;
    EVP_PKEY *key = der.len <= INT32_MAX ? d2i_PUBKEY(NULL, &at, (long)der.len) : NULL;
    if (!kw_rsa_is_fit(key) || at != der.data + der.len) {
        EVP_PKEY_free(key);
        return no_public_key(err);
    }
    *out = key;
    return KW_OK;
}

static KW_ERR write_public(const EVP_PKEY *key, struct kw_buf *der, struct kw_error *err)
{
    int len = i2d_PUBKEY(key, NULL);
    uint8_t *place = len > 0 ? kw_buf_reserve(der, (size_t)len) : NULL;
    if (len > 0 && place == NULL)
        return kw_buf_status(der, err);
    if (len <= 0 || i2d_PUBKEY(key, &place) != len)
        return kw_crypto_fail(err, "writing an RSA public key");
    der->len += (size_t)len;
    return KW_OK;
}

/* ---- Making -----------------------------------------------------------------------------------
 */

static KW_ERR write_pair(const EVP_PKEY *key, struct kw_secret *secret, struct kw_buf *public_der,
                         struct kw_error *err)
{
    KW_AUTO(kw_secret) made = KW_SECRET_INIT;
    KW_TRY(kw_secret_alloc(&made, KW_RSA_SECRET_SIZE, err));
    if (!take_number(key, OSSL_PKEY_PARAM_RSA_N, made.data, KW_RSA_SIZE) ||
        !take_number(key, OSSL_PKEY_PARAM_RSA_D, made.data + KW_RSA_SIZE, KW_RSA_SIZE))
        return kw_crypto_fail(err, "taking out an RSA key");
    KW_TRY(write_public(key, public_der, err));
    kw_secret_move(secret, &made);
    return KW_OK;
}

KW_ERR kw_rsa_pair_make(struct kw_secret *secret, struct kw_buf *public_der, struct kw_error *err)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)KW_RSA_BITS);
    kw_code code = key != NULL ? write_pair(key, secret, public_der, err)
                               : kw_crypto_fail(err, "making an RSA key");
    EVP_PKEY_free(key);
    return code;
}

/* ---- PEM --------------------------------------------------------------------------------------
 */

static KW_ERR write_pem(EVP_PKEY *key, struct kw_buf *pem, struct kw_error *err)
{
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    bool done = bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1;
    long len = done ? BIO_get_mem_data(bio, &text) : 0;
    kw_buf_append(pem, text, (size_t)len);
    BIO_free(bio);
    return done ? kw_buf_status(pem, err) : kw_crypto_fail(err, "writing an RSA public key");
}

KW_ERR kw_rsa_public_to_pem(struct kw_bytes public_der, struct kw_buf *pem, struct kw_error *err)
{
    EVP_PKEY *key = NULL;
    KW_TRY(read_public(public_der, &key, err));
    kw_code code = write_pem(key, pem, err);
    EVP_PKEY_free(key);
    return code;
}

KW_ERR kw_rsa_public_from_pem(struct kw_bytes pem, struct kw_buf *public_der, struct kw_error *err)
{
    BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, kw_pem_no_passphrase, NULL) : NULL;
    BIO_free(bio);
    kw_code code = kw_rsa_is_fit(key) ? write_public(key, public_der, err) : no_public_key(err);
    EVP_PKEY_free(key);
    return code;
}

/* ---- OAEP -------------------------------------------------------------------------------------
 */

/* The names are constants that the library takes through pointers to char. */
static bool set_oaep(EVP_PKEY_CTX *ctx, bool encrypt)
{
    char mode[] = OSSL_PKEY_RSA_PAD_MODE_OAEP;
    char digest[] = "SHA2-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, mode, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, digest, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    if (ctx == NULL)
        return false;
    return (encrypt ? EVP_PKEY_encrypt_init_ex(ctx, params)
                    : EVP_PKEY_decrypt_init_ex(ctx, params)) == 1;
}

static KW_ERR encrypt_with(EVP_PKEY *key, const struct kw_secret *in, struct kw_buf *out,
                           struct kw_error *err)
{
    size_t len = (size_t)EVP_PKEY_get_size(key);
    if (in->len > len - PADDING)
        return kw_fail(err, KW_TOO_LARGE, "RSA-OAEP takes at most %zu bytes under this key",
                       len - PADDING);
    uint8_t *place = kw_buf_reserve(out, len);
    if (place == NULL)
        return kw_buf_status(out, err);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool done = set_oaep(ctx, true) && EVP_PKEY_encrypt(ctx, place, &len, in->data, in->len) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!done)
        return kw_crypto_fail(err, "RSA-OAEP");
    out->len += len;
    return KW_OK;
}

KW_ERR kw_rsa_oaep_encrypt(struct kw_bytes public_der, const struct kw_secret *in,
                           struct kw_buf *out, struct kw_error *err)
{
    EVP_PKEY *key = NULL;
    KW_TRY(read_public(public_der, &key, err));
    kw_code code = encrypt_with(key, in, out, err);
    EVP_PKEY_free(key);
    return code;
}

/* The library's reasons are thrown away: each of them would tell something about the padding. */
static KW_ERR decrypt_with(EVP_PKEY *key, struct kw_bytes in, struct kw_secret *out,
                           struct kw_error *err)
{
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    size_t len = (size_t)EVP_PKEY_get_size(key);
    KW_TRY(kw_secret_alloc(&text, len, err));
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool ready = set_oaep(ctx, false);
    bool done = ready && EVP_PKEY_decrypt(ctx, text.data, &len, in.data, in.len) == 1 && len > 0;
    EVP_PKEY_CTX_free(ctx);
    if (!ready)
        return kw_crypto_fail(err, "RSA-OAEP");
    ERR_clear_error();
    return done ? kw_secret_copy(out, text.data, len, err) : kw_fail_code(err, KW_SEAL_BROKEN);
}

KW_ERR kw_rsa_oaep_decrypt(const struct kw_secret *secret, struct kw_bytes in,
                           struct kw_secret *out, struct kw_error *err)
{
    EVP_PKEY *key = NULL;
    KW_TRY(read_secret(secret, &key, err));
    kw_code code = decrypt_with(key, in, out, err);
    EVP_PKEY_free(key);
    return code;
}

#include "crypto/sign.h"

#include "crypto/context.h"

#include <openssl/err.h>

static EVP_PKEY *private_key(const uint8_t *seed)
{
    return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed, KW_SIGN_SEED_SIZE);
}

KW_ERR kw_sign_public(const uint8_t seed[KW_SIGN_SEED_SIZE], uint8_t out[KW_SIGN_PUBLIC_SIZE],
                      struct kw_error *err)
{
    EVP_PKEY *key = private_key(seed);
    size_t len = KW_SIGN_PUBLIC_SIZE;
    bool done = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &len) == 1;
    EVP_PKEY_free(key);
    return done ? KW_OK : kw_crypto_fail(err, "an Ed25519 public key");
}

KW_ERR kw_sign(const uint8_t seed[KW_SIGN_SEED_SIZE], struct kw_bytes text,
               uint8_t out[KW_SIGNATURE_SIZE], struct kw_error *err)
{
    EVP_PKEY *key = private_key(seed);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = KW_SIGNATURE_SIZE;
    bool done = key != NULL && ctx != NULL &&
                EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) == 1 &&
                EVP_DigestSign(ctx, out, &len, text.data, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return done ? KW_OK : kw_crypto_fail(err, "an Ed25519 signature");
}

KW_ERR kw_verify(const uint8_t public_key[KW_SIGN_PUBLIC_SIZE], struct kw_bytes text,
                 const uint8_t signature[KW_SIGNATURE_SIZE], struct kw_error *err)
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, public_key, KW_SIGN_PUBLIC_SIZE);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ready = key != NULL && ctx != NULL &&
                 EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) == 1;
    bool valid =
        ready && EVP_DigestVerify(ctx, signature, KW_SIGNATURE_SIZE, text.data, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    if (!ready)
        return kw_crypto_fail(err, "Ed25519 verification");
    ERR_clear_error();
    return valid ? KW_OK : kw_fail_code(err, KW_BAD_SIGNATURE);
}

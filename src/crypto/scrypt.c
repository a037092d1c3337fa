#include "crypto/context.h"
#include "crypto/hash.h"

#include <openssl/core_names.h>

enum { LOG2_N_MAX = 20, BLOCK = 8 /* r */, LANES = 1 /* p */ };

static bool derive(EVP_KDF_CTX *ctx, uint8_t *out, size_t out_len,
                   const struct kw_secret *passphrase, struct kw_bytes salt, uint64_t n)
{
    uint32_t r = BLOCK;
    uint32_t p = LANES;
    uint64_t memory = (n + 64) * 128 * BLOCK; /* the library's own limit is lower than 2^20 needs */
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
                                                             passphrase->data, passphrase->len),
                           OSSL_PARAM_construct_octet_string(
                               OSSL_KDF_PARAM_SALT, (uint8_t *)(uintptr_t)salt.data, salt.len),
                           OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
                           OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
                           OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
                           OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
                           OSSL_PARAM_construct_end()};
    return EVP_KDF_derive(ctx, out, out_len, params) == 1;
}

KW_ERR kw_scrypt(uint8_t *out, size_t out_len, const struct kw_secret *passphrase,
                 struct kw_bytes salt, unsigned log2_n, struct kw_error *err)
{
    if (log2_n < 1 || log2_n > LOG2_N_MAX)
        return kw_fail(err, KW_BAD_FORMAT, "a scrypt cost of 2^%u is not between 2^1 and 2^%d",
                       log2_n, LOG2_N_MAX);
    const struct kw_crypto_algorithms *algorithms = NULL;
    KW_TRY(kw_crypto_algorithms(&algorithms, err));
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(algorithms->scrypt);
    if (ctx == NULL)
        return kw_crypto_fail(err, "scrypt");
    bool done = derive(ctx, out, out_len, passphrase, salt, UINT64_C(1) << log2_n);
    EVP_KDF_CTX_free(ctx);
    if (done)
        return KW_OK;
    kw_cleanse(out, out_len);
    return kw_crypto_fail(err, "scrypt");
}

#include "crypto/context.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

/* One seal or open. key is NULL where the context has it already. */
struct call {
    const uint8_t *key;
    const uint8_t *nonce;
    struct kw_bytes aad;
    const uint8_t *in;
    uint8_t *out; /* NULL: in is associated data */
    size_t len;
};

struct kw_aead {
    const struct kw_suite *suite;
    EVP_CIPHER_CTX *ctx;
};

/* EVP counts in int; multiples of the block size keep the pieces one text. */
enum { PIECE = 1 << 30 };

static bool update(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t len)
{
    while (len > 0) {
        int piece = len > PIECE ? PIECE : (int)len;
        int done = 0;
        if (EVP_CipherUpdate(ctx, out, &done, in, piece) != 1 || done != piece)
            return false;
        in += piece;
        out = out == NULL ? NULL : out + piece;
        len -= (size_t)piece;
    }
    return true;
}

static bool tag_params(EVP_CIPHER_CTX *ctx, uint8_t *tag, bool get)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, KW_TAG_SIZE),
        OSSL_PARAM_construct_end()};
    return (get ? EVP_CIPHER_CTX_get_params(ctx, params)
                : EVP_CIPHER_CTX_set_params(ctx, params)) == 1;
}

/* The library wants somewhere to write the end to, though an AEAD has none. */
static bool finish(EVP_CIPHER_CTX *ctx)
{
    uint8_t none[16];
    int len = 0;
    return EVP_CipherFinal_ex(ctx, none, &len) == 1 && len == 0;
}

static KW_ERR run_seal(EVP_CIPHER_CTX *ctx, const struct call *call, struct kw_error *err)
{
    if (EVP_EncryptInit_ex2(ctx, NULL, call->key, call->nonce, NULL) == 1 &&
        update(ctx, NULL, call->aad.data, call->aad.len) &&
        update(ctx, call->out, call->in, call->len) && finish(ctx) &&
        tag_params(ctx, call->out + call->len, true))
        return KW_OK;
    kw_cleanse(call->out, call->len + KW_TAG_SIZE);
    return kw_crypto_fail(err, "sealing");
}

static KW_ERR run_open(EVP_CIPHER_CTX *ctx, const struct call *call, struct kw_error *err)
{
    uint8_t tag[KW_TAG_SIZE];
    memcpy(tag, call->in + call->len, sizeof tag);
    bool ready = EVP_DecryptInit_ex2(ctx, NULL, call->key, call->nonce, NULL) == 1 &&
                 tag_params(ctx, tag, false) && update(ctx, NULL, call->aad.data, call->aad.len) &&
                 update(ctx, call->out, call->in, call->len);
    if (ready && finish(ctx))
        return KW_OK;
    kw_cleanse(call->out, call->len);
    if (!ready)
        return kw_crypto_fail(err, "opening");
    ERR_clear_error();
    return kw_fail_code(err, KW_SEAL_BROKEN);
}

static KW_ERR check_seal(const struct kw_suite *suite, struct kw_bytes in, struct kw_error *err)
{
    if (in.len > suite->text_limit)
        return kw_fail(err, KW_TOO_LARGE, "one nonce seals at most %llu bytes; use a stream",
                       (unsigned long long)suite->text_limit);
    return KW_OK;
}

static KW_ERR check_open(const struct kw_suite *suite, struct kw_bytes in, struct kw_error *err)
{
    if (in.len < KW_TAG_SIZE || in.len - KW_TAG_SIZE > suite->text_limit)
        return kw_fail_code(err, KW_SEAL_BROKEN);
    return KW_OK;
}

KW_ERR kw_aead_seal(const struct kw_suite *suite, const uint8_t key[KW_KEY_SIZE],
                    const uint8_t nonce[KW_NONCE_SIZE], struct kw_bytes aad, struct kw_bytes in,
                    uint8_t *out, struct kw_error *err)
{
    KW_TRY(check_seal(suite, in, err));
    struct kw_crypto_context *context = NULL;
    KW_TRY(kw_crypto_context(&context, err));
    struct call call = {
        .key = key, .nonce = nonce, .aad = aad, .in = in.data, .out = out, .len = in.len};
    return run_seal(context->aead[suite->index], &call, err);
}

KW_ERR kw_aead_open(const struct kw_suite *suite, const uint8_t key[KW_KEY_SIZE],
                    const uint8_t nonce[KW_NONCE_SIZE], struct kw_bytes aad, struct kw_bytes in,
                    uint8_t *out, struct kw_error *err)
{
    KW_TRY(check_open(suite, in, err));
    struct kw_crypto_context *context = NULL;
    KW_TRY(kw_crypto_context(&context, err));
    struct call call = {.key = key,
                        .nonce = nonce,
                        .aad = aad,
                        .in = in.data,
                        .out = out,
                        .len = in.len - KW_TAG_SIZE};
    return run_open(context->aead[suite->index], &call, err);
}

void kw_aead_forget(void)
{
    static const uint8_t zeros[KW_KEY_SIZE];
    struct kw_crypto_context *context = kw_crypto_context_made();
    for (size_t i = 0; context != NULL && i < KW_SUITE_COUNT; i++) {
        if (EVP_EncryptInit_ex2(context->aead[i], NULL, zeros, zeros, NULL) != 1)
            abort(); /* a key that the caller believes to be gone would still be there */
    }
}

KW_ERR kw_aead_new(const struct kw_suite *suite, const uint8_t key[KW_KEY_SIZE],
                   struct kw_aead **out, struct kw_error *err)
{
    const struct kw_crypto_algorithms *algorithms = NULL;
    KW_TRY(kw_crypto_algorithms(&algorithms, err));
    struct kw_aead *aead = calloc(1, sizeof *aead);
    if (aead == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    aead->suite = suite;
    aead->ctx = kw_crypto_cipher_new(algorithms, suite->index);
    if (aead->ctx == NULL || EVP_EncryptInit_ex2(aead->ctx, NULL, key, NULL, NULL) != 1) {
        kw_aead_free(aead);
        return kw_crypto_fail(err, "setting a key");
    }
    *out = aead;
    return KW_OK;
}

KW_ERR kw_aead_seal_with(struct kw_aead *aead, const uint8_t nonce[KW_NONCE_SIZE],
                         struct kw_bytes aad, struct kw_bytes in, uint8_t *out,
                         struct kw_error *err)
{
    KW_TRY(check_seal(aead->suite, in, err));
    struct call call = {.nonce = nonce, .aad = aad, .in = in.data, .out = out, .len = in.len};
    return run_seal(aead->ctx, &call, err);
}

KW_ERR kw_aead_open_with(struct kw_aead *aead, const uint8_t nonce[KW_NONCE_SIZE],
                         struct kw_bytes aad, struct kw_bytes in, uint8_t *out,
                         struct kw_error *err)
{
    KW_TRY(check_open(aead->suite, in, err));
    struct call call = {
        .nonce = nonce, .aad = aad, .in = in.data, .out = out, .len = in.len - KW_TAG_SIZE};
    return run_open(aead->ctx, &call, err);
}

void kw_aead_free(struct kw_aead *aead)
{
    if (aead == NULL)
        return;
    EVP_CIPHER_CTX_free(aead->ctx);
    free(aead);
}

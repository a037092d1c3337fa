#include "crypto/hash.h"

#include "crypto/context.h"

struct kw_sha256_stream {
    EVP_MD_CTX *ctx;
};

/* A hash that did not happen must not be taken for one that did; no caller could go on without it.
 */
static void must(bool done)
{
    if (!done)
        abort();
}

void kw_sha256(uint8_t out[KW_HASH_SIZE], const struct kw_bytes *parts, size_t count)
{
    struct kw_crypto_context *context = NULL;
    must(kw_crypto_context(&context, NULL) == KW_OK &&
         EVP_DigestInit_ex2(context->sha256, NULL, NULL) == 1);
    for (size_t i = 0; i < count; i++)
        must(EVP_DigestUpdate(context->sha256, parts[i].data, parts[i].len) == 1);
    must(EVP_DigestFinal_ex(context->sha256, out, NULL) == 1);
}

KW_ERR kw_sha256_stream_new(struct kw_sha256_stream **out, struct kw_error *err)
{
    const struct kw_crypto_algorithms *algorithms = NULL;
    KW_TRY(kw_crypto_algorithms(&algorithms, err));
    struct kw_sha256_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    stream->ctx = EVP_MD_CTX_new();
    if (stream->ctx == NULL || EVP_DigestInit_ex2(stream->ctx, algorithms->sha256, NULL) != 1) {
        kw_sha256_stream_free(stream);
        return kw_crypto_fail(err, "starting SHA-256");
    }
    *out = stream;
    return KW_OK;
}

void kw_sha256_stream_add(struct kw_sha256_stream *stream, struct kw_bytes in)
{
    must(EVP_DigestUpdate(stream->ctx, in.data, in.len) == 1);
}

/* The library refuses an add after the end; a fresh start makes it the next hash instead. */
void kw_sha256_stream_end(struct kw_sha256_stream *stream, uint8_t out[KW_HASH_SIZE])
{
    must(EVP_DigestFinal_ex(stream->ctx, out, NULL) == 1);
    must(EVP_DigestInit_ex2(stream->ctx, NULL, NULL) == 1);
}

void kw_sha256_stream_free(struct kw_sha256_stream *stream)
{
    if (stream == NULL)
        return;
    EVP_MD_CTX_free(stream->ctx);
    free(stream);
}

/* An empty key is allowed, but to the library NULL means the key it has. */
static bool hmac_key(EVP_MAC_CTX *ctx, struct kw_bytes key)
{
    static const uint8_t none[1];
    return EVP_MAC_init(ctx, key.len > 0 ? key.data : none, key.len, NULL) == 1;
}

static bool hmac_add(EVP_MAC_CTX *ctx, struct kw_bytes in)
{
    return in.len == 0 || EVP_MAC_update(ctx, in.data, in.len) == 1;
}

static bool hmac_end(EVP_MAC_CTX *ctx, uint8_t out[KW_HASH_SIZE])
{
    size_t len = 0;
    return EVP_MAC_final(ctx, out, &len, KW_HASH_SIZE) == 1 && len == KW_HASH_SIZE;
}

/* The library copies the key to its own heap and keeps it until the next one is set, which in an
 * idle thread is never. Zeros take its place: about 200 ns, and nothing is left. */
static void hmac_forget(EVP_MAC_CTX *ctx)
{
    static const uint8_t zeros[KW_HASH_SIZE];
    must(EVP_MAC_init(ctx, zeros, sizeof zeros, NULL) == 1);
}

static bool hmac(EVP_MAC_CTX *ctx, uint8_t out[KW_HASH_SIZE], struct kw_bytes key,
                 struct kw_bytes in)
{
    return hmac_key(ctx, key) && hmac_add(ctx, in) && hmac_end(ctx, out);
}

KW_ERR kw_hmac_sha256(uint8_t out[KW_HASH_SIZE], struct kw_bytes key, struct kw_bytes in,
                      struct kw_error *err)
{
    struct kw_crypto_context *context = NULL;
    KW_TRY(kw_crypto_context(&context, err));
    bool done = hmac(context->hmac, out, key, in);
    hmac_forget(context->hmac);
    return done ? KW_OK : kw_crypto_fail(err, "HMAC-SHA-256");
}

/* T(i) = HMAC(key, T(i-1) || info || i), the key set but once. block is in secret memory. */
static bool expand(EVP_MAC_CTX *ctx, struct kw_bytes info, uint8_t *block, uint8_t *out,
                   size_t out_len)
{
    struct kw_bytes before = kw_bytes(block, 0);
    for (uint8_t i = 1; out_len > 0; i++) {
        if (i > 1 && EVP_MAC_init(ctx, NULL, 0, NULL) != 1)
            return false;
        if (!hmac_add(ctx, before) || !hmac_add(ctx, info) || !hmac_add(ctx, kw_bytes(&i, 1)) ||
            !hmac_end(ctx, block))
            return false;
        size_t take = out_len < KW_HASH_SIZE ? out_len : KW_HASH_SIZE;
        memcpy(out, block, take);
        out += take;
        out_len -= take;
        before.len = KW_HASH_SIZE;
    }
    return true;
}

KW_ERR kw_hkdf_expand_sha256(uint8_t *out, size_t out_len, struct kw_bytes key,
                             struct kw_bytes info, struct kw_error *err)
{
    if (out_len > (size_t)255 * KW_HASH_SIZE)
        return kw_fail(err, KW_TOO_LARGE, "HKDF-SHA-256 gives at most 8160 bytes");
    struct kw_crypto_context *context = NULL;
    KW_AUTO(kw_secret) block = KW_SECRET_INIT;
    KW_TRY(kw_crypto_context(&context, err));
    KW_TRY(kw_secret_alloc(&block, KW_HASH_SIZE, err));
    bool done =
        hmac_key(context->hmac, key) && expand(context->hmac, info, block.data, out, out_len);
    hmac_forget(context->hmac);
    if (done)
        return KW_OK;
    kw_cleanse(out, out_len);
    return kw_crypto_fail(err, "HKDF-SHA-256");
}

KW_ERR kw_hkdf_sha256(uint8_t *out, size_t out_len, struct kw_bytes key, struct kw_bytes salt,
                      struct kw_bytes info, struct kw_error *err)
{
    struct kw_crypto_context *context = NULL;
    KW_AUTO(kw_secret) extracted = KW_SECRET_INIT;
    KW_TRY(kw_crypto_context(&context, err));
    KW_TRY(kw_secret_alloc(&extracted, KW_HASH_SIZE, err));
    if (!hmac(context->hmac, extracted.data, salt, key)) /* the salt, no secret, may stay behind */
        return kw_crypto_fail(err, "HKDF-SHA-256");
    return kw_hkdf_expand_sha256(out, out_len, kw_bytes(extracted.data, extracted.len), info, err);
}

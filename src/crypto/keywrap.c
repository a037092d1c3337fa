#include "crypto/keywrap.h"

#include "crypto/context.h"
#include "crypto/random.h"

#include <openssl/err.h>

enum { BLOCK = 8, OVERHEAD = 8 };

static size_t padded(size_t len)
{
    return (len + BLOCK - 1) / BLOCK * BLOCK;
}

/* A context of its own, which the library clears as it frees it: these calls are rare, and a key
 * must not lie about until the next. */
static KW_ERR start(const struct kw_secret *kek, bool wrap, EVP_CIPHER_CTX **out,
                    struct kw_error *err)
{
    const struct kw_crypto_algorithms *algorithms = NULL;
    if (kek->len != KW_KEY_SIZE)
        return kw_fail(err, KW_INTERNAL, "key wrap under a key of %zu bytes", kek->len);
    KW_TRY(kw_crypto_algorithms(&algorithms, err));
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx != NULL)
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    if (ctx == NULL ||
        EVP_CipherInit_ex2(ctx, algorithms->kwp, kek->data, NULL, wrap ? 1 : 0, NULL) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        return kw_crypto_fail(err, "setting a key to wrap under");
    }
    *out = ctx;
    return KW_OK;
}

KW_ERR kw_kwp_wrap(const struct kw_secret *kek, const struct kw_secret *in, struct kw_buf *out,
                   struct kw_error *err)
{
    EVP_CIPHER_CTX *ctx = NULL;
    int len = 0;
    if (in->len == 0 || in->len > KW_KWP_MAX)
        return kw_fail(err, KW_TOO_LARGE, "key wrap takes 1 to %d bytes", KW_KWP_MAX);
    size_t wanted = padded(in->len) + OVERHEAD;
    uint8_t *place = kw_buf_reserve(out, wanted);
    if (place == NULL)
        return kw_buf_status(out, err);
    KW_TRY(start(kek, true, &ctx, err));
    bool done = EVP_CipherUpdate(ctx, place, &len, in->data, (int)in->len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!done || (size_t)len != wanted)
        return kw_crypto_fail(err, "AES key wrap");
    out->len += wanted;
    return KW_OK;
}

/* The library may use all of the place while it works, though it gives less. */
KW_ERR kw_kwp_unwrap(const struct kw_secret *kek, struct kw_bytes in, struct kw_secret *out,
                     struct kw_error *err)
{
    KW_AUTO(kw_secret) place = KW_SECRET_INIT;
    EVP_CIPHER_CTX *ctx = NULL;
    int len = 0;
    if (in.len % BLOCK != 0 || in.len < BLOCK + OVERHEAD || in.len > KW_KWP_MAX + OVERHEAD)
        return kw_fail_code(err, KW_SEAL_BROKEN);
    KW_TRY(kw_secret_alloc(&place, in.len + BLOCK, err));
    KW_TRY(start(kek, false, &ctx, err));
    bool done = EVP_CipherUpdate(ctx, place.data, &len, in.data, (int)in.len) == 1 && len > 0;
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    if (!done)
        return kw_fail_code(err, KW_SEAL_BROKEN);
    return kw_secret_copy(out, place.data, (size_t)len, err);
}

KW_ERR kw_rsa_aes_wrap(struct kw_bytes public_der, const struct kw_secret *in, struct kw_buf *out,
                       struct kw_error *err)
{
    KW_AUTO(kw_secret) kek = KW_SECRET_INIT;
    KW_AUTO(kw_buf) whole = KW_BUF_INIT;
    KW_TRY(kw_random_secret(&kek, KW_KEY_SIZE, err));
    KW_TRY(kw_rsa_oaep_encrypt(public_der, &kek, &whole, err));
    KW_TRY(kw_kwp_wrap(&kek, in, &whole, err));
    kw_buf_append(out, whole.data, whole.len);
    return kw_buf_status(out, err);
}

/* A first step that fails goes on with a random key, under which the second fails: one answer, and
 * nearly one time, for both. */
static KW_ERR open_kek(const struct kw_secret *secret, struct kw_bytes in, struct kw_secret *kek,
                       struct kw_error *err)
{
    KW_AUTO(kw_secret) opened = KW_SECRET_INIT;
    KW_TRY(kw_random_secret(kek, KW_KEY_SIZE, err));
    kw_code code = kw_rsa_oaep_decrypt(secret, in, &opened, err);
    if (code == KW_OK && opened.len == KW_KEY_SIZE)
        memcpy(kek->data, opened.data, KW_KEY_SIZE);
    return code == KW_SEAL_BROKEN ? KW_OK : code;
}

KW_ERR kw_rsa_aes_unwrap(const struct kw_secret *secret, struct kw_bytes in, struct kw_secret *out,
                         struct kw_error *err)
{
    KW_AUTO(kw_secret) kek = KW_SECRET_INIT;
    size_t first = secret->len / 2;
    if (in.len < first + BLOCK + OVERHEAD || (in.len - first) % BLOCK != 0 ||
        in.len > first + KW_KWP_MAX + OVERHEAD)
        return kw_fail(err, KW_BAD_FORMAT,
                       "%zu bytes are not %zu of RSA-OAEP followed by an AES-KWP wrapped key",
                       in.len, first);
    KW_TRY(open_kek(secret, kw_bytes(in.data, first), &kek, err));
    return kw_kwp_unwrap(&kek, kw_bytes(in.data + first, in.len - first), out, err);
}

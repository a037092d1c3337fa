/* SHA-256 (FIPS 180-4), HMAC (RFC 2104), HKDF (RFC 5869), scrypt (RFC 7914), over OpenSSL.
 * Thread-safe; contexts are kept a thread. */
#ifndef KW_CRYPTO_HASH_H
#define KW_CRYPTO_HASH_H

#include "crypto/suite.h"

/* The hash of the parts, one after the other. Cannot fail but by a broken library: then it aborts.
 */
void kw_sha256(uint8_t out[KW_HASH_SIZE], const struct kw_bytes *parts, size_t count);

static inline void kw_sha256_one(uint8_t out[KW_HASH_SIZE], struct kw_bytes in)
{
    kw_sha256(out, &in, 1);
}

/* Over data that arrives piece by piece. */
struct kw_sha256_stream;
KW_ERR kw_sha256_stream_new(struct kw_sha256_stream **out, struct kw_error *err);
void kw_sha256_stream_add(struct kw_sha256_stream *stream, struct kw_bytes in);
void kw_sha256_stream_end(struct kw_sha256_stream *stream, uint8_t out[KW_HASH_SIZE]);
void kw_sha256_stream_free(struct kw_sha256_stream *stream);
KW_CLEANUP_FREE(kw_sha256_stream)

KW_ERR kw_hmac_sha256(uint8_t out[KW_HASH_SIZE], struct kw_bytes key, struct kw_bytes in,
                      struct kw_error *err);

/* Extract and expand. key lies in secret memory; out should too, if it is a key. */
KW_ERR kw_hkdf_sha256(uint8_t *out, size_t out_len, struct kw_bytes key, struct kw_bytes salt,
                      struct kw_bytes info, struct kw_error *err);

/* Expand only (RFC 5869 section 2.3): key is uniformly random already. */
KW_ERR kw_hkdf_expand_sha256(uint8_t *out, size_t out_len, struct kw_bytes key,
                             struct kw_bytes info, struct kw_error *err);

/* scrypt with N = 2^log2_n (at most 20), r = 8, p = 1: about 128 * 8 * N bytes of memory. */
KW_ERR kw_scrypt(uint8_t *out, size_t out_len, const struct kw_secret *passphrase,
                 struct kw_bytes salt, unsigned log2_n, struct kw_error *err);

#endif

/* Keys wrapped under keys, by OpenSSL: AES key wrap with padding (RFC 5649; SP 800-38F KWP) and the
 * two steps by which a key comes from somewhere else: CKM_RSA_AES_KEY_WRAP (PKCS #11 3.0, 6.1.7;
 * the clouds' RSA_AES_KEY_WRAP_SHA_256). Contexts are made for each call and cleared after it.
 * Thread-safe. */
#ifndef KW_CRYPTO_KEYWRAP_H
#define KW_CRYPTO_KEYWRAP_H

#include "crypto/rsa.h"

enum {
    KW_KWP_MAX = 4096, /* bytes of a key to be wrapped */
    /* 32 bytes wrapped under a pair of kw_rsa_pair_make: RSA-OAEP, then KWP. */
    KW_RSA_AES_WRAPPED_32 = KW_RSA_SIZE + 40,
};

/* kek has 32 bytes. in has 1 to KW_KWP_MAX bytes (KW_TOO_LARGE); the result, 8 bytes longer than in
 * padded to a multiple of 8, is appended to out. */
KW_ERR kw_kwp_wrap(const struct kw_secret *kek, const struct kw_secret *in, struct kw_buf *out,
                   struct kw_error *err);

/* out must be empty. KW_SEAL_BROKEN: altered, or wrapped under another key. */
KW_ERR kw_kwp_unwrap(const struct kw_secret *kek, struct kw_bytes in, struct kw_secret *out,
                     struct kw_error *err);

/* A fresh AES-256 key by RSA-OAEP under public_der (SubjectPublicKeyInfo), followed by in by KWP
 * under that key; appended to out. KW_BAD_FORMAT, KW_TOO_LARGE. */
KW_ERR kw_rsa_aes_wrap(struct kw_bytes public_der, const struct kw_secret *in, struct kw_buf *out,
                       struct kw_error *err);

/* The way back, by kw_rsa_pair_make's secret. KW_BAD_FORMAT: in has not the length of anything so
 * wrapped. KW_SEAL_BROKEN for all else: whether the first step failed or the second is not to be
 * told, nor to be measured. */
KW_ERR kw_rsa_aes_unwrap(const struct kw_secret *secret, struct kw_bytes in, struct kw_secret *out,
                         struct kw_error *err);

#endif

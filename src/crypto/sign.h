/* Ed25519 (RFC 8032). Seeds are 32 bytes in secret memory. Thread-safe. */
#ifndef KW_CRYPTO_SIGN_H
#define KW_CRYPTO_SIGN_H

#include "base/bytes.h"
#include "base/secret.h"

enum { KW_SIGN_SEED_SIZE = 32, KW_SIGN_PUBLIC_SIZE = 32, KW_SIGNATURE_SIZE = 64 };

KW_ERR kw_sign_public(const uint8_t seed[KW_SIGN_SEED_SIZE], uint8_t out[KW_SIGN_PUBLIC_SIZE],
                      struct kw_error *err);
KW_ERR kw_sign(const uint8_t seed[KW_SIGN_SEED_SIZE], struct kw_bytes text,
               uint8_t out[KW_SIGNATURE_SIZE], struct kw_error *err);

/* KW_BAD_SIGNATURE if it is not public_key's signature of text. */
KW_ERR kw_verify(const uint8_t public_key[KW_SIGN_PUBLIC_SIZE], struct kw_bytes text,
                 const uint8_t signature[KW_SIGNATURE_SIZE], struct kw_error *err);

#endif

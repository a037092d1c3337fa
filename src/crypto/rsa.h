/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2; RS256 of RFC 7518): what Google's service
 * accounts sign their tokens with. OpenSSL does the work. Thread-safe. */
#ifndef KW_CRYPTO_RSA_H
#define KW_CRYPTO_RSA_H

#include "base/bytes.h"
#include "base/secret.h"

/* pem is an unencrypted private key (PKCS #8 or PKCS #1) of 2048 to 8192 bits; it is decoded for
 * each signature, so that it lies in ordinary memory for no longer. The signature is appended to
 * out. KW_BAD_CONFIG: pem is no such key. */
KW_ERR kw_rsa_sign_sha256(const struct kw_secret *pem, struct kw_bytes text, struct kw_buf *out,
                          struct kw_error *err);

#endif

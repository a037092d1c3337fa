/* RSA (RFC 8017) by OpenSSL: signatures with a key from elsewhere, and pairs of our own under which
 * somebody else wraps a key for us. Thread-safe. */
#ifndef KW_CRYPTO_RSA_H
#define KW_CRYPTO_RSA_H

#include "base/bytes.h"
#include "base/secret.h"

/* RSASSA-PKCS1-v1_5 with SHA-256 (section 8.2; RS256 of RFC 7518): what Google's service accounts
 * sign their tokens with. pem is an unencrypted private key (PKCS #8 or PKCS #1) of 2048 to 8192
 * bits; it is decoded for each signature, so that it lies in ordinary memory for no longer. The
 * signature is appended to out. KW_BAD_CONFIG: pem is no such key. */
KW_ERR kw_rsa_sign_sha256(const struct kw_secret *pem, struct kw_bytes text, struct kw_buf *out,
                          struct kw_error *err);

enum {
    KW_RSA_BITS = 3072,
    KW_RSA_SIZE = KW_RSA_BITS / 8,        /* of what is encrypted under such a pair */
    KW_RSA_SECRET_SIZE = KW_RSA_BITS / 4, /* of its private key, as below */
};

/* A new pair of KW_RSA_BITS bits with the exponent 65537. secret (must be empty) receives modulus
 * and private exponent, big-endian, one half each: so few bytes, and none that ASN.1 encoders would
 * leave on the heap. The public key is appended to public_der as SubjectPublicKeyInfo (RFC 5280).
 * Takes about 0.3 s. */
KW_ERR kw_rsa_pair_make(struct kw_secret *secret, struct kw_buf *public_der, struct kw_error *err);

/* SubjectPublicKeyInfo to PEM (RFC 7468) and back, appended. KW_BAD_FORMAT: not an RSA public key
 * of 2048 to 8192 bits. */
KW_ERR kw_rsa_public_to_pem(struct kw_bytes public_der, struct kw_buf *pem, struct kw_error *err);
KW_ERR kw_rsa_public_from_pem(struct kw_bytes pem, struct kw_buf *public_der, struct kw_error *err);

/* RSAES-OAEP (section 7.1) with SHA-256, MGF1 with SHA-256 and no label. in has 1 to size - 66
 * bytes (KW_TOO_LARGE); the result, as long as the modulus, is appended to out. KW_BAD_FORMAT as
 * above. */
KW_ERR kw_rsa_oaep_encrypt(struct kw_bytes public_der, const struct kw_secret *in,
                           struct kw_buf *out, struct kw_error *err);

/* secret is as kw_rsa_pair_make gives it (2048 to 8192 bits). out (must be empty) receives what was
 * encrypted. KW_SEAL_BROKEN for whatever is wrong with in, and nothing that tells why. */
KW_ERR kw_rsa_oaep_decrypt(const struct kw_secret *secret, struct kw_bytes in,
                           struct kw_secret *out, struct kw_error *err);

#endif

/* Inside pki/ only: OpenSSL objects that free themselves, the checks of names, PEM in and out. */
#ifndef KW_PKI_INTERNAL_H
#define KW_PKI_INTERNAL_H

#include "pki/pki.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define KW_PKI_AUTO(type, free_fn)                                                                 \
    static inline void kw_pki_auto_##free_fn(type **x)                                             \
    {                                                                                              \
        free_fn(*x);                                                                               \
    }
KW_PKI_AUTO(X509, X509_free)
KW_PKI_AUTO(EVP_PKEY, EVP_PKEY_free)
KW_PKI_AUTO(BIO, BIO_free_all)
KW_PKI_AUTO(BIGNUM, BN_free)
#define KW_AUTO_X509 __attribute__((cleanup(kw_pki_auto_X509_free))) X509
#define KW_AUTO_PKEY __attribute__((cleanup(kw_pki_auto_EVP_PKEY_free))) EVP_PKEY
#define KW_AUTO_BIO  __attribute__((cleanup(kw_pki_auto_BIO_free_all))) BIO
#define KW_AUTO_BN   __attribute__((cleanup(kw_pki_auto_BN_free))) BIGNUM

/* KW_CRYPTO with what was tried. Empties OpenSSL's error queue, which TLS on the same thread reads
 * too. */
kw_code kw_pki_fail(struct kw_error *err, const char *what);

/* names.c. All KW_BAD_NAME. A DNS name (RFC 1123) or an IP address; a SPIFFE id with a path. */
KW_ERR kw_pki_host_check(const char *host, bool *is_address, struct kw_error *err);
KW_ERR kw_pki_spiffe_check(const char *id, struct kw_error *err);
KW_ERR kw_pki_common_name_check(const char *name, struct kw_error *err);

/* pem.c. The caller frees what it gets. KW_BAD_CERTIFICATE. */
KW_ERR kw_pki_cert_read(struct kw_bytes pem, X509 **out, struct kw_error *err);
KW_ERR kw_pki_key_read(const struct kw_secret *pem, EVP_PKEY **out, struct kw_error *err);
/* Appends the certificate and fills key_pem, or neither. */
KW_ERR kw_pki_write(X509 *cert, EVP_PKEY *key, struct kw_buf *cert_pem, struct kw_secret *key_pem,
                    struct kw_error *err);
KW_ERR kw_pki_time_ms(const ASN1_TIME *time, int64_t *out, struct kw_error *err);

/* cert.c: what a root and an end certificate share: a fresh key, version, serial number, times. */
struct kw_pki_frame {
    const char *common_name;
    int64_t not_before_ms;
    int64_t not_after_ms;
};
KW_ERR kw_pki_frame(const struct kw_pki_frame *frame, X509 **cert, EVP_PKEY **key,
                    struct kw_error *err);
/* value as openssl.cnf writes it; issuer may be cert itself. */
KW_ERR kw_pki_extend(X509 *cert, X509 *issuer, int nid, const char *value, struct kw_error *err);

/* From five minutes ago, for clocks that disagree, for days. KW_USAGE if days is 0 or absurd. */
KW_ERR kw_pki_validity(uint32_t days, struct kw_pki_frame *frame, struct kw_error *err);

#endif

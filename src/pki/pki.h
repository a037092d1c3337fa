/* A small certificate authority, for an embedded authority that has no other: one root, server
 * certificates, and client certificates that carry a SPIFFE id (exactly one URI name). X.509 by
 * OpenSSL.
 *
 * Keys are ECDSA P-256, serial numbers random, certificates end-entity only and limited to their
 * use (serverAuth; clients both, as X509-SVID demands). Private keys leave as PEM in secret memory;
 * whoever calls decides where they rest. RFC 5280; SPIFFE X.509-SVID. Thread-safe. */
#ifndef KW_PKI_PKI_H
#define KW_PKI_PKI_H

#include "base/bytes.h"
#include "base/secret.h"

enum { KW_PKI_NAME_MAX = 255, KW_PKI_HOSTS_MAX = 16 };

/* A self-signed root for days. key_pem: PKCS #8 PEM. */
KW_ERR kw_pki_ca_create(const char *common_name, uint32_t days, struct kw_buf *cert_pem,
                        struct kw_secret *key_pem, struct kw_error *err);

struct kw_pki_request {
    const struct kw_buf *ca_cert_pem;
    const struct kw_secret *ca_key_pem;
    const char *common_name;
    /* Server: DNS names and IP addresses (told apart by form). Client: none. */
    const char *const *hosts;
    size_t host_count;
    /* Client: the SPIFFE id, spiffe://trust-domain/path. Server: NULL. */
    const char *spiffe_id;
    uint32_t days;
};

/* KW_BAD_NAME: a host or id that is malformed. The certificate never outlives its CA. */
KW_ERR kw_pki_issue(const struct kw_pki_request *request, struct kw_buf *cert_pem,
                    struct kw_secret *key_pem, struct kw_error *err);

struct kw_pki_facts {
    char common_name[KW_PKI_NAME_MAX + 1];
    char spiffe_id[KW_PKI_NAME_MAX + 1]; /* "" unless there is exactly one URI name */
    char hosts[1024];                    /* comma-separated */
    char serial[41];                     /* hex */
    uint8_t sha256[32];                  /* of the DER form */
    int64_t not_before_ms, not_after_ms;
    bool is_ca;
};

/* Reads the first certificate of a PEM text. KW_BAD_CERTIFICATE. */
KW_ERR kw_pki_describe(struct kw_bytes pem, struct kw_pki_facts *out, struct kw_error *err);

#endif

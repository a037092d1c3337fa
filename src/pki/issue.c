#include "base/clock.h"
#include "pki/internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

struct issuer {
    X509 *cert;
    EVP_PKEY *key;
    int64_t not_after_ms;
};

static KW_ERR issuer_check(struct issuer *ca, struct kw_error *err)
{
    char text[KW_TIME_TEXT_SIZE];

    KW_TRY(kw_pki_time_ms(X509_get0_notAfter(ca->cert), &ca->not_after_ms, err));
    if (X509_check_ca(ca->cert) != 1)
        return kw_fail(err, KW_BAD_CERTIFICATE, "the issuer's certificate is not that of a CA");
    if (X509_check_private_key(ca->cert, ca->key) != 1) {
        ERR_clear_error();
        return kw_fail(err, KW_BAD_CERTIFICATE, "the CA's key does not belong to its certificate");
    }
    if (ca->not_after_ms <= kw_clock_wall_ms())
        return kw_fail(err, KW_BAD_CERTIFICATE, "the CA's certificate expired on %s: make a new CA",
                       kw_time_text(ca->not_after_ms, text));
    return KW_OK;
}

/* "DNS:localhost,IP:127.0.0.1". The names were checked, so nothing in them can be read as another
 * entry. */
static KW_ERR server_names(const struct kw_pki_request *request, struct kw_buf *out,
                           struct kw_error *err)
{
    if (request->host_count > KW_PKI_HOSTS_MAX)
        return kw_fail(err, KW_BAD_NAME, "a certificate names at most %d hosts", KW_PKI_HOSTS_MAX);
    for (size_t i = 0; i < request->host_count; i++) {
        bool is_address = false;

        KW_TRY(kw_pki_host_check(request->hosts[i], &is_address, err));
        kw_buf_printf(out, "%s%s:%s", i > 0 ? "," : "", is_address ? "IP" : "DNS",
                      request->hosts[i]);
    }
    return kw_buf_status(out, err);
}

static KW_ERR alternative_names(const struct kw_pki_request *request, struct kw_buf *out,
                                struct kw_error *err)
{
    if ((request->spiffe_id != NULL) == (request->host_count > 0))
        return kw_fail(err, KW_BAD_NAME,
                       "name at least one host for a server, or a SPIFFE id for a client");
    if (request->spiffe_id == NULL)
        return server_names(request, out, err);
    KW_TRY(kw_pki_spiffe_check(request->spiffe_id, err));
    kw_buf_printf(out, "URI:%s", request->spiffe_id);
    return kw_buf_status(out, err);
}

/* X509-SVID, 4.4: a leaf that names any extended use must name both. A client's certificate is
 * still of no use as a server's: it names no host. */
static KW_ERR extend(X509 *cert, const struct issuer *ca, bool client, const char *names,
                     struct kw_error *err)
{
    KW_TRY(kw_pki_extend(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE", err));
    KW_TRY(kw_pki_extend(cert, ca->cert, NID_key_usage, "critical,digitalSignature", err));
    KW_TRY(kw_pki_extend(cert, ca->cert, NID_ext_key_usage,
                         client ? "clientAuth,serverAuth" : "serverAuth", err));
    KW_TRY(kw_pki_extend(cert, ca->cert, NID_subject_alt_name, names, err));
    KW_TRY(kw_pki_extend(cert, ca->cert, NID_subject_key_identifier, "hash", err));
    return kw_pki_extend(cert, ca->cert, NID_authority_key_identifier, "keyid:always", err);
}

static KW_ERR issue(const struct kw_pki_request *request, const struct issuer *ca,
                    struct kw_buf *cert_pem, struct kw_secret *key_pem, struct kw_error *err)
{
    struct kw_pki_frame frame = {.common_name = request->common_name};
    KW_AUTO(kw_buf) names = KW_BUF_INIT;
    KW_AUTO_X509 *cert = NULL;
    KW_AUTO_PKEY *key = NULL;

    KW_TRY(kw_pki_validity(request->days, &frame, err));
    if (frame.not_after_ms > ca->not_after_ms)
        frame.not_after_ms = ca->not_after_ms;
    KW_TRY(alternative_names(request, &names, err));
    KW_TRY(kw_pki_frame(&frame, &cert, &key, err));
    if (X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) != 1)
        return kw_pki_fail(err, "naming a certificate's issuer");
    KW_TRY(extend(cert, ca, request->spiffe_id != NULL, kw_buf_str(&names), err));
    if (X509_sign(cert, ca->key, EVP_sha256()) == 0)
        return kw_pki_fail(err, "signing a certificate");
    return kw_pki_write(cert, key, cert_pem, key_pem, err);
}

KW_ERR kw_pki_issue(const struct kw_pki_request *request, struct kw_buf *cert_pem,
                    struct kw_secret *key_pem, struct kw_error *err)
{
    KW_AUTO_X509 *cert = NULL;
    KW_AUTO_PKEY *key = NULL;
    struct issuer ca;

    KW_TRY(kw_pki_common_name_check(request->common_name, err));
    KW_TRY(kw_pki_cert_read(kw_buf_bytes(request->ca_cert_pem), &cert, err));
    KW_TRY(kw_pki_key_read(request->ca_key_pem, &key, err));
    ca = (struct issuer){.cert = cert, .key = key};
    KW_TRY(issuer_check(&ca, err));
    return issue(request, &ca, cert_pem, key_pem, err);
}

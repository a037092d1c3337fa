#include "http/internal.h"

#include <openssl/x509v3.h>

/* An IA5String as text; not if it holds a NUL, which two readers could read in two ways. */
static bool copy_text(char *out, size_t size, const ASN1_STRING *from)
{
    int len = ASN1_STRING_length(from);
    const unsigned char *data = ASN1_STRING_get0_data(from);
    if (len <= 0 || (size_t)len >= size)
        return false;
    for (int i = 0; i < len; i++)
        if (data[i] < 0x20 || data[i] >= 0x7f)
            return false;
    memcpy(out, data, (size_t)len);
    out[len] = '\0';
    return true;
}

static void fill_uri(struct kw_http_peer *peer, X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    const ASN1_STRING *uri = NULL;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        peer->uri_count++;
        uri = name->d.uniformResourceIdentifier;
    }
    if (peer->uri_count == 1)
        copy_text(peer->uri, sizeof peer->uri, uri);
    GENERAL_NAMES_free(names);
}

static void fill_common_name(struct kw_http_peer *peer, X509 *cert)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return;
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    copy_text(peer->common_name, sizeof peer->common_name, text);
}

void kw_http_peer_fill(struct kw_http_peer *peer, SSL *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    unsigned len = 0;
    if (cert == NULL || SSL_get_verify_result(ssl) != X509_V_OK ||
        X509_digest(cert, EVP_sha256(), peer->sha256, &len) != 1)
        return;
    peer->not_after_ms = kw_http_asn1_time_ms(X509_get0_notAfter(cert));
    fill_uri(peer, cert);
    fill_common_name(peer, cert);
    peer->verified = true;
}

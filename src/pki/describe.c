#include "base/encode.h"
#include "crypto/hash.h"
#include "pki/internal.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

static kw_code odd(struct kw_error *err, const char *what)
{
    ERR_clear_error();
    return kw_fail(err, KW_BAD_CERTIFICATE, "the certificate's %s is malformed or too long", what);
}

static KW_ERR common_name(X509 *cert, struct kw_pki_facts *out, struct kw_error *err)
{
    const X509_NAME *name = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    unsigned char *text = NULL;
    bool fits;
    int len;

    if (at < 0)
        return KW_OK;
    len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    fits = len >= 0 && len <= KW_PKI_NAME_MAX && memchr(text, 0, (size_t)len) == NULL;
    if (fits)
        memcpy(out->common_name, text, (size_t)len);
    OPENSSL_free(text);
    return fits ? KW_OK : odd(err, "common name");
}

static KW_ERR host_add(struct kw_pki_facts *out, const char *text, size_t len, struct kw_error *err)
{
    size_t used = strlen(out->hosts);

    /* A comma or a NUL within a name would read as something else in the list. */
    if (used + len + 2 > sizeof out->hosts || memchr(text, 0, len) || memchr(text, ',', len))
        return odd(err, "list of hosts");
    if (used > 0)
        out->hosts[used++] = ',';
    memcpy(out->hosts + used, text, len);
    return KW_OK;
}

static KW_ERR address_add(struct kw_pki_facts *out, const ASN1_OCTET_STRING *address,
                          struct kw_error *err)
{
    char text[INET6_ADDRSTRLEN];
    int len = ASN1_STRING_length(address);

    if ((len != 4 && len != 16) ||
        inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text,
                  sizeof text) == NULL)
        return odd(err, "IP address");
    return host_add(out, text, strlen(text), err);
}

/* A second URI makes the id ambiguous, and so does one that is not a SPIFFE id. */
static void uri_take(struct kw_pki_facts *out, const ASN1_IA5STRING *uri, size_t *uris)
{
    size_t len = (size_t)ASN1_STRING_length(uri);

    out->spiffe_id[0] = 0;
    if (++*uris > 1 || len > KW_PKI_NAME_MAX)
        return;
    memcpy(out->spiffe_id, ASN1_STRING_get0_data(uri), len);
    out->spiffe_id[len] = 0;
    if (strlen(out->spiffe_id) != len || kw_pki_spiffe_check(out->spiffe_id, NULL) != KW_OK)
        out->spiffe_id[0] = 0;
}

static KW_ERR name_take(struct kw_pki_facts *out, const GENERAL_NAME *name, size_t *uris,
                        struct kw_error *err)
{
    if (name->type == GEN_URI)
        uri_take(out, name->d.uniformResourceIdentifier, uris);
    if (name->type == GEN_IPADD)
        return address_add(out, name->d.iPAddress, err);
    if (name->type == GEN_DNS)
        return host_add(out, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                        (size_t)ASN1_STRING_length(name->d.dNSName), err);
    return KW_OK;
}

static KW_ERR alternative_names(X509 *cert, struct kw_pki_facts *out, struct kw_error *err)
{
    int critical = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);
    kw_code code = KW_OK;
    size_t uris = 0;

    if (names == NULL) /* -1: there is none */
        return critical == -1 ? KW_OK : odd(err, "list of names");
    for (int i = 0; code == KW_OK && i < sk_GENERAL_NAME_num(names); i++)
        code = name_take(out, sk_GENERAL_NAME_value(names, i), &uris, err);
    GENERAL_NAMES_free(names);
    return code;
}

static KW_ERR serial(X509 *cert, struct kw_pki_facts *out, struct kw_error *err)
{
    KW_AUTO_BN *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    uint8_t bytes[(sizeof out->serial - 1) / 2];

    if (number == NULL || BN_is_negative(number) || BN_num_bytes(number) > (int)sizeof bytes)
        return odd(err, "serial number");
    kw_hex_text(out->serial, kw_bytes(bytes, (size_t)BN_bn2bin(number, bytes)));
    return KW_OK;
}

static KW_ERR fingerprint(X509 *cert, struct kw_pki_facts *out, struct kw_error *err)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);

    if (len <= 0)
        return odd(err, "encoding");
    kw_sha256_one(out->sha256, kw_bytes(der, (size_t)len));
    OPENSSL_free(der);
    return KW_OK;
}

KW_ERR kw_pki_describe(struct kw_bytes pem, struct kw_pki_facts *out, struct kw_error *err)
{
    struct kw_pki_facts facts = {0};
    KW_AUTO_X509 *cert = NULL;

    KW_TRY(kw_pki_cert_read(pem, &cert, err));
    KW_TRY(common_name(cert, &facts, err));
    KW_TRY(alternative_names(cert, &facts, err));
    KW_TRY(serial(cert, &facts, err));
    KW_TRY(fingerprint(cert, &facts, err));
    KW_TRY(kw_pki_time_ms(X509_get0_notBefore(cert), &facts.not_before_ms, err));
    KW_TRY(kw_pki_time_ms(X509_get0_notAfter(cert), &facts.not_after_ms, err));
    facts.is_ca = X509_check_ca(cert) == 1;
    *out = facts;
    return KW_OK;
}

#include "pki/internal.h"

#include <openssl/x509v3.h>

KW_ERR kw_pki_ca_create(const char *common_name, uint32_t days, struct kw_buf *cert_pem,
                        struct kw_secret *key_pem, struct kw_error *err)
{
    struct kw_pki_frame frame = {.common_name = common_name};
    KW_AUTO_X509 *cert = NULL;
    KW_AUTO_PKEY *key = NULL;

    KW_TRY(kw_pki_common_name_check(common_name, err));
    KW_TRY(kw_pki_validity(days, &frame, err));
    KW_TRY(kw_pki_frame(&frame, &cert, &key, err));
    if (X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1)
        return kw_pki_fail(err, "naming a certificate's issuer");
    KW_TRY(kw_pki_extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0", err));
    KW_TRY(kw_pki_extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign", err));
    KW_TRY(kw_pki_extend(cert, cert, NID_subject_key_identifier, "hash", err));
    if (X509_sign(cert, key, EVP_sha256()) == 0)
        return kw_pki_fail(err, "signing a certificate");
    return kw_pki_write(cert, key, cert_pem, key_pem, err);
}

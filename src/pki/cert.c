#include "base/clock.h"
#include "crypto/random.h"
#include "pki/internal.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { SERIAL_SIZE = 16, DAYS_MAX = 36500, BACKDATE_MS = 5 * 60 * 1000 };

static const int64_t day_ms = 86400000;

KW_ERR kw_pki_validity(uint32_t days, struct kw_pki_frame *frame, struct kw_error *err)
{
    int64_t now = kw_clock_wall_ms();

    if (days == 0 || days > DAYS_MAX)
        return kw_fail(err, KW_USAGE, "a certificate is valid for 1 to %d days", DAYS_MAX);
    frame->not_before_ms = now - BACKDATE_MS;
    frame->not_after_ms = now + (int64_t)days * day_ms;
    return KW_OK;
}

/* RFC 5280 4.1.2.2: positive, at most 20 octets, not to be guessed. The second bit is always set:
 * every serial has the same length. */
static bool serial_set(X509 *cert)
{
    uint8_t serial[SERIAL_SIZE];
    KW_AUTO_BN *number = NULL;

    kw_random(serial, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
    number = BN_bin2bn(serial, sizeof serial, NULL);
    return number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
}

static bool subject_set(X509 *cert, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(cert);

    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)common_name, -1, -1, 0) == 1;
}

static bool times_set(X509 *cert, const struct kw_pki_frame *frame)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), frame->not_before_ms / 1000) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), frame->not_after_ms / 1000) != NULL;
}

KW_ERR kw_pki_frame(const struct kw_pki_frame *frame, X509 **cert, EVP_PKEY **key,
                    struct kw_error *err)
{
    KW_AUTO_PKEY *fresh = EVP_EC_gen("P-256");
    KW_AUTO_X509 *made = X509_new();

    if (fresh == NULL || made == NULL || X509_set_version(made, X509_VERSION_3) != 1 ||
        !serial_set(made) || !subject_set(made, frame->common_name) || !times_set(made, frame) ||
        X509_set_pubkey(made, fresh) != 1)
        return kw_pki_fail(err, "making a certificate");
    *cert = made;
    *key = fresh;
    made = NULL;
    fresh = NULL;
    return KW_OK;
}

KW_ERR kw_pki_extend(X509 *cert, X509 *issuer, int nid, const char *value, struct kw_error *err)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;
    int added;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL)
        return kw_pki_fail(err, "making a certificate's extension");
    added = X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return added == 1 ? KW_OK : kw_pki_fail(err, "adding a certificate's extension");
}

#include "pki/internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>

kw_code kw_pki_fail(struct kw_error *err, const char *what)
{
    ERR_clear_error();
    return kw_fail(err, KW_CRYPTO, "%s failed in the cryptographic library", what);
}

/* A library never asks at the terminal: an encrypted key is refused. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    KW_UNUSED(buf);
    KW_UNUSED(size);
    KW_UNUSED(writing);
    KW_UNUSED(arg);
    return -1;
}

KW_ERR kw_pki_cert_read(struct kw_bytes pem, X509 **out, struct kw_error *err)
{
    KW_AUTO_BIO *bio = NULL;
    X509 *cert = NULL;

    if (pem.len > 0 && pem.len <= INT32_MAX)
        bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (bio != NULL)
        cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);
    ERR_clear_error();
    if (cert == NULL)
        return kw_fail(err, KW_BAD_CERTIFICATE, "the text holds no PEM certificate");
    *out = cert;
    return KW_OK;
}

KW_ERR kw_pki_key_read(const struct kw_secret *pem, EVP_PKEY **out, struct kw_error *err)
{
    KW_AUTO_BIO *bio = NULL;
    EVP_PKEY *key = NULL;

    if (pem->len > 0 && pem->len <= INT32_MAX)
        bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    if (bio != NULL)
        key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    ERR_clear_error();
    if (key == NULL)
        return kw_fail(err, KW_BAD_CERTIFICATE, "the text holds no PEM private key");
    *out = key;
    return KW_OK;
}

/* OpenSSL's memory BIO overwrites what it frees and what it grows out of. */
static KW_ERR key_write(EVP_PKEY *key, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO_BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;

    if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return kw_pki_fail(err, "writing a private key");
    len = BIO_get_mem_data(bio, &data);
    return kw_secret_copy(out, data, (size_t)len, err);
}

KW_ERR kw_pki_write(X509 *cert, EVP_PKEY *key, struct kw_buf *cert_pem, struct kw_secret *key_pem,
                    struct kw_error *err)
{
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_AUTO_BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;

    if (bio == NULL || PEM_write_bio_X509(bio, cert) != 1)
        return kw_pki_fail(err, "writing a certificate");
    KW_TRY(key_write(key, &secret, err));
    len = BIO_get_mem_data(bio, &data);
    kw_buf_append(cert_pem, data, (size_t)len);
    KW_TRY(kw_buf_status(cert_pem, err));
    kw_secret_move(key_pem, &secret);
    return KW_OK;
}

KW_ERR kw_pki_time_ms(const ASN1_TIME *time, int64_t *out, struct kw_error *err)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        ERR_clear_error();
        return kw_fail(err, KW_BAD_CERTIFICATE, "the certificate has a malformed time");
    }
    *out = (int64_t)timegm(&tm) * 1000;
    return KW_OK;
}

/* Certificates for tests, made in memory: P-256, an hour long unless told otherwise. */
#ifndef KW_TESTS_SUPPORT_HTTP_CERTS_H
#define KW_TESTS_SUPPORT_HTTP_CERTS_H

#include "base/bytes.h"
#include "base/secret.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct test_cert {
    EVP_PKEY *key;
    X509 *cert;
    char *pem; /* terminated */
    struct kw_secret key_pem;
};

struct test_cert_shape {
    const char *common_name;
    const struct test_cert *issuer; /* NULL: signed by itself, and a CA */
    const char *names;              /* subjectAltName as OpenSSL's configuration writes it */
    const char *usage;              /* extendedKeyUsage, e.g. clientAuth */
    long begins;                    /* seconds from now */
    long ends;                      /* seconds from now; 0: an hour */
};

static inline void test_cert_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static inline void test_cert_export(struct test_cert *out)
{
    char *data;
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, out->cert);
    long len = BIO_get_mem_data(bio, &data);
    out->pem = strndup(data, (size_t)len);
    BIO_free(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, out->key, NULL, NULL, 0, NULL, NULL);
    len = BIO_get_mem_data(bio, &data);
    assert_int_equal(kw_secret_copy(&out->key_pem, data, (size_t)len, NULL), KW_OK);
    BIO_free(bio);
}

static inline void test_cert_make(struct test_cert *out, const struct test_cert_shape *shape)
{
    static long serial = 1;
    *out = (struct test_cert){.key = EVP_EC_gen("P-256"), .cert = X509_new()};
    X509 *cert = out->cert;
    X509 *issuer = shape->issuer != NULL ? shape->issuer->cert : cert;
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), shape->begins);
    X509_gmtime_adj(X509_getm_notAfter(cert), shape->ends != 0 ? shape->ends : 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                               (const unsigned char *)shape->common_name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    X509_set_pubkey(cert, out->key);
    test_cert_extend(cert, issuer, NID_basic_constraints,
                     shape->issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (shape->names != NULL)
        test_cert_extend(cert, issuer, NID_subject_alt_name, shape->names);
    if (shape->usage != NULL)
        test_cert_extend(cert, issuer, NID_ext_key_usage, shape->usage);
    assert_true(
        X509_sign(cert, shape->issuer != NULL ? shape->issuer->key : out->key, EVP_sha256()) > 0);
    test_cert_export(out);
}

static inline void test_cert_wipe(struct test_cert *cert)
{
    EVP_PKEY_free(cert->key);
    X509_free(cert->cert);
    free(cert->pem);
    kw_secret_wipe(&cert->key_pem);
}

/* A client's context that trusts ca and shows cert (may be NULL). */
static inline SSL_CTX *test_client_ctx(const struct test_cert *ca, const struct test_cert *cert)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca->cert);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (cert != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(ctx, cert->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, cert->key), 1);
    }
    return ctx;
}

#endif

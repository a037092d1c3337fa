#include "base/clock.h"
#include "base/file.h"
#include "http/internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { PEM_MAX = 1 << 20 };

static void free_ctx(SSL_CTX **ctx)
{
    SSL_CTX_free(*ctx);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void free_x509(X509 **cert)
{
    X509_free(*cert);
}

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

#define AUTO(type, free_it) __attribute__((cleanup(free_it))) type

int64_t kw_http_asn1_time_ms(const ASN1_TIME *when)
{
    struct tm tm = {0};
    if (when == NULL || ASN1_TIME_to_tm(when, &tm) != 1)
        return 0; /* long ago: fail closed */
    return (int64_t)timegm(&tm) * 1000;
}

static KW_ERR fail_tls(struct kw_error *err, const char *what, const char *path)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return kw_fail(err, KW_BAD_CERTIFICATE, "%s%s%s: %s", what, path != NULL ? " " : "",
                   path != NULL ? path : "", reason != NULL ? reason : "not usable");
}

/* The text of a PEM from memory or from its file. */
static KW_ERR load_text(const char *pem, const char *path, const char *what, struct kw_buf *out,
                        struct kw_error *err)
{
    if (pem != NULL)
        kw_buf_append_str(out, pem);
    else if (path != NULL)
        KW_TRY(kw_file_read(path, PEM_MAX, out, err));
    else
        return kw_fail(err, KW_BAD_CONFIG, "TLS needs %s", what);
    return kw_buf_status(out, err);
}

/* Leaf first, then the chain in any number. */
static KW_ERR use_chain(SSL_CTX *ctx, const struct kw_http_tls *tls, int64_t *not_after_ms,
                        struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_TRY(load_text(tls->cert_pem, tls->cert_path, "a server certificate", &text, err));
    AUTO(BIO *, free_bio) bio = BIO_new_mem_buf(text.data, (int)text.len);
    AUTO(X509 *, free_x509) leaf = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (leaf == NULL || SSL_CTX_use_certificate(ctx, leaf) != 1)
        return fail_tls(err, "the server certificate", tls->cert_path);
    X509 *next;
    while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
            X509_free(next);
            return fail_tls(err, "the server certificate's chain", tls->cert_path);
        }
    ERR_clear_error(); /* the end of the PEM is told as an error */
    *not_after_ms = kw_http_asn1_time_ms(X509_get0_notAfter(leaf));
    if (*not_after_ms <= kw_clock_wall_ms())
        return kw_fail(err, KW_BAD_CERTIFICATE, "the server certificate%s%s has expired; renew it",
                       tls->cert_path != NULL ? " " : "",
                       tls->cert_path != NULL ? tls->cert_path : "");
    return KW_OK;
}

static KW_ERR use_key(SSL_CTX *ctx, const struct kw_http_tls *tls, struct kw_error *err)
{
    KW_AUTO(kw_secret) read = KW_SECRET_INIT;
    const struct kw_secret *pem = tls->key_pem;
    if (pem == NULL && tls->key_path == NULL)
        return kw_fail(err, KW_BAD_CONFIG, "TLS needs the server certificate's private key");
    if (pem == NULL) {
        KW_TRY(kw_file_read_secret(tls->key_path, PEM_MAX, &read, err));
        pem = &read;
    }
    AUTO(BIO *, free_bio) bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    AUTO(EVP_PKEY *, free_key)
    key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    if (key == NULL || SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return fail_tls(err, "the server certificate's private key", tls->key_path);
    return KW_OK;
}

/* The CAs go into the trust store and, as names, into the certificate request. */
static KW_ERR trust(SSL_CTX *ctx, const struct kw_http_tls *tls, struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_TRY(load_text(tls->ca_pem, tls->ca_path, "the CA of the client certificates", &text, err));
    AUTO(BIO *, free_bio) bio = BIO_new_mem_buf(text.data, (int)text.len);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    unsigned count = 0;
    for (; bio != NULL; count++) {
        AUTO(X509 *, free_x509) ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (ca == NULL)
            break;
        if (X509_STORE_add_cert(store, ca) != 1 || SSL_CTX_add_client_CA(ctx, ca) != 1)
            return fail_tls(err, "the CA of the client certificates", tls->ca_path);
    }
    ERR_clear_error();
    if (count == 0)
        return kw_fail(err, KW_BAD_CERTIFICATE, "%s holds no CA certificate",
                       tls->ca_path != NULL ? tls->ca_path : "the CA of the client certificates");
    return KW_OK;
}

/* Whole chain, times and the purpose "TLS client". One that fails ends the handshake, also where
 * certificates are optional: who shows a bad one is not let in as if it had shown none.
 *
 * No resumption beside client certificates: a ticket carries the verdict of an earlier handshake,
 * and with it an identity could outlive its certificate or a CA that a reload has removed. Each
 * connection is therefore verified anew; connections are long-lived, so that is cheap. */
static KW_ERR ask_for_clients(SSL_CTX *ctx, const struct kw_http_tls *tls, struct kw_error *err)
{
    static const unsigned char context[] = "keyward";
    int mode = SSL_VERIFY_PEER;
    if (tls->client_cert == KW_HTTP_CERT_OFF)
        return KW_OK;
    if (tls->client_cert == KW_HTTP_CERT_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, mode, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (SSL_CTX_set_num_tickets(ctx, 0) != 1 ||
        SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) != 1 ||
        SSL_CTX_set_session_id_context(ctx, context, sizeof context - 1) != 1)
        return fail_tls(err, "asking for client certificates", NULL);
    return trust(ctx, tls, err);
}

/* http/1.1 or, for a client that offers only others, an alert (RFC 7301, 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned offered_len, void *arg)
{
    static const char ours[] = "http/1.1";
    KW_UNUSED(ssl);
    KW_UNUSED(arg);
    for (unsigned at = 0; at < offered_len; at += offered[at] + 1U) {
        unsigned len = offered[at];
        if (len != sizeof ours - 1 || at + 1 + len > offered_len ||
            memcmp(offered + at + 1, ours, len) != 0)
            continue;
        *out = offered + at + 1;
        *out_len = (unsigned char)len;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* CLEANSE_PLAINTEXT: OpenSSL wipes what it has decrypted, which holds data keys. Early data stays
 * at its default, refused: it could be replayed. Not RELEASE_BUFFERS, which would take, wipe and
 * give back 17 KiB for each record: conn.c does so for connections that are idle. */
static KW_ERR set_up(SSL_CTX *ctx, bool allow_tls12, struct kw_error *err)
{
    int lowest = allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    if (SSL_CTX_set_min_proto_version(ctx, lowest) != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        return fail_tls(err, "choosing TLS versions and ciphers", NULL);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    return KW_OK;
}

KW_ERR kw_http_tls_context(const struct kw_http_tls *tls, SSL_CTX **out, int64_t *not_after_ms,
                           struct kw_error *err)
{
    int64_t ends = 0;
    ERR_clear_error();
    AUTO(SSL_CTX *, free_ctx) ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    KW_TRY(set_up(ctx, tls->allow_tls12, err));
    KW_TRY(use_chain(ctx, tls, &ends, err));
    KW_TRY(use_key(ctx, tls, err));
    KW_TRY(ask_for_clients(ctx, tls, err));
    *not_after_ms = ends;
    *out = ctx;
    ctx = NULL;
    return KW_OK;
}

/* The server over TLS: versions, client certificates of every kind, what is known of the peer,
 * reload. */
#include "http_certs.h"
#include "http_client.h"
#include "http_echo.h"

#include "base/clock.h"

static struct {
    struct test_cert ca, other_ca, server, client, foreign, expired, future, wrong_usage, two_uris;
} certs;

static int make_certs(void **state)
{
    KW_UNUSED(state);
    test_cert_make(&certs.ca, &(struct test_cert_shape){.common_name = "ca"});
    test_cert_make(&certs.other_ca, &(struct test_cert_shape){.common_name = "other ca"});
    test_cert_make(&certs.server, &(struct test_cert_shape){.common_name = "localhost",
                                                            .issuer = &certs.ca,
                                                            .names = "IP:127.0.0.1",
                                                            .usage = "serverAuth"});
    test_cert_make(&certs.client,
                   &(struct test_cert_shape){.common_name = "client",
                                             .issuer = &certs.ca,
                                             .names = "URI:spiffe://keyward/service/a,DNS:a.test",
                                             .usage = "clientAuth"});
    test_cert_make(&certs.foreign, &(struct test_cert_shape){.common_name = "client",
                                                             .issuer = &certs.other_ca,
                                                             .usage = "clientAuth"});
    test_cert_make(&certs.expired, &(struct test_cert_shape){.common_name = "client",
                                                             .issuer = &certs.ca,
                                                             .usage = "clientAuth",
                                                             .begins = -7200,
                                                             .ends = -3600});
    test_cert_make(&certs.future, &(struct test_cert_shape){.common_name = "client",
                                                            .issuer = &certs.ca,
                                                            .usage = "clientAuth",
                                                            .begins = 3600,
                                                            .ends = 7200});
    test_cert_make(&certs.wrong_usage, &(struct test_cert_shape){.common_name = "client",
                                                                 .issuer = &certs.ca,
                                                                 .usage = "serverAuth"});
    test_cert_make(&certs.two_uris, &(struct test_cert_shape){.common_name = "client",
                                                              .issuer = &certs.ca,
                                                              .names = "URI:spiffe://a/1,URI:b:2",
                                                              .usage = "clientAuth"});
    return 0;
}

static int free_certs(void **state)
{
    KW_UNUSED(state);
    struct test_cert *all = &certs.ca;
    for (size_t i = 0; i < sizeof certs / sizeof *all; i++)
        test_cert_wipe(&all[i]);
    return 0;
}

static struct kw_http_tls with(const struct test_cert *server, const struct test_cert *ca,
                               enum kw_http_client_cert mode)
{
    return (struct kw_http_tls){.cert_pem = server->pem,
                                .key_pem = &server->key_pem,
                                .ca_pem = ca->pem,
                                .client_cert = mode};
}

static void start(struct test_echo *echo, enum kw_http_client_cert mode)
{
    struct kw_error err;
    echo->options.plain = false;
    echo->options.tls = with(&certs.server, &certs.ca, mode);
    if (test_echo_start(echo, &err) != KW_OK)
        fail_msg("%s", err.text);
}

static struct kw_http_stats stats(struct test_echo *echo)
{
    struct kw_http_stats s;
    kw_http_server_stats(echo->server, &s);
    return s;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* Connects with cert and asks who it is; what the server says must contain part. */
static void is_seen_as(struct test_echo *echo, const struct test_cert *cert, const char *part)
{
    SSL_CTX *ctx = test_client_ctx(&certs.ca, cert);
    struct test_client c = test_connect(echo->port);
    assert_true(test_handshake(&c, ctx));
    assert_string_equal(SSL_get_version(c.ssl), "TLSv1.3");
    test_exchange(&c, GET("/peer"), 200, part);
    test_disconnect(&c);
    SSL_CTX_free(ctx);
}

/* With TLS 1.3 a client learns of its refusal only after its own handshake is done. */
static void is_refused(struct test_echo *echo, SSL_CTX *ctx, const char *reason)
{
    unsigned before = atomic_load(&echo->errors);
    struct test_client c = test_connect(echo->port);
    if (test_handshake(&c, ctx))
        test_send_str(&c, GET("/peer"));
    test_until_closed(&c);
    assert_int_equal(c.in.len, 0);
    TEST_WAIT(atomic_load(&echo->errors) == before + 1);
    pthread_mutex_lock(&echo->lock);
    if (strstr(echo->error, reason) == NULL)
        fail_msg("%s is not in: %s", reason, echo->error);
    pthread_mutex_unlock(&echo->lock);
    test_disconnect(&c);
}

static void certificate_is_refused(struct test_echo *echo, const struct test_cert *cert,
                                   const char *reason)
{
    SSL_CTX *ctx = test_client_ctx(&certs.ca, cert);
    is_refused(echo, ctx, reason);
    SSL_CTX_free(ctx);
}

static void serves_without_client_certificates(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    start(&echo, KW_HTTP_CERT_OFF);
    is_seen_as(&echo, NULL, "verified=0 uris=0 uri= cn= remote=127.0.0.1:");
    is_seen_as(&echo, &certs.client, "verified=0");
    assert_int_equal(stats(&echo).handshakes, 2);
    assert_true(kw_http_server_not_after_ms(echo.server) > kw_clock_wall_ms());
    test_echo_stop(&echo);
}

static void requires_a_good_certificate(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    start(&echo, KW_HTTP_CERT_REQUIRED);
    is_seen_as(&echo, &certs.client, "verified=1 uris=1 uri=spiffe://keyward/service/a cn=client");
    is_seen_as(&echo, &certs.two_uris, "verified=1 uris=2 uri= cn=client");
    certificate_is_refused(&echo, NULL, "did not return a certificate");
    certificate_is_refused(&echo, &certs.foreign, "unable to get local issuer certificate");
    certificate_is_refused(&echo, &certs.expired, "certificate has expired");
    certificate_is_refused(&echo, &certs.future, "certificate is not yet valid");
    certificate_is_refused(&echo, &certs.wrong_usage, "purpose");
    assert_int_equal(stats(&echo).requests, 2);
    assert_int_equal(stats(&echo).handshake_failures, 5);
    test_echo_stop(&echo);
}

static void optional_does_not_mean_bad_ones_pass(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    start(&echo, KW_HTTP_CERT_OPTIONAL);
    is_seen_as(&echo, NULL, "verified=0");
    is_seen_as(&echo, &certs.client, "verified=1");
    certificate_is_refused(&echo, &certs.foreign, "unable to get local issuer certificate");
    certificate_is_refused(&echo, &certs.expired, "certificate has expired");
    test_echo_stop(&echo);
}

static void a_certificate_may_end_during_a_connection(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    echo.options.limits.idle_ms = 24 * 3600 * 1000U;
    start(&echo, KW_HTTP_CERT_REQUIRED);
    SSL_CTX *ctx = test_client_ctx(&certs.ca, &certs.client);
    struct test_client c = test_connect(echo.port);
    assert_true(test_handshake(&c, ctx));
    test_exchange(&c, GET("/peer"), 200, "verified=1");
    kw_clock_test_offset(2 * 3600 * 1000LL);
    test_exchange(&c, GET("/peer"), 401, "certificate has expired");
    test_until_closed(&c);
    kw_clock_test_offset(0);
    test_disconnect(&c);
    SSL_CTX_free(ctx);
    test_echo_stop(&echo);
}

static void refuses_old_versions(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    start(&echo, KW_HTTP_CERT_OFF);
    SSL_CTX *ctx = test_client_ctx(&certs.ca, NULL);
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    is_refused(&echo, ctx, "unsupported protocol");
    SSL_CTX_free(ctx);
    test_echo_stop(&echo);
}

static void old_clients_may_be_allowed(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    echo.options.plain = false;
    echo.options.tls = with(&certs.server, &certs.ca, KW_HTTP_CERT_REQUIRED);
    echo.options.tls.allow_tls12 = true;
    assert_int_equal(test_echo_start(&echo, NULL), KW_OK);
    SSL_CTX *ctx = test_client_ctx(&certs.ca, &certs.client);
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    struct test_client c = test_connect(echo.port);
    assert_true(test_handshake(&c, ctx));
    test_exchange(&c, GET("/peer"), 200, "verified=1");
    test_disconnect(&c);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    SSL_CTX_set_security_level(ctx, 0);
    c = test_connect(echo.port);
    assert_false(test_handshake(&c, ctx));
    test_disconnect(&c);
    SSL_CTX_free(ctx);
    test_echo_stop(&echo);
}

/* An application protocol that is not ours is refused, not guessed at. */
static void agrees_on_http_1_1(void **state)
{
    KW_UNUSED(state);
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    static const unsigned char only_h2[] = "\x02h2";
    struct test_echo echo;
    const unsigned char *chosen;
    unsigned len;
    test_echo_init(&echo);
    start(&echo, KW_HTTP_CERT_OFF);
    SSL_CTX *ctx = test_client_ctx(&certs.ca, NULL);
    SSL_CTX_set_alpn_protos(ctx, both, sizeof both - 1);
    struct test_client c = test_connect(echo.port);
    assert_true(test_handshake(&c, ctx));
    SSL_get0_alpn_selected(c.ssl, &chosen, &len);
    assert_int_equal(len, 8);
    test_disconnect(&c);
    SSL_CTX_set_alpn_protos(ctx, only_h2, sizeof only_h2 - 1);
    is_refused(&echo, ctx, "no application protocol");
    SSL_CTX_free(ctx);
    test_echo_stop(&echo);
}

/* Reads what tickets come, then connects anew with the session; was it resumed? */
static bool resumes(struct test_echo *echo, SSL_CTX *ctx)
{
    struct test_client c = test_connect(echo->port);
    assert_true(test_handshake(&c, ctx));
    test_exchange(&c, GET("/peer"), 200, NULL);
    SSL_SESSION *session = SSL_get1_session(c.ssl);
    SSL_shutdown(c.ssl);
    test_disconnect(&c);
    c = test_connect(echo->port);
    c.ssl = SSL_new(ctx);
    SSL_set_fd(c.ssl, c.fd);
    SSL_set_session(c.ssl, session);
    assert_int_equal(SSL_connect(c.ssl), 1);
    bool reused = SSL_session_reused(c.ssl) == 1;
    test_exchange(&c, GET("/peer"), 200, NULL);
    test_disconnect(&c);
    SSL_SESSION_free(session);
    return reused;
}

static void never_resumes_beside_client_certificates(void **state)
{
    KW_UNUSED(state);
    static const enum kw_http_client_cert modes[] = {KW_HTTP_CERT_OFF, KW_HTTP_CERT_OPTIONAL,
                                                     KW_HTTP_CERT_REQUIRED};
    for (size_t i = 0; i < KW_COUNT(modes); i++) {
        struct test_echo echo;
        test_echo_init(&echo);
        start(&echo, modes[i]);
        SSL_CTX *ctx = test_client_ctx(&certs.ca, &certs.client);
        assert_int_equal(resumes(&echo, ctx), modes[i] == KW_HTTP_CERT_OFF);
        SSL_CTX_free(ctx);
        test_echo_stop(&echo);
    }
}

static void moves_much_over_tls(void **state)
{
    KW_UNUSED(state);
    enum { MANY = 400 };
    struct test_echo echo;
    struct test_answer a;
    test_echo_init(&echo);
    start(&echo, KW_HTTP_CERT_OFF);
    SSL_CTX *ctx = test_client_ctx(&certs.ca, NULL);
    struct test_client c = test_connect(echo.port);
    assert_true(test_handshake(&c, ctx));
    KW_AUTO(kw_buf) all = KW_BUF_INIT;
    for (int i = 0; i < MANY; i++)
        kw_buf_printf(&all, "POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n%01000d",
                      i % 3 == 0 ? "later" : "echo", i);
    assert_true(
        test_send(&c, all.data, all.len)); /* several requests a record, and across records */
    for (int i = 0; i < MANY; i++) {
        char expected[8];
        snprintf(expected, sizeof expected, "%05d", i);
        test_exchange(&c, NULL, 200, expected);
    }
    assert_true(test_send_str(&c, GET("/big?5000000") GET("/stream?2000") GET("/big?5")));
    assert_true(test_receive(&c, &a, false));
    assert_int_equal(a.body.len, 5000000);
    test_answer_wipe(&a);
    assert_true(test_receive(&c, &a, false));
    assert_int_equal(a.body.len, 2000000);
    test_answer_wipe(&a);
    test_exchange(&c, NULL, 200, "bbbbb");
    test_disconnect(&c);
    SSL_CTX_free(ctx);
    test_echo_stop(&echo);
}

static void cuts_off_slow_handshakes(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    echo.options.limits.handshake_ms = 200;
    start(&echo, KW_HTTP_CERT_OFF);
    struct test_client silent = test_connect(echo.port);
    struct test_client begun = test_connect(echo.port);
    assert_true(test_send(&begun, "\x16\x03\x01\x02\x00\x01", 6));
    test_until_closed(&silent);
    test_until_closed(&begun);
    assert_int_equal(stats(&echo).timeouts, 2);
    test_disconnect(&silent);
    test_disconnect(&begun);
    struct test_client plain = test_connect(echo.port);
    assert_true(test_send_str(&plain, GET("/peer")));
    test_until_closed(&plain);
    TEST_WAIT(stats(&echo).handshake_failures == 1);
    test_disconnect(&plain);
    test_echo_stop(&echo);
}

static void reload_changes_what_new_connections_see(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    struct test_answer a;
    struct kw_error err;
    char value[16];
    test_echo_init(&echo);
    start(&echo, KW_HTTP_CERT_REQUIRED);
    SSL_CTX *ctx = test_client_ctx(&certs.ca, &certs.client);
    struct test_client c = test_connect(echo.port);
    assert_true(test_handshake(&c, ctx));
    test_exchange(&c, GET("/peer"), 200, "verified=1");
    struct kw_http_tls bad = with(&certs.expired, &certs.ca, KW_HTTP_CERT_REQUIRED);
    assert_int_equal(kw_http_server_reload(echo.server, &bad, &err), KW_BAD_CERTIFICATE);
    assert_non_null(strstr(err.text, "expired"));
    test_exchange(&c, GET("/peer"), 200, "verified=1"); /* nothing has changed */
    struct kw_http_tls next = with(&certs.server, &certs.other_ca, KW_HTTP_CERT_REQUIRED);
    assert_int_equal(kw_http_server_reload(echo.server, &next, &err), KW_OK);
    assert_true(test_send_str(&c, GET("/peer"))); /* answered, and then it is over */
    assert_true(test_receive(&c, &a, false));
    assert_true(test_header(&a, "Connection", value, sizeof value));
    test_answer_wipe(&a);
    test_until_closed(&c);
    test_disconnect(&c);
    is_refused(&echo, ctx, "the client certificate is refused");
    is_seen_as(&echo, &certs.foreign, "verified=1");
    SSL_CTX_free(ctx);
    test_echo_stop(&echo);
}

static void says_what_is_wrong_with_its_certificates(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    struct kw_error err;
    test_echo_init(&echo);
    echo.options.plain = false;
    struct kw_http_tls *tls = &echo.options.tls;
    *tls = with(&certs.expired, &certs.ca, KW_HTTP_CERT_OFF);
    assert_int_equal(kw_http_server_new(&echo.options, &echo.server, &err), KW_BAD_CERTIFICATE);
    assert_non_null(strstr(err.text, "expired; renew it"));
    *tls = with(&certs.server, &certs.ca, KW_HTTP_CERT_OFF);
    tls->key_pem = &certs.client.key_pem;
    assert_int_equal(kw_http_server_new(&echo.options, &echo.server, &err), KW_BAD_CERTIFICATE);
    assert_non_null(strstr(err.text, "private key"));
    *tls = with(&certs.server, &certs.ca, KW_HTTP_CERT_OFF);
    tls->cert_pem = NULL;
    assert_int_equal(kw_http_server_new(&echo.options, &echo.server, &err), KW_BAD_CONFIG);
    tls->cert_path = "/nonexistent/server.pem";
    assert_int_equal(kw_http_server_new(&echo.options, &echo.server, &err), KW_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/server.pem"));
    *tls = with(&certs.server, &certs.ca, KW_HTTP_CERT_REQUIRED);
    tls->ca_pem = "nothing";
    assert_int_equal(kw_http_server_new(&echo.options, &echo.server, &err), KW_BAD_CERTIFICATE);
    assert_null(echo.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_without_client_certificates),
        cmocka_unit_test(requires_a_good_certificate),
        cmocka_unit_test(optional_does_not_mean_bad_ones_pass),
        cmocka_unit_test(a_certificate_may_end_during_a_connection),
        cmocka_unit_test(refuses_old_versions),
        cmocka_unit_test(old_clients_may_be_allowed),
        cmocka_unit_test(agrees_on_http_1_1),
        cmocka_unit_test(never_resumes_beside_client_certificates),
        cmocka_unit_test(moves_much_over_tls),
        cmocka_unit_test(cuts_off_slow_handshakes),
        cmocka_unit_test(reload_changes_what_new_connections_see),
        cmocka_unit_test(says_what_is_wrong_with_its_certificates),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}

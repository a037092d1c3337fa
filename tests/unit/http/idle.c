/* A connection that idles gives its TLS buffers back, serves again all the same, and is closed in
 * the end. The clock is moved; the worker notices within one of its ticks. */
#include "http_certs.h"
#include "http_client.h"
#include "http_echo.h"

#include "base/clock.h"

enum { TICKS_NS = 400 * 1000 * 1000 };

static struct test_cert ca, cert;

static int make_certs(void **state)
{
    KW_UNUSED(state);
    test_cert_make(&ca, &(struct test_cert_shape){.common_name = "ca"});
    test_cert_make(&cert, &(struct test_cert_shape){.common_name = "localhost",
                                                    .issuer = &ca,
                                                    .names = "IP:127.0.0.1",
                                                    .usage = "serverAuth"});
    return 0;
}

static int free_certs(void **state)
{
    KW_UNUSED(state);
    kw_clock_test_offset(0);
    test_cert_wipe(&ca);
    test_cert_wipe(&cert);
    return 0;
}

static void start(struct test_echo *echo, bool plain)
{
    struct kw_error err;
    test_echo_init(echo);
    echo->options.plain = plain;
    echo->options.tls = (struct kw_http_tls){.cert_pem = cert.pem, .key_pem = &cert.key_pem};
    if (test_echo_start(echo, &err) != KW_OK)
        fail_msg("%s", err.text);
}

static void pass(int64_t ms)
{
    const struct timespec ticks = {.tv_nsec = TICKS_NS};
    kw_clock_test_offset(ms);
    nanosleep(&ticks, NULL);
}

static void idles_and_goes_on(struct test_echo *echo, struct test_client *c)
{
    static const char get[] = "GET /peer HTTP/1.1\r\nHost: h\r\n\r\n";
    pass(2000); /* connected, and nothing was ever asked */
    test_exchange(c, get, 200, "remote=127.0.0.1:");
    pass(4000);
    test_exchange(c, get, 200, "remote=127.0.0.1:");
    pass(6000);
    pass(8000); /* idle for longer than once */
    assert_true(test_send_str(c, "GET /peer HTTP/1.1\r\nHo"));
    pass(10000); /* half a request is not idleness */
    test_exchange(c, "st: h\r\n\r\n", 200, "remote=127.0.0.1:");
    kw_clock_test_offset(10000 + (int64_t)echo->options.limits.idle_ms + 1000);
    test_until_closed(c);
    assert_int_equal(c->in.len, 0);
}

static void over_tls(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    start(&echo, false);
    SSL_CTX *ctx = test_client_ctx(&ca, NULL);
    struct test_client c = test_connect(echo.port);
    assert_true(test_handshake(&c, ctx));
    idles_and_goes_on(&echo, &c);
    test_disconnect(&c);
    SSL_CTX_free(ctx);
    test_echo_stop(&echo);
    kw_clock_test_offset(0);
}

static void over_plain_tcp(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    start(&echo, true);
    struct test_client c = test_connect(echo.port);
    idles_and_goes_on(&echo, &c);
    test_disconnect(&c);
    test_echo_stop(&echo);
    kw_clock_test_offset(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_tls),
        cmocka_unit_test(over_plain_tcp),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}

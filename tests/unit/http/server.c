/* The server over plain TCP: requests and answers, order, limits, and clients that misbehave. */
#include "http_client.h"
#include "http_echo.h"

#include <netinet/tcp.h>

static int set_up(void **state)
{
    static struct test_echo echo;
    test_echo_init(&echo);
    *state = &echo;
    return 0;
}

static int tear_down(void **state)
{
    struct test_echo *echo = *state;
    if (echo->server != NULL)
        test_echo_stop(echo);
    return 0;
}

static void start(struct test_echo *echo)
{
    struct kw_error err;
    if (test_echo_start(echo, &err) != KW_OK)
        fail_msg("%s", err.text);
}

static struct kw_http_stats stats(struct test_echo *echo)
{
    struct kw_http_stats s;
    kw_http_server_stats(echo->server, &s);
    return s;
}

#define POST_ECHO "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void answers_over_one_connection(void **state)
{
    struct test_echo *echo = *state;
    start(echo);
    struct test_client c = test_connect(echo->port);
    for (int i = 0; i < 100; i++)
        test_exchange(&c, POST_ECHO, 200, "hello");
    test_exchange(&c, GET("/none"), 404, "\"code\":\"not_found\",\"class\":\"missing\"");
    test_exchange(&c, "LIST /echo HTTP/1.1\r\nHost: h\r\n\r\n", 200, NULL);
    test_disconnect(&c);
    TEST_WAIT(stats(echo).open == 0);
    assert_int_equal(stats(echo).connections, 1);
    assert_int_equal(stats(echo).requests, 102);
    assert_int_equal(stats(echo).in_flight, 0);
    assert_true(atomic_load(&echo->batches) > 0);
}

static void keeps_the_order_of_pipelined_requests(void **state)
{
    struct test_echo *echo = *state;
    start(echo);
    struct test_client c = test_connect(echo->port);
    KW_AUTO(kw_buf) all = KW_BUF_INIT;
    enum { MANY = 500 };
    for (int i = 0; i < MANY; i++)
        kw_buf_printf(&all, "POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n%05d",
                      i % 3 == 0 ? "later" : "echo", i);
    assert_true(test_send(&c, all.data, all.len));
    for (int i = 0; i < MANY; i++) {
        char expected[8];
        snprintf(expected, sizeof expected, "%05d", i);
        test_exchange(&c, NULL, 200, expected);
    }
    test_disconnect(&c);
}

static void takes_requests_byte_by_byte(void **state)
{
    struct test_echo *echo = *state;
    start(echo);
    struct test_client c = test_connect(echo->port);
    int one = 1;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (const char *at = POST_ECHO; *at != '\0'; at++)
        assert_true(test_send(&c, at, 1));
    test_exchange(&c, NULL, 200, "hello");
    test_disconnect(&c);
}

static void head_has_a_length_and_no_body(void **state)
{
    struct test_echo *echo = *state;
    struct test_answer a;
    char value[32];
    start(echo);
    struct test_client c = test_connect(echo->port);
    assert_true(test_send_str(&c, "HEAD /big?1234 HTTP/1.1\r\nHost: h\r\n\r\n" GET("/big?3")));
    assert_true(test_receive(&c, &a, true));
    assert_true(test_header(&a, "Content-Length", value, sizeof value));
    assert_string_equal(value, "1234");
    assert_true(test_header(&a, "Date", value, sizeof value));
    test_answer_wipe(&a);
    test_exchange(&c, NULL, 200, "bbb");
    test_disconnect(&c);
}

static void says_continue_when_its_turn_has_come(void **state)
{
    struct test_echo *echo = *state;
    start(echo);
    struct test_client c = test_connect(echo->port);
    assert_true(test_send_str(&c, GET("/hold") "POST /echo HTTP/1.1\r\nHost: h\r\n"
                                               "Expect: 100-continue\r\n"
                                               "Content-Length: 5\r\n\r\n"));
    TEST_WAIT(test_held(echo) == 1);
    test_release(echo);
    test_exchange(&c, NULL, 200, NULL);
    test_exchange(&c, NULL, 100, NULL);
    test_exchange(&c, "hello", 200, "hello");
    test_disconnect(&c);
}

static void closes_when_the_client_asks(void **state)
{
    static const char *const asks[] = {
        "GET /big?5 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" GET("/big?7"),
        "GET /big?5 HTTP/1.0\r\n\r\n",
    };
    struct test_echo *echo = *state;
    start(echo);
    for (size_t i = 0; i < KW_COUNT(asks); i++) {
        struct test_client c = test_connect(echo->port);
        test_exchange(&c, asks[i], 200, "bbbbb");
        test_until_closed(&c);
        assert_int_equal(c.in.len, 0);
        test_disconnect(&c);
    }
    struct test_client c = test_connect(echo->port);
    test_exchange(&c, "GET /big?5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "bbbbb");
    test_exchange(&c, GET("/big?5"), 200, "bbbbb");
    test_disconnect(&c);
}

/* The answer arrives although the client is still sending, and then the connection ends. */
static void refuses_and_closes(struct test_echo *echo, const char *head, size_t filler, int status,
                               const char *code)
{
    struct test_client c = test_connect(echo->port);
    assert_true(test_send_str(&c, head));
    char block[4096];
    memset(block, 'x', sizeof block);
    for (size_t sent = 0; sent < filler; sent += sizeof block)
        if (!test_send(&c, block, sizeof block))
            break;
    test_exchange(&c, NULL, status, code);
    test_until_closed(&c);
    test_disconnect(&c);
}

static void refuses_what_is_too_large_or_malformed(void **state)
{
    struct test_echo *echo = *state;
    start(echo);
    refuses_and_closes(echo, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n",
                       100000, 413, "\"code\":\"too_large\"");
    refuses_and_closes(echo, "GET / HTTP/1.1\r\nHost: h\r\nA: ", 100000, 431, "headers_too_large");
    refuses_and_closes(echo, "GET / HTTP/1.1\nHost: h\n\n", 0, 400, "\"code\":\"bad_request\"");
    refuses_and_closes(echo,
                       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                       0, 400, "bad_request");
    refuses_and_closes(echo, "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 0, 405,
                       "method_not_allowed");
    refuses_and_closes(echo, "\x16\x03\x01\x02\n", 0, 400, "bad_request");
    assert_int_equal(stats(echo).bad_requests, 6);
    assert_int_equal(stats(echo).requests, 0);
}

static void answers_what_came_before_a_malformed_request(void **state)
{
    struct test_echo *echo = *state;
    start(echo);
    struct test_client c = test_connect(echo->port);
    assert_true(test_send_str(&c,
                              "POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
                              "BAD\r\n\r\n"));
    test_exchange(&c, NULL, 200, "hello");
    test_exchange(&c, NULL, 400, "bad_request");
    test_until_closed(&c);
    test_disconnect(&c);
}

/* Sends a byte now and then until the server has had enough. */
static void drip(struct test_echo *echo, const char *begin, const char *expected)
{
    struct test_client c = test_connect(echo->port);
    struct timeval soon = {.tv_usec = 20000};
    char data[4096] = "";
    size_t got = 0;
    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    assert_true(test_send_str(&c, begin));
    for (int i = 0; i < 1500; i++) {
        send(c.fd, "x", 1, MSG_NOSIGNAL);
        ssize_t n = recv(c.fd, data + got, sizeof data - 1 - got, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        got += n > 0 ? (size_t)n : 0;
    }
    data[got] = '\0';
    assert_non_null(strstr(data, expected));
    test_disconnect(&c);
}

static void cuts_off_dripping_clients(void **state)
{
    struct test_echo *echo = *state;
    echo->options.limits.header_ms = 300;
    echo->options.limits.request_ms = 600;
    start(echo);
    drip(echo, "GET / HTTP/1.1\r\nHost: h\r\nA: ", "request_timeout");
    drip(echo, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
         "request_timeout");
    assert_int_equal(stats(echo).timeouts, 2);
}

static void closes_idle_connections(void **state)
{
    struct test_echo *echo = *state;
    echo->options.limits.idle_ms = 200;
    start(echo);
    struct test_client never = test_connect(echo->port);
    struct test_client once = test_connect(echo->port);
    test_exchange(&once, POST_ECHO, 200, "hello");
    test_until_closed(&once);
    test_until_closed(&never);
    assert_int_equal(never.in.len, 0);
    assert_int_equal(stats(echo).timeouts, 0);
    test_disconnect(&once);
    test_disconnect(&never);
}

static void a_waiting_request_is_not_idle(void **state)
{
    struct test_echo *echo = *state;
    echo->options.limits.idle_ms = 100;
    start(echo);
    struct test_client c = test_connect(echo->port);
    assert_true(test_send_str(&c, GET("/hold")));
    TEST_WAIT(test_held(echo) == 1);
    usleep(700000);
    test_release(echo);
    test_exchange(&c, NULL, 200, NULL);
    test_disconnect(&c);
}

static void large_answers_reach_slow_readers(void **state)
{
    struct test_echo *echo = *state;
    struct test_answer a;
    int small = 16384;
    start(echo);
    struct test_client c = test_connect(echo->port);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_true(test_send_str(&c, GET("/big?8000000") GET("/big?70000") GET("/big?5")));
    usleep(200000);
    assert_true(test_receive(&c, &a, false));
    assert_int_equal(a.body.len, 8000000);
    for (size_t i = 0; i < a.body.len; i++)
        assert_int_equal(a.body.data[i], 'b');
    test_answer_wipe(&a);
    assert_true(test_receive(&c, &a, false));
    assert_int_equal(a.body.len, 70000);
    test_answer_wipe(&a);
    test_exchange(&c, NULL, 200, "bbbbb");
    test_disconnect(&c);
}

static void cuts_off_who_does_not_take_the_answer(void **state)
{
    struct test_echo *echo = *state;
    echo->options.limits.write_stall_ms = 300;
    start(echo);
    struct test_client c = test_connect(echo->port);
    assert_true(test_send_str(&c, GET("/big?50000000")));
    TEST_WAIT(stats(echo).timeouts == 1);
    TEST_WAIT(stats(echo).open == 0);
    test_disconnect(&c);
}

static void closes_connections_beyond_the_limit(void **state)
{
    enum { LIMIT = 50, EXTRA = 20 };
    struct test_echo *echo = *state;
    struct test_client clients[LIMIT];
    echo->options.limits.connections = LIMIT;
    start(echo);
    for (int i = 0; i < LIMIT; i++) {
        clients[i] = test_connect(echo->port);
        test_exchange(&clients[i], POST_ECHO, 200, "hello");
    }
    for (int i = 0; i < EXTRA; i++) {
        struct test_client extra = test_connect(echo->port);
        test_until_closed(&extra);
        assert_int_equal(extra.in.len, 0);
        test_disconnect(&extra);
    }
    assert_int_equal(stats(echo).refused, EXTRA);
    assert_int_equal(stats(echo).open, LIMIT);
    test_disconnect(&clients[0]);
    TEST_WAIT(stats(echo).open == LIMIT - 1);
    clients[0] = test_connect(echo->port);
    for (int i = 0; i < LIMIT; i++) {
        test_exchange(&clients[i], POST_ECHO, 200, "hello");
        test_disconnect(&clients[i]);
    }
}

static void ends_a_connection_after_its_share(void **state)
{
    struct test_echo *echo = *state;
    echo->options.limits.requests_per_connection = 3;
    start(echo);
    struct test_client c = test_connect(echo->port);
    for (int i = 0; i < 3; i++)
        test_exchange(&c, POST_ECHO, 200, "hello");
    test_until_closed(&c);
    test_disconnect(&c);
}

static void bounds_the_bodies_of_all_connections_together(void **state)
{
    struct test_echo *echo = *state;
    static char body[100000];
    echo->options.workers = 1;
    echo->options.limits.buffered_bytes = 250000;
    start(echo);
    struct test_client c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = test_connect(echo->port);
        assert_true(test_send_str(
            &c[i], "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"));
        assert_true(test_send(&c[i], body, sizeof body));
        if (i < 2)
            TEST_WAIT(test_held(echo) == (unsigned)i + 1);
    }
    test_exchange(&c[2], NULL, 503, "\"code\":\"overloaded\"");
    test_release(echo);
    test_exchange(&c[0], NULL, 200, NULL);
    test_exchange(&c[1], NULL, 200, NULL);
    test_exchange(&c[0], POST_ECHO, 200, "hello");
    for (int i = 0; i < 3; i++)
        test_disconnect(&c[i]);
}

static void streams_in_pieces(void **state)
{
    struct test_echo *echo = *state;
    struct test_answer a;
    start(echo);
    struct test_client c = test_connect(echo->port);
    assert_true(test_send_str(
        &c, GET("/stream?3000")
                GET("/stream?0") "HEAD /stream?10 HTTP/1.1\r\nHost: h\r\n\r\n" GET("/big?5")));
    TEST_WAIT(atomic_load(&echo->fed) > 0);
    assert_true(test_receive(&c, &a, false));
    assert_int_equal(a.body.len, 3000000);
    test_answer_wipe(&a);
    assert_true(test_receive(&c, &a, false));
    assert_int_equal(a.body.len, 0);
    test_answer_wipe(&a);
    assert_true(test_receive(&c, &a, true));
    test_answer_wipe(&a);
    test_exchange(&c, NULL, 200, "bbbbb");
    test_disconnect(&c);
    c = test_connect(echo->port); /* HTTP/1.0 has no chunks: the end of the connection ends it */
    assert_true(test_send_str(&c, "GET /stream?2000 HTTP/1.0\r\n\r\n"));
    test_until_closed(&c);
    assert_true(c.in.len > 2000000);
    test_disconnect(&c);
    assert_int_equal(atomic_load(&echo->closed), 0);
}

static void a_stream_waits_for_its_reader(void **state)
{
    struct test_echo *echo = *state;
    start(echo);
    struct test_client c = test_connect(echo->port);
    assert_true(test_send_str(&c, GET("/stream?1000000"))); /* 1 GB, if nothing held it back */
    TEST_WAIT(atomic_load(&echo->fed) > 0);
    usleep(300000);
    unsigned fed = atomic_load(&echo->fed);
    usleep(300000);
    assert_int_equal(atomic_load(&echo->fed), fed);
    assert_true(fed < 50000);
    test_disconnect(&c);
    TEST_WAIT(atomic_load(&echo->closed) == 1);
    TEST_WAIT(stats(echo).in_flight == 0);
}

static void refuses_a_port_that_another_serves(void **state)
{
    struct test_echo *echo = *state;
    struct test_echo other;
    struct kw_error err;
    char address[32];
    start(echo);
    test_echo_init(&other);
    snprintf(address, sizeof address, "127.0.0.1:%u", echo->port);
    other.options.address = address;
    assert_int_equal(kw_http_server_new(&other.options, &other.server, &err), KW_ADDRESS_IN_USE);
    assert_non_null(strstr(err.text, address));
    assert_null(other.server);
}

static void refuses_bad_addresses(void **state)
{
    static const char *const addresses[] = {
        "",          "8443",   "127.0.0.1",       "127.0.0.1:70000", "::1:80",
        "0.0.0.0:0", "[::]:0", "no.such.name:80", "127.0.0.1:-1"};
    struct test_echo *echo = *state;
    struct kw_http_server *server = NULL;
    for (size_t i = 0; i < KW_COUNT(addresses); i++) {
        struct kw_error err;
        echo->options.address = addresses[i];
        assert_int_equal(kw_http_server_new(&echo->options, &server, &err), KW_BAD_CONFIG);
    }
    assert_null(server);
}

#define SERVER_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(answers_over_one_connection),
        SERVER_TEST(keeps_the_order_of_pipelined_requests),
        SERVER_TEST(takes_requests_byte_by_byte),
        SERVER_TEST(head_has_a_length_and_no_body),
        SERVER_TEST(says_continue_when_its_turn_has_come),
        SERVER_TEST(closes_when_the_client_asks),
        SERVER_TEST(refuses_what_is_too_large_or_malformed),
        SERVER_TEST(answers_what_came_before_a_malformed_request),
        SERVER_TEST(cuts_off_dripping_clients),
        SERVER_TEST(closes_idle_connections),
        SERVER_TEST(a_waiting_request_is_not_idle),
        SERVER_TEST(large_answers_reach_slow_readers),
        SERVER_TEST(cuts_off_who_does_not_take_the_answer),
        SERVER_TEST(closes_connections_beyond_the_limit),
        SERVER_TEST(ends_a_connection_after_its_share),
        SERVER_TEST(bounds_the_bodies_of_all_connections_together),
        SERVER_TEST(streams_in_pieces),
        SERVER_TEST(a_stream_waits_for_its_reader),
        SERVER_TEST(refuses_a_port_that_another_serves),
        SERVER_TEST(refuses_bad_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

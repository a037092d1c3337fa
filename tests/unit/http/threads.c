/* Answers from other threads, connections that die before their answer, and stopping under load:
 * what the thread sanitizer is to look at. */
#include "http_client.h"
#include "http_echo.h"

#include <sys/resource.h>

enum { CLIENTS = 4, ROUNDS = 150, DEPTH = 8 };

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

struct load {
    struct test_client client;
    pthread_t thread;
    unsigned number;
    unsigned answered;
    bool until_closed;
};

/* Sends DEPTH requests at a time and checks each answer; until the end, or the server's. */
static void *drive(void *arg)
{
    struct load *load = arg;
    struct test_client c = load->client;
    for (unsigned i = 0; load->until_closed || i < ROUNDS; i++) {
        KW_AUTO(kw_buf) text = KW_BUF_INIT;
        for (unsigned k = 0; k < DEPTH; k++)
            kw_buf_printf(&text,
                          "POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n%04u%04u%04u",
                          (i + k) % 4 == 0 ? "echo" : "later", load->number, i % 10000, k);
        if (!test_send(&c, text.data, text.len))
            break;
        for (unsigned k = 0; k < DEPTH; k++) {
            struct test_answer a;
            char expected[64];
            snprintf(expected, sizeof expected, "%04u%04u%04u", load->number, i % 10000, k);
            if (!test_receive(&c, &a, false)) {
                test_answer_wipe(&a);
                test_disconnect(&c);
                return NULL;
            }
            if (a.status != 200 || !kw_bytes_equal_str(kw_buf_bytes(&a.body), expected))
                abort();
            load->answered++;
            test_answer_wipe(&a);
        }
    }
    test_disconnect(&c);
    return NULL;
}

/* Connected before any of them is served: a server that stops would refuse one that comes late. */
static void start_load(struct test_echo *echo, struct load *loads, bool until_closed)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        loads[i] = (struct load){.number = i, .until_closed = until_closed};
        loads[i].client = test_connect(echo->port);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_create(&loads[i].thread, NULL, drive, &loads[i]);
}

static void answers_from_another_thread_under_load(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    struct load loads[CLIENTS];
    test_echo_init(&echo);
    start(&echo);
    start_load(&echo, loads, false);
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(loads[i].thread, NULL);
        assert_int_equal(loads[i].answered, ROUNDS * DEPTH);
    }
    assert_int_equal(stats(&echo).requests, CLIENTS * ROUNDS * DEPTH);
    TEST_WAIT(stats(&echo).in_flight == 0);
    test_echo_stop(&echo);
}

static void stops_gracefully_under_load(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    struct load loads[CLIENTS];
    test_echo_init(&echo);
    start(&echo);
    start_load(&echo, loads, true);
    TEST_WAIT(stats(&echo).requests > 500);
    kw_http_server_stop(echo.server);
    unsigned answered = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(loads[i].thread, NULL);
        answered += loads[i].answered;
    }
    struct kw_http_stats s = stats(&echo);
    assert_int_equal(s.open, 0);
    assert_int_equal(s.in_flight, 0);
    assert_int_equal(s.discarded, 0);
    assert_int_equal(s.requests, answered); /* whatever reached the handler was answered */
    test_echo_stop(&echo);
}

#define HOLD "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"

static void waits_for_requests_under_way(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    start(&echo);
    struct test_client idle = test_connect(echo.port);
    test_exchange(&idle, "GET /big?1 HTTP/1.1\r\nHost: h\r\n\r\n", 200, "b");
    struct test_client c = test_connect(echo.port);
    assert_true(test_send_str(&c, HOLD));
    TEST_WAIT(test_held(&echo) == 1);
    pthread_t stopper;
    pthread_create(&stopper, NULL, (void *(*)(void *))(void (*)(void))kw_http_server_stop,
                   echo.server);
    test_until_closed(&idle); /* the stop has begun */
    assert_int_equal(stats(&echo).in_flight, 1);
    test_release(&echo);
    struct test_answer a;
    char value[16];
    assert_true(test_receive(&c, &a, false));
    assert_true(test_header(&a, "Connection", value, sizeof value));
    assert_string_equal(value, "close");
    test_answer_wipe(&a);
    pthread_join(stopper, NULL);
    test_disconnect(&idle);
    test_disconnect(&c);
    test_echo_stop(&echo);
}

static void gives_up_at_the_drain_deadline(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    echo.options.limits.drain_ms = 200;
    start(&echo);
    struct test_client c = test_connect(echo.port);
    assert_true(test_send_str(&c, HOLD));
    TEST_WAIT(test_held(&echo) == 1);
    kw_http_server_stop(echo.server); /* returns although nobody answers */
    test_until_closed(&c);
    assert_int_equal(c.in.len, 0);
    assert_int_equal(test_release(&echo), 1); /* answers into the void, safely */
    test_disconnect(&c);
    test_echo_stop(&echo);
}

static void connections_may_die_before_the_answer(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    start(&echo);
    struct linger reset = {.l_onoff = 1};
    for (int i = 0; i < 200; i++) {
        struct test_client c = test_connect(echo.port);
        assert_true(test_send_str(&c, HOLD HOLD HOLD));
        TEST_WAIT(test_held(&echo) == 3);
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        test_disconnect(&c);
        if (i % 2 == 0)
            TEST_WAIT(stats(&echo).open == 0);
        test_release(&echo);
    }
    TEST_WAIT(stats(&echo).in_flight == 0);
    TEST_WAIT(stats(&echo).open == 0);
    assert_true(stats(&echo).discarded >= 300);
    test_echo_stop(&echo);
}

static void feeds_events_until_the_client_is_gone(void **state)
{
    KW_UNUSED(state);
    struct test_echo echo;
    test_echo_init(&echo);
    start(&echo);
    for (int i = 0; i < 3; i++) {
        struct test_client c = test_connect(echo.port);
        assert_true(test_send_str(&c, "GET /feed HTTP/1.1\r\nHost: h\r\n\r\n"));
        while (c.in.len < 2000)
            assert_true(test_more(&c));
        assert_non_null(strstr(kw_buf_str(&c.in), "\r\ndata: tick\n\n\r\n"));
        test_disconnect(&c);
        TEST_WAIT(stats(&echo).in_flight == 0);
    }
    assert_int_equal(atomic_load(&echo.closed), 3);
    test_echo_stop(&echo);
}

/* The server's descriptors run out; those who wait are served once there are some again. */
static void survives_running_out_of_descriptors(void **state)
{
    KW_UNUSED(state);
    enum { WAITING = 40 };
    struct test_echo echo;
    struct test_client c[WAITING];
    struct rlimit before;
    test_echo_init(&echo);
    echo.options.workers = 1;
    start(&echo);
    for (int i = 0; i < WAITING; i++)
        c[i] = (struct test_client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit tight = {.rlim_cur = (rlim_t)c[WAITING - 1].fd + 5, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)echo.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < WAITING; i++)
        assert_int_equal(connect(c[i].fd, (const void *)&to, sizeof to), 0);
    TEST_WAIT(stats(&echo).accept_failures > 1);
    for (int i = 0; i < WAITING; i++) {
        test_exchange(&c[i], "GET /big?1 HTTP/1.1\r\nHost: h\r\n\r\n", 200, "b");
        test_disconnect(&c[i]);
    }
    pthread_mutex_lock(&echo.lock);
    assert_non_null(strstr(echo.error, "file descriptors"));
    pthread_mutex_unlock(&echo.lock);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    test_echo_stop(&echo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_from_another_thread_under_load),
        cmocka_unit_test(stops_gracefully_under_load),
        cmocka_unit_test(waits_for_requests_under_way),
        cmocka_unit_test(gives_up_at_the_drain_deadline),
        cmocka_unit_test(connections_may_die_before_the_answer),
        cmocka_unit_test(feeds_events_until_the_client_is_gone),
        cmocka_unit_test(survives_running_out_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

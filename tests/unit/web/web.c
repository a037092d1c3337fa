/* web: what is sent, what is taken, and what an answer, or none, is to who asked. TLS is tested
 * with the client (tests/unit/client/remote.c) and against real servers (tests/interop). */
#include "web/web.h"

#include "base/clock.h"
#include "sanitized.h"
#include "web_double.h"

#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct web_double server;
static struct kw_web *web;
static struct kw_error err;

/* The resolver of this program: one name is not answered before the test says so. */
static pthread_mutex_t resolving = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t resolved = PTHREAD_COND_INITIALIZER;
static bool name_is_slow;
static int slow_names;

__attribute__((visibility("default"))) int getaddrinfo(const char *restrict node,
                                                       const char *restrict service,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (strcmp(node, "slow.test") != 0) {
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(node, service, hints, out);
    }
    pthread_mutex_lock(&resolving);
    slow_names++;
    while (name_is_slow)
        pthread_cond_wait(&resolved, &resolving);
    slow_names--;
    pthread_cond_broadcast(&resolved);
    pthread_mutex_unlock(&resolving);
    return EAI_NONAME;
}

static int begin(void **state)
{
    const struct kw_web_options options = {.plain = true};
    KW_UNUSED(state);
    web_double_start(&server);
    return kw_web_new(&options, &web, &err) == KW_OK ? 0 : -1;
}

static int end(void **state)
{
    KW_UNUSED(state);
    kw_web_free(web);
    web_double_stop(&server);
    return 0;
}

struct asked {
    struct kw_web_request request;
    struct kw_web_response response;
    char url[256];
    struct kw_error err;
};

static void prepare(struct asked *a, const char *method, const char *path)
{
    *a = (struct asked){.response = KW_WEB_RESPONSE_INIT};
    snprintf(a->url, sizeof a->url, "%s%s", server.address, path);
    a->request = (struct kw_web_request){
        .method = method, .url = a->url, .max = 100000, .deadline_ms = kw_clock_ms() + 20000};
}

static kw_code send_it(struct asked *a)
{
    kw_web_response_wipe(&a->response);
    return kw_web_send(web, &a->request, &a->response, &a->err);
}

static kw_code send_path(struct asked *a, const char *method, const char *path)
{
    prepare(a, method, path);
    return send_it(a);
}

static const char *body_of(struct asked *a)
{
    return kw_buf_str(&a->response.body);
}

static void finish(struct asked *a)
{
    kw_web_response_wipe(&a->response);
}

/* Each method arrives as itself, with its headers and no others of ours than Host, Accept,
 * User-Agent. */
static void what_is_sent(void **state)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "LIST"};
    const struct kw_web_header headers[] = {
        {"Content-Type", "application/x-amz-json-1.1"}, {"X-One", "1 and a half"}, {"X-None", ""}};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(methods); i++) {
        struct asked a;
        char line[64];
        prepare(&a, methods[i], "/echo?a=b%20c");
        a.request.headers = headers;
        a.request.header_count = KW_COUNT(headers);
        if (i == 1 || i == 2 || i == 3)
            a.request.body = kw_bytes_str("{\"a\":1}");
        assert_int_equal(send_it(&a), KW_OK);
        assert_int_equal(a.response.status, 200);
        assert_string_equal(a.response.content_type, "text/plain");
        assert_true(a.response.reached);
        snprintf(line, sizeof line, "%s /echo?a=b%%20c HTTP/1.1\r\n", methods[i]);
        assert_memory_equal(body_of(&a), line, strlen(line));
        assert_non_null(strstr(body_of(&a), "\r\nContent-Type: application/x-amz-json-1.1\r\n"));
        assert_non_null(strstr(body_of(&a), "\r\nX-One: 1 and a half\r\n"));
        assert_non_null(strstr(body_of(&a), "\r\nX-None:"));
        assert_non_null(strstr(body_of(&a), "\r\nUser-Agent: keyward/"));
        assert_null(strstr(body_of(&a), "Expect"));
        assert_null(strstr(body_of(&a), "Encoding"));
        finish(&a);
    }
}

static void no_type_is_made_up(void **state)
{
    struct asked a;
    KW_UNUSED(state);
    prepare(&a, "POST", "/echo");
    a.request.body = kw_bytes_str("x");
    assert_int_equal(send_it(&a), KW_OK);
    assert_null(strstr(body_of(&a), "Content-Type"));
    assert_non_null(strstr(body_of(&a), "Content-Length: 1\r\n"));
    finish(&a);
    assert_int_equal(send_path(&a, "POST", "/echo"), KW_OK);
    assert_non_null(strstr(body_of(&a), "Content-Length: 0\r\n"));
    finish(&a);
    assert_int_equal(send_path(&a, "HEAD", "/echo"), KW_OK);
    assert_int_equal(a.response.body.len, 0);
    finish(&a);
}

static void bad_headers_are_not_sent(void **state)
{
    static const struct kw_web_header bad[] = {
        {"X", "a\r\nEvil: 1"}, {"X", "a\nb"}, {"X", "\x7f"},      {"X", "\xc3\xa4"}, {"", "a"},
        {"X Y", "a"},          {"X:", "a"},   {"X\r\nEvil", "a"},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        struct asked a;
        prepare(&a, "GET", "/echo");
        a.request.headers = &bad[i];
        a.request.header_count = 1;
        assert_int_equal(send_it(&a), KW_BAD_REQUEST);
        assert_null(strstr(a.err.text, "Evil: 1"));
    }
    assert_int_equal(server.requests, 0);
}

static void headers_of_an_answer(void **state)
{
    struct asked a;
    struct kw_bytes value;
    KW_UNUSED(state);
    assert_int_equal(send_path(&a, "GET", "/hints"), KW_OK);
    assert_int_equal(a.response.status, 200);
    assert_true(kw_web_response_header(&a.response, "Twice", &value));
    assert_true(kw_bytes_equal_str(value, "first"));
    assert_true(kw_web_response_header(&a.response, "empty", &value));
    assert_int_equal(value.len, 0);
    assert_false(kw_web_response_header(&a.response, "Early", &value)); /* of the 103 */
    assert_false(kw_web_response_header(&a.response, "Twic", &value));
    assert_false(kw_web_response_header(&a.response, "Twice:", &value));
    assert_string_equal(body_of(&a), "hints");
    finish(&a);
}

static void answers_that_are_refused(void **state)
{
    struct asked a;
    KW_UNUSED(state);
    assert_int_equal(send_path(&a, "GET", "/cut"), KW_UNAVAILABLE);
    assert_int_equal(a.response.body.len, 0);
    assert_int_equal(send_path(&a, "GET", "/open"), KW_UNAVAILABLE);
    assert_int_equal(send_path(&a, "GET", "/huge"), KW_TOO_LARGE);
    assert_int_equal(send_path(&a, "GET", "/heads"), KW_TOO_LARGE);
    assert_int_equal(send_path(&a, "GET", "/redirect"), KW_OK); /* and not followed */
    assert_int_equal(a.response.status, 302);
    finish(&a);
    assert_int_equal(send_path(&a, "GET", "/status/204"), KW_OK);
    finish(&a);
    assert_int_equal(send_path(&a, "GET", "/status/500"), KW_OK);
    assert_int_equal(a.response.status, 500);
    finish(&a);
}

static void connections_are_used_again(void **state)
{
    struct asked a;
    KW_UNUSED(state);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(send_path(&a, "GET", "/echo"), KW_OK);
        finish(&a);
    }
    assert_int_equal(server.connections, 1);
    assert_int_equal(server.requests, 20);
}

/* A kept connection that closes when it is used: asked again over another, unless that is ruled
 * out. */
static void closed_connections(void **state)
{
    struct asked a;
    KW_UNUSED(state);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send_path(&a, "GET", "/second"), KW_OK);
        finish(&a);
    }
    assert_int_equal(server.connections, 2);
    assert_int_equal(server.requests, 3);
    prepare(&a, "POST", "/second");
    a.request.once = true;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_it(&a), KW_OK);
        finish(&a);
    }
    assert_int_equal(server.connections, 5);
    assert_int_equal(server.requests, 6);
}

/* A kept connection whose other side is gone without a word: given up after half of the time, and
 * asked again over another. */
static void vanished_connections(void **state)
{
    struct asked a;
    KW_UNUSED(state);
    for (int i = 0; i < 2; i++) {
        prepare(&a, "POST", "/vanish");
        a.request.deadline_ms = kw_clock_ms() + 4000;
        assert_int_equal(send_it(&a), KW_OK);
        finish(&a);
        usleep(200000); /* it has gone deaf */
        assert_int_equal(server.connections, i + 1);
    }
}

static void *ask_together(void *arg)
{
    struct asked *a = arg;
    kw_code code = kw_web_send(web, &a->request, &a->response, &a->err);
    return code == KW_OK && a->response.status == 200 ? NULL : a;
}

enum { THREADS = 100 };

/* The server answers none before all have arrived: they are under way at the same time. */
static void many_at_once(void **state)
{
    static struct asked asked[THREADS];
    pthread_t threads[THREADS];
    KW_UNUSED(state);
    for (int round = 0; round < 2; round++) {
        server.together = 0;
        for (int i = 0; i < THREADS; i++) {
            prepare(&asked[i], "GET", "/together/100");
            assert_int_equal(pthread_create(&threads[i], NULL, ask_together, &asked[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            void *failed;
            pthread_join(threads[i], &failed);
            assert_null(failed);
            finish(&asked[i]);
        }
    }
    assert_in_range(server.connections, THREADS,
                    THREADS + 1); /* the second round took those of the first */
}

static void deadlines(void **state)
{
    static const char *const paths[] = {"/never", "/trickle", "/together/2"};
    struct asked a;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(paths); i++) {
        prepare(&a, "GET", paths[i]);
        a.request.deadline_ms = kw_clock_ms() + 150;
        assert_int_equal(send_it(&a), KW_TIMEOUT);
        assert_true(a.response.reached);
        assert_int_equal(a.response.body.len, 0);
    }
    prepare(&a, "GET", "/echo");
    a.request.deadline_ms = kw_clock_ms();
    assert_int_equal(send_it(&a), KW_TIMEOUT);
    assert_int_equal(server.requests, 3);
    assert_int_equal(send_path(&a, "GET", "/echo"), KW_OK);
    finish(&a);
}

static void nobody_there(void **state)
{
    struct asked a;
    KW_UNUSED(state);
    prepare(&a, "GET", "/echo");
    snprintf(a.url, sizeof a.url, "http://127.0.0.1:1/");
    assert_int_equal(send_it(&a), KW_CONNECT_FAILED);
    assert_non_null(strstr(a.err.text, "its address"));
    assert_false(a.response.reached);
    snprintf(a.url, sizeof a.url, "ftp://127.0.0.1:1/");
    assert_int_equal(send_it(&a), KW_INTERNAL);
    /* Expects HTTP, not TLS. */
    snprintf(a.url, sizeof a.url, "https%s/", server.address + 4);
    assert_int_equal(send_it(&a), KW_CONNECT_FAILED);
}

/* A name that is still being looked up keeps nobody else waiting, also when its deadline has
 * passed. */
static void a_slow_name(void **state)
{
    struct asked a;
    KW_UNUSED(state);
    name_is_slow = true;
    for (int i = 0; i < 2; i++) {
        prepare(&a, "GET", "/echo");
        snprintf(a.url, sizeof a.url, "http://slow.test/");
        a.request.deadline_ms = kw_clock_ms() + 100;
        assert_int_not_equal(send_it(&a), KW_OK);
        assert_false(a.response.reached && a.err.code != KW_TIMEOUT);
        assert_int_equal(send_path(&a, "GET", "/echo"), KW_OK);
        finish(&a);
    }
    pthread_mutex_lock(&resolving);
    assert_int_equal(slow_names, 2); /* they are still waiting */
    name_is_slow = false;
    pthread_cond_broadcast(&resolved);
    while (slow_names > 0)
        pthread_cond_wait(&resolved, &resolving);
    pthread_mutex_unlock(&resolving);
}

/* For a provider, all that is not a time-out is one error. */
static void calls_of_a_provider(void **state)
{
    struct asked a;
    KW_UNUSED(state);
    prepare(&a, "GET", "/echo");
    a.request.deadline_ms = 0;
    assert_int_equal(kw_web_call(web, &a.request, &a.response, &a.err), KW_OK);
    finish(&a);
    prepare(&a, "GET", "/huge");
    assert_int_equal(kw_web_call(web, &a.request, &a.response, &a.err), KW_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(a.err.text, "larger"));
    prepare(&a, "GET", "/never");
    a.request.deadline_ms = kw_clock_ms() + 50;
    assert_int_equal(kw_web_call(web, &a.request, &a.response, &a.err), KW_TIMEOUT);
    finish(&a);
}

static kw_code judge(const struct kw_web_response *response, struct kw_error *e)
{
    return kw_fail_code(e, response->status == 503 ? KW_UNAVAILABLE : KW_FORBIDDEN);
}

static void trying_again(void **state)
{
    const struct kw_web_policy policy = {.repeatable = true, .judge = judge};
    const struct kw_web_policy change = {.repeatable = false, .judge = judge};
    struct asked a;
    KW_UNUSED(state);
    prepare(&a, "GET", "/later/3");
    assert_int_equal(kw_web_ask(web, &a.request, &policy, &a.response, &a.err), KW_OK);
    assert_int_equal(server.requests, 4);
    finish(&a);
    prepare(&a, "GET", "/status/403");
    assert_int_equal(kw_web_ask(web, &a.request, &policy, &a.response, &a.err), KW_FORBIDDEN);
    assert_int_equal(server.requests, 5);
    prepare(&a, "POST", "/status/503");
    assert_int_equal(kw_web_ask(web, &a.request, &change, &a.response, &a.err), KW_UNAVAILABLE);
    assert_int_equal(server.requests, 6);
    finish(&a);
}

/* A forked child asks by a thread and connections of its own, and the parent goes on with its. */
static void children(void **state)
{
    struct asked a;
    int status;
    KW_UNUSED(state);
    KW_SKIP_IF_NO_THREADS_AFTER_FORK("children");
    assert_int_equal(send_path(&a, "GET", "/echo"), KW_OK);
    finish(&a);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        kw_code code = send_path(&a, "GET", "/echo");
        finish(&a);
        kw_web_free(web);
        _exit(code == KW_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(server.connections, 2);
    assert_int_equal(send_path(&a, "GET", "/echo"), KW_OK);
    finish(&a);
    assert_int_equal(server.connections, 2);
}

/* The thread ends with the last way of asking, also while a transfer that nobody waits for is left.
 */
static void ending_and_beginning(void **state)
{
    const struct kw_web_options options = {.plain = true};
    struct asked a;
    KW_UNUSED(state);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_path(&a, "GET", "/echo"), KW_OK);
        finish(&a);
        prepare(&a, "GET", "/never");
        a.request.deadline_ms = kw_clock_ms() + 20;
        assert_int_equal(send_it(&a), KW_TIMEOUT);
        kw_web_free(web);
        web = NULL;
        assert_int_equal(kw_web_new(&options, &web, &err), KW_OK);
    }
    assert_int_equal(server.connections, 3);
}

static void addresses(void **state)
{
    static const struct {
        const char *given, *wanted;
    } good[] = {
        {"https://h:8200/", "https://h:8200"},
        {"https://h/a/b/", "https://h/a/b"},
        {"http://localhost:1", "http://localhost:1"},
        {"http://127.0.0.1:1/x", "http://127.0.0.1:1/x"},
        {"http://[::1]:1", "http://[::1]:1"},
    };
    static const char *const bad[] = {
        "http://h",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://[::2]:1",
        "http://1.2.3.4",
        "ftp://localhost",
        "https://u:p@h",
        "https://h?x",
        "",
        "http://127.evil.tld",
        "http://[::1:2]",
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(good); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        assert_int_equal(kw_web_endpoint(good[i].given, &out, &err), KW_OK);
        assert_string_equal(kw_buf_str(&out), good[i].wanted);
    }
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        assert_int_equal(kw_web_endpoint(bad[i], &out, &err), KW_USAGE);
        assert_int_equal(out.len, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_sent),
        TEST(no_type_is_made_up),
        TEST(bad_headers_are_not_sent),
        TEST(headers_of_an_answer),
        TEST(answers_that_are_refused),
        TEST(connections_are_used_again),
        TEST(closed_connections),
        TEST(vanished_connections),
        TEST(many_at_once),
        TEST(deadlines),
        TEST(nobody_there),
        TEST(a_slow_name),
        TEST(calls_of_a_provider),
        TEST(trying_again),
        TEST(children),
        TEST(ending_and_beginning),
        TEST(addresses),
    };
    return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}

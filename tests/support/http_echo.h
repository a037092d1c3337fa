/* A server for tests whose answers are chosen by the path:
 *
 *   /echo   the request's body, at once        /later  the same, from another thread, in batches
 *   /big    query bytes of 'b'                 /hold   when test_release is called, from its thread
 *   /peer   what the certificate says          /stream query chunks of 1000 bytes, from ready
 *   /feed   an endless stream, a line at a time, from the other thread, until the client is gone */
#ifndef KW_TESTS_SUPPORT_HTTP_ECHO_H
#define KW_TESTS_SUPPORT_HTTP_ECHO_H

#include "http/http.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { TEST_HELD_MAX = 4096 };

struct test_echo {
    struct kw_http_options options;
    struct kw_http_server *server;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t some;
    bool ends;
    struct kw_http_request *later[TEST_HELD_MAX];
    unsigned later_count;
    struct kw_http_request *held[TEST_HELD_MAX];
    unsigned held_count;
    struct kw_http_request *feed;
    atomic_uint fed;
    atomic_uint closed;
    atomic_uint batches;
    atomic_uint errors;
    char error[256]; /* the last one; under lock */
};

static inline void test_echo_answer(struct kw_http_request *req)
{
    kw_http_respond(req, 200, "text/plain", &req->body, NULL);
}

static inline void *test_echo_thread(void *arg)
{
    struct test_echo *echo = arg;
    pthread_mutex_lock(&echo->lock);
    while (!echo->ends || echo->later_count > 0 || echo->feed != NULL) {
        static _Thread_local struct kw_http_request *batch[TEST_HELD_MAX];
        unsigned count = echo->later_count;
        struct kw_http_request *feed = echo->feed;
        if (count == 0 && feed == NULL) {
            pthread_cond_wait(&echo->some, &echo->lock);
            continue;
        }
        memcpy(batch, echo->later, count * sizeof *batch);
        echo->later_count = 0;
        pthread_mutex_unlock(&echo->lock);
        for (unsigned i = 0; i < count; i++)
            test_echo_answer(batch[i]);
        if (feed != NULL) {
            struct kw_buf line = KW_BUF_INIT;
            kw_buf_append_str(&line, "data: tick\n\n");
            kw_code code = kw_http_send_chunk(feed, &line, NULL);
            kw_buf_wipe(&line);
            if (code == KW_OK)
                atomic_fetch_add(&echo->fed, 1);
            if (code != KW_OK && code != KW_AGAIN) {
                pthread_mutex_lock(&echo->lock);
                echo->feed = NULL;
                pthread_mutex_unlock(&echo->lock);
                kw_http_respond_end(feed, true);
            }
            usleep(1000);
        }
        pthread_mutex_lock(&echo->lock);
    }
    pthread_mutex_unlock(&echo->lock);
    return NULL;
}

static inline void test_stream_ready(void *arg, struct kw_http_request *req)
{
    static const char filler[1000];
    struct test_echo *echo = arg;
    uintptr_t left = (uintptr_t)req->context;
    while (left > 0) {
        struct kw_buf chunk = KW_BUF_INIT;
        kw_buf_append(&chunk, filler, sizeof filler);
        if (kw_http_send_chunk(req, &chunk, NULL) != KW_OK) {
            kw_buf_wipe(&chunk);
            break;
        }
        left--;
        atomic_fetch_add(&echo->fed, 1);
    }
    req->context = (void *)left;
    if (left == 0)
        kw_http_respond_end(req, true);
}

static inline void test_stream_closed(void *arg, struct kw_http_request *req)
{
    struct test_echo *echo = arg;
    atomic_fetch_add(&echo->closed, 1);
    if (strcmp(req->path, "/stream") == 0)
        kw_http_respond_end(req, false);
}

static inline void test_answer_peer(struct kw_http_request *req)
{
    struct kw_buf out = KW_BUF_INIT;
    const struct kw_http_peer *peer = req->peer;
    kw_buf_printf(&out, "verified=%d uris=%u uri=%s cn=%s remote=%s", peer->verified,
                  peer->uri_count, peer->uri, peer->common_name, peer->remote);
    kw_http_respond(req, 200, "text/plain", &out, NULL);
}

static inline void test_answer_big(struct kw_http_request *req)
{
    struct kw_buf out = KW_BUF_INIT;
    size_t len = strtoul(req->query, NULL, 10);
    uint8_t *room = kw_buf_reserve(&out, len);
    if (room != NULL) {
        memset(room, 'b', len);
        out.len = len;
    }
    kw_http_respond(req, 200, "text/plain", &out, NULL);
}

static inline void test_start_stream(struct test_echo *echo, struct kw_http_request *req)
{
    bool is_feed = strcmp(req->path, "/feed") == 0;
    struct kw_http_stream stream = {
        .ready = is_feed ? NULL : test_stream_ready, .closed = test_stream_closed, .arg = echo};
    req->context = (void *)(uintptr_t)strtoul(req->query, NULL, 10);
    kw_http_respond_start(req, 200, is_feed ? "text/event-stream" : "text/plain", NULL, &stream);
    if (!is_feed)
        return;
    pthread_mutex_lock(&echo->lock);
    echo->feed = req;
    pthread_cond_signal(&echo->some);
    pthread_mutex_unlock(&echo->lock);
}

static inline void test_keep(struct test_echo *echo, struct kw_http_request *req, bool later)
{
    pthread_mutex_lock(&echo->lock);
    if (later)
        echo->later[echo->later_count++] = req;
    else
        echo->held[echo->held_count++] = req;
    pthread_cond_signal(&echo->some);
    pthread_mutex_unlock(&echo->lock);
}

static inline void test_echo_handle(void *arg, struct kw_http_request *req)
{
    struct test_echo *echo = arg;
    if (strcmp(req->path, "/echo") == 0)
        test_echo_answer(req);
    else if (strcmp(req->path, "/later") == 0)
        test_keep(echo, req, true);
    else if (strcmp(req->path, "/hold") == 0)
        test_keep(echo, req, false);
    else if (strcmp(req->path, "/big") == 0)
        test_answer_big(req);
    else if (strcmp(req->path, "/peer") == 0)
        test_answer_peer(req);
    else if (strcmp(req->path, "/stream") == 0 || strcmp(req->path, "/feed") == 0)
        test_start_stream(echo, req);
    else
        kw_http_respond_error(req, KW_NOT_FOUND, NULL);
}

static inline void test_echo_batch(void *arg, unsigned worker)
{
    struct test_echo *echo = arg;
    KW_UNUSED(worker);
    atomic_fetch_add(&echo->batches, 1);
}

static inline void test_echo_error(void *arg, const char *reason, const char *remote)
{
    struct test_echo *echo = arg;
    KW_UNUSED(remote);
    pthread_mutex_lock(&echo->lock);
    snprintf(echo->error, sizeof echo->error, "%s", reason);
    pthread_mutex_unlock(&echo->lock);
    atomic_fetch_add(&echo->errors, 1);
}

/* Options to be changed before test_echo_start: plain, a free port, two workers. */
static inline void test_echo_init(struct test_echo *echo)
{
    *echo = (struct test_echo){0};
    kw_http_options_init(&echo->options);
    echo->options.address = "127.0.0.1:0";
    echo->options.plain = true;
    echo->options.workers = 2;
    echo->options.arg = echo;
    echo->options.handler = test_echo_handle;
    echo->options.on_batch = test_echo_batch;
    echo->options.on_connection_error = test_echo_error;
    pthread_mutex_init(&echo->lock, NULL);
    pthread_cond_init(&echo->some, NULL);
}

static inline KW_ERR test_echo_start(struct test_echo *echo, struct kw_error *err)
{
    KW_TRY(kw_http_server_new(&echo->options, &echo->server, err));
    echo->port = kw_http_server_port(echo->server);
    pthread_create(&echo->thread, NULL, test_echo_thread, echo);
    return kw_http_server_start(echo->server, err);
}

/* Answers everything at /hold from the calling thread; returns how many there were. */
static inline unsigned test_release(struct test_echo *echo)
{
    pthread_mutex_lock(&echo->lock);
    unsigned count = echo->held_count;
    for (unsigned i = 0; i < count; i++)
        test_echo_answer(echo->held[i]);
    echo->held_count = 0;
    pthread_mutex_unlock(&echo->lock);
    return count;
}

static inline unsigned test_held(struct test_echo *echo)
{
    pthread_mutex_lock(&echo->lock);
    unsigned count = echo->held_count;
    pthread_mutex_unlock(&echo->lock);
    return count;
}

static inline void test_echo_stop(struct test_echo *echo)
{
    kw_http_server_stop(echo->server);
    pthread_mutex_lock(&echo->lock);
    echo->ends = true;
    pthread_cond_signal(&echo->some);
    pthread_mutex_unlock(&echo->lock);
    pthread_join(echo->thread, NULL);
    test_release(echo);
    kw_http_server_free(echo->server);
    pthread_mutex_destroy(&echo->lock);
    pthread_cond_destroy(&echo->some);
}

/* Waits until condition holds, at most about 30 seconds. */
#define TEST_WAIT(condition)                                                                       \
    do {                                                                                           \
        for (int wait_ = 0; wait_ < 30000 && !(condition); wait_++)                                \
            usleep(1000);                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

#endif

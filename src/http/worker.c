#include "base/clock.h"
#include "http/internal.h"

#include <errno.h>
#include <openssl/rand.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 256 };

static _Thread_local struct kw_http_worker *current;

bool kw_http_worker_is_current(const struct kw_http_worker *worker)
{
    return current == worker;
}

void kw_http_worker_wake(struct kw_http_worker *worker)
{
    uint64_t one = 1;
    ssize_t n = write(worker->wake, &one, sizeof one); /* full means that it is awake already */
    KW_UNUSED(n);
}

static KW_ERR watch(struct kw_http_worker *worker, int fd, void *what, struct kw_error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return kw_fail_errno(err, errno, "watching a socket");
    return KW_OK;
}

KW_ERR kw_http_worker_init(struct kw_http_worker *worker, struct kw_http_server *server,
                           unsigned index, struct kw_error *err)
{
    worker->server = server;
    worker->index = index;
    worker->input = malloc(KW_HTTP_READ_SIZE);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->epoll < 0 || worker->wake < 0)
        return kw_fail_errno(err, errno, "making a worker's epoll and eventfd");
    if (worker->input == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    if (RAND_bytes((unsigned char *)&worker->next_id, sizeof worker->next_id) != 1)
        return kw_fail(err, KW_CRYPTO, "no random bytes for request ids");
    KW_TRY(watch(worker, worker->wake, &worker->wake, err));
    KW_TRY(watch(worker, worker->listener, &worker->listener, err));
    worker->listening = true;
    return KW_OK;
}

static void read_wake(struct kw_http_worker *worker)
{
    uint64_t count;
    ssize_t n = read(worker->wake, &count, sizeof count);
    KW_UNUSED(n);
}

static void listen_again(struct kw_http_worker *worker)
{
    if (worker->listening || worker->listener < 0 || worker->now_ms < worker->listen_again_ms)
        return;
    worker->listening = watch(worker, worker->listener, &worker->listener, NULL) == KW_OK;
}

static void handle(struct kw_http_worker *worker, const struct epoll_event *event)
{
    if (event->data.ptr == &worker->wake)
        read_wake(worker);
    else if (event->data.ptr == &worker->listener)
        kw_http_accept(worker);
    else
        kw_http_conn_event(event->data.ptr, event->events);
}

static void resume(struct kw_http_worker *worker)
{
    for (struct kw_http_conn *conn = worker->dirty; conn != NULL; conn = conn->dirty_next)
        if (conn->state == KW_HTTP_OPEN && conn->resume)
            kw_http_input_read(conn);
}

static void flush(struct kw_http_worker *worker)
{
    struct kw_http_conn *conn = worker->dirty;
    worker->dirty = NULL;
    while (conn != NULL) {
        struct kw_http_conn *next = conn->dirty_next;
        conn->is_dirty = false;
        if (conn->state == KW_HTTP_OPEN)
            kw_http_output_pump(conn);
        if (conn->state == KW_HTTP_OPEN) {
            kw_http_conn_watch(conn);
            kw_http_wheel_arm(conn);
        }
        conn = next;
    }
}

/* Closed connections are freed here, when no list or event of this turn can name them any more. */
static void bury(struct kw_http_worker *worker)
{
    struct kw_http_conn *conn = worker->graves;
    worker->graves = NULL;
    while (conn != NULL) {
        struct kw_http_conn *next = conn->next;
        if (conn->is_dirty) {
            conn->next = worker->graves;
            worker->graves = conn;
        } else {
            kw_http_conn_free(conn);
        }
        conn = next;
    }
}

static int patience(const struct kw_http_worker *worker)
{
    if (worker->dirty != NULL)
        return 0;
    if (worker->conns != NULL || !worker->listening)
        return KW_HTTP_TICK_MS;
    return -1;
}

static void turn(struct kw_http_worker *worker)
{
    struct epoll_event events[EVENTS];
    const struct kw_http_options *options = &worker->server->options;
    int n = epoll_wait(worker->epoll, events, EVENTS, patience(worker));
    worker->now_ms = kw_clock_ms();
    resume(worker);
    for (int i = 0; i < n; i++)
        handle(worker, &events[i]);
    kw_http_wheel_turn(worker);
    kw_http_notes_apply(worker);
    if (options->on_batch != NULL)
        options->on_batch(options->arg, worker->index);
    kw_http_notes_apply(worker);
    flush(worker);
    listen_again(worker);
    bury(worker);
}

static void begin_drain(struct kw_http_worker *worker)
{
    worker->drain_until_ms = worker->now_ms + worker->server->options.limits.drain_ms;
    kw_http_accept(worker); /* what the kernel has accepted would be reset otherwise */
    close(worker->listener);
    worker->listener = -1;
    worker->listening = true; /* nothing to come back to */
    struct kw_http_conn *conn = worker->conns;
    while (conn != NULL) {
        struct kw_http_conn *next = conn->next;
        kw_http_conn_drain(conn);
        conn = next;
    }
}

static void close_all(struct kw_http_worker *worker)
{
    while (worker->conns != NULL)
        kw_http_conn_close(worker->conns);
    for (struct kw_http_conn *conn = worker->dirty; conn != NULL; conn = conn->dirty_next)
        conn->is_dirty = false;
    worker->dirty = NULL;
    bury(worker);
}

void *kw_http_worker_run(void *arg)
{
    struct kw_http_worker *worker = arg;
    current = worker;
    worker->now_ms = kw_clock_ms();
    worker->wheel.tick = worker->now_ms / KW_HTTP_TICK_MS;
    while (worker->drain_until_ms == 0 || worker->conns != NULL) {
        if (worker->drain_until_ms != 0 && worker->now_ms >= worker->drain_until_ms)
            break;
        if (worker->drain_until_ms == 0 && atomic_load(&worker->server->stopping))
            begin_drain(worker);
        else
            turn(worker);
    }
    close_all(worker);
    current = NULL;
    return NULL;
}

/* The thread has ended. Notes that came since are of exchanges that are freed here. */
void kw_http_worker_wipe(struct kw_http_worker *worker)
{
    struct kw_http_note *note = atomic_exchange(&worker->notes, NULL);
    while (note != NULL) {
        struct kw_http_note *next = note->next;
        if (note->kind == KW_HTTP_NOTE_CHUNK) {
            kw_buf_wipe(&note->chunk);
            free(note);
        }
        note = next;
    }
    kw_http_exchanges_free(worker);
    free(worker->input);
    if (worker->epoll >= 0)
        close(worker->epoll);
    if (worker->wake >= 0)
        close(worker->wake);
    if (worker->listener >= 0)
        close(worker->listener);
}

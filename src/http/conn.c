#include "http/internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void kw_http_conn_error(const struct kw_http_conn *conn, const char *reason)
{
    const struct kw_http_options *options = &conn->worker->server->options;
    if (options->on_connection_error != NULL)
        options->on_connection_error(options->arg, reason, conn->peer->peer.remote);
}

void kw_http_conn_dirty(struct kw_http_conn *conn)
{
    if (conn->is_dirty || conn->state == KW_HTTP_CLOSED)
        return;
    conn->is_dirty = true;
    conn->dirty_next = conn->worker->dirty;
    conn->worker->dirty = conn;
}

/* Watches what the connection can make use of now. Level-triggered: an end of file that is not
 * acted on must not be watched, or the loop spins. */
void kw_http_conn_watch(struct kw_http_conn *conn)
{
    uint32_t events = 0;
    if (conn->state == KW_HTTP_CLOSED)
        return;
    if (conn->state == KW_HTTP_LINGER)
        events = EPOLLIN;
    else if (conn->state == KW_HTTP_HANDSHAKE)
        events = SSL_want_write(conn->ssl) ? EPOLLOUT : EPOLLIN;
    else
        events = (kw_http_input_room(conn) ? EPOLLIN : 0U) | (conn->blocked ? EPOLLOUT : 0U);
    if (events == conn->events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = conn};
    epoll_ctl(conn->worker->epoll, EPOLL_CTL_MOD, conn->fd, &event);
    conn->events = events;
}

static struct kw_http_conn *new_conn(struct kw_http_worker *worker, int fd, const char *remote)
{
    struct kw_http_server *server = worker->server;
    struct kw_http_conn *conn = calloc(1, sizeof *conn);
    struct kw_http_shared_peer *peer = calloc(1, sizeof *peer);
    if (conn == NULL || peer == NULL) {
        free(conn);
        free(peer);
        return NULL;
    }
    peer->references = 1;
    snprintf(peer->peer.remote, sizeof peer->peer.remote, "%s", remote);
    conn->peer = peer;
    conn->worker = worker;
    conn->fd = fd;
    conn->timer_tick = -1;
    conn->in.secret = conn->out.secret = conn->big.secret = true;
    conn->began_ms = conn->idle_from_ms = worker->now_ms;
    conn->state = server->options.plain ? KW_HTTP_OPEN : KW_HTTP_HANDSHAKE;
    pthread_mutex_lock(&server->lock);
    conn->generation = atomic_load(&server->generation);
    conn->ssl = server->options.plain ? NULL : SSL_new(server->ctx);
    pthread_mutex_unlock(&server->lock);
    if (conn->ssl != NULL)
        SSL_set_accept_state(conn->ssl);
    return conn;
}

static void link_conn(struct kw_http_conn *conn)
{
    struct kw_http_worker *worker = conn->worker;
    conn->next = worker->conns;
    if (worker->conns != NULL)
        worker->conns->prev = conn;
    worker->conns = conn;
    kw_http_count(&worker->counters.connections, 1);
    kw_http_count(&worker->counters.open, 1);
}

void kw_http_conn_accept(struct kw_http_worker *worker, int fd, const char *remote)
{
    struct kw_http_conn *conn = new_conn(worker, fd, remote);
    bool tls = !worker->server->options.plain;
    if (conn == NULL || (tls && (conn->ssl == NULL || SSL_set_fd(conn->ssl, fd) != 1))) {
        if (conn != NULL)
            kw_http_conn_free(conn);
        close(fd);
        atomic_fetch_sub(&worker->server->open, 1);
        kw_http_count(&worker->counters.accept_failures, 1);
        return;
    }
    conn->events = EPOLLIN;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    link_conn(conn);
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        kw_http_conn_close(conn);
        return;
    }
    kw_http_wheel_arm(conn);
}

/* The requests whose answers are still to come live on without it. */
static void abandon(struct kw_http_conn *conn)
{
    if (conn->current != NULL)
        kw_http_exchange_done(conn->current);
    conn->current = NULL;
    struct kw_http_exchange *ex = conn->first;
    conn->first = conn->last = NULL;
    while (ex != NULL) {
        struct kw_http_exchange *next = ex->next;
        ex->conn = NULL;
        ex->next = NULL;
        atomic_store(&ex->gone, true);
        if (ex->state == KW_HTTP_ANSWERED || ex->state == KW_HTTP_ENDED) {
            kw_http_count(&conn->worker->counters.discarded, 1);
            kw_http_exchange_done(ex);
        } else if (ex->state == KW_HTTP_STREAMING && ex->stream.closed != NULL) {
            ex->stream.closed(ex->stream.arg, &ex->message.req);
        }
        ex = next;
    }
}

void kw_http_conn_close(struct kw_http_conn *conn)
{
    struct kw_http_worker *worker = conn->worker;
    if (conn->state == KW_HTTP_CLOSED)
        return;
    conn->state = KW_HTTP_CLOSED;
    kw_http_wheel_disarm(conn);
    close(conn->fd); /* epoll forgets it */
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        worker->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    conn->next = worker->graves;
    worker->graves = conn;
    kw_http_count(&worker->counters.open, (uint64_t)-1);
    atomic_fetch_sub(&worker->server->open, 1);
    abandon(conn);
}

void kw_http_conn_free(struct kw_http_conn *conn)
{
    SSL_free(conn->ssl);
    kw_buf_wipe(&conn->in);
    kw_buf_wipe(&conn->out);
    kw_buf_wipe(&conn->big);
    kw_http_shared_peer_unref(conn->peer);
    free(conn);
}

/* All is written. The sending side is closed and what the client still sends is read away for a
 * moment: closing with unread input would reset the connection and could destroy the answer on its
 * way (RFC 9112, 9.6). */
void kw_http_conn_finish(struct kw_http_conn *conn)
{
    if (conn->ssl != NULL) {
        ERR_clear_error();
        SSL_shutdown(conn->ssl);
    }
    if (conn->peer_closed || shutdown(conn->fd, SHUT_WR) != 0) {
        kw_http_conn_close(conn);
        return;
    }
    conn->state = KW_HTTP_LINGER;
    conn->linger_until_ms =
        conn->worker->now_ms +
        (conn->worker->drain_until_ms != 0 ? KW_HTTP_LINGER_DRAIN_MS : KW_HTTP_LINGER_MS);
    kw_http_conn_watch(conn);
    kw_http_wheel_arm(conn);
}

static void linger(struct kw_http_conn *conn)
{
    struct kw_http_worker *worker = conn->worker;
    ssize_t n = recv(conn->fd, worker->input, KW_HTTP_READ_SIZE, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        kw_http_conn_close(conn);
    else if (n > 0)
        kw_cleanse(worker->input, (size_t)n);
}

static void handshake_failed(struct kw_http_conn *conn)
{
    char reason[256];
    unsigned long code = ERR_peek_error();
    long verdict = SSL_get_verify_result(conn->ssl);
    const char *text = ERR_reason_error_string(code);
    if (verdict != X509_V_OK)
        snprintf(reason, sizeof reason, "the client certificate is refused: %s",
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(reason, sizeof reason, "the TLS handshake failed: %s",
                 text != NULL ? text : "the client closed the connection");
    ERR_clear_error();
    kw_http_count(&conn->worker->counters.handshake_failures, 1);
    kw_http_conn_error(conn, reason);
    kw_http_conn_close(conn);
}

static void handshake(struct kw_http_conn *conn)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(conn->ssl);
    if (rc != 1) {
        int why = SSL_get_error(conn->ssl, rc);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
            kw_http_conn_watch(conn);
        else
            handshake_failed(conn);
        return;
    }
    kw_http_count(&conn->worker->counters.handshakes, 1);
    kw_http_peer_fill(&conn->peer->peer, conn->ssl);
    conn->state = KW_HTTP_OPEN;
    conn->idle_from_ms = conn->worker->now_ms;
    kw_http_input_read(conn); /* the first request may have come with the last flight */
}

void kw_http_conn_event(struct kw_http_conn *conn, uint32_t events)
{
    if (conn->state == KW_HTTP_CLOSED)
        return;
    if (conn->state == KW_HTTP_HANDSHAKE)
        handshake(conn);
    else if (conn->state == KW_HTTP_LINGER)
        linger(conn);
    else if ((events & (EPOLLERR | EPOLLHUP)) != 0 && (events & EPOLLIN) == 0)
        kw_http_conn_close(conn);
    else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        kw_http_input_read(conn);
    if (conn->state == KW_HTTP_OPEN && (events & EPOLLOUT) != 0) {
        conn->blocked = false;
        kw_http_conn_dirty(conn);
    }
    if (conn->state != KW_HTTP_CLOSED)
        kw_http_wheel_arm(conn);
}

int64_t kw_http_conn_deadline(const struct kw_http_conn *conn)
{
    const struct kw_http_limits *limits = &conn->worker->server->options.limits;
    int64_t deadline = INT64_MAX;
    if (conn->state == KW_HTTP_LINGER)
        return conn->linger_until_ms;
    if (conn->state == KW_HTTP_HANDSHAKE)
        return conn->began_ms + limits->handshake_ms;
    if (kw_http_output_waiting(conn))
        deadline = conn->stall_from_ms + limits->write_stall_ms;
    if (conn->current != NULL) {
        bool in_head = conn->parser.phase == KW_HTTP_PHASE_HEAD;
        int64_t reading = conn->began_ms + (in_head ? limits->header_ms : limits->request_ms);
        return reading < deadline ? reading : deadline;
    }
    if (conn->first == NULL && deadline == INT64_MAX)
        return conn->idle_from_ms + (conn->trimmed || limits->idle_ms < KW_HTTP_TRIM_MS
                                         ? limits->idle_ms
                                         : KW_HTTP_TRIM_MS);
    return deadline;
}

/* Thousands of connections may idle: each keeps its TLS state and no buffers. What a buffer held of
 * a request or an answer was wiped when it was read or sent. */
static void trim(struct kw_http_conn *conn)
{
    if (conn->ssl != NULL)
        SSL_free_buffers(conn->ssl);
    if (conn->in.len == 0)
        kw_buf_wipe(&conn->in);
    kw_buf_wipe(&conn->out);
    conn->trimmed = true;
}

/* Nothing is under way, so nothing can be lost: no need to linger. */
static void finish_idle(struct kw_http_conn *conn)
{
    conn->peer_closed = true;
    kw_http_conn_finish(conn);
}

static void expire_request(struct kw_http_conn *conn)
{
    struct kw_error why;
    kw_fail_code(&why, KW_REQUEST_TIMEOUT);
    kw_http_conn_error(conn, "the request took too long to arrive");
    kw_http_input_refuse(conn, &why);
}

void kw_http_conn_expire(struct kw_http_conn *conn)
{
    struct kw_http_counters *counters = &conn->worker->counters;
    bool stalled = kw_http_output_waiting(conn) &&
                   conn->stall_from_ms + conn->worker->server->options.limits.write_stall_ms <=
                       conn->worker->now_ms;
    if (conn->state == KW_HTTP_HANDSHAKE || (conn->state == KW_HTTP_OPEN && stalled)) {
        kw_http_count(&counters->timeouts, 1);
        kw_http_conn_error(conn, stalled ? "the client does not take its answer"
                                         : "the TLS handshake took too long");
        kw_http_conn_close(conn);
    } else if (conn->state == KW_HTTP_OPEN && conn->current != NULL) {
        kw_http_count(&counters->timeouts, 1);
        expire_request(conn);
    } else if (conn->state != KW_HTTP_OPEN) {
        kw_http_conn_close(conn);
    } else if (conn->idle_from_ms + conn->worker->server->options.limits.idle_ms >
               conn->worker->now_ms) {
        trim(conn);
    } else {
        finish_idle(conn);
    }
}

void kw_http_conn_drain(struct kw_http_conn *conn)
{
    bool at_rest = conn->current == NULL && conn->first == NULL && !kw_http_output_waiting(conn);
    if (conn->state == KW_HTTP_HANDSHAKE)
        kw_http_conn_close(conn);
    else if (conn->state == KW_HTTP_OPEN && at_rest)
        finish_idle(conn);
}

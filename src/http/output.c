#include "http/internal.h"

enum { ROUNDS = 16, STALL_BYTES = 16 * 1024 };

bool kw_http_output_waiting(const struct kw_http_conn *conn)
{
    return conn->out_at < conn->out.len || conn->big_at < conn->big.len;
}

/* Ends with the answer to the last request that is to be answered on this connection. */
static bool is_final(const struct kw_http_conn *conn, const struct kw_http_exchange *ex)
{
    const struct kw_http_worker *worker = conn->worker;
    bool outdated =
        conn->generation != atomic_load_explicit(&worker->server->generation, memory_order_relaxed);
    /* Also where this worker has yet to look up from its turn: who asks next would be cut off. */
    bool stopping = atomic_load_explicit(&worker->server->stopping, memory_order_relaxed);
    if (!ex->message.keep_alive)
        return true;
    return ex->next == NULL && (stopping || outdated || conn->peer_closed);
}

static void gather_head(struct kw_http_conn *conn, struct kw_http_exchange *ex)
{
    bool unframed = ex->state != KW_HTTP_ANSWERED && !ex->chunked;
    kw_buf_append(&conn->out, ex->answer_head.data, ex->answer_head.len);
    if (is_final(conn, ex) || unframed) {
        kw_buf_append_str(&conn->out, "Connection: close\r\n");
        conn->closing = conn->no_input = true;
    } else if (!ex->message.http11) {
        kw_buf_append_str(&conn->out, "Connection: keep-alive\r\n");
    }
    kw_buf_append(&conn->out, "\r\n", 2);
    ex->head_sent = true;
}

static void gather_body(struct kw_http_conn *conn, struct kw_http_exchange *ex)
{
    if (ex->answer_body.len <= KW_HTTP_INLINE_BODY) {
        kw_buf_append(&conn->out, ex->answer_body.data, ex->answer_body.len);
        kw_buf_reset(&ex->answer_body);
        return;
    }
    conn->big = ex->answer_body;
    conn->big_at = 0;
    ex->answer_body = (struct kw_buf)KW_BUF_SECRET;
}

static void retire(struct kw_http_conn *conn, struct kw_http_exchange *ex)
{
    conn->first = ex->next;
    if (conn->first == NULL)
        conn->last = NULL;
    conn->waiting--;
    conn->cut = conn->cut || ex->cut;
    conn->closing = conn->closing || ex->cut;
    kw_http_count(&conn->worker->counters.answers, 1);
    kw_http_exchange_done(ex);
}

/* Takes what the stream has; asks for more when it has nothing left. */
static void gather_stream(struct kw_http_conn *conn, struct kw_http_exchange *ex)
{
    if (!ex->head_sent)
        gather_head(conn, ex);
    gather_body(conn, ex);
    atomic_fetch_sub(&ex->stream_waiting, ex->framed);
    ex->framed = 0;
    if (ex->state == KW_HTTP_ENDED)
        retire(conn, ex);
    else if (atomic_exchange(&ex->wants_ready, false) && ex->stream.ready != NULL)
        ex->stream.ready(ex->stream.arg, &ex->message.req);
}

static void gather_continue(struct kw_http_conn *conn)
{
    if (conn->first != NULL || !conn->continue_due || conn->closing)
        return;
    conn->continue_due = false;
    if (conn->current != NULL && conn->current->message.req.body.len == 0)
        kw_buf_append_str(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* Moves answers, in the order of their requests, into out and big: one write for many. Nothing may
 * follow big before it has been written. */
static void gather(struct kw_http_conn *conn)
{
    while (conn->first != NULL && conn->big.len == 0 && conn->out.len < KW_HTTP_OUT_HIGH &&
           !conn->closing) {
        struct kw_http_exchange *ex = conn->first;
        if (ex->state == KW_HTTP_WAITING)
            break;
        if (ex->state != KW_HTTP_ANSWERED) {
            gather_stream(conn, ex);
            if (conn->first == ex)
                break;
            continue;
        }
        gather_head(conn, ex);
        gather_body(conn, ex);
        retire(conn, ex);
    }
    /* A stream that ends the connection goes on after its head. */
    if (conn->closing && conn->first != NULL && conn->first->head_sent && conn->big.len == 0)
        gather_stream(conn, conn->first);
    gather_continue(conn);
    conn->progress = 0;
    conn->stall_from_ms = conn->worker->now_ms;
}

static void release(struct kw_buf *buf, size_t *at)
{
    if (buf->capacity > KW_HTTP_KEEP_CAPACITY)
        kw_buf_wipe(buf);
    else
        kw_buf_reset(buf);
    *at = 0;
}

static void account(struct kw_http_conn *conn, size_t written)
{
    kw_http_count(&conn->worker->counters.bytes_out, written);
    conn->progress += written;
    if (conn->progress < STALL_BYTES)
        return; /* a byte now and then is no progress */
    conn->progress = 0;
    conn->stall_from_ms = conn->worker->now_ms;
}

/* false: the connection takes no more for now, or is closed. */
static bool write_some(struct kw_http_conn *conn)
{
    bool from_out = conn->out_at < conn->out.len;
    struct kw_buf *buf = from_out ? &conn->out : &conn->big;
    size_t *at = from_out ? &conn->out_at : &conn->big_at;
    long n = kw_http_transport_write(conn, buf->data + *at, buf->len - *at);
    if (n == KW_HTTP_BLOCKED) {
        conn->blocked = true;
        return false;
    }
    if (n < 0) {
        kw_http_conn_close(conn);
        return false;
    }
    account(conn, (size_t)n);
    *at += (size_t)n;
    if (*at == buf->len)
        release(buf, at);
    return true;
}

static void settle(struct kw_http_conn *conn)
{
    if (conn->cut) {
        kw_http_conn_close(conn);
        return;
    }
    bool over = conn->closing || conn->peer_closed || conn->worker->drain_until_ms != 0;
    if (conn->first == NULL && over && (conn->closing || conn->current == NULL)) {
        kw_http_conn_finish(conn);
        return;
    }
    if (conn->first == NULL && conn->current == NULL)
        conn->idle_from_ms = conn->worker->now_ms;
}

void kw_http_output_pump(struct kw_http_conn *conn)
{
    int rounds = 0;
    while (!conn->blocked && rounds++ < ROUNDS) {
        if (!kw_http_output_waiting(conn))
            gather(conn);
        if (conn->out.failed) {
            kw_http_conn_close(conn);
            return;
        }
        if (!kw_http_output_waiting(conn) || !write_some(conn))
            break;
    }
    if (conn->state != KW_HTTP_OPEN)
        return;
    if (!kw_http_output_waiting(conn))
        settle(conn);
    if (conn->state != KW_HTTP_OPEN)
        return;
    bool unread = conn->in.len > 0 || conn->read_again;
    conn->resume = unread && kw_http_input_room(conn);
    if (rounds > ROUNDS || conn->resume)
        kw_http_conn_dirty(conn);
}

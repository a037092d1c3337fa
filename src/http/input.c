#include "http/internal.h"

#include "base/clock.h"

enum { READS_AT_A_TIME = 4 };

/* May more be read? Not while the client lets answers or requests pile up: TCP then holds it back.
 */
bool kw_http_input_room(const struct kw_http_conn *conn)
{
    const struct kw_http_limits *limits = &conn->worker->server->options.limits;
    return !conn->no_input && !conn->blocked && conn->waiting < limits->pipeline;
}

static void enqueue(struct kw_http_conn *conn, struct kw_http_exchange *ex)
{
    ex->next = NULL;
    if (conn->last != NULL)
        conn->last->next = ex;
    else
        conn->first = ex;
    conn->last = ex;
    conn->waiting++;
    conn->current = NULL;
    conn->continue_due = false;
    ex->state = KW_HTTP_WAITING;
}

static void stop_reading(struct kw_http_conn *conn)
{
    conn->no_input = true;
    conn->read_again = false;
    kw_buf_wipe(&conn->in);
}

/* RFC 9110, 15.5.6: with the methods that there are. */
static void refuse_method(struct kw_http_request *req, const struct kw_error *why)
{
    static const struct kw_http_field allow[] = {
        {"allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, LIST"}, {NULL, NULL}};
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    kw_http_error_body(&body, why->code, why->text, req->id);
    kw_http_respond(req, kw_code_http_status(why->code), "application/json", &body, allow);
}

/* Answers the request that is being read with why, and reads no more: its framing is lost. */
void kw_http_input_refuse(struct kw_http_conn *conn, const struct kw_error *why)
{
    struct kw_http_exchange *ex = conn->current;
    kw_http_count(&conn->worker->counters.bad_requests, 1);
    kw_http_count(&conn->worker->counters.in_flight, 1);
    stop_reading(conn);
    ex->message.req.method = KW_HTTP_GET;
    ex->message.keep_alive = false;
    enqueue(conn, ex);
    if (why->code == KW_METHOD_NOT_ALLOWED)
        refuse_method(&ex->message.req, why);
    else
        kw_http_respond_error(&ex->message.req, why->code, why->text);
}

/* A certificate that has ended during a long connection is no identity any more. */
static bool certificate_ended(const struct kw_http_conn *conn)
{
    const struct kw_http_peer *peer = &conn->peer->peer;
    return peer->verified && kw_clock_wall_ms() > peer->not_after_ms;
}

static void dispatch(struct kw_http_conn *conn)
{
    struct kw_http_worker *worker = conn->worker;
    const struct kw_http_options *options = &worker->server->options;
    struct kw_http_exchange *ex = conn->current;
    if (certificate_ended(conn)) {
        struct kw_error why;
        kw_fail(&why, KW_BAD_CERTIFICATE, "the client certificate has expired; renew it");
        kw_http_input_refuse(conn, &why);
        return;
    }
    conn->served++;
    if (!ex->message.keep_alive || conn->served >= options->limits.requests_per_connection) {
        ex->message.keep_alive = false;
        conn->no_input = true;
    }
    enqueue(conn, ex);
    kw_http_count(&worker->counters.requests, 1);
    kw_http_count(&worker->counters.in_flight, 1);
    ex->message.req.received_us = kw_clock_us();
    options->handler(options->arg, &ex->message.req);
}

static bool begin(struct kw_http_conn *conn)
{
    const struct kw_http_limits *limits = &conn->worker->server->options.limits;
    conn->current = kw_http_exchange_new(conn);
    if (conn->current == NULL)
        return false;
    conn->began_ms = conn->worker->now_ms;
    kw_http_parser_begin(&conn->parser, &conn->current->message, limits->header_bytes,
                         limits->body_bytes);
    return true;
}

/* Bodies of all connections together are bounded, whatever each one's limit. */
static KW_ERR account(struct kw_http_conn *conn, struct kw_error *err)
{
    struct kw_http_worker *worker = conn->worker;
    struct kw_http_exchange *ex = conn->current;
    size_t grown = ex->message.req.body.len - ex->buffered;
    ex->buffered += grown;
    worker->buffered += grown;
    size_t share = worker->server->options.limits.buffered_bytes / worker->server->workers_count;
    if (worker->buffered > share)
        return kw_fail_code(err, KW_OVERLOADED);
    return KW_OK;
}

static KW_ERR parse(struct kw_http_conn *conn, struct kw_bytes data, size_t *used,
                    struct kw_error *err)
{
    bool in_head = conn->parser.phase == KW_HTTP_PHASE_HEAD;
    KW_TRY(kw_http_parser_feed(&conn->parser, data, used, err));
    KW_TRY(account(conn, err));
    /* A client that has begun to send its body does not wait (RFC 9110, 10.1.1). */
    if (in_head && conn->parser.phase == KW_HTTP_PHASE_BODY && *used == data.len &&
        conn->current->message.expects_continue && conn->current->message.req.body.len == 0) {
        conn->continue_due = true;
        kw_http_conn_dirty(conn);
    }
    return KW_OK;
}

/* Feeds the bytes to requests; what finds no room is kept in conn->in. */
static void feed(struct kw_http_conn *conn, struct kw_bytes data)
{
    const struct kw_http_limits *limits = &conn->worker->server->options.limits;
    while (data.len > 0 && !conn->no_input) {
        if (conn->waiting >= limits->pipeline) {
            kw_buf_append(&conn->in, data.data, data.len);
            break;
        }
        struct kw_error why;
        size_t used = 0;
        if (conn->current == NULL && !begin(conn)) {
            kw_http_conn_close(conn);
            break;
        }
        if (parse(conn, data, &used, &why) != KW_OK)
            kw_http_input_refuse(conn, &why);
        else if (conn->parser.phase == KW_HTTP_PHASE_DONE)
            dispatch(conn);
        data = kw_bytes(data.data + used, data.len - used);
    }
}

static void feed_kept(struct kw_http_conn *conn)
{
    struct kw_buf kept = conn->in;
    conn->in = (struct kw_buf)KW_BUF_SECRET;
    feed(conn, kw_buf_bytes(&kept));
    kw_buf_wipe(&kept);
}

/* The client will send no more. Answers under way are still written to it, unless it went away in
 * the middle of a request or of a stream that has no end of its own. */
static void end_of_file(struct kw_http_conn *conn)
{
    conn->peer_closed = true;
    stop_reading(conn);
    if (conn->current != NULL) {
        kw_http_exchange_done(conn->current);
        conn->current = NULL;
    }
    if (conn->first == NULL && !kw_http_output_waiting(conn))
        kw_http_conn_finish(conn);
    else if (conn->first != NULL && conn->first->state == KW_HTTP_STREAMING)
        kw_http_conn_close(conn);
}

static bool read_once(struct kw_http_conn *conn)
{
    struct kw_http_worker *worker = conn->worker;
    long n = kw_http_transport_read(conn, worker->input, KW_HTTP_READ_SIZE);
    if (n == KW_HTTP_BLOCKED)
        return false;
    if (n == KW_HTTP_BROKEN)
        kw_http_conn_close(conn);
    else if (n == 0)
        end_of_file(conn);
    if (n <= 0)
        return false;
    kw_http_count(&worker->counters.bytes_in, (uint64_t)n);
    conn->trimmed = false;
    feed(conn, kw_bytes(worker->input, (size_t)n));
    kw_cleanse(worker->input, (size_t)n);
    if (conn->state != KW_HTTP_OPEN)
        return false;
    return conn->ssl == NULL ? n == KW_HTTP_READ_SIZE : kw_http_transport_pending(conn);
}

/* Reads and handles what is there, within bounds: others wait too. If there may be more of which
 * epoll will not tell, the connection is marked to be read again in the next turn. */
void kw_http_input_read(struct kw_http_conn *conn)
{
    bool more = true;
    conn->read_again = conn->resume = false;
    if (conn->in.len > 0)
        feed_kept(conn);
    for (int i = 0; more && i < READS_AT_A_TIME && kw_http_input_room(conn); i++)
        more = conn->state == KW_HTTP_OPEN && read_once(conn);
    if (conn->state != KW_HTTP_OPEN)
        return;
    conn->read_again = more && kw_http_transport_pending(conn);
    if (conn->current == NULL && conn->first == NULL)
        conn->idle_from_ms = conn->worker->now_ms;
    kw_http_conn_dirty(conn);
}

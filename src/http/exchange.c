#include "http/internal.h"

enum { SPARE_MAX = 256 };

void kw_http_shared_peer_unref(struct kw_http_shared_peer *peer)
{
    if (peer != NULL && --peer->references == 0)
        free(peer);
}

/* splitmix64: a bijection of the counter, so no id comes twice in a worker. */
static uint64_t scramble(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static void give_id(struct kw_http_worker *worker, char id[KW_HTTP_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = scramble(worker->next_id++);
    for (size_t i = KW_HTTP_ID_SIZE - 1; i-- > 0; value >>= 4)
        id[i] = digits[value & 15];
    id[KW_HTTP_ID_SIZE - 1] = '\0';
}

static struct kw_http_exchange *take(struct kw_http_worker *worker)
{
    struct kw_http_exchange *ex = worker->spare;
    if (ex != NULL) {
        worker->spare = ex->next;
        worker->spares--;
        return ex;
    }
    ex = calloc(1, sizeof *ex);
    if (ex == NULL)
        return NULL;
    kw_http_message_init(&ex->message);
    ex->answer_head.secret = true; /* may hold tokens in a header */
    ex->answer_body.secret = true;
    ex->worker = worker;
    ex->all_next = worker->exchanges;
    if (worker->exchanges != NULL)
        worker->exchanges->all_prev = ex;
    worker->exchanges = ex;
    return ex;
}

struct kw_http_exchange *kw_http_exchange_new(struct kw_http_conn *conn)
{
    struct kw_http_worker *worker = conn->worker;
    struct kw_http_exchange *ex = take(worker);
    if (ex == NULL)
        return NULL;
    ex->conn = conn;
    ex->next = NULL;
    ex->peer = conn->peer;
    ex->peer->references++;
    ex->state = KW_HTTP_READING;
    ex->buffered = 0;
    ex->framed = 0;
    ex->chunked = ex->head_sent = ex->cut = false;
    atomic_store_explicit(&ex->wants_ready, false, memory_order_relaxed);
    ex->stream = (struct kw_http_stream){0};
    atomic_store_explicit(&ex->stream_waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&ex->notes, 0, memory_order_relaxed);
    atomic_store_explicit(&ex->gone, false, memory_order_relaxed);
    ex->message.req.peer = &ex->peer->peer;
    ex->message.req.worker = worker->index;
    give_id(worker, ex->message.req.id);
    return ex;
}

static void shrink(struct kw_buf *buf)
{
    if (buf->capacity > KW_HTTP_KEEP_CAPACITY)
        kw_buf_wipe(buf);
    else
        kw_buf_reset(buf);
}

static void destroy(struct kw_http_exchange *ex)
{
    kw_http_message_wipe(&ex->message);
    kw_buf_wipe(&ex->answer_head);
    kw_buf_wipe(&ex->answer_body);
    kw_http_shared_peer_unref(ex->peer);
    if (ex->all_prev != NULL)
        ex->all_prev->all_next = ex->all_next;
    else
        ex->worker->exchanges = ex->all_next;
    if (ex->all_next != NULL)
        ex->all_next->all_prev = ex->all_prev;
    free(ex);
}

void kw_http_exchange_done(struct kw_http_exchange *ex)
{
    struct kw_http_worker *worker = ex->worker;
    worker->buffered -= ex->buffered;
    kw_http_shared_peer_unref(ex->peer);
    ex->peer = NULL;
    if (worker->spares >= SPARE_MAX) {
        destroy(ex);
        return;
    }
    shrink(&ex->message.head);
    /* The handler may have moved the body out, and then the buffer is no longer marked. */
    ex->message.req.body.secret = true;
    shrink(&ex->message.req.body);
    shrink(&ex->answer_head);
    shrink(&ex->answer_body);
    ex->conn = NULL;
    ex->next = worker->spare;
    worker->spare = ex;
    worker->spares++;
}

void kw_http_exchanges_free(struct kw_http_worker *worker)
{
    while (worker->exchanges != NULL)
        destroy(worker->exchanges);
    worker->spare = NULL;
    worker->spares = 0;
}

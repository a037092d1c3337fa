/* Handing answers over to the worker. On its own thread they are applied at once; from another they
 * go onto a lock-free stack, and the one who finds it empty wakes the worker: fifty answers of one
 * group commit cost one wake-up. */
#include "http/internal.h"

static void discard(struct kw_http_exchange *ex)
{
    kw_http_count(&ex->worker->counters.discarded, 1);
    kw_http_exchange_done(ex);
}

static void apply_answer(struct kw_http_exchange *ex)
{
    kw_http_count(&ex->worker->counters.in_flight, (uint64_t)-1);
    if (ex->conn == NULL) {
        discard(ex);
        return;
    }
    ex->state = KW_HTTP_ANSWERED;
    kw_http_conn_dirty(ex->conn);
}

static void apply_start(struct kw_http_exchange *ex)
{
    ex->state = KW_HTTP_STREAMING;
    if (ex->conn != NULL)
        kw_http_conn_dirty(ex->conn);
    else if (ex->stream.closed != NULL)
        ex->stream.closed(ex->stream.arg, &ex->message.req);
}

static void apply_chunk(struct kw_http_exchange *ex, const struct kw_buf *chunk)
{
    ex->framed += chunk->len;
    if (ex->conn == NULL)
        return;
    if (ex->message.req.method != KW_HTTP_HEAD && chunk->len > 0) {
        if (ex->chunked)
            kw_buf_printf(&ex->answer_body, "%zx\r\n", chunk->len);
        kw_buf_append(&ex->answer_body, chunk->data, chunk->len);
        if (ex->chunked)
            kw_buf_append(&ex->answer_body, "\r\n", 2);
    }
    kw_http_conn_dirty(ex->conn);
}

static void apply_end(struct kw_http_exchange *ex, bool complete)
{
    kw_http_count(&ex->worker->counters.in_flight, (uint64_t)-1);
    if (ex->conn == NULL) {
        discard(ex);
        return;
    }
    ex->state = KW_HTTP_ENDED;
    ex->cut = !complete || ex->answer_body.failed;
    if (ex->chunked && !ex->cut && ex->message.req.method != KW_HTTP_HEAD)
        kw_buf_append_str(&ex->answer_body, "0\r\n\r\n");
    kw_http_conn_dirty(ex->conn);
}

static void apply(struct kw_http_note *note)
{
    struct kw_http_exchange *ex = note->exchange;
    switch (note->kind) {
    case KW_HTTP_NOTE_ANSWER:
        apply_answer(ex);
        break;
    case KW_HTTP_NOTE_START:
        apply_start(ex);
        break;
    case KW_HTTP_NOTE_CHUNK:
        apply_chunk(ex, &note->chunk);
        kw_buf_wipe(&note->chunk);
        free(note);
        break;
    case KW_HTTP_NOTE_END:
        apply_end(ex, note->complete);
        break;
    case KW_HTTP_NOTE_CALL:
        note->fn(&ex->message.req, note->arg);
        break;
    }
}

static void push(struct kw_http_note *note)
{
    struct kw_http_worker *worker = note->exchange->worker;
    struct kw_http_note *head = atomic_load_explicit(&worker->notes, memory_order_relaxed);
    do
        note->next = head;
    while (!atomic_compare_exchange_weak_explicit(&worker->notes, &head, note, memory_order_release,
                                                  memory_order_relaxed));
    if (head == NULL)
        kw_http_worker_wake(worker);
}

/* Applied at once only if nothing of this exchange is under way, which would be overtaken. */
void kw_http_note_send(struct kw_http_note *note)
{
    struct kw_http_exchange *ex = note->exchange;
    if (kw_http_worker_is_current(ex->worker) && atomic_load(&ex->notes) == 0) {
        apply(note);
        return;
    }
    atomic_fetch_add(&ex->notes, 1);
    push(note);
}

void kw_http_post(struct kw_http_request *req, void (*fn)(struct kw_http_request *req, void *arg),
                  void *arg)
{
    struct kw_http_exchange *ex = kw_http_exchange_of(req);
    ex->call =
        (struct kw_http_note){.exchange = ex, .kind = KW_HTTP_NOTE_CALL, .fn = fn, .arg = arg};
    atomic_fetch_add(&ex->notes, 1);
    push(&ex->call);
}

void kw_http_notes_apply(struct kw_http_worker *worker)
{
    if (atomic_load_explicit(&worker->notes, memory_order_relaxed) == NULL)
        return;
    struct kw_http_note *taken =
        atomic_exchange_explicit(&worker->notes, NULL, memory_order_acquire);
    struct kw_http_note *ordered = NULL;
    while (taken != NULL) {
        struct kw_http_note *next = taken->next;
        taken->next = ordered;
        ordered = taken;
        taken = next;
    }
    while (ordered != NULL) {
        struct kw_http_note *next = ordered->next;
        atomic_fetch_sub(&ordered->exchange->notes, 1);
        apply(ordered);
        ordered = next;
    }
}

/* The parts of the server and who owns them. For this folder alone.
 *
 *   server    options, certificates, workers
 *   worker    one thread: epoll, its listener, its connections, its deadlines; everything below is
 *             touched by that thread only, except what an answer hands over (struct kw_http_note)
 *   conn      one connection: TLS state, the request being read, the requests waiting for answers
 *   exchange  one request and its answer; outlives its connection if its answer is still to come */
#ifndef KW_HTTP_INTERNAL_H
#define KW_HTTP_INTERNAL_H

#include "http/parser.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    KW_HTTP_READ_SIZE = 64 * 1024,   /* of a worker's buffer that all its connections read into */
    KW_HTTP_INLINE_BODY = 16 * 1024, /* larger bodies are written from where they lie */
    KW_HTTP_OUT_HIGH = 64 * 1024, /* answers gathered into one write; limit of a stream's queue */
    KW_HTTP_KEEP_CAPACITY = 32 * 1024, /* larger buffers are given back after use */
    KW_HTTP_LINGER_MS = 2000,
    KW_HTTP_LINGER_DRAIN_MS = 250,
    KW_HTTP_ACCEPT_PAUSE_MS = 100,
    KW_HTTP_TRIM_MS = 1000, /* a connection that idles for so long gives its buffers back */
    KW_HTTP_DATE_SIZE = 32,
};

/* Shared by a connection and its exchanges; counted by the worker's thread. */
struct kw_http_shared_peer {
    struct kw_http_peer peer;
    unsigned references;
};

/* What an answering thread hands to the worker: a lock-free stack, in order once reversed. */
enum kw_http_note_kind {
    KW_HTTP_NOTE_ANSWER,
    KW_HTTP_NOTE_START,
    KW_HTTP_NOTE_CHUNK,
    KW_HTTP_NOTE_END,
    KW_HTTP_NOTE_CALL
};

struct kw_http_note {
    struct kw_http_note *next;
    struct kw_http_exchange *exchange;
    enum kw_http_note_kind kind;
    bool complete;       /* END */
    struct kw_buf chunk; /* CHUNK; the note is then of its own memory */
    void (*fn)(struct kw_http_request *req, void *arg); /* CALL */
    void *arg;
};

enum kw_http_state {
    KW_HTTP_READING,
    KW_HTTP_WAITING,
    KW_HTTP_ANSWERED,
    KW_HTTP_STREAMING,
    KW_HTTP_ENDED
};

struct kw_http_exchange {
    struct kw_http_message message; /* first: found from the request */
    struct kw_http_worker *worker;
    struct kw_http_conn *conn; /* NULL once it is gone */
    struct kw_http_shared_peer *peer;
    struct kw_http_exchange *next;                /* of the connection, or of the free ones */
    struct kw_http_exchange *all_next, *all_prev; /* of the worker */
    enum kw_http_state state;
    size_t buffered; /* of the body, counted against the worker's limit */
    /* The answer: written by the answering thread, then handed over. */
    struct kw_buf answer_head; /* without the empty line that ends it */
    struct kw_buf answer_body; /* secret; of a stream: framed and waiting */
    bool chunked;
    bool head_sent;
    bool cut; /* the stream broke off */
    struct kw_http_stream stream;
    size_t framed; /* bytes of chunks that lie in answer_body */
    atomic_bool wants_ready;
    atomic_size_t stream_waiting; /* bytes of chunks given and not yet gathered */
    atomic_uint notes;            /* under way */
    atomic_bool gone;             /* the connection is */
    struct kw_http_note first;    /* ANSWER or START */
    struct kw_http_note last;     /* END */
    struct kw_http_note call;     /* CALL */
};

enum kw_http_conn_state { KW_HTTP_HANDSHAKE, KW_HTTP_OPEN, KW_HTTP_LINGER, KW_HTTP_CLOSED };

struct kw_http_conn {
    struct kw_http_worker *worker;
    struct kw_http_conn *next, *prev;             /* all of the worker */
    struct kw_http_conn *timer_next, *timer_prev; /* of a wheel's slot */
    struct kw_http_conn *dirty_next;
    int64_t timer_tick; /* -1: in no slot */
    int fd;
    SSL *ssl; /* NULL: plain */
    enum kw_http_conn_state state;
    uint32_t events; /* that epoll watches */
    unsigned generation;
    bool is_dirty;
    bool read_again;   /* there is more to read, of which epoll will not tell */
    bool resume;       /* to be read from in the next turn */
    bool cut;          /* after what is waiting, without a proper end */
    bool no_input;     /* nothing more is to be read */
    bool peer_closed;  /* end of file */
    bool closing;      /* after what is waiting in out and big */
    bool blocked;      /* a write waits for EPOLLOUT */
    bool continue_due; /* 100 Continue, when its turn has come */
    bool trimmed;      /* it has no buffers but those of its state */
    struct kw_http_parser parser;
    struct kw_http_exchange *current;      /* being read */
    struct kw_http_exchange *first, *last; /* in order, waiting for or having answers */
    unsigned waiting;                      /* of these */
    unsigned served;
    struct kw_buf in;  /* secret: read, but not parsed before there is room */
    struct kw_buf out; /* secret */
    size_t out_at;
    struct kw_buf big; /* secret: a large body, after out */
    size_t big_at;
    size_t progress;      /* written since stall_from */
    int64_t began_ms;     /* of the handshake, or the request being read */
    int64_t idle_from_ms; /* when it last had nothing to do */
    int64_t stall_from_ms;
    int64_t linger_until_ms;
    struct kw_http_shared_peer *peer;
};

enum { KW_HTTP_WHEEL_SLOTS = 1024, KW_HTTP_TICK_MS = 128 };

struct kw_http_wheel {
    struct kw_http_conn *slots[KW_HTTP_WHEEL_SLOTS];
    int64_t tick; /* all before have been looked at */
};

struct kw_http_counters {
#define KW_X(name, help) atomic_uint_least64_t name;
    KW_HTTP_STATS(KW_X)
#undef KW_X
};

/* Counters have one writer, the worker; readers may be anywhere. */
static inline void kw_http_count(atomic_uint_least64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

struct kw_http_worker {
    struct kw_http_server *server;
    pthread_t thread;
    bool started;
    unsigned index;
    int epoll;
    int wake; /* eventfd */
    int listener;
    bool listening;          /* epoll watches it */
    int64_t listen_again_ms; /* after accept failed */
    int64_t now_ms;          /* of this turn of the loop */
    int64_t drain_until_ms;  /* 0: not stopping */
    uint64_t next_id;
    struct kw_http_wheel wheel;
    struct kw_http_conn *conns;
    struct kw_http_conn *dirty;
    struct kw_http_conn *graves;        /* closed in this turn; freed at its end */
    struct kw_http_exchange *exchanges; /* every one */
    struct kw_http_exchange *spare;
    unsigned spares;
    size_t buffered;
    _Atomic(struct kw_http_note *) notes;
    struct kw_http_counters counters;
    uint8_t *input; /* KW_HTTP_READ_SIZE */
};

struct kw_http_server {
    struct kw_http_options options; /* texts are not kept */
    unsigned workers_count;
    struct kw_http_worker *workers;
    unsigned port;
    atomic_bool stopping;
    atomic_uint open; /* connections of all workers */
    atomic_uint generation;
    pthread_mutex_t lock; /* over ctx and not_after_ms */
    SSL_CTX *ctx;
    int64_t not_after_ms;
};

/* exchange.c */
struct kw_http_exchange *kw_http_exchange_new(struct kw_http_conn *conn);
void kw_http_exchange_done(struct kw_http_exchange *ex); /* back to the spare ones */
void kw_http_exchanges_free(struct kw_http_worker *worker);
void kw_http_shared_peer_unref(struct kw_http_shared_peer *peer);
static inline struct kw_http_exchange *kw_http_exchange_of(struct kw_http_request *req)
{
    return (struct kw_http_exchange *)(void *)req;
}

/* answer.c, note.c */
const char *kw_http_reason(int status);
void kw_http_note_send(struct kw_http_note *note);
void kw_http_notes_apply(struct kw_http_worker *worker);

/* conn.c: life of a connection; input.c: from bytes to requests; output.c: from answers to bytes.
 */
void kw_http_conn_accept(struct kw_http_worker *worker, int fd, const char *remote);
void kw_http_conn_event(struct kw_http_conn *conn, uint32_t events);
void kw_http_conn_close(struct kw_http_conn *conn);
void kw_http_conn_finish(struct kw_http_conn *conn); /* lingering close, after what was written */
void kw_http_conn_free(struct kw_http_conn *conn);
void kw_http_conn_dirty(struct kw_http_conn *conn);
void kw_http_conn_expire(struct kw_http_conn *conn); /* its deadline is reached */
int64_t kw_http_conn_deadline(const struct kw_http_conn *conn);
void kw_http_conn_drain(struct kw_http_conn *conn); /* the server is stopping */
void kw_http_conn_watch(struct kw_http_conn *conn);
void kw_http_conn_error(const struct kw_http_conn *conn, const char *reason);
void kw_http_input_read(struct kw_http_conn *conn);
void kw_http_input_refuse(struct kw_http_conn *conn, const struct kw_error *why);
bool kw_http_input_room(const struct kw_http_conn *conn);
void kw_http_output_pump(struct kw_http_conn *conn);
bool kw_http_output_waiting(const struct kw_http_conn *conn);

/* transport.c: bytes over TLS or plain TCP. > 0: bytes; 0: end of file; KW_HTTP_BLOCKED;
 * KW_HTTP_BROKEN. */
enum { KW_HTTP_BLOCKED = -1, KW_HTTP_BROKEN = -2 };
long kw_http_transport_read(struct kw_http_conn *conn, void *to, size_t size);
long kw_http_transport_write(struct kw_http_conn *conn, const void *from, size_t len);
bool kw_http_transport_pending(const struct kw_http_conn *conn);

/* wheel.c */
void kw_http_wheel_arm(struct kw_http_conn *conn);
void kw_http_wheel_disarm(struct kw_http_conn *conn);
void kw_http_wheel_turn(struct kw_http_worker *worker);

/* worker.c */
KW_ERR kw_http_worker_init(struct kw_http_worker *worker, struct kw_http_server *server,
                           unsigned index, struct kw_error *err);
void *kw_http_worker_run(void *worker);
void kw_http_worker_wipe(struct kw_http_worker *worker);
void kw_http_worker_wake(struct kw_http_worker *worker);
bool kw_http_worker_is_current(const struct kw_http_worker *worker);

/* listen.c */
KW_ERR kw_http_listen(const struct kw_http_options *options, int *fds, unsigned count,
                      unsigned *port, struct kw_error *err);
struct sockaddr_storage;
void kw_http_remote_text(const struct sockaddr_storage *from, char out[KW_HTTP_REMOTE_SIZE]);
void kw_http_accept(struct kw_http_worker *worker);

/* tls.c, peer.c */
KW_ERR kw_http_tls_context(const struct kw_http_tls *tls, SSL_CTX **out, int64_t *not_after_ms,
                           struct kw_error *err);
void kw_http_peer_fill(struct kw_http_peer *peer, SSL *ssl);
int64_t kw_http_asn1_time_ms(const ASN1_TIME *time);

#endif

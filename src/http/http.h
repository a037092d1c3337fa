/* An HTTPS/1.1 server: TLS by OpenSSL, parsing by llhttp, one epoll loop a worker thread. It knows
 * nothing of keys or JSON beyond the form of an error. docs/adr/0003-own-loop-epoll.md says why.
 *
 * A request reaches the handler once, on its worker's thread, when head and body are there. It is
 * answered exactly once, then or later, from any thread, by kw_http_respond, kw_http_respond_error,
 * or kw_http_respond_start ... kw_http_respond_end. Until that call the request and all that it
 * points at stay valid, even if its connection is long gone (the answer is then dropped); after it,
 * nothing of it may be touched. Answers of one connection go out in the order of its requests.
 *
 * Bodies are secret buffers (wiped), as is every copy this layer makes of them.
 *
 * RFC 9110, RFC 9112 (stricter where it allows a choice, see http/parser.h), RFC 8446. */
#ifndef KW_HTTP_HTTP_H
#define KW_HTTP_HTTP_H

#include "base/bytes.h"
#include "base/secret.h"

struct kw_http_server;

/* LIST is Vault's method for listing; llhttp does not know it, see http/parser.c. */
enum kw_http_method {
    KW_HTTP_GET,
    KW_HTTP_HEAD,
    KW_HTTP_POST,
    KW_HTTP_PUT,
    KW_HTTP_PATCH,
    KW_HTTP_DELETE,
    KW_HTTP_OPTIONS,
    KW_HTTP_LIST,
};

enum {
    KW_HTTP_MAX_HEADERS = 64,
    KW_HTTP_REMOTE_SIZE = 64,
    KW_HTTP_URI_SIZE = 256,
    KW_HTTP_NAME_SIZE = 65,
    KW_HTTP_ID_SIZE = 17,
};

/* Who is at the other end. A certificate is here only if its whole chain, its times and its purpose
 * (TLS client) were verified; one that was presented and failed ends the handshake. */
struct kw_http_peer {
    char remote[KW_HTTP_REMOTE_SIZE];    /* 192.0.2.1:4711, [2001:db8::1]:4711 */
    bool verified;                       /* there is a certificate, and what follows is of it */
    uint8_t sha256[32];                  /* of its DER */
    unsigned uri_count;                  /* URI subject alternative names it has */
    char uri[KW_HTTP_URI_SIZE];          /* the URI if there is exactly one, and it fits; else "" */
    char common_name[KW_HTTP_NAME_SIZE]; /* of the subject; "" if none, several or too long */
    int64_t not_after_ms;                /* wall time; checked again at each request */
};

struct kw_http_field {
    const char *name; /* in lower case */
    const char *value;
};

/* Texts are terminated and hold no control characters (a header may hold tabs). */
struct kw_http_request {
    enum kw_http_method method;
    const char *method_text;
    const char *path;  /* starts with '/' ("*" for OPTIONS *); as sent: percent-encoded */
    const char *query; /* without '?'; "" if none */
    const struct kw_http_field *fields;
    size_t field_count;
    struct kw_buf body; /* secret */
    const struct kw_http_peer *peer;
    char id[KW_HTTP_ID_SIZE]; /* 16 hex digits, unique in this process, made here */
    unsigned worker;          /* 0 .. workers-1 */
    int64_t received_us;      /* kw_clock_us() when the request was complete */
    void *context;            /* the caller's own */
};

/* The value of a header, NULL if absent (the first if it came more than once; the parser refuses
 * repetition of those that decide anything: see http/parser.h). name in lower case. */
const char *kw_http_header(const struct kw_http_request *req, const char *name);

/* The W3C traceparent header, if there is one. */
const char *kw_http_traceparent(const struct kw_http_request *req);

/* Percent-decodes text onto out. KW_BAD_REQUEST for a broken escape or an encoded NUL. */
KW_ERR kw_http_percent_decode(struct kw_buf *out, const char *text, struct kw_error *err);

/* Decodes the query parameter name onto out (its own form is plain; '+' is a space in values).
 * KW_NOT_FOUND if it is absent, KW_BAD_REQUEST if malformed or there twice. */
KW_ERR kw_http_query_get(const struct kw_http_request *req, const char *name, struct kw_buf *out,
                         struct kw_error *err);

/* Answers. body (may be NULL) is moved and left empty; headers (may be NULL) end with a NULL name
 * and must not hold Content-Length, Content-Type, Connection, Date or Transfer-Encoding; a name or
 * value that is not allowed in a header turns the answer into a 500. content_type may be NULL if
 * there is no body. HEAD is handled here. Thread-safe. */
void kw_http_respond(struct kw_http_request *req, int status, const char *content_type,
                     struct kw_buf *body, const struct kw_http_field *headers);

/* Answers {"error":{"code","class","message","retryable","request_id"}} with the code's status.
 * message NULL: the code's own. A retryable error carries Retry-After: 1. Thread-safe. */
void kw_http_respond_error(struct kw_http_request *req, kw_code code, const char *message);

/* Has fn(req, arg) called soon on req's worker: for who learns on another thread that an answer can
 * be written, and wants to write it where there is time. Once a request at a time; the request is
 * alive until fn has answered it. Thread-safe. */
void kw_http_post(struct kw_http_request *req, void (*fn)(struct kw_http_request *req, void *arg),
                  void *arg);

/* The same body, for a caller that adds headers of its own. */
void kw_http_error_body(struct kw_buf *out, kw_code code, const char *message, const char *id);

/* A streamed answer (server-sent events, large files), chunked.
 *
 * ready is called on the worker after the start and whenever the stream may take more after
 * kw_http_send_chunk said KW_AGAIN; closed once if the connection ends before the answer has. Both
 * may be NULL. The stream is always ended by exactly one kw_http_respond_end, also after closed.
 * Callbacks may call send_chunk and respond_end. */
struct kw_http_stream {
    void (*ready)(void *arg, struct kw_http_request *req);
    void (*closed)(void *arg, struct kw_http_request *req);
    void *arg;
};

void kw_http_respond_start(struct kw_http_request *req, int status, const char *content_type,
                           const struct kw_http_field *headers,
                           const struct kw_http_stream *stream);

/* chunk is moved if KW_OK, else untouched: KW_AGAIN if too much is waiting (64 KiB; a chunk of
 * any size is taken below that), KW_UNAVAILABLE if the connection is gone, KW_NO_MEMORY.
 * Thread-safe against other requests; calls for one stream must follow each other. */
KW_ERR kw_http_send_chunk(struct kw_http_request *req, struct kw_buf *chunk, struct kw_error *err);

/* complete false: the answer broke off; the connection is cut so that the client can see it. */
void kw_http_respond_end(struct kw_http_request *req, bool complete);

/* How the server runs. kw_http_options_init sets every default (in brackets); texts are borrowed
 * until kw_http_server_new returns, arg and callbacks for the server's life. */
enum kw_http_client_cert { KW_HTTP_CERT_OFF, KW_HTTP_CERT_OPTIONAL, KW_HTTP_CERT_REQUIRED };

struct kw_http_tls {
    const char *cert_path; /* PEM chain, leaf first */
    const char *key_path;  /* PEM */
    const char *ca_path;   /* PEM: CAs that client certificates must chain to */
    const char *cert_pem;  /* instead of the paths, the content */
    const struct kw_secret *key_pem;
    const char *ca_pem;
    enum kw_http_client_cert client_cert;
    bool allow_tls12; /* [false] TLS 1.2 with AEAD and ECDHE for old clients */
};

struct kw_http_limits {
    unsigned connections;             /* [10000] over all workers; more are closed at once */
    unsigned requests_per_connection; /* [100000] then Connection: close */
    unsigned pipeline;       /* [16] unanswered requests of a connection; then no more is read */
    size_t header_bytes;     /* [8192] */
    size_t body_bytes;       /* [1 MiB] */
    size_t buffered_bytes;   /* [256 MiB] of request bodies held at one time, over all workers */
    unsigned handshake_ms;   /* [10 000] from accept to the end of the TLS handshake */
    unsigned header_ms;      /* [10 000] from a request's first byte to its last header */
    unsigned request_ms;     /* [30 000] from a request's first byte to its last */
    unsigned idle_ms;        /* [60 000] without a request under way */
    unsigned write_stall_ms; /* [30 000] for the peer to take the next 16 KiB of an answer */
    unsigned drain_ms;       /* [10 000] for requests under way after kw_http_server_stop */
};

struct kw_http_options {
    const char *address; /* host:port or [v6]:port; an IP address or localhost; port 0: any */
    bool plain;          /* [false] no TLS; loopback addresses only */
    unsigned workers;    /* [0: one a processor] */
    int backlog;         /* [1024] */
    struct kw_http_tls tls;
    struct kw_http_limits limits;
    void *arg; /* first argument of the callbacks */
    /* Answers the request, now or later. Must not block for long. */
    void (*handler)(void *arg, struct kw_http_request *req);
    /* May be NULL: on the worker, after a batch of events has been handled and before answers are
     * written: the place to submit batched work. */
    void (*on_batch)(void *arg, unsigned worker);
    /* May be NULL: a handshake failed, a client was cut off, accept failed. On the worker. */
    void (*on_connection_error)(void *arg, const char *reason, const char *remote);
};

void kw_http_options_init(struct kw_http_options *options);

/* Binds the address and loads the certificates: KW_BAD_CONFIG, KW_BAD_CERTIFICATE (does not load,
 * does not fit its key, has expired), KW_ADDRESS_IN_USE, KW_NOT_FOUND (a file). */
KW_ERR kw_http_server_new(const struct kw_http_options *options, struct kw_http_server **out,
                          struct kw_error *err);

/* Starts the workers. */
KW_ERR kw_http_server_start(struct kw_http_server *server, struct kw_error *err);

/* Stops accepting, lets requests under way finish until the drain deadline, closes every
 * connection and joins the workers. Answers given afterwards are dropped. Not from a worker. */
void kw_http_server_stop(struct kw_http_server *server);

/* After kw_http_server_stop: runs what was posted and applies answers that came since, on this
 * thread. Who has requests under way elsewhere calls it until they have all been answered. */
void kw_http_server_settle(struct kw_http_server *server);

/* Stops if need be, and frees, requests never answered included: no other thread may still hold
 * one. */
void kw_http_server_free(struct kw_http_server *server);
KW_CLEANUP_FREE(kw_http_server)

unsigned kw_http_server_port(const struct kw_http_server *server);
unsigned kw_http_server_workers(const struct kw_http_server *server);

/* New connections use these certificates; existing ones are closed after their next answer, since
 * they were let in by the old ones. On failure all stays as it was. Thread-safe. */
KW_ERR kw_http_server_reload(struct kw_http_server *server, const struct kw_http_tls *tls,
                             struct kw_error *err);

/* When the server's own certificate ends, wall time in ms; 0 without TLS. Thread-safe. */
int64_t kw_http_server_not_after_ms(struct kw_http_server *server);

/* Counters since the start, and gauges (open, in_flight). */
#define KW_HTTP_STATS(X)                                                                           \
    X(connections, "connections accepted")                                                         \
    X(refused, "connections closed at once: too many open")                                        \
    X(open, "connections open now")                                                                \
    X(handshakes, "TLS handshakes completed")                                                      \
    X(handshake_failures, "TLS handshakes failed")                                                 \
    X(requests, "requests handed to the handler")                                                  \
    X(in_flight, "requests not yet answered")                                                      \
    X(answers, "answers written, those to bad requests included")                                  \
    X(bad_requests, "requests refused by the parser or a limit")                                   \
    X(timeouts, "connections cut off at a deadline other than idle")                               \
    X(discarded, "answers dropped because their connection was gone")                              \
    X(accept_failures, "accept failed: out of descriptors or memory")                              \
    X(bytes_in, "bytes read, after TLS")                                                           \
    X(bytes_out, "bytes written, before TLS")

struct kw_http_stats {
#define KW_X(name, help) uint64_t name;
    KW_HTTP_STATS(KW_X)
#undef KW_X
};

/* Thread-safe; the numbers are of about one moment. */
void kw_http_server_stats(const struct kw_http_server *server, struct kw_http_stats *out);

#endif

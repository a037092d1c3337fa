#include "http/internal.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { WORKERS_MAX = 256 };

void kw_http_options_init(struct kw_http_options *options)
{
    *options = (struct kw_http_options){
        .backlog = 1024,
        .limits =
            {
                .connections = 10000,
                .requests_per_connection = 100000,
                .pipeline = 16,
                .header_bytes = 8192,
                .body_bytes = 1 << 20,
                .buffered_bytes = 256 << 20,
                .handshake_ms = 10000,
                .header_ms = 10000,
                .request_ms = 30000,
                .idle_ms = 60000,
                .write_stall_ms = 30000,
                .drain_ms = 10000,
            },
    };
}

static KW_ERR check(const struct kw_http_options *options, struct kw_error *err)
{
    const struct kw_http_limits *limits = &options->limits;
    if (options->address == NULL || options->handler == NULL)
        return kw_fail(err, KW_USAGE, "an HTTP server needs an address and a handler");
    if (limits->connections == 0 || limits->pipeline == 0 || limits->header_bytes < 64 ||
        limits->header_bytes > (1 << 20) || limits->body_bytes > KW_BUF_MAX / 2 ||
        limits->requests_per_connection == 0)
        return kw_fail(err, KW_BAD_CONFIG, "a limit of the HTTP server is out of range");
    if (options->workers > WORKERS_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "at most %d workers", WORKERS_MAX);
    return KW_OK;
}

static unsigned worker_count(unsigned wanted)
{
    if (wanted > 0)
        return wanted;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors < 1)
        return 1;
    return processors > WORKERS_MAX ? WORKERS_MAX : (unsigned)processors;
}

static KW_ERR open_listeners(struct kw_http_server *server, struct kw_error *err)
{
    int fds[WORKERS_MAX];
    for (unsigned i = 0; i < server->workers_count; i++)
        fds[i] = -1;
    kw_code code = kw_http_listen(&server->options, fds, server->workers_count, &server->port, err);
    for (unsigned i = 0; i < server->workers_count; i++)
        server->workers[i].listener = fds[i];
    return code;
}

static KW_ERR build(struct kw_http_server *server, struct kw_error *err)
{
    if (!server->options.plain)
        KW_TRY(kw_http_tls_context(&server->options.tls, &server->ctx, &server->not_after_ms, err));
    KW_TRY(open_listeners(server, err));
    for (unsigned i = 0; i < server->workers_count; i++)
        KW_TRY(kw_http_worker_init(&server->workers[i], server, i, err));
    return KW_OK;
}

KW_ERR kw_http_server_new(const struct kw_http_options *options, struct kw_http_server **out,
                          struct kw_error *err)
{
    KW_TRY(check(options, err));
    KW_AUTO_PTR(kw_http_server) server = calloc(1, sizeof *server);
    if (server == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    server->options = *options;
    pthread_mutex_init(&server->lock, NULL);
    unsigned count = worker_count(options->workers);
    server->workers = calloc(count, sizeof *server->workers);
    if (server->workers == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    server->workers_count = count;
    for (unsigned i = 0; i < count; i++)
        server->workers[i].epoll = server->workers[i].wake = server->workers[i].listener = -1;
    KW_TRY(build(server, err));
    server->options.address = NULL; /* borrowed until here */
    server->options.tls = (struct kw_http_tls){0};
    *out = server;
    server = NULL;
    return KW_OK;
}

/* Signals belong to the program's own threads; SIGPIPE of OpenSSL's writes would end the process.
 */
KW_ERR kw_http_server_start(struct kw_http_server *server, struct kw_error *err)
{
    sigset_t all;
    sigset_t before;
    int rc = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < server->workers_count && rc == 0; i++) {
        struct kw_http_worker *worker = &server->workers[i];
        rc = pthread_create(&worker->thread, NULL, kw_http_worker_run, worker);
        worker->started = rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        return KW_OK;
    kw_http_server_stop(server);
    return kw_fail_errno(err, rc, "starting the workers");
}

void kw_http_server_stop(struct kw_http_server *server)
{
    atomic_store(&server->stopping, true);
    for (unsigned i = 0; i < server->workers_count; i++)
        if (server->workers[i].started)
            kw_http_worker_wake(&server->workers[i]);
    for (unsigned i = 0; i < server->workers_count; i++)
        if (server->workers[i].started) {
            pthread_join(server->workers[i].thread, NULL);
            server->workers[i].started = false;
        }
}

void kw_http_server_settle(struct kw_http_server *server)
{
    for (unsigned i = 0; i < server->workers_count; i++)
        kw_http_notes_apply(&server->workers[i]);
}

void kw_http_server_free(struct kw_http_server *server)
{
    if (server == NULL)
        return;
    kw_http_server_stop(server);
    for (unsigned i = 0; i < server->workers_count; i++)
        kw_http_worker_wipe(&server->workers[i]);
    free(server->workers);
    SSL_CTX_free(server->ctx);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

unsigned kw_http_server_port(const struct kw_http_server *server)
{
    return server->port;
}

unsigned kw_http_server_workers(const struct kw_http_server *server)
{
    return server->workers_count;
}

KW_ERR kw_http_server_reload(struct kw_http_server *server, const struct kw_http_tls *tls,
                             struct kw_error *err)
{
    SSL_CTX *fresh = NULL;
    int64_t ends = 0;
    if (server->options.plain)
        return kw_fail(err, KW_USAGE, "this server runs without TLS");
    KW_TRY(kw_http_tls_context(tls, &fresh, &ends, err));
    pthread_mutex_lock(&server->lock);
    SSL_CTX *old = server->ctx;
    server->ctx = fresh;
    server->not_after_ms = ends;
    atomic_fetch_add(&server->generation, 1);
    pthread_mutex_unlock(&server->lock);
    SSL_CTX_free(old); /* connections keep a reference of their own */
    return KW_OK;
}

int64_t kw_http_server_not_after_ms(struct kw_http_server *server)
{
    pthread_mutex_lock(&server->lock);
    int64_t ends = server->not_after_ms;
    pthread_mutex_unlock(&server->lock);
    return ends;
}

void kw_http_server_stats(const struct kw_http_server *server, struct kw_http_stats *out)
{
    *out = (struct kw_http_stats){0};
    for (unsigned i = 0; i < server->workers_count; i++) {
        const struct kw_http_counters *from = &server->workers[i].counters;
#define KW_X(name, help) out->name += atomic_load_explicit(&from->name, memory_order_relaxed);
        KW_HTTP_STATS(KW_X)
#undef KW_X
    }
}

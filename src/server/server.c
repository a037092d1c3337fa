#include "server/server.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "server/internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { SETTLE_MS = 15000 };

static void on_connection_error(void *arg, const char *reason, const char *remote)
{
    struct kw_server *server = arg;
    if (!kw_server_may_log(server, remote))
        return;
    kw_log(KW_LOG_INFO, "connection", KW_LOG_STR("reason", reason), KW_LOG_STR("remote", remote));
}

static KW_ERR take_path(char out[KW_PATH_SIZE], const char *given, const struct kw_home *home,
                        const char *file, struct kw_error *err)
{
    if (given != NULL)
        return kw_path_format(out, err, "%s", given);
    return kw_path_format(out, err, "%s/tls/%s", kw_home_dir(home), file);
}

static KW_ERR take_tls(struct kw_server *server, struct kw_error *err)
{
    const struct kw_server_options *options = &server->options;
    KW_TRY(take_path(server->cert_path, options->cert_path, options->home, "server.crt", err));
    KW_TRY(take_path(server->key_path, options->key_path, options->home, "server.key", err));
    KW_TRY(take_path(server->ca_path, options->ca_path, options->home, "ca.crt", err));
    server->tls = (struct kw_http_tls){.cert_path = server->cert_path,
                                       .key_path = server->key_path,
                                       .ca_path = server->ca_path,
                                       .client_cert = KW_HTTP_CERT_OPTIONAL};
    return KW_OK;
}

static void or_default(unsigned *value, unsigned given)
{
    if (given != 0)
        *value = given;
}

static KW_ERR make_http(struct kw_server *server, struct kw_error *err)
{
    const struct kw_server_options *options = &server->options;
    struct kw_http_options http;
    kw_http_options_init(&http);
    http.address = options->address != NULL ? options->address : "127.0.0.1:8443";
    http.workers = options->workers;
    http.tls = server->tls;
    or_default(&http.limits.connections, options->connections);
    or_default(&http.limits.header_ms, options->header_ms);
    or_default(&http.limits.request_ms, options->request_ms);
    or_default(&http.limits.idle_ms, options->idle_ms);
    or_default(&http.limits.drain_ms, options->drain_ms);
    if (options->body_bytes != 0)
        http.limits.body_bytes = options->body_bytes;
    http.arg = server;
    http.handler = kw_server_handle;
    http.on_batch = kw_server_batch;
    http.on_connection_error = on_connection_error;
    return kw_http_server_new(&http, &server->http, err);
}

KW_ERR kw_server_new(const struct kw_server_options *options, struct kw_server **out,
                     struct kw_error *err)
{
    KW_AUTO_PTR(kw_server) server = calloc(1, sizeof *server);
    if (server == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    server->options = *options;
    if (options->trust_domain == NULL)
        server->options.trust_domain = kw_home_facts(options->home)->trust_domain;
    kw_server_metrics_init(server);
    if (options->rate_principal != 0)
        KW_TRY(kw_rate_new(options->rate_principal, 0, &server->rate, err));
    KW_TRY(kw_server_guard_new(server, err));
    KW_TRY(take_tls(server, err));
    KW_TRY(make_http(server, err));
    *out = server;
    server = NULL;
    return KW_OK;
}

KW_ERR kw_server_start(struct kw_server *server, struct kw_error *err)
{
    return kw_http_server_start(server->http, err);
}

/* Requests whose connection was cut at the drain deadline are still the API's until it is through
 * with them; the ledger's own deadline bounds how long that takes. */
void kw_server_stop(struct kw_server *server)
{
    kw_http_server_stop(server->http);
    int64_t until_ms = kw_clock_ms() + SETTLE_MS;
    while (atomic_load(&server->in_flight) > 0 && kw_clock_ms() < until_ms) {
        struct timespec pause = {.tv_nsec = 1000000};
        kw_http_server_settle(server->http);
        nanosleep(&pause, NULL);
    }
}

void kw_server_free(struct kw_server *server)
{
    if (server == NULL)
        return;
    if (server->http != NULL)
        kw_server_stop(server);
    kw_http_server_free(server->http);
    kw_rate_free(server->rate);
    kw_rate_free(server->log_rate);
    free(server);
}

unsigned kw_server_port(const struct kw_server *server)
{
    return kw_http_server_port(server->http);
}

KW_ERR kw_server_reload(struct kw_server *server, struct kw_error *err)
{
    return kw_http_server_reload(server->http, &server->tls, err);
}

static void reload_and_log(struct kw_server *server)
{
    struct kw_error err = {0};
    if (kw_server_reload(server, &err) == KW_OK)
        kw_log(KW_LOG_INFO, "certificates reloaded", KW_LOG_STR("certificate", server->cert_path));
    else
        kw_log(KW_LOG_ERROR, "certificates not reloaded", KW_LOG_STR("reason", err.text));
}

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void kw_server_signals_block(void)
{
    sigset_t set;
    signal_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int wait_for_end(struct kw_server *server)
{
    sigset_t set;
    signal_set(&set);
    for (;;) {
        int number = 0;
        if (sigwait(&set, &number) != 0)
            continue;
        if (number != SIGHUP)
            return number;
        reload_and_log(server);
    }
}

KW_ERR kw_server_run(struct kw_server *server,
                     void (*on_ready)(void *arg, struct kw_server *server), void *arg,
                     struct kw_error *err)
{
    kw_server_signals_block();
    KW_TRY(kw_server_start(server, err));
    if (on_ready != NULL)
        on_ready(arg, server);
    int number = wait_for_end(server);
    kw_log(KW_LOG_INFO, "stopping", KW_LOG_STR("signal", number == SIGINT ? "INT" : "TERM"));
    kw_server_stop(server);
    return KW_OK;
}

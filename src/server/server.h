/* The server: HTTPS in front of the API of a home. It authenticates, limits, routes, measures and
 * logs; what a request means is the API's business.
 *
 * Callers are known by a client certificate of the home's CA (or another that is configured) with
 * exactly one SPIFFE id, spiffe://TRUST-DOMAIN/ROLE/NAME, or by a bearer token. Open to all:
 * /healthz, /readyz, /openapi.json, and /metrics from loopback addresses. */
#ifndef KW_SERVER_SERVER_H
#define KW_SERVER_SERVER_H

#include "home/home.h"

struct kw_server;

/* Texts are borrowed for the server's life. 0 and NULL mean the default. */
struct kw_server_options {
    struct kw_home *home; /* borrowed */
    const char *address;  /* 127.0.0.1:8443 */
    unsigned workers;     /* one a processor */
    unsigned connections;
    unsigned header_ms, request_ms, idle_ms, drain_ms;
    size_t body_bytes;
    const char *cert_path, *key_path, *ca_path; /* the home's */
    const char *trust_domain;                   /* of client certificates; the home\'s */
    uint32_t rate_principal;                    /* requests a second; 0: no limit */
};

/* Binds and loads certificates; KW_ADDRESS_IN_USE, KW_BAD_CERTIFICATE say what to do. */
KW_ERR kw_server_new(const struct kw_server_options *options, struct kw_server **out,
                     struct kw_error *err);
KW_ERR kw_server_start(struct kw_server *server, struct kw_error *err);
/* Stops accepting, answers what is under way, and closes. */
void kw_server_stop(struct kw_server *server);
void kw_server_free(struct kw_server *server);
KW_CLEANUP_FREE(kw_server)

unsigned kw_server_port(const struct kw_server *server);

/* New connections use the certificates as they are on disk now. */
KW_ERR kw_server_reload(struct kw_server *server, struct kw_error *err);

/* Blocks the signals that kw_server_run waits for, in this thread and those it makes: to be called
 * before the home is opened, whose threads would else be ended by them. */
void kw_server_signals_block(void);

/* Starts, says so by on_ready (may be NULL), and runs until SIGTERM or SIGINT; SIGHUP reloads the
 * certificates. */
KW_ERR kw_server_run(struct kw_server *server,
                     void (*on_ready)(void *arg, struct kw_server *server), void *arg,
                     struct kw_error *err);

#endif

/* Inside the server. */
#ifndef KW_SERVER_INTERNAL_H
#define KW_SERVER_INTERNAL_H

#include "base/rate.h"
#include "http/http.h"
#include "server/server.h"

#include <stdatomic.h>

enum { KW_SERVER_PRINCIPAL_SIZE = 264, KW_SERVER_BUCKETS = 16 };

/* What the requests of one kind took. */
struct kw_server_series {
    const char *route;
    atomic_uint_fast64_t buckets[KW_SERVER_BUCKETS]; /* not cumulative */
    atomic_uint_fast64_t us_total;
    atomic_uint_fast64_t by_status[6]; /* 1xx ... 5xx */
};

enum kw_server_route {
    KW_ROUTE_DATA_KEYS,
    KW_ROUTE_SEAL,
    KW_ROUTE_LEDGER,
    KW_ROUTE_OTHER,
    KW_ROUTES
};

struct kw_server {
    struct kw_server_options options;
    struct kw_http_server *http;
    struct kw_http_tls tls;
    char cert_path[4096], key_path[4096], ca_path[4096];
    struct kw_rate *rate;
    struct kw_rate *log_rate; /* of lines about those who were not let in, by address */
    atomic_uint in_flight;    /* calls that the API has */
    atomic_uint_fast64_t unauthenticated, rate_limited, log_dropped;
    struct kw_server_series series[KW_ROUTES];
};

_Static_assert((int)KW_SERVER_PRINCIPAL_SIZE >= (int)KW_HTTP_URI_SIZE, "a SPIFFE id fits");

/* Who sent the request, in texts of its own; all zero before. */
struct kw_server_identity {
    char principal[KW_SERVER_PRINCIPAL_SIZE];
    const char *tenants;
    struct kw_buf scope; /* where tenants lies, if it is of a token */
    char source[KW_HTTP_REMOTE_SIZE];
    unsigned rights;
};

/* auth.c: KW_UNAUTHENTICATED, KW_TOKEN_EXPIRED, KW_BAD_CERTIFICATE. source is filled in any case.
 */
KW_ERR kw_server_identify(struct kw_server *server, const struct kw_http_request *req,
                          struct kw_server_identity *out, struct kw_error *err);
static inline void kw_server_identity_wipe(struct kw_server_identity *who)
{
    kw_buf_wipe(&who->scope);
}
KW_CLEANUP_WIPE(kw_server_identity)
bool kw_server_from_loopback(const struct kw_http_request *req);

/* guard.c: before it is known who is asking. */
KW_ERR kw_server_guard_new(struct kw_server *server, struct kw_error *err);
/* The address in remote, without its port. */
void kw_server_source(const char *remote, char out[KW_HTTP_REMOTE_SIZE]);
/* May one more line about this address be written? One that is not is counted. */
bool kw_server_may_log(struct kw_server *server, const char *remote);
/* KW_FORBIDDEN for a request that a browser sends on behalf of another web site. */
KW_ERR kw_server_same_site(const struct kw_http_request *req, struct kw_error *err);

/* route.c: the HTTP layer's handler. */
void kw_server_handle(void *arg, struct kw_http_request *req);
/* And what it calls after a turn's requests. */
void kw_server_batch(void *arg, unsigned worker);

/* metrics.c */
enum kw_server_route kw_server_route_of(const char *path);
void kw_server_measure(struct kw_server *server, enum kw_server_route route, int status,
                       int64_t us);
void kw_server_metrics_init(struct kw_server *server);
void kw_server_metrics(struct kw_server *server, struct kw_buf *out);
/* The lines that begin a metric; a metric of one number. Names without "keyward_". */
void kw_metric_head(struct kw_buf *out, const char *name, const char *type, const char *help);
void kw_metric_one(struct kw_buf *out, const char *name, const char *type, const char *help,
                   uint64_t value);
/* metrics_providers.c */
void kw_server_metrics_providers(struct kw_authority *authority, struct kw_buf *out);

#endif

/* Inside the router. */
#ifndef KW_ROUTER_INTERNAL_H
#define KW_ROUTER_INTERNAL_H

#include "router/breaker.h"

#include <stdatomic.h>

struct kw_route {
    struct kw_provider *provider;
    char *key;
    bool hsm;
    uint64_t price_nano;
    int64_t attempt_ms;
    struct kw_breaker *breaker; /* shared by all routes of the provider */
    atomic_uint_fast64_t wraps, unwraps, failures;
};

struct kw_region_routes {
    char name[KW_ROUTER_REGION_SIZE];
    enum kw_preference preference;
    size_t copies_min;
    size_t count;
    struct kw_route routes[KW_ROUTES_MAX];
};

struct kw_router {
    struct kw_region_routes regions[KW_ROUTER_REGIONS_MAX];
    size_t region_count;
    struct kw_breaker *breakers[KW_ROUTER_REGIONS_MAX * KW_ROUTES_MAX];
    struct kw_provider *breaker_of[KW_ROUTER_REGIONS_MAX * KW_ROUTES_MAX];
    size_t breaker_count;
};

struct kw_region_routes *kw_router_region_find(struct kw_router *router, const char *name);

/* The routes of a region that fulfil what is required, best first. Open breakers come last, not
 * out: when nothing else is left they are worth a try once their pause is over. */
size_t kw_router_rank(struct kw_region_routes *region, bool hsm,
                      struct kw_route *out[KW_ROUTES_MAX]);

/* One call of a route through its breaker. KW_PROVIDER_UNAVAILABLE at once while that is open. */
KW_ERR kw_route_wrap(struct kw_route *route, const struct kw_router_call *call,
                     const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err);
KW_ERR kw_route_unwrap(struct kw_route *route, const struct kw_router_call *call,
                       const struct kw_router_copy *copy, struct kw_secret *out,
                       struct kw_error *err);

#endif

/* Inside the router. */
#ifndef KW_ROUTER_INTERNAL_H
#define KW_ROUTER_INTERNAL_H

#include "router/breaker.h"

#include <stdatomic.h>

/* A provider and root key of a region, or a guest there: then tenants says whose. */
struct kw_route {
    const struct kw_router *router;
    const char *region; /* its name */
    struct kw_provider *provider;
    char *key;     /* of a guest: what may be wrapped under alone, or "": each call names one */
    char *tenants; /* NULL: no guest */
    bool hsm;
    uint64_t price_nano;
    struct kw_breaker *breaker; /* shared by all routes of the provider */
    atomic_uint_fast64_t wraps, unwraps, failures, spent_nano;
};

struct kw_region_routes {
    char name[KW_ROUTER_REGION_SIZE];
    enum kw_preference preference;
    size_t copies_min;
    bool hsm;
    size_t count;
    struct kw_route routes[KW_ROUTES_MAX];
    size_t guest_count;
    struct kw_route *guests;
};

struct kw_router {
    struct kw_region_routes regions[KW_ROUTER_REGIONS_MAX];
    size_t region_count;
    struct kw_breaker *breakers; /* a list */
    int64_t attempt_ms;
    void (*used)(void *arg, const struct kw_router_use *use);
    void *used_arg;
};

struct kw_region_routes *kw_router_region_find(struct kw_router *router, const char *name);
/* A route or guest of the region. */
struct kw_route *kw_router_route_find(struct kw_router *router, const char *region,
                                      const char *provider);

/* rank.c: the routes that a call may take, best first; this is the wall. Open breakers come last,
 * not out: when nothing else is left they are worth a try once their pause is over. */
struct kw_choice {
    const struct kw_region_routes *region;
    size_t copies_min;
    size_t count;
    struct kw_route *routes[KW_ROUTES_MAX];
};
KW_ERR kw_router_choose(struct kw_router *router, const struct kw_router_call *call,
                        struct kw_choice *out, struct kw_error *err);

/* The region's own routes in the order of its preference; health: those that are well first. */
size_t kw_router_rank(struct kw_region_routes *region, bool hsm, bool health,
                      struct kw_route *out[KW_ROUTES_MAX]);

/* route.c: one call of a route, in two parts. An admitted attempt is followed by exactly one
 * kw_attempt_wrap, kw_attempt_unwrap or kw_attempt_check, which reports it to the breaker and to
 * used(). */
struct kw_attempt {
    struct kw_route *route;
    const struct kw_router_call *call;
    const char *key;
    struct kw_breaker_ticket ticket;
    int64_t start_us;
    bool asked; /* out: the provider was asked */
};
/* At once KW_PROVIDER_UNAVAILABLE while the breaker is open, KW_RATE_LIMITED while too many calls
 * are in flight, KW_TIMEOUT if the deadline is over. */
KW_ERR kw_attempt_admit(struct kw_route *route, const struct kw_router_call *call, const char *key,
                        struct kw_attempt *out, struct kw_error *err);
KW_ERR kw_attempt_wrap(struct kw_attempt *attempt, const struct kw_secret *plaintext,
                       struct kw_buf *out, struct kw_error *err);
KW_ERR kw_attempt_unwrap(struct kw_attempt *attempt, struct kw_bytes blob, struct kw_secret *out,
                         struct kw_error *err);
KW_ERR kw_attempt_check(struct kw_attempt *attempt, struct kw_error *err);

/* retry.c: a round of attempts along the routes, and the rounds before it. Starts as zeros. */
struct kw_round {
    unsigned number;
    size_t tried;
    size_t asked;          /* that left, and failed in a way that may pass */
    size_t refused;        /* that breakers refused */
    struct kw_error worst; /* the failure to tell of: one that may pass before a final one */
    struct kw_error last;  /* of the round before */
};
void kw_round_failed(struct kw_round *round, const struct kw_error *why, bool asked);
/* Waits, and starts the next round. False: that makes no sense, or the deadline comes first. */
bool kw_round_again(struct kw_round *round, int64_t deadline_ms);
/* What the caller is told. */
kw_code kw_round_tell(const struct kw_round *round, const struct kw_choice *choice,
                      struct kw_error *err);

#endif

/* One route: its call through the breaker, and its place among the others. */
#include "router/internal.h"

#include "base/clock.h"

/* A provider that answers is healthy, whatever it answers, as long as it is not to be asked again.
 */
static void report(struct kw_route *route, kw_code code, int64_t start_us)
{
    bool good = code == KW_OK || !kw_code_retryable(code);
    kw_breaker_report(route->breaker, good, kw_clock_us() - start_us);
    if (code != KW_OK)
        atomic_fetch_add_explicit(&route->failures, 1, memory_order_relaxed);
}

static KW_ERR admit(struct kw_route *route, struct kw_error *err)
{
    if (kw_breaker_admit(route->breaker))
        return KW_OK;
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "provider %s has failed and is being left alone",
                   kw_provider_name(route->provider));
}

/* An attempt has less time than the whole: a slow provider must leave some for the next. */
static struct kw_provider_call provider_call(const struct kw_route *route,
                                             const struct kw_router_call *call, const char *key)
{
    int64_t attempt_end_ms = kw_clock_ms() + route->attempt_ms;
    bool sooner = call->deadline_ms == 0 || attempt_end_ms < call->deadline_ms;
    return (struct kw_provider_call){.key = key,
                                     .context = call->context,
                                     .context_count = call->context_count,
                                     .deadline_ms = sooner ? attempt_end_ms : call->deadline_ms};
}

KW_ERR kw_route_wrap(struct kw_route *route, const struct kw_router_call *call,
                     const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err)
{
    struct kw_provider_call ask = provider_call(route, call, route->key);
    KW_TRY(admit(route, err));
    int64_t start_us = kw_clock_us();
    atomic_fetch_add_explicit(&route->wraps, 1, memory_order_relaxed);
    kw_code code = kw_provider_wrap(route->provider, &ask, plaintext, out, err);
    report(route, code, start_us);
    return code;
}

KW_ERR kw_route_unwrap(struct kw_route *route, const struct kw_router_call *call,
                       const struct kw_router_copy *copy, struct kw_secret *out,
                       struct kw_error *err)
{
    struct kw_provider_call ask = provider_call(route, call, copy->provider_key);
    KW_TRY(admit(route, err));
    int64_t start_us = kw_clock_us();
    atomic_fetch_add_explicit(&route->unwraps, 1, memory_order_relaxed);
    kw_code code = kw_provider_unwrap(route->provider, &ask, copy->blob, out, err);
    report(route, code, start_us);
    return code;
}

/* Less is better. Health outweighs everything; a latency that is not known yet is worth finding
 * out. */
static uint64_t rank_of(struct kw_route *route, enum kw_preference preference)
{
    uint64_t health = (uint64_t)kw_breaker_state(route->breaker) << 56;
    switch (preference) {
    case KW_PREFER_LATENCY:
        return health | (uint64_t)kw_breaker_latency_us(route->breaker);
    case KW_PREFER_PRICE:
        return health | (route->price_nano & 0xffffffffffffffU);
    case KW_PREFER_ORDER:
    default:
        return health;
    }
}

size_t kw_router_rank(struct kw_region_routes *region, bool hsm,
                      struct kw_route *out[KW_ROUTES_MAX])
{
    uint64_t ranks[KW_ROUTES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < region->count; i++) {
        struct kw_route *route = &region->routes[i];
        if (hsm && !route->hsm)
            continue;
        uint64_t rank = rank_of(route, region->preference);
        size_t at = count++;
        for (; at > 0 && ranks[at - 1] > rank; at--) { /* equal ranks keep the list's order */
            ranks[at] = ranks[at - 1];
            out[at] = out[at - 1];
        }
        ranks[at] = rank;
        out[at] = route;
    }
    return count;
}

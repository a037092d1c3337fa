/* Looking at a router: what there is, and how it is doing. */
#include "router/internal.h"

enum {
    ALL = 1000,          /* per mille */
    SLOW_FROM = 2,       /* so many times the usual latency is trouble */
    SLOW_PER_TIME = 100, /* and each further time adds this */
    SLOW_MAX = 900,
    NOISE_US = 1000 /* less than this more is none */
};

static struct kw_route_status status_of(struct kw_route *route)
{
    struct kw_breaker_view view = kw_breaker_look(route->breaker);
    struct kw_route_status status = {
        .provider = kw_provider_name(route->provider),
        .kind = kw_provider_kind(route->provider),
        .key = route->key,
        .hsm = route->hsm,
        .breaker = view.state,
        .latency_us = view.latency_us,
        .wraps = atomic_load_explicit(&route->wraps, memory_order_relaxed),
        .unwraps = atomic_load_explicit(&route->unwraps, memory_order_relaxed),
        .failures = atomic_load_explicit(&route->failures, memory_order_relaxed),
        .spent_nano = atomic_load_explicit(&route->spent_nano, memory_order_relaxed),
        .price_nano = route->price_nano,
        .tenants = route->tenants,
    };
    snprintf(status.region, sizeof status.region, "%s", route->region);
    return status;
}

void kw_router_each(struct kw_router *router,
                    void (*each)(void *arg, const struct kw_route_status *status), void *arg)
{
    for (size_t r = 0; r < router->region_count; r++) {
        struct kw_region_routes *region = &router->regions[r];
        for (size_t i = 0; i < region->count + region->guest_count; i++) {
            struct kw_route_status status = status_of(
                i < region->count ? &region->routes[i] : &region->guests[i - region->count]);
            each(arg, &status);
        }
    }
}

size_t kw_router_routes(const struct kw_router *router, const char *region)
{
    for (size_t i = 0; i < router->region_count; i++)
        if (strcmp(router->regions[i].name, region) == 0)
            return router->regions[i].count;
    return 0;
}

/* How much slower than usual, as trouble. A latency that has not been measured for a while is
 * believed less and less: the trouble ends by itself. */
static unsigned slowness(const struct kw_breaker_view *view)
{
    int64_t usual = view->usual_us;
    if (usual == 0 || view->estimated_us < SLOW_FROM * usual ||
        view->estimated_us - usual < NOISE_US)
        return 0;
    int64_t trouble = (view->estimated_us / usual - 1) * SLOW_PER_TIME;
    return (unsigned)(trouble < SLOW_MAX ? trouble : SLOW_MAX);
}

unsigned kw_router_trouble(struct kw_router *router, const char *region)
{
    struct kw_route *routes[KW_ROUTES_MAX];
    struct kw_region_routes *found = kw_router_region_find(router, region);
    if (found == NULL)
        return 0;
    size_t count = kw_router_rank(found, found->hsm, false, routes);
    for (size_t ill = 0; ill < count; ill++) {
        struct kw_breaker_view view = kw_breaker_look(routes[ill]->breaker);
        if (view.state != KW_BREAKER_CLOSED || view.throttled)
            continue;
        unsigned lost = (unsigned)(ALL * ill / count);
        unsigned slow = slowness(&view);
        return lost > slow ? lost : slow;
    }
    return ALL;
}

bool kw_router_in_hardware(struct kw_router *router, const char *region, const char *provider)
{
    const struct kw_route *route = kw_router_route_find(router, region, provider);
    return route != NULL && route->hsm;
}

struct kw_provider *kw_router_provider(struct kw_router *router, const char *region,
                                       const char *provider)
{
    const struct kw_route *route = kw_router_route_find(router, region, provider);
    return route != NULL ? route->provider : NULL;
}

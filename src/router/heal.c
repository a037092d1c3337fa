/* Providers that were left alone are asked again by themselves: while others of the region serve,
 * no caller would ever be the one that finds out. */
#include "router/internal.h"

#include "base/clock.h"

/* A check is the cheap call that a provider offers; whatever it answers, it answers. */
static void probe(struct kw_route *route)
{
    struct kw_error ignored; /* the breaker keeps what matters of it */
    struct kw_attempt attempt;
    const struct kw_router_call call = {.region = route->region};
    if (kw_breaker_look(route->breaker).state == KW_BREAKER_HALF_OPEN &&
        kw_attempt_admit(route, &call, route->key, &attempt, &ignored) == KW_OK)
        (void)!kw_attempt_check(&attempt, &ignored);
}

void kw_router_heal(struct kw_router *router)
{
    for (size_t r = 0; r < router->region_count; r++)
        for (size_t i = 0; i < router->regions[r].count; i++)
            probe(&router->regions[r].routes[i]);
}

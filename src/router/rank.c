/* Which routes a call may take, and in which order. */
#include "router/internal.h"

/* Less is better. Health outweighs everything; a latency that is not known yet is worth finding
 * out. */
static uint64_t rank_of(const struct kw_route *route, enum kw_preference preference, bool health)
{
    struct kw_breaker_view view = kw_breaker_look(route->breaker);
    uint64_t rank = health ? (uint64_t)view.state << 56 : 0;
    switch (preference) {
    case KW_PREFER_LATENCY:
        return rank | ((uint64_t)view.estimated_us & 0xffffffffffffffU);
    case KW_PREFER_PRICE:
        return rank | (route->price_nano & 0xffffffffffffffU);
    case KW_PREFER_ORDER:
    default:
        return rank;
    }
}

size_t kw_router_rank(struct kw_region_routes *region, bool hsm, bool health,
                      struct kw_route *out[KW_ROUTES_MAX])
{
    uint64_t ranks[KW_ROUTES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < region->count; i++) {
        struct kw_route *route = &region->routes[i];
        if (hsm && !route->hsm)
            continue;
        uint64_t rank = rank_of(route, region->preference, health);
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

/* Is tenant one of the list? */
static bool serves(const struct kw_route *guest, const char *tenant)
{
    size_t len = tenant != NULL ? strlen(tenant) : 0;
    if (len == 0)
        return false;
    for (const char *at = guest->tenants; *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (size == len && memcmp(at, tenant, len) == 0)
            return true;
        at += size + (at[size] == ',');
    }
    return false;
}

static KW_ERR choose_guest(const struct kw_router_call *call, bool hsm, struct kw_choice *out,
                           struct kw_error *err)
{
    const struct kw_region_routes *region = out->region;
    for (size_t i = 0; i < region->guest_count; i++) {
        struct kw_route *guest = &region->guests[i];
        if (strcmp(kw_provider_name(guest->provider), call->guest) != 0)
            continue;
        if (!serves(guest, call->tenant))
            break;
        if (hsm && !guest->hsm)
            return kw_fail(err, KW_REGION_WALL, "provider %s does not keep keys in hardware",
                           call->guest);
        out->routes[0] = guest;
        out->count = 1;
        out->copies_min = 1;
        return KW_OK;
    }
    return kw_fail(err, KW_REGION_WALL,
                   "provider '%.40s' may hold no keys of tenant '%.40s' in region %s: its settings "
                   "tenants and regions say whose",
                   call->guest, call->tenant != NULL ? call->tenant : "", region->name);
}

KW_ERR kw_router_choose(struct kw_router *router, const struct kw_router_call *call,
                        struct kw_choice *out, struct kw_error *err)
{
    struct kw_region_routes *region = kw_router_region_find(router, call->region);
    if (region == NULL)
        return kw_fail(err, KW_UNKNOWN_REGION, "region '%.16s' is not configured", call->region);
    bool hsm = call->hsm || region->hsm;
    out->region = region;
    if (call->guest != NULL)
        return choose_guest(call, hsm, out, err);
    out->copies_min = region->copies_min;
    out->count = kw_router_rank(region, hsm, true, out->routes);
    if (out->count == 0)
        return kw_fail(err, KW_REGION_WALL, "region %s has no provider%s", call->region,
                       hsm ? " that keeps keys in hardware" : "");
    return KW_OK;
}

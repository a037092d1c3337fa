/* Making a router, and finding what it holds. */
#include "router/router.h"

#include "router/internal.h"

enum { ATTEMPT_MS = 3000 };

static struct kw_breaker *breaker_for(struct kw_router *router, struct kw_provider *provider,
                                      const struct kw_router_options *options)
{
    for (struct kw_breaker *breaker = router->breakers; breaker != NULL; breaker = breaker->next)
        if (breaker->provider == provider)
            return breaker;
    struct kw_breaker *breaker = calloc(1, sizeof *breaker);
    if (breaker == NULL)
        return NULL;
    kw_breaker_init(breaker, options);
    breaker->provider = provider;
    breaker->next = router->breakers;
    router->breakers = breaker;
    return breaker;
}

struct kw_route *kw_router_route_find(struct kw_router *router, const char *region,
                                      const char *provider)
{
    struct kw_region_routes *found = kw_router_region_find(router, region);
    for (size_t i = 0; found != NULL && i < found->count; i++)
        if (strcmp(kw_provider_name(found->routes[i].provider), provider) == 0)
            return &found->routes[i];
    for (size_t i = 0; found != NULL && i < found->guest_count; i++)
        if (strcmp(kw_provider_name(found->guests[i].provider), provider) == 0)
            return &found->guests[i];
    return NULL;
}

/* What routes and guests have in common. */
struct entry {
    struct kw_provider *provider;
    const char *key, *tenants;
    bool hsm;
    uint64_t price_nano;
};

/* Names with one comma between each two, and nothing else. */
static char *copy_names(const char *list)
{
    char *copy = malloc(strlen(list) + 1);
    size_t len = 0;
    for (list += strspn(list, ", \t"); copy != NULL && *list != '\0';
         list += strspn(list, ", \t")) {
        size_t size = strcspn(list, ", \t");
        if (len > 0)
            copy[len++] = ',';
        memcpy(copy + len, list, size);
        len += size;
        list += size;
    }
    if (copy != NULL)
        copy[len] = '\0';
    return copy;
}

static KW_ERR fill(struct kw_router *router, struct kw_region_routes *region,
                   const struct entry *from, const struct kw_router_options *options,
                   struct kw_route *route, struct kw_error *err)
{
    const char *name = kw_provider_name(from->provider);
    if (kw_router_route_find(router, region->name, name) != NULL)
        return kw_fail(err, KW_BAD_CONFIG, "region %s lists provider %s twice", region->name, name);
    if (region->hsm && !from->hsm)
        return kw_fail(
            err, KW_BAD_CONFIG,
            "region %s is for hardware alone and provider %s is not marked as such (hsm)",
            region->name, name);
    route->router = router;
    route->region = region->name;
    route->provider = from->provider;
    route->hsm = from->hsm;
    route->price_nano = from->price_nano;
    route->breaker = breaker_for(router, from->provider, options);
    route->key = strdup(from->key);
    route->tenants = from->tenants != NULL ? copy_names(from->tenants) : NULL;
    if (route->key != NULL && route->breaker != NULL &&
        (route->tenants != NULL || from->tenants == NULL))
        return KW_OK;
    free(route->key);
    free(route->tenants);
    return kw_fail_code(err, KW_NO_MEMORY);
}

static KW_ERR add_route(struct kw_router *router, struct kw_region_routes *region,
                        const struct kw_router_route *from, const struct kw_router_options *options,
                        struct kw_error *err)
{
    const struct entry entry = {.provider = from->provider,
                                .key = from->key,
                                .hsm = from->hsm,
                                .price_nano = from->price_nano};
    KW_TRY(fill(router, region, &entry, options, &region->routes[region->count], err));
    region->count++;
    return KW_OK;
}

static KW_ERR add_guest(struct kw_router *router, struct kw_region_routes *region,
                        const struct kw_router_guest *from, const struct kw_router_options *options,
                        struct kw_error *err)
{
    const struct entry entry = {.provider = from->provider,
                                .key = from->key != NULL ? from->key : "",
                                .tenants = from->tenants,
                                .hsm = from->hsm,
                                .price_nano = from->price_nano};
    if (from->tenants == NULL || from->tenants[strspn(from->tenants, ", \t")] == '\0')
        return kw_fail(err, KW_BAD_CONFIG, "region %s: guest %s is for no tenant", region->name,
                       kw_provider_name(from->provider));
    KW_TRY(fill(router, region, &entry, options, &region->guests[region->guest_count], err));
    region->guest_count++;
    return KW_OK;
}

static KW_ERR add_guests(struct kw_router *router, struct kw_region_routes *region,
                         const struct kw_router_region *from,
                         const struct kw_router_options *options, struct kw_error *err)
{
    if (from->guest_count == 0)
        return KW_OK;
    region->guests = calloc(from->guest_count, sizeof *region->guests);
    if (region->guests == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < from->guest_count; i++)
        KW_TRY(add_guest(router, region, &from->guests[i], options, err));
    return KW_OK;
}

static KW_ERR add_region(struct kw_router *router, const struct kw_router_region *from,
                         const struct kw_router_options *options, struct kw_error *err)
{
    if (strlen(from->name) >= KW_ROUTER_REGION_SIZE || from->route_count > KW_ROUTES_MAX ||
        from->guest_count > KW_GUESTS_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "region %.32s: its name or its list is too long",
                       from->name);
    if (kw_router_region_find(router, from->name) != NULL)
        return kw_fail(err, KW_BAD_CONFIG, "region %s is configured twice", from->name);
    struct kw_region_routes *region = &router->regions[router->region_count++];
    snprintf(region->name, sizeof region->name, "%s", from->name);
    region->preference = from->preference;
    region->copies_min = from->copies_min != 0 ? from->copies_min : 1;
    region->hsm = from->hsm;
    for (size_t i = 0; i < from->route_count; i++)
        KW_TRY(add_route(router, region, &from->routes[i], options, err));
    if (region->count < region->copies_min)
        return kw_fail(err, KW_BAD_CONFIG, "region %s has %zu providers for %zu copies",
                       region->name, region->count, region->copies_min);
    return add_guests(router, region, from, options, err);
}

KW_ERR kw_router_new(const struct kw_router_options *options, struct kw_router **out,
                     struct kw_error *err)
{
    if (options->region_count == 0 || options->region_count > KW_ROUTER_REGIONS_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "1 to %d regions are needed", KW_ROUTER_REGIONS_MAX);
    KW_AUTO_PTR(kw_router) router = calloc(1, sizeof *router);
    if (router == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    router->attempt_ms = options->attempt_ms != 0 ? options->attempt_ms : ATTEMPT_MS;
    router->used = options->used;
    router->used_arg = options->used_arg;
    for (size_t i = 0; i < options->region_count; i++)
        KW_TRY(add_region(router, &options->regions[i], options, err));
    *out = router;
    router = NULL;
    return KW_OK;
}

static void routes_free(struct kw_route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(routes[i].key);
        free(routes[i].tenants);
    }
}

void kw_router_free(struct kw_router *router)
{
    if (router == NULL)
        return;
    for (size_t r = 0; r < router->region_count; r++) {
        struct kw_region_routes *region = &router->regions[r];
        routes_free(region->routes, region->count);
        routes_free(region->guests, region->guest_count);
        free(region->guests);
    }
    while (router->breakers != NULL) {
        struct kw_breaker *breaker = router->breakers;
        router->breakers = breaker->next;
        kw_breaker_destroy(breaker);
        free(breaker);
    }
    free(router);
}

struct kw_region_routes *kw_router_region_find(struct kw_router *router, const char *name)
{
    for (size_t i = 0; i < router->region_count; i++)
        if (strcmp(router->regions[i].name, name) == 0)
            return &router->regions[i];
    return NULL;
}

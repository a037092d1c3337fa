#include "router/router.h"

#include "base/clock.h"
#include "crypto/random.h"
#include "router/internal.h"

#include <time.h>

enum { PAUSE_MS = 20, PAUSE_MAX_MS = 500, ATTEMPT_MS = 3000 };

/* ---- Making one -------------------------------------------------------------------------------
 */

static struct kw_breaker *breaker_for(struct kw_router *router, struct kw_provider *provider,
                                      const struct kw_router_options *options)
{
    for (size_t i = 0; i < router->breaker_count; i++)
        if (router->breaker_of[i] == provider)
            return router->breakers[i];
    struct kw_breaker *breaker = calloc(1, sizeof *breaker);
    if (breaker == NULL)
        return NULL;
    kw_breaker_init(breaker, options);
    router->breaker_of[router->breaker_count] = provider;
    router->breakers[router->breaker_count++] = breaker;
    return breaker;
}

static KW_ERR add_route(struct kw_router *router, struct kw_region_routes *region,
                        const struct kw_router_route *from, const struct kw_router_options *options,
                        struct kw_error *err)
{
    for (size_t i = 0; i < region->count; i++)
        if (strcmp(kw_provider_name(region->routes[i].provider),
                   kw_provider_name(from->provider)) == 0)
            return kw_fail(err, KW_BAD_CONFIG, "region %s lists provider %s twice", region->name,
                           kw_provider_name(from->provider));
    struct kw_route *route = &region->routes[region->count];
    route->provider = from->provider;
    route->hsm = from->hsm;
    route->price_nano = from->price_nano;
    route->attempt_ms = options->attempt_ms != 0 ? options->attempt_ms : ATTEMPT_MS;
    route->breaker = breaker_for(router, from->provider, options);
    route->key = strdup(from->key);
    if (route->key == NULL || route->breaker == NULL) {
        free(route->key);
        return kw_fail_code(err, KW_NO_MEMORY);
    }
    region->count++;
    return KW_OK;
}

static KW_ERR add_region(struct kw_router *router, const struct kw_router_region *from,
                         const struct kw_router_options *options, struct kw_error *err)
{
    if (strlen(from->name) >= KW_ROUTER_REGION_SIZE || from->route_count > KW_ROUTES_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "region %.32s: its name or its list is too long",
                       from->name);
    if (kw_router_region_find(router, from->name) != NULL)
        return kw_fail(err, KW_BAD_CONFIG, "region %s is configured twice", from->name);
    struct kw_region_routes *region = &router->regions[router->region_count++];
    snprintf(region->name, sizeof region->name, "%s", from->name);
    region->preference = from->preference;
    region->copies_min = from->copies_min != 0 ? from->copies_min : 1;
    for (size_t i = 0; i < from->route_count; i++)
        KW_TRY(add_route(router, region, &from->routes[i], options, err));
    if (region->count < region->copies_min)
        return kw_fail(err, KW_BAD_CONFIG, "region %s has %zu providers for %zu copies",
                       region->name, region->count, region->copies_min);
    return KW_OK;
}

KW_ERR kw_router_new(const struct kw_router_options *options, struct kw_router **out,
                     struct kw_error *err)
{
    if (options->region_count == 0 || options->region_count > KW_ROUTER_REGIONS_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "1 to %d regions are needed", KW_ROUTER_REGIONS_MAX);
    KW_AUTO_PTR(kw_router) router = calloc(1, sizeof *router);
    if (router == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < options->region_count; i++)
        KW_TRY(add_region(router, &options->regions[i], options, err));
    *out = router;
    router = NULL;
    return KW_OK;
}

void kw_router_free(struct kw_router *router)
{
    if (router == NULL)
        return;
    for (size_t r = 0; r < router->region_count; r++)
        for (size_t i = 0; i < router->regions[r].count; i++)
            free(router->regions[r].routes[i].key);
    for (size_t i = 0; i < router->breaker_count; i++) {
        kw_breaker_destroy(router->breakers[i]);
        free(router->breakers[i]);
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

size_t kw_router_routes(const struct kw_router *router, const char *region)
{
    for (size_t i = 0; i < router->region_count; i++)
        if (strcmp(router->regions[i].name, region) == 0)
            return router->regions[i].count;
    return 0;
}

/* ---- Wrapping ---------------------------------------------------------------------------------
 */

static KW_ERR ranked(struct kw_router *router, const struct kw_router_call *call,
                     struct kw_region_routes **region, struct kw_route *routes[KW_ROUTES_MAX],
                     size_t *count, struct kw_error *err)
{
    *region = kw_router_region_find(router, call->region);
    if (*region == NULL)
        return kw_fail(err, KW_UNKNOWN_REGION, "region '%.16s' is not configured", call->region);
    *count = kw_router_rank(*region, call->hsm, routes);
    if (*count == 0)
        return kw_fail(err, KW_REGION_WALL, "region %s has no provider%s", call->region,
                       call->hsm ? " that keeps keys in hardware" : "");
    return KW_OK;
}

static KW_ERR wrap_one(struct kw_route *route, const struct kw_router_call *call,
                       const struct kw_router_wrapping *wrapping, struct kw_error *err)
{
    KW_AUTO(kw_buf) blob = KW_BUF_INIT;
    KW_TRY(kw_route_wrap(route, call, wrapping->plaintext, &blob, err));
    struct kw_router_copy copy = {.provider = kw_provider_name(route->provider),
                                  .provider_key = route->key,
                                  .blob = kw_buf_bytes(&blob)};
    kw_code kept = wrapping->keep(wrapping->arg, &copy, err);
    return kept == KW_OK ? KW_OK
                         : kw_fail(err, KW_INTERNAL, "a copy cannot be kept: %s", err->text);
}

/* Every route is tried once: a copy that is missing is mended later, a caller should not wait for
 * it. */
KW_ERR kw_router_wrap(struct kw_router *router, const struct kw_router_call *call,
                      const struct kw_router_wrapping *wrapping, size_t *made, struct kw_error *err)
{
    struct kw_region_routes *region = NULL;
    struct kw_route *routes[KW_ROUTES_MAX];
    struct kw_error why = {0};
    struct kw_error worst = {0};
    size_t count = 0;
    size_t good = 0;
    KW_TRY(ranked(router, call, &region, routes, &count, err));
    for (size_t i = 0; i < count; i++) {
        bool there = wrapping->skip != NULL &&
                     wrapping->skip(wrapping->arg, kw_provider_name(routes[i]->provider));
        kw_code code = there ? KW_OK : wrap_one(routes[i], call, wrapping, &why);
        if (kw_code_class(code) == KW_CLASS_INTERNAL)
            return kw_fail(err, code, "%s", why.text);
        if (code == KW_OK)
            good++;
        else if (worst.code == KW_OK || kw_code_retryable(code))
            worst = why;
    }
    if (made != NULL)
        *made = good;
    if (good >= region->copies_min)
        return KW_OK;
    if (worst.code == KW_OK)
        return kw_fail(err, KW_REGION_WALL, "region %s needs %zu copies and has %zu fit providers",
                       region->name, region->copies_min, good);
    return kw_fail(err, worst.code, "%zu of %zu copies were made: %s", good, region->copies_min,
                   worst.text);
}

/* ---- Unwrapping -------------------------------------------------------------------------------
 */

static const struct kw_router_copy *copy_of(const struct kw_router_unwrapping *unwrapping,
                                            const struct kw_route *route)
{
    for (size_t i = 0; i < unwrapping->count; i++)
        if (strcmp(unwrapping->copies[i].provider, kw_provider_name(route->provider)) == 0)
            return &unwrapping->copies[i];
    return NULL;
}

static KW_ERR unwrap_one(struct kw_route *route, const struct kw_router_call *call,
                         const struct kw_router_copy *copy,
                         const struct kw_router_unwrapping *unwrapping, struct kw_secret *out,
                         struct kw_error *err)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_TRY(kw_route_unwrap(route, call, copy, &plaintext, err));
    KW_TRY(unwrapping->accept(unwrapping->arg, &plaintext, err));
    kw_secret_move(out, &plaintext);
    return KW_OK;
}

/* Once along the routes. worst is the failure to tell of if this was the last time. */
static kw_code try_all(struct kw_router *router, const struct kw_router_call *call,
                       const struct kw_router_unwrapping *unwrapping, struct kw_secret *out,
                       struct kw_error *worst)
{
    struct kw_region_routes *region = NULL;
    struct kw_route *routes[KW_ROUTES_MAX];
    size_t count = 0;
    size_t tried = 0;
    KW_TRY(ranked(router, call, &region, routes, &count, worst));
    for (size_t i = 0; i < count; i++) {
        struct kw_error why = {0};
        const struct kw_router_copy *copy = copy_of(unwrapping, routes[i]);
        if (copy == NULL)
            continue;
        kw_code code = unwrap_one(routes[i], call, copy, unwrapping, out, &why);
        if (code == KW_OK)
            return KW_OK;
        if (tried++ == 0 || (kw_code_retryable(code) && !kw_code_retryable(worst->code)))
            *worst = why;
    }
    if (tried == 0)
        return kw_fail(worst, KW_REGION_WALL, "no provider of region %s has a copy of this key",
                       region->name);
    return worst->code;
}

/* Between half and all of the pause of this round. False if the deadline comes first. */
static bool pause_before_retry(unsigned round, int64_t deadline_ms)
{
    uint32_t draw = 0;
    int64_t most = (int64_t)PAUSE_MS << (round < 5 ? round : 5);
    if (most > PAUSE_MAX_MS)
        most = PAUSE_MAX_MS;
    kw_random(&draw, sizeof draw);
    int64_t ms = most / 2 + (int64_t)draw % (most / 2 + 1);
    if (kw_clock_ms() + ms >= deadline_ms)
        return false;
    struct timespec rest = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&rest, NULL);
    return true;
}

KW_ERR kw_router_unwrap(struct kw_router *router, const struct kw_router_call *call,
                        const struct kw_router_unwrapping *unwrapping, struct kw_secret *out,
                        struct kw_error *err)
{
    for (unsigned round = 0;; round++) {
        struct kw_error worst = {0};
        kw_code code = try_all(router, call, unwrapping, out, &worst);
        if (code == KW_OK)
            return KW_OK;
        if (!kw_code_retryable(code) || !pause_before_retry(round, call->deadline_ms))
            return kw_fail(err, code, "%s", worst.text);
    }
}

/* ---- Looking ----------------------------------------------------------------------------------
 */

void kw_router_each(struct kw_router *router,
                    void (*each)(void *arg, const struct kw_route_status *status), void *arg)
{
    for (size_t r = 0; r < router->region_count; r++) {
        struct kw_region_routes *region = &router->regions[r];
        for (size_t i = 0; i < region->count; i++) {
            struct kw_route *route = &region->routes[i];
            struct kw_route_status status = {
                .provider = kw_provider_name(route->provider),
                .kind = kw_provider_kind(route->provider),
                .key = route->key,
                .hsm = route->hsm,
                .breaker = kw_breaker_state(route->breaker),
                .latency_us = kw_breaker_latency_us(route->breaker),
                .wraps = atomic_load(&route->wraps),
                .unwraps = atomic_load(&route->unwraps),
                .failures = atomic_load(&route->failures),
            };
            status.spent_nano = (status.wraps + status.unwraps) * route->price_nano;
            memcpy(status.region, region->name, sizeof status.region);
            each(arg, &status);
        }
    }
}

/* The router of a home: regions and their routes, and the customers' providers in them. */
#include "config/section.h"
#include "home/providers.h"

/* What is borrowed until the router has copied it. */
struct plan {
    const struct kw_config *config;
    const struct kw_home_providers *providers;
    size_t count;
    struct region_plan {
        char name[KW_OPTION_ITEM_SIZE];
        char *keys[KW_ROUTES_MAX];
        struct kw_router_guest guests[KW_GUESTS_MAX];
    } parts[KW_ROUTER_REGIONS_MAX];
    struct kw_router_region regions[KW_ROUTER_REGIONS_MAX];
};

static void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t r = 0; r < KW_ROUTER_REGIONS_MAX; r++)
        for (size_t i = 0; i < KW_ROUTES_MAX; i++)
            free(plan->parts[r].keys[i]);
    free(plan);
}
KW_CLEANUP_FREE(plan)

static bool is_hsm(const struct kw_config *config, const char *provider)
{
    char option[KW_CONFIG_OPTION_SIZE];
    return kw_config_bool(config, kw_config_option(option, "provider", provider, "hsm"));
}

static uint64_t price_of(const struct kw_config *config, const char *provider)
{
    char option[KW_CONFIG_OPTION_SIZE];
    return kw_config_amount_nano(config, kw_config_option(option, "provider", provider, "price"));
}

static KW_ERR plan_routes(const struct plan *plan, struct region_plan *part,
                          struct kw_router_region *region, struct kw_error *err)
{
    struct kw_config_route from;
    for (size_t i = 0; i < KW_ROUTES_MAX && kw_config_route(plan->config, part->name, i, &from);
         i++) {
        part->keys[i] = strdup(from.key);
        if (part->keys[i] == NULL)
            return kw_fail_code(err, KW_NO_MEMORY);
        region->routes[region->route_count++] = (struct kw_router_route){
            .provider = kw_home_providers_find(plan->providers, from.provider),
            .key = part->keys[i],
            .hsm = is_hsm(plan->config, from.provider),
            .price_nano = price_of(plan->config, from.provider),
        };
    }
    return KW_OK;
}

static bool serves(const struct kw_config *config, const char *provider, const char *region)
{
    char option[KW_CONFIG_OPTION_SIZE];
    return kw_config_provider_is_guest(config, provider) &&
           kw_list_has(
               kw_config_str(config, kw_config_option(option, "provider", provider, "regions")),
               region);
}

static KW_ERR plan_guests(const struct plan *plan, struct region_plan *part,
                          struct kw_router_region *region, struct kw_error *err)
{
    char option[KW_CONFIG_OPTION_SIZE];
    char key[KW_CONFIG_OPTION_SIZE];
    for (size_t i = 0; i < plan->providers->count; i++) {
        struct kw_provider *provider = plan->providers->list[i];
        const char *name = kw_provider_name(provider);
        if (!serves(plan->config, name, part->name))
            continue;
        if (region->guest_count == KW_GUESTS_MAX)
            return kw_fail(err, KW_BAD_CONFIG, "region %s: more than %d customers' providers",
                           part->name, KW_GUESTS_MAX);
        part->guests[region->guest_count++] = (struct kw_router_guest){
            .provider = provider,
            .key = kw_config_str(plan->config, kw_config_option(key, "provider", name, "key")),
            .tenants =
                kw_config_str(plan->config, kw_config_option(option, "provider", name, "tenants")),
            .hsm = is_hsm(plan->config, name),
            .price_nano = price_of(plan->config, name),
        };
    }
    return KW_OK;
}

static KW_ERR plan_region(struct plan *plan, size_t r, struct kw_error *err)
{
    const struct kw_config *config = plan->config;
    struct region_plan *part = &plan->parts[r];
    struct kw_router_region *region = &plan->regions[r];
    char option[KW_CONFIG_OPTION_SIZE];
    region->name = part->name;
    region->guests = part->guests;
    region->preference = (enum kw_preference)kw_config_u64(
        config, kw_config_option(option, "region", part->name, "prefer"));
    region->copies_min =
        (size_t)kw_config_u64(config, kw_config_option(option, "region", part->name, "copies_min"));
    region->hsm = kw_config_bool(config, kw_config_option(option, "region", part->name, "hsm"));
    KW_TRY(plan_routes(plan, part, region, err));
    return plan_guests(plan, part, region, err);
}

KW_ERR kw_home_router_new(const struct kw_config *config, const struct kw_home_providers *providers,
                          struct kw_meter *meter, struct kw_router **out, struct kw_error *err)
{
    KW_AUTO_PTR(plan) plan = calloc(1, sizeof *plan);
    const char *list = kw_config_str(config, "regions");
    if (plan == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    plan->config = config;
    plan->providers = providers;
    char name[KW_OPTION_ITEM_SIZE];
    for (; kw_list_item(list, plan->count, name); plan->count++) {
        if (plan->count == KW_ROUTER_REGIONS_MAX)
            return kw_fail(err, KW_BAD_CONFIG, "more than %d regions", KW_ROUTER_REGIONS_MAX);
        memcpy(plan->parts[plan->count].name, name, sizeof name);
        KW_TRY(plan_region(plan, plan->count, err));
    }
    const struct kw_router_options options = {
        .regions = plan->regions,
        .region_count = plan->count,
        .failures_to_open = (unsigned)kw_config_u64(config, "router.failures_to_open"),
        .open_ms = kw_config_duration_ms(config, "router.pause"),
        .open_max_ms = kw_config_duration_ms(config, "router.pause_max"),
        .attempt_ms = kw_config_duration_ms(config, "router.attempt_timeout"),
        .used = meter != NULL ? kw_meter_used : NULL,
        .used_arg = meter,
    };
    return kw_router_new(&options, out, err);
}

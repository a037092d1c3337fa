#include "store/store.h"

static const char *const key_states[] = {
    [KW_KEY_IS_PRE_ACTIVATION] = "pre_activation", [KW_KEY_IS_ACTIVE] = "active",
    [KW_KEY_IS_SUSPENDED] = "suspended",           [KW_KEY_IS_DEACTIVATED] = "deactivated",
    [KW_KEY_IS_COMPROMISED] = "compromised",       [KW_KEY_IS_PENDING] = "pending_destruction",
    [KW_KEY_IS_DESTROYED] = "destroyed",
};
static const char *const tenant_states[] = {
    [KW_TENANT_IS_ACTIVE] = "active",
    [KW_TENANT_IS_SUSPENDED] = "suspended",
    [KW_TENANT_IS_CLOSED] = "closed",
};
static const char *const tiers[] = {
    [KW_TIER_STANDARD] = "standard",
    [KW_TIER_ENTERPRISE] = "enterprise",
    [KW_TIER_HYOK] = "hyok",
};

static const char *name_of(const char *const *names, size_t count, size_t value)
{
    return value > 0 && value < count ? names[value] : "unknown";
}

const char *kw_key_state_name(enum kw_key_state state)
{
    return name_of(key_states, KW_COUNT(key_states), (size_t)state);
}

const char *kw_tenant_state_name(enum kw_tenant_state state)
{
    return name_of(tenant_states, KW_COUNT(tenant_states), (size_t)state);
}

const char *kw_tier_name(enum kw_tier tier)
{
    return name_of(tiers, KW_COUNT(tiers), (size_t)tier);
}

KW_ERR kw_tier_from_name(const char *name, enum kw_tier *out, struct kw_error *err)
{
    for (size_t i = 1; i < KW_COUNT(tiers); i++) {
        if (strcmp(tiers[i], name) == 0) {
            *out = (enum kw_tier)i;
            return KW_OK;
        }
    }
    return kw_fail(err, KW_USAGE, "no tier is called '%.40s': use standard, enterprise or hyok",
                   name);
}

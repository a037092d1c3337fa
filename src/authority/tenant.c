/* Tenants: created with their keys, suspended, resumed, closed. */
#include "authority/change.h"

#include "base/clock.h"
#include "base/names.h"

/* ---- Creation ---------------------------------------------------------------------------------
 */

struct creation {
    const struct kw_tenant_spec *specs;
    size_t count;
};

static KW_ERR check_spec(const struct kw_tenant_spec *spec, struct kw_error *err)
{
    KW_TRY(kw_tenant_name_check(spec->id, err));
    if (spec->region_count == 0)
        return kw_fail(err, KW_USAGE, "tenant '%s' needs at least one region", spec->id);
    if (spec->region_count > KW_REGIONS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "tenant '%s' has more than %d regions", spec->id,
                       KW_REGIONS_MAX);
    if (spec->labels != NULL && strlen(spec->labels) > KW_LABELS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the labels are larger than %d bytes", KW_LABELS_MAX);
    return KW_OK;
}

static KW_ERR add_tenant(struct kw_change *change, const struct kw_tenant_spec *spec,
                         struct kw_error *err)
{
    struct kw_tenant_row row = {.state = KW_TENANT_IS_ACTIVE,
                                .tier = spec->tier != 0 ? spec->tier : KW_TIER_STANDARD,
                                .created_ms = kw_clock_wall_ms(),
                                .epoch = 1};
    KW_TRY(check_spec(spec, err));
    snprintf(row.id, sizeof row.id, "%s", spec->id);
    snprintf(row.labels, sizeof row.labels, "%s", spec->labels != NULL ? spec->labels : "{}");
    KW_TRY(kw_store_tenant_add(change->authority->store, &row, err));
    for (size_t i = 0; i < spec->region_count; i++) {
        uint64_t reference = 0;
        KW_TRY(kw_region_name_check(spec->regions[i], err));
        KW_TRY(kw_key_add(change->authority, spec->id, spec->regions[i], spec->suite, &reference,
                          err));
        KW_TRY(kw_change_event(change, spec->id, spec->regions[i], reference, 1, err));
    }
    return KW_OK;
}

static KW_ERR apply_create(struct kw_change *change, struct kw_error *err)
{
    const struct creation *creation = change->arg;
    for (size_t i = 0; i < creation->count; i++) {
        KW_TRY(kw_caller_check(change->caller, change->right, creation->specs[i].id, err));
        KW_TRY(add_tenant(change, &creation->specs[i], err));
    }
    return KW_OK;
}

KW_ERR kw_authority_tenants_create(struct kw_authority *authority, const struct kw_caller *caller,
                                   const struct kw_tenant_spec *specs, size_t count,
                                   struct kw_error *err)
{
    if (count == 0)
        return kw_fail(err, KW_USAGE, "no tenant was named");
    KW_TRY(kw_tenant_name_check(specs[0].id, err));
    struct creation creation = {.specs = specs, .count = count};
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "CreateTenant",
                               .activity = KW_ACTIVITY_CREATE,
                               .right = KW_RIGHT_MANAGE_TENANTS,
                               .tenant = count == 1 ? specs[0].id : NULL,
                               .apply = apply_create,
                               .arg = &creation};
    return kw_change_run(&change, err);
}

KW_ERR kw_authority_tenant_create(struct kw_authority *authority, const struct kw_caller *caller,
                                  const struct kw_tenant_spec *spec, struct kw_error *err)
{
    return kw_authority_tenants_create(authority, caller, spec, 1, err);
}

struct key_list {
    struct kw_key_row rows[KW_REGIONS_MAX];
    size_t count;
};

static bool keep_key(void *arg, const struct kw_key_row *row)
{
    struct key_list *list = arg;
    list->rows[list->count++] = *row;
    return list->count < KW_COUNT(list->rows);
}

static KW_ERR apply_add_region(struct kw_change *change, struct kw_error *err)
{
    struct kw_tenant_row tenant;
    struct key_list keys = {.count = 0};
    KW_TRY(kw_store_tenant_get(change->authority->store, change->tenant, &tenant, err));
    if (tenant.state == KW_TENANT_IS_CLOSED)
        return kw_fail_code(err, KW_TENANT_CLOSED);
    KW_TRY(kw_store_keys(change->authority->store, change->tenant, keep_key, &keys, err));
    if (keys.count == KW_COUNT(keys.rows)) /* suspending and closing take in no more */
        return kw_fail(err, KW_TOO_LARGE, "a tenant has at most %d keys", KW_REGIONS_MAX);
    change->version = 1;
    return kw_key_add(change->authority, change->tenant, change->region, 0, &change->reference,
                      err);
}

KW_ERR kw_authority_tenant_add_region(struct kw_authority *authority,
                                      const struct kw_caller *caller, const char *tenant,
                                      const char *region, struct kw_error *err)
{
    KW_TRY(kw_tenant_name_check(tenant, err));
    KW_TRY(kw_region_name_check(region, err));
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "CreateKey",
                               .activity = KW_ACTIVITY_CREATE,
                               .right = KW_RIGHT_MANAGE_TENANTS,
                               .tenant = tenant,
                               .region = region,
                               .apply = apply_add_region};
    return kw_change_run(&change, err);
}

/* ---- Suspension, resumption, closing ----------------------------------------------------------
 */

struct transition {
    enum kw_tenant_state to;
    int64_t destroy_at_ms; /* closing: when its keys are destroyed */
};

static KW_ERR doom_key(struct kw_change *change, struct kw_key_row *key, int64_t at_ms,
                       struct kw_error *err)
{
    if (key->state != KW_KEY_IS_ACTIVE && key->state != KW_KEY_IS_SUSPENDED)
        return KW_OK;
    key->state_before = key->state;
    key->state = KW_KEY_IS_PENDING;
    key->destroy_at_ms = at_ms;
    key->epoch++;
    return kw_store_key_set(change->authority->store, key, err);
}

static KW_ERR apply_transition(struct kw_change *change, struct kw_error *err)
{
    const struct transition *transition = change->arg;
    struct kw_store *store = change->authority->store;
    struct kw_tenant_row tenant;
    struct key_list keys = {.count = 0};
    KW_TRY(kw_store_tenant_get(store, change->tenant, &tenant, err));
    if (tenant.state == KW_TENANT_IS_CLOSED)
        return kw_fail_code(err, KW_TENANT_CLOSED);
    tenant.state = transition->to;
    tenant.epoch++;
    KW_TRY(kw_store_tenant_set(store, &tenant, err));
    KW_TRY(kw_store_keys(store, change->tenant, keep_key, &keys, err));
    for (size_t i = 0; i < keys.count; i++) {
        kw_change_drop(change, keys.rows[i].reference);
        if (transition->to == KW_TENANT_IS_CLOSED)
            KW_TRY(doom_key(change, &keys.rows[i], transition->destroy_at_ms, err));
    }
    return KW_OK;
}

static KW_ERR move_tenant(struct kw_authority *authority, const struct kw_caller *caller,
                          const char *tenant, const char *operation,
                          const struct transition *transition, struct kw_error *err)
{
    static const kw_code refusals[] = {[KW_TENANT_IS_ACTIVE] = KW_OK,
                                       [KW_TENANT_IS_SUSPENDED] = KW_TENANT_SUSPENDED,
                                       [KW_TENANT_IS_CLOSED] = KW_TENANT_CLOSED};
    struct transition to = *transition;
    KW_TRY(kw_tenant_name_check(tenant, err));
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = operation,
                               .activity = KW_ACTIVITY_UPDATE,
                               .right = KW_RIGHT_MANAGE_TENANTS,
                               .tenant = tenant,
                               .apply = apply_transition,
                               .arg = &to,
                               .refusal = refusals[to.to]};
    return kw_change_run(&change, err);
}

KW_ERR kw_authority_tenant_suspend(struct kw_authority *authority, const struct kw_caller *caller,
                                   const char *tenant, struct kw_error *err)
{
    struct transition to = {.to = KW_TENANT_IS_SUSPENDED};
    return move_tenant(authority, caller, tenant, "SuspendTenant", &to, err);
}

KW_ERR kw_authority_tenant_resume(struct kw_authority *authority, const struct kw_caller *caller,
                                  const char *tenant, struct kw_error *err)
{
    struct transition to = {.to = KW_TENANT_IS_ACTIVE};
    return move_tenant(authority, caller, tenant, "ResumeTenant", &to, err);
}

KW_ERR kw_authority_tenant_close(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *tenant, uint32_t window_days, struct kw_error *err)
{
    KW_TRY(kw_window_check(window_days, err));
    struct transition to = {.to = KW_TENANT_IS_CLOSED,
                            .destroy_at_ms = kw_window_end(authority, window_days)};
    return move_tenant(authority, caller, tenant, "CloseTenant", &to, err);
}

KW_ERR kw_authority_tenant_get(struct kw_authority *authority, const struct kw_caller *caller,
                               const char *tenant, struct kw_tenant_row *out, struct kw_error *err)
{
    KW_TRY(kw_tenant_name_check(tenant, err));
    KW_TRY(kw_caller_check(caller, KW_RIGHT_READ, tenant, err));
    return kw_store_tenant_get(authority->store, tenant, out, err);
}

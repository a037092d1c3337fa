/* Tenants: created with their keys, suspended, resumed, closed. */
#include "authority/change.h"
#include "authority/fanout.h"

#include "base/clock.h"
#include "base/names.h"

/* ---- Creation ---------------------------------------------------------------------------------
 */

/* One key of the batch: made before the transaction, written in it. */
struct new_key {
    struct kw_key_row row;
    struct kw_fresh_version version;
};

struct creation {
    struct kw_authority *authority;
    const struct kw_tenant_spec *specs;
    size_t count;
    struct new_key *keys; /* in the order of the specs and their regions */
    size_t key_count;
};

static void forget_keys(struct creation *creation)
{
    for (size_t i = 0; i < creation->key_count; i++)
        kw_fresh_version_wipe(&creation->keys[i].version);
    free(creation->keys);
    creation->keys = NULL;
    creation->key_count = 0;
}

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

/* What can be refused is refused before any provider is asked. */
static KW_ERR check_new(struct kw_change *change, const struct kw_tenant_spec *spec,
                        struct kw_error *err)
{
    struct kw_tenant_row there;
    struct kw_error ignored;
    KW_TRY(kw_caller_check(change->caller, change->right, spec->id, err));
    KW_TRY(check_spec(spec, err));
    kw_code code = kw_store_tenant_get(change->authority->store, spec->id, &there, &ignored);
    if (code == KW_OK)
        return kw_fail(err, KW_EXISTS, "tenant '%s' exists already", spec->id);
    return code == KW_TENANT_NOT_FOUND ? KW_OK : kw_fail(err, code, "%s", ignored.text);
}

static KW_ERR plan_keys(struct creation *creation, struct kw_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < creation->count; i++)
        count += creation->specs[i].region_count;
    creation->keys = count > 0 ? calloc(count, sizeof *creation->keys) : NULL;
    if (creation->keys == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < creation->count; i++) {
        const struct kw_tenant_spec *spec = &creation->specs[i];
        for (size_t j = 0; j < spec->region_count; j++) {
            KW_TRY(kw_region_name_check(spec->regions[j], err));
            KW_TRY(kw_key_plan(creation->authority, spec->id, spec->regions[j], spec->suite,
                               &creation->keys[creation->key_count++].row, err));
        }
    }
    return KW_OK;
}

static KW_ERR make_version(void *arg, size_t i, struct kw_error *err)
{
    const struct creation *creation = arg;
    struct new_key *key = &creation->keys[i];
    return kw_version_prepare(creation->authority, &key->row, 1, NULL, &key->version, err);
}

static KW_ERR prepare_create(struct kw_change *change, struct kw_error *err)
{
    struct creation *creation = change->arg;
    forget_keys(creation);
    for (size_t i = 0; i < creation->count; i++)
        KW_TRY(check_new(change, &creation->specs[i], err));
    KW_TRY(plan_keys(creation, err));
    return kw_fanout(creation->key_count, KW_FANOUT_MAX, make_version, creation, err);
}

static KW_ERR put_key(struct kw_authority *authority, const struct new_key *key,
                      struct kw_error *err)
{
    KW_TRY(kw_store_key_add(authority->store, &key->row, err));
    return kw_version_put(authority, &key->version, err);
}

static KW_ERR put_tenant(struct kw_authority *authority, const struct kw_tenant_spec *spec,
                         struct kw_error *err)
{
    struct kw_tenant_row row = {.state = KW_TENANT_IS_ACTIVE,
                                .tier = spec->tier != 0 ? spec->tier : KW_TIER_STANDARD,
                                .created_ms = kw_clock_wall_ms(),
                                .epoch = 1};
    snprintf(row.id, sizeof row.id, "%s", spec->id);
    snprintf(row.labels, sizeof row.labels, "%s", spec->labels != NULL ? spec->labels : "{}");
    return kw_store_tenant_add(authority->store, &row, err);
}

static KW_ERR apply_create(struct kw_change *change, struct kw_error *err)
{
    const struct creation *creation = change->arg;
    const struct new_key *key = creation->keys;
    for (size_t i = 0; i < creation->count; i++) {
        KW_TRY(put_tenant(change->authority, &creation->specs[i], err));
        for (size_t j = 0; j < creation->specs[i].region_count; j++, key++) {
            KW_TRY(put_key(change->authority, key, err));
            KW_TRY(kw_change_event(change, key->row.tenant, key->row.region, key->row.reference, 1,
                                   err));
        }
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
    struct creation creation = {.authority = authority, .specs = specs, .count = count};
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "CreateTenant",
                               .activity = KW_ACTIVITY_CREATE,
                               .right = KW_RIGHT_MANAGE_TENANTS,
                               .tenant = count == 1 ? specs[0].id : NULL,
                               .prepare = prepare_create,
                               .apply = apply_create,
                               .arg = &creation};
    kw_code code = kw_change_run(&change, err);
    forget_keys(&creation);
    return code;
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

static KW_ERR check_add_region(struct kw_change *change, struct kw_error *err)
{
    struct kw_tenant_row tenant;
    struct key_list keys = {.count = 0};
    KW_TRY(kw_store_tenant_get(change->authority->store, change->tenant, &tenant, err));
    if (tenant.state == KW_TENANT_IS_CLOSED)
        return kw_fail_code(err, KW_TENANT_CLOSED);
    KW_TRY(kw_store_keys(change->authority->store, change->tenant, keep_key, &keys, err));
    if (keys.count == KW_COUNT(keys.rows)) /* suspending and closing take in no more */
        return kw_fail(err, KW_TOO_LARGE, "a tenant has at most %d keys", KW_REGIONS_MAX);
    for (size_t i = 0; i < keys.count; i++)
        if (strcmp(keys.rows[i].region, change->region) == 0)
            return kw_fail(err, KW_EXISTS, "tenant '%s' has a key in region %s already",
                           change->tenant, change->region);
    return KW_OK;
}

static KW_ERR prepare_add_region(struct kw_change *change, struct kw_error *err)
{
    struct new_key *key = change->arg;
    kw_fresh_version_wipe(&key->version);
    KW_TRY(check_add_region(change, err));
    KW_TRY(kw_key_plan(change->authority, change->tenant, change->region, 0, &key->row, err));
    return kw_version_prepare(change->authority, &key->row, 1, NULL, &key->version, err);
}

static KW_ERR apply_add_region(struct kw_change *change, struct kw_error *err)
{
    const struct new_key *key = change->arg;
    KW_TRY(check_add_region(change, err));
    change->reference = key->row.reference;
    change->version = 1;
    return put_key(change->authority, key, err);
}

KW_ERR kw_authority_tenant_add_region(struct kw_authority *authority,
                                      const struct kw_caller *caller, const char *tenant,
                                      const char *region, struct kw_error *err)
{
    KW_TRY(kw_tenant_name_check(tenant, err));
    KW_TRY(kw_region_name_check(region, err));
    struct new_key key = {.row = {.reference = 0}};
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "CreateKey",
                               .activity = KW_ACTIVITY_CREATE,
                               .right = KW_RIGHT_MANAGE_TENANTS,
                               .tenant = tenant,
                               .region = region,
                               .prepare = prepare_add_region,
                               .apply = apply_add_region,
                               .arg = &key};
    kw_code code = kw_change_run(&change, err);
    kw_fresh_version_wipe(&key.version);
    return code;
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

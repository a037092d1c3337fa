/* What is done to a tenant key as a whole: rotate, disable, enable, schedule and cancel
 * destruction, destroy. Each is a change (change.h) whose apply() moves one row from one state to
 * the next. */
#include "authority/change.h"
#include "authority/custody.h"

#include "base/clock.h"
#include "crypto/random.h"

enum { WINDOW_MIN_DAYS = 7, WINDOW_MAX_DAYS = 90 };
static const int64_t day_ms = 24LL * 3600 * 1000;

KW_ERR kw_window_check(uint32_t window_days, struct kw_error *err)
{
    if (window_days != 0 && (window_days < WINDOW_MIN_DAYS || window_days > WINDOW_MAX_DAYS))
        return kw_fail(err, KW_USAGE, "the window is %u days: it must be %d to %d", window_days,
                       WINDOW_MIN_DAYS, WINDOW_MAX_DAYS);
    return KW_OK;
}

int64_t kw_window_end(const struct kw_authority *authority, uint32_t window_days)
{
    uint32_t days = window_days != 0 ? window_days : authority->window_days;
    return kw_clock_wall_ms() + days * day_ms;
}

/* References are random and not 0: 64 bits, checked against those there are by the store. */
static uint64_t fresh_reference(void)
{
    uint8_t bytes[8];
    uint64_t reference = 0;
    while (reference == 0) {
        kw_random(bytes, sizeof bytes);
        reference = kw_get_u64(bytes);
    }
    return reference;
}

KW_ERR kw_key_plan(const struct kw_authority *authority, const char *tenant, const char *region,
                   uint8_t suite, struct kw_key_row *out, struct kw_error *err)
{
    if (!kw_authority_region(authority, region))
        return kw_fail(err, KW_UNKNOWN_REGION,
                       "region '%.16s' is not configured: add it to 'regions'", region);
    *out = (struct kw_key_row){.reference = fresh_reference(),
                               .state = KW_KEY_IS_ACTIVE,
                               .state_before = KW_KEY_IS_ACTIVE,
                               .tenant_state = KW_TENANT_IS_ACTIVE,
                               .suite = suite != 0 ? suite : kw_suite_id(kw_suite_default()),
                               .custody = "managed",
                               .current_version = 1,
                               .created_ms = kw_clock_wall_ms(),
                               .epoch = 1};
    snprintf(out->tenant, sizeof out->tenant, "%s", tenant);
    snprintf(out->region, sizeof out->region, "%s", region);
    return KW_OK;
}

/* Reads the key of a change and notes it for the event and the keyring. */
static KW_ERR get_key(struct kw_change *change, struct kw_key_row *key, struct kw_error *err)
{
    KW_TRY(kw_store_key_get(change->authority->store, change->tenant, change->region, key, err));
    change->reference = key->reference;
    change->version = key->current_version;
    kw_change_drop(change, key->reference);
    return KW_OK;
}

static KW_ERR put_state(struct kw_change *change, struct kw_key_row *key, enum kw_key_state state,
                        struct kw_error *err)
{
    key->state = state;
    key->epoch++;
    return kw_store_key_set(change->authority->store, key, err);
}

static struct kw_change key_change(struct kw_authority *authority, const struct kw_caller *caller,
                                   const char *tenant, const char *region)
{
    return (struct kw_change){.authority = authority,
                              .caller = caller,
                              .activity = KW_ACTIVITY_UPDATE,
                              .right = KW_RIGHT_MANAGE_KEYS,
                              .tenant = tenant,
                              .region = region};
}

/* ---- Rotation ---------------------------------------------------------------------------------
 */

/* A held key need not have a version of the current number. */
KW_ERR kw_key_deactivate_current(struct kw_authority *authority, const struct kw_key_row *key,
                                 struct kw_error *err)
{
    struct kw_version_row old;
    struct kw_error why = {0};
    kw_code code =
        kw_store_version_get(authority->store, key->reference, key->current_version, &old, &why);
    if (code == KW_VERSION_NOT_FOUND)
        return KW_OK;
    if (code != KW_OK)
        return kw_fail(err, code, "%s", why.text);
    if (old.state != KW_KEY_IS_ACTIVE)
        return KW_OK; /* compromised: stays what it is */
    old.state = KW_KEY_IS_DEACTIVATED;
    old.deactivated_ms = kw_clock_wall_ms();
    return kw_store_version_set(authority->store, &old, err);
}

struct rotation {
    struct kw_key_row before; /* the key that the next version was made for */
    struct kw_fresh_version next;
    uint32_t version;
};

static KW_ERR check_rotatable(const struct kw_key_row *key, struct kw_error *err)
{
    enum kw_custody custody = KW_MANAGED;
    kw_code gate = kw_gate_key(key->tenant_state, key->state);
    if (gate != KW_OK)
        return kw_fail_code(err, gate);
    KW_TRY(kw_custody_from_name(key->custody, &custody, err));
    if (custody == KW_HELD)
        return kw_fail(err, KW_STATE_CONFLICT,
                       "the key is held by the customer: rotate the root key at the customer's "
                       "KMS, provider %s",
                       key->provider);
    if (custody == KW_IMPORTED)
        return kw_fail(err, KW_STATE_CONFLICT,
                       "the key is the customer's own material: import new material to rotate it");
    if (key->current_version == UINT32_MAX)
        return kw_fail(err, KW_STATE_CONFLICT, "the key has no version numbers left");
    return KW_OK;
}

static KW_ERR prepare_rotate(struct kw_change *change, struct kw_error *err)
{
    struct rotation *rotation = change->arg;
    struct kw_key_row *key = &rotation->before;
    kw_fresh_version_wipe(&rotation->next);
    KW_TRY(get_key(change, key, err));
    KW_TRY(check_rotatable(key, err));
    return kw_version_prepare(change->authority, key, key->current_version + 1, NULL,
                              &rotation->next, err);
}

/* Is the next version that was made still the next, and wrapped by whom it must be? */
static bool still_fits(const struct kw_key_row *before, const struct kw_key_row *now)
{
    return before->reference == now->reference && before->current_version == now->current_version &&
           strcmp(before->custody, now->custody) == 0 &&
           strcmp(before->provider, now->provider) == 0 &&
           strcmp(before->provider_key, now->provider_key) == 0;
}

static KW_ERR apply_rotate(struct kw_change *change, struct kw_error *err)
{
    struct rotation *rotation = change->arg;
    struct kw_key_row key;
    KW_TRY(get_key(change, &key, err));
    KW_TRY(check_rotatable(&key, err));
    if (!still_fits(&rotation->before, &key))
        return kw_fail_code(err, KW_AGAIN);
    KW_TRY(kw_key_deactivate_current(change->authority, &key, err));
    KW_TRY(kw_version_put(change->authority, &rotation->next, err));
    key.current_version++;
    KW_TRY(put_state(change, &key, key.state, err));
    change->version = key.current_version;
    kw_buf_printf(&change->detail, "{\"previous_version\":%u}", key.current_version - 1);
    rotation->version = key.current_version;
    return kw_buf_status(&change->detail, err);
}

KW_ERR kw_authority_key_rotate(struct kw_authority *authority, const struct kw_caller *caller,
                               const char *tenant, const char *region, uint32_t *new_version,
                               struct kw_error *err)
{
    struct rotation rotation = {.version = 0};
    struct kw_change change = key_change(authority, caller, tenant, region);
    change.operation = "RotateKey";
    change.prepare = prepare_rotate;
    change.apply = apply_rotate;
    change.arg = &rotation;
    kw_code code = kw_change_run(&change, err);
    kw_fresh_version_wipe(&rotation.next);
    KW_TRY(code);
    atomic_fetch_add(&authority->rotated_keys, 1);
    if (new_version != NULL)
        *new_version = rotation.version;
    return KW_OK;
}

/* What the customer alone can rotate is left to its limit. */
KW_ERR kw_key_rotate_worn(struct kw_authority *authority, uint64_t reference, struct kw_error *err)
{
    struct kw_key_row key;
    struct kw_version_row version;
    KW_TRY(kw_store_key_by_reference(authority->store, reference, &key, err));
    if (check_rotatable(&key, err) == KW_STATE_CONFLICT)
        return KW_OK; /* first: a held key's current number may be that of no version */
    KW_TRY(kw_store_version_get(authority->store, reference, key.current_version, &version, err));
    if (version.wraps < authority->wraps_limit / 2)
        return KW_OK; /* somebody has rotated it already */
    return kw_authority_key_rotate(authority, &kw_caller_system, key.tenant, key.region, NULL, err);
}

/* ---- Disable and enable -----------------------------------------------------------------------
 */

static KW_ERR apply_switch(struct kw_change *change, struct kw_error *err)
{
    const enum kw_key_state *wanted = change->arg;
    struct kw_key_row key;
    KW_TRY(get_key(change, &key, err));
    if (key.state != KW_KEY_IS_ACTIVE && key.state != KW_KEY_IS_SUSPENDED)
        return kw_fail(err, KW_STATE_CONFLICT, "the key is %s", kw_key_state_name(key.state));
    return put_state(change, &key, *wanted, err);
}

static KW_ERR switch_key(struct kw_change *change, const char *operation, enum kw_key_state state,
                         struct kw_error *err)
{
    change->operation = operation;
    change->apply = apply_switch;
    change->arg = &state;
    change->refusal = state == KW_KEY_IS_SUSPENDED ? KW_KEY_SUSPENDED : KW_OK;
    return kw_change_run(change, err);
}

KW_ERR kw_authority_key_disable(struct kw_authority *authority, const struct kw_caller *caller,
                                const char *tenant, const char *region, struct kw_error *err)
{
    struct kw_change change = key_change(authority, caller, tenant, region);
    return switch_key(&change, "DisableKey", KW_KEY_IS_SUSPENDED, err);
}

KW_ERR kw_authority_key_enable(struct kw_authority *authority, const struct kw_caller *caller,
                               const char *tenant, const char *region, struct kw_error *err)
{
    struct kw_change change = key_change(authority, caller, tenant, region);
    return switch_key(&change, "EnableKey", KW_KEY_IS_ACTIVE, err);
}

/* ---- Destruction ------------------------------------------------------------------------------
 */

static KW_ERR apply_schedule(struct kw_change *change, struct kw_error *err)
{
    const int64_t *destroy_at_ms = change->arg;
    char when[KW_TIME_TEXT_SIZE];
    struct kw_key_row key;
    KW_TRY(get_key(change, &key, err));
    if (key.state != KW_KEY_IS_ACTIVE && key.state != KW_KEY_IS_SUSPENDED)
        return kw_fail(err, KW_STATE_CONFLICT, "the key is %s", kw_key_state_name(key.state));
    key.state_before = key.state;
    key.destroy_at_ms = *destroy_at_ms;
    kw_buf_printf(&change->detail, "{\"destroy_at\":\"%s\"}", kw_time_text(*destroy_at_ms, when));
    KW_TRY(kw_buf_status(&change->detail, err));
    return put_state(change, &key, KW_KEY_IS_PENDING, err);
}

KW_ERR kw_authority_key_schedule_destroy(struct kw_authority *authority,
                                         const struct kw_caller *caller, const char *tenant,
                                         const char *region, uint32_t window_days,
                                         int64_t *destroy_at_ms, struct kw_error *err)
{
    KW_TRY(kw_window_check(window_days, err));
    int64_t at_ms = kw_window_end(authority, window_days);
    struct kw_change change = key_change(authority, caller, tenant, region);
    change.operation = "ScheduleKeyDestruction";
    change.apply = apply_schedule;
    change.arg = &at_ms;
    change.refusal = KW_KEY_PENDING;
    KW_TRY(kw_change_run(&change, err));
    if (destroy_at_ms != NULL)
        *destroy_at_ms = at_ms;
    return KW_OK;
}

/* Until its last second: what is due but not yet destroyed can still be kept. */
static KW_ERR apply_cancel(struct kw_change *change, struct kw_error *err)
{
    struct kw_key_row key;
    KW_TRY(get_key(change, &key, err));
    if (key.state != KW_KEY_IS_PENDING)
        return kw_fail(err, KW_STATE_CONFLICT, "the key is %s: no destruction is scheduled",
                       kw_key_state_name(key.state));
    key.destroy_at_ms = 0;
    return put_state(change, &key, key.state_before, err);
}

KW_ERR kw_authority_key_cancel_destroy(struct kw_authority *authority,
                                       const struct kw_caller *caller, const char *tenant,
                                       const char *region, struct kw_error *err)
{
    struct kw_change change = key_change(authority, caller, tenant, region);
    change.operation = "CancelKeyDestruction";
    change.apply = apply_cancel;
    return kw_change_run(&change, err);
}

/* What a version keeps when its state changes. Small: a held key has a version for each batch of
 * data keys, with gaps between their numbers. */
struct doomed {
    uint32_t version;
    int64_t deactivated_ms, expires_ms;
};
struct doomed_list {
    struct doomed *rows;
    size_t count, capacity;
    bool out_of_memory;
};

static bool keep_doomed(void *arg, const struct kw_version_row *row)
{
    struct doomed_list *list = arg;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct doomed *grown = realloc(list->rows, capacity * sizeof *grown);
        list->out_of_memory = grown == NULL;
        if (grown == NULL)
            return false;
        list->rows = grown;
        list->capacity = capacity;
    }
    list->rows[list->count++] = (struct doomed){.version = row->version,
                                                .deactivated_ms = row->deactivated_ms,
                                                .expires_ms = row->expires_ms};
    return true;
}

static KW_ERR destroy_listed(struct kw_store *store, uint64_t reference,
                             const struct doomed_list *list, struct kw_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct kw_version_row row = {.reference = reference,
                                     .version = list->rows[i].version,
                                     .state = KW_KEY_IS_DESTROYED,
                                     .deactivated_ms = list->rows[i].deactivated_ms,
                                     .expires_ms = list->rows[i].expires_ms};
        KW_TRY(kw_store_version_set(store, &row, err));
    }
    return KW_OK;
}

static KW_ERR destroy_versions(struct kw_store *store, uint64_t reference, size_t *count,
                               struct kw_error *err)
{
    struct doomed_list list = {.rows = NULL};
    kw_code code = kw_store_versions(store, reference, keep_doomed, &list, err);
    if (code == KW_OK && list.out_of_memory)
        code = kw_fail_code(err, KW_NO_MEMORY);
    if (code == KW_OK)
        code = destroy_listed(store, reference, &list, err);
    *count = list.count;
    free(list.rows);
    return code;
}

/* The row is read again inside the transaction: it may have been cancelled since it was listed. */
static KW_ERR apply_destroy(struct kw_change *change, struct kw_error *err)
{
    struct kw_authority *authority = change->authority;
    uint64_t copies = 0;
    size_t versions = 0;
    struct kw_key_row key;
    KW_TRY(get_key(change, &key, err));
    if (key.state != KW_KEY_IS_PENDING || key.destroy_at_ms > kw_clock_wall_ms())
        return kw_fail(err, KW_STATE_CONFLICT, "the destruction was cancelled or put off");
    KW_TRY(destroy_versions(authority->store, key.reference, &versions, err));
    KW_TRY(kw_store_copies_destroy(authority->store, key.reference, 0, &copies, err));
    KW_TRY(put_state(change, &key, KW_KEY_IS_DESTROYED, err));
    kw_buf_printf(&change->detail, "{\"versions\":%zu,\"copies_destroyed\":%llu}", versions,
                  (unsigned long long)copies);
    return kw_buf_status(&change->detail, err);
}

KW_ERR kw_key_destroy_due(struct kw_authority *authority, uint64_t reference, struct kw_error *err)
{
    struct kw_key_row key;
    KW_TRY(kw_store_key_by_reference(authority->store, reference, &key, err));
    struct kw_change change = key_change(authority, &kw_caller_system, key.tenant, key.region);
    change.operation = "DestroyKey";
    change.activity = KW_ACTIVITY_DELETE;
    change.apply = apply_destroy;
    change.refusal = KW_KEY_DESTROYED;
    KW_TRY(kw_change_run(&change, err));
    atomic_fetch_add(&authority->destroyed_keys, 1);
    atomic_store(&authority->purge_wanted, true);
    return KW_OK;
}

KW_ERR kw_authority_key_get(struct kw_authority *authority, const struct kw_caller *caller,
                            const char *tenant, const char *region, struct kw_key_row *out,
                            struct kw_error *err)
{
    KW_TRY(kw_caller_check(caller, KW_RIGHT_READ, tenant, err));
    return kw_store_key_get(authority->store, tenant, region, out, err);
}

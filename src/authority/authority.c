#include "authority/pace.h"

#include "base/clock.h"

#include "authority/change.h"
#include "base/names.h"

enum { ATTACHED_TTL_MS = 1000, ATTACHED_HARD_TTL_MS = 30000 };

static KW_ERR copy_regions(struct kw_authority *authority,
                           const struct kw_authority_options *options, struct kw_error *err)
{
    if (options->region_count == 0 || options->region_count > KW_REGIONS_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "1 to %d regions are needed", KW_REGIONS_MAX);
    for (size_t i = 0; i < options->region_count; i++) {
        const char *name = options->regions[i];
        KW_TRY(kw_region_name_check(name, err));
        if (kw_authority_region(authority, name))
            return kw_fail(err, KW_BAD_CONFIG, "region '%s' is configured twice", name);
        if (kw_router_routes(options->router, name) == 0)
            return kw_fail(err, KW_BAD_CONFIG, "region '%s' has no provider", name);
        snprintf(authority->regions[authority->region_count++], sizeof authority->regions[0], "%s",
                 name);
    }
    return KW_OK;
}

static void take_ages(struct kw_authority *authority, const struct kw_authority_options *options)
{
    authority->age = options->age;
    if (authority->age.ttl_ms == 0)
        authority->age.ttl_ms = KW_KEYRING_TTL_MS;
    if (authority->age.hard_ttl_ms < authority->age.ttl_ms)
        authority->age.hard_ttl_ms = authority->age.ttl_ms;
    authority->attached_age = options->attached_age;
    if (authority->attached_age.ttl_ms == 0)
        authority->attached_age.ttl_ms = ATTACHED_TTL_MS;
    if (authority->attached_age.hard_ttl_ms == 0)
        authority->attached_age.hard_ttl_ms = ATTACHED_HARD_TTL_MS;
}

static KW_ERR make_ring(struct kw_authority *authority, const struct kw_authority_options *options,
                        struct kw_error *err)
{
    struct kw_keyring_options ring = {.bytes_max = options->keyring_bytes,
                                      .age = authority->age,
                                      .load = kw_version_load,
                                      .used = kw_usage_add,
                                      .stale =
                                          options->refresh_threads != 0 ? kw_refresh_wanted : NULL,
                                      .arg = authority};
    return kw_keyring_new(&ring, &authority->ring, err);
}

static void init_locks(struct kw_authority *authority)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&authority->usage_lock, NULL);
    pthread_mutex_init(&authority->token_lock, NULL);
    pthread_mutex_init(&authority->spare_numbers.lock, NULL);
    pthread_mutex_init(&authority->stop_lock, NULL);
    pthread_cond_init(&authority->stop_signal, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

KW_ERR kw_authority_new(const struct kw_authority_options *options, struct kw_authority **out,
                        struct kw_error *err)
{
    KW_TRY(kw_window_check(options->window_days, err));
    KW_AUTO_PTR(kw_authority) authority = calloc(1, sizeof *authority);
    if (authority == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    init_locks(authority);
    authority->store = options->store;
    authority->ledger = options->ledger;
    authority->router = options->router;
    authority->meter = options->meter;
    take_ages(authority, options);
    authority->window_days = options->window_days != 0 ? options->window_days : 7;
    atomic_init(&authority->purge_wanted, options->background);
    kw_due_clock_start(&authority->due_clock, kw_clock_wall_ms(), kw_clock_ms());
    authority->on_tick = options->on_tick;
    authority->on_tick_arg = options->on_tick_arg;
    authority->wraps_limit =
        options->wraps_limit != 0 ? options->wraps_limit : kw_suite_nonce_limit(kw_suite_default());
    if (options->tenant_rate != 0)
        KW_TRY(kw_rate_new(options->tenant_rate, 0, &authority->rate, err));
    KW_TRY(copy_regions(authority, options, err));
    KW_TRY(kw_classes_init(authority, options->classes, options->class_count, err));
    KW_TRY(make_ring(authority, options, err));
    KW_TRY(kw_pace_new(authority, options, err));
    KW_TRY(kw_cost_start(authority, &options->budget, err));
    if (options->background)
        KW_TRY(kw_scheduler_start(authority, err));
    *out = authority;
    authority = NULL;
    return KW_OK;
}

/* The ring's last report goes into the usage list, which is written out before it is freed. */
void kw_authority_free(struct kw_authority *authority)
{
    if (authority == NULL)
        return;
    struct kw_error lost; /* counters of the last second: they may lag, see store.h */
    kw_scheduler_stop(authority);
    kw_pace_free(authority);
    if (authority->ring != NULL) {
        kw_keyring_free(authority->ring);
        (void)!kw_usage_flush(authority, &lost);
    }
    kw_cost_stop(authority);
    pthread_cond_destroy(&authority->stop_signal);
    pthread_mutex_destroy(&authority->stop_lock);
    pthread_mutex_destroy(&authority->token_lock);
    pthread_mutex_destroy(&authority->spare_numbers.lock);
    pthread_mutex_destroy(&authority->usage_lock);
    kw_rate_free(authority->rate);
    free(authority->usage);
    free(authority);
}

struct kw_store *kw_authority_store(struct kw_authority *authority)
{
    return authority->store;
}

struct kw_ledger *kw_authority_ledger(struct kw_authority *authority)
{
    return authority->ledger;
}

struct kw_keyring_stats kw_authority_keyring_stats(struct kw_authority *authority)
{
    return kw_keyring_stats(authority->ring);
}

bool kw_authority_region(const struct kw_authority *authority, const char *name)
{
    for (size_t i = 0; i < authority->region_count; i++)
        if (strcmp(authority->regions[i], name) == 0)
            return true;
    return false;
}

size_t kw_authority_region_count(const struct kw_authority *authority)
{
    return authority->region_count;
}

const char *kw_authority_region_at(const struct kw_authority *authority, size_t i)
{
    return i < authority->region_count ? authority->regions[i] : NULL;
}

struct kw_router *kw_authority_router(struct kw_authority *authority)
{
    return authority->router;
}

static KW_ERR refuse_flush(struct kw_change *change, struct kw_error *err)
{
    return kw_fail(err, KW_FORBIDDEN, "%s may not act for every tenant, whose keys these are",
                   change->caller->principal);
}

/* The ring is emptied first: whatever becomes of the record, the keys are gone. It is every
 * tenant's, so who may act for some only has no say over it. */
KW_ERR kw_authority_flush(struct kw_authority *authority, const struct kw_caller *caller,
                          struct kw_error *err)
{
    bool wide = kw_caller_may_touch(caller, "*");
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "FlushKeyring",
                               .activity = KW_ACTIVITY_OTHER,
                               .right = KW_RIGHT_MANAGE_KEYS,
                               .apply = wide ? NULL : refuse_flush};
    if (wide && (caller->rights & KW_RIGHT_MANAGE_KEYS) != 0)
        kw_keyring_flush(authority->ring);
    return kw_change_run(&change, err);
}

struct kw_authority_stats kw_authority_stats(struct kw_authority *authority)
{
    return (struct kw_authority_stats){
        .generated = atomic_load(&authority->generated),
        .unwrapped = atomic_load(&authority->unwrapped),
        .rewrapped = atomic_load(&authority->rewrapped),
        .refused = atomic_load(&authority->refused),
        .signed_messages = atomic_load(&authority->signed_messages),
        .destroyed_keys = atomic_load(&authority->destroyed_keys),
        .rotated_keys = atomic_load(&authority->rotated_keys),
        .repaired_copies = atomic_load(&authority->repaired_copies),
        .lacking_copies = atomic_load(&authority->lacking_copies),
        .budget_events = atomic_load(&authority->budget_events),
        .tick_failures = atomic_load(&authority->tick_failures),
        .last_tick = (kw_code)atomic_load(&authority->last_tick),
    };
}

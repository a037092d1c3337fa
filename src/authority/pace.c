#include "authority/pace.h"

#include "authority/change.h"
#include "base/clock.h"
#include "base/names.h"

enum {
    CALLS_TARGET = 100,
    RISE_MAX = 100, /* per mille a second */
    FALL_MAX = 20,
    ELAPSED_MIN_MS = 100,
    ELAPSED_MAX_MS = 5000,
    STRICT_MAX_MS = 24 * 60 * 60 * 1000,
};

const struct kw_keyring_age *kw_class_age(const struct kw_authority *authority,
                                          const struct kw_data_class *cls)
{
    return cls != NULL ? &cls->age : &authority->age;
}

/* ---- Pressure ---------------------------------------------------------------------------------
 */

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

unsigned kw_pace_load(unsigned load, uint64_t per_second, unsigned target, int64_t elapsed_ms)
{
    int64_t rate = (int64_t)(per_second < UINT32_MAX ? per_second : UINT32_MAX);
    int64_t too_many = (rate - (int64_t)target) * RISE_MAX / (int64_t)target;
    int64_t step =
        clamp(too_many, -FALL_MAX, RISE_MAX) * clamp(elapsed_ms, 0, ELAPSED_MAX_MS) / 1000;
    return (unsigned)clamp((int64_t)load + step, 0, 1000);
}

struct calls {
    const struct kw_authority *authority;
    uint64_t of_region[KW_REGIONS_MAX];
};

static void add_calls(void *arg, const struct kw_route_status *status)
{
    struct calls *calls = arg;
    if (status->tenants != NULL)
        return; /* customers' keys keep their own time */
    for (size_t i = 0; i < calls->authority->region_count; i++)
        if (strcmp(calls->authority->regions[i], status->region) == 0)
            calls->of_region[i] += status->wraps + status->unwraps;
}

static void set_pressures(struct kw_authority *authority)
{
    struct kw_pace *pace = authority->pace;
    struct calls calls = {.authority = authority};
    int64_t now_ms = kw_clock_ms();
    int64_t elapsed_ms = now_ms - pace->flows_ms;
    bool first = pace->flows_ms == 0;
    if (!first && elapsed_ms < ELAPSED_MIN_MS)
        return;
    pace->flows_ms = now_ms;
    kw_router_each(authority->router, add_calls, &calls);
    for (size_t i = 0; i < authority->region_count; i++) {
        struct kw_region_flow *flow = &pace->flows[i];
        uint64_t made = calls.of_region[i] - flow->calls;
        flow->calls = calls.of_region[i];
        if (!first)
            flow->load = kw_pace_load(flow->load, made * 1000 / (uint64_t)elapsed_ms,
                                      pace->calls_target, elapsed_ms);
        unsigned trouble = kw_router_trouble(authority->router, authority->regions[i]);
        kw_keyring_pressure(authority->ring, authority->regions[i],
                            trouble > flow->load ? trouble : flow->load);
    }
}

KW_ERR kw_pace_tick(struct kw_authority *authority, struct kw_error *err)
{
    set_pressures(authority);
    return kw_anomalies_record(authority, err);
}

/* ---- Strictness -------------------------------------------------------------------------------
 */

struct strictness {
    int64_t for_ms;
    bool wide; /* the caller may act for every tenant */
    uint64_t references[KW_REGIONS_MAX];
    size_t count;
};

static bool keep_reference(void *arg, const struct kw_key_row *row)
{
    struct strictness *strictness = arg;
    strictness->references[strictness->count++] = row->reference;
    return strictness->count < KW_COUNT(strictness->references);
}

static void be_strict(struct kw_authority *authority, const struct strictness *strictness)
{
    int64_t until_ms = strictness->for_ms == 0 ? 0 : kw_clock_ms() + strictness->for_ms;
    for (size_t i = 0; i < strictness->count; i++)
        kw_keyring_strict(authority->ring, strictness->references[i], until_ms);
}

/* It begins before it is recorded, and ends after: whatever becomes of the record, no use is less
 * strict than it says. */
static KW_ERR apply_strict(struct kw_change *change, struct kw_error *err)
{
    struct strictness *strictness = change->arg;
    struct kw_tenant_row tenant;
    if (strictness->for_ms < 0 || strictness->for_ms > STRICT_MAX_MS)
        return kw_fail(err, KW_USAGE, "strictness lasts for a day at most, or 0 to end it");
    if (change->tenant == NULL) {
        if (!strictness->wide)
            return kw_fail(err, KW_FORBIDDEN,
                           "%s may not act for every tenant, whose keys these are",
                           change->caller->principal);
        strictness->references[strictness->count++] = 0;
    } else {
        KW_TRY(kw_store_tenant_get(change->authority->store, change->tenant, &tenant, err));
        KW_TRY(kw_store_keys(change->authority->store, change->tenant, keep_reference, strictness,
                             err));
    }
    if (strictness->for_ms != 0)
        be_strict(change->authority, strictness);
    kw_buf_printf(&change->detail, "{\"seconds\":%lld}",
                  (long long)((strictness->for_ms + 999) / 1000));
    return kw_buf_status(&change->detail, err);
}

KW_ERR kw_authority_cache_strict(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *tenant, int64_t for_ms, struct kw_error *err)
{
    struct strictness strictness = {.for_ms = for_ms, .wide = kw_caller_may_touch(caller, "*")};
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "StrictCache",
                               .activity = KW_ACTIVITY_OTHER,
                               .right = KW_RIGHT_MANAGE_KEYS,
                               .tenant = tenant,
                               .apply = apply_strict,
                               .arg = &strictness};
    KW_TRY(kw_change_run(&change, err));
    if (for_ms == 0)
        be_strict(authority, &strictness);
    return KW_OK;
}

/* ---- Life -------------------------------------------------------------------------------------
 */

KW_ERR kw_pace_new(struct kw_authority *authority, const struct kw_authority_options *options,
                   struct kw_error *err)
{
    struct kw_pace *pace = calloc(1, sizeof *pace);
    if (pace == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pace->calls_target = options->calls_target != 0 ? options->calls_target : CALLS_TARGET;
    pthread_mutex_init(&pace->refresh.lock, NULL);
    pthread_cond_init(&pace->refresh.signal, NULL);
    pthread_mutex_init(&pace->anomalies.lock, NULL);
    authority->pace = pace;
    return kw_refresh_start(authority, options->refresh_threads, err);
}

void kw_pace_free(struct kw_authority *authority)
{
    struct kw_pace *pace = authority->pace;
    if (pace == NULL)
        return;
    kw_refresh_stop(authority);
    pthread_mutex_destroy(&pace->anomalies.lock);
    pthread_cond_destroy(&pace->refresh.signal);
    pthread_mutex_destroy(&pace->refresh.lock);
    free(pace);
    authority->pace = NULL;
}

/* What happens by itself: one round a second. */
#include "authority/material.h"

#include "base/clock.h"
#include "crypto/suite.h"

#include <errno.h>

enum { ROUND_MAX = 100, PERIOD_MS = 1000 };

struct due {
    uint64_t references[ROUND_MAX];
    size_t count;
};

static bool keep_due(void *arg, const struct kw_key_row *row)
{
    struct due *due = arg;
    due->references[due->count++] = row->reference;
    return due->count < ROUND_MAX;
}

/* A leap that keeps a destruction waiting is a failure of the round, so that it is seen. */
static KW_ERR list_due(struct kw_authority *authority, struct due *due, struct kw_error *err)
{
    struct due early = {.count = 0};
    int64_t wall_ms = kw_clock_wall_ms();
    int64_t now_ms = kw_due_clock_read(&authority->due_clock, wall_ms, kw_clock_ms());
    KW_TRY(kw_store_keys_due(authority->store, now_ms, ROUND_MAX, keep_due, due, err));
    if (!authority->due_clock.leapt || due->count > 0)
        return KW_OK;
    KW_TRY(kw_store_keys_due(authority->store, wall_ms, ROUND_MAX, keep_due, &early, err));
    if (early.count == 0)
        return KW_OK;
    return kw_fail(
        err, KW_UNAVAILABLE,
        "the clock leapt ahead by %lld seconds: destructions that it makes due wait for a "
        "day; set it right",
        (long long)((wall_ms - now_ms) / 1000));
}

/* One key's failure must not keep the others from their turn; the first one is reported. A key
 * whose destruction was cancelled since it was listed is no failure. */
static KW_ERR destroy_due(struct kw_authority *authority, struct kw_error *err)
{
    struct due due = {.count = 0};
    kw_code first = KW_OK;
    KW_TRY(list_due(authority, &due, err));
    for (size_t i = 0; i < due.count; i++) {
        struct kw_error why = {0};
        kw_code code = kw_key_destroy_due(authority, due.references[i], &why);
        if (code != KW_OK && code != KW_STATE_CONFLICT && first == KW_OK)
            first = kw_fail(err, code, "destruction: %s", why.text);
    }
    return first;
}

static KW_ERR rotate_worn(struct kw_authority *authority, struct kw_error *err)
{
    uint64_t worn[KW_COUNT(authority->rotate_soon)];
    pthread_mutex_lock(&authority->usage_lock);
    size_t count = authority->rotate_soon_count;
    memcpy(worn, authority->rotate_soon, count * sizeof worn[0]);
    authority->rotate_soon_count = 0;
    pthread_mutex_unlock(&authority->usage_lock);
    kw_code first = KW_OK;
    for (size_t i = 0; i < count; i++) {
        kw_code code = kw_key_rotate_worn(authority, worn[i], err);
        if (code != KW_OK && first == KW_OK)
            first = code;
    }
    return first;
}

/* The pages of destroyed copies are overwritten by the commit that destroys them, unless a reader
 * is in the way: then it is tried again each round until it is done. */
static KW_ERR purge(struct kw_authority *authority, struct kw_error *err)
{
    if (!atomic_exchange(&authority->purge_wanted, false))
        return KW_OK;
    kw_code code = kw_store_purge(authority->store, err);
    if (code != KW_OK)
        atomic_store(&authority->purge_wanted, true);
    return code;
}

typedef kw_code work(struct kw_authority *authority, struct kw_error *err);

/* What needs no provider, and so never waits for one: a destruction that is due, above all. */
static work *const own_work[] = {kw_pace_tick,           kw_usage_flush, destroy_due,
                                 kw_material_expire_due, purge,          kw_cost_tick};

static KW_ERR heal(struct kw_authority *authority, struct kw_error *err)
{
    KW_UNUSED(err);
    kw_router_heal(authority->router);
    return KW_OK;
}

/* What asks providers, and lasts as long as they do. After the counters: rotation looks at what the
 * store knows of them. */
static work *const upkeep[] = {heal, rotate_worn, kw_copies_repair};

/* All of it, whatever becomes of one; the first failure is told. */
static KW_ERR run(work *const *all, size_t count, struct kw_authority *authority,
                  struct kw_error *err)
{
    kw_code first = KW_OK;
    for (size_t i = 0; i < count; i++) {
        struct kw_error why = {0};
        kw_code code = all[i](authority, &why);
        if (code != KW_OK && first == KW_OK)
            first = kw_fail(err, code, "%s", why.text);
    }
    return first;
}

static KW_ERR round_of_work(struct kw_authority *authority, struct kw_error *err)
{
    struct kw_error why = {0};
    kw_keyring_collect(authority->ring);
    kw_code first = run(own_work, KW_COUNT(own_work), authority, err);
    kw_code code = authority->background ? KW_OK : run(upkeep, KW_COUNT(upkeep), authority, &why);
    if (code != KW_OK && first == KW_OK)
        first = kw_fail(err, code, "%s", why.text);
    code = authority->on_tick != NULL ? authority->on_tick(authority->on_tick_arg, &why) : KW_OK;
    if (code != KW_OK && first == KW_OK)
        first = kw_fail(err, code, "%s", why.text);
    return first;
}

/* Where there are threads the upkeep has one of its own; how it went counts all the same. */
KW_ERR kw_authority_tick(struct kw_authority *authority, struct kw_error *err)
{
    kw_code code = round_of_work(authority, err);
    kw_code elsewhere = (kw_code)atomic_load(&authority->last_upkeep);
    atomic_store(&authority->last_tick, (int)(code != KW_OK ? code : elsewhere));
    if (code != KW_OK)
        atomic_fetch_add(&authority->tick_failures, 1);
    return code;
}

/* ---- The threads ------------------------------------------------------------------------------
 */

bool kw_scheduler_stopping(struct kw_authority *authority)
{
    pthread_mutex_lock(&authority->stop_lock);
    bool stopping = authority->stopping;
    pthread_mutex_unlock(&authority->stop_lock);
    return stopping;
}

/* Waits for the period or the stop; true to go on. */
static bool wait_for_turn(struct kw_authority *authority)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PERIOD_MS / 1000;
    pthread_mutex_lock(&authority->stop_lock);
    int waited = 0;
    while (!authority->stopping && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&authority->stop_signal, &authority->stop_lock, &until);
    bool go_on = !authority->stopping;
    pthread_mutex_unlock(&authority->stop_lock);
    return go_on;
}

static void *schedule(void *arg)
{
    struct kw_authority *authority = arg;
    struct kw_error ignored; /* kept as last_tick and in the metrics */
    while (wait_for_turn(authority)) {
        (void)!kw_authority_tick(authority, &ignored);
        kw_aead_forget();
    }
    return NULL;
}

static void *keep_up(void *arg)
{
    struct kw_authority *authority = arg;
    struct kw_error ignored; /* kept as last_upkeep */
    while (wait_for_turn(authority)) {
        kw_code code = run(upkeep, KW_COUNT(upkeep), authority, &ignored);
        atomic_store(&authority->last_upkeep, (int)code);
        if (code != KW_OK)
            atomic_fetch_add(&authority->tick_failures, 1);
        kw_aead_forget();
    }
    return NULL;
}

KW_ERR kw_scheduler_start(struct kw_authority *authority, struct kw_error *err)
{
    authority->background = true; /* before there is a thread to read it */
    int rc = pthread_create(&authority->scheduler, NULL, schedule, authority);
    if (rc != 0) {
        authority->background = false;
        return kw_fail_errno(err, rc, "cannot start the scheduler");
    }
    rc = pthread_create(&authority->upkeep, NULL, keep_up, authority);
    authority->has_upkeep = rc == 0;
    return rc == 0 ? KW_OK : kw_fail_errno(err, rc, "cannot start the scheduler");
}

void kw_scheduler_stop(struct kw_authority *authority)
{
    if (!authority->background)
        return;
    pthread_mutex_lock(&authority->stop_lock);
    authority->stopping = true;
    pthread_cond_broadcast(&authority->stop_signal);
    pthread_mutex_unlock(&authority->stop_lock);
    pthread_join(authority->scheduler, NULL);
    if (authority->has_upkeep)
        pthread_join(authority->upkeep, NULL);
    authority->background = false;
}

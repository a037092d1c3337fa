/* Loads: one at a time for each version, shared by all who wait for it. */
#include "keyring/ring.h"

#include "base/clock.h"

enum { LOAD_TRIES = 8 };

/* Says nothing about the key: what is there may serve on until its hard maximum. Everything else is
 * a refusal, by our own states or by a provider. What goes wrong inside this process (no memory,
 * above all) is no revocation. */
static bool for_now(kw_code code)
{
    return kw_code_retryable(code) || kw_code_class(code) == KW_CLASS_INTERNAL;
}

static KW_ERR load_entry(struct kw_keyring *ring, struct kw_flight *flight,
                         struct kw_keyring_entry **out, struct kw_error *err)
{
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    struct kw_keyring_facts facts = {.reference = flight->reference, .version = flight->version};
    int64_t asked_ms = kw_clock_ms();
    KW_TRY(ring->options.load(ring->options.arg, &facts, &key, err));
    KW_TRY(kw_keyring_entry_new(&facts, &key, out, err));
    kw_keyring_entry_start(*out, kw_ring_pressure(ring, facts.region),
                           facts.held ? flight->held_ms : 0, asked_ms);
    return KW_OK;
}

/* What a load that is not stale comes to. */
static kw_code land(struct kw_shard *shard, struct kw_flight *flight, kw_code code,
                    struct kw_keyring_entry *fresh, struct kw_keyring_entry **chain)
{
    flight->entry = fresh; /* the hold it was made with */
    if (code == KW_OK) {
        bool hidden = fresh->facts.held && fresh->keep_ms == 0;
        (hidden ? kw_shard_haunt : kw_shard_put)(shard, fresh, chain);
        return code;
    }
    struct kw_keyring_entry *old = kw_shard_find(shard, flight->reference, flight->version);
    if (!for_now(code)) {
        kw_shard_refuse(shard, flight, code, chain);
    } else if (old != NULL) {
        old->failed = code;
        old->retry_ms = kw_clock_ms() + KW_RING_GRACE_MS;
        old->tell_ms = old->retry_ms;
    }
    return code;
}

/* The leader's part: loads until no drop came in between, and puts the answer in. Lock held at the
 * call and at the return, not while loading. */
static kw_code lead(struct kw_keyring *ring, struct kw_shard *shard, struct kw_flight *flight,
                    struct kw_keyring_entry **chain)
{
    for (int i = 0; i < LOAD_TRIES; i++) {
        struct kw_keyring_entry *fresh = NULL;
        flight->stale = false;
        shard->stats.loads++;
        pthread_mutex_unlock(&shard->lock);
        kw_code code = load_entry(ring, flight, &fresh, &flight->error);
        pthread_mutex_lock(&shard->lock);
        shard->stats.load_failures += code != KW_OK;
        if (!flight->stale)
            return land(shard, flight, code, fresh, chain);
        if (fresh != NULL)
            kw_keyring_entry_free(fresh);
        if (flight->ahead && flight->waiters == 1)
            break;
    }
    return kw_fail(&flight->error, KW_AGAIN, "the key's state keeps changing: try again");
}

static struct kw_flight *flight_begin(struct kw_shard *shard, uint64_t reference, uint32_t version)
{
    struct kw_flight *flight = calloc(1, sizeof *flight);
    struct kw_keyring_entry *old = kw_shard_find(shard, reference, version);
    if (flight == NULL)
        return NULL;
    *flight = (struct kw_flight){.reference = reference, .version = version, .waiters = 1};
    flight->next = shard->flights;
    shard->flights = flight;
    if (old != NULL && old->failed != KW_OK)
        old->retry_ms = INT64_MAX;
    return flight;
}

static void flight_end(struct kw_shard *shard, struct kw_flight *flight)
{
    struct kw_flight **link = &shard->flights;
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    flight->done = true;
    pthread_cond_broadcast(&shard->landed);
}

/* The last passenger cleans up; its own hold, if it has one, was taken before. A hold that turns
 * out to be the last goes to chain: no lock may be held when it is released. */
static void flight_leave(struct kw_flight *flight, struct kw_keyring_entry **chain)
{
    if (--flight->waiters != 0)
        return;
    if (flight->entry != NULL &&
        atomic_fetch_sub_explicit(&flight->entry->holds, 1, memory_order_acq_rel) == 1) {
        atomic_store_explicit(&flight->entry->holds, 1, memory_order_relaxed);
        flight->entry->hash_next = *chain;
        *chain = flight->entry;
    }
    free(flight);
}

/* An older entry, where a load failed for now. */
static struct kw_keyring_entry *fall_back(struct kw_shard *shard, const struct kw_lookup *what)
{
    int64_t now_ms = kw_clock_ms();
    struct kw_keyring_entry *old = kw_shard_find(shard, what->reference, what->version);
    if (old == NULL || kw_shard_strict(shard, what->reference, now_ms))
        return NULL;
    enum kw_standing standing = kw_keyring_stand(old, what->age, now_ms);
    if (standing != KW_STANDS && standing != KW_OUTLIVES)
        return NULL;
    shard->stats.outlived += standing == KW_OUTLIVES;
    return kw_keyring_hold(old);
}

/* What the flight brought, for one of its passengers. Lock held. */
static kw_code flight_take(struct kw_shard *shard, struct kw_flight *flight,
                           const struct kw_lookup *what, struct kw_keyring_entry **out,
                           struct kw_error *err)
{
    if (flight->code == KW_OK) {
        *out = kw_keyring_hold(flight->entry);
        return KW_OK;
    }
    struct kw_keyring_entry *old = for_now(flight->code) ? fall_back(shard, what) : NULL;
    if (old == NULL)
        return kw_fail(err, flight->code, "%s", flight->error.text);
    *out = old;
    return KW_OK;
}

static void await(struct kw_shard *shard, struct kw_flight *flight)
{
    flight->waiters++;
    while (!flight->done)
        pthread_cond_wait(&shard->landed, &shard->lock);
}

KW_ERR kw_ring_fly(struct kw_keyring *ring, struct kw_shard *shard, const struct kw_lookup *what,
                   struct kw_keyring_entry **out, struct kw_keyring_entry **chain,
                   struct kw_error *err)
{
    bool strict = kw_shard_strict(shard, what->reference, kw_clock_ms());
    struct kw_flight *flight = kw_shard_flight(shard, what->reference, what->version);
    if (flight != NULL && strict) { /* began before the call: the next one then */
        await(shard, flight);
        flight_leave(flight, chain);
        flight = kw_shard_flight(shard, what->reference, what->version);
    }
    if (flight != NULL) {
        await(shard, flight);
    } else {
        flight = flight_begin(shard, what->reference, what->version);
        if (flight == NULL)
            return kw_fail_code(err, KW_NO_MEMORY);
        flight->held_ms = what->age->held_ms;
        flight->code = lead(ring, shard, flight, chain);
        flight_end(shard, flight);
    }
    kw_code code = flight_take(shard, flight, what, out, err);
    flight_leave(flight, chain);
    return code;
}

/* Lock held. A load that is under way does as well. */
static kw_code refresh(struct kw_keyring *ring, struct kw_shard *shard,
                       const struct kw_lookup *what, struct kw_keyring_entry **chain,
                       struct kw_error *err)
{
    struct kw_keyring_entry *old = kw_shard_find(shard, what->reference, what->version);
    if (old == NULL || old->facts.held || old->keep_ms != 0 ||
        kw_shard_flight(shard, what->reference, what->version) != NULL)
        return KW_OK;
    struct kw_flight *flight = flight_begin(shard, what->reference, what->version);
    if (flight == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    flight->ahead = true;
    shard->stats.refreshes++;
    flight->code = lead(ring, shard, flight, chain);
    flight_end(shard, flight);
    kw_code code = flight->code == KW_OK || flight->stale
                       ? KW_OK
                       : kw_fail(err, flight->code, "%s", flight->error.text);
    flight_leave(flight, chain);
    return code;
}

KW_ERR kw_keyring_refresh(struct kw_keyring *ring, uint64_t reference, uint32_t version,
                          struct kw_error *err)
{
    struct kw_shard *shard = kw_ring_shard(ring, reference);
    struct kw_lookup what = {.reference = reference, .version = version};
    struct kw_keyring_entry *chain = NULL;
    pthread_mutex_lock(&shard->lock);
    kw_code code = refresh(ring, shard, &what, &chain, err);
    pthread_mutex_unlock(&shard->lock);
    kw_ring_release_chain(ring, chain);
    return code;
}

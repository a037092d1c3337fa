#include "keyring/keyring.h"

#include "base/clock.h"
#include "keyring/shard.h"

enum { SHARDS = 16, HINTS = 1 << 14, LOAD_TRIES = 8, GRACE_MS = 1000 };

/* A hint may be torn or stale: whoever uses one checks it against the entry it leads to. */
struct hint {
    atomic_uint_fast64_t name_hash;
    atomic_uint_fast64_t reference;
    atomic_uint_fast32_t version;
};

struct kw_keyring {
    struct kw_keyring_options options;
    struct kw_shard shards[SHARDS];
    struct hint *hints;
};

KW_ERR kw_keyring_new(const struct kw_keyring_options *options, struct kw_keyring **out,
                      struct kw_error *err)
{
    KW_AUTO_PTR(kw_keyring) ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    ring->options = *options;
    if (ring->options.bytes_max == 0)
        ring->options.bytes_max = (size_t)64 << 20;
    if (ring->options.ttl_ms == 0)
        ring->options.ttl_ms = 300 * 1000;
    if (ring->options.hard_ttl_ms < ring->options.ttl_ms)
        ring->options.hard_ttl_ms = ring->options.ttl_ms;
    ring->hints = calloc(HINTS, sizeof *ring->hints);
    if (ring->hints == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < SHARDS; i++)
        KW_TRY(kw_shard_init(&ring->shards[i], ring->options.bytes_max / SHARDS, err));
    *out = ring;
    ring = NULL;
    return KW_OK;
}

static struct kw_shard *shard_of(struct kw_keyring *ring, uint64_t reference)
{
    return &ring->shards[reference % SHARDS];
}

static void report(struct kw_keyring *ring, struct kw_keyring_entry *entry)
{
    uint64_t wraps = atomic_exchange(&entry->wraps_unreported, 0);
    uint64_t unwraps = atomic_exchange(&entry->unwraps_unreported, 0);
    if ((wraps != 0 || unwraps != 0) && ring->options.used != NULL)
        ring->options.used(ring->options.arg, &entry->facts, wraps, unwraps);
}

/* The last holder reports and frees: uses counted after an entry left the ring are not lost. */
void kw_keyring_release(struct kw_keyring *ring, struct kw_keyring_entry *entry)
{
    if (entry == NULL || atomic_fetch_sub_explicit(&entry->holds, 1, memory_order_acq_rel) != 1)
        return;
    report(ring, entry);
    kw_keyring_entry_free(entry);
}

/* Lets go of entries that were taken out of a shard, chained by hash_next. No lock is held. */
static void release_chain(struct kw_keyring *ring, struct kw_keyring_entry *chain)
{
    while (chain != NULL) {
        struct kw_keyring_entry *next = chain->hash_next;
        kw_keyring_release(ring, chain);
        chain = next;
    }
}

/* Fresh and held, or NULL. The shard's lock is held. */
static struct kw_keyring_entry *find_locked(struct kw_shard *shard, uint64_t reference,
                                            uint32_t version, int64_t now_ms)
{
    struct kw_keyring_entry *entry = kw_shard_find(shard, reference, version);
    if (entry == NULL || now_ms >= entry->fresh_until_ms) {
        shard->stats.misses++;
        return NULL;
    }
    shard->stats.hits++;
    kw_shard_touch(shard, entry, now_ms);
    return kw_keyring_hold(entry);
}

struct kw_keyring_entry *kw_keyring_find(struct kw_keyring *ring, uint64_t reference,
                                         uint32_t version)
{
    struct kw_shard *shard = shard_of(ring, reference);
    int64_t now_ms = kw_clock_ms();
    pthread_mutex_lock(&shard->lock);
    struct kw_keyring_entry *entry = find_locked(shard, reference, version, now_ms);
    pthread_mutex_unlock(&shard->lock);
    return entry;
}

static KW_ERR load_entry(struct kw_keyring *ring, uint64_t reference, uint32_t version,
                         struct kw_keyring_entry **out, struct kw_error *err)
{
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    struct kw_keyring_facts facts = {.reference = reference, .version = version};
    KW_TRY(ring->options.load(ring->options.arg, &facts, &key, err));
    KW_TRY(kw_keyring_entry_new(&facts, &key, out, err));
    (*out)->loaded_ms = kw_clock_ms();
    (*out)->fresh_until_ms = (*out)->loaded_ms + ring->options.ttl_ms;
    return KW_OK;
}

/* What the older entry has counted may not have reached the store when the newer one was loaded. */
static void count_on(struct kw_keyring_entry *entry, const struct kw_keyring_entry *old)
{
    uint64_t counted = atomic_load_explicit(&old->wraps_total, memory_order_relaxed);
    if (counted > atomic_load_explicit(&entry->wraps_total, memory_order_relaxed))
        atomic_store_explicit(&entry->wraps_total, counted, memory_order_relaxed);
}

/* Puts a loaded entry in place of an older one and makes room. Lock held; what left is chained. */
static void put_in(struct kw_shard *shard, struct kw_keyring_entry *entry,
                   struct kw_keyring_entry **chain)
{
    struct kw_keyring_entry *old =
        kw_shard_find(shard, entry->facts.reference, entry->facts.version);
    kw_shard_bury(shard, chain);
    if (old != NULL) {
        count_on(entry, old);
        kw_shard_retire(shard, old, chain);
    }
    kw_shard_insert(shard, kw_keyring_hold(entry), entry->loaded_ms);
    while (shard->bytes > shard->bytes_max && shard->oldest != entry) {
        kw_shard_retire(shard, shard->oldest, chain);
        shard->stats.evictions++;
    }
}

/* A load failed for now: an entry that has not reached its hard limit serves for a little longer.
 */
static struct kw_keyring_entry *outlive(struct kw_keyring *ring, struct kw_shard *shard,
                                        uint64_t reference, uint32_t version)
{
    int64_t now_ms = kw_clock_ms();
    struct kw_keyring_entry *entry = kw_shard_find(shard, reference, version);
    if (entry == NULL || now_ms >= entry->loaded_ms + ring->options.hard_ttl_ms)
        return NULL;
    entry->fresh_until_ms = now_ms + GRACE_MS;
    return kw_keyring_hold(entry);
}

/* What a load that is not stale comes to. */
static kw_code land(struct kw_keyring *ring, struct kw_shard *shard, struct kw_flight *flight,
                    kw_code code, struct kw_keyring_entry *fresh, struct kw_keyring_entry **chain)
{
    flight->entry = fresh; /* the hold it was made with */
    if (code == KW_OK)
        put_in(shard, fresh, chain);
    else if (kw_code_retryable(code))
        flight->entry = outlive(ring, shard, flight->reference, flight->version);
    return flight->entry != NULL ? KW_OK : code;
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
        kw_code code = load_entry(ring, flight->reference, flight->version, &fresh, &flight->error);
        pthread_mutex_lock(&shard->lock);
        shard->stats.load_failures += code != KW_OK;
        if (!flight->stale)
            return land(ring, shard, flight, code, fresh, chain);
        if (fresh != NULL)
            kw_keyring_entry_free(fresh);
    }
    return kw_fail(&flight->error, KW_AGAIN, "the key's state keeps changing: try again");
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

/* What the flight brought, for one of its passengers; the last one out cleans up. Lock held. */
static kw_code flight_leave(struct kw_keyring *ring, struct kw_flight *flight,
                            struct kw_keyring_entry **out, struct kw_error *err)
{
    kw_code code = flight->code;
    if (code == KW_OK)
        *out = kw_keyring_hold(flight->entry);
    else
        kw_fail(err, code, "%s", flight->error.text);
    if (--flight->waiters == 0) {
        kw_keyring_release(ring, flight->entry); /* out holds it too: it is not the last */
        free(flight);
    }
    return code;
}

static kw_code fly(struct kw_keyring *ring, struct kw_shard *shard, uint64_t reference,
                   uint32_t version, struct kw_keyring_entry **out, struct kw_keyring_entry **chain,
                   struct kw_error *err)
{
    struct kw_flight *flight = kw_shard_flight(shard, reference, version);
    if (flight != NULL) {
        flight->waiters++;
        while (!flight->done)
            pthread_cond_wait(&shard->landed, &shard->lock);
        return flight_leave(ring, flight, out, err);
    }
    flight = calloc(1, sizeof *flight);
    if (flight == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    *flight = (struct kw_flight){.reference = reference, .version = version, .waiters = 1};
    flight->next = shard->flights;
    shard->flights = flight;
    flight->code = lead(ring, shard, flight, chain);
    flight_end(shard, flight);
    return flight_leave(ring, flight, out, err);
}

KW_ERR kw_keyring_get(struct kw_keyring *ring, uint64_t reference, uint32_t version,
                      struct kw_keyring_entry **out, struct kw_error *err)
{
    struct kw_shard *shard = shard_of(ring, reference);
    struct kw_keyring_entry *chain = NULL;
    kw_code code = KW_OK;
    int64_t now_ms = kw_clock_ms();
    pthread_mutex_lock(&shard->lock);
    struct kw_keyring_entry *entry = find_locked(shard, reference, version, now_ms);
    if (entry != NULL)
        *out = entry;
    else
        code = fly(ring, shard, reference, version, out, &chain, err);
    pthread_mutex_unlock(&shard->lock);
    release_chain(ring, chain);
    return code;
}

static void drop(struct kw_keyring *ring, struct kw_shard *shard, uint64_t reference,
                 kw_code refusal)
{
    struct kw_keyring_entry *chain = NULL;
    pthread_mutex_lock(&shard->lock);
    kw_shard_drop(shard, reference, refusal, &chain);
    pthread_mutex_unlock(&shard->lock);
    release_chain(ring, chain);
}

void kw_keyring_drop(struct kw_keyring *ring, uint64_t reference, kw_code refusal)
{
    if (reference != 0) /* no key has it: 0 stands for all */
        drop(ring, shard_of(ring, reference), reference, refusal);
}

void kw_keyring_flush(struct kw_keyring *ring)
{
    for (size_t i = 0; i < SHARDS; i++)
        drop(ring, &ring->shards[i], 0, KW_UNAVAILABLE);
}

/* The list is in the order of use, so what was used since last time is at its new end, and what has
 * expired unused at its old one. Used entries are held over the unlocked report. */
static void collect_shard(struct kw_keyring *ring, struct kw_shard *shard)
{
    struct kw_keyring_entry *chain = NULL;
    int64_t now_ms = kw_clock_ms();
    pthread_mutex_lock(&shard->lock);
    int64_t since_ms = shard->collected_ms;
    shard->collected_ms = now_ms;
    size_t count = 0;
    for (struct kw_keyring_entry *e = shard->newest; e != NULL && e->used_ms >= since_ms;
         e = e->older)
        count++;
    struct kw_keyring_entry **used =
        count == 0 ? NULL : calloc(count, sizeof(struct kw_keyring_entry *));
    size_t held = 0;
    for (struct kw_keyring_entry *e = shard->newest; used != NULL && held < count; e = e->older)
        used[held++] = kw_keyring_hold(e);
    if (count != 0 && used == NULL)
        shard->collected_ms = since_ms; /* no memory: they are reported next time */
    kw_shard_bury(shard, &chain);
    while (shard->oldest != NULL && now_ms - shard->oldest->used_ms > ring->options.ttl_ms)
        kw_shard_retire(shard, shard->oldest, &chain);
    pthread_mutex_unlock(&shard->lock);
    for (size_t i = 0; i < held; i++) {
        report(ring, used[i]);
        kw_keyring_release(ring, used[i]);
    }
    free(used);
    release_chain(ring, chain);
}

void kw_keyring_collect(struct kw_keyring *ring)
{
    for (size_t i = 0; i < SHARDS; i++)
        collect_shard(ring, &ring->shards[i]);
}

void kw_keyring_free(struct kw_keyring *ring)
{
    if (ring == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        if (ring->shards[i].buckets != NULL)
            drop(ring, &ring->shards[i], 0, KW_UNAVAILABLE);
        kw_shard_destroy(&ring->shards[i]);
    }
    free(ring->hints);
    free(ring);
}

struct kw_keyring_stats kw_keyring_stats(struct kw_keyring *ring)
{
    struct kw_keyring_stats sum = {0};
    for (size_t i = 0; i < SHARDS; i++) {
        struct kw_shard *shard = &ring->shards[i];
        pthread_mutex_lock(&shard->lock);
        sum.entries += shard->entries;
        sum.bytes += shard->bytes;
        sum.hits += shard->stats.hits;
        sum.misses += shard->stats.misses;
        sum.loads += shard->stats.loads;
        sum.load_failures += shard->stats.load_failures;
        sum.evictions += shard->stats.evictions;
        sum.drops += shard->stats.drops;
        pthread_mutex_unlock(&shard->lock);
    }
    return sum;
}

/* FNV-1a: spreads names; nobody gains by a collision but a slower look-up. */
static uint64_t name_hash(const char *tenant, const char *region)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (const char *part = tenant; part != NULL; part = part == tenant ? region : NULL) {
        for (const char *p = part; *p != '\0'; p++)
            hash = (hash ^ (uint8_t)*p) * 0x100000001b3U;
        hash = (hash ^ 0xff) * 0x100000001b3U;
    }
    return hash | 1;
}

bool kw_keyring_hint_get(struct kw_keyring *ring, const char *tenant, const char *region,
                         uint64_t *reference, uint32_t *version)
{
    uint64_t hash = name_hash(tenant, region);
    struct hint *hint = &ring->hints[(hash >> 16) % HINTS];
    if (atomic_load_explicit(&hint->name_hash, memory_order_acquire) != hash)
        return false;
    *reference = atomic_load_explicit(&hint->reference, memory_order_relaxed);
    *version = (uint32_t)atomic_load_explicit(&hint->version, memory_order_relaxed);
    return true;
}

void kw_keyring_hint_put(struct kw_keyring *ring, const char *tenant, const char *region,
                         uint64_t reference, uint32_t version)
{
    uint64_t hash = name_hash(tenant, region);
    struct hint *hint = &ring->hints[(hash >> 16) % HINTS];
    atomic_store_explicit(&hint->name_hash, 0, memory_order_relaxed);
    atomic_store_explicit(&hint->reference, reference, memory_order_relaxed);
    atomic_store_explicit(&hint->version, version, memory_order_relaxed);
    atomic_store_explicit(&hint->name_hash, hash, memory_order_release);
}

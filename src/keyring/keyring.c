#include "keyring/keyring.h"

#include "base/clock.h"
#include "keyring/ring.h"

KW_ERR kw_keyring_new(const struct kw_keyring_options *options, struct kw_keyring **out,
                      struct kw_error *err)
{
    KW_AUTO_PTR(kw_keyring) ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    ring->options = *options;
    struct kw_keyring_age *age = &ring->options.age;
    if (ring->options.bytes_max == 0)
        ring->options.bytes_max = (size_t)64 << 20;
    if (age->ttl_ms == 0)
        age->ttl_ms = KW_KEYRING_TTL_MS;
    if (age->hard_ttl_ms < age->ttl_ms)
        age->hard_ttl_ms = age->ttl_ms;
    kw_ring_pressures_init(&ring->pressures);
    KW_TRY(kw_ring_hints_init(ring, err));
    for (size_t i = 0; i < KW_RING_SHARDS; i++) {
        KW_TRY(kw_shard_init(&ring->shards[i], ring->options.bytes_max / KW_RING_SHARDS, err));
        ring->shards[i].longest_ms = age->hard_ttl_ms;
    }
    *out = ring;
    ring = NULL;
    return KW_OK;
}

struct kw_shard *kw_ring_shard(struct kw_keyring *ring, uint64_t reference)
{
    return &ring->shards[reference % KW_RING_SHARDS];
}

/* ---- Holds ------------------------------------------------------------------------------------
 */

static void report(struct kw_keyring *ring, struct kw_keyring_entry *entry)
{
    uint64_t wraps = atomic_exchange(&entry->wraps_unreported, 0);
    uint64_t unwraps = atomic_exchange(&entry->unwraps_unreported, 0);
    if ((wraps != 0 || unwraps != 0) && ring->options.used != NULL)
        ring->options.used(ring->options.arg, &entry->facts, wraps, unwraps);
}

static void let_go(struct kw_keyring *ring, struct kw_keyring_entry *entry)
{
    if (atomic_fetch_sub_explicit(&entry->holds, 1, memory_order_acq_rel) != 1)
        return;
    report(ring, entry);
    kw_keyring_entry_free(entry);
}

void kw_ring_release_chain(struct kw_keyring *ring, struct kw_keyring_entry *chain)
{
    while (chain != NULL) {
        struct kw_keyring_entry *next = chain->hash_next;
        let_go(ring, chain);
        chain = next;
    }
}

/* The ring's hold on what nobody can find goes with the last user's: a held key's bytes do not
 * wait for the next collection. */
static void release_held(struct kw_keyring *ring, struct kw_keyring_entry *entry)
{
    struct kw_shard *shard = kw_ring_shard(ring, entry->facts.reference);
    struct kw_keyring_entry *chain = NULL;
    pthread_mutex_lock(&shard->lock);
    bool last = atomic_fetch_sub_explicit(&entry->holds, 1, memory_order_acq_rel) == 1;
    kw_shard_bury(shard, &chain);
    pthread_mutex_unlock(&shard->lock);
    if (last) {
        report(ring, entry);
        kw_keyring_entry_free(entry);
    }
    kw_ring_release_chain(ring, chain);
}

/* The last holder reports and frees: uses counted after an entry left the ring are not lost. */
void kw_keyring_release(struct kw_keyring *ring, struct kw_keyring_entry *entry)
{
    if (entry == NULL)
        return;
    if (entry->held)
        release_held(ring, entry);
    else
        let_go(ring, entry);
}

/* ---- Looking up -------------------------------------------------------------------------------
 */

/* In the younger half of its time, as nearly always, an entry serves whatever the pressure is. */
static bool is_young(const struct kw_keyring_entry *entry, const struct kw_keyring_age *age,
                     int64_t now_ms)
{
    int64_t doubled_ms = 2 * (now_ms - entry->loaded_ms);
    return doubled_ms < age->ttl_ms && doubled_ms < entry->plain_ms;
}

struct sight {
    struct kw_keyring_entry *entry; /* held, or NULL */
    bool tell;                      /* stale() is to be told */
    kw_code failed;                 /* not to be loaded just now, for this reason */
};

static struct kw_keyring_entry *use_it(struct kw_shard *shard, struct kw_keyring_entry *entry,
                                       int64_t now_ms)
{
    shard->stats.hits++;
    kw_shard_touch(shard, entry, now_ms);
    return kw_keyring_hold(entry);
}

/* What is not young, or is not to be used without a look at strictness. Lock held. */
static struct sight look_closer(struct kw_keyring *ring, struct kw_shard *shard,
                                const struct kw_lookup *what, struct kw_keyring_entry *entry,
                                int64_t now_ms)
{
    struct sight sight = {NULL, false, KW_OK};
    enum kw_standing standing = KW_WANTING;
    if (entry != NULL && !kw_shard_strict(shard, what->reference, now_ms))
        standing = kw_keyring_stand(entry, what->age, now_ms);
    if (standing == KW_FAILED)
        sight.failed = entry->failed;
    if (standing != KW_STANDS && standing != KW_OUTLIVES) {
        shard->stats.misses++;
        return sight;
    }
    shard->stats.outlived += standing == KW_OUTLIVES;
    sight.tell = standing == KW_STANDS && ring->options.stale != NULL &&
                 kw_keyring_nearly_over(entry, what->age, now_ms);
    sight.entry = use_it(shard, entry, now_ms);
    return sight;
}

static struct kw_lookup lookup_of(const struct kw_keyring *ring, uint64_t reference,
                                  uint32_t version, const struct kw_keyring_age *age)
{
    return (struct kw_lookup){reference, version, age != NULL ? age : &ring->options.age};
}

struct kw_keyring_entry *kw_keyring_find(struct kw_keyring *ring, uint64_t reference,
                                         uint32_t version, const struct kw_keyring_age *age)
{
    struct kw_shard *shard = kw_ring_shard(ring, reference);
    struct kw_lookup what = lookup_of(ring, reference, version, age);
    struct sight sight = {NULL, false, KW_OK};
    int64_t now_ms = kw_clock_ms();
    pthread_mutex_lock(&shard->lock);
    struct kw_keyring_entry *entry = kw_shard_find(shard, reference, version);
    if (entry != NULL && !shard->strict && is_young(entry, what.age, now_ms))
        sight.entry = use_it(shard, entry, now_ms);
    else
        sight = look_closer(ring, shard, &what, entry, now_ms);
    pthread_mutex_unlock(&shard->lock);
    if (sight.tell)
        ring->options.stale(ring->options.arg, reference, version);
    return sight.entry;
}

static KW_ERR fetch(struct kw_keyring *ring, struct kw_shard *shard, const struct kw_lookup *what,
                    struct sight *sight, struct kw_keyring_entry **chain, struct kw_error *err)
{
    struct kw_keyring_entry *entry = kw_shard_find(shard, what->reference, what->version);
    *sight = look_closer(ring, shard, what, entry, kw_clock_ms());
    if (sight->entry != NULL)
        return KW_OK;
    if (sight->failed != KW_OK)
        return kw_fail(err, sight->failed, "%s; it was tried less than a second ago",
                       kw_code_message(sight->failed));
    if (shard->longest_ms < what->age->hard_ttl_ms)
        shard->longest_ms = what->age->hard_ttl_ms;
    return kw_ring_fly(ring, shard, what, &sight->entry, chain, err);
}

KW_ERR kw_keyring_get(struct kw_keyring *ring, uint64_t reference, uint32_t version,
                      const struct kw_keyring_age *age, struct kw_keyring_entry **out,
                      struct kw_error *err)
{
    struct kw_shard *shard = kw_ring_shard(ring, reference);
    struct kw_lookup what = lookup_of(ring, reference, version, age);
    struct kw_keyring_entry *chain = NULL;
    struct sight sight;
    pthread_mutex_lock(&shard->lock);
    kw_code code = fetch(ring, shard, &what, &sight, &chain, err);
    pthread_mutex_unlock(&shard->lock);
    kw_ring_release_chain(ring, chain);
    if (sight.tell)
        ring->options.stale(ring->options.arg, reference, version);
    if (code == KW_OK)
        *out = sight.entry;
    return code;
}

/* ---- Adopting ---------------------------------------------------------------------------------
 */

uint64_t kw_keyring_marker(struct kw_keyring *ring, uint64_t reference)
{
    struct kw_shard *shard = kw_ring_shard(ring, reference);
    pthread_mutex_lock(&shard->lock);
    uint64_t marker = shard->drop_count;
    pthread_mutex_unlock(&shard->lock);
    return marker;
}

static bool admit(struct kw_shard *shard, struct kw_keyring_entry *entry, uint64_t since,
                  struct kw_keyring_entry **chain)
{
    if (kw_shard_dropped_since(shard, entry->facts.reference, since))
        return false;
    (entry->keep_ms == 0 ? kw_shard_haunt : kw_shard_put)(shard, entry, chain);
    return true;
}

KW_ERR kw_keyring_adopt(struct kw_keyring *ring, const struct kw_keyring_facts *facts,
                        struct kw_secret *key, int64_t keep_ms, uint64_t since,
                        struct kw_keyring_entry **out, struct kw_error *err)
{
    struct kw_shard *shard = kw_ring_shard(ring, facts->reference);
    struct kw_keyring_entry *entry = NULL, *chain = NULL;
    KW_TRY(kw_keyring_entry_new(facts, key, &entry, err));
    kw_keyring_entry_start(entry, kw_ring_pressure(ring, facts->region), keep_ms, kw_clock_ms());
    pthread_mutex_lock(&shard->lock);
    bool admitted = admit(shard, entry, since, &chain);
    pthread_mutex_unlock(&shard->lock);
    kw_ring_release_chain(ring, chain);
    if (!admitted) {
        kw_keyring_entry_free(entry);
        return kw_fail(err, KW_AGAIN, "the key's state has changed meanwhile: try again");
    }
    kw_secret_wipe(key);
    *out = entry;
    return KW_OK;
}

/* ---- Leaving ----------------------------------------------------------------------------------
 */

static void drop(struct kw_keyring *ring, struct kw_shard *shard, uint64_t reference,
                 kw_code refusal)
{
    struct kw_keyring_entry *chain = NULL;
    pthread_mutex_lock(&shard->lock);
    kw_shard_drop(shard, reference, refusal, &chain);
    pthread_mutex_unlock(&shard->lock);
    kw_ring_release_chain(ring, chain);
}

void kw_keyring_drop(struct kw_keyring *ring, uint64_t reference, kw_code refusal)
{
    if (reference != 0) /* no key has it: 0 stands for all */
        drop(ring, kw_ring_shard(ring, reference), reference, refusal);
}

void kw_keyring_flush(struct kw_keyring *ring)
{
    for (size_t i = 0; i < KW_RING_SHARDS; i++)
        drop(ring, &ring->shards[i], 0, KW_UNAVAILABLE);
}

/* The list is in the order of use, so what was used since last time is at its new end. Used entries
 * are held over the unlocked report. */
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
    kw_shard_expire(shard, now_ms, &chain);
    pthread_mutex_unlock(&shard->lock);
    for (size_t i = 0; i < held; i++) {
        report(ring, used[i]);
        kw_keyring_release(ring, used[i]);
    }
    free(used);
    kw_ring_release_chain(ring, chain);
}

void kw_keyring_collect(struct kw_keyring *ring)
{
    for (size_t i = 0; i < KW_RING_SHARDS; i++)
        collect_shard(ring, &ring->shards[i]);
}

void kw_keyring_free(struct kw_keyring *ring)
{
    if (ring == NULL)
        return;
    for (size_t i = 0; i < KW_RING_SHARDS; i++) {
        if (ring->shards[i].buckets != NULL)
            drop(ring, &ring->shards[i], 0, KW_UNAVAILABLE);
        kw_shard_destroy(&ring->shards[i]);
    }
    kw_ring_pressures_destroy(&ring->pressures);
    free(ring->hints);
    free(ring);
}

struct kw_keyring_stats kw_keyring_stats(struct kw_keyring *ring)
{
    struct kw_keyring_stats sum = {.pressure = kw_ring_pressure_max(ring)};
    int64_t now_ms = kw_clock_ms();
    for (size_t i = 0; i < KW_RING_SHARDS; i++) {
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
        sum.refreshes += shard->stats.refreshes;
        sum.outlived += shard->stats.outlived;
        if (shard->strict_until_ms > now_ms)
            sum.strict_until_ms = shard->strict_until_ms;
        pthread_mutex_unlock(&shard->lock);
    }
    return sum;
}

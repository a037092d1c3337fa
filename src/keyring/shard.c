#include "keyring/shard.h"

static size_t bucket_of(const struct kw_shard *shard, uint64_t reference)
{
    /* References are random, so any of their bits will do; the low ones choose the shard. */
    return (size_t)(reference >> 8) & (shard->bucket_count - 1);
}

KW_ERR kw_shard_init(struct kw_shard *shard, size_t bytes_max, struct kw_error *err)
{
    size_t wanted = bytes_max / kw_keyring_entry_bytes();
    *shard = (struct kw_shard){.bytes_max = bytes_max, .bucket_count = 16};
    while (shard->bucket_count < wanted)
        shard->bucket_count *= 2;
    shard->buckets = calloc(shard->bucket_count, sizeof(struct kw_keyring_entry *));
    if (shard->buckets == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_mutex_init(&shard->lock, NULL);
    pthread_cond_init(&shard->landed, NULL);
    return KW_OK;
}

void kw_shard_destroy(struct kw_shard *shard)
{
    if (shard->buckets == NULL)
        return;
    free(shard->buckets);
    pthread_cond_destroy(&shard->landed);
    pthread_mutex_destroy(&shard->lock);
}

struct kw_keyring_entry *kw_shard_find(const struct kw_shard *shard, uint64_t reference,
                                       uint32_t version)
{
    struct kw_keyring_entry *entry = shard->buckets[bucket_of(shard, reference)];
    while (entry != NULL &&
           (entry->facts.reference != reference || entry->facts.version != version))
        entry = entry->hash_next;
    return entry;
}

/* Any version of the key; of any key for 0. */
static struct kw_keyring_entry *find_any(const struct kw_shard *shard, uint64_t reference)
{
    if (reference == 0)
        return shard->oldest;
    struct kw_keyring_entry *entry = shard->buckets[bucket_of(shard, reference)];
    while (entry != NULL && entry->facts.reference != reference)
        entry = entry->hash_next;
    return entry;
}

static void list_take(struct kw_shard *shard, struct kw_keyring_entry *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        shard->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        shard->oldest = entry->newer;
}

static void list_put(struct kw_shard *shard, struct kw_keyring_entry *entry)
{
    entry->newer = NULL;
    entry->older = shard->newest;
    if (shard->newest != NULL)
        shard->newest->newer = entry;
    else
        shard->oldest = entry;
    shard->newest = entry;
}

void kw_shard_touch(struct kw_shard *shard, struct kw_keyring_entry *entry, int64_t now_ms)
{
    entry->used_ms = now_ms;
    if (shard->newest == entry)
        return;
    list_take(shard, entry);
    list_put(shard, entry);
}

static void brief_take(struct kw_shard *shard, struct kw_keyring_entry *entry)
{
    if (entry->brief_last != NULL)
        entry->brief_last->brief_next = entry->brief_next;
    else
        shard->brief = entry->brief_next;
    if (entry->brief_next != NULL)
        entry->brief_next->brief_last = entry->brief_last;
    entry->brief_next = entry->brief_last = NULL;
}

static void brief_put(struct kw_shard *shard, struct kw_keyring_entry *entry)
{
    entry->brief_next = shard->brief;
    if (shard->brief != NULL)
        shard->brief->brief_last = entry;
    shard->brief = entry;
}

static void insert(struct kw_shard *shard, struct kw_keyring_entry *entry)
{
    size_t bucket = bucket_of(shard, entry->facts.reference);
    entry->hash_next = shard->buckets[bucket];
    shard->buckets[bucket] = entry;
    entry->used_ms = entry->loaded_ms;
    list_put(shard, entry);
    if (entry->expires_ms != INT64_MAX)
        brief_put(shard, entry);
    shard->bytes += kw_keyring_entry_bytes();
    shard->entries++;
}

static void take_out(struct kw_shard *shard, struct kw_keyring_entry *entry)
{
    struct kw_keyring_entry **link = &shard->buckets[bucket_of(shard, entry->facts.reference)];
    while (*link != entry)
        link = &(*link)->hash_next;
    *link = entry->hash_next;
    entry->hash_next = NULL;
    list_take(shard, entry);
    if (entry->expires_ms != INT64_MAX)
        brief_take(shard, entry);
    shard->bytes -= kw_keyring_entry_bytes();
    shard->entries--;
}

static void chain_up(struct kw_keyring_entry *entry, struct kw_keyring_entry **chain)
{
    entry->hash_next = *chain;
    *chain = entry;
}

/* With the lock held nobody can come by a first hold on it, so 1 stays 1. */
static bool held_elsewhere(const struct kw_keyring_entry *entry)
{
    return atomic_load_explicit(&entry->holds, memory_order_acquire) > 1;
}

void kw_shard_retire(struct kw_shard *shard, struct kw_keyring_entry *entry,
                     struct kw_keyring_entry **chain)
{
    take_out(shard, entry);
    chain_up(entry, held_elsewhere(entry) ? &shard->ghosts : chain);
}

/* What the older entry has counted may not have reached the store when the newer one was loaded. */
static void count_on(struct kw_keyring_entry *entry, const struct kw_keyring_entry *old)
{
    uint64_t counted = atomic_load_explicit(&old->wraps_total, memory_order_relaxed);
    if (counted > atomic_load_explicit(&entry->wraps_total, memory_order_relaxed))
        atomic_store_explicit(&entry->wraps_total, counted, memory_order_relaxed);
}

static void make_place(struct kw_shard *shard, struct kw_keyring_entry *entry,
                       struct kw_keyring_entry **chain)
{
    struct kw_keyring_entry *old =
        kw_shard_find(shard, entry->facts.reference, entry->facts.version);
    kw_shard_bury(shard, chain);
    if (old == NULL)
        return;
    count_on(entry, old);
    kw_shard_retire(shard, old, chain);
}

void kw_shard_put(struct kw_shard *shard, struct kw_keyring_entry *entry,
                  struct kw_keyring_entry **chain)
{
    make_place(shard, entry, chain);
    insert(shard, kw_keyring_hold(entry));
    while (shard->bytes > shard->bytes_max && shard->oldest != entry) {
        kw_shard_retire(shard, shard->oldest, chain);
        shard->stats.evictions++;
    }
}

void kw_shard_haunt(struct kw_shard *shard, struct kw_keyring_entry *entry,
                    struct kw_keyring_entry **chain)
{
    make_place(shard, entry, chain);
    chain_up(kw_keyring_hold(entry), &shard->ghosts);
}

/* The list is in the order of use, so what nobody has used for as long as any use allows is at its
 * old end. */
void kw_shard_expire(struct kw_shard *shard, int64_t now_ms, struct kw_keyring_entry **chain)
{
    struct kw_keyring_entry *next = NULL;
    for (struct kw_keyring_entry *entry = shard->brief; entry != NULL; entry = next) {
        next = entry->brief_next;
        if (now_ms >= entry->expires_ms)
            kw_shard_retire(shard, entry, chain);
    }
    while (shard->oldest != NULL && now_ms - shard->oldest->used_ms > shard->longest_ms)
        kw_shard_retire(shard, shard->oldest, chain);
}

void kw_shard_bury(struct kw_shard *shard, struct kw_keyring_entry **chain)
{
    struct kw_keyring_entry **link = &shard->ghosts;
    while (*link != NULL) {
        struct kw_keyring_entry *ghost = *link;
        if (held_elsewhere(ghost)) {
            link = &ghost->hash_next;
            continue;
        }
        *link = ghost->hash_next;
        chain_up(ghost, chain);
    }
}

static void kill_ghosts(struct kw_shard *shard, uint64_t reference, kw_code refusal,
                        struct kw_keyring_entry **chain)
{
    struct kw_keyring_entry **link = &shard->ghosts;
    while (*link != NULL) {
        struct kw_keyring_entry *ghost = *link;
        if (reference != 0 && ghost->facts.reference != reference) {
            link = &ghost->hash_next;
            continue;
        }
        atomic_store_explicit(&ghost->refusal, (int)refusal, memory_order_release);
        *link = ghost->hash_next;
        chain_up(ghost, chain);
    }
}

void kw_shard_drop(struct kw_shard *shard, uint64_t reference, kw_code refusal,
                   struct kw_keyring_entry **chain)
{
    struct kw_keyring_entry *entry = NULL;
    shard->stats.drops++;
    shard->dropped[shard->drop_count++ % KW_SHARD_DROPS_KEPT] = reference;
    for (struct kw_flight *flight = shard->flights; flight != NULL; flight = flight->next)
        flight->stale |= reference == 0 || flight->reference == reference;
    while ((entry = find_any(shard, reference)) != NULL)
        kw_shard_retire(shard, entry, chain);
    if (refusal == KW_OK)
        return;
    for (entry = *chain; entry != NULL; entry = entry->hash_next)
        atomic_store_explicit(&entry->refusal, (int)refusal, memory_order_release);
    kill_ghosts(shard, reference, refusal, chain);
}

void kw_shard_refuse(struct kw_shard *shard, const struct kw_flight *flight, kw_code refusal,
                     struct kw_keyring_entry **chain)
{
    struct kw_keyring_entry *entry = kw_shard_find(shard, flight->reference, flight->version);
    if (entry != NULL) {
        atomic_store_explicit(&entry->refusal, (int)refusal, memory_order_release);
        kw_shard_retire(shard, entry, chain);
        shard->stats.drops++;
    }
    for (entry = shard->ghosts; entry != NULL; entry = entry->hash_next)
        if (entry->facts.reference == flight->reference && entry->facts.version == flight->version)
            atomic_store_explicit(&entry->refusal, (int)refusal, memory_order_release);
}

bool kw_shard_dropped_since(const struct kw_shard *shard, uint64_t reference, uint64_t since)
{
    if (shard->drop_count - since > KW_SHARD_DROPS_KEPT)
        return true;
    for (uint64_t i = since; i < shard->drop_count; i++) {
        uint64_t dropped = shard->dropped[i % KW_SHARD_DROPS_KEPT];
        if (dropped == 0 || dropped == reference)
            return true;
    }
    return false;
}

struct kw_flight *kw_shard_flight(const struct kw_shard *shard, uint64_t reference,
                                  uint32_t version)
{
    struct kw_flight *flight = shard->flights;
    while (flight != NULL && (flight->reference != reference || flight->version != version))
        flight = flight->next;
    return flight;
}

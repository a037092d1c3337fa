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

struct kw_keyring_entry *kw_shard_find_any(const struct kw_shard *shard, uint64_t reference)
{
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

void kw_shard_insert(struct kw_shard *shard, struct kw_keyring_entry *entry, int64_t now_ms)
{
    size_t bucket = bucket_of(shard, entry->facts.reference);
    entry->hash_next = shard->buckets[bucket];
    shard->buckets[bucket] = entry;
    entry->used_ms = now_ms;
    list_put(shard, entry);
    shard->bytes += kw_keyring_entry_bytes();
    shard->entries++;
}

void kw_shard_remove(struct kw_shard *shard, struct kw_keyring_entry *entry)
{
    struct kw_keyring_entry **link = &shard->buckets[bucket_of(shard, entry->facts.reference)];
    while (*link != entry)
        link = &(*link)->hash_next;
    *link = entry->hash_next;
    entry->hash_next = NULL;
    list_take(shard, entry);
    shard->bytes -= kw_keyring_entry_bytes();
    shard->entries--;
}

struct kw_flight *kw_shard_flight(const struct kw_shard *shard, uint64_t reference,
                                  uint32_t version)
{
    struct kw_flight *flight = shard->flights;
    while (flight != NULL && (flight->reference != reference || flight->version != version))
        flight = flight->next;
    return flight;
}

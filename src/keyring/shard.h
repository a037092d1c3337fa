/* Inside the keyring: a shard, that is a hash table with its list by last use, one lock, and the
 * loads that are under way. Every function here wants the shard's lock held. */
#ifndef KW_KEYRING_SHARD_H
#define KW_KEYRING_SHARD_H

#include "keyring/entry.h"

/* A load under way: its leader loads, the others wait for what it brings. */
struct kw_flight {
    uint64_t reference;
    uint32_t version;
    unsigned waiters;
    bool done;
    kw_code code;
    struct kw_error error;
    struct kw_keyring_entry *entry; /* held once for the flight */
    struct kw_flight *next;
};

struct kw_shard {
    pthread_mutex_t lock;
    pthread_cond_t landed;
    struct kw_keyring_entry **buckets;
    size_t bucket_count; /* a power of two */
    struct kw_keyring_entry *newest, *oldest;
    struct kw_flight *flights;
    size_t bytes;
    size_t bytes_max;
    uint64_t entries;
    uint64_t generation; /* raised by every drop */
    int64_t collected_ms;
    struct kw_keyring_stats stats;
};

KW_ERR kw_shard_init(struct kw_shard *shard, size_t bytes_max, struct kw_error *err);
void kw_shard_destroy(struct kw_shard *shard);

struct kw_keyring_entry *kw_shard_find(const struct kw_shard *shard, uint64_t reference,
                                       uint32_t version);
/* Any version of the key. */
struct kw_keyring_entry *kw_shard_find_any(const struct kw_shard *shard, uint64_t reference);
void kw_shard_touch(struct kw_shard *shard, struct kw_keyring_entry *entry, int64_t now_ms);
void kw_shard_insert(struct kw_shard *shard, struct kw_keyring_entry *entry, int64_t now_ms);

/* Takes an entry out of the table and the list; the ring's hold passes to the caller, who chains it
 * by hash_next. */
void kw_shard_remove(struct kw_shard *shard, struct kw_keyring_entry *entry);

struct kw_flight *kw_shard_flight(const struct kw_shard *shard, uint64_t reference,
                                  uint32_t version);

#endif

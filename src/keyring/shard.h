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
    bool stale; /* the key was dropped since the load began */
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
    struct kw_keyring_entry *ghosts; /* left the table while somebody held them; by hash_next */
    int64_t collected_ms;
    struct kw_keyring_stats stats;
};

KW_ERR kw_shard_init(struct kw_shard *shard, size_t bytes_max, struct kw_error *err);
void kw_shard_destroy(struct kw_shard *shard);

struct kw_keyring_entry *kw_shard_find(const struct kw_shard *shard, uint64_t reference,
                                       uint32_t version);
void kw_shard_touch(struct kw_shard *shard, struct kw_keyring_entry *entry, int64_t now_ms);
void kw_shard_insert(struct kw_shard *shard, struct kw_keyring_entry *entry, int64_t now_ms);

/* Takes an entry out of the table and the list. The ring's hold goes to chain (by hash_next), or,
 * if somebody else holds the entry, it stays among the ghosts: a drop must still find it. */
void kw_shard_retire(struct kw_shard *shard, struct kw_keyring_entry *entry,
                     struct kw_keyring_entry **chain);

/* Chains the ghosts that nobody holds any more. */
void kw_shard_bury(struct kw_shard *shard, struct kw_keyring_entry **chain);

/* Marks the entries of a key (0: of all) and the ghosts with refusal and chains them; loads of it
 * that are under way become stale. refusal KW_OK: retires them only. */
void kw_shard_drop(struct kw_shard *shard, uint64_t reference, kw_code refusal,
                   struct kw_keyring_entry **chain);

struct kw_flight *kw_shard_flight(const struct kw_shard *shard, uint64_t reference,
                                  uint32_t version);

#endif

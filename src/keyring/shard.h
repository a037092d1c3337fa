/* Inside the keyring: a shard, that is a hash table with its list by last use, one lock, and the
 * loads that are under way. Every function here wants the shard's lock held. */
#ifndef KW_KEYRING_SHARD_H
#define KW_KEYRING_SHARD_H

#include "keyring/entry.h"

enum { KW_SHARD_STRICT_MAX = 32, KW_SHARD_DROPS_KEPT = 64 };

/* A load under way: its leader loads, the others wait for what it brings. */
struct kw_flight {
    uint64_t reference;
    uint32_t version;
    unsigned waiters;
    bool done;
    bool stale;      /* the key was dropped since the load began */
    bool ahead;      /* nobody needs it yet: given up if the key is dropped and nobody has joined */
    int64_t held_ms; /* of the use that began it: how long a held key's entry is kept */
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
    struct kw_keyring_entry *brief; /* those with an end of their own, by brief_next */
    bool strict;                    /* some key may be: see below */
    struct kw_flight *flights;
    size_t bytes;
    size_t bytes_max;
    uint64_t entries;
    struct kw_keyring_entry *ghosts; /* left the table while somebody held them; by hash_next */
    int64_t collected_ms;
    int64_t longest_ms; /* the longest hard time of any use so far */

    int64_t strict_until_ms; /* of every key */
    size_t strict_count;
    struct {
        uint64_t reference;
        int64_t until_ms;
    } strict_keys[KW_SHARD_STRICT_MAX];

    uint64_t drop_count; /* so many drops so far; the latest ones: */
    uint64_t dropped[KW_SHARD_DROPS_KEPT];
    struct kw_keyring_stats stats;
};

KW_ERR kw_shard_init(struct kw_shard *shard, size_t bytes_max, struct kw_error *err);
void kw_shard_destroy(struct kw_shard *shard);

struct kw_keyring_entry *kw_shard_find(const struct kw_shard *shard, uint64_t reference,
                                       uint32_t version);
void kw_shard_touch(struct kw_shard *shard, struct kw_keyring_entry *entry, int64_t now_ms);

/* Puts a started entry in place of an older one, with a hold of the ring's own, and makes room.
 * What left is chained by hash_next. */
void kw_shard_put(struct kw_shard *shard, struct kw_keyring_entry *entry,
                  struct kw_keyring_entry **chain);
/* As put, but for nobody to find: a drop reaches it while somebody holds it. */
void kw_shard_haunt(struct kw_shard *shard, struct kw_keyring_entry *entry,
                    struct kw_keyring_entry **chain);

/* Takes an entry out of the table and the list. The ring's hold goes to chain (by hash_next), or,
 * if somebody else holds the entry, it stays among the ghosts: a drop must still find it. */
void kw_shard_retire(struct kw_shard *shard, struct kw_keyring_entry *entry,
                     struct kw_keyring_entry **chain);

/* Chains the ghosts that nobody holds any more. */
void kw_shard_bury(struct kw_shard *shard, struct kw_keyring_entry **chain);
/* Retires what nobody may use any more. */
void kw_shard_expire(struct kw_shard *shard, int64_t now_ms, struct kw_keyring_entry **chain);

/* Marks the entries of a key (0: of all) and the ghosts with refusal and chains them; loads of it
 * that are under way become stale. refusal KW_OK: retires them only. */
void kw_shard_drop(struct kw_shard *shard, uint64_t reference, kw_code refusal,
                   struct kw_keyring_entry **chain);
/* One version was refused by whoever unwraps it: its entry is retired, and marked, as its ghosts
 * are. */
void kw_shard_refuse(struct kw_shard *shard, const struct kw_flight *flight, kw_code refusal,
                     struct kw_keyring_entry **chain);
/* Was the key dropped after the shard had dropped since times? Yes, if it is not known any more. */
bool kw_shard_dropped_since(const struct kw_shard *shard, uint64_t reference, uint64_t since);

struct kw_flight *kw_shard_flight(const struct kw_shard *shard, uint64_t reference,
                                  uint32_t version);

/* strict.c: is every use of the key to be a load now? */
bool kw_shard_strict(struct kw_shard *shard, uint64_t reference, int64_t now_ms);
/* Until then; 0 ends it. reference 0: every key. False: no room for one more key. */
bool kw_shard_set_strict(struct kw_shard *shard, uint64_t reference, int64_t until_ms,
                         int64_t now_ms);

#endif

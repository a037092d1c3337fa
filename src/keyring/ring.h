/* Inside the keyring: the ring as its files share it. */
#ifndef KW_KEYRING_RING_H
#define KW_KEYRING_RING_H

#include "keyring/shard.h"

enum { KW_RING_SHARDS = 16, KW_RING_REGIONS = 64, KW_RING_GRACE_MS = 1000 };

/* A hint may be torn or stale: whoever uses one checks it against the entry it leads to. */
struct kw_hint {
    atomic_uint_fast64_t name_hash;
    atomic_uint_fast64_t reference;
    atomic_uint_fast32_t version;
};

/* The pressure of the regions that were heard of. A place once given stays: entries point there. */
struct kw_pressures {
    pthread_mutex_t lock;
    size_t count;
    char names[KW_RING_REGIONS][KW_KEYRING_REGION_SIZE];
    atomic_uint per_mille[KW_RING_REGIONS + 1]; /* the last: of those that found no room: 0 */
};

struct kw_keyring {
    struct kw_keyring_options options;
    struct kw_shard shards[KW_RING_SHARDS];
    struct kw_pressures pressures;
    struct kw_hint *hints;
};

/* One look-up: what for, and how long an entry may serve it. */
struct kw_lookup {
    uint64_t reference;
    uint32_t version;
    const struct kw_keyring_age *age;
};

struct kw_shard *kw_ring_shard(struct kw_keyring *ring, uint64_t reference);

/* Lets go of entries that were taken out of a shard, chained by hash_next. No lock is held. */
void kw_ring_release_chain(struct kw_keyring *ring, struct kw_keyring_entry *chain);

/* flight.c: loads it, or waits for a load that is under way. The shard's lock is held at the call
 * and at the return. strict: a load that began before the call will not do, nor an old entry. */
KW_ERR kw_ring_fly(struct kw_keyring *ring, struct kw_shard *shard, const struct kw_lookup *what,
                   struct kw_keyring_entry **out, struct kw_keyring_entry **chain,
                   struct kw_error *err);

/* age.c: the place of the region's pressure. */
const atomic_uint *kw_ring_pressure(struct kw_keyring *ring, const char *region);
unsigned kw_ring_pressure_max(struct kw_keyring *ring);
void kw_ring_pressures_init(struct kw_pressures *pressures);
void kw_ring_pressures_destroy(struct kw_pressures *pressures);

/* hint.c */
KW_ERR kw_ring_hints_init(struct kw_keyring *ring, struct kw_error *err);

#endif

/* The keyring: unwrapped tenant key versions in secret memory, bounded in bytes and in time.
 *
 * One entry a key version, found by key reference and version. An entry carries what the data plane
 * must know to decide (states, tenant, region) as it stood in the store when the entry was loaded.
 * It is immutable but for counters and derived wrapping keys, and counted: a holder keeps it alive.
 *
 * Revocation: kw_keyring_drop() takes a key's entries out and marks those still held, also those
 * that had left the ring before, with the refusal. A holder asks kw_keyring_refusal() last of all,
 * before it lets anything out. A load that began before a drop never brings its stale answer, be it
 * a key or a failure, to anybody.
 *
 * A miss is loaded by one caller while others wait for its answer (single flight). Least recently
 * used entries leave when the bytes are used up.
 *
 * How long an entry serves (its time to live) is decided at each use: what the use allows (its data
 * class: ttl, and a hard maximum), capped by what the loader allows (the custody of the key),
 * stretched from ttl towards the hard maximum by the pressure on the region (load, a provider in
 * trouble), and nothing at all while the key, or the ring, is strict: then every use is a load. An
 * entry that is used when its time is nearly over is asked for anew in the background, so that
 * nobody waits.
 * A load that is refused for good drops the version with that refusal, also for its holders; one
 * that fails for now, or for want of memory, leaves the old entry in use until the hard maximum,
 * and is tried again once a second at most, whoever asks. Thread-safe. */
#ifndef KW_KEYRING_KEYRING_H
#define KW_KEYRING_KEYRING_H

#include "base/bytes.h"
#include "base/secret.h"

enum {
    KW_KEYRING_TENANT_SIZE = 64,
    KW_KEYRING_REGION_SIZE = 17,
    KW_KEYRING_KEY_SIZE = 32,
    KW_KEYRING_TTL_MS = 300 * 1000, /* of rings that name none */
};

/* What the loader fills in, apart from reference and version, which it is given. */
struct kw_keyring_facts {
    uint64_t reference;
    uint32_t version;
    uint32_t current_version; /* of the key; equal to version if this one protects */
    char tenant[KW_KEYRING_TENANT_SIZE];
    char region[KW_KEYRING_REGION_SIZE];
    uint8_t suite;
    uint8_t tenant_state;  /* enum kw_tenant_state */
    uint8_t key_state;     /* enum kw_key_state */
    uint8_t version_state; /* enum kw_key_state */
    uint64_t epoch;
    uint64_t wraps_before; /* the store's counter when loaded */
    /* Its custody's limits on how long it may serve; 0: none of their own. Within ttl_max a
     * revocation by the key's owner is obeyed: pressure does not stretch it. */
    int64_t ttl_max_ms;
    int64_t hard_ttl_max_ms;
    bool hardware; /* every copy is under a root key that does not leave hardware */
    bool held;     /* HYOK: its time is the use's held_ms, neither stretched nor outlived */
};

/* How long an entry may serve this use, as it stands: with a ttl of 0 every use is a load. */
struct kw_keyring_age {
    int64_t ttl_ms;
    int64_t hard_ttl_ms; /* under full pressure, and while loading anew fails for now */
    int64_t held_ms;     /* of a held key's entry, instead of both; 0: it serves its loader alone */
};

struct kw_keyring_entry; /* see the accessors below */
struct kw_keyring;

struct kw_keyring_options {
    size_t bytes_max;          /* of entries and their secrets; 0: 64 MiB */
    struct kw_keyring_age age; /* of uses that name none; 0: KW_KEYRING_TTL_MS; hard: the ttl */
    /* Reads facts and key (32 bytes, allocated by it) of reference/version. Called without locks,
     * one call at a time for each version. */
    KW_ERR(*load)
    (void *arg, struct kw_keyring_facts *facts, struct kw_secret *key, struct kw_error *err);
    /* Told how often an entry was used since it was last told; from kw_keyring_collect and when an
     * entry leaves. No locks of the ring are held. */
    void (*used)(void *arg, const struct kw_keyring_facts *facts, uint64_t wraps, uint64_t unwraps);
    /* May be NULL. The time of an entry in use is nearly over (its last eighth, or 5 s, but not
     * more than half of it): have kw_keyring_refresh called by another thread. Called without
     * locks, once for each age of an entry; must not block. */
    void (*stale)(void *arg, uint64_t reference, uint32_t version);
    void *arg;
};

KW_ERR kw_keyring_new(const struct kw_keyring_options *options, struct kw_keyring **out,
                      struct kw_error *err);
void kw_keyring_free(struct kw_keyring *ring); /* no entry may be held any more */
KW_CLEANUP_FREE(kw_keyring)

/* The entry if it is resident and fresh for this use, held for the caller; else NULL. Never blocks
 * on a load. age NULL: the ring's own. */
struct kw_keyring_entry *kw_keyring_find(struct kw_keyring *ring, uint64_t reference,
                                         uint32_t version, const struct kw_keyring_age *age);

/* The entry, loaded if need be; may block as long as the loader does. Errors are the loader's. */
KW_ERR kw_keyring_get(struct kw_keyring *ring, uint64_t reference, uint32_t version,
                      const struct kw_keyring_age *age, struct kw_keyring_entry **out,
                      struct kw_error *err);

/* Loads an entry anew, however fresh it is, if it is resident and not held: what stale() asks for.
 * Returns at once if it is being loaded already. */
KW_ERR kw_keyring_refresh(struct kw_keyring *ring, uint64_t reference, uint32_t version,
                          struct kw_error *err);

/* An entry made by the caller (a held key's batch key), held for it. It is kept for others for
 * keep_ms only, 0: for nobody; a drop of its key reaches it all the same. Takes over key.
 * since is kw_keyring_marker()'s of before the key was read: KW_AGAIN if its reference was dropped
 * after that. */
uint64_t kw_keyring_marker(struct kw_keyring *ring, uint64_t reference);
KW_ERR kw_keyring_adopt(struct kw_keyring *ring, const struct kw_keyring_facts *facts,
                        struct kw_secret *key, int64_t keep_ms, uint64_t since,
                        struct kw_keyring_entry **out, struct kw_error *err);

/* How hard the region's providers are to reach: 0 (entries live for ttl) to 1000 (for the hard
 * maximum). */
void kw_keyring_pressure(struct kw_keyring *ring, const char *region, unsigned per_mille);

/* Until then (kw_clock_ms()) every use of this key (0: of any) is validated by a load that begins
 * after the use has asked; those who ask together share one. A later end that is set already
 * stays; 0 ends it. Beyond some hundred keys all are. */
void kw_keyring_strict(struct kw_keyring *ring, uint64_t reference, int64_t until_ms);

/* Another hold on an entry that is held already; and its end (NULL is left alone). */
struct kw_keyring_entry *kw_keyring_hold(struct kw_keyring_entry *entry);
void kw_keyring_release(struct kw_keyring *ring, struct kw_keyring_entry *entry);

const struct kw_keyring_facts *kw_keyring_facts(const struct kw_keyring_entry *entry);
/* The tenant key version: KW_KEYRING_KEY_SIZE bytes in secret memory, the ring's. */
const uint8_t *kw_keyring_key(const struct kw_keyring_entry *entry);
/* KW_OK, or what the key was dropped with: nothing may be released under it any more. */
kw_code kw_keyring_refusal(const struct kw_keyring_entry *entry);

/* Counts uses; the sum with facts->wraps_before is returned for wraps. */
uint64_t kw_keyring_count_wraps(struct kw_keyring_entry *entry, uint64_t n);
void kw_keyring_count_unwraps(struct kw_keyring_entry *entry, uint64_t n);

/* Derived keys, remembered with the entry: up to 3, the oldest gives way. tag names one (suite and
 * class). Copies 32 bytes to out (secret memory), by derive() if not remembered. */
KW_ERR kw_keyring_derived(struct kw_keyring_entry *entry, uint64_t tag,
                          KW_ERR (*derive)(const struct kw_keyring_entry *entry, void *arg,
                                           struct kw_secret *out, struct kw_error *err),
                          void *arg, uint8_t out[KW_KEYRING_KEY_SIZE], struct kw_error *err);

/* Where the current version of a tenant's key in a region was last found: a hint, to be checked
 * against the entry's facts. False if none is known. */
bool kw_keyring_hint_get(struct kw_keyring *ring, const char *tenant, const char *region,
                         uint64_t *reference, uint32_t *version);
void kw_keyring_hint_put(struct kw_keyring *ring, const char *tenant, const char *region,
                         uint64_t reference, uint32_t version);

/* Drops every version of one key. When it returns no find or get gives out an entry from before,
 * and kw_keyring_refusal says refusal for those held. refusal KW_OK: the key has changed, but what
 * was begun under it may end (a rotation). */
void kw_keyring_drop(struct kw_keyring *ring, uint64_t reference, kw_code refusal);
/* Drops all keys; KW_UNAVAILABLE for those held: to be tried again. */
void kw_keyring_flush(struct kw_keyring *ring);

/* Reports the use of all entries by used(), and lets expired ones go. Call every second or so. */
void kw_keyring_collect(struct kw_keyring *ring);

struct kw_keyring_stats {
    uint64_t entries;
    uint64_t bytes;
    uint64_t hits;
    uint64_t misses;
    uint64_t loads; /* calls of load() */
    uint64_t load_failures;
    uint64_t evictions;
    uint64_t drops;
    uint64_t refreshes;      /* loads ahead of time */
    uint64_t outlived;       /* uses of an entry past its ttl, since its load failed for now */
    unsigned pressure;       /* the highest of the regions', per mille */
    int64_t strict_until_ms; /* of the whole ring; 0: it is not */
};
struct kw_keyring_stats kw_keyring_stats(struct kw_keyring *ring);

#endif

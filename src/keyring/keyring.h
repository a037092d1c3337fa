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
 * used entries leave when the bytes are used up. Thread-safe. */
#ifndef KW_KEYRING_KEYRING_H
#define KW_KEYRING_KEYRING_H

#include "base/bytes.h"
#include "base/secret.h"

enum {
    KW_KEYRING_TENANT_SIZE = 64,
    KW_KEYRING_REGION_SIZE = 17,
    KW_KEYRING_KEY_SIZE = 32,
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
};

struct kw_keyring_entry; /* see the accessors below */
struct kw_keyring;

struct kw_keyring_options {
    size_t bytes_max;    /* of entries and their secrets; 0: 64 MiB */
    int64_t ttl_ms;      /* an entry older than this is loaded anew; 0: 300 s */
    int64_t hard_ttl_ms; /* if loading anew fails retryably, the old one serves until this age;
                            0: the same as ttl_ms */
    /* Reads facts and key (32 bytes, allocated by it) of reference/version. Called without locks,
     * one call at a time for each version. */
    KW_ERR(*load)
    (void *arg, struct kw_keyring_facts *facts, struct kw_secret *key, struct kw_error *err);
    /* Told how often an entry was used since it was last told; from kw_keyring_collect and when an
     * entry leaves. No locks of the ring are held. */
    void (*used)(void *arg, const struct kw_keyring_facts *facts, uint64_t wraps, uint64_t unwraps);
    void *arg;
};

KW_ERR kw_keyring_new(const struct kw_keyring_options *options, struct kw_keyring **out,
                      struct kw_error *err);
void kw_keyring_free(struct kw_keyring *ring); /* no entry may be held any more */
KW_CLEANUP_FREE(kw_keyring)

/* The entry if it is resident and fresh, held for the caller; else NULL. Never blocks on a load. */
struct kw_keyring_entry *kw_keyring_find(struct kw_keyring *ring, uint64_t reference,
                                         uint32_t version);

/* The entry, loaded if need be; may block as long as the loader does. Errors are the loader's. */
KW_ERR kw_keyring_get(struct kw_keyring *ring, uint64_t reference, uint32_t version,
                      struct kw_keyring_entry **out, struct kw_error *err);

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
};
struct kw_keyring_stats kw_keyring_stats(struct kw_keyring *ring);

#endif

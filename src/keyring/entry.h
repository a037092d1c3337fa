/* Inside the keyring: one entry. */
#ifndef KW_KEYRING_ENTRY_H
#define KW_KEYRING_ENTRY_H

#include "keyring/keyring.h"

#include <pthread.h>
#include <stdatomic.h>

enum { KW_KEYRING_DERIVED = 3 };

struct kw_keyring_entry {
    struct kw_keyring_facts facts;
    struct kw_secret keys;  /* the version's key, then the derived ones: 4 * 32 bytes */
    atomic_uint holds;      /* the ring's own counts as one */
    atomic_int refusal;     /* a kw_code: why nothing may be released under it */
    int64_t loaded_ms;      /* when it was loaded */
    int64_t fresh_until_ms; /* under the shard's lock, as all that follows but the counters */
    int64_t used_ms;
    atomic_uint_fast64_t wraps_total;
    atomic_uint_fast64_t wraps_unreported;
    atomic_uint_fast64_t unwraps_unreported;

    pthread_mutex_t derived_lock;
    uint64_t derived_tag[KW_KEYRING_DERIVED]; /* 0: free */
    unsigned derived_next;

    struct kw_keyring_entry *hash_next; /* under the shard's lock */
    struct kw_keyring_entry *newer, *older;
};

/* Takes over key. */
KW_ERR kw_keyring_entry_new(const struct kw_keyring_facts *facts, const struct kw_secret *key,
                            struct kw_keyring_entry **out, struct kw_error *err);
void kw_keyring_entry_free(struct kw_keyring_entry *entry);

/* What an entry costs against bytes_max. */
size_t kw_keyring_entry_bytes(void);

#endif

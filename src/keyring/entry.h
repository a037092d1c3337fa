/* Inside the keyring: one entry. */
#ifndef KW_KEYRING_ENTRY_H
#define KW_KEYRING_ENTRY_H

#include "keyring/keyring.h"

#include <pthread.h>
#include <stdatomic.h>

enum { KW_KEYRING_DERIVED = 3 };

/* What every use touches comes first, in one cache line. */
struct kw_keyring_entry {
    struct kw_keyring_entry *hash_next; /* under the shard's lock */
    struct kw_keyring_entry *newer, *older;
    int64_t used_ms;    /* under the shard's lock */
    int64_t loaded_ms;  /* when it was asked for */
    int64_t plain_ms;   /* younger than half of this, only the use's ttl has a say (age.c) */
    atomic_uint holds;  /* the ring's own counts as one */
    atomic_int refusal; /* a kw_code: why nothing may be released under it */
    bool held;          /* as the facts say */
    struct kw_keyring_facts facts;
    struct kw_secret keys; /* the version's key, then the derived ones: 4 * 32 bytes */
    atomic_uint_fast64_t wraps_total;
    atomic_uint_fast64_t wraps_unreported;
    atomic_uint_fast64_t unwraps_unreported;

    int64_t keep_ms;    /* of an entry that was adopted or is held: no longer than this; else 0 */
    int64_t expires_ms; /* nobody may use it any more; INT64_MAX: as its uses say */
    const atomic_uint *pressure; /* its region's, per mille */
    struct kw_keyring_entry *brief_next,
        *brief_last;  /* under the shard's lock, as all that follows here */
    int64_t tell_ms;  /* from then on stale() may be told */
    kw_code failed;   /* why it could not be loaded anew for now; KW_OK: it was not tried */
    int64_t retry_ms; /* not again before; INT64_MAX: it is being tried */

    pthread_mutex_t derived_lock;
    uint64_t derived_tag[KW_KEYRING_DERIVED]; /* 0: free */
    unsigned derived_next;
};

/* An entry with one hold, the caller's. Copies key. */
KW_ERR kw_keyring_entry_new(const struct kw_keyring_facts *facts, const struct kw_secret *key,
                            struct kw_keyring_entry **out, struct kw_error *err);
void kw_keyring_entry_free(struct kw_keyring_entry *entry);

/* Starts its life: before it goes into the table. */
void kw_keyring_entry_start(struct kw_keyring_entry *entry, const atomic_uint *pressure,
                            int64_t keep_ms, int64_t now_ms);

/* What an entry costs against bytes_max. */
size_t kw_keyring_entry_bytes(void);

/* age.c: what an entry is to a use. Without regard to strictness. */
enum kw_standing {
    KW_STANDS,   /* fresh */
    KW_OUTLIVES, /* past its time, but it cannot be loaded anew for now */
    KW_WANTING,  /* to be loaded */
    KW_FAILED,   /* to be loaded, which failed less than a second ago */
};
enum kw_standing kw_keyring_stand(const struct kw_keyring_entry *entry,
                                  const struct kw_keyring_age *age, int64_t now_ms);
/* Is its time for this use nearly over? Told at most once until tell_ms is set anew. */
bool kw_keyring_nearly_over(struct kw_keyring_entry *entry, const struct kw_keyring_age *age,
                            int64_t now_ms);

#endif

/* Inside the authority: its state, and what its parts offer each other. */
#ifndef KW_AUTHORITY_INTERNAL_H
#define KW_AUTHORITY_INTERNAL_H

#include "authority/authority.h"
#include "authority/due.h"
#include "base/rate.h"
#include "envelope/wrap.h"

#include <pthread.h>
#include <stdatomic.h>

enum { KW_TOKEN_CACHE = 256 };

/* A class and its rules, as they were configured: 0 where they say nothing. */
struct kw_data_class {
    char name[KW_CLASS_MAX + 1];
    uint8_t tag[KW_CLASS_TAG_SIZE];
    struct kw_keyring_age age; /* filled in: what its uses give the keyring */
    bool hsm;
    uint32_t held_batch;
    int64_t held_keep_ms;
};

/* Where the search for missing copies is: repair.c, one thread's at a time. */
struct kw_repair {
    bool searching;
    size_t route; /* of the router's, one after another, and the last version seen there */
    struct kw_store_place place;
    bool hopeless;    /* this route makes no copies now */
    uint64_t lacking; /* seen since the search began, and made up for */
    uint64_t repairs;
    int64_t ended_ms;    /* kw_clock_ms(): the last search, 0: none yet, and */
    int64_t again_at_ms; /* the next */
    int64_t pause_ms;    /* before it, while something is lacking; 0: nothing is */
};

/* Numbers reserved for the batch keys of held keys, and not used: held_numbers.c. */
struct kw_number_range {
    uint64_t reference;
    uint32_t first, count;
};
struct kw_spare_numbers {
    pthread_mutex_t lock;
    struct kw_number_range ranges[1024];
    size_t count;
};

/* Uses of a version that the store has not been told of yet. */
struct kw_usage {
    uint64_t reference;
    uint32_t version;
    uint64_t wraps;
    uint64_t unwraps;
};

struct kw_authority {
    struct kw_store *store;
    struct kw_ledger *ledger;
    struct kw_router *router;
    struct kw_meter *meter; /* may be NULL: nobody counts */
    struct kw_costs *costs; /* cost_state.h */
    struct kw_keyring *ring;
    char regions[KW_REGIONS_MAX][KW_REGION_MAX + 1];
    size_t region_count;
    struct kw_data_class classes[KW_CLASSES_MAX];
    size_t class_count;
    bool hsm_classes;                   /* one of them wants keys in hardware */
    struct kw_keyring_age age;          /* of classes that set none; filled in */
    struct kw_keyring_age attached_age; /* filled in: never 0 */
    uint32_t window_days;
    uint64_t wraps_limit;
    struct kw_rate *rate; /* by key reference; NULL: no limit */

    pthread_mutex_t usage_lock;
    struct kw_usage *usage; /* grown as needed; emptied by each tick */
    size_t usage_count, usage_capacity;
    uint64_t rotate_soon[64]; /* keys past half of their limit, under usage_lock */
    size_t rotate_soon_count;

    pthread_mutex_t token_lock;
    struct {
        struct kw_token_row row;
        int64_t checked_ms; /* 0: free */
    } tokens[KW_TOKEN_CACHE];
    uint64_t tokens_revoked; /* raised by every revocation, under token_lock */

    KW_ERR (*on_tick)(void *arg, struct kw_error *err);
    void *on_tick_arg;
    pthread_t scheduler, upkeep;
    bool background, has_upkeep;
    pthread_mutex_t stop_lock;
    pthread_cond_t stop_signal;
    bool stopping;
    struct kw_due_clock due_clock; /* the scheduler's */

    atomic_uint_fast64_t generated, unwrapped, rewrapped, refused, destroyed_keys, rotated_keys;
    atomic_uint_fast64_t signed_messages, tick_failures;
    atomic_uint_fast64_t repaired_copies, lacking_copies, budget_events;
    atomic_int last_tick, last_upkeep;
    atomic_bool purge_wanted;  /* by a destruction, also one before the last restart */
    atomic_bool repair_wanted; /* a version was made with fewer copies than there are routes */
    struct kw_repair repair;
    struct kw_spare_numbers spare_numbers;
    struct kw_pace *pace; /* pace.h */
};

/* gate.c: may a key in these states be used? KW_OK, or the refusal that names the state. */
kw_code kw_gate_key(enum kw_tenant_state tenant, enum kw_key_state key);
kw_code kw_gate_version(enum kw_key_state version, bool protect);

/* roles.c: KW_FORBIDDEN unless the caller has the right, and tenant (if not NULL) is in its scope.
 */
KW_ERR kw_caller_check(const struct kw_caller *caller, enum kw_right right, const char *tenant,
                       struct kw_error *err);

/* Steps through a list of tenants with commas between; false at its end. */
bool kw_next_tenant(const char **list, char out[KW_TENANT_MAX + 1]);

/* classes.c */
const struct kw_data_class *kw_class_by_tag(const struct kw_authority *authority,
                                            const uint8_t tag[KW_CLASS_TAG_SIZE]);
const struct kw_data_class *kw_class_by_name(const struct kw_authority *authority,
                                             const char *name);
KW_ERR kw_classes_init(struct kw_authority *authority, const struct kw_class_rules *rules,
                       size_t count, struct kw_error *err);

/* pace.c: how long an unwrapped key may serve this class (NULL: one that is not configured). */
const struct kw_keyring_age *kw_class_age(const struct kw_authority *authority,
                                          const struct kw_data_class *cls);
/* pace.c: after the ring was made, and before it is freed. */
KW_ERR kw_pace_new(struct kw_authority *authority, const struct kw_authority_options *options,
                   struct kw_error *err);
void kw_pace_free(struct kw_authority *authority);
/* pace.c: sets the keyring's pressures and records anomalies; the scheduler's, once a second. */
KW_ERR kw_pace_tick(struct kw_authority *authority, struct kw_error *err);
/* anomaly.c: something sealed under this key did not open. */
void kw_anomaly_broken(struct kw_authority *authority, uint64_t reference);

/* version.c: a version that is not in the store yet: its row and its wrapped copies. */
struct kw_fresh_version {
    struct kw_version_row row;
    struct kw_copy_row *copies;
    size_t copy_count;
};
void kw_fresh_version_wipe(struct kw_fresh_version *fresh);
KW_CLEANUP_WIPE(kw_fresh_version)

/* Makes it (material NULL: 32 random bytes) and has it wrapped as the key's custody wants: by the
 * region's routes, or by the customer's provider. Calls providers: never inside a transaction. */
KW_ERR kw_version_prepare(struct kw_authority *authority, const struct kw_key_row *key,
                          uint32_t version, const struct kw_secret *material,
                          struct kw_fresh_version *out, struct kw_error *err);
/* Writes it, inside the transaction. */
KW_ERR kw_version_put(struct kw_authority *authority, const struct kw_fresh_version *fresh,
                      struct kw_error *err);
/* Writes its copies alone: of a version that is there. */
KW_ERR kw_version_put_copies(struct kw_authority *authority, const struct kw_fresh_version *fresh,
                             struct kw_error *err);
/* Wraps the version's key anew as key's custody wants; skip (may be NULL) names providers that have
 * a copy. The copies are added to *out. */
KW_ERR kw_version_wrap(struct kw_authority *authority, const struct kw_key_row *key,
                       uint32_t version, const struct kw_secret *material,
                       bool (*skip)(void *arg, const char *provider), void *arg,
                       struct kw_fresh_version *out, struct kw_error *err);
/* Unwraps a version by any of its copies, and holds it against the pinned commitment. No gates. */
KW_ERR kw_version_open(struct kw_authority *authority, const struct kw_key_row *key,
                       const struct kw_version_row *version, struct kw_secret *out,
                       struct kw_error *err);
/* Opens a version that is not in the store yet by the copies just made: a provider that wraps and
 * does not unwrap is found out before anything depends on it. */
KW_ERR kw_version_prove(struct kw_authority *authority, const struct kw_key_row *key,
                        const struct kw_fresh_version *fresh, struct kw_error *err);
/* held.c: is it a batch key of a held key? It has no signing key then. */
bool kw_version_is_batch(const struct kw_version_row *row);
/* The commitment of 32 bytes of material for this key. */
KW_ERR kw_version_commitment(const struct kw_key_row *key, const struct kw_secret *material,
                             uint8_t out[32], struct kw_error *err);
/* The keyring's loader. */
KW_ERR kw_version_load(void *arg, struct kw_keyring_facts *facts, struct kw_secret *key,
                       struct kw_error *err);

/* side.c: a failure of the customer's provider, under the name that says whose side it is. */
kw_code kw_side_of(const struct kw_key_row *key, kw_code code, struct kw_error *err);

/* repair.c: makes a few of the copies that are missing, for the scheduler. One thread at a time. A
 * provider that does not answer is no failure: kw_authority_stats counts what is lacking. */
KW_ERR kw_copies_repair(struct kw_authority *authority, struct kw_error *err);

/* usage.c */
void kw_usage_add(void *arg, const struct kw_keyring_facts *facts, uint64_t wraps,
                  uint64_t unwraps);
/* Wraps of the version that the store has not been told of yet. */
uint64_t kw_usage_pending(struct kw_authority *authority, uint64_t reference, uint32_t version);
KW_ERR kw_usage_flush(struct kw_authority *authority, struct kw_error *err);
/* Marks the key for early rotation. */
void kw_usage_rotate_soon(struct kw_authority *authority, uint64_t reference);

/* key.c: for the scheduler. */
KW_ERR kw_key_destroy_due(struct kw_authority *authority, uint64_t reference, struct kw_error *err);
KW_ERR kw_key_rotate_worn(struct kw_authority *authority, uint64_t reference, struct kw_error *err);
/* key.c: for tenant.c: the row of a managed key that is not there yet. KW_UNKNOWN_REGION. */
KW_ERR kw_key_plan(const struct kw_authority *authority, const char *tenant, const char *region,
                   uint8_t suite, struct kw_key_row *out, struct kw_error *err);
/* key.c: inside a transaction, before the next version is put: the current one protects no more. */
KW_ERR kw_key_deactivate_current(struct kw_authority *authority, const struct kw_key_row *key,
                                 struct kw_error *err);
int64_t kw_window_end(const struct kw_authority *authority, uint32_t window_days);
KW_ERR kw_window_check(uint32_t window_days, struct kw_error *err);

/* cost.c. kw_cost_tick writes what was counted to the store and raises the events that are due;
 * what could not be written stays pending. Not inside a transaction. */
KW_ERR kw_cost_start(struct kw_authority *authority, const struct kw_authority_budget *budget,
                     struct kw_error *err);
KW_ERR kw_cost_tick(struct kw_authority *authority, struct kw_error *err);
void kw_cost_stop(struct kw_authority *authority);
/* The keyring's report of uses; does not block. */
void kw_cost_use(struct kw_authority *authority, const struct kw_keyring_facts *facts,
                 uint64_t uses);

/* token.c */
void kw_token_forget(struct kw_authority *authority, const char *id);

/* scheduler.c: two threads, one for what the store alone does (counters, destructions), one for
 * what asks providers (rotations, repairs), which may take its time. */
KW_ERR kw_scheduler_start(struct kw_authority *authority, struct kw_error *err);
void kw_scheduler_stop(struct kw_authority *authority);
/* Is it being stopped? For work that is long and can be left off. */
bool kw_scheduler_stopping(struct kw_authority *authority);

#endif

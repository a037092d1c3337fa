/* A change of what the authority holds, done in the one safe order:
 *
 *   1. the caller's right and scope are checked;
 *   2. prepare() asks providers, outside any transaction, so that a slow one holds up nobody else;
 *      apply() reads and writes the store, inside a transaction. If apply() finds that what was
 *      prepared for is not so any more it says KW_AGAIN, and both are done again;
 *   3. the ledger entry is written and durable;
 *   4. the transaction is committed;
 *   5. the keys concerned leave the keyring, so that what is held of them is dead;
 *   6. the caller has its answer.
 *
 * A refusal at 1 or 2 is recorded as a failure. If 3 fails nothing has changed. If 4 fails, or the
 * process dies between 3 and 4, the ledger has an entry for a change that did not happen: it may
 * say too much, never too little; a failed commit is followed by an entry that says so. */
#ifndef KW_AUTHORITY_CHANGE_H
#define KW_AUTHORITY_CHANGE_H

#include "authority/internal.h"

struct kw_change {
    struct kw_authority *authority;
    const struct kw_caller *caller;
    const char *operation;
    enum kw_activity activity;
    enum kw_right right;
    const char *tenant; /* NULL: not about a tenant */
    const char *region;
    /* May be NULL. Called before apply, again before each further try: it begins by throwing away
     * what an earlier try prepared. */
    KW_ERR (*prepare)(struct kw_change *change, struct kw_error *err);
    /* NULL: the store has no part in it; it is recorded and no more. */
    KW_ERR (*apply)(struct kw_change *change, struct kw_error *err);
    void *arg; /* apply's own */

    /* apply may set: */
    uint64_t reference;
    uint32_t version;
    struct kw_buf detail;           /* a JSON object */
    struct kw_ledger_batch entries; /* more than one event: add them here by kw_change_event */
    uint64_t drop[KW_REGIONS_MAX];  /* keys that leave the keyring */
    size_t drop_count;
    kw_code refusal; /* of what is held of them; KW_OK: what was begun may end */
};

/* Runs the change; wipes it in any case. */
KW_ERR kw_change_run(struct kw_change *change, struct kw_error *err);

/* For apply: one event of a change that has several. */
KW_ERR kw_change_event(struct kw_change *change, const char *tenant, const char *region,
                       uint64_t reference, uint32_t version, struct kw_error *err);

/* For apply: this key leaves the keyring after the commit. */
void kw_change_drop(struct kw_change *change, uint64_t reference);

/* A caller of the authority's own: the scheduler. */
extern const struct kw_caller kw_caller_system;

#endif

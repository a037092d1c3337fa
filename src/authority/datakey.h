/* Data keys: generate, unwrap and re-wrap, in batches of up to 1,000. This is the hot path and the
 * boundary between front and key holder: items are fixed structures without pointers.
 *
 *     kw_dk_batch_init -> fill items -> kw_dk_submit -> (done) -> kw_dk_key(batch, i) ->
 * kw_dk_batch_wipe
 *
 * kw_dk_submit decides and computes at once, appends one ledger entry an item, and calls done()
 * when they are on disk. Until then the data keys lie in the batch's secret memory and kw_dk_key
 * gives none out: no key leaves before its entry is durable. An item can fail alone (item.code);
 * the batch as a whole fails only if the ledger does. kw_dk_outcome and kw_dk_key ask the keyring
 * once more whether the key is still live, so that a suspension that was answered meanwhile is
 * obeyed. */
#ifndef KW_AUTHORITY_DATAKEY_H
#define KW_AUTHORITY_DATAKEY_H

#include "authority/authority.h"
#include "envelope/wrap.h"

enum { KW_DK_BATCH_MAX = 1000, KW_DK_SIZE = 32 };

enum kw_dk_op { KW_DK_GENERATE = 1, KW_DK_UNWRAP, KW_DK_REWRAP };

struct kw_dk_item {
    char tenant[KW_TENANT_MAX + 1];    /* generate: required; else what it must be, or "" */
    char region[KW_REGION_MAX + 1];    /* as tenant */
    char data_class[KW_CLASS_MAX + 1]; /* as tenant */
    uint8_t context_digest[32];
    uint8_t wrapped[KW_HEAD_SIZE];      /* unwrap, rewrap: in; generate, rewrap: out */
    kw_code code;                       /* out */
    char provider[KW_PROVIDER_MAX + 1]; /* out: whose side it was, if it was the customer's */
    uint16_t entry;                     /* private: held[] of the version it names */
    uint16_t current;                   /* private: rewrap: held[] of the current version */
};

struct kw_dk_batch {
    enum kw_dk_op op;
    struct kw_caller caller;  /* texts stay valid until done() */
    struct kw_dk_item *items; /* count of them, the batch's */
    size_t count;
    bool more;            /* other batches follow at once, and then kw_ledger_kick */
    uint64_t first_index; /* out: ledger index of the first item's entry */
    size_t missed;        /* out: of a submission that said KW_AGAIN, the item that is the reason */
    kw_code code;         /* out: of the batch as a whole */

    void (*done)(struct kw_dk_batch *batch); /* on the ledger's thread: be brief */
    void *arg;

    /* Private. */
    struct kw_secret keys; /* count * 32 bytes, and 32 of scratch */
    struct kw_ledger_batch entries;
    struct kw_keyring_entry **held;
    size_t held_count;
    struct kw_dk_known *known; /* what became of versions, and where in it: datakey_hold.c */
    size_t known_count;
    uint16_t *slots;
    size_t slot_count;
    struct kw_authority *authority;
    bool released;
};

/* Room for count items, zeroed. KW_TOO_LARGE above KW_DK_BATCH_MAX. */
KW_ERR kw_dk_batch_init(struct kw_dk_batch *batch, enum kw_dk_op op, size_t count,
                        struct kw_error *err);
void kw_dk_batch_wipe(struct kw_dk_batch *batch);
KW_CLEANUP_WIPE(kw_dk_batch)

/* Takes the batch. KW_OK: done() will be called, once. Otherwise it will not:
 * KW_AGAIN (only if !may_block): a key is not resident; nothing has happened; call again from a
 * thread that may wait. The ledger's own refusals: KW_OVERLOADED, KW_SHUTTING_DOWN. */
KW_ERR kw_dk_submit(struct kw_authority *authority, struct kw_dk_batch *batch, bool may_block,
                    struct kw_error *err);

/* Submits and waits; done and arg are not used. Returns the batch's code. */
KW_ERR kw_dk_run(struct kw_authority *authority, struct kw_dk_batch *batch, struct kw_error *err);

/* What became of item i, after done(): its code if it failed, or the refusal if its key was revoked
 * in the meantime. The last thing to be asked before anything of the item is let out. */
KW_ERR kw_dk_outcome(struct kw_dk_batch *batch, size_t i, struct kw_error *err);

/* The data key of item i (32 bytes in secret memory, the batch's), if kw_dk_outcome has nothing
 * against it. Not for KW_DK_REWRAP. */
KW_ERR kw_dk_key(struct kw_dk_batch *batch, size_t i, const uint8_t **out, struct kw_error *err);

/* The text for item i's failure: one line, for the caller. */
void kw_dk_explain(const struct kw_dk_item *item, struct kw_error *err);

#endif

/* Checking the ledger in a folder, also while another process writes it. */
#ifndef KW_LEDGER_VERIFY_H
#define KW_LEDGER_VERIFY_H

#include "tlog/verify.h"

struct kw_ledger_verify {
    const char *dir;
    struct kw_bytes vkey; /* the verification key line; empty: that of the folder is believed */
    struct kw_bytes old_checkpoint;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
};

struct kw_ledger_verified {
    struct kw_tlog_verified log;
    struct kw_note_key key; /* name: the origin */
    bool trusts_folder;     /* no key was given: who wrote the folder could have written its key */
    bool in_use;            /* another process writes it */
    uint64_t unpublished; /* whole entries in the write-ahead files that no checkpoint covers yet */
};

/* Fails as kw_tlog_verify; also KW_LEDGER_CORRUPT if the folder's vkey is not the one given, or if
 * the write-ahead files have lost acknowledged entries. fault may be NULL. */
KW_ERR kw_ledger_verify(const struct kw_ledger_verify *how, struct kw_ledger_verified *out,
                        struct kw_tlog_fault *fault, struct kw_error *err);

#endif

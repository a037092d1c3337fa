/* Checking a whole log from nothing but its verification key.
 *
 * The root is computed anew from the entries (not from the tiles of level 0), and every tile of
 * every level is compared with what was computed; what is then left to believe is the signature on
 * the checkpoint. Takes constant memory: 64 KiB of hashes and one entry bundle. */
#ifndef KW_TLOG_VERIFY_H
#define KW_TLOG_VERIFY_H

#include "tlog/checkpoint.h"
#include "tlog/source.h"

struct kw_tlog_verify {
    const struct kw_note_key *key;
    struct kw_bytes old_checkpoint; /* a checkpoint seen before, or empty: the log must extend it */
    bool old_partials; /* compare also partial tiles of earlier sizes, where there are any */
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* may be NULL; once a bundle */
    void *progress_arg;
};

struct kw_tlog_verified {
    struct kw_tlog_tree tree;
    uint64_t bytes; /* of entries */
    uint64_t tiles; /* that were compared, of all levels */
};

/* Where a log is wrong: the resource, and the entry if it is one. */
struct kw_tlog_fault {
    char path[KW_TLOG_PATH_SIZE];
    bool has_entry;
    uint64_t entry;
};

/* KW_LEDGER_CORRUPT: a resource is missing, altered or does not fit; err says which, and so does
 * fault (which may be NULL). KW_BAD_SIGNATURE, KW_BAD_ENCODING: the checkpoint. KW_LEDGER_MISSING:
 * the log is smaller than the old checkpoint. Else what the source failed with. out is untouched on
 * failure. */
KW_ERR kw_tlog_verify(const struct kw_tlog_source *source, const struct kw_tlog_verify *how,
                      struct kw_tlog_verified *out, struct kw_tlog_fault *fault,
                      struct kw_error *err);

#endif

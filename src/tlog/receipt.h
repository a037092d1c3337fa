/* Receipts: that an entry is in a log, as one text that can be checked without the log.
 *
 *     c2sp.org/tlog-proof@v1
 *     index 73894
 *     base64 of each hash of the inclusion proof, a line each
 *
 *     the checkpoint
 *
 * Thread-safe. c2sp.org/tlog-proof. */
#ifndef KW_TLOG_RECEIPT_H
#define KW_TLOG_RECEIPT_H

#include "tlog/checkpoint.h"

struct kw_tlog_receipt {
    uint64_t index;
    struct kw_tlog_proof proof;
    struct kw_bytes checkpoint; /* the whole note */
};

void kw_tlog_receipt_format(const struct kw_tlog_receipt *receipt, struct kw_buf *out);

/* KW_BAD_ENCODING if text is no receipt. An "extra" line is passed over: nothing vouches for it.
 * The checkpoint borrows from text. */
KW_ERR kw_tlog_receipt_parse(struct kw_bytes text, struct kw_tlog_receipt *out,
                             struct kw_error *err);

/* That text is a receipt under key for entry. Fails as the parts do: KW_BAD_ENCODING,
 * KW_BAD_SIGNATURE, KW_BAD_PROOF. index and tree, either of which may be NULL, are filled. */
KW_ERR kw_tlog_receipt_check(struct kw_bytes text, const struct kw_note_key *key,
                             struct kw_bytes entry, uint64_t *index, struct kw_tlog_tree *tree,
                             struct kw_error *err);

#endif

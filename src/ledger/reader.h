/* Reading an open ledger: entries, receipts, and the resources that are served. Thread-safe, and at
 * the same time as it is written. */
#ifndef KW_LEDGER_READER_H
#define KW_LEDGER_READER_H

#include "ledger/ledger.h"
#include "tlog/source.h"

/* Appends entry index to out, also one that is durable but not published yet. KW_NOT_FOUND beyond.
 */
KW_ERR kw_ledger_entry(struct kw_ledger *ledger, uint64_t index, struct kw_buf *out,
                       struct kw_error *err);

/* Appends the receipt of entry index (c2sp.org/tlog-proof) under the published checkpoint. KW_AGAIN
 * if no checkpoint covers the entry yet (publish, or ask again in a second), KW_NOT_FOUND beyond.
 */
KW_ERR kw_ledger_receipt(struct kw_ledger *ledger, uint64_t index, struct kw_buf *out,
                         struct kw_error *err);

/* Appends the consistency proof from the tree of old entries to the published one, as the lines of
 * a witness's add-checkpoint request: "old N", a hash a line, an empty line, the checkpoint. */
KW_ERR kw_ledger_consistency(struct kw_ledger *ledger, uint64_t old, struct kw_buf *out,
                             struct kw_error *err);

/* Appends the resource at path (checkpoint, tile/...) as it is served. KW_NOT_FOUND for anything
 * that is not the exact path of one; a partial tile that has been replaced by the full one is cut
 * from it. */
KW_ERR kw_ledger_resource(struct kw_ledger *ledger, const char *path, struct kw_buf *out,
                          struct kw_error *err);

/* The published resources as a source, for kw_tlog_each and kw_tlog_verify. Lives as long as the
 * ledger. */
struct kw_tlog_source kw_ledger_source(struct kw_ledger *ledger);

#endif

#include "ledger/ledger.h"

#include "tlog/bundle.h"

KW_ERR kw_ledger_batch_add(struct kw_ledger_batch *batch, struct kw_bytes entry,
                           struct kw_error *err)
{
    if (entry.len > KW_LEDGER_ENTRY_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a ledger entry of %zu bytes is over the limit of %d",
                       entry.len, KW_LEDGER_ENTRY_MAX);
    struct kw_tlog_hash leaf = kw_tlog_leaf(entry);
    size_t entries = batch->entries.len;
    size_t hashes = batch->hashes.len;
    kw_tlog_bundle_add(&batch->entries, entry);
    kw_buf_append(&batch->hashes, &leaf, sizeof leaf);
    kw_code code = kw_buf_status(&batch->entries, err);
    if (code == KW_OK)
        code = kw_buf_status(&batch->hashes, err);
    if (code != KW_OK) { /* the batch stays what it was, and usable */
        batch->entries.len = entries;
        batch->hashes.len = hashes;
        batch->entries.failed = false;
        batch->hashes.failed = false;
        return code;
    }
    batch->count++;
    return KW_OK;
}

void kw_ledger_batch_reset(struct kw_ledger_batch *batch)
{
    kw_buf_reset(&batch->entries);
    kw_buf_reset(&batch->hashes);
    batch->count = 0;
    batch->first_index = 0;
}

void kw_ledger_batch_wipe(struct kw_ledger_batch *batch)
{
    kw_ledger_batch_reset(batch);
    kw_buf_wipe(&batch->entries);
    kw_buf_wipe(&batch->hashes);
}

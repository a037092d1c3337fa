#include "ledger/reader.h"

#include "base/encode.h"
#include "ledger/folder.h"
#include "ledger/state.h"
#include "tlog/bundle.h"
#include "tlog/receipt.h"

struct kw_tlog_source kw_ledger_source(struct kw_ledger *ledger)
{
    return kw_ledger_folder(ledger->dir);
}

static KW_ERR append_entry(void *out, uint64_t index, struct kw_bytes entry, struct kw_error *err)
{
    KW_UNUSED(index);
    kw_buf_append(out, entry.data, entry.len);
    return kw_buf_status(out, err);
}

/* The entry in a segment of the write-ahead files that holds it. */
static KW_ERR find_in_segment(const struct kw_segment *segment, uint64_t index, struct kw_buf *out,
                              struct kw_error *err)
{
    KW_AUTO(kw_frame) frame = {0};
    struct kw_bytes entry;
    off_t at = KW_SEGMENT_HEADER_SIZE;
    do {
        kw_code code = kw_frame_read(segment->fd, &segment->header, at, &frame, err);
        if (code == KW_NOT_FOUND)
            return kw_fail(err, KW_LEDGER_CORRUPT, "the write-ahead file %s was damaged",
                           segment->name);
        KW_TRY(code);
        at = frame.next;
    } while (index >= frame.first_index + frame.count);
    struct kw_bytes rest = kw_buf_bytes(&frame.entries);
    for (uint64_t i = frame.first_index; kw_tlog_bundle_next(&rest, &entry); i++)
        if (i == index)
            return append_entry(out, index, entry, err);
    return kw_fail(err, KW_LEDGER_CORRUPT, "entry %llu is not where it should be",
                   (unsigned long long)index);
}

static void sizes(struct kw_ledger *ledger, uint64_t *size, uint64_t *published)
{
    pthread_mutex_lock(&ledger->lock);
    *size = ledger->size;
    *published = ledger->published;
    pthread_mutex_unlock(&ledger->lock);
}

/* The published checkpoint, and the tree that it states. */
static KW_ERR read_checkpoint(struct kw_ledger *ledger, struct kw_buf *note,
                              struct kw_tlog_tree *tree, struct kw_error *err)
{
    struct kw_tlog_source source = kw_ledger_source(ledger);
    KW_TRY(source.fetch(source.arg, "checkpoint", KW_NOTE_MAX, note, err));
    return kw_tlog_checkpoint_open(kw_buf_bytes(note), &ledger->key, tree, err);
}

KW_ERR kw_ledger_entry(struct kw_ledger *ledger, uint64_t index, struct kw_buf *out,
                       struct kw_error *err)
{
    uint64_t size;
    uint64_t published;
    sizes(ledger, &size, &published);
    if (index >= size)
        return kw_fail(err, KW_NOT_FOUND, "the ledger has no entry %llu",
                       (unsigned long long)index);
    struct kw_segment *segment = index < published ? NULL : kw_wal_find(&ledger->wal, index);
    if (segment != NULL) {
        kw_code code = find_in_segment(segment, index, out, err);
        kw_wal_unref(&ledger->wal, segment);
        return code;
    }
    /* its segment is gone since it has been published: the files are there before the counter is */
    struct kw_tlog_source source = kw_ledger_source(ledger);
    struct kw_tlog_tree tree;
    KW_AUTO(kw_buf) note = KW_BUF_INIT;
    KW_TRY(read_checkpoint(ledger, &note, &tree, err));
    if (index >= tree.size)
        return kw_fail(err, KW_LEDGER_CORRUPT, "entry %llu is nowhere to be found",
                       (unsigned long long)index);
    const struct kw_tlog_range range = {.from = index, .to = index + 1, .size = tree.size};
    return kw_tlog_each(&source, range, append_entry, out, err);
}

static KW_ERR not_covered(struct kw_ledger *ledger, uint64_t index, struct kw_error *err)
{
    uint64_t size;
    uint64_t published;
    sizes(ledger, &size, &published);
    if (index < size)
        return kw_fail(err, KW_AGAIN, "entry %llu is durable but under no checkpoint yet",
                       (unsigned long long)index);
    return kw_fail(err, KW_NOT_FOUND, "the ledger has no entry %llu", (unsigned long long)index);
}

KW_ERR kw_ledger_receipt(struct kw_ledger *ledger, uint64_t index, struct kw_buf *out,
                         struct kw_error *err)
{
    struct kw_tlog_source source = kw_ledger_source(ledger);
    struct kw_tlog_tree tree;
    struct kw_tlog_hash leaf = {0};
    KW_AUTO(kw_buf) note = KW_BUF_INIT;
    KW_TRY(read_checkpoint(ledger, &note, &tree, err));
    if (index >= tree.size)
        return not_covered(ledger, index, err);
    KW_AUTO(kw_tlog_reader) reader = {.source = &source, .size = tree.size};
    struct kw_tlog_hashes hashes = kw_tlog_reader_hashes(&reader);
    struct kw_tlog_receipt receipt = {.index = index, .checkpoint = kw_buf_bytes(&note)};
    KW_TRY(kw_tlog_prove_inclusion(&hashes, index, tree.size, &receipt.proof, err));
    KW_TRY(hashes.subtree(hashes.arg, 0, index, &leaf, err));
    if (kw_tlog_check_inclusion(&receipt.proof, index, &leaf, &tree, NULL) != KW_OK)
        return kw_fail(err, KW_LEDGER_CORRUPT,
                       "the ledger's tiles do not fit its checkpoint: run keyward ledger verify");
    kw_tlog_receipt_format(&receipt, out);
    return kw_buf_status(out, err);
}

KW_ERR kw_ledger_consistency(struct kw_ledger *ledger, uint64_t old, struct kw_buf *out,
                             struct kw_error *err)
{
    struct kw_tlog_source source = kw_ledger_source(ledger);
    struct kw_tlog_tree tree;
    struct kw_tlog_proof proof;
    KW_AUTO(kw_buf) note = KW_BUF_INIT;
    KW_TRY(read_checkpoint(ledger, &note, &tree, err));
    KW_AUTO(kw_tlog_reader) reader = {.source = &source, .size = tree.size};
    struct kw_tlog_hashes hashes = kw_tlog_reader_hashes(&reader);
    KW_TRY(kw_tlog_prove_consistency(&hashes, old, tree.size, &proof, err));
    kw_buf_printf(out, "old %llu\n", (unsigned long long)old);
    for (unsigned i = 0; i < proof.count; i++) {
        kw_base64_encode(out, kw_bytes(&proof.hash[i], KW_TLOG_HASH_SIZE));
        kw_buf_append_byte(out, '\n');
    }
    kw_buf_append_byte(out, '\n');
    kw_buf_append(out, note.data, note.len);
    return kw_buf_status(out, err);
}

KW_ERR kw_ledger_resource(struct kw_ledger *ledger, const char *path, struct kw_buf *out,
                          struct kw_error *err)
{
    struct kw_tlog_source source = kw_ledger_source(ledger);
    struct kw_tlog_tile tile = {0};
    if (strcmp(path, "checkpoint") == 0)
        return source.fetch(source.arg, path, KW_NOTE_MAX, out, err);
    KW_TRY(kw_tlog_tile_parse(kw_bytes_str(path), &tile, err));
    kw_code code = source.fetch(source.arg, path, KW_TLOG_BUNDLE_MAX, out, err);
    if (code != KW_NOT_FOUND || tile.width == KW_TLOG_TILE_WIDTH)
        return code;
    code = kw_tlog_fetch_tile(&source, tile, out, NULL);
    return code == KW_OK ? KW_OK : kw_fail(err, KW_NOT_FOUND, "the ledger has no %s", path);
}

#include "ledger/publisher.h"

#include "base/file.h"
#include "ledger/folder.h"
#include "tlog/bundle.h"

#include <errno.h>
#include <sys/stat.h>

/* Entries a step: about 500 files and 40 MB, then a checkpoint. */
enum { STEP_ENTRIES = 65536 };

static void copy_view(struct kw_ledger_view *to, const struct kw_ledger_view *from)
{
    to->edge = from->edge;
    to->root = from->root;
    kw_buf_reset(&to->bundle);
    kw_buf_append(&to->bundle, from->bundle.data, from->bundle.len);
}

/* Each tile that the new entries fill. */
static KW_ERR full_tile(void *arg, struct kw_tlog_tile tile, const struct kw_tlog_hash *hashes,
                        struct kw_error *err)
{
    struct kw_publisher *publisher = arg;
    atomic_fetch_add(&publisher->progress, 1);
    KW_TRY(kw_tile_files_put(&publisher->files, tile, kw_bytes(hashes, KW_TLOG_TILE_BYTES), err));
    if (tile.level != 0)
        return KW_OK;
    tile.level = KW_TLOG_ENTRIES;
    KW_TRY(kw_buf_status(&publisher->work.bundle, err));
    KW_TRY(kw_tile_files_put(&publisher->files, tile, kw_buf_bytes(&publisher->work.bundle), err));
    kw_buf_reset(&publisher->work.bundle);
    return KW_OK;
}

/* Adds the frame's entries that the tree does not have yet. */
static KW_ERR add_frame(struct kw_publisher *publisher, struct kw_error *err)
{
    const struct kw_frame *frame = &publisher->frame;
    struct kw_bytes rest = kw_buf_bytes(&frame->entries);
    struct kw_bytes entry;
    for (uint32_t i = 0; i < frame->count && kw_tlog_bundle_next(&rest, &entry); i++) {
        struct kw_tlog_hash leaf;
        if (frame->first_index + i < publisher->work.edge.size)
            continue;
        memcpy(&leaf, frame->leaves.data + i * sizeof leaf, sizeof leaf);
        kw_tlog_bundle_add(&publisher->work.bundle, entry);
        KW_TRY(kw_tlog_edge_add(&publisher->work.edge, &leaf, full_tile, publisher, err));
    }
    return kw_buf_status(&publisher->work.bundle, err);
}

static bool enough(const struct kw_publisher *publisher, uint64_t target)
{
    uint64_t size = publisher->work.edge.size;
    return size >= target || size - publisher->published.edge.size >= STEP_ENTRIES;
}

static KW_ERR read_frame(struct kw_publisher *publisher, const struct kw_segment *segment,
                         const struct kw_ledger_cursor *cursor, struct kw_error *err)
{
    struct kw_frame *frame = &publisher->frame;
    kw_code code = kw_frame_read(segment->fd, &segment->header, cursor->at, frame, err);
    if (code == KW_NOT_FOUND || (code == KW_OK && frame->first_index != cursor->index))
        return kw_fail(err, KW_LEDGER_CORRUPT, "the write-ahead file %s was damaged at entry %llu",
                       segment->name, (unsigned long long)cursor->index);
    return code;
}

static KW_ERR add_segment(struct kw_publisher *publisher, const struct kw_segment *segment,
                          uint64_t target, struct kw_error *err)
{
    struct kw_ledger_cursor cursor = {
        .generation = segment->header.generation,
        .at = KW_SEGMENT_HEADER_SIZE,
        .index = segment->header.first_index,
    };
    if (publisher->published_to.generation == cursor.generation)
        cursor = publisher->published_to;
    bool more = true;
    while (more && !enough(publisher, target)) {
        KW_TRY(read_frame(publisher, segment, &cursor, err));
        KW_TRY(add_frame(publisher, err));
        cursor.at = publisher->frame.next;
        cursor.index += publisher->frame.count;
        pthread_mutex_lock(publisher->wal->lock);
        more = cursor.index < segment->end_index;
        pthread_mutex_unlock(publisher->wal->lock);
    }
    publisher->work_to = cursor;
    return KW_OK;
}

static KW_ERR add_entries(struct kw_publisher *publisher, uint64_t target, struct kw_error *err)
{
    copy_view(&publisher->work, &publisher->published);
    while (!enough(publisher, target)) {
        struct kw_segment *segment = kw_wal_find(publisher->wal, publisher->work.edge.size);
        if (segment == NULL)
            return kw_fail(err, KW_LEDGER_CORRUPT, "entry %llu is in no write-ahead file",
                           (unsigned long long)publisher->work.edge.size);
        kw_code code = add_segment(publisher, segment, target, err);
        kw_wal_unref(publisher->wal, segment);
        KW_TRY(code);
    }
    publisher->work.root = kw_tlog_edge_root(&publisher->work.edge);
    return KW_OK;
}

/* The partial tiles at the right edge, where they are not those of the last checkpoint. */
static KW_ERR put_partial(struct kw_publisher *publisher, struct kw_error *err)
{
    const struct kw_tlog_edge *edge = &publisher->work.edge;
    for (int level = 0; level < KW_TLOG_LEVELS; level++) {
        uint64_t hashes = kw_tlog_level_size(edge->size, level);
        struct kw_tlog_tile tile = {.level = level, .index = hashes / KW_TLOG_TILE_WIDTH};
        tile.width = kw_tlog_edge_width(edge, level);
        if (tile.width == 0 || hashes == kw_tlog_level_size(publisher->published.edge.size, level))
            continue;
        struct kw_bytes content = kw_bytes(edge->hash[level], tile.width * KW_TLOG_HASH_SIZE);
        KW_TRY(kw_tile_files_put(&publisher->files, tile, content, err));
        if (level != 0)
            continue;
        tile.level = KW_TLOG_ENTRIES;
        content = kw_buf_bytes(&publisher->work.bundle);
        KW_TRY(kw_tile_files_put(&publisher->files, tile, content, err));
    }
    return KW_OK;
}

/* The last line of defence: what stands on the disk now, read back, must extend the tree that was
 * signed last. Nothing else is ever signed. */
static KW_ERR check_consistency(struct kw_publisher *publisher, struct kw_error *err)
{
    struct kw_tlog_source folder = kw_ledger_folder(publisher->dir);
    const struct kw_tlog_tree old = {publisher->published.edge.size, publisher->published.root};
    const struct kw_tlog_tree tree = {publisher->work.edge.size, publisher->work.root};
    KW_AUTO(kw_tlog_reader) reader = {.source = &folder, .size = tree.size};
    struct kw_tlog_hashes hashes = kw_tlog_reader_hashes(&reader);
    struct kw_tlog_proof proof;
    KW_TRY(kw_tlog_prove_consistency(&hashes, old.size, tree.size, &proof, err));
    if (kw_tlog_check_consistency(&proof, &old, &tree, NULL) != KW_OK)
        return kw_fail(err, KW_LEDGER_CORRUPT,
                       "the tiles in %s do not extend the published checkpoint: nothing is signed",
                       publisher->dir);
    return KW_OK;
}

static KW_ERR replace_checkpoint(struct kw_publisher *publisher, struct kw_bytes note,
                                 struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    char fresh[KW_PATH_SIZE];
    ino_t inode;
    KW_TRY(kw_path_format(path, err, "%s/checkpoint", publisher->dir));
    KW_TRY(kw_path_format(fresh, err, "%s/checkpoint.new", publisher->dir));
    KW_TRY(kw_ledger_io_put(publisher->io, fresh, note, &inode, err));
    KW_TRY(kw_tile_files_sync_folders(&publisher->files, err)); /* all that it covers is durable */
    atomic_store(&publisher->inode_next, inode);
    if (publisher->io->rename(publisher->io, fresh, path) != 0)
        return kw_ledger_io_fail(err, errno, "replace", path);
    atomic_store(&publisher->inode, inode);
    publisher->unsynced = true;
    kw_buf_reset(&publisher->checkpoint);
    kw_buf_append(&publisher->checkpoint, note.data, note.len);
    return kw_buf_status(&publisher->checkpoint, err);
}

/* The folder is synced here and not when the checkpoint is replaced: until then the entries are
 * durable by their write-ahead files, which go only now; and a command that ends after one
 * publication is spared the wait. */
static KW_ERR settle_last(struct kw_publisher *publisher, struct kw_error *err)
{
    if (!publisher->unsynced)
        return KW_OK;
    KW_TRY(kw_ledger_io_sync_dir(publisher->io, publisher->dir, err));
    publisher->unsynced = false;
    kw_wal_release(publisher->wal, publisher->published.edge.size);
    return KW_OK;
}

static KW_ERR sign(struct kw_publisher *publisher, struct kw_error *err)
{
    const struct kw_tlog_tree tree = {publisher->work.edge.size, publisher->work.root};
    KW_AUTO(kw_buf) note = KW_BUF_INIT;
    KW_TRY(kw_tlog_checkpoint_sign(&note, &tree, publisher->key, publisher->seed, err));
    return replace_checkpoint(publisher, kw_buf_bytes(&note), err);
}

static void remove_partial(struct kw_publisher *publisher, uint64_t old, uint64_t size)
{
    for (int level = 0; level < KW_TLOG_LEVELS; level++) {
        uint64_t index = kw_tlog_level_size(old, level) / KW_TLOG_TILE_WIDTH;
        if (kw_tlog_level_size(size, level) / KW_TLOG_TILE_WIDTH == index)
            continue;
        kw_tile_files_remove_partial(&publisher->files, level, index);
        if (level == 0)
            kw_tile_files_remove_partial(&publisher->files, KW_TLOG_ENTRIES, index);
    }
}

static KW_ERR write_all(struct kw_publisher *publisher, uint64_t target, struct kw_error *err)
{
    KW_TRY(add_entries(publisher, target, err));
    KW_TRY(put_partial(publisher, err));
    KW_TRY(kw_tile_files_flush(&publisher->files, err));
    atomic_fetch_add(&publisher->progress, 1);
    KW_TRY(check_consistency(publisher, err));
    return sign(publisher, err);
}

/* What was worked out is now what is published. */
static void advance(struct kw_publisher *publisher)
{
    struct kw_buf bundle = publisher->published.bundle;
    publisher->published = publisher->work;
    publisher->work.bundle = bundle;
    publisher->published_to = publisher->work_to;
}

KW_ERR kw_publisher_step(struct kw_publisher *publisher, uint64_t target, struct kw_error *err)
{
    uint64_t old = publisher->published.edge.size;
    KW_TRY(kw_publisher_check(publisher, err));
    if (target <= old)
        return KW_OK;
    KW_TRY(settle_last(publisher, err));
    kw_code code = write_all(publisher, target, err);
    publisher->tampered = code == KW_LEDGER_CORRUPT;
    kw_tile_files_drop(&publisher->files);
    KW_TRY(code);
    advance(publisher);
    atomic_fetch_add(&publisher->progress, 1);
    remove_partial(publisher, old, publisher->published.edge.size);
    return KW_OK;
}

KW_ERR kw_publisher_check(struct kw_publisher *publisher, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_AUTO(kw_buf) now = KW_BUF_INIT;
    KW_TRY(kw_path_format(path, err, "%s/checkpoint", publisher->dir));
    kw_code code = kw_file_read(path, KW_NOTE_MAX, &now, NULL);
    publisher->tampered =
        code != KW_OK || !kw_bytes_equal(kw_buf_bytes(&now), kw_buf_bytes(&publisher->checkpoint));
    if (!publisher->tampered)
        return KW_OK;
    if (code == KW_OK || code == KW_NOT_FOUND || code == KW_TOO_LARGE)
        return kw_fail(err, KW_LEDGER_UNAVAILABLE,
                       "%s was %s while in use: put the ledger's folder back as it was", path,
                       code == KW_NOT_FOUND ? "deleted" : "replaced");
    return kw_fail(err, KW_LEDGER_UNAVAILABLE, "%s cannot be read", path);
}

void kw_publisher_wipe(struct kw_publisher *publisher)
{
    kw_tile_files_drop(&publisher->files);
    kw_buf_wipe(&publisher->published.bundle);
    kw_buf_wipe(&publisher->work.bundle);
    kw_buf_wipe(&publisher->checkpoint);
    kw_frame_wipe(&publisher->frame);
}

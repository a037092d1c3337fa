#include "tlog/verify.h"

#include "tlog/bundle.h"
#include "tlog/edge.h"

struct check {
    const struct kw_tlog_source *source;
    const struct kw_tlog_verify *how;
    struct kw_tlog_verified result;
    struct kw_tlog_tree old;
    bool has_old;
    struct kw_tlog_fault fault;
    struct kw_tlog_edge *edge;
    struct kw_buf bundle;
    struct kw_buf tile;
};

static void check_wipe(struct check *check)
{
    free(check->edge);
    kw_buf_wipe(&check->bundle);
    kw_buf_wipe(&check->tile);
}
KW_CLEANUP_WIPE(check)

static KW_ERR fetch(struct check *check, struct kw_tlog_tile tile, struct kw_buf *out,
                    struct kw_error *err)
{
    kw_tlog_tile_path(tile, check->fault.path);
    kw_buf_reset(out);
    return kw_tlog_fetch_tile(check->source, tile, out, err);
}

/* Compares a tile of level 1 or above with the hashes that were computed. */
static KW_ERR check_tile(void *arg, struct kw_tlog_tile tile, const struct kw_tlog_hash *hashes,
                         struct kw_error *err)
{
    struct check *check = arg;
    if (tile.level == 0) /* was compared entry by entry */
        return KW_OK;
    KW_TRY(fetch(check, tile, &check->tile, err));
    check->result.tiles++;
    for (unsigned i = 0; i < tile.width; i++)
        if (memcmp(check->tile.data + i * KW_TLOG_HASH_SIZE, &hashes[i], KW_TLOG_HASH_SIZE) != 0)
            return kw_fail(
                err, KW_LEDGER_CORRUPT,
                "%s was altered, or the tiles and entries below it: hash %u does not fit",
                check->fault.path, i);
    return KW_OK;
}

/* An entry and its hash in the tile differ: the proof of the entry by its neighbours tells which of
 * the two is in the signed tree. */
static KW_ERR tell_altered(struct check *check, uint64_t index, const struct kw_tlog_hash *computed,
                           struct kw_tlog_tile tile, struct kw_error *err)
{
    KW_AUTO(kw_tlog_reader) reader = {.source = check->source, .size = check->result.tree.size};
    const struct kw_tlog_hashes hashes = kw_tlog_reader_hashes(&reader);
    struct kw_tlog_proof proof;
    bool entry_is_right =
        kw_tlog_prove_inclusion(&hashes, index, reader.size, &proof, NULL) == KW_OK &&
        kw_tlog_check_inclusion(&proof, index, computed, &check->result.tree, NULL) == KW_OK;
    check->fault.has_entry = true;
    check->fault.entry = index;
    if (entry_is_right)
        kw_tlog_tile_path(tile, check->fault.path);
    return kw_fail(err, KW_LEDGER_CORRUPT,
                   entry_is_right
                       ? "%s was altered at the hash of entry %llu"
                       : "%s was altered, or its tile: entry %llu is not what was logged",
                   check->fault.path, (unsigned long long)index);
}

static KW_ERR check_old(struct check *check, struct kw_error *err)
{
    if (!check->has_old || check->old.size != check->edge->size)
        return KW_OK;
    struct kw_tlog_hash root = kw_tlog_edge_root(check->edge);
    if (kw_tlog_hash_equal(&root, &check->old.root))
        return KW_OK;
    snprintf(check->fault.path, sizeof check->fault.path, "checkpoint");
    return kw_fail(err, KW_LEDGER_CORRUPT,
                   "the log was rewritten: its first %llu entries are not those of the checkpoint "
                   "that was seen before",
                   (unsigned long long)check->old.size);
}

/* A bundle and its tile of level 0. */
static KW_ERR check_bundle(struct check *check, uint64_t number, struct kw_error *err)
{
    struct kw_tlog_tile tile = {.level = 0, .index = number};
    struct kw_tlog_tile bundle = {.level = KW_TLOG_ENTRIES, .index = number};
    tile.width = bundle.width = kw_tlog_tile_width(check->result.tree.size, 0, number);
    KW_TRY(fetch(check, tile, &check->tile, err));
    KW_TRY(fetch(check, bundle, &check->bundle, err));
    struct kw_bytes rest = kw_buf_bytes(&check->bundle);
    struct kw_bytes entry;
    for (size_t i = 0; kw_tlog_bundle_next(&rest, &entry); i++) {
        struct kw_tlog_hash leaf = kw_tlog_leaf(entry);
        if (memcmp(&leaf, check->tile.data + i * sizeof leaf, sizeof leaf) != 0)
            return tell_altered(check, check->edge->size, &leaf, tile, err);
        check->result.bytes += entry.len;
        /* the tile of level 0 is in use until it is full; then those above may replace it */
        KW_TRY(kw_tlog_edge_add(check->edge, &leaf, check_tile, check, err));
        KW_TRY(check_old(check, err));
    }
    check->result.tiles += 2;
    return KW_OK;
}

/* Partial tiles that an earlier checkpoint needed: the front of what is there now. */
static KW_ERR check_earlier(struct check *check, struct kw_tlog_tile tile, struct kw_bytes content,
                            struct kw_error *err)
{
    unsigned width = tile.width;
    for (tile.width = 1; tile.width < width; tile.width++) {
        size_t len = (size_t)tile.width * KW_TLOG_HASH_SIZE;
        kw_tlog_tile_path(tile, check->fault.path);
        kw_buf_reset(&check->tile);
        kw_code code = check->source->fetch(check->source->arg, check->fault.path, content.len,
                                            &check->tile, err);
        if (code == KW_NOT_FOUND)
            continue;
        if (code != KW_TOO_LARGE)
            KW_TRY(code);
        if (tile.level == KW_TLOG_ENTRIES)
            KW_TRY(kw_tlog_bundle_cut(content, tile.width, check->fault.path, &len, err));
        if (code != KW_OK ||
            !kw_bytes_equal(kw_buf_bytes(&check->tile), kw_bytes(content.data, len)))
            return kw_fail(err, KW_LEDGER_CORRUPT, "%s was altered", check->fault.path);
        check->result.tiles++;
    }
    return KW_OK;
}

static KW_ERR check_edge(struct check *check, struct kw_error *err)
{
    for (int level = 0; level < KW_TLOG_LEVELS; level++) {
        const struct kw_tlog_hash *hashes = check->edge->hash[level];
        struct kw_tlog_tile tile = {
            .level = level,
            .index = kw_tlog_level_size(check->edge->size, level) / KW_TLOG_TILE_WIDTH,
            .width = kw_tlog_edge_width(check->edge, level),
        };
        if (tile.width == 0)
            continue;
        KW_TRY(check_tile(check, tile, hashes, err));
        if (!check->how->old_partials)
            continue;
        KW_TRY(check_earlier(check, tile, kw_bytes(hashes, tile.width * sizeof *hashes), err));
        tile.level = KW_TLOG_ENTRIES;
        if (level == 0)
            KW_TRY(check_earlier(check, tile, kw_buf_bytes(&check->bundle), err));
    }
    return KW_OK;
}

static KW_ERR open_checkpoints(struct check *check, struct kw_error *err)
{
    const struct kw_tlog_verify *how = check->how;
    snprintf(check->fault.path, sizeof check->fault.path, "checkpoint");
    kw_code code =
        check->source->fetch(check->source->arg, check->fault.path, KW_NOTE_MAX, &check->tile, err);
    if (code == KW_NOT_FOUND)
        return kw_fail(err, KW_LEDGER_MISSING, "there is no ledger here: it has no checkpoint");
    KW_TRY(code);
    KW_TRY(kw_tlog_checkpoint_open(kw_buf_bytes(&check->tile), how->key, &check->result.tree, err));
    check->has_old = how->old_checkpoint.len > 0;
    if (!check->has_old)
        return KW_OK;
    KW_TRY(kw_tlog_checkpoint_open(how->old_checkpoint, how->key, &check->old, err));
    if (check->old.size > check->result.tree.size)
        return kw_fail(
            err, KW_LEDGER_MISSING, "the log was rolled back: it has %llu entries, and had %llu",
            (unsigned long long)check->result.tree.size, (unsigned long long)check->old.size);
    return KW_OK;
}

static KW_ERR run(struct check *check, struct kw_error *err)
{
    const struct kw_tlog_verify *how = check->how;
    KW_TRY(open_checkpoints(check, err));
    const struct kw_tlog_tree *tree = &check->result.tree;
    for (uint64_t number = 0; number * KW_TLOG_TILE_WIDTH < tree->size; number++) {
        KW_TRY(check_bundle(check, number, err));
        if (how->progress != NULL)
            how->progress(how->progress_arg, check->edge->size, tree->size);
    }
    KW_TRY(check_edge(check, err));
    struct kw_tlog_hash root = kw_tlog_edge_root(check->edge);
    snprintf(check->fault.path, sizeof check->fault.path, "checkpoint");
    if (!kw_tlog_hash_equal(&root, &tree->root))
        return kw_fail(err, KW_LEDGER_CORRUPT,
                       "the entries and tiles are not those that the checkpoint was signed for");
    return KW_OK;
}

KW_ERR kw_tlog_verify(const struct kw_tlog_source *source, const struct kw_tlog_verify *how,
                      struct kw_tlog_verified *out, struct kw_tlog_fault *fault,
                      struct kw_error *err)
{
    KW_AUTO(check) check = {.source = source, .how = how};
    check.edge = calloc(1, sizeof *check.edge);
    if (check.edge == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = run(&check, err);
    if (code == KW_OK)
        *out = check.result;
    else if (fault != NULL)
        *fault = check.fault;
    return code;
}

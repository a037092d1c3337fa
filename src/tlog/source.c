#include "tlog/source.h"

#include "tlog/bundle.h"

KW_ERR kw_tlog_bundle_cut(struct kw_bytes bundle, unsigned width, const char *path, size_t *out,
                          struct kw_error *err)
{
    struct kw_bytes rest = bundle;
    struct kw_bytes entry;
    for (unsigned i = 0; i < width; i++)
        if (!kw_tlog_bundle_next(&rest, &entry))
            return kw_fail(err, KW_LEDGER_CORRUPT, "%s has %u entries in place of %u", path, i,
                           width);
    *out = bundle.len - rest.len;
    return KW_OK;
}

static size_t most(struct kw_tlog_tile tile)
{
    if (tile.level == KW_TLOG_ENTRIES)
        return (size_t)tile.width * (2 + KW_TLOG_ENTRY_MAX);
    return (size_t)tile.width * KW_TLOG_HASH_SIZE;
}

/* The tile itself, whole: nothing may follow its last hash or entry. */
static KW_ERR fetch_exactly(const struct kw_tlog_source *source, struct kw_tlog_tile tile,
                            struct kw_buf *out, struct kw_error *err)
{
    char path[KW_TLOG_PATH_SIZE];
    size_t start = out->len;
    size_t len = most(tile);
    kw_tlog_tile_path(tile, path);
    kw_code code = source->fetch(source->arg, path, len, out, err);
    if (code == KW_TOO_LARGE)
        return kw_fail(err, KW_LEDGER_CORRUPT, "%s is too long", path);
    KW_TRY(code);
    if (tile.level == KW_TLOG_ENTRIES)
        code = kw_tlog_bundle_cut(kw_bytes(out->data + start, out->len - start), tile.width, path,
                                  &len, err);
    if (code == KW_OK && out->len - start != len)
        code = kw_fail(err, KW_LEDGER_CORRUPT, "%s has %zu bytes in place of %zu", path,
                       out->len - start, len);
    if (code != KW_OK)
        out->len = start;
    return code;
}

static KW_ERR cut(struct kw_tlog_tile tile, struct kw_buf *out, size_t start, struct kw_error *err)
{
    char path[KW_TLOG_PATH_SIZE];
    size_t len = (size_t)tile.width * KW_TLOG_HASH_SIZE;
    if (tile.level == KW_TLOG_ENTRIES)
        KW_TRY(kw_tlog_bundle_cut(kw_bytes(out->data + start, out->len - start), tile.width,
                                  kw_tlog_tile_path(tile, path), &len, err));
    out->len = start + len;
    return KW_OK;
}

KW_ERR kw_tlog_fetch_tile(const struct kw_tlog_source *source, struct kw_tlog_tile tile,
                          struct kw_buf *out, struct kw_error *err)
{
    char path[KW_TLOG_PATH_SIZE];
    struct kw_tlog_tile full = tile;
    size_t start = out->len;
    full.width = KW_TLOG_TILE_WIDTH;
    kw_code code = fetch_exactly(source, tile, out, err);
    if (code == KW_NOT_FOUND && tile.width != KW_TLOG_TILE_WIDTH) {
        code = fetch_exactly(source, full, out, err);
        if (code == KW_OK)
            return cut(tile, out, start, err);
    }
    if (code == KW_NOT_FOUND)
        return kw_fail(err, KW_LEDGER_CORRUPT, "%s is missing", kw_tlog_tile_path(tile, path));
    return code;
}

static KW_ERR each_of_bundle(struct kw_bytes bundle, uint64_t index, struct kw_tlog_range range,
                             kw_tlog_each_entry *each, void *arg, struct kw_error *err)
{
    struct kw_bytes entry;
    for (; kw_tlog_bundle_next(&bundle, &entry); index++)
        if (index >= range.from && index < range.to)
            KW_TRY(each(arg, index, entry, err));
    return KW_OK;
}

KW_ERR kw_tlog_each(const struct kw_tlog_source *source, struct kw_tlog_range range,
                    kw_tlog_each_entry *each, void *arg, struct kw_error *err)
{
    KW_AUTO(kw_buf) bundle = KW_BUF_INIT;
    if (range.to > range.size)
        range.to = range.size;
    uint64_t index = range.from - range.from % KW_TLOG_TILE_WIDTH;
    for (; index < range.to; index += KW_TLOG_TILE_WIDTH) {
        struct kw_tlog_tile tile = {.level = KW_TLOG_ENTRIES, .index = index / KW_TLOG_TILE_WIDTH};
        tile.width = kw_tlog_tile_width(range.size, KW_TLOG_ENTRIES, tile.index);
        kw_buf_reset(&bundle);
        KW_TRY(kw_tlog_fetch_tile(source, tile, &bundle, err));
        KW_TRY(each_of_bundle(kw_buf_bytes(&bundle), index, range, each, arg, err));
    }
    return KW_OK;
}

static KW_ERR load(struct kw_tlog_reader *reader, struct kw_tlog_tile tile,
                   const struct kw_tlog_hash **out, struct kw_error *err)
{
    struct kw_tlog_tile *kept = &reader->at[tile.level];
    struct kw_buf *content = &reader->tile[tile.level];
    if (kept->width == 0 || kept->index != tile.index) {
        kept->width = 0;
        kw_buf_reset(content);
        KW_TRY(kw_tlog_fetch_tile(reader->source, tile, content, err));
        *kept = tile;
    }
    *out = (const struct kw_tlog_hash *)(const void *)content->data;
    return KW_OK;
}

static KW_ERR subtree(void *arg, unsigned height, uint64_t index, struct kw_tlog_hash *out,
                      struct kw_error *err)
{
    struct kw_tlog_reader *reader = arg;
    const struct kw_tlog_hash *hashes;
    unsigned within = height % 8; /* the subtree has 2^within hashes of its tile */
    uint64_t first = index << within;
    int level = (int)(height / 8);
    struct kw_tlog_tile tile = {.level = level, .index = first / KW_TLOG_TILE_WIDTH};
    tile.width = kw_tlog_tile_width(reader->size, level, tile.index);
    size_t at = (size_t)(first % KW_TLOG_TILE_WIDTH);
    if (at + (1U << within) > tile.width)
        return kw_fail(err, KW_INTERNAL, "a subtree outside of the tree was asked for");
    KW_TRY(load(reader, tile, &hashes, err));
    *out = kw_tlog_subtree(hashes + at, 1U << within);
    return KW_OK;
}

struct kw_tlog_hashes kw_tlog_reader_hashes(struct kw_tlog_reader *reader)
{
    return (struct kw_tlog_hashes){.subtree = subtree, .arg = reader};
}

void kw_tlog_reader_wipe(struct kw_tlog_reader *reader)
{
    for (int level = 0; level < KW_TLOG_LEVELS; level++) {
        kw_buf_wipe(&reader->tile[level]);
        reader->at[level].width = 0;
    }
}

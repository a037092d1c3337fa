/* A log in memory for tests: entries, the tree's hashes by the recursive definition of RFC 6962
 * section 2.1 (nothing of src/tlog but the leaf and node hash), and its tiles as a source of
 * resources. */
#ifndef KW_TESTS_TLOG_MEMORY_H
#define KW_TESTS_TLOG_MEMORY_H

#include "tlog/bundle.h"
#include "tlog/edge.h"
#include "tlog/source.h"

#include <stdio.h>
#include <stdlib.h>

struct memory_log {
    uint64_t size;
    struct kw_tlog_hash *leaf; /* size */
};

static inline struct kw_bytes memory_log_entry(uint64_t index, char text[64])
{
    int len =
        snprintf(text, 64, "entry %llu%.*s", (unsigned long long)index, (int)(index % 7), "......");
    return kw_bytes(text, (size_t)len);
}

static inline void memory_log_init(struct memory_log *log, uint64_t size)
{
    char text[64];
    log->size = size;
    log->leaf = calloc(size + 1, sizeof *log->leaf);
    for (uint64_t i = 0; i < size; i++)
        log->leaf[i] = kw_tlog_leaf(memory_log_entry(i, text));
}

static inline void memory_log_wipe(struct memory_log *log)
{
    free(log->leaf);
}

/* MTH(D[from:to]) */
static inline struct kw_tlog_hash memory_log_mth(const struct memory_log *log, uint64_t from,
                                                 uint64_t to)
{
    uint64_t k = 1;
    if (to == from)
        return kw_tlog_empty();
    if (to - from == 1)
        return log->leaf[from];
    while (k * 2 < to - from)
        k *= 2;
    struct kw_tlog_hash left = memory_log_mth(log, from, from + k);
    struct kw_tlog_hash right = memory_log_mth(log, from + k, to);
    return kw_tlog_node(&left, &right);
}

static inline kw_code memory_log_subtree(void *arg, unsigned height, uint64_t index,
                                         struct kw_tlog_hash *out, struct kw_error *err)
{
    const struct memory_log *log = arg;
    if ((index + 1) << height > log->size)
        return kw_fail(err, KW_INTERNAL, "outside of the tree");
    *out = memory_log_mth(log, index << height, (index + 1) << height);
    return KW_OK;
}

/* The resources of a log, as they would be served: each by its definition in c2sp.org/tlog-tiles.
 */
static inline kw_code memory_log_fetch(void *arg, const char *path, size_t max, struct kw_buf *out,
                                       struct kw_error *err)
{
    struct memory_log *log = arg;
    struct kw_tlog_tile tile;
    char text[64];
    KW_TRY(kw_tlog_tile_parse(kw_bytes_str(path), &tile, err));
    if (kw_tlog_tile_width(log->size, tile.level, tile.index) < tile.width)
        return kw_fail(err, KW_NOT_FOUND, "no such tile");
    size_t start = out->len;
    for (uint64_t i = tile.index * 256; i < tile.index * 256 + tile.width; i++) {
        if (tile.level == KW_TLOG_ENTRIES) {
            kw_tlog_bundle_add(out, memory_log_entry(i, text));
            continue;
        }
        unsigned shift = 8 * (unsigned)tile.level;
        struct kw_tlog_hash hash = memory_log_mth(log, i << shift, (i + 1) << shift);
        kw_buf_append(out, &hash, sizeof hash);
    }
    return out->len - start > max ? kw_fail(err, KW_TOO_LARGE, "too large") : KW_OK;
}

#endif

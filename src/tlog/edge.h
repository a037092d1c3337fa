/* The right edge of a tree: of each level the hashes that fill no tile yet. It is all that is
 * needed to append to the tree and to know its root, and takes 64 KiB whatever the tree's size.
 *
 * Not thread-safe. */
#ifndef KW_TLOG_EDGE_H
#define KW_TLOG_EDGE_H

#include "tlog/tile.h"

struct kw_tlog_edge {
    uint64_t size;                                                /* entries */
    struct kw_tlog_hash hash[KW_TLOG_LEVELS][KW_TLOG_TILE_WIDTH]; /* width: see below */
};

/* Is given each tile that has become full, level by level from 0 upward. */
typedef KW_ERR kw_tlog_full_tile(void *arg, struct kw_tlog_tile tile,
                                 const struct kw_tlog_hash hashes[KW_TLOG_TILE_WIDTH],
                                 struct kw_error *err);

/* How many hashes of level are on the edge: floor(size / 256^level) mod 256. */
unsigned kw_tlog_edge_width(const struct kw_tlog_edge *edge, int level);

/* Appends a leaf. full may be NULL. If full fails the edge is spoilt: throw it away. */
KW_ERR kw_tlog_edge_add(struct kw_tlog_edge *edge, const struct kw_tlog_hash *leaf,
                        kw_tlog_full_tile *full, void *arg, struct kw_error *err);

/* The root of the tree. */
struct kw_tlog_hash kw_tlog_edge_root(const struct kw_tlog_edge *edge);

#endif

/* Tiles: which of them a tree of a given size has, and the paths they are served at.
 *
 * A tile of level L holds up to 256 hashes, each of them the root of 256^L entries; an entry bundle
 * holds the entries that belong to a tile of level 0. A partial tile has a width of 1 to 255 and a
 * path that ends in ".p/" and the width. Thread-safe. c2sp.org/tlog-tiles. */
#ifndef KW_TLOG_TILE_H
#define KW_TLOG_TILE_H

#include "tlog/hash.h"

enum {
    KW_TLOG_TILE_WIDTH = 256,
    KW_TLOG_TILE_BYTES = KW_TLOG_TILE_WIDTH * KW_TLOG_HASH_SIZE,
    KW_TLOG_LEVELS = 8,   /* 256^8 is more than a 64-bit size can count */
    KW_TLOG_ENTRIES = -1, /* the "level" of entry bundles */
    KW_TLOG_ENTRY_MAX = 65535,
    KW_TLOG_BUNDLE_MAX = KW_TLOG_TILE_WIDTH * (2 + KW_TLOG_ENTRY_MAX),
    KW_TLOG_PATH_SIZE = 64,
};

struct kw_tlog_tile {
    int level;      /* 0 to 7, or KW_TLOG_ENTRIES */
    uint64_t index; /* the how manieth of its level */
    unsigned width; /* 1 to 256 */
};

/* tile/L/N, tile/entries/N, with .p/W if the width is not 256. Returns path. */
const char *kw_tlog_tile_path(struct kw_tlog_tile tile, char path[KW_TLOG_PATH_SIZE]);

/* The tile of a path, exactly as kw_tlog_tile_path writes it; anything else is KW_NOT_FOUND, so
 * that what is accepted here can name nothing but tiles. */
KW_ERR kw_tlog_tile_parse(struct kw_bytes path, struct kw_tlog_tile *out, struct kw_error *err);

/* How many hashes level has in a tree of size entries: floor(size / 256^level). */
uint64_t kw_tlog_level_size(uint64_t size, int level);

/* The width of tile index of level in a tree of size entries; 0 if it has no such tile. */
unsigned kw_tlog_tile_width(uint64_t size, int level, uint64_t index);

#endif

/* Writing tiles into the ledger's folder: many files, made durable together. A tile gets its name
 * when its content is on disk: what has the name of a tile is whole, also after a crash. Not
 * thread-safe. */
#ifndef KW_LEDGER_TILEFILE_H
#define KW_LEDGER_TILEFILE_H

#include "ledger/io.h"
#include "tlog/tile.h"

enum { KW_TILE_FILES = 64 };

struct kw_tile_files {
    struct kw_ledger_io *io;
    const char *dir;
    size_t open_count;
    struct {
        int fd;
        char path[KW_TLOG_PATH_SIZE]; /* of the tile; the file is at path.new */
    } open[KW_TILE_FILES];
    size_t folder_count;
    char folder[KW_TILE_FILES][KW_TLOG_PATH_SIZE]; /* that have new names in them */
};

/* Writes a tile; it is durable after kw_tile_files_flush and then kw_tile_files_sync_folders. */
KW_ERR kw_tile_files_put(struct kw_tile_files *files, struct kw_tlog_tile tile,
                         struct kw_bytes content, struct kw_error *err);

/* Makes the content of all that was put durable, and gives it its names, by which it can be read
 * now. */
KW_ERR kw_tile_files_flush(struct kw_tile_files *files, struct kw_error *err);

/* Makes the names durable. Apart from flush, because a file system does it in passing when another
 * file (the checkpoint) is synced in between. */
KW_ERR kw_tile_files_sync_folders(struct kw_tile_files *files, struct kw_error *err);

/* Removes what was put and not flushed. */
void kw_tile_files_drop(struct kw_tile_files *files);

/* Removes the partial tiles that the full tile has replaced. Best effort: they do no harm. */
void kw_tile_files_remove_partial(struct kw_tile_files *files, int level, uint64_t index);

#endif

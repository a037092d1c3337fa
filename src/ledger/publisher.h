/* Publishing: from durable entries in the write-ahead files to tiles and a signed checkpoint.
 *
 * What is published is read back from the write-ahead files, so that memory does not grow with what
 * waits, and so that recovery after a crash is the same code. A step either succeeds or leaves the
 * published state as it was, to be tried again. Used by one thread. */
#ifndef KW_LEDGER_PUBLISHER_H
#define KW_LEDGER_PUBLISHER_H

#include "ledger/tilefile.h"
#include "ledger/wal.h"
#include "tlog/checkpoint.h"
#include "tlog/edge.h"

#include <stdatomic.h>

/* A tree as far as it is needed to go on: its right edge and the entries that fill no bundle yet.
 */
struct kw_ledger_view {
    struct kw_tlog_edge edge;
    struct kw_buf bundle;
    struct kw_tlog_hash root;
};

/* A place between two frames of a segment. */
struct kw_ledger_cursor {
    uint64_t generation; /* the segment's; 0: none */
    off_t at;
    uint64_t index;
};

struct kw_publisher {
    struct kw_ledger_io *io;
    const char *dir;
    const struct kw_note_key *key;
    const struct kw_secret *seed;
    struct kw_wal *wal;
    struct kw_ledger_view published;
    struct kw_ledger_view work;
    struct kw_buf checkpoint; /* the note on disk */
    struct kw_tile_files files;
    struct kw_ledger_cursor published_to; /* no frame before it is needed any more */
    struct kw_ledger_cursor work_to;
    struct kw_frame frame;
    /* The checkpoint file's inode, and the one that is about to take its place: a third one is none
     * of ours. Read by the commit thread. */
    _Atomic uint64_t inode;
    _Atomic uint64_t inode_next;
    bool unsynced;             /* the checkpoint's name is not known to be durable */
    _Atomic uint64_t progress; /* grows while it gets on */
    bool tampered;             /* the last check or step found files that are not as it left them */
};

/* Reads the published state and checks it: signature, and the right edge against the root. */
KW_ERR kw_publisher_load(struct kw_publisher *publisher, struct kw_error *err);

/* Publishes entries below target that are in the write-ahead files; a part of them if they are
 * many. */
KW_ERR kw_publisher_step(struct kw_publisher *publisher, uint64_t target, struct kw_error *err);

/* Sets tampered, and is KW_LEDGER_UNAVAILABLE, if the checkpoint on disk is not the one that was
 * published last. */
KW_ERR kw_publisher_check(struct kw_publisher *publisher, struct kw_error *err);

void kw_publisher_wipe(struct kw_publisher *publisher);

#endif

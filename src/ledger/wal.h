/* The write-ahead files of an open ledger: a list of segments, oldest first. Entries go into the
 * current one; segments whose entries are all published are deleted, or kept as the spare for
 * reuse.
 *
 * One thread commits, one publishes; both, and readers, share the list under *lock. A segment in
 * which a write or a sync failed is never written again: what it holds behind its last good frame
 * is cut off by the next segment's first index. */
#ifndef KW_LEDGER_WAL_H
#define KW_LEDGER_WAL_H

#include "base/file.h"
#include "ledger/io.h"
#include "ledger/segment.h"

#include <pthread.h>

enum { KW_WAL_NAME_SIZE = 32 };

struct kw_segment {
    struct kw_segment *next;
    char name[KW_WAL_NAME_SIZE]; /* of the file in the folder */
    int fd;
    ino_t inode;
    struct kw_segment_header header;
    uint64_t end_index; /* behind its last durable entry */
    off_t end;          /* behind its last durable frame; 0: its header is not written yet */
    off_t size;         /* bytes that were allocated ahead */
    unsigned refs;
    bool failed; /* a write or a sync failed in it: not to be reused */
};

struct kw_wal {
    struct kw_ledger_io *io;
    pthread_mutex_t *lock;
    char dir[KW_PATH_SIZE];
    struct kw_tlog_hash log; /* see segment.h */
    uint64_t next_name;      /* under *lock, as all below */
    uint64_t generation;     /* of the next segment */
    off_t next_size;
    struct kw_segment *first;
    struct kw_segment *last;
    struct kw_segment *current; /* NULL: the next commit takes a new one */
    struct kw_segment *spare;
};

/* Finds the segments in the folder and checks that they continue the published entries without a
 * gap. *size is the number of entries with those of the segments. KW_LEDGER_CORRUPT if acknowledged
 * entries are damaged or missing. Changes nothing on disk. */
KW_ERR kw_wal_recover(struct kw_wal *wal, uint64_t published, uint64_t *size, struct kw_error *err);

/* Where to put a frame: the current segment or a new one. Commit thread. */
KW_ERR kw_wal_place(struct kw_wal *wal, size_t frame, uint64_t first_index, struct kw_segment **out,
                    struct kw_error *err);

/* Writes and syncs room + frame, where room are KW_SEGMENT_HEADER_SIZE bytes in front of the frame
 * that are used if the segment is new. On failure the segment is given up (and gone, if it was
 * new). */
KW_ERR kw_wal_write(struct kw_wal *wal, struct kw_segment *segment, struct kw_buf *room_and_frame,
                    struct kw_error *err);

/* Makes what was written count: end_index entries are durable. *lock is held. */
void kw_wal_commit(struct kw_wal *wal, struct kw_segment *segment, size_t frame,
                   uint64_t end_index);

/* Prepares a spare segment if the current one is more than half full. Publisher. */
bool kw_wal_wants_spare(const struct kw_wal *wal); /* *lock is held */
KW_ERR kw_wal_make_spare(struct kw_wal *wal, struct kw_error *err);

/* Deletes the segments but the current one whose entries are all published, and durably so; one of
 * them may become the spare. Publisher. */
void kw_wal_release(struct kw_wal *wal, uint64_t published);

/* As kw_wal_release after recovery, when all is published: one segment is kept as the spare
 * whatever its size, so that a command that appends one entry need not create a file. */
void kw_wal_adopt(struct kw_wal *wal);

/* The segment that holds entry index, referenced; NULL if none does. */
struct kw_segment *kw_wal_find(struct kw_wal *wal, uint64_t index);
void kw_wal_unref(struct kw_wal *wal, struct kw_segment *segment);

/* Closes all files. */
void kw_wal_wipe(struct kw_wal *wal);

#endif

/* The write-ahead format: segments, each a file of frames; a frame holds the entries of one commit.
 *
 *     segment header, 64 bytes: "KWLEDWAL", u32 version 1, u32 0, u64 generation, u64 first index,
 *         16 random bytes (id), 16 bytes of SHA-256(log || what stands before)
 *     frame header, 64 bytes: "KWfr", u32 length of the entries, u64 first index, u32 count, u32 0,
 *         u64 offset in the file, SHA-256(id || what stands before || leaf hashes)
 *     entries (u16 length + entry, repeated), zeros to a multiple of 8
 *
 * Integers are big-endian. log is SHA-256 of the verification key line, so that a segment of
 * another ledger is not taken for one of this. A frame proves by the segment's id that it was
 * written into this segment, at this place, and is whole: entries that look like a frame, and
 * frames that a reused file has from its earlier life, do not pass. docs/spec/ledger.md argues
 * recovery. */
#ifndef KW_LEDGER_SEGMENT_H
#define KW_LEDGER_SEGMENT_H

#include "tlog/hash.h"

#include <sys/types.h>

enum {
    KW_SEGMENT_HEADER_SIZE = 64,
    KW_FRAME_HEADER_SIZE = 64,
    KW_SEGMENT_ID_SIZE = 16,
    KW_FRAME_ALIGN = 8,
};

struct kw_segment_header {
    uint64_t generation;  /* later segments have higher ones */
    uint64_t first_index; /* entries from here on are in this segment or a later one */
    uint8_t id[KW_SEGMENT_ID_SIZE];
};

void kw_segment_header_put(uint8_t out[KW_SEGMENT_HEADER_SIZE],
                           const struct kw_segment_header *header, const struct kw_tlog_hash *log);

/* False if in is no segment header of this log. */
bool kw_segment_header_get(const uint8_t in[KW_SEGMENT_HEADER_SIZE],
                           struct kw_segment_header *header, const struct kw_tlog_hash *log);

/* A frame as it is read: the buffers are reused from frame to frame. */
struct kw_frame {
    uint64_t first_index;
    uint32_t count;
    off_t next; /* offset of the frame after this */
    struct kw_buf entries;
    struct kw_buf leaves; /* count leaf hashes */
};
void kw_frame_wipe(struct kw_frame *frame);
KW_CLEANUP_WIPE(kw_frame)

/* What stands in a frame's header. */
struct kw_frame_header {
    uint32_t length;
    uint32_t count;
    uint64_t first_index;
    uint64_t offset;
};

/* Writes the header; leaves are the frame's leaf hashes. */
void kw_frame_header_put(uint8_t out[KW_FRAME_HEADER_SIZE], const struct kw_frame_header *header,
                         const uint8_t id[KW_SEGMENT_ID_SIZE], struct kw_bytes leaves);

/* Bytes from one frame to the next. */
static inline size_t kw_frame_size(size_t entries)
{
    return KW_FRAME_HEADER_SIZE + ((entries + KW_FRAME_ALIGN - 1) & ~(size_t)(KW_FRAME_ALIGN - 1));
}

/* Reads the frame at an offset. KW_NOT_FOUND if there is no whole frame of this segment there. */
KW_ERR kw_frame_read(int fd, const struct kw_segment_header *header, off_t at,
                     struct kw_frame *frame, struct kw_error *err);

/* Is there a whole frame of this segment anywhere behind at? Then what is at at was damaged; a torn
 * write has nothing behind it. */
KW_ERR kw_frame_follows(int fd, const struct kw_segment_header *header, off_t at, bool *out,
                        struct kw_error *err);

#endif

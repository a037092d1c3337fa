#include "ledger/segment.h"

#include "crypto/hash.h"
#include "ledger/io.h"
#include "tlog/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char segment_magic[8] = {'K', 'W', 'L', 'E', 'D', 'W', 'A', 'L'};
static const char frame_magic[4] = {'K', 'W', 'f', 'r'};

enum {
    VERSION = 1,
    SEGMENT_SUMMED = 48, /* bytes of the header that its checksum covers */
    FRAME_SUMMED = 32,
    SEARCH_SIZE = 65536,
};

static void segment_sum(uint8_t out[KW_HASH_SIZE], const uint8_t *header,
                        const struct kw_tlog_hash *log)
{
    const struct kw_bytes parts[] = {kw_bytes(log, sizeof *log), kw_bytes(header, SEGMENT_SUMMED)};
    kw_sha256(out, parts, KW_COUNT(parts));
}

void kw_segment_header_put(uint8_t out[KW_SEGMENT_HEADER_SIZE],
                           const struct kw_segment_header *header, const struct kw_tlog_hash *log)
{
    uint8_t sum[KW_HASH_SIZE];
    memcpy(out, segment_magic, sizeof segment_magic);
    kw_put_u32(out + 8, VERSION);
    kw_put_u32(out + 12, 0);
    kw_put_u64(out + 16, header->generation);
    kw_put_u64(out + 24, header->first_index);
    memcpy(out + 32, header->id, sizeof header->id);
    segment_sum(sum, out, log);
    memcpy(out + SEGMENT_SUMMED, sum, KW_SEGMENT_HEADER_SIZE - SEGMENT_SUMMED);
}

bool kw_segment_header_get(const uint8_t in[KW_SEGMENT_HEADER_SIZE],
                           struct kw_segment_header *header, const struct kw_tlog_hash *log)
{
    uint8_t sum[KW_HASH_SIZE];
    segment_sum(sum, in, log);
    if (memcmp(in, segment_magic, sizeof segment_magic) != 0 || kw_get_u32(in + 8) != VERSION ||
        memcmp(in + SEGMENT_SUMMED, sum, KW_SEGMENT_HEADER_SIZE - SEGMENT_SUMMED) != 0)
        return false;
    header->generation = kw_get_u64(in + 16);
    header->first_index = kw_get_u64(in + 24);
    memcpy(header->id, in + 32, sizeof header->id);
    return true;
}

void kw_frame_wipe(struct kw_frame *frame)
{
    kw_buf_wipe(&frame->entries);
    kw_buf_wipe(&frame->leaves);
}

static void frame_sum(uint8_t out[KW_HASH_SIZE], const uint8_t *header,
                      const uint8_t id[KW_SEGMENT_ID_SIZE], struct kw_bytes leaves)
{
    const struct kw_bytes parts[] = {kw_bytes(id, KW_SEGMENT_ID_SIZE),
                                     kw_bytes(header, FRAME_SUMMED), leaves};
    kw_sha256(out, parts, KW_COUNT(parts));
}

void kw_frame_header_put(uint8_t out[KW_FRAME_HEADER_SIZE], const struct kw_frame_header *header,
                         const uint8_t id[KW_SEGMENT_ID_SIZE], struct kw_bytes leaves)
{
    memcpy(out, frame_magic, sizeof frame_magic);
    kw_put_u32(out + 4, header->length);
    kw_put_u64(out + 8, header->first_index);
    kw_put_u32(out + 16, header->count);
    kw_put_u32(out + 20, 0);
    kw_put_u64(out + 24, header->offset);
    frame_sum(out + FRAME_SUMMED, out, id, leaves);
}

static bool header_get(const uint8_t in[KW_FRAME_HEADER_SIZE], struct kw_frame_header *header)
{
    if (memcmp(in, frame_magic, sizeof frame_magic) != 0)
        return false;
    header->length = kw_get_u32(in + 4);
    header->first_index = kw_get_u64(in + 8);
    header->count = kw_get_u32(in + 16);
    header->offset = kw_get_u64(in + 24);
    return header->count > 0 && header->length / 2 >= header->count;
}

/* The leaf hashes of the frame's entries; false if they are not count whole entries. */
static bool hash_entries(struct kw_frame *frame, uint32_t count)
{
    struct kw_bytes rest = kw_buf_bytes(&frame->entries);
    struct kw_bytes entry;
    kw_buf_reset(&frame->leaves);
    for (uint32_t i = 0; i < count; i++) {
        if (!kw_tlog_bundle_next(&rest, &entry))
            return false;
        struct kw_tlog_hash leaf = kw_tlog_leaf(entry);
        kw_buf_append(&frame->leaves, &leaf, sizeof leaf);
    }
    return rest.len == 0;
}

static KW_ERR file_size(int fd, off_t *out, struct kw_error *err)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &st) != 0) /* not fstat: see kw_ledger_io_inode */
        return kw_fail(err, KW_LEDGER_UNAVAILABLE, "a write-ahead file cannot be examined");
    *out = (off_t)st.stx_size;
    return KW_OK;
}

static KW_ERR no_frame(struct kw_error *err)
{
    return kw_fail(err, KW_NOT_FOUND, "there is no frame here");
}

KW_ERR kw_frame_read(int fd, const struct kw_segment_header *header, off_t at,
                     struct kw_frame *frame, struct kw_error *err)
{
    uint8_t head[KW_FRAME_HEADER_SIZE];
    uint8_t sum[KW_HASH_SIZE];
    struct kw_frame_header is;
    off_t size = 0;
    KW_TRY(file_size(fd, &size, err));
    if (at > size || size - at < KW_FRAME_HEADER_SIZE)
        return no_frame(err);
    KW_TRY(kw_ledger_io_read(fd, head, sizeof head, at, err));
    if (!header_get(head, &is) || is.offset != (uint64_t)at ||
        is.length > (uint64_t)(size - at) - KW_FRAME_HEADER_SIZE)
        return no_frame(err);
    kw_buf_reset(&frame->entries);
    uint8_t *room = kw_buf_reserve(&frame->entries, is.length);
    if (room == NULL)
        return kw_buf_status(&frame->entries, err);
    KW_TRY(kw_ledger_io_read(fd, room, is.length, at + KW_FRAME_HEADER_SIZE, err));
    frame->entries.len = is.length;
    bool whole = hash_entries(frame, is.count);
    KW_TRY(kw_buf_status(&frame->leaves, err));
    frame_sum(sum, head, header->id, kw_buf_bytes(&frame->leaves));
    if (!whole || memcmp(sum, head + FRAME_SUMMED, sizeof sum) != 0)
        return no_frame(err);
    frame->first_index = is.first_index;
    frame->count = is.count;
    frame->next = at + (off_t)kw_frame_size(is.length);
    return KW_OK;
}

static KW_ERR search(int fd, const struct kw_segment_header *header, off_t at, size_t len,
                     bool *found, struct kw_error *err)
{
    KW_AUTO(kw_frame) frame = {0};
    uint8_t *chunk = malloc(SEARCH_SIZE);
    if (chunk == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = kw_ledger_io_read(fd, chunk, len, at, err);
    for (size_t i = 0; code == KW_OK && !*found && i + sizeof frame_magic <= len;
         i += KW_FRAME_ALIGN) {
        if (memcmp(chunk + i, frame_magic, sizeof frame_magic) != 0)
            continue;
        code = kw_frame_read(fd, header, at + (off_t)i, &frame, err);
        *found = code == KW_OK;
        if (code == KW_NOT_FOUND)
            code = KW_OK;
    }
    free(chunk);
    return code;
}

KW_ERR kw_frame_follows(int fd, const struct kw_segment_header *header, off_t at, bool *out,
                        struct kw_error *err)
{
    bool found = false;
    off_t size = 0;
    KW_TRY(file_size(fd, &size, err));
    for (at += KW_FRAME_ALIGN; at < size && !found; at += SEARCH_SIZE) {
        size_t len = size - at < SEARCH_SIZE ? (size_t)(size - at) : SEARCH_SIZE;
        KW_TRY(search(fd, header, at, len, &found, err));
    }
    *out = found;
    return KW_OK;
}

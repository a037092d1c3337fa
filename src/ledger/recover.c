/* What a crash leaves behind, and what is made of it: docs/spec/ledger.md, "Recovery". */
#include "ledger/wal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A spare that was never used begins with zeros. Any other header that is not valid was damaged, or
 * is of another ledger: a header is less than a sector and is written at once, so no crash leaves
 * half of one. To pass over it could be to lose what was acknowledged. */
static KW_ERR check_unused(const uint8_t *header, const char *name, struct kw_error *err)
{
    static const uint8_t zeros[KW_SEGMENT_HEADER_SIZE];
    if (memcmp(header, zeros, sizeof zeros) == 0)
        return KW_OK;
    return kw_fail(err, KW_LEDGER_CORRUPT,
                   "the header of the write-ahead file %s is damaged, or of another ledger", name);
}

static KW_ERR read_header(struct kw_wal *wal, struct kw_segment *segment, struct kw_error *err)
{
    uint8_t header[KW_SEGMENT_HEADER_SIZE];
    kw_code code = kw_ledger_io_read(segment->fd, header, sizeof header, 0, err);
    if (code == KW_TRUNCATED)
        return KW_OK;
    KW_TRY(code);
    if (!kw_segment_header_get(header, &segment->header, &wal->log))
        return check_unused(header, segment->name, err);
    segment->end = KW_SEGMENT_HEADER_SIZE;
    segment->end_index = segment->header.first_index;
    return KW_OK;
}

static KW_ERR open_segment(const struct kw_wal *wal, struct kw_segment *segment,
                           struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    struct stat st;
    KW_TRY(kw_path_format(path, err, "%s/%s", wal->dir, segment->name));
    segment->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (segment->fd < 0 || fstat(segment->fd, &st) != 0)
        return kw_ledger_io_fail(err, errno, "open", path);
    segment->inode = st.st_ino;
    segment->size = st.st_size;
    return KW_OK;
}

#define NAME_FORMAT "%016llx.wal" /* as wal.c makes it */

/* The number in a name of ours, sixteen hex digits and .wal. */
static bool name_number(const char *name, uint64_t *out)
{
    char again[KW_WAL_NAME_SIZE];
    *out = strtoull(name, NULL, 16);
    snprintf(again, sizeof again, NAME_FORMAT, (unsigned long long)*out);
    return strcmp(name, again) == 0;
}

/* Unused segments (end 0) come first; then by the entries that they begin with, then by age. */
static bool comes_before(const struct kw_segment *a, const struct kw_segment *b)
{
    if ((a->end == 0) != (b->end == 0))
        return a->end == 0;
    if (a->header.first_index != b->header.first_index)
        return a->header.first_index < b->header.first_index;
    return a->header.generation < b->header.generation;
}

static void insert(struct kw_wal *wal, struct kw_segment *segment)
{
    struct kw_segment **at = &wal->first;
    while (*at != NULL && comes_before(*at, segment))
        at = &(*at)->next;
    segment->next = *at;
    *at = segment;
    if (segment->next == NULL)
        wal->last = segment;
}

static KW_ERR find_one(struct kw_wal *wal, const char *name, struct kw_error *err)
{
    uint64_t number;
    if (!name_number(name, &number))
        return KW_OK;
    if (number >= wal->next_name)
        wal->next_name = number + 1;
    struct kw_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    snprintf(segment->name, sizeof segment->name, NAME_FORMAT, (unsigned long long)number);
    segment->refs = 1;
    segment->fd = -1;
    kw_code code = open_segment(wal, segment, err);
    if (code == KW_OK)
        code = read_header(wal, segment, err);
    if (segment->header.generation >= wal->generation)
        wal->generation = segment->header.generation + 1;
    insert(wal, segment); /* also on failure: the list owns it */
    return code;
}

static KW_ERR find_all(struct kw_wal *wal, struct kw_error *err)
{
    DIR *dir = opendir(wal->dir);
    kw_code code = KW_OK;
    if (dir == NULL)
        return kw_fail(err, errno == ENOENT ? KW_LEDGER_MISSING : KW_LEDGER_UNAVAILABLE,
                       "the ledger's folder %s cannot be read", wal->dir);
    for (struct dirent *item; code == KW_OK && (item = readdir(dir)) != NULL;)
        code = find_one(wal, item->d_name, err);
    closedir(dir);
    return code;
}

/* Reads a segment's frames up to limit, where the next segment takes over. */
static KW_ERR read_frames(struct kw_segment *segment, uint64_t limit, struct kw_error *err)
{
    KW_AUTO(kw_frame) frame = {0};
    for (;;) {
        kw_code code = kw_frame_read(segment->fd, &segment->header, segment->end, &frame, err);
        if (code == KW_NOT_FOUND)
            return KW_OK;
        KW_TRY(code);
        if (frame.first_index >= limit)
            return KW_OK;
        if (frame.first_index != segment->end_index || frame.count > limit - frame.first_index)
            return kw_fail(err, KW_LEDGER_CORRUPT,
                           "the write-ahead file %s does not continue at entry %llu", segment->name,
                           (unsigned long long)segment->end_index);
        segment->end_index += frame.count;
        segment->end = frame.next;
    }
}

static KW_ERR check_end(const struct kw_segment *segment, struct kw_error *err)
{
    bool damaged = false;
    KW_TRY(kw_frame_follows(segment->fd, &segment->header, segment->end, &damaged, err));
    if (!damaged)
        return KW_OK;
    return kw_fail(err, KW_LEDGER_CORRUPT,
                   "the write-ahead file %s is damaged at offset %lld, before entries that were "
                   "acknowledged",
                   segment->name, (long long)segment->end);
}

KW_ERR kw_wal_recover(struct kw_wal *wal, uint64_t published, uint64_t *size, struct kw_error *err)
{
    uint64_t at = published;
    KW_TRY(find_all(wal, err));
    for (struct kw_segment *segment = wal->first; segment != NULL; segment = segment->next) {
        const struct kw_segment *next = segment->next;
        if (segment->end == 0)
            continue;
        if (segment->header.first_index > at)
            return kw_fail(err, KW_LEDGER_CORRUPT,
                           "entries %llu to %llu are damaged or missing in the write-ahead files",
                           (unsigned long long)at,
                           (unsigned long long)segment->header.first_index - 1);
        KW_TRY(read_frames(segment, next != NULL ? next->header.first_index : UINT64_MAX, err));
        if (next == NULL)
            KW_TRY(check_end(segment, err));
        if (segment->end_index > at)
            at = segment->end_index;
    }
    *size = at;
    return KW_OK;
}

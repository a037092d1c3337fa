#include "ledger/wal.h"

#include "crypto/random.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A command that appends one entry must not write megabytes of zeros, and a busy server must not
 * create a file every few milliseconds: so each segment of a run is larger than the one before. */
enum { SIZE_FIRST = 16 << 10, SIZE_GROWTH = 16, SIZE_MAX_OWN = 1 << 20, SIZE_MAX_SPARE = 16 << 20 };

static void segment_free(struct kw_segment *segment)
{
    if (segment == NULL)
        return;
    if (segment->fd >= 0)
        close(segment->fd);
    free(segment);
}

static KW_ERR path_of(const struct kw_wal *wal, const struct kw_segment *segment,
                      char path[KW_PATH_SIZE], struct kw_error *err)
{
    return kw_path_format(path, err, "%s/%s", wal->dir, segment->name);
}

static void discard(struct kw_wal *wal, struct kw_segment *segment)
{
    char path[KW_PATH_SIZE];
    if (path_of(wal, segment, path, NULL) == KW_OK)
        wal->io->unlink(wal->io, path);
    segment_free(segment);
}

static KW_ERR open_file(struct kw_wal *wal, struct kw_segment *segment, const char *path,
                        struct kw_error *err)
{
    struct stat st;
    segment->fd = wal->io->open(wal->io, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (segment->fd < 0 || fstat(segment->fd, &st) != 0)
        return kw_ledger_io_fail(err, errno, "create", path);
    segment->inode = st.st_ino;
    return KW_OK;
}

static KW_ERR segment_new(struct kw_wal *wal, off_t size_max, struct kw_segment **out,
                          struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    struct kw_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    segment->fd = -1;
    pthread_mutex_lock(wal->lock);
    unsigned long long name = wal->next_name++;
    segment->size = wal->next_size < size_max ? wal->next_size : size_max;
    pthread_mutex_unlock(wal->lock);
    snprintf(segment->name, sizeof segment->name, "%016llx.wal", name);
    kw_code code = path_of(wal, segment, path, err);
    if (code == KW_OK)
        code = open_file(wal, segment, path, err);
    if (code != KW_OK) {
        segment_free(segment);
        return code;
    }
    *out = segment;
    return KW_OK;
}

/* Zeros ahead: a sync of bytes inside of a written file need not update the file's metadata. */
static KW_ERR fill(struct kw_wal *wal, struct kw_segment *segment, off_t from, struct kw_error *err)
{
    static const uint8_t zeros[1 << 16];
    char path[KW_PATH_SIZE];
    KW_TRY(path_of(wal, segment, path, err));
    while (from < segment->size) {
        size_t len = sizeof zeros;
        if (segment->size - from < (off_t)len)
            len = (size_t)(segment->size - from);
        KW_TRY(kw_ledger_io_write(wal->io, segment->fd, kw_bytes(zeros, len), from, path, err));
        from += (off_t)len;
    }
    return KW_OK;
}

/* The next segment is larger than this one, or, on a disk that is full, small again. */
static void choose_next(struct kw_wal *wal, off_t size)
{
    wal->next_size = size < SIZE_MAX_SPARE / SIZE_GROWTH ? size * SIZE_GROWTH : SIZE_MAX_SPARE;
    if (wal->next_size < SIZE_FIRST)
        wal->next_size = SIZE_FIRST;
}

KW_ERR kw_wal_place(struct kw_wal *wal, size_t frame, uint64_t first_index, struct kw_segment **out,
                    struct kw_error *err)
{
    pthread_mutex_lock(wal->lock);
    if (wal->next_size == 0)
        wal->next_size = SIZE_FIRST;
    struct kw_segment *segment = wal->current;
    if (segment != NULL && segment->end > KW_SEGMENT_HEADER_SIZE &&
        segment->end + (off_t)frame > segment->size)
        segment = NULL;
    bool fresh = segment == NULL;
    if (fresh) {
        wal->current = NULL;
        segment = wal->spare;
        wal->spare = NULL;
    }
    uint64_t generation = fresh ? wal->generation++ : 0;
    pthread_mutex_unlock(wal->lock);
    if (segment == NULL)
        KW_TRY(segment_new(wal, SIZE_MAX_OWN, &segment, err));
    if (fresh) {
        segment->header.generation = generation;
        segment->header.first_index = first_index;
        segment->end_index = first_index;
        segment->end = 0;
        kw_random(segment->header.id, sizeof segment->header.id);
    }
    *out = segment;
    return KW_OK;
}

/* Room ahead is a convenience: a disk that has only room for the entries gets the entries. */
static KW_ERR fill_if_room(struct kw_wal *wal, struct kw_segment *segment, off_t from,
                           struct kw_error *err)
{
    kw_code code = fill(wal, segment, from, err);
    if (code != KW_DISK_FULL)
        return code;
    segment->size = 0;
    return ftruncate(segment->fd, from) == 0 ? KW_OK : code;
}

/* A new segment: its header, the frame and the zeros behind it reach the disk by one sync. */
static KW_ERR write_first(struct kw_wal *wal, struct kw_segment *segment, struct kw_buf *data,
                          const char *path, struct kw_error *err)
{
    struct stat st;
    bool filled = fstat(segment->fd, &st) == 0 && st.st_size > 0; /* a spare: see make_spare */
    kw_segment_header_put(data->data, &segment->header, &wal->log);
    KW_TRY(kw_ledger_io_write(wal->io, segment->fd, kw_buf_bytes(data), 0, path, err));
    if (!filled)
        KW_TRY(fill_if_room(wal, segment, (off_t)data->len, err));
    KW_TRY(kw_ledger_io_sync(wal->io, segment->fd, path, err));
    /* Also for a spare, whose name is durable: files that were deleted before must not come back
     * beside this one (docs/spec/ledger.md, "Generations"). Costs nothing if none was. */
    return kw_ledger_io_sync_dir(wal->io, wal->dir, err);
}

static KW_ERR write_next(struct kw_wal *wal, struct kw_segment *segment, const struct kw_buf *data,
                         const char *path, struct kw_error *err)
{
    struct kw_bytes frame =
        kw_bytes(data->data + KW_SEGMENT_HEADER_SIZE, data->len - KW_SEGMENT_HEADER_SIZE);
    KW_TRY(kw_ledger_io_write(wal->io, segment->fd, frame, segment->end, path, err));
    return kw_ledger_io_sync(wal->io, segment->fd, path, err);
}

/* What is written into a file that has lost its name is lost with the process. */
static KW_ERR check_named(const struct kw_segment *segment, const char *path, struct kw_error *err)
{
    if (kw_ledger_io_inode(path) != segment->inode)
        return kw_fail(err, KW_LEDGER_UNAVAILABLE, "%s was deleted or replaced while in use", path);
    return KW_OK;
}

KW_ERR kw_wal_write(struct kw_wal *wal, struct kw_segment *segment, struct kw_buf *room_and_frame,
                    struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    bool fresh = segment->end == 0;
    kw_code code = path_of(wal, segment, path, err);
    if (code == KW_OK)
        code = fresh ? write_first(wal, segment, room_and_frame, path, err)
                     : write_next(wal, segment, room_and_frame, path, err);
    if (code == KW_OK)
        code = check_named(segment, path, err);
    if (code == KW_OK)
        return KW_OK;
    if (fresh) {
        discard(wal, segment);
        return code;
    }
    pthread_mutex_lock(wal->lock);
    segment->failed = true;
    wal->current = NULL;
    pthread_mutex_unlock(wal->lock);
    return code;
}

void kw_wal_commit(struct kw_wal *wal, struct kw_segment *segment, size_t frame, uint64_t end_index)
{
    if (segment->end == 0) {
        segment->end = KW_SEGMENT_HEADER_SIZE;
        segment->refs = 1;
        if (wal->last != NULL)
            wal->last->next = segment;
        else
            wal->first = segment;
        wal->last = segment;
        wal->current = segment;
        choose_next(wal, segment->size);
        if (segment->size < SIZE_FIRST)
            segment->size = SIZE_FIRST;
    }
    segment->end += (off_t)frame;
    segment->end_index = end_index;
}

bool kw_wal_wants_spare(const struct kw_wal *wal)
{
    return wal->spare == NULL && wal->current != NULL && wal->current->end > wal->current->size / 2;
}

KW_ERR kw_wal_make_spare(struct kw_wal *wal, struct kw_error *err)
{
    struct kw_segment *segment;
    char path[KW_PATH_SIZE];
    KW_TRY(segment_new(wal, SIZE_MAX_SPARE, &segment, err));
    kw_code code = path_of(wal, segment, path, err);
    if (code == KW_OK)
        code = fill(wal, segment, 0, err);
    if (code == KW_OK)
        code = kw_ledger_io_sync(wal->io, segment->fd, path, err);
    if (code == KW_OK)
        code = kw_ledger_io_sync_dir(wal->io, wal->dir, err);
    if (code != KW_OK)
        discard(wal, segment);
    pthread_mutex_lock(wal->lock);
    if (code == KW_OK)
        wal->spare = segment;
    else
        wal->next_size = SIZE_FIRST;
    pthread_mutex_unlock(wal->lock);
    return code;
}

/* Takes the oldest segment off the list if it is done with. *lock is held. */
static struct kw_segment *pop(struct kw_wal *wal, uint64_t published)
{
    struct kw_segment *segment = wal->first;
    if (segment == NULL || segment->end_index > published || segment == wal->current)
        return NULL;
    wal->first = segment->next;
    segment->next = NULL;
    if (wal->first == NULL)
        wal->last = NULL;
    return segment;
}

static bool reuse(struct kw_wal *wal, struct kw_segment *segment, off_t size_min)
{
    if (wal->spare != NULL || segment->refs > 1 || segment->failed || segment->size < size_min)
        return false;
    wal->spare = segment;
    return true;
}

static void release(struct kw_wal *wal, uint64_t published, off_t size_min)
{
    char path[KW_PATH_SIZE];
    pthread_mutex_lock(wal->lock);
    struct kw_segment *segment;
    while ((segment = pop(wal, published)) != NULL) {
        if (reuse(wal, segment, size_min))
            continue;
        pthread_mutex_unlock(wal->lock);
        if (path_of(wal, segment, path, NULL) == KW_OK)
            wal->io->unlink(wal->io, path);
        kw_wal_unref(wal, segment);
        pthread_mutex_lock(wal->lock);
    }
    pthread_mutex_unlock(wal->lock);
}

void kw_wal_release(struct kw_wal *wal, uint64_t published)
{
    release(wal, published, SIZE_MAX_SPARE);
}

/* Recovery opens the files for reading alone. */
static bool reopen(struct kw_wal *wal, struct kw_segment *segment)
{
    char path[KW_PATH_SIZE];
    if (path_of(wal, segment, path, NULL) != KW_OK)
        return false;
    int fd = wal->io->open(wal->io, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    close(segment->fd);
    segment->fd = fd;
    return true;
}

void kw_wal_adopt(struct kw_wal *wal)
{
    release(wal, UINT64_MAX, SIZE_FIRST);
    if (wal->spare == NULL)
        return;
    if (wal->spare->size > SIZE_MAX_SPARE || !reopen(wal, wal->spare)) {
        discard(wal, wal->spare);
        wal->spare = NULL;
        return;
    }
}

struct kw_segment *kw_wal_find(struct kw_wal *wal, uint64_t index)
{
    pthread_mutex_lock(wal->lock);
    struct kw_segment *segment = wal->first;
    while (segment != NULL && (index < segment->header.first_index || index >= segment->end_index))
        segment = segment->next;
    if (segment != NULL)
        segment->refs++;
    pthread_mutex_unlock(wal->lock);
    return segment;
}

void kw_wal_unref(struct kw_wal *wal, struct kw_segment *segment)
{
    pthread_mutex_lock(wal->lock);
    bool unused = --segment->refs == 0;
    pthread_mutex_unlock(wal->lock);
    if (unused)
        segment_free(segment);
}

void kw_wal_wipe(struct kw_wal *wal)
{
    struct kw_segment *segment = wal->first;
    while (segment != NULL) {
        struct kw_segment *next = segment->next;
        segment_free(segment);
        segment = next;
    }
    segment_free(wal->spare);
    wal->first = wal->last = wal->current = wal->spare = NULL;
}

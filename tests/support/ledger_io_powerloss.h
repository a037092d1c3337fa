/* The ledger's system calls on a disk that forgets: what was not synced can be undone, as by a loss
 * of power, and the process ended, at any chosen call.
 *
 * Bytes count as kept when their file has been synced; a new, renamed or removed name when its
 * folder has been. At the end each write that is not kept is undone or not, by a coin; of the
 * changes of names that are not kept, the newest are undone from a random one on, as a journalling
 * file system would. With a seed of 0 nothing is undone: the process was killed, the machine went
 * on. */
#ifndef KW_TESTS_LEDGER_IO_POWERLOSS_H
#define KW_TESTS_LEDGER_IO_POWERLOSS_H

#include "ledger/io.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum change_kind { CHANGE_WRITE, CHANGE_CREATE, CHANGE_RENAME, CHANGE_UNLINK, CHANGE_MKDIR };

struct change {
    enum change_kind kind;
    char *path;
    char *other;  /* rename: from; write: where the file has been renamed to */
    char *backup; /* a hard link to what was replaced or removed; NULL if there was nothing */
    off_t at;     /* write */
    off_t size;   /* of the file before */
    size_t len;
    uint8_t *old; /* what stood there, as far as the file reached */
    ino_t inode;  /* of the file, which may have been renamed since */
};

enum { CHANGES_MAX = 4096 };

struct powerloss_io {
    struct kw_ledger_io io; /* first */
    pthread_mutex_t lock;
    const char *attic;  /* a folder on the same file system, for backups */
    unsigned calls;     /* made so far */
    unsigned last_call; /* at this one it ends; UINT_MAX: never */
    unsigned mode;      /* 0 before the call, 1 after it, 2 in the midst of a write */
    uint64_t seed;
    size_t count;
    struct change change[CHANGES_MAX];
    unsigned backups;
};

static inline uint64_t powerloss_random(struct powerloss_io *p)
{
    p->seed ^= p->seed << 13;
    p->seed ^= p->seed >> 7;
    p->seed ^= p->seed << 17;
    return p->seed;
}

static inline void powerloss_name(int fd, char path[4096])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, 4095);
    path[len > 0 ? len : 0] = '\0';
}

static inline void undo_write(const struct change *c)
{
    struct stat st;
    const char *path = stat(c->path, &st) == 0 && st.st_ino == c->inode ? c->path : c->other;
    if (path == NULL || stat(path, &st) != 0 || st.st_ino != c->inode)
        return; /* gone */
    int fd = open(path, O_WRONLY);
    if (fd < 0 || (c->len > 0 && pwrite(fd, c->old, c->len, c->at) < 0) ||
        ftruncate(fd, c->size) != 0)
        abort();
    close(fd);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void undo_name(const struct change *c)
{
    if (c->kind == CHANGE_CREATE)
        unlink(c->path);
    else if (c->kind == CHANGE_MKDIR)
        nftw(c->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    else if (c->kind == CHANGE_RENAME)
        rename(c->path, c->other);
    if (c->backup != NULL)
        rename(c->backup, c->path);
}

/* The end: what the disk has not kept is undone, newest first. */
static inline void powerloss_end(struct powerloss_io *p)
{
    size_t names_from = p->count;
    if (p->seed == 0)
        kill(getpid(), SIGKILL);
    names_from = p->count == 0 ? 0 : (size_t)(powerloss_random(p) % (p->count + 1));
    for (size_t i = p->count; i-- > 0;) {
        if (p->change[i].kind == CHANGE_WRITE) {
            if (powerloss_random(p) % 2 == 0)
                undo_write(&p->change[i]);
        } else if (i >= names_from) {
            undo_name(&p->change[i]);
        }
    }
    kill(getpid(), SIGKILL);
}

static inline struct change *powerloss_note(struct powerloss_io *p, enum change_kind kind,
                                            const char *path)
{
    if (p->count == CHANGES_MAX)
        abort();
    struct change *c = &p->change[p->count++];
    *c = (struct change){.kind = kind, .path = strdup(path)};
    return c;
}

static inline void powerloss_forget(struct powerloss_io *p, size_t i)
{
    struct change *c = &p->change[i];
    if (c->backup != NULL)
        unlink(c->backup);
    free(c->path);
    free(c->other);
    free(c->backup);
    free(c->old);
    for (size_t j = i + 1; j < p->count; j++)
        p->change[j - 1] = p->change[j];
    p->count--;
}

static inline void powerloss_backup(struct powerloss_io *p, struct change *c, const char *path)
{
    char name[4200];
    snprintf(name, sizeof name, "%s/%u", p->attic, p->backups++);
    if (link(path, name) == 0)
        c->backup = strdup(name);
}

/* True if this is the call at which it ends, and it ends within it. */
static inline bool powerloss_call(struct powerloss_io *p)
{
    bool last = p->calls++ == p->last_call;
    if (last && p->mode == 0)
        powerloss_end(p);
    return last;
}

static inline void note_old_bytes(struct powerloss_io *p, int fd, const char *path, size_t len,
                                  off_t at)
{
    struct stat st;
    struct change *c = powerloss_note(p, CHANGE_WRITE, path);
    if (fstat(fd, &st) != 0)
        abort();
    c->size = st.st_size;
    c->inode = st.st_ino;
    c->at = at;
    c->len = at >= st.st_size                  ? 0
             : (size_t)(st.st_size - at) < len ? (size_t)(st.st_size - at)
                                               : len;
    c->old = malloc(c->len + 1);
    int reader = open(path, O_RDONLY);
    if (reader < 0 || pread(reader, c->old, c->len, at) != (ssize_t)c->len)
        abort();
    close(reader);
}

static inline int powerloss_open(struct kw_ledger_io *io, const char *path, int flags, mode_t mode)
{
    struct powerloss_io *p = (struct powerloss_io *)io;
    struct stat st;
    pthread_mutex_lock(&p->lock);
    bool last = (flags & O_CREAT) != 0 && powerloss_call(p);
    bool fresh = stat(path, &st) != 0;
    if (!fresh && (flags & O_TRUNC) != 0 && st.st_size > 0) {
        int fd = open(path, O_RDONLY);
        note_old_bytes(p, fd, path, (size_t)st.st_size, 0);
        close(fd);
    }
    int fd = kw_ledger_io_system()->open(io, path, flags, mode);
    if (fd >= 0 && fresh)
        powerloss_note(p, CHANGE_CREATE, path);
    if (last)
        powerloss_end(p);
    pthread_mutex_unlock(&p->lock);
    return fd;
}

static inline ssize_t powerloss_pwrite(struct kw_ledger_io *io, int fd, const void *data,
                                       size_t len, off_t at)
{
    struct powerloss_io *p = (struct powerloss_io *)io;
    char path[4096];
    powerloss_name(fd, path);
    pthread_mutex_lock(&p->lock);
    bool last = powerloss_call(p);
    note_old_bytes(p, fd, path, len, at);
    if (last && p->mode == 2)
        len = len / 2;
    ssize_t put = kw_ledger_io_system()->pwrite(io, fd, data, len, at);
    if (last)
        powerloss_end(p);
    pthread_mutex_unlock(&p->lock);
    return put;
}

static inline int powerloss_sync(struct kw_ledger_io *io, int fd)
{
    struct powerloss_io *p = (struct powerloss_io *)io;
    struct stat st;
    if (fstat(fd, &st) != 0)
        abort();
    pthread_mutex_lock(&p->lock);
    bool last = powerloss_call(p);
    for (size_t i = p->count; i-- > 0;)
        if (p->change[i].kind == CHANGE_WRITE && p->change[i].inode == st.st_ino)
            powerloss_forget(p, i);
    int result = p->seed == 0 ? kw_ledger_io_system()->sync(io, fd) : 0;
    if (last)
        powerloss_end(p);
    pthread_mutex_unlock(&p->lock);
    return result;
}

static inline bool lies_in(const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    size_t len = strlen(folder);
    return slash != NULL && (size_t)(slash - path) == len && memcmp(path, folder, len) == 0;
}

static inline int powerloss_sync_dir(struct kw_ledger_io *io, const char *path)
{
    struct powerloss_io *p = (struct powerloss_io *)io;
    char real[4096];
    pthread_mutex_lock(&p->lock);
    bool last = powerloss_call(p);
    snprintf(real, sizeof real, "%s", path);
    size_t len = strlen(real);
    while (len > 1 && real[len - 1] == '/')
        real[--len] = '\0';
    for (size_t i = p->count; i-- > 0;)
        if (p->change[i].kind != CHANGE_WRITE && lies_in(p->change[i].path, real))
            powerloss_forget(p, i);
    if (last)
        powerloss_end(p);
    pthread_mutex_unlock(&p->lock);
    KW_UNUSED(io);
    return 0;
}

static inline int powerloss_rename(struct kw_ledger_io *io, const char *from, const char *to)
{
    struct powerloss_io *p = (struct powerloss_io *)io;
    pthread_mutex_lock(&p->lock);
    bool last = powerloss_call(p);
    struct change *c = powerloss_note(p, CHANGE_RENAME, to);
    c->other = strdup(from);
    powerloss_backup(p, c, to);
    int result = kw_ledger_io_system()->rename(io, from, to);
    for (size_t i = 0; result == 0 && i < p->count; i++)
        if (p->change[i].kind == CHANGE_WRITE && strcmp(p->change[i].path, from) == 0) {
            free(p->change[i].other);
            p->change[i].other = strdup(to);
        }
    if (last)
        powerloss_end(p);
    pthread_mutex_unlock(&p->lock);
    return result;
}

static inline int powerloss_unlink(struct kw_ledger_io *io, const char *path)
{
    struct powerloss_io *p = (struct powerloss_io *)io;
    pthread_mutex_lock(&p->lock);
    bool last = powerloss_call(p);
    struct change *c = powerloss_note(p, CHANGE_UNLINK, path);
    powerloss_backup(p, c, path);
    int result = kw_ledger_io_system()->unlink(io, path);
    if (last)
        powerloss_end(p);
    pthread_mutex_unlock(&p->lock);
    return result;
}

static inline int powerloss_make_dir(struct kw_ledger_io *io, const char *path, mode_t mode)
{
    struct powerloss_io *p = (struct powerloss_io *)io;
    pthread_mutex_lock(&p->lock);
    bool last = powerloss_call(p);
    int result = kw_ledger_io_system()->make_dir(io, path, mode);
    int error = errno;
    if (result == 0)
        powerloss_note(p, CHANGE_MKDIR, path);
    if (last)
        powerloss_end(p);
    pthread_mutex_unlock(&p->lock);
    errno = error;
    return result;
}

static inline void powerloss_init(struct powerloss_io *p, const char *attic, unsigned last_call,
                                  unsigned mode, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    p->io = (struct kw_ledger_io){
        .open = powerloss_open,
        .pwrite = powerloss_pwrite,
        .sync = powerloss_sync,
        .sync_dir = powerloss_sync_dir,
        .rename = powerloss_rename,
        .unlink = powerloss_unlink,
        .make_dir = powerloss_make_dir,
    };
    pthread_mutex_init(&p->lock, NULL);
    p->attic = attic;
    p->last_call = last_call;
    p->mode = mode;
    p->seed = seed;
}

#endif

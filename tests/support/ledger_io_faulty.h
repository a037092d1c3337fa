/* The ledger's system calls with faults: each kind of call can be made to fail with an errno, to
 * write half, or to hang, for the files whose path has a given piece. Thread-safe. */
#ifndef KW_TESTS_LEDGER_IO_FAULTY_H
#define KW_TESTS_LEDGER_IO_FAULTY_H

#include "ledger/io.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum faulty_call {
    FAULTY_OPEN,
    FAULTY_WRITE,
    FAULTY_SYNC,
    FAULTY_SYNC_DIR,
    FAULTY_RENAME,
    FAULTY_CALLS
};

struct faulty_io {
    struct kw_ledger_io io; /* first: the table is the object */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        int error;         /* 0: none */
        const char *where; /* piece of the path; NULL: all */
        bool half;         /* writes: half is written before it fails */
        bool hang;         /* waits until the fault is taken away */
        unsigned met;      /* how often */
    } fault[FAULTY_CALLS];
};

static inline void faulty_set(struct faulty_io *f, enum faulty_call call, int error,
                              const char *where)
{
    pthread_mutex_lock(&f->lock);
    f->fault[call].error = error;
    f->fault[call].where = where;
    f->fault[call].hang = false;
    f->fault[call].half = false;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static inline void faulty_hang(struct faulty_io *f, enum faulty_call call, const char *where)
{
    pthread_mutex_lock(&f->lock);
    f->fault[call].where = where;
    f->fault[call].hang = true;
    pthread_mutex_unlock(&f->lock);
}

static inline unsigned faulty_met(struct faulty_io *f, enum faulty_call call)
{
    pthread_mutex_lock(&f->lock);
    unsigned met = f->fault[call].met;
    pthread_mutex_unlock(&f->lock);
    return met;
}

/* The errno to fail with, or 0; waits while it is to hang. */
static inline int faulty_meet(struct faulty_io *f, enum faulty_call call, const char *path,
                              bool *half)
{
    pthread_mutex_lock(&f->lock);
    const char *where = f->fault[call].where;
    bool mine = where == NULL || strstr(path, where) != NULL;
    if (mine && (f->fault[call].error != 0 || f->fault[call].hang))
        f->fault[call].met++;
    while (mine && f->fault[call].hang)
        pthread_cond_wait(&f->changed, &f->lock);
    int error = mine ? f->fault[call].error : 0;
    if (half != NULL)
        *half = f->fault[call].half;
    pthread_mutex_unlock(&f->lock);
    return error;
}

static inline void faulty_name(int fd, char path[4096])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, 4095);
    path[len > 0 ? len : 0] = '\0';
}

static inline int faulty_open(struct kw_ledger_io *io, const char *path, int flags, mode_t mode)
{
    int error = faulty_meet((struct faulty_io *)io, FAULTY_OPEN, path, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return kw_ledger_io_system()->open(io, path, flags, mode);
}

static inline ssize_t faulty_pwrite(struct kw_ledger_io *io, int fd, const void *data, size_t len,
                                    off_t at)
{
    char path[4096];
    bool half;
    faulty_name(fd, path);
    int error = faulty_meet((struct faulty_io *)io, FAULTY_WRITE, path, &half);
    if (error == 0)
        return kw_ledger_io_system()->pwrite(io, fd, data, len, at);
    if (half && len > 1)
        return kw_ledger_io_system()->pwrite(io, fd, data, len / 2, at);
    errno = error;
    return -1;
}

static inline int faulty_sync(struct kw_ledger_io *io, int fd)
{
    char path[4096];
    faulty_name(fd, path);
    int error = faulty_meet((struct faulty_io *)io, FAULTY_SYNC, path, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return kw_ledger_io_system()->sync(io, fd);
}

static inline int faulty_sync_dir(struct kw_ledger_io *io, const char *path)
{
    int error = faulty_meet((struct faulty_io *)io, FAULTY_SYNC_DIR, path, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return kw_ledger_io_system()->sync_dir(io, path);
}

static inline int faulty_rename(struct kw_ledger_io *io, const char *from, const char *to)
{
    int error = faulty_meet((struct faulty_io *)io, FAULTY_RENAME, to, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return kw_ledger_io_system()->rename(io, from, to);
}

static inline void faulty_init(struct faulty_io *f)
{
    *f = (struct faulty_io){.io = *kw_ledger_io_system()};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->io.open = faulty_open;
    f->io.pwrite = faulty_pwrite;
    f->io.sync = faulty_sync;
    f->io.sync_dir = faulty_sync_dir;
    f->io.rename = faulty_rename;
}

#endif

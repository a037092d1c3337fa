#include "ledger/io.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int system_open(struct kw_ledger_io *io, const char *path, int flags, mode_t mode)
{
    KW_UNUSED(io);
    return open(path, flags, mode);
}

static ssize_t system_pwrite(struct kw_ledger_io *io, int fd, const void *data, size_t len,
                             off_t at)
{
    KW_UNUSED(io);
    return pwrite(fd, data, len, at);
}

static int system_sync(struct kw_ledger_io *io, int fd)
{
    KW_UNUSED(io);
    return fdatasync(fd);
}

static int system_sync_dir(struct kw_ledger_io *io, const char *path)
{
    KW_UNUSED(io);
    KW_AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

static int system_rename(struct kw_ledger_io *io, const char *from, const char *to)
{
    KW_UNUSED(io);
    return rename(from, to);
}

static int system_unlink(struct kw_ledger_io *io, const char *path)
{
    KW_UNUSED(io);
    return unlink(path);
}

static int system_make_dir(struct kw_ledger_io *io, const char *path, mode_t mode)
{
    KW_UNUSED(io);
    return mkdir(path, mode);
}

struct kw_ledger_io *kw_ledger_io_system(void)
{
    static struct kw_ledger_io io = {
        .open = system_open,
        .pwrite = system_pwrite,
        .sync = system_sync,
        .sync_dir = system_sync_dir,
        .rename = system_rename,
        .unlink = system_unlink,
        .make_dir = system_make_dir,
    };
    return &io;
}

KW_ERR kw_ledger_io_fail(struct kw_error *err, int errno_value, const char *what, const char *path)
{
    kw_code code = kw_fail_errno(err, errno_value, "the ledger cannot %s %s", what, path);
    if (code == KW_DISK_FULL || code == KW_NO_MEMORY)
        return code;
    if (err != NULL)
        err->code = KW_LEDGER_UNAVAILABLE;
    return KW_LEDGER_UNAVAILABLE;
}

KW_ERR kw_ledger_io_write(struct kw_ledger_io *io, int fd, struct kw_bytes data, off_t at,
                          const char *path, struct kw_error *err)
{
    while (data.len > 0) {
        ssize_t put = io->pwrite(io, fd, data.data, data.len, at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return kw_ledger_io_fail(err, put < 0 ? errno : EIO, "write", path);
        data = kw_bytes(data.data + put, data.len - (size_t)put);
        at += put;
    }
    return KW_OK;
}

KW_ERR kw_ledger_io_sync(struct kw_ledger_io *io, int fd, const char *path, struct kw_error *err)
{
    return io->sync(io, fd) == 0 ? KW_OK : kw_ledger_io_fail(err, errno, "sync", path);
}

KW_ERR kw_ledger_io_sync_dir(struct kw_ledger_io *io, const char *path, struct kw_error *err)
{
    return io->sync_dir(io, path) == 0 ? KW_OK
                                       : kw_ledger_io_fail(err, errno, "sync the folder", path);
}

static KW_ERR put(struct kw_ledger_io *io, const char *path, struct kw_bytes content, ino_t *inode,
                  struct kw_error *err)
{
    struct stat st;
    KW_AUTO_FD fd = io->open(io, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || fstat(fd, &st) != 0)
        return kw_ledger_io_fail(err, errno, "create", path);
    KW_TRY(kw_ledger_io_write(io, fd, content, 0, path, err));
    KW_TRY(kw_ledger_io_sync(io, fd, path, err));
    if (inode != NULL)
        *inode = st.st_ino;
    return KW_OK;
}

KW_ERR kw_ledger_io_put(struct kw_ledger_io *io, const char *path, struct kw_bytes content,
                        ino_t *inode, struct kw_error *err)
{
    kw_code code = put(io, path, content, inode, err);
    if (code != KW_OK)
        io->unlink(io, path);
    return code;
}

/* Not stat: that asks for the file's times, after which Linux gives the next write a time of its
 * own, and ext4 then writes the inode with every sync. A third of a commit's CPU time. */
ino_t kw_ledger_io_inode(const char *path)
{
    struct statx st;
    return statx(AT_FDCWD, path, 0, STATX_INO, &st) == 0 ? (ino_t)st.stx_ino : 0;
}

KW_ERR kw_ledger_io_read(int fd, void *out, size_t len, off_t at, struct kw_error *err)
{
    uint8_t *to = out;
    while (len > 0) {
        ssize_t got = pread(fd, to, len, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kw_ledger_io_fail(err, errno, "read", "its write-ahead file");
        if (got == 0)
            return kw_fail_code(err, KW_TRUNCATED);
        to += got;
        at += got;
        len -= (size_t)got;
    }
    return KW_OK;
}

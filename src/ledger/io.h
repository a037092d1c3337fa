/* The system calls by which the ledger changes the disk, as a table, so that tests can make each of
 * them fail, hang, or be the last one of the process. Reading goes to the system directly. */
#ifndef KW_LEDGER_IO_H
#define KW_LEDGER_IO_H

#include "base/bytes.h"

#include <sys/types.h>

/* Each returns what the call returns, and sets errno. */
struct kw_ledger_io {
    int (*open)(struct kw_ledger_io *io, const char *path, int flags, mode_t mode);
    ssize_t (*pwrite)(struct kw_ledger_io *io, int fd, const void *data, size_t len, off_t at);
    int (*sync)(struct kw_ledger_io *io, int fd); /* fdatasync */
    int (*sync_dir)(struct kw_ledger_io *io, const char *path);
    int (*rename)(struct kw_ledger_io *io, const char *from, const char *to);
    int (*unlink)(struct kw_ledger_io *io, const char *path);
    int (*make_dir)(struct kw_ledger_io *io, const char *path, mode_t mode);
};

/* The system's own. */
struct kw_ledger_io *kw_ledger_io_system(void);

/* Errors of writing: KW_DISK_FULL, or KW_LEDGER_UNAVAILABLE with the system's reason. */
KW_ERR kw_ledger_io_fail(struct kw_error *err, int errno_value, const char *what, const char *path);

/* Writes all of it, also after short writes and interrupts; path is for the error. */
KW_ERR kw_ledger_io_write(struct kw_ledger_io *io, int fd, struct kw_bytes data, off_t at,
                          const char *path, struct kw_error *err);
KW_ERR kw_ledger_io_sync(struct kw_ledger_io *io, int fd, const char *path, struct kw_error *err);
KW_ERR kw_ledger_io_sync_dir(struct kw_ledger_io *io, const char *path, struct kw_error *err);

/* Creates or overwrites path with content, durably but for the folder's entry; *inode, which may be
 * NULL, is the file's. On failure the file is removed. */
KW_ERR kw_ledger_io_put(struct kw_ledger_io *io, const char *path, struct kw_bytes content,
                        ino_t *inode, struct kw_error *err);

/* The inode of the file that path names now; 0 if there is none. */
ino_t kw_ledger_io_inode(const char *path);

/* Reads len bytes at an offset. KW_TRUNCATED if the file ends before. */
KW_ERR kw_ledger_io_read(int fd, void *out, size_t len, off_t at, struct kw_error *err);

#endif

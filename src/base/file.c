#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

KW_ERR kw_path_format(char out[KW_PATH_SIZE], struct kw_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(out, KW_PATH_SIZE, format, args);
    va_end(args);
    if (len < 0 || len >= KW_PATH_SIZE)
        return kw_fail(err, KW_TOO_LARGE, "a path is longer than %d bytes", KW_PATH_SIZE - 1);
    return KW_OK;
}

bool kw_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static KW_ERR open_for_reading(const char *path, int *fd, struct kw_error *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return kw_fail_errno(err, errno, "cannot open %s", path);
    return KW_OK;
}

KW_ERR kw_file_read(const char *path, size_t max, struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO_FD fd = -1;
    KW_TRY(open_for_reading(path, &fd, err));
    size_t start = out->len;
    for (;;) {
        uint8_t *room = kw_buf_reserve(out, 65536);
        if (room == NULL)
            return kw_buf_status(out, err);
        ssize_t got = read(fd, room, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kw_fail_errno(err, errno, "cannot read %s", path);
        if (got == 0)
            return KW_OK;
        out->len += (size_t)got;
        if (out->len - start > max) {
            out->len = start;
            return kw_fail(err, KW_TOO_LARGE, "%s is larger than %zu bytes", path, max);
        }
    }
}

KW_ERR kw_file_read_secret(const char *path, size_t max, struct kw_secret *out,
                           struct kw_error *err)
{
    KW_AUTO_FD fd = -1;
    KW_AUTO(kw_secret) whole = KW_SECRET_INIT;
    KW_TRY(open_for_reading(path, &fd, err));
    KW_TRY(kw_secret_alloc(&whole, max + 1, err));
    size_t len = 0;
    while (len <= max) {
        ssize_t got = read(fd, whole.data + len, max + 1 - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kw_fail_errno(err, errno, "cannot read %s", path);
        if (got == 0)
            break;
        len += (size_t)got;
    }
    if (len == 0 || len > max)
        return kw_fail(err, KW_BAD_CONFIG, "%s is %s", path, len == 0 ? "empty" : "too large");
    return kw_secret_copy(out, whole.data, len, err);
}

KW_ERR kw_fd_write_all(int fd, const void *data, size_t len, const char *name,
                       struct kw_error *err)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return kw_fail_errno(err, errno, "cannot write %s", name);
        at += put;
        len -= (size_t)put;
    }
    return KW_OK;
}

KW_ERR kw_dir_sync(const char *path, struct kw_error *err)
{
    KW_AUTO_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return kw_fail_errno(err, errno, "cannot sync folder %s", path);
    return KW_OK;
}

static KW_ERR sync_parent(const char *path, struct kw_error *err)
{
    char copy[KW_PATH_SIZE];
    KW_TRY(kw_path_format(copy, err, "%s", path));
    return kw_dir_sync(dirname(copy), err);
}

static KW_ERR write_new(const char *path, mode_t mode, const void *data, size_t len,
                        struct kw_error *err)
{
    KW_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return kw_fail(err, KW_EXISTS, "%s exists already", path);
    if (fd < 0)
        return kw_fail_errno(err, errno, "cannot create %s", path);
    KW_TRY(kw_fd_write_all(fd, data, len, path, err));
    if (fdatasync(fd) != 0)
        return kw_fail_errno(err, errno, "cannot sync %s", path);
    return KW_OK;
}

KW_ERR kw_file_create(const char *path, mode_t mode, const void *content, size_t len,
                      struct kw_error *err)
{
    kw_code code = write_new(path, mode, content, len, err);
    if (code != KW_OK && code != KW_EXISTS)
        unlink(path);
    KW_TRY(code);
    return sync_parent(path, err);
}

KW_ERR kw_file_put(const char *path, mode_t mode, struct kw_bytes content, struct kw_error *err)
{
    char temporary[KW_PATH_SIZE];
    KW_TRY(kw_path_format(temporary, err, "%s.new", path));
    unlink(temporary);
    kw_code code = write_new(temporary, mode, content.data, content.len, err);
    if (code == KW_OK && rename(temporary, path) != 0)
        code = kw_fail_errno(err, errno, "cannot rename %s", temporary);
    if (code != KW_OK)
        unlink(temporary);
    return code;
}

KW_ERR kw_file_replace(const char *path, mode_t mode, struct kw_bytes content, struct kw_error *err)
{
    KW_TRY(kw_file_put(path, mode, content, err));
    return sync_parent(path, err);
}

KW_ERR kw_dir_make(const char *path, mode_t mode, struct kw_error *err)
{
    char part[KW_PATH_SIZE];
    KW_TRY(kw_path_format(part, err, "%s", path));
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            return kw_fail_errno(err, errno, "cannot make folder %s", part);
        *p = end;
        if (end == '\0')
            return KW_OK;
    }
}

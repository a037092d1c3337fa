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

/* At most len bytes, after interrupts too; -1 with errno set. */
static ssize_t read_some(int fd, void *out, size_t len)
{
    ssize_t got;
    do {
        got = read(fd, out, len);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* Once max bytes are there, one more byte tells a file that ends here from one that is too large.
 */
static KW_ERR read_all(int fd, const char *path, size_t max, struct kw_buf *out,
                       struct kw_error *err)
{
    enum { PIECE = 65536 };
    for (size_t left = max;;) {
        uint8_t probe;
        size_t want = left < PIECE ? left : PIECE;
        uint8_t *room = want > 0 ? kw_buf_reserve(out, want) : &probe;
        if (room == NULL)
            return kw_buf_status(out, err);
        ssize_t got = read_some(fd, room, want > 0 ? want : 1);
        if (got < 0)
            return kw_fail_errno(err, errno, "cannot read %s", path);
        if (got == 0)
            return KW_OK;
        if (want == 0)
            return kw_fail(err, KW_TOO_LARGE, "%s is larger than %zu bytes", path, max);
        out->len += (size_t)got;
        left -= (size_t)got;
    }
}

KW_ERR kw_file_read(const char *path, size_t max, struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO_FD fd = -1;
    KW_TRY(open_for_reading(path, &fd, err));
    size_t start = out->len;
    if (max > kw_buf_room(out))
        max = kw_buf_room(out);
    kw_code code = read_all(fd, path, max, out, err);
    if (code != KW_OK) {
        if (out->secret && out->len > start)
            kw_cleanse(out->data + start, out->len - start);
        out->len = start;
    }
    return code;
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
        ssize_t got = read_some(fd, whole.data + len, max + 1 - len);
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

KW_ERR kw_file_read_word(const char *path, size_t max, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) raw = KW_SECRET_INIT;
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    KW_TRY(kw_file_read_secret(path, max, &raw, err));
    size_t len = raw.len;
    while (len > 0 && (raw.data[len - 1] == '\n' || raw.data[len - 1] == '\r'))
        len--;
    bool fits = len > 0;
    for (size_t i = 0; i < len; i++)
        fits = fits && raw.data[i] > ' ' && raw.data[i] <= '~';
    if (!fits)
        return kw_fail(err, KW_BAD_CONFIG, "%s does not hold one token and nothing else", path);
    KW_TRY(kw_secret_alloc(&text, len + 1, err));
    memcpy(text.data, raw.data, len);
    kw_secret_move(out, &text);
    return KW_OK;
}

KW_ERR kw_fd_write_all(int fd, const void *data, size_t len, const char *name, struct kw_error *err)
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

/* Leaves no file behind on failure, and never touches one that it has not made. */
static KW_ERR write_new(const char *path, mode_t mode, const void *data, size_t len,
                        struct kw_error *err)
{
    KW_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return kw_fail(err, KW_EXISTS, "%s exists already", path);
    if (fd < 0)
        return kw_fail_errno(err, errno, "cannot create %s", path);
    kw_code code = kw_fd_write_all(fd, data, len, path, err);
    if (code == KW_OK && fdatasync(fd) != 0)
        code = kw_fail_errno(err, errno, "cannot sync %s", path);
    if (code != KW_OK)
        unlink(path);
    return code;
}

KW_ERR kw_file_create(const char *path, mode_t mode, const void *content, size_t len,
                      struct kw_error *err)
{
    KW_TRY(write_new(path, mode, content, len, err));
    return sync_parent(path, err);
}

KW_ERR kw_file_put(const char *path, mode_t mode, struct kw_bytes content, struct kw_error *err)
{
    char temporary[KW_PATH_SIZE];
    KW_TRY(kw_path_format(temporary, err, "%s.new", path));
    unlink(temporary); /* left by a crash */
    KW_TRY(write_new(temporary, mode, content.data, content.len, err));
    if (rename(temporary, path) == 0)
        return KW_OK;
    kw_code code = kw_fail_errno(err, errno, "cannot rename %s to %s", temporary, path);
    unlink(temporary);
    return code;
}

KW_ERR kw_file_replace(const char *path, mode_t mode, struct kw_bytes content, struct kw_error *err)
{
    KW_TRY(kw_file_put(path, mode, content, err));
    return sync_parent(path, err);
}

static KW_ERR check_folder(const char *path, struct kw_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return kw_fail_errno(err, errno, "cannot look at %s", path);
    if (!S_ISDIR(st.st_mode))
        return kw_fail(err, KW_EXISTS, "%s is there and is not a folder", path);
    return KW_OK;
}

KW_ERR kw_dir_make(const char *path, mode_t mode, struct kw_error *err)
{
    char part[KW_PATH_SIZE];
    KW_TRY(kw_path_format(part, err, "%s", path));
    if (part[0] == '\0')
        return kw_fail(err, KW_USAGE, "the path of a folder is empty");
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            return kw_fail_errno(err, errno, "cannot make folder %s", part);
        *p = end;
        if (end == '\0')
            return check_folder(path, err);
    }
}

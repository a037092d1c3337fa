/* Files, whole and durable. Paths are UTF-8 as given. Errors name the path. Thread-safe. */
#ifndef KW_BASE_FILE_H
#define KW_BASE_FILE_H

#include "base/bytes.h"
#include "base/secret.h"

#include <sys/types.h>

/* Appends the file's content to out; more than max bytes, or than out may take, is KW_TOO_LARGE, no
 * file KW_NOT_FOUND. out is as it was on failure. */
KW_ERR kw_file_read(const char *path, size_t max, struct kw_buf *out, struct kw_error *err);

/* The content as a secret (at least 1, at most max bytes). */
KW_ERR kw_file_read_secret(const char *path, size_t max, struct kw_secret *out,
                           struct kw_error *err);

/* The one word of a file, such as a token: printable ASCII without spaces, terminated (out->len
 * counts the NUL); line ends behind it are cut off. Anything else is KW_BAD_CONFIG. */
KW_ERR kw_file_read_word(const char *path, size_t max, struct kw_secret *out, struct kw_error *err);

/* Replaces path by content so that after a crash it is either the old file or the new one, whole:
 * temporary file beside it, fdatasync, rename, and the folder synced. */
KW_ERR kw_file_replace(const char *path, mode_t mode, struct kw_bytes content,
                       struct kw_error *err);

/* As kw_file_replace for content of which the path's name is the only version (no fsync of the
 * folder): for files that are checked when read again. */
KW_ERR kw_file_put(const char *path, mode_t mode, struct kw_bytes content, struct kw_error *err);

/* Creates path, which must not exist (KW_EXISTS), durably. content may lie in secret memory. */
KW_ERR kw_file_create(const char *path, mode_t mode, const void *content, size_t len,
                      struct kw_error *err);

/* Makes the folder and those above it, like mkdir -p. */
KW_ERR kw_dir_make(const char *path, mode_t mode, struct kw_error *err);

/* Makes the folder's entries durable. */
KW_ERR kw_dir_sync(const char *path, struct kw_error *err);

bool kw_path_exists(const char *path);

/* Writes all of it, also after short writes and interrupts. */
KW_ERR kw_fd_write_all(int fd, const void *data, size_t len, const char *name,
                       struct kw_error *err);

enum { KW_PATH_SIZE = 4096 };

/* Formats a path into out; KW_TOO_LARGE if it does not fit. */
KW_ERR kw_path_format(char out[KW_PATH_SIZE], struct kw_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

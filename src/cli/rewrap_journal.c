/* Replacing a few bytes of a large file so that a crash at any moment can be made good.
 *
 *     journal: "keyward-rewrap 1\n" || offset (8) || length (4) || before || after || SHA-256
 *
 * A write of some bytes is not atomic on every disk and file system, so the journal is on disk,
 * and its name in the folder, before the first byte of the file changes, and goes only when all of
 * them are on disk. A journal without its checksum was cut off before it counted. */
#include "cli/rewrap.h"

#include "crypto/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <unistd.h>

static const char magic[] = "keyward-rewrap 1\n";
enum { MAGIC = sizeof magic - 1, JOURNAL_MAX = MAGIC + 12 + 2 * KW_PATCH_MAX + KW_HASH_SIZE };

static KW_ERR journal_path(char out[KW_PATH_SIZE], const char *path, struct kw_error *err)
{
    return kw_path_format(out, err, "%s" KW_REWRAP_JOURNAL, path);
}

static void write_journal(struct kw_buf *out, const struct kw_patch *patch)
{
    uint8_t numbers[12];
    uint8_t hash[KW_HASH_SIZE];
    kw_put_u64(numbers, patch->offset);
    kw_put_u32(numbers + 8, (uint32_t)patch->len);
    kw_buf_append(out, magic, MAGIC);
    kw_buf_append(out, numbers, sizeof numbers);
    kw_buf_append(out, patch->before, patch->len);
    kw_buf_append(out, patch->after, patch->len);
    kw_sha256_one(hash, kw_buf_bytes(out));
    kw_buf_append(out, hash, sizeof hash);
}

static bool read_journal(struct kw_bytes text, struct kw_patch *out)
{
    uint8_t hash[KW_HASH_SIZE];
    if (text.len < MAGIC + 12 + KW_HASH_SIZE || memcmp(text.data, magic, MAGIC) != 0)
        return false;
    size_t len = kw_get_u32(text.data + MAGIC + 8);
    if (len > KW_PATCH_MAX || text.len != MAGIC + 12 + 2 * len + KW_HASH_SIZE)
        return false;
    kw_sha256_one(hash, kw_bytes(text.data, text.len - KW_HASH_SIZE));
    if (memcmp(hash, text.data + text.len - KW_HASH_SIZE, KW_HASH_SIZE) != 0)
        return false;
    out->offset = kw_get_u64(text.data + MAGIC);
    out->len = len;
    memcpy(out->before, text.data + MAGIC + 12, len);
    memcpy(out->after, text.data + MAGIC + 12 + len, len);
    return true;
}

static KW_ERR write_all_at(int fd, const struct kw_patch *patch, const char *path,
                           struct kw_error *err)
{
    size_t done = 0;
    while (done < patch->len) {
        ssize_t put =
            pwrite(fd, patch->after + done, patch->len - done, (off_t)(patch->offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return kw_fail_errno(err, errno, "cannot write %s", path);
        done += (size_t)put;
    }
    if (fdatasync(fd) != 0)
        return kw_fail_errno(err, errno, "cannot sync %s", path);
    return KW_OK;
}

static KW_ERR drop_journal(const char *journal, struct kw_error *err)
{
    char copy[KW_PATH_SIZE];
    if (unlink(journal) != 0)
        return kw_fail_errno(err, errno, "cannot remove %s", journal);
    KW_TRY(kw_path_format(copy, err, "%s", journal));
    return kw_dir_sync(dirname(copy), err);
}

KW_ERR kw_patch_in_place(int fd, const char *path, const struct kw_patch *patch,
                         struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    char journal[KW_PATH_SIZE];
    KW_TRY(journal_path(journal, path, err));
    write_journal(&text, patch);
    KW_TRY(kw_buf_status(&text, err));
    KW_TRY(kw_file_create(journal, 0600, text.data, text.len, err));
    KW_TRY(write_all_at(fd, patch, path, err));
    return drop_journal(journal, err);
}

/* A write that was cut off has put there some of the new bytes and left some of the old ones. */
static KW_ERR check_fits(int fd, const char *path, const struct kw_patch *patch,
                         struct kw_error *err)
{
    uint8_t now[KW_PATCH_MAX];
    ssize_t got = pread(fd, now, patch->len, (off_t)patch->offset);
    if (got < 0)
        return kw_fail_errno(err, errno, "cannot read %s", path);
    bool fits = (size_t)got == patch->len;
    for (size_t i = 0; fits && i < patch->len; i++)
        fits = now[i] == patch->before[i] || now[i] == patch->after[i];
    if (fits)
        return KW_OK;
    return kw_fail(err, KW_STATE_CONFLICT,
                   "%s" KW_REWRAP_JOURNAL " was left by a re-wrap that was cut off, but the file "
                   "has been changed since: remove the journal once the file opens",
                   path);
}

KW_ERR kw_patch_recover(const char *path, bool *found, struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_AUTO_FD fd = -1;
    char journal[KW_PATH_SIZE];
    struct kw_patch patch;
    struct stat st;
    *found = false;
    KW_TRY(journal_path(journal, path, err));
    if (!kw_path_exists(journal))
        return KW_OK;
    KW_TRY(kw_rewrap_lock(path, &fd, &st, err));
    if (!kw_path_exists(journal))
        return KW_OK; /* its owner was still at work, and has finished */
    KW_TRY(kw_file_read(journal, JOURNAL_MAX, &text, err));
    if (read_journal(kw_buf_bytes(&text), &patch)) {
        KW_TRY(check_fits(fd, path, &patch, err));
        KW_TRY(write_all_at(fd, &patch, path, err));
    }
    *found = true;
    return drop_journal(journal, err);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);
    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

bool kw_rewrap_own_name(const char *path)
{
    return ends_with(path, KW_REWRAP_JOURNAL) || ends_with(path, KW_OUTPUT_NEW);
}

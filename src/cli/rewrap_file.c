#include "cli/rewrap.h"

#include "base/encode.h"
#include "envelope/message.h"
#include "envelope/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

void kw_sealed_file_wipe(struct kw_sealed_file *file)
{
    free(file->path);
    *file = (struct kw_sealed_file){0};
}

/* ---- Looking ----------------------------------------------------------------------------------
 */

/* How many sealed bytes the text form of this file has; line ends at its end are no part of it. */
static KW_ERR text_size(const struct kw_input *in, uint64_t *out, struct kw_error *err)
{
    uint8_t end[64];
    uint64_t size = kw_input_size(in);
    size_t want = size < sizeof end ? (size_t)size : sizeof end;
    ssize_t got = pread(in->fd, end, want, (off_t)(size - want));
    if (got < 0 || (size_t)got != want)
        return kw_fail_errno(err, errno, "cannot read %s", in->name);
    while (want > 0 && (end[want - 1] == '\n' || end[want - 1] == '\r')) {
        want--;
        size--;
    }
    uint64_t digits = size > KW_TEXT_PREFIX_SIZE ? size - KW_TEXT_PREFIX_SIZE : 0;
    *out = digits / 4 * 3 + (digits % 4 > 1 ? digits % 4 - 1 : 0);
    return KW_OK;
}

/* The bytes that are kept are those of whole groups of the text form, in which three bytes are four
 * characters. */
static void keep_front(struct kw_sealed_file *out, struct kw_bytes front)
{
    size_t end = out->head_at + KW_HEAD_SIZE;
    out->front_at = out->is_text ? out->head_at / 3 * 3 : out->head_at;
    if (out->is_text)
        end = (end + 2) / 3 * 3;
    out->front_len = (end < front.len ? end : front.len) - out->front_at;
    memcpy(out->front, front.data + out->front_at, out->front_len);
}

static KW_ERR look_at_front(struct kw_input *in, struct kw_sealed_file *out,
                            enum kw_file_kind *kind, struct kw_error *err)
{
    KW_AUTO(kw_buf) front = KW_BUF_INIT;
    struct kw_inspection found;
    size_t got = 0;
    uint64_t total = out->size;
    KW_TRY(kw_input_expect_text(in, err));
    out->is_text = in->is_text;
    if (out->is_text)
        KW_TRY(text_size(in, &total, err));
    KW_TRY(kw_input_append(in, &front, KW_INSPECT_FRONT, &got, err));
    kw_code code = kw_sealed_inspect(&found, kw_buf_bytes(&front), total, err);
    if (code != KW_OK && out->is_text)
        return code;
    if (code != KW_OK || found.heads != 1) /* bytes that only begin like ours are not ours */
        return KW_OK;
    out->head = found.head[0];
    out->head_at = found.head_at;
    keep_front(out, kw_buf_bytes(&front));
    *kind = KW_FILE_SEALED;
    return KW_OK;
}

static bool begins_json(struct kw_bytes front)
{
    size_t at = 0;
    while (at < front.len && memchr(" \t\r\n", front.data[at], 4) != NULL)
        at++;
    return at < front.len && front.data[at] == '{';
}

KW_ERR kw_sealed_file_look(const char *path, struct kw_sealed_file *out, enum kw_file_kind *kind,
                           struct kw_error *err)
{
    KW_AUTO(kw_input) in = KW_INPUT_INIT;
    KW_AUTO(kw_sealed_file) file = {0};
    struct kw_bytes front;
    enum kw_file_kind found = KW_FILE_OTHER;
    KW_TRY(kw_input_open(&in, path, err));
    file.size = kw_input_size(&in);
    file.path = strdup(path);
    if (file.path == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    KW_TRY(kw_input_peek(&in, KW_INSPECT_FRONT, &front, err));
    if (begins_json(front))
        found = KW_FILE_JSON;
    else
        KW_TRY(look_at_front(&in, &file, &found, err));
    *kind = found;
    *out = file;
    file = (struct kw_sealed_file){0};
    return KW_OK;
}

/* ---- Changing ---------------------------------------------------------------------------------
 */

KW_ERR kw_rewrap_lock(const char *path, int *fd, struct stat *st, struct kw_error *err)
{
    struct stat named;
    KW_AUTO_FD opened = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (opened < 0)
        return kw_fail_errno(err, errno, "cannot open %s for writing", path);
    if (flock(opened, LOCK_EX | LOCK_NB) != 0)
        return kw_fail(err, KW_STATE_CONFLICT, "%s is being worked on by another program", path);
    if (fstat(opened, st) != 0 || stat(path, &named) != 0)
        return kw_fail_errno(err, errno, "cannot look at %s", path);
    if (named.st_ino != st->st_ino || named.st_dev != st->st_dev)
        return kw_fail(err, KW_STATE_CONFLICT, "%s was replaced just now: run this again", path);
    *fd = opened;
    opened = -1;
    return KW_OK;
}

static void as_text(uint8_t *out, struct kw_bytes bytes, size_t *len)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    kw_base64url_encode(&text, bytes);
    *len = text.len;
    memcpy(out, text.data, text.len);
}

/* At most 84 bytes go around a head of 78: 112 characters. */
static struct kw_patch make_patch(const struct kw_sealed_file *file,
                                  const struct kw_wrapped_key *head)
{
    struct kw_patch patch = {.offset = file->front_at, .len = file->front_len};
    uint8_t front[KW_PATCH_MAX];
    memcpy(front, file->front, file->front_len);
    kw_wrapped_key_write(head, front + (file->head_at - file->front_at));
    if (file->is_text) {
        patch.offset = KW_TEXT_PREFIX_SIZE + file->front_at / 3 * 4;
        as_text(patch.before, kw_bytes(file->front, file->front_len), &patch.len);
        as_text(patch.after, kw_bytes(front, file->front_len), &patch.len);
    } else {
        memcpy(patch.before, file->front, file->front_len);
        memcpy(patch.after, front, file->front_len);
    }
    return patch;
}

static KW_ERR is_unchanged(int fd, const char *path, const struct kw_patch *patch, bool *out,
                           struct kw_error *err)
{
    uint8_t now[KW_PATCH_MAX];
    ssize_t got = pread(fd, now, patch->len, (off_t)patch->offset);
    if (got < 0)
        return kw_fail_errno(err, errno, "cannot read %s", path);
    *out = (size_t)got == patch->len && memcmp(now, patch->before, patch->len) == 0;
    return KW_OK;
}

/* A file with two names has been re-wrapped under the other one: that is as good. */
static KW_ERR check_done(const char *path, const struct kw_wrapped_key *head, struct kw_error *err)
{
    KW_AUTO(kw_sealed_file) now = {0};
    enum kw_file_kind kind = KW_FILE_OTHER;
    KW_TRY(kw_sealed_file_look(path, &now, &kind, err));
    if (kind == KW_FILE_SEALED && now.head.version == head->version &&
        memcmp(now.head.key_ref, head->key_ref, KW_KEY_REF_SIZE) == 0)
        return KW_OK;
    return kw_fail(err, KW_STATE_CONFLICT, "%s was changed just now: run this again", path);
}

static KW_ERR copy_patched(const char *path, const struct stat *st, const struct kw_patch *patch,
                           struct kw_error *err)
{
    KW_AUTO(kw_buf) content = KW_BUF_INIT;
    KW_AUTO(kw_output) out = KW_OUTPUT_INIT;
    KW_TRY(kw_file_read(path, 2 * KW_REWRAP_COPY_MAX, &content, err));
    if (content.len < patch->offset + patch->len)
        return kw_fail(err, KW_STATE_CONFLICT, "%s was cut off just now", path);
    memcpy(content.data + patch->offset, patch->after, patch->len);
    KW_TRY(kw_output_replace(&out, path, st, err));
    KW_TRY(kw_output_write(&out, kw_buf_bytes(&content), err));
    return kw_output_finish(&out, err);
}

KW_ERR kw_sealed_file_rewrap(const struct kw_sealed_file *file, const struct kw_wrapped_key *head,
                             struct kw_error *err)
{
    KW_AUTO_FD fd = -1;
    struct stat st;
    bool unchanged = false;
    struct kw_patch patch = make_patch(file, head);
    KW_TRY(kw_rewrap_lock(file->path, &fd, &st, err));
    KW_TRY(is_unchanged(fd, file->path, &patch, &unchanged, err));
    if (!unchanged)
        return check_done(file->path, head, err);
    if (st.st_size > KW_REWRAP_COPY_MAX || st.st_nlink > 1)
        return kw_patch_in_place(fd, file->path, &patch, err);
    return copy_patched(file->path, &st, &patch, err);
}

#include "cli/data_io.h"

#include "base/encode.h"
#include "envelope/text.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <unistd.h>

/* ---- A signal takes the temporary file with it ------------------------------------------------
 */

static char doomed[KW_PATH_SIZE]; /* "" or the name of an unfinished file */
static volatile sig_atomic_t doomed_set;

static void on_signal(int number)
{
    if (doomed_set)
        unlink(doomed);
    signal(number, SIG_DFL);
    raise(number);
}

/* A signal that the caller's shell has set to be ignored (nohup) stays ignored. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXFSZ};
    for (size_t i = 0; i < KW_COUNT(numbers); i++) {
        struct sigaction action = {.sa_handler = on_signal};
        struct sigaction before;
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

static void doom(const char *path)
{
    doomed_set = 0;
    snprintf(doomed, sizeof doomed, "%s", path);
    doomed_set = path[0] != '\0';
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return S_ISREG(a->st_mode) && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static KW_ERR refuse_input(const struct kw_input *input, const struct stat *st,
                           struct kw_error *err)
{
    if (input == NULL || !same_file(&input->st, st))
        return KW_OK;
    return kw_fail(err, KW_USAGE, "input and output are the same file: write to another one");
}

static KW_ERR open_standard(struct kw_output *out, const struct kw_input *input,
                            struct kw_error *err)
{
    struct stat st;
    out->name = "standard output";
    if (fstat(1, &st) != 0)
        return kw_fail_errno(err, errno, "cannot write standard output");
    KW_TRY(refuse_input(input, &st, err));
    out->fd = 1;
    out->is_terminal = isatty(1) == 1;
    return KW_OK;
}

static KW_ERR open_device(struct kw_output *out, const char *path, struct kw_error *err)
{
    out->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (out->fd < 0)
        return kw_fail_errno(err, errno, "cannot open %s", path);
    out->owned = true;
    out->is_terminal = isatty(out->fd) == 1;
    return KW_OK;
}

/* A link is followed, so that the file that it names is replaced and not the link. */
static KW_ERR real_path(char out[KW_PATH_SIZE], const char *path, struct kw_error *err)
{
    char *found = realpath(path, NULL);
    kw_code code = kw_path_format(out, err, "%s", found != NULL ? found : path);
    free(found);
    return code;
}

static mode_t mode_of_new(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

static KW_ERR make_temporary(struct kw_output *out, mode_t mode, struct kw_error *err)
{
    out->fd = mkostemp(out->temporary, O_CLOEXEC);
    if (out->fd < 0) {
        out->temporary[0] = '\0';
        return kw_fail_errno(err, errno, "cannot write beside %s", out->path);
    }
    out->owned = true;
    catch_signals();
    doom(out->temporary);
    if (fchmod(out->fd, mode) != 0)
        return kw_fail_errno(err, errno, "cannot set the mode of %s", out->temporary);
    return KW_OK;
}

KW_ERR kw_output_open(struct kw_output *out, const char *path, const struct kw_input *input,
                      struct kw_error *err)
{
    struct stat st = {.st_mode = 0};
    if (path == NULL || strcmp(path, "-") == 0)
        return open_standard(out, input, err);
    out->name = path;
    bool there = stat(path, &st) == 0;
    if (there && S_ISDIR(st.st_mode))
        return kw_fail(err, KW_USAGE, "%s is a folder: name a file for -o", path);
    if (there && !S_ISREG(st.st_mode))
        return open_device(out, path, err);
    out->owned = false;
    if (there)
        KW_TRY(refuse_input(input, &st, err));
    out->replaces = there;
    KW_TRY(real_path(out->path, path, err));
    KW_TRY(kw_path_format(out->temporary, err, "%s.keyward-XXXXXX", out->path));
    return make_temporary(out, there ? st.st_mode & 07777 : mode_of_new(), err);
}

KW_ERR kw_output_replace(struct kw_output *out, const char *path, const struct stat *st,
                         struct kw_error *err)
{
    out->name = path;
    KW_TRY(kw_path_format(out->path, err, "%s", path));
    KW_TRY(kw_path_format(out->temporary, err, "%s" KW_OUTPUT_NEW, path));
    unlink(out->temporary); /* left by a crash; the lock is ours */
    out->fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out->fd < 0) {
        int why = errno;
        kw_code code = kw_fail_errno(err, why, "cannot create %s", out->temporary);
        out->temporary[0] = '\0';
        return code;
    }
    out->owned = true;
    out->replaces = true;
    catch_signals();
    doom(out->temporary);
    if ((st->st_uid != geteuid() || st->st_gid != getegid()) &&
        fchown(out->fd, st->st_uid, st->st_gid) != 0)
        return kw_fail_errno(err, errno, "cannot give %s the owner of the file it replaces", path);
    if (fchmod(out->fd, st->st_mode & 07777) != 0)
        return kw_fail_errno(err, errno, "cannot set the mode of %s", out->temporary);
    return KW_OK;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

/* Control characters can do things to a terminal; sealed bytes always have some. */
static bool fit_for_terminal(struct kw_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.data[i];
        if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f)
            return false;
    }
    return true;
}

static KW_ERR write_out(struct kw_output *out, struct kw_bytes bytes, struct kw_error *err)
{
    if (out->is_terminal && !fit_for_terminal(bytes))
        return kw_fail(
            err, KW_USAGE,
            "these are bytes, not text, and would go to a terminal: write them to a file "
            "with -o FILE, or into a pipe");
    return kw_fd_write_all(out->fd, bytes.data, bytes.len, out->name, err);
}

/* Whole groups of three are encoded; up to two bytes wait for the next call. */
static KW_ERR write_text(struct kw_output *out, struct kw_bytes bytes, bool last,
                         struct kw_error *err)
{
    kw_buf_reset(&out->text);
    if (out->written == 0)
        kw_buf_append_str(&out->text, KW_TEXT_PREFIX);
    while (bytes.len > 0 && out->carried > 0 && out->carried < 3) {
        out->carry[out->carried++] = *bytes.data;
        bytes = kw_bytes(bytes.data + 1, bytes.len - 1);
    }
    if (out->carried == 3 || last) {
        kw_base64url_encode(&out->text, kw_bytes(out->carry, out->carried));
        out->carried = 0;
    }
    size_t whole = bytes.len - bytes.len % 3;
    if (whole > 0)
        kw_base64url_encode(&out->text, kw_bytes(bytes.data, whole));
    for (size_t i = whole; i < bytes.len; i++)
        out->carry[out->carried++] = bytes.data[i];
    if (last)
        kw_buf_append_byte(&out->text, '\n');
    KW_TRY(kw_buf_status(&out->text, err));
    return write_out(out, kw_buf_bytes(&out->text), err);
}

KW_ERR kw_output_write(struct kw_output *out, struct kw_bytes bytes, struct kw_error *err)
{
    if (bytes.len == 0)
        return KW_OK;
    if (out->as_text)
        KW_TRY(write_text(out, bytes, false, err));
    else
        KW_TRY(write_out(out, bytes, err));
    out->written += bytes.len;
    return KW_OK;
}

/* ---- The end ----------------------------------------------------------------------------------
 */

static KW_ERR sync_folder(const char *path, struct kw_error *err)
{
    char copy[KW_PATH_SIZE];
    KW_TRY(kw_path_format(copy, err, "%s", path));
    return kw_dir_sync(dirname(copy), err);
}

/* Where an older file is replaced, the new one is on disk before the old one is gone. Some file
 * systems tell of a full disk only when a file is closed. */
static KW_ERR close_file(struct kw_output *out, struct kw_error *err)
{
    if (out->replaces && fdatasync(out->fd) != 0)
        return kw_fail_errno(err, errno, "cannot sync %s", out->path);
    out->owned = false;
    if (close(out->fd) != 0)
        return kw_fail_errno(err, errno, "cannot write %s", out->name);
    return KW_OK;
}

static KW_ERR put_in_place(struct kw_output *out, struct kw_error *err)
{
    if (rename(out->temporary, out->path) != 0)
        return kw_fail_errno(err, errno, "cannot rename %s to %s", out->temporary, out->path);
    doom("");
    out->temporary[0] = '\0';
    return out->replaces ? sync_folder(out->path, err) : KW_OK;
}

KW_ERR kw_output_finish(struct kw_output *out, struct kw_error *err)
{
    if (out->as_text)
        KW_TRY(write_text(out, kw_bytes(NULL, 0), true, err));
    if (out->owned)
        KW_TRY(close_file(out, err));
    return out->temporary[0] != '\0' ? put_in_place(out, err) : KW_OK;
}

void kw_output_wipe(struct kw_output *out)
{
    if (out->temporary[0] != '\0') {
        unlink(out->temporary);
        doom("");
    }
    if (out->owned)
        close(out->fd);
    kw_buf_wipe(&out->text);
    out->fd = -1;
    out->owned = false;
    out->temporary[0] = '\0';
}

bool kw_output_escaped(const struct kw_output *out)
{
    return out->temporary[0] == '\0' && out->written > 0;
}

FILE *kw_output_report(const struct kw_output *out)
{
    return out->path[0] != '\0' ? stdout : stderr;
}

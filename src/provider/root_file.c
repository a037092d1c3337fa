#include "provider/root_file.h"

#include "base/encode.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/suite.h"
#include "provider/root_text.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSPHRASE_LEAST = 8, PASSPHRASE_MOST = 1024 };

/* Files only: a pipe or a terminal has no mode that matters. */
static KW_ERR check_mode(const char *path, kw_code missing, struct kw_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return kw_fail(err, missing, "there is no file %s", path);
    if (stat(path, &info) != 0)
        return kw_fail_errno(err, errno, "cannot open %s", path);
    if (S_ISREG(info.st_mode) && (info.st_mode & 077) != 0)
        return kw_fail(err, KW_BAD_CONFIG, "others can read or write %s: run chmod 600 %s", path,
                       path);
    return KW_OK;
}

/* The wrapping key of a passphrase. */
static KW_ERR stretch(const struct kw_root_text *text, const struct kw_secret *passphrase,
                      struct kw_secret *out, struct kw_error *err)
{
    KW_TRY(kw_secret_alloc(out, KW_KEY_SIZE, err));
    return kw_scrypt(out->data, out->len, passphrase, kw_bytes(text->salt, sizeof text->salt),
                     text->log2_n, err);
}

static KW_ERR seal_body(struct kw_root_text *text, const struct kw_secret *passphrase,
                        const struct kw_secret *root, struct kw_error *err)
{
    const struct kw_suite *suite;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    KW_TRY(kw_suite_get(KW_SUITE_AES256GCM, &suite, err));
    KW_TRY(stretch(text, passphrase, &key, err));
    KW_TRY(kw_secret_alloc(&text->body, KW_ROOT_SEALED_SIZE, err));
    kw_random(text->body.data, KW_NONCE_SIZE);
    return kw_aead_seal(suite, key.data, text->body.data, text->head,
                        kw_bytes(root->data, root->len), text->body.data + KW_NONCE_SIZE, err);
}

static KW_ERR open_body(const struct kw_root_text *text, const struct kw_secret *passphrase,
                        struct kw_secret *root, struct kw_error *err)
{
    const struct kw_suite *suite;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    KW_TRY(kw_suite_get(KW_SUITE_AES256GCM, &suite, err));
    KW_TRY(stretch(text, passphrase, &key, err));
    KW_TRY(kw_secret_alloc(root, KW_ROOT_SIZE, err));
    struct kw_bytes sealed =
        kw_bytes(text->body.data + KW_NONCE_SIZE, text->body.len - KW_NONCE_SIZE);
    kw_code code =
        kw_aead_open(suite, key.data, text->body.data, text->head, sealed, root->data, err);
    if (code == KW_SEAL_BROKEN)
        return kw_fail(err, KW_WRONG_ROOT,
                       "the passphrase does not open the root key (or its file was altered)");
    return code;
}

/* Under a name of its own first, then linked to path, which does not replace: after a crash path is
 * whole or absent. */
static KW_ERR create_whole(const char *path, const struct kw_secret *text, size_t len,
                           struct kw_error *err)
{
    char temporary[KW_PATH_SIZE];
    char folder[KW_PATH_SIZE];
    uint64_t number;
    kw_random(&number, sizeof number);
    KW_TRY(kw_path_format(temporary, err, "%s.%016llx", path, (unsigned long long)number));
    const char *slash = strrchr(path, '/');
    int up = slash == NULL ? 0 : (int)(slash - path) + 1;
    KW_TRY(kw_path_format(folder, err, "%.*s", up == 0 ? 1 : up, up == 0 ? "." : path));
    KW_TRY(kw_file_create(temporary, 0600, text->data, len, err));
    kw_code code = KW_OK;
    if (link(temporary, path) != 0)
        code = errno == EEXIST ? kw_fail(err, KW_EXISTS, "%s exists already", path)
                               : kw_fail_errno(err, errno, "cannot create %s", path);
    unlink(temporary);
    return code != KW_OK ? code : kw_dir_sync(folder, err);
}

static KW_ERR write_file(const char *path, const struct kw_root_text *text, bool replace,
                         struct kw_error *err)
{
    KW_AUTO(kw_secret) whole = KW_SECRET_INIT;
    KW_TRY(kw_secret_alloc(&whole, KW_ROOT_TEXT_MAX, err));
    size_t len = text->head.len;
    memcpy(whole.data, text->head.data, len);
    whole.data[len++] = '\n';
    kw_base64_text((char *)whole.data + len, kw_bytes(text->body.data, text->body.len));
    len += strlen((char *)whole.data + len);
    whole.data[len++] = '\n';
    return replace ? kw_file_replace(path, 0600, kw_bytes(whole.data, len), err)
                   : create_whole(path, &whole, len, err);
}

KW_ERR kw_root_file_put(const char *path, const struct kw_secret *root,
                        const struct kw_secret *passphrase, bool replace, struct kw_error *err)
{
    char head[KW_ROOT_HEAD_MAX];
    KW_AUTO(kw_root_text)
    text = {.kind = passphrase != NULL ? KW_ROOT_PASSPHRASE : KW_ROOT_PLAIN,
            .log2_n = KW_ROOT_LOG2_N};
    if (!replace && kw_path_exists(path)) /* before the work; create_whole makes sure */
        return kw_fail(err, KW_EXISTS, "%s exists already", path);
    kw_random(text.salt, sizeof text.salt);
    kw_root_text_head(head, &text);
    text.head = kw_bytes_str(head);
    if (passphrase != NULL)
        KW_TRY(seal_body(&text, passphrase, root, err));
    else
        KW_TRY(kw_secret_copy(&text.body, root->data, root->len, err));
    return write_file(path, &text, replace, err);
}

KW_ERR kw_root_file_create(const char *path, const struct kw_secret *passphrase,
                           struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_TRY(kw_random_secret(&root, KW_ROOT_SIZE, err));
    KW_TRY(kw_root_file_put(path, &root, passphrase, false, err));
    kw_secret_move(out, &root);
    return KW_OK;
}

void kw_root_holder_wipe(struct kw_root_holder *holder)
{
    kw_buf_wipe(&holder->copy);
    *holder = (struct kw_root_holder){.copy = KW_BUF_INIT};
}

KW_ERR kw_root_file_put_held(const char *path, const struct kw_root_holder *holder, bool replace,
                             struct kw_error *err)
{
    char head[KW_ROOT_HEAD_MAX];
    KW_AUTO(kw_root_text) text = {.kind = KW_ROOT_HELD};
    KW_TRY(kw_root_text_names(holder->provider, holder->key, err));
    if (holder->copy.len == 0 || holder->copy.len > KW_PROVIDER_WRAPPED_MAX)
        return kw_fail(err, KW_BAD_FORMAT, "a provider's copy has 1 to %d bytes",
                       KW_PROVIDER_WRAPPED_MAX);
    snprintf(text.provider, sizeof text.provider, "%s", holder->provider);
    snprintf(text.key, sizeof text.key, "%s", holder->key);
    kw_root_text_head(head, &text);
    text.head = kw_bytes_str(head);
    KW_TRY(kw_secret_copy(&text.body, holder->copy.data, holder->copy.len, err));
    return write_file(path, &text, replace, err);
}

/* file owns what text borrows. */
static KW_ERR read_file(const char *path, struct kw_secret *file, struct kw_root_text *text,
                        struct kw_error *err)
{
    KW_TRY(check_mode(path, KW_DATA_MISSING, err));
    kw_code code = kw_file_read_secret(path, KW_ROOT_TEXT_MAX, file, err);
    if (code == KW_BAD_CONFIG || code == KW_TOO_LARGE)
        return kw_fail(err, KW_BAD_FORMAT, "%s is not a root key file of Keyward", path);
    KW_TRY(code);
    struct kw_error why;
    code = kw_root_text_parse(kw_bytes(file->data, file->len), text, &why);
    return code == KW_OK ? KW_OK : kw_fail(err, code, "%s: %s", path, why.text);
}

KW_ERR kw_root_file_kind(const char *path, enum kw_root_kind *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) file = KW_SECRET_INIT;
    KW_AUTO(kw_root_text) text = {0};
    KW_TRY(read_file(path, &file, &text, err));
    *out = text.kind;
    return KW_OK;
}

KW_ERR kw_root_file_open(const char *path, const struct kw_secret *passphrase,
                         struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) file = KW_SECRET_INIT;
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_AUTO(kw_root_text) text = {0};
    KW_TRY(read_file(path, &file, &text, err));
    if (text.kind == KW_ROOT_PLAIN) {
        kw_secret_move(out, &text.body);
        return KW_OK;
    }
    if (text.kind == KW_ROOT_HELD)
        return kw_fail(err, KW_USAGE, "%s is held by provider %s: it needs that one", path,
                       text.provider);
    if (passphrase == NULL)
        return kw_fail(err, KW_USAGE, "%s needs its passphrase: give --passphrase-file", path);
    KW_TRY(open_body(&text, passphrase, &root, err));
    kw_secret_move(out, &root);
    return KW_OK;
}

KW_ERR kw_root_file_holder(const char *path, struct kw_root_holder *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) file = KW_SECRET_INIT;
    KW_AUTO(kw_root_text) text = {0};
    KW_AUTO(kw_root_holder) holder = {.copy = KW_BUF_INIT};
    KW_TRY(read_file(path, &file, &text, err));
    if (text.kind != KW_ROOT_HELD)
        return kw_fail(err, KW_USAGE, "%s is held by no provider", path);
    memcpy(holder.provider, text.provider, sizeof holder.provider);
    memcpy(holder.key, text.key, sizeof holder.key);
    kw_buf_append(&holder.copy, text.body.data, text.body.len);
    KW_TRY(kw_buf_status(&holder.copy, err));
    *out = holder;
    holder.copy = (struct kw_buf)KW_BUF_INIT;
    return KW_OK;
}

KW_ERR kw_passphrase_file_read(const char *path, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) file = KW_SECRET_INIT;
    KW_TRY(check_mode(path, KW_NOT_FOUND, err));
    KW_TRY(kw_file_read_secret(path, PASSPHRASE_MOST, &file, err));
    const uint8_t *end = memchr(file.data, '\n', file.len);
    size_t len = end != NULL ? (size_t)(end - file.data) : file.len;
    if (len > 0 && file.data[len - 1] == '\r')
        len--;
    if (len < PASSPHRASE_LEAST)
        return kw_fail(err, KW_BAD_CONFIG, "the first line of %s has less than %d bytes", path,
                       PASSPHRASE_LEAST);
    return kw_secret_copy(out, file.data, len, err);
}

#include "cli/ledger_at.h"

#include "base/file.h"
#include "client/log_url.h"
#include "ledger/folder.h"
#include "ledger/verify.h"

KW_ERR kw_ledger_key_option(const char *text, struct kw_note_key *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) file = KW_BUF_INIT;
    struct kw_bytes line = kw_bytes_str(text);
    if (strchr(text, '+') == NULL || kw_path_exists(text)) {
        KW_TRY(kw_file_read(text, 4096, &file, err));
        line = kw_buf_bytes(&file);
    }
    if (kw_note_key_parse(out, line, err) != KW_OK)
        return kw_fail(err, KW_USAGE,
                       "--key takes a verification key line (name+hash+key) or a file that holds "
                       "one, such as DIR/ledger/vkey");
    return KW_OK;
}

/* ---- Where ------------------------------------------------------------------------------------
 */

static KW_ERR at_folder(struct kw_ledger_at *at, const char *dir, struct kw_error *err)
{
    char inner[KW_PATH_SIZE];
    KW_TRY(kw_path_format(inner, err, "%s/ledger/checkpoint", dir));
    KW_TRY(kw_path_format(at->dir, err, kw_path_exists(inner) ? "%s/ledger" : "%s", dir));
    KW_TRY(kw_path_format(inner, err, "%s/checkpoint", at->dir));
    if (!kw_path_exists(inner))
        return kw_fail(err, KW_LEDGER_MISSING, "%s holds no ledger: there is no checkpoint in it",
                       dir);
    at->source = kw_ledger_folder(at->dir);
    return KW_OK;
}

/* The server of --addr or KEYWARD_ADDR, by its API. */
static KW_ERR fetch_by_api(void *arg, const char *path, size_t max, struct kw_buf *out,
                           struct kw_error *err)
{
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    char url[KW_PATH_SIZE];
    KW_TRY(kw_path_format(url, err, "/v1/ledger/%s", path));
    KW_TRY(kw_backend_call(arg, "GET", url, kw_bytes(NULL, 0), &answer, err));
    if (answer.body.len > max)
        return kw_fail(err, KW_TOO_LARGE, "%s is larger than %zu bytes", path, max);
    kw_buf_append(out, answer.body.data, answer.body.len);
    return kw_buf_status(out, err);
}

static KW_ERR at_server(struct kw_invocation *in, struct kw_ledger_at *at, struct kw_error *err)
{
    struct kw_backend *backend = NULL;
    KW_TRY(kw_cli_backend(in, &backend, err));
    at->source = (struct kw_tlog_source){.fetch = fetch_by_api, .arg = backend};
    return KW_OK;
}

static KW_ERR at_url(struct kw_ledger_at *at, const char *url, struct kw_error *err)
{
    struct kw_remote_options access = {0};
    kw_remote_options_environment(&access);
    KW_TRY(kw_log_url_open(url, &access, &at->remote, err));
    at->source = kw_log_url_source(at->remote);
    return KW_OK;
}

static KW_ERR find_source(struct kw_invocation *in, struct kw_ledger_at *at, struct kw_error *err)
{
    const char *where = in->command->operands_max == 1 && in->operand_count == 1
                            ? in->operands[0]
                            : kw_cli_value(in, "data");
    if (where == NULL)
        return at_server(in, at, err);
    if (strncmp(where, "https://", 8) == 0 || strncmp(where, "http://", 7) == 0)
        return at_url(at, where, err);
    return at_folder(at, where, err);
}

/* ---- By which key -----------------------------------------------------------------------------
 */

static KW_ERR find_key(struct kw_invocation *in, struct kw_ledger_at *at, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    const char *given = kw_cli_value(in, "key");
    at->trusts_source = given == NULL;
    if (given != NULL) {
        KW_TRY(kw_ledger_key_option(given, &at->key, err));
        kw_note_key_format(&at->key, &at->vkey);
        return kw_buf_status(&at->vkey, err);
    }
    if (at->dir[0] != '\0') {
        KW_TRY(kw_path_format(path, err, "%s/vkey", at->dir));
        KW_TRY(kw_file_read(path, 4096, &at->vkey, err));
    } else {
        KW_TRY(at->source.fetch(at->source.arg, "vkey", 4096, &at->vkey, err));
    }
    return kw_note_key_parse(&at->key, kw_buf_bytes(&at->vkey), err);
}

KW_ERR kw_ledger_at_open(struct kw_invocation *in, struct kw_ledger_at *out, struct kw_error *err)
{
    KW_TRY(find_source(in, out, err));
    return find_key(in, out, err);
}

void kw_ledger_at_wipe(struct kw_ledger_at *at)
{
    kw_log_url_free(at->remote);
    kw_buf_wipe(&at->vkey);
}

/* A folder is checked with its write-ahead files; what is fetched, by its published resources. */
static KW_ERR verify_folder(struct kw_ledger_at *at, const struct kw_tlog_verify *how,
                            struct kw_tlog_verified *out, struct kw_error *err)
{
    struct kw_ledger_verified verified;
    struct kw_ledger_verify folder = {.dir = at->dir,
                                      .vkey = kw_buf_bytes(&at->vkey),
                                      .old_checkpoint = how->old_checkpoint,
                                      .progress = how->progress,
                                      .progress_arg = how->progress_arg};
    KW_TRY(kw_ledger_verify(&folder, &verified, NULL, err));
    at->in_use = verified.in_use;
    at->unpublished = verified.unpublished;
    *out = verified.log;
    return KW_OK;
}

KW_ERR kw_ledger_at_verify(struct kw_ledger_at *at, struct kw_bytes old_checkpoint,
                           void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                           struct kw_tlog_verified *out, struct kw_error *err)
{
    struct kw_tlog_verify how = {.key = &at->key,
                                 .old_checkpoint = old_checkpoint,
                                 .progress = progress,
                                 .progress_arg = arg};
    if (at->dir[0] != '\0')
        return verify_folder(at, &how, out, err);
    return kw_tlog_verify(&at->source, &how, out, NULL, err);
}

/* Reaching the authority: an embedded one in a folder, or a server. */
#include "cli/command.h"

#include "base/file.h"
#include "json/write.h"

#include <unistd.h>

static KW_ERR read_token(const char *path, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) file = KW_SECRET_INIT;
    KW_TRY(kw_file_read_secret(path, 4096, &file, err));
    size_t len = file.len;
    while (len > 0 && (file.data[len - 1] == '\n' || file.data[len - 1] == '\r'))
        len--;
    if (len == 0)
        return kw_fail(err, KW_BAD_CONFIG, "%s holds no token", path);
    KW_TRY(kw_secret_alloc(out, len + 1, err));
    memcpy(out->data, file.data, len);
    return KW_OK;
}

/* The value of an option that every command takes: some commands have one of their own by that name
 * ('ledger verify --key' is a verification key). */
static const char *common(const struct kw_invocation *in, const char *name)
{
    for (unsigned v = in->value_count; v-- > 0;)
        for (const struct kw_cli_option *o = kw_cli_common; o->name != NULL; o++)
            if (in->values[v].option == o && strcmp(o->name, name) == 0)
                return in->values[v].value;
    return NULL;
}

static KW_ERR open_remote(struct kw_invocation *in, struct kw_backend **out, struct kw_error *err)
{
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    const char *token_file = kw_cli_value(in, "token-file");
    struct kw_remote_options options = {.address = common(in, "addr"),
                                        .ca_file = common(in, "cacert"),
                                        .cert_file = common(in, "cert"),
                                        .key_file = common(in, "key")};
    if (token_file != NULL) {
        KW_TRY(read_token(token_file, &token, err));
        options.token = (const char *)token.data;
    }
    kw_remote_options_environment(&options);
    return kw_backend_remote(&options, out, err);
}

KW_ERR kw_cli_backend(struct kw_invocation *in, struct kw_backend **out, struct kw_error *err)
{
    const char *data = kw_cli_value(in, "data");
    if (in->backend == NULL) {
        if (data != NULL && kw_cli_value(in, "addr") != NULL)
            return kw_fail(err, KW_USAGE, "--data and --addr exclude each other");
        if (data != NULL)
            KW_TRY(kw_backend_folder(data, kw_cli_passphrase_file(in), &in->backend, err));
        else
            KW_TRY(open_remote(in, &in->backend, err));
    }
    *out = in->backend;
    return KW_OK;
}

KW_ERR kw_cli_call(struct kw_invocation *in, const char *method, const char *path,
                   const struct kw_buf *body, struct kw_answer *answer, struct kw_json_doc *out,
                   struct kw_error *err)
{
    struct kw_backend *backend = NULL;
    struct kw_bytes sent = kw_bytes(NULL, 0);
    KW_TRY(kw_cli_backend(in, &backend, err));
    if (body != NULL) {
        KW_TRY(kw_buf_status(body, err));
        sent = kw_buf_bytes(body);
    }
    KW_TRY(kw_backend_call(backend, method, path, sent, answer, err));
    return kw_json_parse(out, kw_buf_bytes(&answer->body), err);
}

void kw_cli_print_json(const struct kw_answer *answer)
{
    fwrite(answer->body.data, 1, answer->body.len, stdout);
    if (answer->body.len == 0 || answer->body.data[answer->body.len - 1] != '\n')
        fputc('\n', stdout);
}

KW_ERR kw_cli_show(struct kw_invocation *in, const char *method, const char *path,
                   const struct kw_buf *body, void (*print)(const struct kw_json *answer),
                   struct kw_error *err)
{
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    KW_AUTO(kw_json_doc) doc = {.secret = true}; /* it may hold a token */
    KW_TRY(kw_cli_call(in, method, path, body, &answer, &doc, err));
    if (in->json)
        kw_cli_print_json(&answer);
    else
        print(doc.root);
    return KW_OK;
}

KW_ERR kw_cli_change(struct kw_invocation *in, const char *path,
                     void (*print)(const struct kw_json *answer), struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    uint64_t days = 0;
    const char *why = kw_cli_value(in, "justification");
    struct kw_json_writer w = kw_json_writer(&body);
    KW_TRY(kw_cli_number(in, "window-days", 3650, &days, err));
    kw_json_begin(&w, NULL, '{');
    if (why != NULL)
        kw_json_str(&w, "justification", why);
    if (kw_cli_flag(in, "window-days"))
        kw_json_uint(&w, "window_days", days);
    kw_json_end(&w);
    return kw_cli_show(in, "POST", path, &body, print, err);
}

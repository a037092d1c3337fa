/* The authority behind an address. */
#include "base/clock.h"
#include "client/internal.h"
#include "client/site.h"

enum { TIMEOUT_MS = 30000, KEYS_MAX = 1 << 20, ANSWER_MAX = 32 << 20 };

struct remote {
    struct kw_backend base;
    struct kw_site site;
    struct kw_buf address; /* https://host:port */
    uint32_t timeout_ms;
};

static struct remote *remote_of(struct kw_backend *backend)
{
    return (struct remote *)(void *)backend;
}

void kw_remote_options_environment(struct kw_remote_options *options)
{
    const struct {
        const char **member;
        const char *name;
    } table[] = {
        {&options->address, "KEYWARD_ADDR"},   {&options->token, "KEYWARD_TOKEN"},
        {&options->ca_file, "KEYWARD_CACERT"}, {&options->cert_file, "KEYWARD_CERT"},
        {&options->key_file, "KEYWARD_KEY"},
    };
    for (size_t i = 0; i < KW_COUNT(table); i++) {
        const char *value = getenv(table[i].name);
        if (*table[i].member == NULL && value != NULL && value[0] != '\0')
            *table[i].member = value;
    }
}

static KW_ERR url_of(struct remote *remote, const char *path, struct kw_buf *out,
                     struct kw_error *err)
{
    kw_buf_append(out, remote->address.data, remote->address.len);
    kw_buf_append_str(out, path);
    return kw_buf_status(out, err);
}

static KW_ERR remote_keys(struct kw_backend *backend, enum kw_key_op op, struct kw_key_batch *batch,
                          struct kw_error *err)
{
    struct remote *remote = remote_of(backend);
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    uint32_t timeout_ms = batch->timeout_ms != 0 ? batch->timeout_ms : remote->timeout_ms;
    KW_TRY(url_of(remote, kw_keys_path(op), &url, err));
    KW_TRY(kw_keys_request(&body, op, batch, err));
    struct kw_web_request request = {
        .method = "POST",
        .url = kw_buf_str(&url),
        .body = kw_buf_bytes(&body),
        .max = KEYS_MAX,
        .deadline_ms = kw_clock_ms() + timeout_ms,
    };
    /* A data key that was made and lost on the way is used by nobody: asking again is safe. */
    KW_TRY(kw_site_ask(&remote->site, &request, true, &response, err));
    return kw_keys_answer(kw_buf_bytes(&response.body), op, batch, err);
}

static KW_ERR remote_call(struct kw_backend *backend, const struct kw_call *call,
                          struct kw_answer *out, struct kw_error *err)
{
    struct remote *remote = remote_of(backend);
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    uint32_t timeout_ms = call->timeout_ms != 0 ? call->timeout_ms : remote->timeout_ms;
    KW_TRY(url_of(remote, call->path, &url, err));
    struct kw_web_request request = {
        .method = call->method,
        .url = kw_buf_str(&url),
        .body = call->body,
        .max = ANSWER_MAX,
        .deadline_ms = kw_clock_ms() + timeout_ms,
    };
    bool repeatable = call->repeatable || strcmp(call->method, "GET") == 0;
    KW_TRY(kw_site_ask(&remote->site, &request, repeatable, &response, err));
    out->status = response.status;
    memcpy(out->content_type, response.content_type, sizeof out->content_type);
    out->body = response.body;
    response.body = (struct kw_buf)KW_BUF_SECRET;
    return KW_OK;
}

static KW_ERR remote_close(struct kw_backend *backend, struct kw_error *err)
{
    struct remote *remote = remote_of(backend);
    KW_UNUSED(err);
    kw_site_wipe(&remote->site);
    kw_buf_wipe(&remote->address);
    free(remote);
    return KW_OK;
}

static const struct kw_backend_ops remote_ops = {
    .remote = true, .keys = remote_keys, .call = remote_call, .close = remote_close};

KW_ERR kw_backend_remote(const struct kw_remote_options *options, struct kw_backend **out,
                         struct kw_error *err)
{
    const char *address = options->address != NULL ? options->address : KW_DEFAULT_ADDRESS;
    struct remote *remote = calloc(1, sizeof *remote);
    if (remote == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    remote->base.ops = &remote_ops;
    remote->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_MS;
    kw_code code = kw_web_address(address, false, false, &remote->address, err);
    if (code == KW_OK)
        code = kw_site_init(&remote->site, options, true, false, err);
    if (code == KW_OK)
        *out = &remote->base;
    else
        kw_backend_free(&remote->base);
    return code;
}

/* The authority in a data folder of this machine: the same functions that the server calls. */
#include "authority/datakey.h"
#include "base/encode.h"
#include "client/internal.h"
#include "crypto/random.h"
#include "home/home.h"
#include "home/settings.h"
#include "provider/root_file.h"

#include <unistd.h>

struct embedded {
    struct kw_backend base;
    struct kw_home *home;
    bool owned;
    unsigned rights;
    char principal[32]; /* local:UID */
};

enum { REQUEST_ID_BYTES = 8, REQUEST_ID_SIZE = 2 * REQUEST_ID_BYTES + 1 };

static struct embedded *embedded_of(struct kw_backend *backend)
{
    return (struct embedded *)(void *)backend;
}

/* request_id holds the text that the caller borrows. */
static struct kw_caller local_caller(const struct embedded *embedded,
                                     char request_id[REQUEST_ID_SIZE])
{
    uint8_t id[REQUEST_ID_BYTES];
    kw_random(id, sizeof id);
    kw_hex_text(request_id, kw_bytes(id, sizeof id));
    return (struct kw_caller){
        .principal = embedded->principal,
        .rights = embedded->rights,
        .tenants = "*",
        .source = "local",
        .request_id = request_id,
    };
}

/* The names have been checked by the dispatcher, so they fit. */
static void fill_item(struct kw_dk_item *to, enum kw_key_op op, const struct kw_key_item *from)
{
    const char *cls = from->data_class != NULL ? from->data_class
                      : op == KW_KEY_GENERATE  ? "default"
                                               : "";
    snprintf(to->tenant, sizeof to->tenant, "%s", from->tenant != NULL ? from->tenant : "");
    snprintf(to->region, sizeof to->region, "%s", from->region != NULL ? from->region : "");
    snprintf(to->data_class, sizeof to->data_class, "%s", cls);
    memcpy(to->context_digest, from->context->bound.digest, sizeof to->context_digest);
    if (op != KW_KEY_GENERATE)
        kw_wrapped_key_write(&from->head, to->wrapped);
}

static KW_ERR read_item(struct kw_dk_batch *from, size_t i, enum kw_key_op op,
                        struct kw_key_batch *to, struct kw_error *err)
{
    struct kw_key_item *item = &to->items[i];
    const struct kw_dk_item *done = &from->items[i];
    const uint8_t *key = NULL;
    item->error = (struct kw_error){.code = KW_OK};
    if (kw_dk_outcome(from, i, &item->error) != KW_OK) /* also of a re-wrap: the key may be dead */
        return KW_OK;
    if (op != KW_KEY_REWRAP) {
        if (kw_dk_key(from, i, &key, &item->error) != KW_OK)
            return KW_OK;
        memcpy(to->keys.data + i * KW_KEY_SIZE, key,
               KW_KEY_SIZE); /* secret memory to secret memory */
    }
    if (op == KW_KEY_UNWRAP)
        return KW_OK;
    return kw_wrapped_key_parse(&item->head, kw_bytes(done->wrapped, KW_HEAD_SIZE), err);
}

static KW_ERR embedded_keys(struct kw_backend *backend, enum kw_key_op op,
                            struct kw_key_batch *batch, struct kw_error *err)
{
    static const enum kw_dk_op ops[] = {[KW_KEY_GENERATE] = KW_DK_GENERATE,
                                        [KW_KEY_UNWRAP] = KW_DK_UNWRAP,
                                        [KW_KEY_REWRAP] = KW_DK_REWRAP};
    struct embedded *embedded = embedded_of(backend);
    char request_id[REQUEST_ID_SIZE];
    KW_AUTO(kw_dk_batch) work = {.op = ops[op]};
    KW_TRY(kw_dk_batch_init(&work, ops[op], batch->count, err));
    work.caller = local_caller(embedded, request_id);
    work.caller.justification = batch->justification;
    for (size_t i = 0; i < batch->count; i++)
        fill_item(&work.items[i], op, &batch->items[i]);
    KW_TRY(kw_dk_run(kw_home_authority(embedded->home), &work, err));
    for (size_t i = 0; i < batch->count; i++)
        KW_TRY(read_item(&work, i, op, batch, err));
    batch->first_index = work.first_index;
    return KW_OK;
}

static KW_ERR answer_of(struct kw_api_call *done, struct kw_answer *out, struct kw_error *err)
{
    if (done->status < 200 || done->status >= 300)
        return kw_answer_error(done->status, kw_buf_bytes(&done->body_out), err);
    const char *type = done->content_type != NULL ? done->content_type : "";
    out->status = done->status;
    snprintf(out->content_type, sizeof out->content_type, "%.*s", (int)strcspn(type, "; \t"), type);
    out->body = done->body_out;
    done->body_out = (struct kw_buf)KW_BUF_SECRET;
    return KW_OK;
}

static KW_ERR embedded_call(struct kw_backend *backend, const struct kw_call *call,
                            struct kw_answer *out, struct kw_error *err)
{
    struct embedded *embedded = embedded_of(backend);
    KW_AUTO(kw_buf) path = KW_BUF_INIT;
    char request_id[REQUEST_ID_SIZE];
    size_t path_len = strcspn(call->path, "?");
    kw_buf_append(&path, call->path, path_len);
    KW_TRY(kw_buf_status(&path, err));
    struct kw_api_call api = {
        .method = call->method,
        .path = kw_buf_str(&path),
        .query = call->path[path_len] == '?' ? call->path + path_len + 1 : "",
        .body = call->body,
        .caller = local_caller(embedded, request_id),
        .body_out = KW_BUF_SECRET,
    };
    kw_api_run(kw_home_api(embedded->home), &api);
    kw_code code = answer_of(&api, out, err);
    kw_buf_wipe(&api.body_out);
    return code;
}

static KW_ERR embedded_close(struct kw_backend *backend, struct kw_error *err)
{
    struct embedded *embedded = embedded_of(backend);
    kw_code code = embedded->owned ? kw_home_close(embedded->home, err) : KW_OK;
    free(embedded);
    return code;
}

static const struct kw_backend_ops embedded_ops = {
    .keys = embedded_keys, .call = embedded_call, .close = embedded_close};

static KW_ERR embedded_new(struct kw_home *home, struct embedded **out, struct kw_error *err)
{
    unsigned rights = 0;
    KW_TRY(kw_roles_parse("root", &rights, err));
    struct embedded *embedded = calloc(1, sizeof *embedded);
    if (embedded == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    *embedded = (struct embedded){.base.ops = &embedded_ops, .home = home, .rights = rights};
    snprintf(embedded->principal, sizeof embedded->principal, "local:%lu", (unsigned long)getuid());
    *out = embedded;
    return KW_OK;
}

KW_ERR kw_backend_home(struct kw_home *home, struct kw_backend **out, struct kw_error *err)
{
    struct embedded *embedded = NULL;
    KW_TRY(embedded_new(home, &embedded, err));
    *out = &embedded->base;
    return KW_OK;
}

KW_ERR kw_backend_folder(const char *dir, const char *passphrase_file, struct kw_backend **out,
                         struct kw_error *err)
{
    return kw_backend_folder_run(dir, passphrase_file, false, out, err);
}

KW_ERR kw_backend_folder_run(const char *dir, const char *passphrase_file, bool scheduler,
                             struct kw_backend **out, struct kw_error *err)
{
    KW_AUTO(kw_secret) passphrase = KW_SECRET_INIT;
    KW_AUTO_PTR(kw_config) config = NULL;
    struct embedded *embedded = NULL;
    KW_TRY(kw_home_config_load(dir, &config, err));
    struct kw_home_options options = {.dir = dir, .config = config, .background = scheduler};
    if (passphrase_file == NULL)
        passphrase_file = getenv("KEYWARD_PASSPHRASE_FILE");
    if (passphrase_file != NULL && passphrase_file[0] != '\0') {
        KW_TRY(kw_passphrase_file_read(passphrase_file, &passphrase, err));
        options.passphrase = &passphrase;
    }
    KW_TRY(embedded_new(NULL, &embedded, err));
    embedded->owned = true;
    kw_code code = kw_home_open(&options, &embedded->home, err);
    if (code == KW_OK)
        *out = &embedded->base;
    else
        free(embedded);
    return code;
}

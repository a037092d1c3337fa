/* The dispatcher: checks what goes into a backend and what comes out of it. */
#include "base/names.h"
#include "client/internal.h"
#include "json/write.h"

void kw_backend_free(struct kw_backend *backend)
{
    kw_code ignored = kw_backend_close(backend, NULL);
    KW_UNUSED(ignored);
}

KW_ERR kw_backend_close(struct kw_backend *backend, struct kw_error *err)
{
    return backend == NULL ? KW_OK : backend->ops->close(backend, err);
}

bool kw_backend_is_remote(const struct kw_backend *backend)
{
    return backend->ops->remote;
}

void kw_answer_wipe(struct kw_answer *answer)
{
    kw_buf_wipe(&answer->body);
    answer->status = 0;
    answer->content_type[0] = '\0';
}

/* A path goes into a request line as it is, so it holds nothing that could end it or climb. */
static KW_ERR check_path(const char *path, struct kw_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~/?&=%";
    size_t len = strlen(path);
    bool escaped = strcspn(path, "%") < strcspn(path, "?"); /* names need none */
    if (path[0] != '/' || strspn(path, allowed) != len || strstr(path, "/.") != NULL ||
        strstr(path, "//") != NULL || escaped)
        return kw_fail(err, KW_BAD_REQUEST,
                       "the path of a call starts with / and holds letters, digits and -._~/?&=%%");
    return KW_OK;
}

KW_ERR kw_backend_ask(struct kw_backend *backend, const struct kw_call *call, struct kw_answer *out,
                      struct kw_error *err)
{
    const char *method = call->method;
    KW_TRY(check_path(call->path, err));
    if (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0 && strcmp(method, "DELETE") != 0)
        return kw_fail(err, KW_METHOD_NOT_ALLOWED, "a call is a GET, a POST or a DELETE");
    return backend->ops->call(backend, call, out, err);
}

KW_ERR kw_backend_call(struct kw_backend *backend, const char *method, const char *path,
                       struct kw_bytes body, struct kw_answer *out, struct kw_error *err)
{
    struct kw_call call = {.method = method, .path = path, .body = body};
    return kw_backend_ask(backend, &call, out, err);
}

void kw_query_add(struct kw_buf *path, const char *name, const char *value)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    bool first = path->len == 0 || memchr(path->data, '?', path->len) == NULL;
    kw_buf_append_byte(path, first ? '?' : '&');
    kw_buf_append_str(path, name);
    kw_buf_append_byte(path, '=');
    for (; *value != '\0'; value++) {
        if (strchr(plain, *value) != NULL)
            kw_buf_append_byte(path, (uint8_t)*value);
        else
            kw_buf_printf(path, "%%%02X", (unsigned)(uint8_t)*value);
    }
}

KW_ERR kw_bound_context_make(struct kw_bound_context *out, const struct kw_context_entries *entries,
                             struct kw_error *err)
{
    KW_AUTO(kw_bound_context) made = {0};
    KW_TRY(kw_context_make(&made.bound, entries, err));
    size_t count = entries != NULL ? entries->count : 0;
    if (count > 0) {
        struct kw_json_writer w = kw_json_writer(&made.json);
        kw_json_begin(&w, NULL, '{');
        for (size_t i = 0; i < count; i++) {
            /* The writer's names need no escaping; keys of a context may. */
            if (i > 0)
                kw_buf_append_byte(&made.json, ',');
            struct kw_json_writer name = kw_json_writer(&made.json);
            kw_json_strn(&name, NULL, entries->entry[i].key);
            kw_buf_append_byte(&made.json, ':');
            struct kw_json_writer value = kw_json_writer(&made.json);
            kw_json_strn(&value, NULL, entries->entry[i].value);
        }
        kw_json_end(&w);
    }
    KW_TRY(kw_buf_status(&made.json, err));
    *out = made;
    made = (struct kw_bound_context){0};
    return KW_OK;
}

void kw_bound_context_wipe(struct kw_bound_context *context)
{
    kw_buf_wipe(&context->json);
}

KW_ERR kw_key_batch_init(struct kw_key_batch *batch, size_t count, struct kw_error *err)
{
    if (count == 0 || count > KW_KEY_BATCH_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a batch has 1 to %d data keys, not %zu",
                       KW_KEY_BATCH_MAX, count);
    KW_AUTO(kw_key_batch) fresh = {.count = count};
    fresh.items = calloc(count, sizeof *fresh.items);
    if (fresh.items == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    KW_TRY(kw_secret_alloc(&fresh.keys, count * KW_KEY_SIZE, err));
    *batch = fresh;
    fresh = (struct kw_key_batch){0};
    return KW_OK;
}

void kw_key_batch_wipe(struct kw_key_batch *batch)
{
    kw_secret_wipe(&batch->keys);
    free(batch->items);
    batch->items = NULL;
    batch->count = 0;
}

KW_ERR kw_key_batch_key(const struct kw_key_batch *batch, size_t i, const uint8_t **out,
                        struct kw_error *err)
{
    if (i >= batch->count)
        return kw_fail(err, KW_INTERNAL, "there is no data key of this number");
    const struct kw_key_item *item = &batch->items[i];
    if (item->error.code != KW_OK)
        return kw_fail(err, item->error.code, "%s", item->error.text);
    *out = batch->keys.data + i * KW_KEY_SIZE;
    return KW_OK;
}

static KW_ERR check_names(enum kw_key_op op, const struct kw_key_item *item, struct kw_error *err)
{
    bool needed = op == KW_KEY_GENERATE;
    if (needed && item->tenant == NULL)
        return kw_fail(err, KW_USAGE, "say for which tenant to seal");
    if (needed && item->region == NULL)
        return kw_fail(err, KW_USAGE, "say in which region tenant %s is sealed for", item->tenant);
    if (item->tenant != NULL)
        KW_TRY(kw_tenant_name_check(item->tenant, err));
    if (item->region != NULL)
        KW_TRY(kw_region_name_check(item->region, err));
    if (item->data_class != NULL)
        KW_TRY(kw_class_name_check(item->data_class, err));
    return KW_OK;
}

/* What cannot be right is not sealed under: it would not open again. */
static KW_ERR check_fresh(const struct kw_key_item *item, struct kw_error *err)
{
    uint8_t tag[KW_CLASS_TAG_SIZE];
    if (item->error.code != KW_OK)
        return KW_OK;
    kw_class_tag(tag, item->data_class != NULL ? item->data_class : "default");
    if (memcmp(tag, item->head.class_tag, sizeof tag) != 0)
        return kw_fail(err, KW_INTERNAL, "the authority gave a data key of another class");
    return KW_OK;
}

static KW_ERR run_keys(struct kw_backend *backend, enum kw_key_op op, struct kw_key_batch *batch,
                       struct kw_error *err)
{
    for (size_t i = 0; i < batch->count; i++)
        KW_TRY(check_names(op, &batch->items[i], err));
    KW_TRY(backend->ops->keys(backend, op, batch, err));
    for (size_t i = 0; op == KW_KEY_GENERATE && i < batch->count; i++)
        KW_TRY(check_fresh(&batch->items[i], err));
    const struct kw_error *first = &batch->items[0].error;
    if (batch->count == 1 && first->code != KW_OK)
        return kw_fail(err, first->code, "%s", first->text);
    return KW_OK;
}

KW_ERR kw_backend_generate(struct kw_backend *backend, struct kw_key_batch *batch,
                           struct kw_error *err)
{
    return run_keys(backend, KW_KEY_GENERATE, batch, err);
}

KW_ERR kw_backend_unwrap(struct kw_backend *backend, struct kw_key_batch *batch,
                         struct kw_error *err)
{
    return run_keys(backend, KW_KEY_UNWRAP, batch, err);
}

KW_ERR kw_backend_rewrap(struct kw_backend *backend, struct kw_key_batch *batch,
                         struct kw_error *err)
{
    return run_keys(backend, KW_KEY_REWRAP, batch, err);
}

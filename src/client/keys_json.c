/* Data keys as the API's JSON. */
#include "base/encode.h"
#include "client/internal.h"
#include "json/json.h"
#include "json/write.h"

const char *kw_keys_path(enum kw_key_op op)
{
    static const char *const paths[] = {
        [KW_KEY_GENERATE] = "/v1/data-keys/generate",
        [KW_KEY_UNWRAP] = "/v1/data-keys/unwrap",
        [KW_KEY_REWRAP] = "/v1/data-keys/rewrap",
    };
    return paths[op];
}

static void write_item(struct kw_json_writer *w, enum kw_key_op op, const struct kw_key_item *item)
{
    uint8_t head[KW_HEAD_SIZE];
    kw_json_begin(w, NULL, '{');
    if (op != KW_KEY_GENERATE) {
        kw_wrapped_key_write(&item->head, head);
        kw_json_base64(w, "wrapped", kw_bytes(head, sizeof head));
    }
    if (item->tenant != NULL)
        kw_json_str(w, "tenant", item->tenant);
    if (item->region != NULL)
        kw_json_str(w, "region", item->region);
    if (item->data_class != NULL)
        kw_json_str(w, "class", item->data_class);
    if (item->context->json.len > 0)
        kw_json_raw(w, "context", kw_buf_bytes(&item->context->json));
    kw_json_end(w);
}

KW_ERR kw_keys_request(struct kw_buf *out, enum kw_key_op op, const struct kw_key_batch *batch,
                       struct kw_error *err)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_begin(&w, "items", '[');
    for (size_t i = 0; i < batch->count; i++)
        write_item(&w, op, &batch->items[i]);
    kw_json_end(&w);
    if (batch->justification != NULL)
        kw_json_str(&w, "justification", batch->justification);
    kw_json_end(&w);
    return kw_buf_status(out, err);
}

/* What is wrong with an answer is the server's fault, not that of the caller's JSON. */
static kw_code malformed(struct kw_error *err, const char *what)
{
    return kw_fail(err, KW_INTERNAL, "the server's answer is not one of Keyward: %s", what);
}

static KW_ERR read_head(const struct kw_json *item, struct kw_wrapped_key *out,
                        struct kw_error *err)
{
    uint8_t head[KW_HEAD_SIZE];
    const char *text = NULL;
    if (kw_json_get_str(item, "wrapped", true, &text, NULL) != KW_OK ||
        kw_base64_decode_exact(head, sizeof head, kw_bytes_str(text), NULL) != KW_OK ||
        kw_wrapped_key_parse(out, kw_bytes(head, sizeof head), NULL) != KW_OK)
        return malformed(err, "it has no proper wrapped data key");
    return KW_OK;
}

static KW_ERR read_key(const struct kw_json *item, uint8_t *out, struct kw_error *err)
{
    const char *text = NULL;
    if (kw_json_get_str(item, "plaintext", true, &text, NULL) != KW_OK ||
        kw_base64_decode_exact(out, KW_KEY_SIZE, kw_bytes_str(text), NULL) != KW_OK)
        return malformed(err, "it has no proper data key");
    return KW_OK;
}

static KW_ERR read_item(const struct kw_json *json, enum kw_key_op op, struct kw_key_item *item,
                        uint8_t *key, struct kw_error *err)
{
    const struct kw_json *error = kw_json_get(json, "error");
    item->error = (struct kw_error){.code = KW_OK};
    if (error != NULL) {
        const char *name = "";
        const char *message = "refused";
        if (kw_json_get_str(error, "code", true, &name, NULL) != KW_OK ||
            kw_json_get_str(error, "message", true, &message, NULL) != KW_OK)
            return malformed(err, "it has an item whose error has no code");
        kw_code code = kw_code_from_name(name);
        kw_fail(&item->error, code != KW_OK ? code : KW_INTERNAL, "%s", message);
        return KW_OK;
    }
    if (op != KW_KEY_UNWRAP)
        KW_TRY(read_head(json, &item->head, err));
    return op == KW_KEY_REWRAP ? KW_OK : read_key(json, key, err);
}

KW_ERR kw_keys_answer(struct kw_bytes body, enum kw_key_op op, struct kw_key_batch *batch,
                      struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    if (kw_json_parse(&doc, body, NULL) != KW_OK)
        return malformed(err, "it is not JSON");
    const struct kw_json *items = kw_json_get(doc.root, "items");
    if (items == NULL || items->type != KW_JSON_ARRAY || items->count != batch->count)
        return malformed(err, "it has not an item for each that was asked for");
    const struct kw_json *item = items->first;
    for (size_t i = 0; i < batch->count; i++, item = item->next)
        KW_TRY(read_item(item, op, &batch->items[i], batch->keys.data + i * KW_KEY_SIZE, err));
    const struct kw_json *receipt = kw_json_get(doc.root, "receipt");
    uint64_t index = 0;
    if (receipt != NULL &&
        kw_json_get_u64(receipt, "index", false, INT64_MAX, &index, NULL) != KW_OK)
        return malformed(err, "its receipt has no proper index");
    batch->first_index = index;
    return KW_OK;
}

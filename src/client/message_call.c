/* Messages on a backend: the signature is the authority's, the message is sealed here. */
#include "client/message.h"

#include "base/encode.h"
#include "json/json.h"
#include "json/write.h"

/* Between generating the data key and signing, its version may have been rotated away. Then all is
 * done again, with another data key: one key seals one thing, once. */
enum { ATTEMPTS = 3 };

static void write_request(struct kw_buf *out, const struct kw_message_call *call,
                          const uint8_t statement[KW_MESSAGE_STATEMENT_SIZE])
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "tenant", call->tenant);
    kw_json_str(&w, "region", call->region);
    kw_json_uint(&w, "version", call->version);
    kw_json_base64(&w, "statement", kw_bytes(statement, KW_MESSAGE_STATEMENT_SIZE));
    if (call->justification != NULL)
        kw_json_str(&w, "justification", call->justification);
    kw_json_end(&w);
}

static KW_ERR read_signature(struct kw_bytes body, uint8_t out[KW_SIGNATURE_SIZE],
                             struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const char *text = NULL;
    if (kw_json_parse(&doc, body, NULL) != KW_OK ||
        kw_json_get_str(doc.root, "signature", true, &text, NULL) != KW_OK ||
        kw_base64_decode_exact(out, KW_SIGNATURE_SIZE, kw_bytes_str(text), NULL) != KW_OK)
        return kw_fail(err, KW_INTERNAL, "the authority's signature is malformed");
    return KW_OK;
}

static KW_ERR sign(void *arg, const uint8_t statement[KW_MESSAGE_STATEMENT_SIZE],
                   uint8_t signature[KW_SIGNATURE_SIZE], struct kw_error *err)
{
    const struct kw_message_call *call = arg;
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    write_request(&body, call, statement);
    KW_TRY(kw_buf_status(&body, err));
    /* Signed twice it has the same signature. */
    struct kw_call request = {.method = "POST",
                              .path = "/v1/sign",
                              .body = kw_buf_bytes(&body),
                              .timeout_ms = call->timeout_ms,
                              .repeatable = true};
    KW_TRY(kw_backend_ask(call->backend, &request, &answer, err));
    return read_signature(kw_buf_bytes(&answer.body), signature, err);
}

static KW_ERR fresh_key(struct kw_message_call *call, struct kw_key_batch *batch,
                        struct kw_data_key *out, struct kw_error *err)
{
    KW_TRY(kw_key_batch_init(batch, 1, err));
    batch->justification = call->justification;
    batch->timeout_ms = call->timeout_ms;
    batch->items[0] = (struct kw_key_item){.tenant = call->tenant,
                                           .region = call->region,
                                           .data_class = call->data_class,
                                           .context = call->context};
    KW_TRY(kw_backend_generate(call->backend, batch, err));
    call->version = batch->items[0].head.version;
    call->first_index = batch->first_index;
    *out = (struct kw_data_key){.head = batch->items[0].head};
    return kw_key_batch_key(batch, 0, &out->key, err);
}

static KW_ERR seal_once(struct kw_message_call *call, struct kw_bytes plaintext, struct kw_buf *out,
                        struct kw_error *err)
{
    KW_AUTO(kw_key_batch) batch = {0};
    struct kw_data_key key;
    KW_TRY(fresh_key(call, &batch, &key, err));
    struct kw_signer signer = {.version = call->version, .sign = sign, .arg = call};
    return kw_message_seal_with_key(out, &key, &call->context->bound,
                                    call->is_signed ? &signer : NULL, plaintext, err);
}

KW_ERR kw_message_call_seal(struct kw_message_call *call, struct kw_bytes plaintext,
                            struct kw_buf *out, struct kw_error *err)
{
    if (plaintext.len > KW_ENVELOPE_PLAINTEXT_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a message holds at most %d bytes",
                       KW_ENVELOPE_PLAINTEXT_MAX);
    kw_code code = seal_once(call, plaintext, out, err);
    for (int i = 1; i < ATTEMPTS && code == KW_VERSION_NOT_ACTIVE; i++)
        code = seal_once(call, plaintext, out, err);
    return code;
}

/* ---- Whose signature it is --------------------------------------------------------------------
 */

static kw_code malformed(struct kw_error *err)
{
    return kw_fail(err, KW_INTERNAL, "the authority's description of the key is malformed");
}

/* Finds the version among those of a key's description. */
static KW_ERR find_version(const struct kw_json *key, const struct kw_message *message,
                           uint8_t out[KW_SIGN_PUBLIC_SIZE], struct kw_error *err)
{
    const struct kw_json *versions = kw_json_get(key, "versions");
    uint8_t reference[KW_KEY_REF_SIZE];
    const char *text = NULL;
    if (versions == NULL || versions->type != KW_JSON_ARRAY ||
        kw_json_get_str(key, "reference", true, &text, NULL) != KW_OK ||
        kw_hex_decode_exact(reference, sizeof reference, kw_bytes_str(text), NULL) != KW_OK)
        return malformed(err);
    if (memcmp(reference, message->head.key_ref, sizeof reference) != 0)
        return kw_fail_code(err, KW_NOT_THIS_TENANT);
    for (const struct kw_json *v = versions->first; v != NULL; v = v->next) {
        uint64_t number = 0;
        if (kw_json_get_u64(v, "version", true, UINT32_MAX, &number, NULL) != KW_OK)
            return malformed(err);
        if (number != message->signing_version)
            continue;
        if (kw_json_get_str(v, "sign_public", true, &text, NULL) != KW_OK ||
            kw_base64_decode_exact(out, KW_SIGN_PUBLIC_SIZE, kw_bytes_str(text), NULL) != KW_OK)
            return malformed(err);
        return KW_OK;
    }
    return kw_fail(err, KW_VERSION_NOT_FOUND, "the key has no version %u, which signed the message",
                   message->signing_version);
}

KW_ERR kw_message_call_signer(const struct kw_message_call *call, const struct kw_message *message,
                              uint8_t out[KW_SIGN_PUBLIC_SIZE], struct kw_error *err)
{
    KW_AUTO(kw_buf) path = KW_BUF_INIT;
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    if (call->tenant == NULL || call->region == NULL)
        return kw_fail(err, KW_USAGE, "say whose signature is expected: tenant and region");
    if (!message->is_signed)
        return kw_fail(err, KW_BAD_SIGNATURE, "the message is not signed, and must be here");
    kw_buf_printf(&path, "/v1/tenants/%s/keys/%s", call->tenant, call->region);
    KW_TRY(kw_buf_status(&path, err));
    struct kw_call request = {
        .method = "GET", .path = kw_buf_str(&path), .timeout_ms = call->timeout_ms};
    KW_TRY(kw_backend_ask(call->backend, &request, &answer, err));
    if (kw_json_parse(&doc, kw_buf_bytes(&answer.body), NULL) != KW_OK)
        return malformed(err);
    return find_version(doc.root, message, out, err);
}

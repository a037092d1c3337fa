/* Messages, and the public keys that their signatures are checked with. */
#include "envelope/message.h"
#include "base/encode.h"
#include "client/client.h"
#include "json/json.h"
#include "json/write.h"

/* ---- Sealing ----------------------------------------------------------------------------------
 */

/* Between generating the data key and signing, its version may have been rotated away. Then all is
 * done again, with another data key: one key seals one thing, once. */
enum { ROTATIONS_MAX = 3 };

/* The tenant's signing key, at the authority. */
struct distant_signer {
    struct kw_client *client;
    const struct kw_prepared *prepared;
    uint32_t version;
};

static void write_request(struct kw_buf *out, const struct distant_signer *signer,
                          const uint8_t statement[KW_MESSAGE_STATEMENT_SIZE])
{
    const struct kw_call_options *options = &signer->prepared->options;
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "tenant", options->tenant);
    kw_json_str(&w, "region", options->region);
    kw_json_uint(&w, "version", signer->version);
    kw_json_base64(&w, "statement", kw_bytes(statement, KW_MESSAGE_STATEMENT_SIZE));
    if (options->justification != NULL)
        kw_json_str(&w, "justification", options->justification);
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
    const struct distant_signer *signer = arg;
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    write_request(&body, signer, statement);
    KW_TRY(kw_buf_status(&body, err));
    /* Signed twice it has the same signature. */
    struct kw_call call = {.method = "POST",
                           .path = "/v1/sign",
                           .body = kw_buf_bytes(&body),
                           .timeout_ms = signer->prepared->options.timeout_ms,
                           .repeatable = true};
    KW_TRY(kw_backend_ask(signer->client->backend, &call, &answer, err));
    return read_signature(kw_buf_bytes(&answer.body), signature, err);
}

static KW_ERR seal(struct kw_client *client, const struct kw_prepared *prepared,
                   struct kw_bytes plaintext, struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_key_batch) batch = {0};
    struct kw_data_key key;
    bool is_signed = (prepared->options.flags & KW_SIGNED) != 0;
    KW_TRY(kw_client_generate(client, prepared, &batch, &key, err));
    struct distant_signer distant = {client, prepared, key.head.version};
    struct kw_signer signer = {.version = key.head.version, .sign = sign, .arg = &distant};
    return kw_message_seal_with_key(out, &key, &prepared->context.bound, is_signed ? &signer : NULL,
                                    plaintext, err);
}

KW_ERR kw_message_seal(struct kw_client *client, const struct kw_call_options *options,
                       struct kw_input plaintext, struct kw_output *out, struct kw_error *err)
{
    KW_AUTO(kw_prepared) prepared = {0};
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_TRY(kw_prepare(&prepared, options, KW_AS_TEXT | KW_SIGNED, err));
    if (plaintext.len > KW_ENVELOPE_PLAINTEXT_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a message holds at most %d bytes",
                       KW_ENVELOPE_PLAINTEXT_MAX);
    struct kw_bytes bytes = kw_bytes(plaintext.data, plaintext.len);
    kw_code code = seal(client, &prepared, bytes, &sealed, err);
    for (int i = 1; i < ROTATIONS_MAX && code == KW_VERSION_NOT_ACTIVE; i++)
        code = seal(client, &prepared, bytes, &sealed, err);
    if (code != KW_OK)
        return code;
    return kw_output_sealed(out, &sealed, prepared.options.flags, err);
}

/* ---- Whose signature it is --------------------------------------------------------------------
 */

static bool recall(struct kw_client *client, const struct kw_message *message,
                   uint8_t out[KW_SIGN_PUBLIC_SIZE])
{
    bool found = false;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < KW_SIGNERS_KEPT && !found; i++) {
        const struct kw_known_signer *signer = &client->signer[i];
        found = signer->version != 0 && signer->version == message->signing_version &&
                memcmp(signer->key_ref, message->head.key_ref, KW_KEY_REF_SIZE) == 0;
        if (found)
            memcpy(out, signer->public_key, KW_SIGN_PUBLIC_SIZE);
    }
    pthread_mutex_unlock(&client->lock);
    return found;
}

static void remember(struct kw_client *client, const struct kw_message *message,
                     const uint8_t public_key[KW_SIGN_PUBLIC_SIZE])
{
    pthread_mutex_lock(&client->lock);
    struct kw_known_signer *signer = &client->signer[client->next_signer++ % KW_SIGNERS_KEPT];
    signer->version = message->signing_version;
    memcpy(signer->key_ref, message->head.key_ref, KW_KEY_REF_SIZE);
    memcpy(signer->public_key, public_key, KW_SIGN_PUBLIC_SIZE);
    pthread_mutex_unlock(&client->lock);
}

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

/* The public key of the version that signed, from the authority or from before. */
static KW_ERR public_key(struct kw_client *client, const struct kw_call_options *options,
                         const struct kw_message *message, uint8_t out[KW_SIGN_PUBLIC_SIZE],
                         struct kw_error *err)
{
    KW_AUTO(kw_buf) path = KW_BUF_INIT;
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    if (options->tenant == NULL || options->region == NULL)
        return kw_fail(err, KW_USAGE, "say whose signature is expected: tenant and region");
    if (!message->is_signed)
        return kw_fail(err, KW_BAD_SIGNATURE, "the message is not signed, and must be here");
    if (recall(client, message, out))
        return KW_OK;
    kw_buf_printf(&path, "/v1/tenants/%s/keys/%s", options->tenant, options->region);
    KW_TRY(kw_buf_status(&path, err));
    struct kw_call call = {
        .method = "GET", .path = kw_buf_str(&path), .timeout_ms = options->timeout_ms};
    KW_TRY(kw_backend_ask(client->backend, &call, &answer, err));
    if (kw_json_parse(&doc, kw_buf_bytes(&answer.body), NULL) != KW_OK)
        return malformed(err);
    KW_TRY(find_version(doc.root, message, out, err));
    remember(client, message, out);
    return KW_OK;
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

KW_ERR kw_message_open(struct kw_client *client, const struct kw_call_options *options,
                       struct kw_input sealed, struct kw_output *out, struct kw_error *err)
{
    KW_AUTO(kw_prepared) prepared = {0};
    KW_AUTO(kw_key_batch) batch = {0};
    KW_AUTO(kw_buf) decoded = KW_BUF_INIT;
    KW_AUTO(kw_buf) plain = KW_BUF_SECRET;
    struct kw_bytes bytes;
    struct kw_message message;
    uint8_t signer[KW_SIGN_PUBLIC_SIZE];
    const uint8_t *key = NULL;
    KW_TRY(kw_prepare(&prepared, options, KW_SIGNED, err));
    bool must_be_signed = (prepared.options.flags & KW_SIGNED) != 0;
    KW_TRY(kw_sealed_bytes(sealed, &decoded, &bytes, err));
    KW_TRY(kw_message_parse(&message, bytes, err));
    if (must_be_signed) {
        KW_TRY(public_key(client, &prepared.options, &message, signer, err));
        /* Before the authority is asked: a forged message costs it nothing. */
        KW_TRY(kw_message_verify(&message, &prepared.context.bound, signer, err));
    } else if (message.is_signed) {
        return kw_fail(err, KW_BAD_SIGNATURE,
                       "the message is signed: open it with KW_SIGNED, tenant and region");
    }
    KW_TRY(kw_client_unwrap(client, &prepared, &message.head, &batch, &key, err));
    KW_TRY(kw_message_open_with_key(&plain, &message, &prepared.context.bound, key,
                                    must_be_signed ? signer : NULL, err));
    return kw_output_take(out, &plain, err);
}

#include "envelope/message.h"

#include "crypto/hash.h"
#include "envelope/payload.h"

enum { FLAG_SIGNED = 1, EXTRA_SIZE = 5, SIGNING_SIZE = 4 + KW_SIGNATURE_SIZE + KW_COMMITMENT_SIZE };

static const char domain[] = "keyward message v1";
static const char commitment_domain[] = "keyward message key v1";

/* flags || signing version: bound to the payload too, so that a signature cannot be stripped. */
static struct kw_bytes write_extra(uint8_t out[EXTRA_SIZE], bool is_signed, uint32_t version)
{
    out[0] = is_signed ? FLAG_SIGNED : 0;
    kw_put_u32(out + 1, is_signed ? version : 0);
    return kw_bytes(out, EXTRA_SIZE);
}

static KW_ERR commit(uint8_t out[KW_COMMITMENT_SIZE], const uint8_t data_key[KW_KEY_SIZE],
                     struct kw_error *err)
{
    return kw_hkdf_expand_sha256(out, KW_COMMITMENT_SIZE, kw_bytes(data_key, KW_KEY_SIZE),
                                 kw_bytes(commitment_domain, sizeof commitment_domain - 1), err);
}

/* What is signed: all but the version and the wrap, which a re-wrap changes. */
static KW_ERR signed_text(struct kw_buf *out, const struct kw_message *message,
                          const struct kw_context *context, struct kw_error *err)
{
    uint8_t extra[EXTRA_SIZE];
    uint8_t binding[KW_BINDING_SIZE];
    write_extra(extra, true, message->signing_version);
    kw_binding_write(binding, KW_FORMAT_MESSAGE, &message->head, context);
    kw_buf_append(out, domain, sizeof domain - 1);
    kw_buf_append(out, extra, sizeof extra);
    kw_buf_append(out, binding, sizeof binding);
    kw_buf_append(out, message->commitment, KW_COMMITMENT_SIZE);
    kw_buf_append(out, message->body.data, message->body.len);
    return kw_buf_status(out, err);
}

/* Fills the place between the flags and the head, once the payload stands. */
static KW_ERR sign(uint8_t *at, struct kw_message *message, const struct kw_data_key *key,
                   const struct kw_context *context, const struct kw_signer *signer,
                   struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    uint8_t *commitment = at + 4 + KW_SIGNATURE_SIZE;
    kw_put_u32(at, signer->version);
    KW_TRY(commit(commitment, key->key, err));
    message->commitment = commitment;
    KW_TRY(signed_text(&text, message, context, err));
    return kw_sign(signer->seed, kw_buf_bytes(&text), at + 4, err);
}

KW_ERR kw_message_seal_with_key(struct kw_buf *out, const struct kw_data_key *key,
                                const struct kw_context *context, const struct kw_signer *signer,
                                struct kw_bytes plaintext, struct kw_error *err)
{
    bool is_signed = signer != NULL;
    struct kw_data_key mine = *key;
    struct kw_message message = {.is_signed = is_signed,
                                 .signing_version = is_signed ? signer->version : 0};
    uint8_t extra[EXTRA_SIZE];
    size_t head_at = is_signed ? 2 + SIGNING_SIZE : 2;
    size_t size = head_at + KW_ENVELOPE_OVERHEAD + plaintext.len;
    if (plaintext.len > KW_ENVELOPE_PLAINTEXT_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a message holds at most %d bytes",
                       KW_ENVELOPE_PLAINTEXT_MAX);
    uint8_t *bytes = kw_buf_reserve(out, size);
    if (bytes == NULL)
        return kw_buf_status(out, err);
    mine.head.format = KW_FORMAT_MESSAGE;
    bytes[0] = KW_FORMAT_MESSAGE;
    bytes[1] = is_signed ? FLAG_SIGNED : 0;
    kw_wrapped_key_write(&mine.head, bytes + head_at);
    uint8_t *body = bytes + head_at + KW_HEAD_SIZE;
    KW_TRY(kw_payload_seal(body, &mine, context,
                           write_extra(extra, is_signed, message.signing_version), plaintext, err));
    message.head = mine.head;
    message.body = kw_bytes(body, plaintext.len + KW_TAG_SIZE);
    if (is_signed)
        KW_TRY(sign(bytes + 2, &message, key, context, signer, err));
    out->len += size;
    return KW_OK;
}

KW_ERR kw_message_parse(struct kw_message *out, struct kw_bytes sealed, struct kw_error *err)
{
    if (sealed.len < 2 || sealed.data[0] != KW_FORMAT_MESSAGE ||
        (sealed.data[1] & ~FLAG_SIGNED) != 0)
        return kw_fail(err, KW_BAD_FORMAT, "these bytes are not a message of Keyward");
    struct kw_message message = {.is_signed = sealed.data[1] == FLAG_SIGNED};
    message.head_at = message.is_signed ? 2 + SIGNING_SIZE : 2;
    if (sealed.len < message.head_at + KW_ENVELOPE_OVERHEAD)
        return kw_fail(err, KW_TRUNCATED, "the message is cut off");
    if (sealed.len - message.head_at - KW_ENVELOPE_OVERHEAD > KW_ENVELOPE_PLAINTEXT_MAX)
        return kw_fail_code(err, KW_TOO_LARGE);
    if (message.is_signed) {
        message.signing_version = kw_get_u32(sealed.data + 2);
        message.signature = sealed.data + 6;
        message.commitment = message.signature + KW_SIGNATURE_SIZE;
    }
    const uint8_t *head = sealed.data + message.head_at;
    KW_TRY(kw_wrapped_key_parse(&message.head, kw_bytes(head, KW_HEAD_SIZE), err));
    if (message.head.format != KW_FORMAT_MESSAGE)
        return kw_fail(err, KW_BAD_FORMAT, "the message holds the head of another format");
    message.body = kw_bytes(head + KW_HEAD_SIZE, sealed.len - message.head_at - KW_HEAD_SIZE);
    *out = message;
    return KW_OK;
}

KW_ERR kw_message_verify(const struct kw_message *message, const struct kw_context *context,
                         const uint8_t public_key[KW_SIGN_PUBLIC_SIZE], struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    if (!message->is_signed)
        return kw_fail(err, KW_BAD_SIGNATURE, "the message is not signed, and must be here");
    KW_TRY(signed_text(&text, message, context, err));
    return kw_verify(public_key, kw_buf_bytes(&text), message->signature, err);
}

static KW_ERR check_signature(const struct kw_message *message, const struct kw_context *context,
                              const uint8_t *data_key, const uint8_t *public_key,
                              struct kw_error *err)
{
    uint8_t commitment[KW_COMMITMENT_SIZE];
    if (public_key == NULL && !message->is_signed)
        return KW_OK;
    if (public_key == NULL)
        return kw_fail(err, KW_BAD_SIGNATURE,
                       "the message is signed: the tenant's public key of version %u is needed",
                       message->signing_version);
    KW_TRY(kw_message_verify(message, context, public_key, err));
    KW_TRY(commit(commitment, data_key, err));
    if (!kw_equal_ct(commitment, message->commitment, sizeof commitment))
        return kw_fail(err, KW_SEAL_BROKEN, "the message was signed over another data key");
    return KW_OK;
}

KW_ERR kw_message_open_with_key(struct kw_buf *out, const struct kw_message *message,
                                const struct kw_context *context,
                                const uint8_t data_key[KW_KEY_SIZE], const uint8_t *public_key,
                                struct kw_error *err)
{
    uint8_t extra[EXTRA_SIZE];
    struct kw_payload payload = {
        .head = &message->head,
        .extra = write_extra(extra, message->is_signed, message->signing_version),
        .body = message->body};
    KW_TRY(check_signature(message, context, data_key, public_key, err));
    size_t len = message->body.len - KW_TAG_SIZE;
    uint8_t *room = kw_buf_reserve(out, len);
    if (room == NULL)
        return kw_buf_status(out, err);
    KW_TRY(kw_payload_open(room, data_key, context, &payload, err));
    out->len += len;
    return KW_OK;
}

#include "envelope/message.h"

#include "crypto/hash.h"
#include "envelope/payload.h"

static const char domain[] = "keyward message v1";
static const char commitment_domain[] = "keyward message key v1";

enum {
    FLAG_SIGNED = 1,
    EXTRA_SIZE = 5,
    SIGNING_SIZE = 4 + KW_SIGNATURE_SIZE + KW_COMMITMENT_SIZE,
    DOMAIN_SIZE = sizeof domain - 1,
    BINDING_AT = DOMAIN_SIZE + EXTRA_SIZE,
    COMMITMENT_AT = BINDING_AT + KW_BINDING_SIZE,
    DIGEST_AT = COMMITMENT_AT + KW_COMMITMENT_SIZE,
};
_Static_assert(DIGEST_AT + KW_HASH_SIZE == (int)KW_MESSAGE_STATEMENT_SIZE, "docs/spec/message.md");

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

/* ---- The statement ----------------------------------------------------------------------------
 */

void kw_message_statement_write(const struct kw_message_statement *statement,
                                uint8_t out[KW_MESSAGE_STATEMENT_SIZE])
{
    struct kw_wrapped_key head = {.suite = statement->suite};
    struct kw_context context;
    memcpy(head.key_ref, statement->key_ref, sizeof head.key_ref);
    memcpy(head.class_tag, statement->class_tag, sizeof head.class_tag);
    memcpy(context.digest, statement->context_digest, sizeof context.digest);
    memcpy(out, domain, DOMAIN_SIZE);
    write_extra(out + DOMAIN_SIZE, true, statement->signing_version);
    kw_binding_write(out + BINDING_AT, KW_FORMAT_MESSAGE, &head, &context);
    memcpy(out + COMMITMENT_AT, statement->commitment, KW_COMMITMENT_SIZE);
    memcpy(out + DIGEST_AT, statement->body_digest, KW_HASH_SIZE);
}

/* Everything that is not fixed is taken as it stands; what is fixed is checked by writing it anew.
 */
KW_ERR kw_message_statement_parse(struct kw_message_statement *out, struct kw_bytes bytes,
                                  struct kw_error *err)
{
    struct kw_message_statement read;
    uint8_t again[KW_MESSAGE_STATEMENT_SIZE];
    if (bytes.len != sizeof again)
        return kw_fail(err, KW_BAD_FORMAT, "the statement of a message has %d bytes, not %zu",
                       KW_MESSAGE_STATEMENT_SIZE, bytes.len);
    const uint8_t *binding = bytes.data + BINDING_AT;
    read.signing_version = kw_get_u32(bytes.data + DOMAIN_SIZE + 1);
    read.suite = binding[1];
    memcpy(read.key_ref, binding + 2, sizeof read.key_ref);
    memcpy(read.class_tag, binding + 2 + KW_KEY_REF_SIZE, sizeof read.class_tag);
    memcpy(read.context_digest, binding + KW_BINDING_SIZE - KW_HASH_SIZE, KW_HASH_SIZE);
    memcpy(read.commitment, bytes.data + COMMITMENT_AT, sizeof read.commitment);
    memcpy(read.body_digest, bytes.data + DIGEST_AT, sizeof read.body_digest);
    kw_message_statement_write(&read, again);
    if (memcmp(again, bytes.data, sizeof again) != 0)
        return kw_fail(err, KW_BAD_FORMAT, "these bytes are not the statement of a message");
    *out = read;
    return KW_OK;
}

/* What is signed: all but the version and the wrap, which a re-wrap changes. */
static void make_statement(uint8_t out[KW_MESSAGE_STATEMENT_SIZE], const struct kw_message *message,
                           const struct kw_context *context)
{
    struct kw_message_statement statement = {.signing_version = message->signing_version,
                                             .suite = message->head.suite};
    memcpy(statement.key_ref, message->head.key_ref, sizeof statement.key_ref);
    memcpy(statement.class_tag, message->head.class_tag, sizeof statement.class_tag);
    memcpy(statement.context_digest, context->digest, sizeof statement.context_digest);
    memcpy(statement.commitment, message->commitment, sizeof statement.commitment);
    kw_sha256_one(statement.body_digest, message->body);
    kw_message_statement_write(&statement, out);
}

/* ---- Sealing ----------------------------------------------------------------------------------
 */

/* Fills the place between the flags and the head, once the payload stands. */
static KW_ERR sign(uint8_t *at, struct kw_message *message, const struct kw_data_key *key,
                   const struct kw_context *context, const struct kw_signer *signer,
                   struct kw_error *err)
{
    uint8_t statement[KW_MESSAGE_STATEMENT_SIZE];
    uint8_t *commitment = at + 4 + KW_SIGNATURE_SIZE;
    kw_put_u32(at, signer->version);
    KW_TRY(commit(commitment, key->key, err));
    message->commitment = commitment;
    make_statement(statement, message, context);
    if (signer->seed == NULL)
        return signer->sign(signer->arg, statement, at + 4, err);
    return kw_sign(signer->seed, kw_bytes(statement, sizeof statement), at + 4, err);
}

KW_ERR kw_message_seal_with_key(struct kw_buf *out, struct kw_data_key *key,
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
    KW_TRY(kw_data_key_use(key, err));
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

/* ---- Reading ----------------------------------------------------------------------------------
 */

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
    uint8_t statement[KW_MESSAGE_STATEMENT_SIZE];
    if (!message->is_signed)
        return kw_fail(err, KW_BAD_SIGNATURE, "the message is not signed, and must be here");
    make_statement(statement, message, context);
    return kw_verify(public_key, kw_bytes(statement, sizeof statement), message->signature, err);
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

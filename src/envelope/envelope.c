#include "envelope/envelope.h"

#include "crypto/random.h"
#include "envelope/payload.h"

static const struct kw_bytes no_extra;

/* Seals in place of a key whose head has its format set; writes the head once the payload stands.
 */
static KW_ERR seal(uint8_t *out, const struct kw_data_key *key, const struct kw_context *context,
                   struct kw_bytes plaintext, struct kw_error *err)
{
    KW_TRY(kw_payload_seal(out + KW_HEAD_SIZE, key, context, no_extra, plaintext, err));
    kw_wrapped_key_write(&key->head, out);
    return KW_OK;
}

KW_ERR kw_envelope_seal(uint8_t *out, struct kw_data_key *key, const struct kw_context *context,
                        struct kw_bytes plaintext, struct kw_error *err)
{
    KW_TRY(kw_data_key_use(key, err));
    struct kw_data_key mine = *key;
    mine.head.format = KW_FORMAT_ENVELOPE;
    return seal(out, &mine, context, plaintext, err);
}

KW_ERR kw_envelope_head(struct kw_wrapped_key *out, struct kw_bytes envelope, struct kw_error *err)
{
    if (envelope.len == 0 || envelope.data[0] != KW_FORMAT_ENVELOPE)
        return kw_fail(err, KW_BAD_FORMAT, "these bytes are not an envelope of Keyward");
    if (envelope.len < KW_ENVELOPE_OVERHEAD)
        return kw_fail(err, KW_TRUNCATED, "the envelope is cut off");
    if (envelope.len - KW_ENVELOPE_OVERHEAD > KW_ENVELOPE_PLAINTEXT_MAX)
        return kw_fail_code(err, KW_TOO_LARGE);
    return kw_wrapped_key_parse(out, kw_bytes(envelope.data, KW_HEAD_SIZE), err);
}

static KW_ERR open_payload(uint8_t *out, const uint8_t data_key[KW_KEY_SIZE],
                           const struct kw_context *context, struct kw_bytes envelope,
                           const struct kw_wrapped_key *head, struct kw_error *err)
{
    struct kw_payload payload = {
        .head = head, .body = kw_bytes(envelope.data + KW_HEAD_SIZE, envelope.len - KW_HEAD_SIZE)};
    return kw_payload_open(out, data_key, context, &payload, err);
}

KW_ERR kw_envelope_open(uint8_t *out, const uint8_t data_key[KW_KEY_SIZE],
                        const struct kw_context *context, struct kw_bytes envelope,
                        struct kw_error *err)
{
    struct kw_wrapped_key head;
    KW_TRY(kw_envelope_head(&head, envelope, err));
    return open_payload(out, data_key, context, envelope, &head, err);
}

KW_ERR kw_envelope_seal_with(uint8_t *out, const struct kw_wrapping_key *w,
                             const struct kw_context *context, struct kw_bytes plaintext,
                             struct kw_error *err)
{
    KW_AUTO(kw_secret) data_key = KW_SECRET_INIT;
    struct kw_data_key key = {.head.format = KW_FORMAT_ENVELOPE};
    KW_TRY(kw_random_secret(&data_key, KW_KEY_SIZE, err));
    key.key = data_key.data;
    KW_TRY(kw_data_key_wrap(&key.head, w, context, data_key.data, err));
    return seal(out, &key, context, plaintext, err);
}

KW_ERR kw_envelope_open_with(uint8_t *out, const struct kw_wrapping_key *w,
                             const struct kw_context *context, struct kw_bytes envelope,
                             struct kw_error *err)
{
    KW_AUTO(kw_secret) data_key = KW_SECRET_INIT;
    struct kw_wrapped_key head;
    KW_TRY(kw_envelope_head(&head, envelope, err));
    KW_TRY(kw_secret_alloc(&data_key, KW_KEY_SIZE, err));
    KW_TRY(kw_data_key_unwrap(data_key.data, w, &head, context, err));
    return open_payload(out, data_key.data, context, envelope, &head, err);
}

/* Envelopes. */
#include "client/client.h"

KW_ERR kw_seal(struct kw_client *client, const struct kw_call_options *options,
               struct kw_input plaintext, struct kw_output *out, struct kw_error *err)
{
    KW_AUTO(kw_prepared) prepared = {0};
    KW_AUTO(kw_key_batch) batch = {0};
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    struct kw_data_key key;
    if (plaintext.len > KW_ENVELOPE_PLAINTEXT_MAX)
        return kw_fail(err, KW_TOO_LARGE, "an envelope holds at most %d bytes: use a stream",
                       KW_ENVELOPE_PLAINTEXT_MAX);
    KW_TRY(kw_prepare(&prepared, options, KW_AS_TEXT, err));
    uint8_t *room = kw_buf_reserve(&sealed, plaintext.len + KW_ENVELOPE_OVERHEAD);
    if (room == NULL)
        return kw_buf_status(&sealed, err);
    KW_TRY(kw_client_generate(client, &prepared, &batch, &key, err));
    KW_TRY(kw_envelope_seal(room, &key, &prepared.context.bound,
                            kw_bytes(plaintext.data, plaintext.len), err));
    sealed.len = plaintext.len + KW_ENVELOPE_OVERHEAD;
    return kw_output_sealed(out, &sealed, prepared.options.flags, err);
}

KW_ERR kw_open(struct kw_client *client, const struct kw_call_options *options,
               struct kw_input sealed, struct kw_output *out, struct kw_error *err)
{
    KW_AUTO(kw_prepared) prepared = {0};
    KW_AUTO(kw_key_batch) batch = {0};
    KW_AUTO(kw_buf) decoded = KW_BUF_INIT;
    KW_AUTO(kw_buf) plain = KW_BUF_SECRET;
    struct kw_bytes envelope;
    struct kw_wrapped_key head;
    const uint8_t *key = NULL;
    KW_TRY(kw_prepare(&prepared, options, 0, err));
    KW_TRY(kw_sealed_bytes(sealed, &decoded, &envelope, err));
    KW_TRY(kw_envelope_head(&head, envelope, err));
    size_t len = envelope.len - KW_ENVELOPE_OVERHEAD;
    uint8_t *room = kw_buf_reserve(&plain, len);
    if (room == NULL)
        return kw_buf_status(&plain, err);
    KW_TRY(kw_client_unwrap(client, &prepared, &head, &batch, &key, err));
    KW_TRY(kw_envelope_open(room, key, &prepared.context.bound, envelope, err));
    plain.len = len;
    return kw_output_take(out, &plain, err);
}

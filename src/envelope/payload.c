#include "envelope/payload.h"

static const char domain[] = "keyward envelope v1";
enum { DOMAIN_SIZE = sizeof domain - 1, EXTRA_MAX = 8 };

static const uint8_t zero_nonce[KW_NONCE_SIZE];

void kw_binding_write(uint8_t out[KW_BINDING_SIZE], uint8_t format,
                      const struct kw_wrapped_key *head, const struct kw_context *context)
{
    *out++ = format;
    *out++ = head->suite;
    memcpy(out, head->key_ref, KW_KEY_REF_SIZE);
    out += KW_KEY_REF_SIZE;
    memcpy(out, head->class_tag, KW_CLASS_TAG_SIZE);
    out += KW_CLASS_TAG_SIZE;
    memcpy(out, context->digest, KW_HASH_SIZE);
}

KW_ERR kw_data_key_use(struct kw_data_key *key, struct kw_error *err)
{
    if (key->used)
        return kw_fail(err, KW_INTERNAL, "a data key seals one thing and has done so");
    key->used = true;
    return KW_OK;
}

struct aad {
    uint8_t bytes[DOMAIN_SIZE + KW_BINDING_SIZE + EXTRA_MAX];
};

static KW_ERR make_aad(struct aad *out, struct kw_bytes *view, const struct kw_wrapped_key *head,
                       const struct kw_context *context, struct kw_bytes extra)
{
    if (extra.len > EXTRA_MAX)
        return KW_INTERNAL;
    memcpy(out->bytes, domain, DOMAIN_SIZE);
    kw_binding_write(out->bytes + DOMAIN_SIZE, head->format, head, context);
    if (extra.len > 0)
        memcpy(out->bytes + DOMAIN_SIZE + KW_BINDING_SIZE, extra.data, extra.len);
    *view = kw_bytes(out->bytes, DOMAIN_SIZE + KW_BINDING_SIZE + extra.len);
    return KW_OK;
}

KW_ERR kw_payload_seal(uint8_t *out, const struct kw_data_key *key,
                       const struct kw_context *context, struct kw_bytes extra,
                       struct kw_bytes plaintext, struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    struct aad aad;
    struct kw_bytes view;
    if (plaintext.len > KW_ENVELOPE_PLAINTEXT_MAX)
        return kw_fail(err, KW_TOO_LARGE, "an envelope holds at most %d bytes: use a stream",
                       KW_ENVELOPE_PLAINTEXT_MAX);
    KW_TRY(kw_suite_get(key->head.suite, &suite, err));
    KW_TRY(make_aad(&aad, &view, &key->head, context, extra));
    return kw_aead_seal(suite, key->key, zero_nonce, view, plaintext, out, err);
}

KW_ERR kw_payload_open(uint8_t *out, const uint8_t data_key[KW_KEY_SIZE],
                       const struct kw_context *context, const struct kw_payload *payload,
                       struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    struct aad aad;
    struct kw_bytes view;
    KW_TRY(kw_suite_get(payload->head->suite, &suite, err));
    KW_TRY(make_aad(&aad, &view, payload->head, context, payload->extra));
    return kw_aead_open(suite, data_key, zero_nonce, view, payload->body, out, err);
}

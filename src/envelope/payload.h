/* The sealed payload that envelopes and messages have in common. Private to envelope/. */
#ifndef KW_ENVELOPE_PAYLOAD_H
#define KW_ENVELOPE_PAYLOAD_H

#include "envelope/envelope.h"

/* format || suite || key reference || class tag || context digest: what every payload is bound to.
 * Version and wrapped key are left out, so that a re-wrap leaves the payload valid. */
enum { KW_BINDING_SIZE = 2 + KW_KEY_REF_SIZE + KW_CLASS_TAG_SIZE + KW_HASH_SIZE };
void kw_binding_write(uint8_t out[KW_BINDING_SIZE], uint8_t format,
                      const struct kw_wrapped_key *head, const struct kw_context *context);

/* Marks the key as used; KW_INTERNAL if it was. */
KW_ERR kw_data_key_use(struct kw_data_key *key, struct kw_error *err);

/* extra is appended to the associated data (at most 8 bytes). The nonce is zero: one key, one use.
 * out receives plaintext.len + KW_TAG_SIZE bytes. */
KW_ERR kw_payload_seal(uint8_t *out, const struct kw_data_key *key,
                       const struct kw_context *context, struct kw_bytes extra,
                       struct kw_bytes plaintext, struct kw_error *err);

/* body is ciphertext and tag. */
struct kw_payload {
    const struct kw_wrapped_key *head;
    struct kw_bytes extra;
    struct kw_bytes body;
};
KW_ERR kw_payload_open(uint8_t *out, const uint8_t data_key[KW_KEY_SIZE],
                       const struct kw_context *context, const struct kw_payload *payload,
                       struct kw_error *err);

#endif

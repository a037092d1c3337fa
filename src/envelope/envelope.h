/* Envelope: a sealed value that carries its own wrapped data key. docs/spec/envelope.md.
 *
 *     head (78, format 2) || ciphertext || tag (16)
 *
 * Pure functions, thread-safe, no allocation after a thread's first call. */
#ifndef KW_ENVELOPE_ENVELOPE_H
#define KW_ENVELOPE_ENVELOPE_H

#include "envelope/wrap.h"

enum {
    KW_ENVELOPE_OVERHEAD = KW_HEAD_SIZE + KW_TAG_SIZE,
    KW_ENVELOPE_PLAINTEXT_MAX = 16 << 20,
};

/* A data key for one sealed thing: the key, 32 bytes in secret memory, and its wrapped form. */
struct kw_data_key {
    const uint8_t *key;
    struct kw_wrapped_key head; /* format is set by whoever seals */
    bool used;                  /* it has sealed an envelope or a message */
};

/* out receives plaintext.len + KW_ENVELOPE_OVERHEAD bytes and must not overlap plaintext. The key
 * is thereby used up: since the nonce is fixed, a second seal would give both plaintexts away, and
 * is refused (KW_INTERNAL). KW_TOO_LARGE above KW_ENVELOPE_PLAINTEXT_MAX. */
KW_ERR kw_envelope_seal(uint8_t *out, struct kw_data_key *key, const struct kw_context *context,
                        struct kw_bytes plaintext, struct kw_error *err);

/* An envelope's head: what must be unwrapped to open it. KW_BAD_FORMAT if it is no envelope,
 * KW_TRUNCATED if it is shorter than an empty one. */
KW_ERR kw_envelope_head(struct kw_wrapped_key *out, struct kw_bytes envelope, struct kw_error *err);

/* data_key is what head's wrapped key unwrapped to. out receives envelope.len -
 * KW_ENVELOPE_OVERHEAD bytes; on KW_SEAL_BROKEN they are zero. */
KW_ERR kw_envelope_open(uint8_t *out, const uint8_t data_key[KW_KEY_SIZE],
                        const struct kw_context *context, struct kw_bytes envelope,
                        struct kw_error *err);

/* Both steps at once, for who holds the wrapping key. A fresh data key each. */
KW_ERR kw_envelope_seal_with(uint8_t *out, const struct kw_wrapping_key *w,
                             const struct kw_context *context, struct kw_bytes plaintext,
                             struct kw_error *err);
KW_ERR kw_envelope_open_with(uint8_t *out, const struct kw_wrapping_key *w,
                             const struct kw_context *context, struct kw_bytes envelope,
                             struct kw_error *err);

#endif

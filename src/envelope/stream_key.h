/* The keys of a stream, and chunks by number. Private to envelope/. */
#ifndef KW_ENVELOPE_STREAM_KEY_H
#define KW_ENVELOPE_STREAM_KEY_H

#include "envelope/stream.h"

struct kw_stream_key {
    struct kw_aead *aead;
    uint8_t base_nonce[KW_NONCE_SIZE];
    uint8_t commitment[KW_COMMITMENT_SIZE];
};

/* key must be zero. */
KW_ERR kw_stream_key_init(struct kw_stream_key *key, const struct kw_wrapped_key *head,
                          const uint8_t data_key[KW_KEY_SIZE], const struct kw_context *context,
                          const uint8_t salt[KW_STREAM_SALT_SIZE], struct kw_error *err);
void kw_stream_key_wipe(struct kw_stream_key *key);

/* As kw_stream_key_init, with the salt of prefix, whose commitment must be the one derived. */
KW_ERR kw_stream_key_check(struct kw_stream_key *key, const struct kw_wrapped_key *head,
                           const uint8_t data_key[KW_KEY_SIZE], const struct kw_context *context,
                           const uint8_t prefix[KW_STREAM_PREFIX_SIZE], struct kw_error *err);

/* Chunk number counter. out receives in.len plus or minus KW_TAG_SIZE bytes. */
KW_ERR kw_stream_chunk_seal(struct kw_stream_key *key, uint64_t counter, struct kw_bytes in,
                            uint8_t *out, struct kw_error *err);
KW_ERR kw_stream_chunk_open(struct kw_stream_key *key, uint64_t counter, struct kw_bytes in,
                            uint8_t *out, struct kw_error *err);

#endif

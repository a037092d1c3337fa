/* The sealing functions with the random values given by the caller: for golden bytes and tests
 * only, and for the ordinary functions, which draw them. A nonce that is used twice under a key
 * breaks it. */
#ifndef KW_ENVELOPE_FIXED_H
#define KW_ENVELOPE_FIXED_H

#include "envelope/record.h"
#include "envelope/stream.h"
#include "envelope/wrap.h"

KW_ERR kw_data_key_wrap_fixed(struct kw_wrapped_key *out, const struct kw_wrapping_key *w,
                              const struct kw_context *context, const uint8_t data_key[KW_KEY_SIZE],
                              const uint8_t nonce[KW_NONCE_SIZE], struct kw_error *err);

/* As kw_record_seal; nonces holds KW_NONCE_SIZE bytes for each field, in the order of the text. */
KW_ERR kw_record_seal_fixed(struct kw_record *record, const struct kw_context *context,
                            const struct kw_data_key *keys, const uint8_t *nonces,
                            struct kw_buf *out, struct kw_error *err);

KW_ERR kw_stream_sealer_new_fixed(struct kw_stream_sealer **out, const struct kw_data_key *key,
                                  const struct kw_context *context,
                                  const uint8_t salt[KW_STREAM_SALT_SIZE], struct kw_error *err);

#endif

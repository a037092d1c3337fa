/* Envelopes and messages: one value, one data key, one call to the authority.
 * docs/spec/envelope.md, docs/spec/message.md.
 *
 * All functions are thread-safe. Errors that they have in common: KW_USAGE (what is missing in
 * options), KW_BAD_NAME, KW_BAD_CONTEXT, KW_TOO_LARGE; the authority's refusals (KW_FORBIDDEN,
 * KW_TENANT_SUSPENDED, KW_KEY_SUSPENDED, KW_TENANT_NOT_FOUND, ...); and what may pass
 * (kw_code_retryable): KW_CONNECT_FAILED, KW_TIMEOUT, KW_UNAVAILABLE, KW_LEDGER_UNAVAILABLE, ...
 * after it has been tried again as long as the timeout allows. */
#ifndef KEYWARD_SEAL_H
#define KEYWARD_SEAL_H

#include <keyward/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Seals up to 16 MiB as an envelope, 94 bytes longer than the plaintext. Flag: KW_AS_TEXT. */
KW_API KW_ERR kw_seal(struct kw_client *client, const struct kw_call_options *options,
                      struct kw_input plaintext, struct kw_output *out, struct kw_error *err);

/* Opens an envelope, given as bytes or as text. options NULL: no expectation, no context.
 * KW_BAD_FORMAT: not an envelope. KW_TRUNCATED. KW_SEAL_BROKEN: altered, or sealed under another
 * context. KW_NOT_THIS_TENANT, KW_WRONG_CLASS: not what options expect. */
KW_API KW_ERR kw_open(struct kw_client *client, const struct kw_call_options *options,
                      struct kw_input sealed, struct kw_output *out, struct kw_error *err);

/* A message for a queue, 96 bytes longer than the plaintext. Flags: KW_AS_TEXT; KW_SIGNED: signed
 * by the tenant's key (196 bytes longer), which the authority does without being sent the message.
 */
KW_API KW_ERR kw_message_seal(struct kw_client *client, const struct kw_call_options *options,
                              struct kw_input plaintext, struct kw_output *out,
                              struct kw_error *err);

/* Opens a message, bytes or text. What the reader expects decides, not what the message says: with
 * KW_SIGNED (which needs tenant and region) only one that the tenant's key has signed, checked with
 * the public key that the authority publishes; without it only one that is not signed.
 * KW_BAD_SIGNATURE. */
KW_API KW_ERR kw_message_open(struct kw_client *client, const struct kw_call_options *options,
                              struct kw_input sealed, struct kw_output *out, struct kw_error *err);

#ifdef __cplusplus
}
#endif

#endif

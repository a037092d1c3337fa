/* Cloud KMS's requests and answers as texts (REST, v1), without any input or output. Private to
 * gcp/.
 *
 * Enumerations are read as names and as numbers, 64-bit numbers as numbers and as strings. Answers
 * that are not what the API promises are KW_PROVIDER_UNAVAILABLE. Thread-safe. */
#ifndef KW_GCP_CODEC_H
#define KW_GCP_CODEC_H

#include "provider/provider.h"

/* Is text projects/P/locations/L/keyRings/R/cryptoKeys/K, fit for a URL as it is? */
bool kw_gcp_is_key_name(const char *text);

/* Bodies, appended to out, which must be secret for the one with a plaintext. */
void kw_gcp_put_encrypt(struct kw_buf *out, const struct kw_provider_call *call,
                        const struct kw_secret *plaintext);
void kw_gcp_put_decrypt(struct kw_buf *out, const struct kw_provider_call *call,
                        struct kw_bytes wrapped);
void kw_gcp_put_create(struct kw_buf *out);

/* Bodies of answers with a status of 200 to 299. Google must say that the texts that were sent
 * arrived as they were, and what it sends must match its checksum; key is whose version must have
 * wrapped. */
KW_ERR kw_gcp_get_ciphertext(struct kw_bytes body, const char *key, struct kw_buf *out,
                             struct kw_error *err);
KW_ERR kw_gcp_get_plaintext(struct kw_bytes body, struct kw_secret *out, struct kw_error *err);
/* A key that can be a root now: KW_OK. KW_KEY_SUSPENDED, KW_KEY_PENDING, KW_KEY_DESTROYED: the
 * state of its primary version. KW_FORBIDDEN: of another purpose. */
KW_ERR kw_gcp_check_key(struct kw_bytes body, struct kw_error *err);

/* What an answer with another status means; never KW_OK. Beside a provider's errors:
 * KW_UNAUTHENTICATED (the token is refused) and KW_EXISTS. decrypting: an argument that is refused
 * means a wrapped copy or a context that is wrong. */
kw_code kw_gcp_error(int status, struct kw_bytes body, bool decrypting, struct kw_error *err);

#endif

/* The native API's seal and open as texts, without any input or output. Private to peer/.
 *
 * Answers that are not what the API promises are KW_PROVIDER_UNAVAILABLE. Thread-safe. */
#ifndef KW_PEER_CODEC_H
#define KW_PEER_CODEC_H

#include "provider/provider.h"

struct kw_peer_key {
    char tenant[64];
    char region[17];
};

/* Divides TENANT/REGION. KW_KEY_NOT_FOUND: it names no key of a Keyward. */
KW_ERR kw_peer_key_parse(struct kw_peer_key *out, const char *name, struct kw_error *err);

/* Bodies, appended to out, which must be secret for a seal. A context whose names a Keyward would
 * refuse is KW_FORBIDDEN. */
KW_ERR kw_peer_put_seal(struct kw_buf *out, const struct kw_peer_key *key, const char *class_name,
                        const struct kw_provider_call *call, const struct kw_secret *plaintext,
                        struct kw_error *err);
KW_ERR kw_peer_put_open(struct kw_buf *out, const struct kw_peer_key *key, const char *class_name,
                        const struct kw_provider_call *call, struct kw_bytes wrapped,
                        struct kw_error *err);

/* Bodies of answers with status 200. */
KW_ERR kw_peer_get_envelope(struct kw_bytes body, struct kw_buf *out, struct kw_error *err);
KW_ERR kw_peer_get_plaintext(struct kw_bytes body, struct kw_secret *out, struct kw_error *err);

/* What an answer with another status means; never KW_OK. */
kw_code kw_peer_error(int status, struct kw_bytes body, struct kw_error *err);

#endif

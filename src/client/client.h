/* The public library's functions on a backend that somebody else has: the CLI's way in. Also what
 * they share. Thread-safe as keyward/client.h says. */
#ifndef KW_CLIENT_CLIENT_H
#define KW_CLIENT_CLIENT_H

#include "client/backend.h"
#include "crypto/sign.h"
#include "envelope/envelope.h"

#include <keyward.h>

#include <pthread.h>

enum { KW_SIGNERS_KEPT = 16 };

/* A tenant key's public signing key: fixed for ever with its version. */
struct kw_known_signer {
    uint8_t key_ref[KW_KEY_REF_SIZE];
    uint32_t version; /* 0: free */
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
};

struct kw_client {
    struct kw_backend *backend;
    bool owned;           /* closed with the client */
    pthread_mutex_t lock; /* of what follows */
    struct kw_known_signer signer[KW_SIGNERS_KEPT];
    size_t next_signer;
};

/* A client on backend, which must outlive it. */
KW_ERR kw_client_on(struct kw_backend *backend, struct kw_client **out, struct kw_error *err);

/* Reads a structure whose first member is its size into to: what the caller's version lacks is
 * zero. KW_USAGE if it was not initialised, or has members that this version does not know, set. */
KW_ERR kw_options_read(void *to, size_t size, const void *from, struct kw_error *err);

/* The options of a call, checked. */
struct kw_prepared {
    struct kw_call_options options;
    struct kw_bound_context context;
    struct kw_buf texts; /* of options, once they are kept */
};
/* options may be NULL. flags: those that this call knows. out must be zero. */
KW_ERR kw_prepare(struct kw_prepared *out, const struct kw_call_options *options, uint32_t flags,
                  struct kw_error *err);
/* Makes its texts its own. */
KW_ERR kw_prepared_keep(struct kw_prepared *prepared, struct kw_error *err);
void kw_prepared_wipe(struct kw_prepared *prepared);
KW_CLEANUP_WIPE(kw_prepared)

/* One data key: fresh, or that of head. It lies in batch, which must be zero. */
KW_ERR kw_client_generate(struct kw_client *client, const struct kw_prepared *prepared,
                          struct kw_key_batch *batch, struct kw_data_key *out,
                          struct kw_error *err);
KW_ERR kw_client_unwrap(struct kw_client *client, const struct kw_prepared *prepared,
                        const struct kw_wrapped_key *head, struct kw_key_batch *batch,
                        const uint8_t **out, struct kw_error *err);

/* The bytes that in stands for: itself, or what its text decodes to, then held by decoded. */
KW_ERR kw_sealed_bytes(struct kw_input in, struct kw_buf *decoded, struct kw_bytes *out,
                       struct kw_error *err);

/* out is replaced by the content of buf, which is then empty. */
KW_ERR kw_output_take(struct kw_output *out, struct kw_buf *buf, struct kw_error *err);
/* As kw_output_take, in the form that flags ask for. */
KW_ERR kw_output_sealed(struct kw_output *out, struct kw_buf *sealed, uint32_t flags,
                        struct kw_error *err);

#endif

/* Messages on a backend: what the public functions and the CLI have in common. Thread-safe. */
#ifndef KW_CLIENT_MESSAGE_H
#define KW_CLIENT_MESSAGE_H

#include "client/backend.h"
#include "envelope/message.h"

/* Whose message, under which context. Borrowed for the call. */
struct kw_message_call {
    struct kw_backend *backend;
    const char *tenant, *region; /* sealing, and whose signature is expected, need both */
    const char *data_class;      /* NULL: default */
    const char *justification;   /* or NULL */
    const struct kw_bound_context *context;
    uint32_t timeout_ms;  /* of each request to the authority; 0: the backend's */
    bool is_signed;       /* sealing: have it signed */
    uint32_t version;     /* out, of sealing: under which it was sealed, and signed */
    uint64_t first_index; /* out, of sealing: ledger index of the data key's entry */
};

/* Appends the message to out: a fresh data key, and one more request for the signature, which is
 * made over the message's statement; the message itself stays here. If the key is rotated between
 * the two it is done again, with another data key. */
KW_ERR kw_message_call_seal(struct kw_message_call *call, struct kw_bytes plaintext,
                            struct kw_buf *out, struct kw_error *err);

/* The public key that the tenant's signature of the message is checked with, as the authority
 * publishes it. KW_USAGE without tenant and region, KW_BAD_SIGNATURE if it is not signed,
 * KW_NOT_THIS_TENANT if it is another's, KW_VERSION_NOT_FOUND. */
KW_ERR kw_message_call_signer(const struct kw_message_call *call, const struct kw_message *message,
                              uint8_t out[KW_SIGN_PUBLIC_SIZE], struct kw_error *err);

#endif

/* Message: an envelope for queues, signed by the tenant's key if wanted. docs/spec/message.md.
 *
 *     6 || flags (bit 0: signed) || [signing version (4) || signature (64) || key commitment (32)]
 *       || head (78, format 6) || ciphertext || tag (16)
 *
 * The signature holds through a re-wrap, and the key commitment under it makes sure that a re-wrap
 * can bring no other plaintext. Pure functions, thread-safe. */
#ifndef KW_ENVELOPE_MESSAGE_H
#define KW_ENVELOPE_MESSAGE_H

#include "crypto/sign.h"
#include "envelope/envelope.h"

enum {
    KW_MESSAGE_OVERHEAD = 2 + KW_ENVELOPE_OVERHEAD,
    KW_MESSAGE_SIGNED_OVERHEAD = KW_MESSAGE_OVERHEAD + 4 + KW_SIGNATURE_SIZE + KW_COMMITMENT_SIZE,
};

/* What a signature is over: of one size whatever the message's, so that who holds the signing key
 * need not be sent the message. docs/spec/message.md, Signing. */
enum { KW_MESSAGE_STATEMENT_SIZE = 133 };

struct kw_message_statement {
    uint32_t signing_version;
    uint8_t suite;
    uint8_t key_ref[KW_KEY_REF_SIZE];
    uint8_t class_tag[KW_CLASS_TAG_SIZE];
    uint8_t context_digest[KW_HASH_SIZE];
    uint8_t commitment[KW_COMMITMENT_SIZE]; /* of the data key */
    uint8_t body_digest[KW_HASH_SIZE];      /* SHA-256 of ciphertext and tag */
};

void kw_message_statement_write(const struct kw_message_statement *statement,
                                uint8_t out[KW_MESSAGE_STATEMENT_SIZE]);

/* Reads what kw_message_statement_write writes, and nothing else: KW_BAD_FORMAT. */
KW_ERR kw_message_statement_parse(struct kw_message_statement *out, struct kw_bytes bytes,
                                  struct kw_error *err);

/* Who signs, by the signing key of this key version: whoever has its seed (kw_tenant_key_derive
 * for KW_PURPOSE_SIGN; 32 bytes in secret memory), or somebody who is asked. */
struct kw_signer {
    const uint8_t *seed; /* NULL: sign is asked */
    uint32_t version;
    KW_ERR(*sign)
    (void *arg, const uint8_t statement[KW_MESSAGE_STATEMENT_SIZE],
     uint8_t signature[KW_SIGNATURE_SIZE], struct kw_error *err);
    void *arg;
};

/* A message, taken apart. Borrows from its bytes. */
struct kw_message {
    bool is_signed;
    uint32_t signing_version;
    const uint8_t *signature;  /* KW_SIGNATURE_SIZE; NULL if not signed */
    const uint8_t *commitment; /* KW_COMMITMENT_SIZE; NULL if not signed */
    size_t head_at;            /* where the head begins: what a re-wrap replaces */
    struct kw_wrapped_key head;
    struct kw_bytes body; /* ciphertext and tag */
};

/* Appends the message to out. signer NULL: not signed. The key is used up, also by a failure of
 * the signer, whose code is then the answer. */
KW_ERR kw_message_seal_with_key(struct kw_buf *out, struct kw_data_key *key,
                                const struct kw_context *context, const struct kw_signer *signer,
                                struct kw_bytes plaintext, struct kw_error *err);

/* KW_BAD_FORMAT if it is no message, KW_TRUNCATED if it is too short for one. */
KW_ERR kw_message_parse(struct kw_message *out, struct kw_bytes sealed, struct kw_error *err);

/* Whether the tenant's key signed it, without opening it. public_key is that of signing_version.
 * KW_BAD_SIGNATURE if not, or if it is not signed. */
KW_ERR kw_message_verify(const struct kw_message *message, const struct kw_context *context,
                         const uint8_t public_key[KW_SIGN_PUBLIC_SIZE], struct kw_error *err);

/* Appends the plaintext to out. A signed message wants the public key and is verified first; with
 * public_key NULL only unsigned ones open, with one only signed ones: what the reader expects
 * decides, not what the message says. KW_BAD_SIGNATURE, KW_SEAL_BROKEN; out is then as it was. */
KW_ERR kw_message_open_with_key(struct kw_buf *out, const struct kw_message *message,
                                const struct kw_context *context,
                                const uint8_t data_key[KW_KEY_SIZE], const uint8_t *public_key,
                                struct kw_error *err);

#endif

/* Suites: the only place that names algorithms. OpenSSL 3 does the work; nothing is implemented
 * here.
 *
 * A suite is an AEAD with a 256-bit key, a 96-bit nonce and a 128-bit tag, HKDF over its hash, and
 * a signature. Its number stands in every sealed format. All keys are 32 bytes in a struct
 * kw_secret, or, on hot paths, 32 bytes that lie in one.
 *
 * Algorithms are fetched once for the process, contexts kept a thread, so that a call allocates
 * nothing after a thread's first. Thread-safe. */
#ifndef KW_CRYPTO_SUITE_H
#define KW_CRYPTO_SUITE_H

#include "base/bytes.h"
#include "base/secret.h"

enum {
    KW_KEY_SIZE = 32,
    KW_NONCE_SIZE = 12,
    KW_TAG_SIZE = 16,
    KW_HASH_SIZE = 32,
};

enum kw_suite_id {
    KW_SUITE_AES256GCM = 1,        /* AES-256-GCM, HKDF-SHA-256, Ed25519 */
    KW_SUITE_CHACHA20POLY1305 = 2, /* ChaCha20-Poly1305 (RFC 8439), HKDF-SHA-256, Ed25519 */
};

enum kw_suite_state {
    KW_SUITE_STATE_CURRENT,
    KW_SUITE_STATE_ACCEPTED,
    KW_SUITE_STATE_DEPRECATED,
    KW_SUITE_STATE_REFUSED,
};

struct kw_suite; /* constant, lives for the process */

/* KW_UNSUPPORTED_SUITE for a number that is not in the table. */
KW_ERR kw_suite_get(uint8_t id, const struct kw_suite **out, struct kw_error *err);
const struct kw_suite *kw_suite_default(void);
uint8_t kw_suite_id(const struct kw_suite *suite);
const char *kw_suite_name(const struct kw_suite *suite);
enum kw_suite_state kw_suite_state(const struct kw_suite *suite);
/* The AEAD's name in the IANA registry, AEAD_AES_256_GCM, for key derivation by name. */
const char *kw_suite_aead_name(const struct kw_suite *suite);
/* How many random nonces one key may take (SP 800-38D 8.3: 2^32); 0 means no limit of ours. */
uint64_t kw_suite_nonce_limit(const struct kw_suite *suite);

/* out receives in.len + KW_TAG_SIZE bytes: ciphertext, then tag. out may be in.data. */
KW_ERR kw_aead_seal(const struct kw_suite *suite, const uint8_t key[KW_KEY_SIZE],
                    const uint8_t nonce[KW_NONCE_SIZE], struct kw_bytes aad, struct kw_bytes in,
                    uint8_t *out, struct kw_error *err);

/* in is ciphertext and tag; out receives in.len - KW_TAG_SIZE bytes and may be in.data. On
 * KW_SEAL_BROKEN out has been overwritten with zeros: unauthenticated plaintext is never seen. */
KW_ERR kw_aead_open(const struct kw_suite *suite, const uint8_t key[KW_KEY_SIZE],
                    const uint8_t nonce[KW_NONCE_SIZE], struct kw_bytes aad, struct kw_bytes in,
                    uint8_t *out, struct kw_error *err);

/* Overwrites the key that the calling thread's contexts last worked with: OpenSSL keeps it on its
 * own heap until the next call sets another. For a thread that is about to wait; about 0.4 us. */
void kw_aead_forget(void);

/* A key that is set up once for many calls (chunks of a stream). Owned by one thread at a time. */
struct kw_aead;
KW_ERR kw_aead_new(const struct kw_suite *suite, const uint8_t key[KW_KEY_SIZE],
                   struct kw_aead **out, struct kw_error *err);
KW_ERR kw_aead_seal_with(struct kw_aead *aead, const uint8_t nonce[KW_NONCE_SIZE],
                         struct kw_bytes aad, struct kw_bytes in, uint8_t *out,
                         struct kw_error *err);
KW_ERR kw_aead_open_with(struct kw_aead *aead, const uint8_t nonce[KW_NONCE_SIZE],
                         struct kw_bytes aad, struct kw_bytes in, uint8_t *out,
                         struct kw_error *err);
void kw_aead_free(struct kw_aead *aead);
KW_CLEANUP_FREE(kw_aead)

#endif

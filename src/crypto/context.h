/* Inside crypto/ only: the table of suites, the algorithms of OpenSSL that are fetched once for the
 * process, and the contexts that each thread keeps, so that a call fetches and allocates nothing.
 *
 * A thread's contexts are made at its first call and freed when it ends. An AEAD's key schedule
 * stays in its context until the next call or kw_aead_forget(): that is OpenSSL's heap, which
 * kw_process_harden() locks where it may and keeps out of core dumps. HMAC keys are overwritten
 * after each call. */
#ifndef KW_CRYPTO_CONTEXT_H
#define KW_CRYPTO_CONTEXT_H

#include "crypto/suite.h"

#include <openssl/evp.h>
#include <openssl/kdf.h>

enum { KW_SUITE_COUNT = 2 };

struct kw_suite {
    uint8_t id;
    uint8_t index; /* place in kw_suites and in the arrays below */
    enum kw_suite_state state;
    const char *name;
    const char *aead_name;    /* IANA's */
    const char *openssl_name; /* EVP_CIPHER_fetch's */
    uint64_t nonce_limit;     /* random nonces a key */
    uint64_t text_limit;      /* plaintext bytes a nonce */
};

extern const struct kw_suite kw_suites[KW_SUITE_COUNT];

/* Owned by the process. */
struct kw_crypto_algorithms {
    EVP_CIPHER *aead[KW_SUITE_COUNT];
    EVP_MD *sha256;
    EVP_MAC *hmac;
    EVP_KDF *scrypt;
    EVP_CIPHER *kwp; /* RFC 5649 with AES-256 */
};

/* Owned by the calling thread. */
struct kw_crypto_context {
    EVP_CIPHER_CTX *aead[KW_SUITE_COUNT];
    EVP_MD_CTX *sha256;
    EVP_MAC_CTX *hmac;
};

/* KW_CRYPTO if the library lacks an algorithm. */
KW_ERR kw_crypto_algorithms(const struct kw_crypto_algorithms **out, struct kw_error *err);

/* The calling thread's. */
KW_ERR kw_crypto_context(struct kw_crypto_context **out, struct kw_error *err);

/* The same, or NULL if the thread has none yet. */
struct kw_crypto_context *kw_crypto_context_made(void);

/* A context set up for the suite, without a key; NULL if it cannot be had. */
EVP_CIPHER_CTX *kw_crypto_cipher_new(const struct kw_crypto_algorithms *algorithms, size_t index);

/* KW_CRYPTO with what was tried and the library's reason. Empties the library's error queue, which
 * TLS on the same thread reads too. */
kw_code kw_crypto_fail(struct kw_error *err, const char *what);

#endif

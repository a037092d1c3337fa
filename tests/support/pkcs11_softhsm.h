/* A SoftHSM of the test's own: a folder, two tokens ("keyward" and "other"), root keys "eu" and
 * "us" on the first, and a way round the provider: what an administrator does with the HSM
 * meanwhile.
 *
 *     int main(void)
 *     {
 *         if (!kw_softhsm_start())
 *             return KW_SOFTHSM_SKIPPED;
 *         int failed = cmocka_run_group_tests(tests, NULL, NULL);
 *         kw_softhsm_stop();
 *         return failed;
 *
 * Helpers fail the cmocka test that calls them. Not thread-safe. */
#ifndef KW_TESTS_PKCS11_SOFTHSM_H
#define KW_TESTS_PKCS11_SOFTHSM_H

#include "cryptoki_faulty.h"
#include "pkcs11/pkcs11.h"

enum { KW_SOFTHSM_SKIPPED = 77 }; /* SoftHSM is not installed */

#define KW_SOFTHSM_TOKEN "keyward"
#define KW_SOFTHSM_PIN   "correct-horse-11"

bool kw_softhsm_start(void);
void kw_softhsm_stop(void);

/* Options of a provider; NULL: not set. */
struct kw_softhsm_options {
    const char *module;
    const char *token;
    const char *slot;
    const char *pin_file;
    const char *pin_env;
    const char *iv;
    const char *sessions;
};
/* Those that work, over the faulty module or over SoftHSM itself. */
struct kw_softhsm_options kw_softhsm_options(bool faulty);
/* Refers to options. */
struct kw_provider_settings kw_softhsm_settings(const struct kw_softhsm_options *options);
KW_ERR kw_softhsm_provider(const struct kw_softhsm_options *options, struct kw_provider **out,
                           struct kw_error *err);

/* The controls of the faulty module, all set back. */
struct kw_faulty *kw_softhsm_faults(void);
/* call fails times times with rv after skip times, or hangs. */
void kw_softhsm_fail(enum kw_faulty_call call, uint64_t skip, uint64_t times, unsigned long rv);

/* Writes text into a file of the folder, and gives its path, which the next call overwrites. */
const char *kw_softhsm_file(const char *name, const char *text);

struct kw_softhsm_key {
    const char *label;
    unsigned long bytes;
    bool extractable;
    bool insensitive;
    bool no_encrypt;
    bool generic; /* a secret, but no AES key */
};
void kw_softhsm_key_make(const struct kw_softhsm_key *key);
void kw_softhsm_keys_destroy(const char *label);
/* Is it sensitive and has always been, never extractable, private and of the token? */
bool kw_softhsm_key_is_locked_in(const char *label);
/* Behind the provider's back. */
void kw_softhsm_close_all_sessions(void);
void kw_softhsm_log_out(void);
void kw_softhsm_finalize(void);
/* The folder of the tokens is moved away, or back. */
void kw_softhsm_take_away(bool away);
/* Has the last provider finalised it? */
bool kw_softhsm_is_finalized(void);
/* The number of the token's slot, as text. */
const char *kw_softhsm_slot(void);

#endif

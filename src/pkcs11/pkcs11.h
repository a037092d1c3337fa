/* Root keys in an HSM, by PKCS#11 (OASIS, versions 2.40 and 3.0): provider kind "pkcs11".
 *
 * The module of the HSM's maker is loaded with dlopen. A root key is an AES-256 secret key on a
 * token, named by its label (call->key). It must be CKA_SENSITIVE and not CKA_EXTRACTABLE, else it
 * is refused. Wrapping is CKM_AES_GCM inside the token; the associated data is the call's context
 * (kw_provider_context_encode).
 *
 * Wrapped copy: format (1 byte), IV, ciphertext, tag (16). Format 1 has an IV of 12 bytes, format 2
 * one of 16: some modules choose the IV themselves and take 16. 96-bit random IVs allow 2^32 wraps
 * a root key (NIST SP 800-38D, 8.3).
 *
 * Options (docs/providers.md has them with examples):
 *   module    path of the module (required)
 *   token     label of the token; or slot: number of the slot (one of them)
 *   pin_file  file with the user PIN, whose last line end is dropped; or pin_env: name of a
 * variable iv        ours (default: 12 random bytes of ours) or module (it generates the IV and
 * hands it back) sessions  how many calls may be in the module at once: 1..64, default 8
 *
 * Threads and time: the module is called by threads of the provider's own, at most one for each
 * session, each with its own session. A call into a module cannot be cancelled: when the deadline
 * passes the caller gets KW_TIMEOUT, the thread stays until the module answers, and what it answers
 * is thrown away. While all threads are stuck so, calls fail with KW_PROVIDER_UNAVAILABLE at once.
 * A call without a deadline waits as long as the module does. A session, login or token that was
 * lost is made anew and the call repeated. A PIN that the token refused is not tried again until
 * file or variable has another, so that no token is locked by repetition; nor is the last try that
 * a token leaves ever taken. A provider is of the process that made it: in a forked child its calls
 * fail with KW_PROVIDER_UNAVAILABLE; the child makes its own. */
#ifndef KW_PKCS11_PKCS11_H
#define KW_PKCS11_PKCS11_H

#include "provider/settings.h"

/* Loads the module and makes the provider. The token is first called when the provider is: a token
 * that is away does not keep Keyward from starting. KW_BAD_CONFIG for settings that are wrong or a
 * module that does not load. Thread-safe. */
KW_ERR kw_provider_pkcs11_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                              struct kw_error *err);

#endif

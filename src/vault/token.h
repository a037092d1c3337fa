/* Who we are to a Vault: a token that is read, or logged in for, and renewed at half its lifetime.
 * Private to vault/. Thread-safe: one caller renews while others wait, each until its deadline. */
#ifndef KW_VAULT_TOKEN_H
#define KW_VAULT_TOKEN_H

#include "vault/site.h"

struct kw_vault_tokens;

/* Reads token_file, token_env, role_id, secret_id_file, approle_mount. KW_BAD_CONFIG: none of the
 * three ways is set, or more than one, or not well. */
KW_ERR kw_vault_tokens_new(const struct kw_provider_settings *settings,
                           struct kw_vault_tokens **out, struct kw_error *err);
void kw_vault_tokens_free(struct kw_vault_tokens *tokens);
KW_CLEANUP_FREE(kw_vault_tokens)

/* A copy of the token that is good now, terminated, and its number. Errors are those of a provider.
 */
KW_ERR kw_vault_tokens_get(struct kw_vault_tokens *tokens, const struct kw_vault_site *site,
                           int64_t deadline_ms, struct kw_secret *out, uint64_t *number,
                           struct kw_error *err);

/* The token with that number was refused: is there a newer one, or can one be had? false: no. */
bool kw_vault_tokens_refused(struct kw_vault_tokens *tokens, const struct kw_vault_site *site,
                             int64_t deadline_ms, uint64_t number);

#endif

/* Transit's requests and answers as texts, without any input or output. Private to vault/.
 *
 * Answers that are not what the API promises are KW_PROVIDER_UNAVAILABLE. Thread-safe. */
#ifndef KW_VAULT_CODEC_H
#define KW_VAULT_CODEC_H

#include "provider/provider.h"

/* Is text a name that Transit takes for a key: letters, digits, _ - and . (not first)? */
bool kw_vault_is_key_name(const char *text);
/* One or more such names with a slash between them: a mount. */
bool kw_vault_is_mount(const char *text);

/* Bodies, appended to out, which must be secret for those with a secret in them. */
void kw_vault_put_encrypt(struct kw_buf *out, const struct kw_provider_call *call,
                          const struct kw_secret *plaintext);
/* KW_SEAL_BROKEN: wrapped is not Transit's text in its one spelling. */
KW_ERR kw_vault_put_decrypt(struct kw_buf *out, const struct kw_provider_call *call,
                            struct kw_bytes wrapped, struct kw_error *err);
void kw_vault_put_create(struct kw_buf *out);
void kw_vault_put_login(struct kw_buf *out, const char *role_id, const struct kw_secret *secret_id);

/* Bodies of answers with status 200. */
KW_ERR kw_vault_get_ciphertext(struct kw_bytes body, struct kw_buf *out, struct kw_error *err);
KW_ERR kw_vault_get_plaintext(struct kw_bytes body, struct kw_secret *out, struct kw_error *err);
/* A key that can be a root: KW_OK. KW_KEY_PENDING: deleted, but can be restored. KW_KEY_NOT_FOUND:
 * of a type that binds no context. */
KW_ERR kw_vault_check_key(struct kw_bytes body, const char *key, struct kw_error *err);

struct kw_vault_lease {
    uint64_t seconds; /* 0: for ever */
    bool renewable;
};
/* Of a login or a renewal: the token, terminated, if token is not NULL. */
KW_ERR kw_vault_get_token(struct kw_bytes body, struct kw_secret *token,
                          struct kw_vault_lease *lease, struct kw_error *err);
/* Of a look-up of one's own token. */
KW_ERR kw_vault_get_lease(struct kw_bytes body, struct kw_vault_lease *lease, struct kw_error *err);

/* What an answer with another status means; never KW_OK. */
kw_code kw_vault_error(int status, struct kw_bytes body, struct kw_error *err);

#endif

/* Root keys in the Transit engine of OpenBao or HashiCorp Vault.
 *
 * A root key is a Transit key (its name is the call's key) of an authenticated type; the context is
 * its associated_data. A wrapped copy is Transit's own text, vault:vN:BASE64, in its one spelling,
 * so that a key that is rotated there still opens what its earlier versions wrapped. Transit makes
 * a key that is missing when it is asked to encrypt: so each wrap first makes sure that it is
 * there.
 *
 * Settings:
 *   address          https://host:8200; http:// to this machine only (an agent)
 *   ca_file          trusted in place of the system's CAs
 *   cert_file, key_file  a client certificate, where the listener asks for one
 *   namespace        X-Vault-Namespace
 *   mount            of the Transit engine: transit
 *   token_file       the token, alone in a file; read again when it is refused (an agent's sink)
 *   token_env        or the name of the environment variable that holds it, read once
 *   role_id, secret_id_file, approle_mount   or an AppRole to log in with (mount: approle)
 * Tokens that can be are renewed at half their lifetime.
 *
 * Errors: those of provider.h. A sealed, busy or failing server is retryable. */
#ifndef KW_VAULT_VAULT_H
#define KW_VAULT_VAULT_H

#include "provider/settings.h"

/* KW_BAD_CONFIG names the setting that is missing or wrong. Nothing is asked yet. */
KW_ERR kw_provider_vault_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                             struct kw_error *err);

#endif

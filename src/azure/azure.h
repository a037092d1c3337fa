/* Root keys in Azure Key Vault (and Managed HSM): provider kind "azure".
 *
 * A root key is an RSA key of one vault, named NAME, or NAME/VERSION to hold on to one version.
 * Wrapping is wrapkey with RSA-OAEP-256. RSA authenticates no context, so what is wrapped is the
 * plaintext followed by SHA-256 of the context (kw_provider_context_encode), compared in constant
 * time on unwrapping. Key Vault still wraps under a disabled key: so the key's attributes are asked
 * for before wrapping, and believed for a second.
 *
 * Wrapped copy, integers big-endian:
 *   format          1 byte: 1, or 2 where the plaintext is too long for RSA (more than 158 bytes)
 *   name, version   each its length (u16) and its text: which key version unwraps
 *   value           its length (u16) and Key Vault's bytes
 *   sealed          format 2 alone: the plaintext under AES-256-GCM with the key that is in value,
 * used once (nonce 0), the associated data being all before it; ciphertext, tag (16) checksum 4
 * bytes: CRC-32C of all before it, so that damage is not taken for a missing key The version in the
 * copy is what unwraps, whatever version is current then.
 *
 * Settings:
 *   vault              https://NAME.vault.azure.net
 *   client_id          the application (service principal)
 *   client_secret_file its secret, alone in a file, read again for each token; or
 *   client_secret_env  the name of the environment variable that holds it, read once
 *   tenant             the directory; the one that the vault names, if not set
 *   authority          https://login.microsoftonline.com
 *   key_type           of a key that Keyward makes: RSA-HSM (a Premium vault), or RSA
 *   ca_file            trusted in place of the system's CAs
 *
 * Which resource a token is for is learned from the vault's challenge, and believed only if the
 * vault lies in that resource's domain: a token goes nowhere else. The secret goes to authority
 * alone. An operation is one request to the vault, and before a wrap one for the key's attributes
 * unless they are known; where a token is refused, one more with another. Errors: those of
 * provider.h; whether and where what may pass is tried again is decided by who routes.
 */
#ifndef KW_AZURE_AZURE_H
#define KW_AZURE_AZURE_H

#include "provider/settings.h"

/* KW_BAD_CONFIG names the setting that is missing or wrong. Nothing is asked yet. */
KW_ERR kw_provider_azure_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                             struct kw_error *err);

#endif

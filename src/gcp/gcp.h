/* Root keys in Google Cloud KMS: provider kind "gcp".
 *
 * A root key is a symmetric key (purpose ENCRYPT_DECRYPT), named in full:
 * projects/P/locations/L/keyRings/R/cryptoKeys/K. Its primary version wraps; Google finds the
 * version that unwraps, so that a key that is rotated there still opens what its earlier versions
 * wrapped. The context is the additional authenticated data (kw_provider_context_encode); a wrapped
 * copy is Google's ciphertext. CRC-32C goes with every text in both directions, and what does not
 * match is a failure that may pass.
 *
 * Settings:
 *   credentials_file  a service account's key file (JSON), read again for each token; without it,
 *                     the metadata server of the machine (Compute Engine, GKE) is asked
 *   address           https://cloudkms.googleapis.com, or a private or regional endpoint
 *   ca_file           trusted in place of the system's CAs
 *   metadata_address  http://169.254.169.254
 *
 * With a key file tokens are made here: a JWT (RFC 7519), signed with RS256, is the access token.
 * An operation is one request; where a token is refused, one more with another. Errors: those of
 * provider.h; whether and where what may pass is tried again is decided by who routes.
 */
#ifndef KW_GCP_GCP_H
#define KW_GCP_GCP_H

#include "provider/settings.h"

/* KW_BAD_CONFIG names the setting that is wrong. Nothing is asked yet. */
KW_ERR kw_provider_gcp_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                           struct kw_error *err);

#endif

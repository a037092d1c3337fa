/* Another Keyward as root: a tenant key there wraps ours, through its native API.
 *
 * A root key is named TENANT/REGION, as the other authority has them. A wrapped copy is an envelope
 * of POST /v1/seal; the call's context is its context. The other authority records each use in its
 * ledger, and refuses when it has suspended the tenant or disabled the key: that is how a customer
 * who runs a Keyward holds the root of a provider's.
 *
 * Settings:
 *   address          https://host:8443; http:// is not accepted
 *   ca_file          the other authority's CA (its tls/ca.crt)
 *   cert_file, key_file   the client certificate that it has issued for us, or
 *   token_file       a token of it, alone in a file, read for each call
 *   class            the data class under which it seals (default: default)
 * What we are there needs the role service, for that tenant.
 *
 * Errors: those of provider.h. */
#ifndef KW_PEER_PEER_H
#define KW_PEER_PEER_H

#include "provider/settings.h"

/* KW_BAD_CONFIG names the setting that is missing or wrong. Nothing is asked yet. */
KW_ERR kw_provider_peer_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                            struct kw_error *err);

#endif

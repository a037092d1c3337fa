/* The server: where it is and one request to it. Private to vault/. Thread-safe. */
#ifndef KW_VAULT_SITE_H
#define KW_VAULT_SITE_H

#include "provider/settings.h"
#include "web/web.h"

struct kw_vault_site {
    struct kw_web *web;
    struct kw_buf address; /* scheme://host:port */
    char *name_space;      /* or NULL */
    char who[64];          /* "the Vault of provider NAME" */
};

/* Reads address, ca_file, cert_file, key_file, namespace. site must be zero. */
KW_ERR kw_vault_site_init(struct kw_vault_site *site, const struct kw_provider_settings *settings,
                          struct kw_error *err);
void kw_vault_site_wipe(struct kw_vault_site *site);

struct kw_vault_ask {
    const char *method;
    const char *path;              /* /v1/... */
    const struct kw_secret *token; /* NULL: a login */
    struct kw_bytes body;
    int64_t deadline_ms;
};

/* One try. KW_OK: an answer of whatever status. Errors are those of a provider. */
KW_ERR kw_vault_site_ask(const struct kw_vault_site *site, const struct kw_vault_ask *ask,
                         struct kw_web_response *response, struct kw_error *err);

#endif

#include "vault/site.h"

enum { ANSWER_MAX = 65536 };

KW_ERR kw_vault_site_init(struct kw_vault_site *site, const struct kw_provider_settings *settings,
                          struct kw_error *err)
{
    const char *address = kw_provider_setting(settings, "address");
    const char *name_space = kw_provider_setting(settings, "namespace");
    if (address == NULL)
        return kw_fail(err, KW_BAD_CONFIG, "address is not set: it looks like https://host:8200");
    KW_TRY(kw_web_endpoint(address, &site->address, err));
    if (name_space != NULL && (site->name_space = strdup(name_space)) == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    snprintf(site->who, sizeof site->who, "the Vault of provider %s", settings->name);
    const struct kw_web_options options = {
        .ca_file = kw_provider_setting(settings, "ca_file"),
        .cert_file = kw_provider_setting(settings, "cert_file"),
        .key_file = kw_provider_setting(settings, "key_file"),
        .tls12 = true,
        .plain = true, /* the address has been looked at */
        .who = site->who,
    };
    return kw_web_new(&options, &site->web, err);
}

void kw_vault_site_wipe(struct kw_vault_site *site)
{
    kw_web_free(site->web);
    kw_buf_wipe(&site->address);
    free(site->name_space);
}

KW_ERR kw_vault_site_ask(const struct kw_vault_site *site, const struct kw_vault_ask *ask,
                         struct kw_web_response *response, struct kw_error *err)
{
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    struct kw_web_header headers[4];
    size_t count = 0;
    kw_buf_append(&url, site->address.data, site->address.len);
    kw_buf_append_str(&url, ask->path);
    KW_TRY(kw_buf_status(&url, err));
    headers[count++] =
        (struct kw_web_header){"X-Vault-Request", "true"}; /* an agent may demand it */
    if (ask->body.len > 0)
        headers[count++] = (struct kw_web_header){"Content-Type", "application/json"};
    if (ask->token != NULL)
        headers[count++] = (struct kw_web_header){"X-Vault-Token", (const char *)ask->token->data};
    if (site->name_space != NULL)
        headers[count++] = (struct kw_web_header){"X-Vault-Namespace", site->name_space};
    const struct kw_web_request request = {
        .method = ask->method,
        .url = kw_buf_str(&url),
        .headers = headers,
        .header_count = count,
        .body = ask->body,
        .max = ANSWER_MAX,
        .deadline_ms = ask->deadline_ms,
    };
    return kw_web_call(site->web, &request, response, err);
}

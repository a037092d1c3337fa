/* Settings. */
#include "azure/internal.h"

#include "provider/bearer.h"

enum { SECRET_MAX = 1024 };

static const char *setting(const struct kw_provider_settings *settings, const char *option,
                           const char *otherwise)
{
    const char *value = kw_provider_setting(settings, option);
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

static KW_ERR bad_setting(const struct kw_provider_settings *settings, const char *option,
                          const struct kw_error *why, struct kw_error *err)
{
    return kw_fail(err, KW_BAD_CONFIG, "provider %s: %s: %.250s", settings->name, option,
                   why->text);
}

/* https alone: a token, and the secret, go there. */
static KW_ERR read_address(const struct kw_provider_settings *settings, const char *option,
                           const char *otherwise, char out[KW_AZURE_ADDRESS_SIZE],
                           struct kw_error *err)
{
    KW_AUTO(kw_buf) address = KW_BUF_INIT;
    struct kw_error why;
    const char *text = setting(settings, option, otherwise);
    if (text == NULL)
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: set %s", settings->name, option);
    if (kw_web_address(text, false, false, &address, &why) != KW_OK)
        return bad_setting(settings, option, &why, err);
    if (address.len >= KW_AZURE_ADDRESS_SIZE)
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: %s is too long", settings->name, option);
    memcpy(out, address.data, address.len);
    out[address.len] = '\0';
    return KW_OK;
}

/* An identifier, fit for a URL as it is. */
static KW_ERR read_id(const struct kw_provider_settings *settings, const char *option,
                      bool required, char out[128], struct kw_error *err)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    const char *text = setting(settings, option, NULL);
    if (text == NULL && !required)
        return KW_OK;
    size_t len = text != NULL ? strspn(text, word) : 0;
    if (len == 0 || len > 127 || text[len] != '\0')
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: %s has 1 to 127 letters, digits, - . or _",
                       settings->name, option);
    memcpy(out, text, len + 1);
    return KW_OK;
}

static KW_ERR read_type(const struct kw_provider_settings *settings, struct kw_azure *out,
                        struct kw_error *err)
{
    const char *type = setting(settings, "key_type", "RSA-HSM");
    if (strcmp(type, "RSA-HSM") != 0 && strcmp(type, "RSA") != 0)
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: key_type is RSA-HSM or RSA",
                       settings->name);
    snprintf(out->key_type, sizeof out->key_type, "%s", type);
    return KW_OK;
}

static KW_ERR read_variable(const struct kw_provider_settings *settings, const char *variable,
                            struct kw_azure *out, struct kw_error *err)
{
    const char *value = getenv(variable);
    size_t len = value != NULL ? strnlen(value, SECRET_MAX + 1) : 0;
    if (len == 0 || len > SECRET_MAX)
        return kw_fail(err, KW_BAD_CONFIG,
                       "provider %s: client_secret_env: the variable %.60s must have 1 to %d bytes",
                       settings->name, variable, SECRET_MAX);
    return kw_secret_copy(&out->secret, value, len, err);
}

static KW_ERR read_secret(const struct kw_provider_settings *settings, struct kw_azure *out,
                          struct kw_error *err)
{
    const char *file = setting(settings, "client_secret_file", NULL);
    const char *variable = setting(settings, "client_secret_env", NULL);
    if ((file == NULL) == (variable == NULL))
        return kw_fail(err, KW_BAD_CONFIG,
                       "provider %s: set client_secret_file or client_secret_env, one of them",
                       settings->name);
    if (variable != NULL)
        return read_variable(settings, variable, out, err);
    out->secret_file = strdup(file);
    return out->secret_file != NULL ? KW_OK : kw_fail_code(err, KW_NO_MEMORY);
}

static KW_ERR open_web(const struct kw_provider_settings *settings, struct kw_azure *out,
                       struct kw_error *err)
{
    const struct kw_web_options options = {
        .ca_file = kw_provider_setting(settings, "ca_file"),
        .tls12 = true,
        .who = "Azure Key Vault",
        .address_option = "vault",
        .ca_option = "ca_file",
    };
    struct kw_error why;
    kw_code code = kw_web_new(&options, &out->web, &why);
    return code == KW_OK ? KW_OK : bad_setting(settings, "ca_file", &why, err);
}

KW_ERR kw_azure_open(const struct kw_provider_settings *settings, struct kw_azure *out,
                     struct kw_error *err)
{
    pthread_mutex_init(&out->lock, NULL);
    KW_TRY(read_address(settings, "vault", NULL, out->vault, err));
    KW_TRY(read_address(settings, "authority", "https://login.microsoftonline.com", out->authority,
                        err));
    KW_TRY(read_id(settings, "tenant", false, out->tenant, err));
    KW_TRY(read_id(settings, "client_id", true, out->client_id, err));
    KW_TRY(read_type(settings, out, err));
    KW_TRY(read_secret(settings, out, err));
    KW_TRY(open_web(settings, out, err));
    return kw_bearer_new(kw_azure_fetch_token, out, &out->bearer, err);
}

void kw_azure_close(struct kw_azure *azure)
{
    kw_bearer_free(azure->bearer);
    kw_web_free(azure->web);
    kw_secret_wipe(&azure->secret);
    free(azure->secret_file);
    pthread_mutex_destroy(&azure->lock);
}

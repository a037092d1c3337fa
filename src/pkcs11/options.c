#include "pkcs11/internal.h"

#include "base/encode.h"

static KW_ERR copy_text(const struct kw_provider_settings *settings, const char *option, char *out,
                        size_t size, struct kw_error *err)
{
    const char *value = kw_provider_setting(settings, option);
    if (value == NULL)
        return KW_OK;
    size_t len = strnlen(value, size);
    if (len == 0 || len == size)
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: %s has 1 to %zu bytes", settings->name,
                       option, size - 1);
    memcpy(out, value, len + 1);
    return KW_OK;
}

static KW_ERR read_number(const struct kw_provider_settings *settings, const char *option,
                          uint64_t max, uint64_t *out, struct kw_error *err)
{
    const char *value = kw_provider_setting(settings, option);
    if (value != NULL && kw_parse_u64(kw_bytes_str(value), max, out, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: %s is a number up to %llu", settings->name,
                       option, (unsigned long long)max);
    return KW_OK;
}

static KW_ERR read_token(const struct kw_provider_settings *settings, struct kw_p11_options *out,
                         struct kw_error *err)
{
    uint64_t slot = 0;
    bool by_slot = kw_provider_setting(settings, "slot") != NULL;
    KW_TRY(copy_text(settings, "token", out->token, sizeof out->token, err));
    KW_TRY(read_number(settings, "slot", UINT32_MAX, &slot, err));
    if (by_slot == (out->token[0] != '\0'))
        return kw_fail(err, KW_BAD_CONFIG,
                       "provider %s: set either token (its label) or slot (its number)",
                       settings->name);
    out->slot = (CK_SLOT_ID)slot;
    if (by_slot)
        snprintf(out->where, sizeof out->where, "provider %.20s, slot %lu", settings->name,
                 out->slot);
    else
        snprintf(out->where, sizeof out->where, "provider %.20s, token %.24s", settings->name,
                 out->token);
    return KW_OK;
}

static KW_ERR read_pin_source(const struct kw_provider_settings *settings,
                              struct kw_p11_options *out, struct kw_error *err)
{
    KW_TRY(copy_text(settings, "pin_file", out->pin_file, sizeof out->pin_file, err));
    KW_TRY(copy_text(settings, "pin_env", out->pin_env, sizeof out->pin_env, err));
    if (out->pin_file[0] != '\0' && out->pin_env[0] != '\0')
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: set pin_file or pin_env, not both",
                       settings->name);
    return KW_OK;
}

static KW_ERR read_iv(const struct kw_provider_settings *settings, struct kw_p11_options *out,
                      struct kw_error *err)
{
    const char *iv = kw_provider_setting(settings, "iv");
    if (iv == NULL || strcmp(iv, "ours") == 0)
        return KW_OK;
    if (strcmp(iv, "module") != 0)
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: iv is ours or module", settings->name);
    out->module_iv = true;
    return KW_OK;
}

KW_ERR kw_p11_options_read(const struct kw_provider_settings *settings, struct kw_p11_options *out,
                           struct kw_error *err)
{
    struct kw_p11_options options = {0};
    uint64_t sessions = KW_P11_SESSIONS_DEFAULT;
    KW_TRY(copy_text(settings, "module", options.module, sizeof options.module, err));
    if (options.module[0] == '\0')
        return kw_fail(err, KW_BAD_CONFIG,
                       "provider %s: set module to the path of the HSM's PKCS#11 library",
                       settings->name);
    KW_TRY(read_token(settings, &options, err));
    KW_TRY(read_pin_source(settings, &options, err));
    KW_TRY(read_iv(settings, &options, err));
    KW_TRY(read_number(settings, "sessions", KW_P11_SESSIONS_MAX, &sessions, err));
    if (sessions == 0)
        return kw_fail(err, KW_BAD_CONFIG, "provider %s: sessions is 1 to %d", settings->name,
                       KW_P11_SESSIONS_MAX);
    options.sessions = (unsigned)sessions;
    *out = options;
    return KW_OK;
}

static KW_ERR read_pin_file(const struct kw_p11_options *options, struct kw_secret *out,
                            struct kw_error *err)
{
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    struct kw_error why;
    if (kw_file_read_secret(options->pin_file, KW_P11_PIN_MAX, &text, &why) != KW_OK)
        return kw_fail(err, KW_FORBIDDEN, "%s: no PIN: %.200s", options->where, why.text);
    size_t len = text.len;
    if (len > 0 && text.data[len - 1] == '\n')
        len--;
    if (len > 0 && text.data[len - 1] == '\r')
        len--;
    if (len == 0)
        return kw_fail(err, KW_FORBIDDEN, "%s: no PIN: %.200s is empty", options->where,
                       options->pin_file);
    return kw_secret_copy(out, text.data, len, err);
}

KW_ERR kw_p11_pin_read(const struct kw_p11_options *options, struct kw_secret *out,
                       struct kw_error *err)
{
    if (options->pin_file[0] != '\0')
        return read_pin_file(options, out, err);
    if (options->pin_env[0] == '\0')
        return kw_fail(err, KW_FORBIDDEN, "%s wants a PIN: set pin_file or pin_env",
                       options->where);
    const char *value = getenv(options->pin_env);
    size_t len = value != NULL ? strnlen(value, KW_P11_PIN_MAX + 1) : 0;
    if (len == 0 || len > KW_P11_PIN_MAX)
        return kw_fail(err, KW_FORBIDDEN, "%s: no PIN: the variable %s must have 1 to %d bytes",
                       options->where, options->pin_env, KW_P11_PIN_MAX);
    return kw_secret_copy(out, value, len, err);
}

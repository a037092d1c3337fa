#include "cli/command.h"

#include "base/encode.h"

const struct kw_cli_option kw_cli_common[] = {
    {"data", 0, "DIR", "work on the authority in this folder, without a server"},
    {"passphrase-file", 0, "FILE", "its first line opens the root key [KEYWARD_PASSPHRASE_FILE]"},
    {"addr", 0, "URL", "the server [KEYWARD_ADDR, https://127.0.0.1:8443]"},
    {"cacert", 0, "FILE", "trust this CA alone [KEYWARD_CACERT]"},
    {"cert", 0, "FILE", "client certificate [KEYWARD_CERT]"},
    {"key", 0, "FILE", "its private key [KEYWARD_KEY]"},
    {"token-file", 0, "FILE", "bearer token [KEYWARD_TOKEN has the token itself]"},
    {"json", 0, NULL, "print JSON"},
    {"help", 'h', NULL, "print this help"},
    {NULL, 0, NULL, NULL},
};

const char *kw_cli_value_at(const struct kw_invocation *in, const char *name, unsigned i)
{
    for (unsigned v = 0; v < in->value_count; v++)
        if (strcmp(in->values[v].option->name, name) == 0 && i-- == 0)
            return in->values[v].value;
    return NULL;
}

const char *kw_cli_value(const struct kw_invocation *in, const char *name)
{
    for (unsigned v = in->value_count; v-- > 0;)
        if (strcmp(in->values[v].option->name, name) == 0)
            return in->values[v].value;
    return NULL;
}

bool kw_cli_flag(const struct kw_invocation *in, const char *name)
{
    return kw_cli_value(in, name) != NULL;
}

KW_ERR kw_cli_required(const struct kw_invocation *in, const char *name, const char **out,
                       struct kw_error *err)
{
    const char *value = kw_cli_value(in, name);
    if (value == NULL || value[0] == '\0')
        return kw_fail(err, KW_USAGE, "--%s is missing: try 'keyward %s --help'", name,
                       in->command->name);
    *out = value;
    return KW_OK;
}

KW_ERR kw_cli_number(const struct kw_invocation *in, const char *name, uint64_t max, uint64_t *out,
                     struct kw_error *err)
{
    const char *value = kw_cli_value(in, name);
    if (value == NULL)
        return KW_OK;
    struct kw_error why = {0};
    kw_code code = kw_parse_u64(kw_bytes_str(value), max, out, &why);
    if (code != KW_OK)
        return kw_fail(err, KW_USAGE, "--%s: %s", name, why.text);
    return KW_OK;
}

const char *kw_cli_passphrase_file(const struct kw_invocation *in)
{
    const char *given = kw_cli_value(in, "passphrase-file");
    return given != NULL ? given : getenv("KEYWARD_PASSPHRASE_FILE");
}

KW_ERR kw_cli_key_name(const char *text, struct kw_key_name *out, struct kw_error *err)
{
    const char *slash = strchr(text, '/');
    size_t tenant = slash != NULL ? (size_t)(slash - text) : 0;
    if (tenant == 0 || tenant >= sizeof out->tenant || slash[1] == '\0' ||
        strlen(slash + 1) >= sizeof out->region || strchr(slash + 1, '/') != NULL)
        return kw_fail(err, KW_USAGE, "'%.80s' is not TENANT/REGION, such as acme/eu", text);
    snprintf(out->tenant, sizeof out->tenant, "%.*s", (int)tenant, text);
    snprintf(out->region, sizeof out->region, "%s", slash + 1);
    return KW_OK;
}

const char *kw_cli_str(const struct kw_json *object, const char *name)
{
    const struct kw_json *member = kw_json_get(object, name);
    return member != NULL && (member->type == KW_JSON_STRING || member->type == KW_JSON_NUMBER)
               ? member->text
               : "";
}

uint64_t kw_cli_uint(const struct kw_json *object, const char *name)
{
    uint64_t value = 0;
    struct kw_error ignored;
    const struct kw_json *member = kw_json_get(object, name);
    if (member != NULL && member->type == KW_JSON_NUMBER &&
        kw_parse_u64(kw_bytes(member->text, member->len), UINT64_MAX, &value, &ignored) != KW_OK)
        return 0;
    return value;
}

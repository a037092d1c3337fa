#include "azure/challenge.h"

enum { PARAMETERS_MAX = 16 };

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

static void skip_spaces(struct kw_bytes *in)
{
    while (in->len > 0 && (in->data[0] == ' ' || in->data[0] == '\t')) {
        in->data++;
        in->len--;
    }
}

static bool skip(struct kw_bytes *in, char c)
{
    skip_spaces(in);
    if (in->len == 0 || in->data[0] != (uint8_t)c)
        return false;
    in->data++;
    in->len--;
    return true;
}

/* A run of letters, digits, - . and _. */
static struct kw_bytes take_token(struct kw_bytes *in)
{
    size_t len = 0;
    skip_spaces(in);
    while (len < in->len && in->data[len] != 0 && strchr(letters, in->data[len]) != NULL)
        len++;
    struct kw_bytes token = kw_bytes(in->data, len);
    in->data += len;
    in->len -= len;
    return token;
}

/* A quoted text without escapes, which no address needs; false: it has no such form. */
static bool take_quoted(struct kw_bytes *in, struct kw_bytes *out)
{
    if (!skip(in, '"'))
        return false;
    const uint8_t *end = in->len > 0 ? memchr(in->data, '"', in->len) : NULL;
    if (end == NULL || memchr(in->data, '\\', (size_t)(end - in->data)) != NULL)
        return false;
    *out = kw_bytes(in->data, (size_t)(end - in->data));
    in->len -= out->len + 1;
    in->data += out->len + 1;
    return true;
}

struct parameters {
    struct kw_bytes authorization;
    struct kw_bytes resource;
    struct kw_bytes scope;
};

static bool name_is(struct kw_bytes name, const char *text)
{
    return name.len == strlen(text) && strncasecmp((const char *)name.data, text, name.len) == 0;
}

static bool take_parameter(struct kw_bytes *in, struct parameters *out)
{
    struct kw_bytes value;
    struct kw_bytes name = take_token(in);
    if (name.len == 0 || !skip(in, '='))
        return false;
    skip_spaces(in);
    if (in->len > 0 && in->data[0] != '"')
        value = take_token(in);
    else if (!take_quoted(in, &value))
        return false;
    if (name_is(name, "authorization") || name_is(name, "authorization_uri"))
        out->authorization = value;
    else if (name_is(name, "resource"))
        out->resource = value;
    else if (name_is(name, "scope"))
        out->scope = value;
    return true;
}

static bool take_all(struct kw_bytes in, struct parameters *out)
{
    if (!name_is(take_token(&in), "Bearer"))
        return false;
    for (int i = 0; i < PARAMETERS_MAX; i++) {
        if (!take_parameter(&in, out))
            return false;
        skip_spaces(&in);
        if (in.len == 0)
            return true;
        if (!skip(&in, ','))
            return false;
    }
    return false;
}

/* The host of https://HOST[:PORT][/...], without its port; empty if it is no such text. */
static struct kw_bytes host_of(struct kw_bytes address)
{
    static const char scheme[] = "https://";
    size_t len = 0;
    if (address.len <= sizeof scheme - 1 || memcmp(address.data, scheme, sizeof scheme - 1) != 0)
        return kw_bytes(NULL, 0);
    const uint8_t *host = address.data + sizeof scheme - 1;
    size_t left = address.len - (sizeof scheme - 1);
    while (len < left && host[len] != 0 && strchr(letters, host[len]) != NULL)
        len++;
    bool ends = len == left || host[len] == '/' || host[len] == ':';
    return ends ? kw_bytes(host, len) : kw_bytes(NULL, 0);
}

/* x.vault.azure.net lies within vault.azure.net, and neither in another nor in itself. */
static bool lies_within(struct kw_bytes host, struct kw_bytes domain)
{
    if (domain.len == 0 || memchr(domain.data, '.', domain.len) == NULL ||
        host.len <= domain.len + 1)
        return false;
    size_t before = host.len - domain.len;
    return host.data[before - 1] == '.' && strncasecmp((const char *)host.data + before,
                                                       (const char *)domain.data, domain.len) == 0;
}

/* The first part of the path of https://login.microsoftonline.com/TENANT. */
static void read_tenant(struct kw_bytes authorization, struct kw_azure_challenge *out)
{
    struct kw_bytes host = host_of(authorization);
    if (host.len == 0)
        return;
    const uint8_t *end = authorization.data + authorization.len;
    const uint8_t *at = host.data + host.len;
    at = memchr(at, '/', (size_t)(end - at));
    if (at == NULL)
        return;
    struct kw_bytes rest = kw_bytes(at + 1, (size_t)(end - at) - 1);
    struct kw_bytes tenant = take_token(&rest);
    if (tenant.len < sizeof out->tenant && (rest.len == 0 || rest.data[0] == '/')) {
        memcpy(out->tenant, tenant.data, tenant.len);
        out->tenant[tenant.len] = '\0';
    }
}

KW_ERR kw_azure_challenge_read(struct kw_bytes value, const char *vault,
                               struct kw_azure_challenge *out, struct kw_error *err)
{
    struct parameters found = {.authorization = kw_bytes(NULL, 0)};
    struct kw_azure_challenge challenge = {.tenant = ""};
    if (!take_all(value, &found))
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "Azure Key Vault: its challenge is no Bearer challenge: is vault right?");
    struct kw_bytes scope = found.scope.len > 0 ? found.scope : found.resource;
    if (!lies_within(host_of(kw_bytes_str(vault)), host_of(scope)))
        return kw_fail(
            err, KW_PROVIDER_UNAVAILABLE,
            "Azure Key Vault: it asks for a token for %.*s, which is not its own domain: "
            "none is given to it; is vault right?",
            (int)(scope.len < 100 ? scope.len : 100),
            scope.data != NULL ? (const char *)scope.data : "");
    size_t len = scope.len;
    while (found.scope.len == 0 && scope.data != NULL && len > 0 && scope.data[len - 1] == '/')
        len--;
    const char *all = found.scope.len > 0 ? "" : "/.default";
    if (len + strlen(all) >= sizeof challenge.scope)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "Azure Key Vault: its challenge is too long");
    snprintf(challenge.scope, sizeof challenge.scope, "%.*s%s", (int)len, (const char *)scope.data,
             all);
    read_tenant(found.authorization, &challenge);
    *out = challenge;
    return KW_OK;
}

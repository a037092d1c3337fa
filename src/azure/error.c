/* What errors of the vault and of the authority mean. */
#include "azure/codec.h"

#include "json/json.h"

enum { SAID_MAX = 180, DEPTH_MAX = 4 };

struct said {
    int http;
    const char *code; /* the innermost; "" where there is none */
    const char *message;
};

static kw_code fail(struct kw_error *err, kw_code code, const char *text, const struct said *said)
{
    return kw_fail(err, code, "%s (%d %.60s %.*s)", text, said->http, said->code, SAID_MAX,
                   said->message);
}

/* By the innermost word of the vault. */
static const struct {
    const char *word;
    kw_code code;
    const char *text;
} words[] = {
    {"KeyDisabled", KW_KEY_SUSPENDED, "the key in Azure Key Vault is disabled: enable it there"},
    {"KeyExpired", KW_KEY_SUSPENDED, "the key in Azure Key Vault has expired"},
    {"KeyNotYetValid", KW_KEY_SUSPENDED, "the key in Azure Key Vault is not valid yet"},
    {"KeyNotFound", KW_KEY_NOT_FOUND, "Azure Key Vault has no such key or version"},
    {"ObjectIsDeletedButRecoverable", KW_KEY_PENDING,
     "the key is deleted from Azure Key Vault and can be recovered there"},
    {"ObjectIsBeingDeleted", KW_KEY_PENDING, "the key is being deleted from Azure Key Vault"},
    {"ObjectIsBeingRecovered", KW_PROVIDER_UNAVAILABLE,
     "the key is being recovered in Azure Key Vault"},
    {"ForbiddenByFirewall", KW_FORBIDDEN,
     "Azure Key Vault's firewall refuses this machine: allow its address there"},
    {"Throttled", KW_RATE_LIMITED, "Azure Key Vault: too many requests for now"},
};

static kw_code by_status(const struct said *said, bool unwrapping, struct kw_error *err)
{
    switch (said->http) {
    case 400:
        if (unwrapping)
            return kw_fail(err, KW_SEAL_BROKEN,
                           "Azure Key Vault does not open this copy: altered, or wrapped under "
                           "another key");
        return fail(err, KW_FORBIDDEN, "Azure Key Vault refuses the request", said);
    case 401:
        return fail(err, KW_UNAUTHENTICATED, "Azure Key Vault refuses the access token", said);
    case 403:
        return fail(
            err, KW_FORBIDDEN,
            "Azure Key Vault does not permit this to the application: it needs get, wrapKey "
            "and unwrapKey (role Key Vault Crypto User)",
            said);
    case 404:
        return fail(err, KW_KEY_NOT_FOUND, "Azure Key Vault has no such key", said);
    case 429:
        return fail(err, KW_RATE_LIMITED, "Azure Key Vault: too many requests for now", said);
    default:
        return fail(err, KW_PROVIDER_UNAVAILABLE, "Azure Key Vault does not answer as it should",
                    said);
    }
}

/* error.code is general; error.innererror.code, nested, says more. */
static void innermost(const struct kw_json *error, struct said *said)
{
    (void)!kw_json_get_str(error, "message", false, &said->message, NULL);
    for (int depth = 0; error != NULL && depth < DEPTH_MAX; depth++) {
        (void)!kw_json_get_str(error, "code", false, &said->code, NULL);
        const struct kw_json *inner = kw_json_get(error, "innererror");
        error = inner != NULL ? inner : kw_json_get(error, "innerError");
    }
}

kw_code kw_azure_error(int status, struct kw_bytes body, bool unwrapping, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    struct said said = {.http = status, .code = "", .message = ""};
    if (kw_json_parse(&doc, body, NULL) == KW_OK)
        innermost(kw_json_get(doc.root, "error"), &said);
    for (size_t i = 0; i < KW_COUNT(words) && status != 401; i++)
        if (strcmp(said.code, words[i].word) == 0)
            return fail(err, words[i].code, words[i].text, &said);
    return by_status(&said, unwrapping, err);
}

/* RFC 6749, 5.2: error and error_description. */
kw_code kw_azure_login_error(int status, struct kw_bytes body, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    struct said said = {.http = status, .code = "", .message = ""};
    if (kw_json_parse(&doc, body, NULL) == KW_OK) {
        (void)!kw_json_get_str(doc.root, "error", false, &said.code, NULL);
        (void)!kw_json_get_str(doc.root, "error_description", false, &said.message, NULL);
    }
    if (status == 429)
        return fail(err, KW_RATE_LIMITED, "Microsoft Entra ID: too many requests for now", &said);
    if (strcmp(said.code, "temporarily_unavailable") == 0 || status == 408 || status < 400 ||
        status >= 500)
        return fail(err, KW_PROVIDER_UNAVAILABLE, "Microsoft Entra ID does not answer as it should",
                    &said);
    return fail(
        err, KW_FORBIDDEN,
        "Microsoft Entra ID refuses the application: see to tenant, client_id and its secret",
        &said);
}

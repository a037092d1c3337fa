/* Every route, in one place. The data plane stands first: it is looked for most. */
#include "api/internal.h"

#define USE     KW_RIGHT_USE_KEYS
#define READ    KW_RIGHT_READ
#define LOG     KW_RIGHT_READ_LEDGER
#define TENANTS KW_RIGHT_MANAGE_TENANTS
#define KEYS    KW_RIGHT_MANAGE_KEYS
#define ACCESS  KW_RIGHT_MANAGE_ACCESS

#define ROUTE(method, pattern, operation, right, kind, query, handler)                             \
    {                                                                                              \
        method, pattern, operation, right, KW_ROUTE_##kind, query, kw_handle_##handler             \
    }

// clang-format off
const struct kw_route kw_routes[] = {
    ROUTE("POST",   "/v1/data-keys/unwrap",   "UnwrapDataKey",   USE, DATA, NULL, unwrap),
    ROUTE("POST",   "/v1/data-keys/generate", "GenerateDataKey", USE, DATA, NULL, generate),
    ROUTE("POST",   "/v1/data-keys/rewrap",   "RewrapDataKey",   USE, DATA, NULL, rewrap),
    ROUTE("POST",   "/v1/seal",               "Seal",            USE, DATA, NULL, seal),
    ROUTE("POST",   "/v1/open",               "Open",            USE, DATA, NULL, open),
    ROUTE("POST",   "/v1/sign",               "SignMessage",     USE, TENANT, NULL, sign),
    ROUTE("GET",    "/v1/status",             "GetStatus",    READ,    CHECKED,  NULL, status),
    ROUTE("POST",   "/v1/flush",              "FlushKeyring", KEYS,    BLOCKING, NULL, flush),
    ROUTE("POST",   "/v1/cache/strict",       "SetCacheStrict", KEYS,  BLOCKING, NULL, cache_strict),
    ROUTE("POST",   "/v1/tenants",            "CreateTenant", TENANTS, ASKING, NULL, tenants_create),
    ROUTE("GET",    "/v1/tenants",            "ListTenants",  READ,    CHECKED,
          "prefix,limit,cursor", tenants_list),
    ROUTE("GET",    "/v1/tenants/{t}",         "GetTenant",     READ,    CHECKED,  NULL, tenant_get),
    ROUTE("POST",   "/v1/tenants/{t}/suspend", "SuspendTenant", TENANTS, BLOCKING, NULL, tenant_suspend),
    ROUTE("POST",   "/v1/tenants/{t}/resume",  "ResumeTenant",  TENANTS, BLOCKING, NULL, tenant_resume),
    ROUTE("POST",   "/v1/tenants/{t}/close",   "CloseTenant",   TENANTS, BLOCKING, NULL, tenant_close),
    ROUTE("POST",   "/v1/tenants/{t}/regions", "CreateKey",     TENANTS, ASKING, NULL, tenant_add_region),
    ROUTE("GET",    "/v1/tenants/{t}/keys",          "ListKeys", READ, CHECKED, NULL, keys_list),
    ROUTE("GET",    "/v1/tenants/{t}/keys/{region}", "GetKey",   READ, CHECKED, NULL, key_get),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/rotate",  "RotateKey",  KEYS, ASKING, NULL, key_rotate),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/disable", "DisableKey", KEYS, BLOCKING, NULL, key_disable),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/enable",  "EnableKey",  KEYS, BLOCKING, NULL, key_enable),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/schedule-destroy", "ScheduleKeyDestruction", KEYS,
          BLOCKING, NULL, key_schedule_destroy),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/cancel-destroy", "CancelKeyDestruction", KEYS,
          BLOCKING, NULL, key_cancel_destroy),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/import-offer", "OfferKeyImport", KEYS, ASKING, NULL,
          key_import_offer),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/import", "ImportKey", KEYS, ASKING, NULL, key_import),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/end-material", "EndKeyMaterial", KEYS, BLOCKING, NULL,
          key_end_material),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/attach", "AttachKey", KEYS, ASKING, NULL, key_attach),
    ROUTE("POST",   "/v1/tenants/{t}/keys/{region}/detach", "DetachKey", KEYS, ASKING, NULL, key_detach),
    ROUTE("GET",    "/v1/providers",              "ListProviders", READ, CHECKED, "copies", providers_list),
    ROUTE("POST",   "/v1/providers/{name}/check", "CheckProvider", KEYS, ASKING, NULL, provider_check),
    ROUTE("GET",    "/v1/costs", "GetCosts", READ, CHECKED, "from,to,tenant,limit,cursor", costs),
    ROUTE("POST",   "/v1/tokens",       "CreateToken",      ACCESS, BLOCKING, NULL, token_create),
    ROUTE("GET",    "/v1/tokens",       "ListTokens",       ACCESS, CHECKED,  NULL, tokens_list),
    ROUTE("DELETE", "/v1/tokens/{id}",  "RevokeToken",      ACCESS, BLOCKING, NULL, token_revoke),
    ROUTE("POST",   "/v1/certificates", "IssueCertificate", ACCESS, CHECKED,  NULL, certificate_issue),
    ROUTE("GET",    "/v1/certificates", "ListCertificates", ACCESS, CHECKED,  NULL, certificates_list),
    ROUTE("GET",    "/v1/ledger/checkpoint", "ReadCheckpoint",  LOG, CHECKED, NULL,    ledger_checkpoint),
    ROUTE("GET",    "/v1/ledger/vkey",       "ReadLedgerKey",   LOG, CHECKED, NULL,    ledger_vkey),
    ROUTE("GET",    "/v1/ledger/proof",      "ReadLedgerProof", LOG, CHECKED, "index", ledger_proof),
    ROUTE("GET",    "/v1/ledger/entry",      "ReadLedgerEntry", LOG, CHECKED, "index", ledger_entry),
    ROUTE("GET",    "/v1/ledger/tile/*",     "ReadLedgerTile",  LOG, CHECKED, NULL,    ledger_tile),
    ROUTE("GET",    "/openapi.json",         "GetDescription",  0,   PUBLIC,  NULL,    openapi),
    {0},
};
// clang-format on

static bool take_segment(const char **path, struct kw_route_params *params)
{
    size_t len = strcspn(*path, "/");
    if (len == 0 || len >= KW_API_PARAM_SIZE || params->count == KW_COUNT(params->value))
        return false;
    char *value = params->value[params->count++];
    memcpy(value, *path, len);
    value[len] = '\0';
    *path += len;
    return true;
}

static bool match(const char *pattern, const char *path, struct kw_route_params *params)
{
    params->count = 0;
    while (*pattern != '\0') {
        if (*pattern == '*') {
            params->rest = path;
            return *path != '\0';
        }
        if (*pattern == '{') {
            if (!take_segment(&path, params))
                return false;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

KW_ERR kw_route_find(const char *method, const char *path, const struct kw_route **out,
                     struct kw_route_params *params, struct kw_error *err)
{
    const struct kw_route *other = NULL;
    for (const struct kw_route *route = kw_routes; route->method != NULL; route++) {
        if (!match(route->pattern, path, params))
            continue;
        if (strcmp(route->method, method) == 0) {
            *out = route;
            return KW_OK;
        }
        other = route;
    }
    if (other == NULL)
        return kw_fail(err, KW_NOT_FOUND, "nothing is at this address: /openapi.json lists all");
    return kw_fail(err, KW_METHOD_NOT_ALLOWED, "this address takes %s, among others",
                   other->method);
}

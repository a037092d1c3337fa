#include "store_contract.h"

struct kw_tenant_row kw_test_tenant(const char *id)
{
    struct kw_tenant_row row = {.state = KW_TENANT_IS_ACTIVE,
                                .tier = KW_TIER_ENTERPRISE,
                                .labels = "{\"plan\":\"gold\"}",
                                .created_ms = 1700000000123,
                                .epoch = 1};
    snprintf(row.id, sizeof row.id, "%s", id);
    return row;
}

struct kw_key_row kw_test_key(uint64_t reference, const char *tenant, const char *region)
{
    struct kw_key_row row = {.reference = reference,
                             .state = KW_KEY_IS_ACTIVE,
                             .state_before = KW_KEY_IS_ACTIVE,
                             .suite = 1,
                             .custody = "managed",
                             .current_version = 1,
                             .created_ms = 1700000000456,
                             .epoch = 7};
    snprintf(row.tenant, sizeof row.tenant, "%s", tenant);
    snprintf(row.region, sizeof row.region, "%s", region);
    return row;
}

struct kw_version_row kw_test_version(uint64_t reference, uint32_t version)
{
    struct kw_version_row row = {.reference = reference,
                                 .version = version,
                                 .state = KW_KEY_IS_ACTIVE,
                                 .created_ms = 1700000000789};
    memset(row.commitment, (int)version, sizeof row.commitment);
    memset(row.sign_public, 0xa5, sizeof row.sign_public);
    return row;
}

struct kw_copy_row kw_test_copy(uint64_t reference, uint32_t version, const char *provider)
{
    struct kw_copy_row row = {
        .reference = reference, .version = version, .provider_key = "eu", .blob_len = 77};
    snprintf(row.provider, sizeof row.provider, "%s", provider);
    for (size_t i = 0; i < row.blob_len; i++)
        row.blob[i] = (uint8_t)(reference * 31 + version * 7 + i * 13);
    return row;
}

struct kw_token_row kw_test_token(const char *id)
{
    struct kw_token_row row = {.principal = "spiffe://example/billing",
                               .roles = "seal,open",
                               .tenants = "acme,globex",
                               .created_ms = 1,
                               .expires_ms = 2};
    snprintf(row.id, sizeof row.id, "%s", id);
    memset(row.hash, 0x5c, sizeof row.hash);
    return row;
}

struct kw_cost_row kw_test_cost(int64_t day, const char *tenant, const char *provider)
{
    struct kw_cost_row row = {
        .day = day, .region = "eu", .wraps = 3, .unwraps = 4, .failures = 1, .nano = 21000};
    snprintf(row.tenant, sizeof row.tenant, "%s", tenant);
    snprintf(row.provider, sizeof row.provider, "%s", provider);
    return row;
}

static KW_ERR add_all(struct kw_store *store, const char *id, uint64_t reference,
                      struct kw_error *err)
{
    const struct kw_tenant_row tenant = kw_test_tenant(id);
    const struct kw_key_row key = kw_test_key(reference, id, "eu");
    const struct kw_version_row version = kw_test_version(reference, 1);
    const struct kw_copy_row copy = kw_test_copy(reference, 1, "software");
    KW_TRY(kw_store_tenant_add(store, &tenant, err));
    KW_TRY(kw_store_key_add(store, &key, err));
    KW_TRY(kw_store_version_add(store, &version, err));
    return kw_store_copy_put(store, &copy, err);
}

KW_ERR kw_test_store_fill(struct kw_store *store, const char *id, uint64_t reference,
                          struct kw_error *err)
{
    KW_TRY(kw_store_begin(store, err));
    kw_code code = add_all(store, id, reference, err);
    if (code == KW_OK)
        return kw_store_commit(store, err);
    kw_store_rollback(store);
    return code;
}

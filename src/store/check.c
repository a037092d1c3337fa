#include "store/dispatch.h"

enum { KW_DAY_MAX = 1 << 28 }; /* its milliseconds are far within 64 bits */

/* A name has 1 to max printable ASCII characters without space: nothing that an index orders oddly
 * or a log shows wrongly. What a tenant may be called is decided further up, and more strictly. */
KW_ERR kw_name_check(const char *text, size_t max, const char *what, struct kw_error *err)
{
    size_t len = strnlen(text, max + 1);
    if (len == 0 || len > max)
        return kw_fail(err, KW_BAD_NAME, "a %s has 1 to %zu characters", what, max);
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return kw_fail(err, KW_BAD_NAME, "a %s has only printable ASCII characters", what);
    return KW_OK;
}

static KW_ERR name_or_none(const char *text, size_t max, const char *what, struct kw_error *err)
{
    return text[0] == '\0' ? KW_OK : kw_name_check(text, max, what, err);
}

static KW_ERR text_check(const char *text, size_t max, const char *what, struct kw_error *err)
{
    if (strnlen(text, max + 1) > max)
        return kw_fail(err, KW_TOO_LARGE, "%s: more than %zu bytes", what, max);
    return KW_OK;
}

static KW_ERR range_check(int64_t value, int64_t low, int64_t high, const char *what,
                          struct kw_error *err)
{
    if (value < low || value > high)
        return kw_fail(err, KW_INTERNAL, "%s is %lld, out of range", what, (long long)value);
    return KW_OK;
}

static KW_ERR reference_check(uint64_t reference, struct kw_error *err)
{
    if (reference == 0)
        return kw_fail(err, KW_INTERNAL, "a key reference is 0");
    return KW_OK;
}

static KW_ERR check_tenant(const void *any, struct kw_error *err)
{
    const struct kw_tenant_row *row = any;
    KW_TRY(kw_name_check(row->id, KW_TENANT_MAX, "tenant id", err));
    KW_TRY(
        range_check(row->state, KW_TENANT_IS_ACTIVE, KW_TENANT_IS_CLOSED, "a tenant's state", err));
    KW_TRY(range_check(row->tier, KW_TIER_STANDARD, KW_TIER_HYOK, "a tenant's tier", err));
    KW_TRY(text_check(row->labels, KW_LABELS_MAX, "a tenant's labels", err));
    if (row->labels[0] != '{')
        return kw_fail(err, KW_INTERNAL, "a tenant's labels are not a JSON object");
    return KW_OK;
}

/* tenant_state is read, never written; a row to be added need not have it. */
static KW_ERR check_key(const void *any, struct kw_error *err)
{
    const struct kw_key_row *row = any;
    KW_TRY(reference_check(row->reference, err));
    KW_TRY(kw_name_check(row->tenant, KW_TENANT_MAX, "tenant id", err));
    KW_TRY(kw_name_check(row->region, KW_REGION_MAX, "region", err));
    KW_TRY(range_check(row->state, KW_KEY_IS_PRE_ACTIVATION, KW_KEY_IS_DESTROYED, "a key's state",
                       err));
    KW_TRY(range_check(row->state_before, 0, KW_KEY_IS_DESTROYED, "a key's state before", err));
    KW_TRY(range_check(row->tenant_state, 0, KW_TENANT_IS_CLOSED, "a tenant's state", err));
    KW_TRY(kw_name_check(row->custody, sizeof row->custody - 1, "custody", err));
    KW_TRY(name_or_none(row->provider, KW_PROVIDER_MAX, "provider name", err));
    KW_TRY(name_or_none(row->provider_key, KW_PROVIDER_KEY_MAX, "provider key", err));
    return range_check(row->destroy_at_ms, 0, INT64_MAX, "a key's destruction time", err);
}

static KW_ERR check_version(const void *any, struct kw_error *err)
{
    const struct kw_version_row *row = any;
    KW_TRY(reference_check(row->reference, err));
    KW_TRY(range_check(row->version, 1, UINT32_MAX, "a version's number", err));
    KW_TRY(range_check(row->state, KW_KEY_IS_PRE_ACTIVATION, KW_KEY_IS_DESTROYED,
                       "a version's state", err));
    return range_check(row->expires_ms, 0, INT64_MAX, "a version's end", err);
}

static KW_ERR check_copy(const void *any, struct kw_error *err)
{
    const struct kw_copy_row *row = any;
    KW_TRY(reference_check(row->reference, err));
    KW_TRY(range_check(row->version, 1, UINT32_MAX, "a version's number", err));
    KW_TRY(kw_name_check(row->provider, KW_PROVIDER_MAX, "provider name", err));
    KW_TRY(kw_name_check(row->provider_key, KW_PROVIDER_KEY_MAX, "provider key", err));
    if (row->blob_len == 0 || row->blob_len > KW_COPY_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a wrapped copy has 1 to %d bytes", KW_COPY_MAX);
    return KW_OK;
}

static KW_ERR check_token(const void *any, struct kw_error *err)
{
    const struct kw_token_row *row = any;
    KW_TRY(kw_name_check(row->id, sizeof row->id - 1, "token id", err));
    KW_TRY(kw_name_check(row->principal, KW_PRINCIPAL_MAX, "principal", err));
    KW_TRY(text_check(row->roles, sizeof row->roles - 1, "a token's roles", err));
    KW_TRY(text_check(row->tenants, KW_SCOPE_MAX, "a token's tenants", err));
    return range_check(row->expires_ms, 0, INT64_MAX, "a token's expiry", err);
}

/* Calls for nobody in particular have no tenant, uses of a key no provider. */
static KW_ERR check_cost(const void *any, struct kw_error *err)
{
    const struct kw_cost_row *row = any;
    KW_TRY(range_check(row->day, 0, KW_DAY_MAX, "a day", err));
    KW_TRY(name_or_none(row->tenant, KW_TENANT_MAX, "tenant id", err));
    KW_TRY(kw_name_check(row->region, KW_REGION_MAX, "region", err));
    return name_or_none(row->provider, KW_PROVIDER_MAX, "provider name", err);
}

static const struct {
    kw_code (*check)(const void *row, struct kw_error *err);
    size_t size;
    kw_code missing;
} tables[KW_TABLE_COUNT] = {
    [KW_TABLE_TENANTS] = {check_tenant, sizeof(struct kw_tenant_row), KW_TENANT_NOT_FOUND},
    [KW_TABLE_KEYS] = {check_key, sizeof(struct kw_key_row), KW_KEY_NOT_FOUND},
    [KW_TABLE_VERSIONS] = {check_version, sizeof(struct kw_version_row), KW_VERSION_NOT_FOUND},
    [KW_TABLE_COPIES] = {check_copy, sizeof(struct kw_copy_row), KW_NOT_FOUND},
    [KW_TABLE_TOKENS] = {check_token, sizeof(struct kw_token_row), KW_NOT_FOUND},
    [KW_TABLE_COSTS] = {check_cost, sizeof(struct kw_cost_row), KW_NOT_FOUND},
};

static const enum kw_store_table found_in[KW_FIND_COUNT] = {
    [KW_FIND_TENANT] = KW_TABLE_TENANTS,
    [KW_FIND_TENANTS] = KW_TABLE_TENANTS,
    [KW_FIND_KEY] = KW_TABLE_KEYS,
    [KW_FIND_KEY_BY_REFERENCE] = KW_TABLE_KEYS,
    [KW_FIND_KEYS] = KW_TABLE_KEYS,
    [KW_FIND_KEYS_DUE] = KW_TABLE_KEYS,
    [KW_FIND_KEY_AHEAD] = KW_TABLE_KEYS,
    [KW_FIND_VERSIONS_LACKING] = KW_TABLE_VERSIONS,
    [KW_FIND_VERSIONS_EXPIRED] = KW_TABLE_VERSIONS,
    [KW_FIND_VERSION] = KW_TABLE_VERSIONS,
    [KW_FIND_VERSIONS] = KW_TABLE_VERSIONS,
    [KW_FIND_COPIES] = KW_TABLE_COPIES,
    [KW_FIND_TOKEN] = KW_TABLE_TOKENS,
    [KW_FIND_TOKENS] = KW_TABLE_TOKENS,
    [KW_FIND_COST] = KW_TABLE_COSTS,
    [KW_FIND_COSTS] = KW_TABLE_COSTS,
    [KW_FIND_COSTS_OF] = KW_TABLE_COSTS,
};

KW_ERR kw_row_check(enum kw_store_table table, const void *row, struct kw_error *err)
{
    return tables[table].check(row, err);
}

size_t kw_table_row_size(enum kw_store_table table)
{
    return tables[table].size;
}

kw_code kw_table_missing(enum kw_store_table table)
{
    return tables[table].missing;
}

enum kw_store_table kw_find_table(enum kw_store_find find)
{
    return found_in[find];
}

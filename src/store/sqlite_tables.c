#include "store/sqlite.h"

#define COLUMN(row, member, kind, settable)                                                        \
    {                                                                                              \
#member, kind, settable, offsetof(struct row, member), sizeof(((struct row *)0)->member),  \
            0                                                                                      \
    }

static const struct sq_column tenant_columns[] = {
    COLUMN(kw_tenant_row, id, SQ_TEXT, false),        COLUMN(kw_tenant_row, state, SQ_STATE, true),
    COLUMN(kw_tenant_row, tier, SQ_STATE, true),      COLUMN(kw_tenant_row, labels, SQ_TEXT, true),
    COLUMN(kw_tenant_row, created_ms, SQ_U64, false), COLUMN(kw_tenant_row, epoch, SQ_U64, true),
};

static const struct sq_column key_columns[] = {
    COLUMN(kw_key_row, reference, SQ_U64, false),
    COLUMN(kw_key_row, tenant, SQ_TEXT, false),
    COLUMN(kw_key_row, region, SQ_TEXT, false),
    COLUMN(kw_key_row, state, SQ_STATE, true),
    COLUMN(kw_key_row, state_before, SQ_STATE, true),
    COLUMN(kw_key_row, suite, SQ_U8, false),
    COLUMN(kw_key_row, custody, SQ_TEXT, true),
    COLUMN(kw_key_row, current_version, SQ_U32, true),
    COLUMN(kw_key_row, created_ms, SQ_U64, false),
    COLUMN(kw_key_row, destroy_at_ms, SQ_U64, true),
    COLUMN(kw_key_row, epoch, SQ_U64, true),
    COLUMN(kw_key_row, provider, SQ_TEXT, true),
    COLUMN(kw_key_row, provider_key, SQ_TEXT, true),
};

static const struct sq_column key_joined = {"state",
                                            SQ_STATE,
                                            false,
                                            offsetof(struct kw_key_row, tenant_state),
                                            sizeof(enum kw_tenant_state),
                                            0};

static const struct sq_column version_columns[] = {
    COLUMN(kw_version_row, reference, SQ_U64, false),
    COLUMN(kw_version_row, version, SQ_U32, false),
    COLUMN(kw_version_row, state, SQ_STATE, true),
    COLUMN(kw_version_row, commitment, SQ_FIXED, false),
    COLUMN(kw_version_row, sign_public, SQ_FIXED, false),
    COLUMN(kw_version_row, created_ms, SQ_U64, false),
    COLUMN(kw_version_row, deactivated_ms, SQ_U64, true),
    COLUMN(kw_version_row, wraps, SQ_U64, false),
    COLUMN(kw_version_row, unwraps, SQ_U64, false),
    COLUMN(kw_version_row, imported, SQ_BOOL, false),
    COLUMN(kw_version_row, expires_ms, SQ_U64, true),
};

static const struct sq_column copy_columns[] = {
    COLUMN(kw_copy_row, reference, SQ_U64, false),
    COLUMN(kw_copy_row, version, SQ_U32, false),
    COLUMN(kw_copy_row, provider, SQ_TEXT, false),
    COLUMN(kw_copy_row, provider_key, SQ_TEXT, true),
    {"blob", SQ_BLOB, true, offsetof(struct kw_copy_row, blob), KW_COPY_MAX,
     offsetof(struct kw_copy_row, blob_len)},
};

static const struct sq_column token_columns[] = {
    COLUMN(kw_token_row, id, SQ_TEXT, false),
    COLUMN(kw_token_row, hash, SQ_FIXED, false),
    COLUMN(kw_token_row, principal, SQ_TEXT, false),
    COLUMN(kw_token_row, roles, SQ_TEXT, false),
    COLUMN(kw_token_row, tenants, SQ_TEXT, false),
    COLUMN(kw_token_row, created_ms, SQ_U64, false),
    COLUMN(kw_token_row, expires_ms, SQ_U64, false),
    COLUMN(kw_token_row, revoked, SQ_BOOL, true),
};

/* Counters are set by sq_spend, which has added them up. */
static const struct sq_column cost_columns[] = {
    COLUMN(kw_cost_row, day, SQ_U64, false),     COLUMN(kw_cost_row, tenant, SQ_TEXT, false),
    COLUMN(kw_cost_row, region, SQ_TEXT, false), COLUMN(kw_cost_row, provider, SQ_TEXT, false),
    COLUMN(kw_cost_row, wraps, SQ_U64, true),    COLUMN(kw_cost_row, unwraps, SQ_U64, true),
    COLUMN(kw_cost_row, failures, SQ_U64, true), COLUMN(kw_cost_row, nano, SQ_U64, true),
};

#define TABLE(text, rows, key_count)                                                               \
    .name = (text), .columns = (rows), .count = KW_COUNT(rows), .keys = (key_count)

const struct sq_table sq_tables[KW_TABLE_COUNT] = {
    [KW_TABLE_TENANTS] = {TABLE("tenants", tenant_columns, 1)},
    [KW_TABLE_KEYS] = {TABLE("keys", key_columns, 1), .belongs_to = KW_TENANT_NOT_FOUND,
                       .joined = &key_joined, .join = " JOIN tenants j ON j.id = t.tenant"},
    [KW_TABLE_VERSIONS] = {TABLE("versions", version_columns, 2), .belongs_to = KW_KEY_NOT_FOUND},
    [KW_TABLE_COPIES] = {TABLE("copies", copy_columns, 3), .belongs_to = KW_VERSION_NOT_FOUND},
    [KW_TABLE_TOKENS] = {TABLE("tokens", token_columns, 1)},
    [KW_TABLE_COSTS] = {TABLE("costs", cost_columns, 4)},
};

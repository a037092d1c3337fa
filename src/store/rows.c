#include "store/dispatch.h"

static KW_ERR add(struct kw_store *store, enum kw_store_table table, const void *row,
                  struct kw_error *err)
{
    KW_TRY(kw_store_may_write(store, err));
    KW_TRY(kw_row_check(table, row, err));
    return kw_store_written(store, store->ops->add(store->state, table, row, err));
}

static KW_ERR set(struct kw_store *store, enum kw_store_table table, const void *row,
                  struct kw_error *err)
{
    KW_TRY(kw_store_may_write(store, err));
    KW_TRY(kw_row_check(table, row, err));
    return kw_store_written(store, store->ops->set(store->state, table, row, err));
}

KW_ERR kw_store_tenant_add(struct kw_store *store, const struct kw_tenant_row *row,
                           struct kw_error *err)
{
    return add(store, KW_TABLE_TENANTS, row, err);
}

KW_ERR kw_store_tenant_get(struct kw_store *store, const char *id, struct kw_tenant_row *out,
                           struct kw_error *err)
{
    KW_TRY(kw_name_check(id, KW_TENANT_MAX, "tenant id", err));
    struct kw_store_query query = {.find = KW_FIND_TENANT, .text = {id}};
    return kw_store_find_one(store, &query, out, KW_TENANT_NOT_FOUND, err);
}

KW_ERR kw_store_tenant_set(struct kw_store *store, const struct kw_tenant_row *row,
                           struct kw_error *err)
{
    return set(store, KW_TABLE_TENANTS, row, err);
}

KW_ERR kw_store_key_add(struct kw_store *store, const struct kw_key_row *row, struct kw_error *err)
{
    return add(store, KW_TABLE_KEYS, row, err);
}

KW_ERR kw_store_key_get(struct kw_store *store, const char *tenant, const char *region,
                        struct kw_key_row *out, struct kw_error *err)
{
    KW_TRY(kw_name_check(tenant, KW_TENANT_MAX, "tenant id", err));
    KW_TRY(kw_name_check(region, KW_REGION_MAX, "region", err));
    struct kw_store_query query = {.find = KW_FIND_KEY, .text = {tenant, region}};
    return kw_store_find_one(store, &query, out, KW_KEY_NOT_FOUND, err);
}

KW_ERR kw_store_key_by_reference(struct kw_store *store, uint64_t reference, struct kw_key_row *out,
                                 struct kw_error *err)
{
    struct kw_store_query query = {.find = KW_FIND_KEY_BY_REFERENCE, .reference = reference};
    return kw_store_find_one(store, &query, out, KW_KEY_NOT_FOUND, err);
}

KW_ERR kw_store_key_set(struct kw_store *store, const struct kw_key_row *row, struct kw_error *err)
{
    return set(store, KW_TABLE_KEYS, row, err);
}

KW_ERR kw_store_version_add(struct kw_store *store, const struct kw_version_row *row,
                            struct kw_error *err)
{
    return add(store, KW_TABLE_VERSIONS, row, err);
}

KW_ERR kw_store_version_get(struct kw_store *store, uint64_t reference, uint32_t version,
                            struct kw_version_row *out, struct kw_error *err)
{
    struct kw_store_query query = {
        .find = KW_FIND_VERSION, .reference = reference, .version = version};
    return kw_store_find_one(store, &query, out, KW_VERSION_NOT_FOUND, err);
}

KW_ERR kw_store_version_set(struct kw_store *store, const struct kw_version_row *row,
                            struct kw_error *err)
{
    return set(store, KW_TABLE_VERSIONS, row, err);
}

KW_ERR kw_store_version_count(struct kw_store *store, uint64_t reference, uint32_t version,
                              uint64_t wraps, uint64_t unwraps, struct kw_error *err)
{
    KW_TRY(kw_store_may_write(store, err));
    struct kw_version_row added = {
        .reference = reference, .version = version, .wraps = wraps, .unwraps = unwraps};
    return kw_store_written(store, store->ops->use(store->state, &added, err));
}

KW_ERR kw_store_cost_add(struct kw_store *store, const struct kw_cost_row *added,
                         struct kw_error *err)
{
    KW_TRY(kw_store_may_write(store, err));
    KW_TRY(kw_row_check(KW_TABLE_COSTS, added, err));
    return kw_store_written(store, store->ops->spend(store->state, added, err));
}

KW_ERR kw_store_copy_put(struct kw_store *store, const struct kw_copy_row *row,
                         struct kw_error *err)
{
    return add(store, KW_TABLE_COPIES, row, err);
}

KW_ERR kw_store_copies_destroy(struct kw_store *store, uint64_t reference, uint32_t version,
                               uint64_t *destroyed, struct kw_error *err)
{
    KW_TRY(kw_store_may_write(store, err));
    return kw_store_written(store,
                            store->ops->destroy(store->state, reference, version, destroyed, err));
}

KW_ERR kw_store_token_add(struct kw_store *store, const struct kw_token_row *row,
                          struct kw_error *err)
{
    return add(store, KW_TABLE_TOKENS, row, err);
}

KW_ERR kw_store_token_get(struct kw_store *store, const char *id, struct kw_token_row *out,
                          struct kw_error *err)
{
    KW_TRY(kw_name_check(id, sizeof out->id - 1, "token id", err));
    struct kw_store_query query = {.find = KW_FIND_TOKEN, .text = {id}};
    return kw_store_find_one(store, &query, out, KW_NOT_FOUND, err);
}

KW_ERR kw_store_token_revoke(struct kw_store *store, const char *id, struct kw_error *err)
{
    KW_TRY(kw_store_may_write(store, err));
    struct kw_token_row row;
    KW_TRY(kw_store_token_get(store, id, &row, err));
    row.revoked = true;
    return set(store, KW_TABLE_TOKENS, &row, err);
}

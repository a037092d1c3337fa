#include "store/dispatch.h"

/* The typed callback of a list, behind the untyped one of the operations. */
struct listener {
    bool (*tenant)(void *arg, const struct kw_tenant_row *row);
    bool (*key)(void *arg, const struct kw_key_row *row);
    bool (*version)(void *arg, const struct kw_version_row *row);
    bool (*copy)(void *arg, const struct kw_copy_row *row);
    bool (*token)(void *arg, const struct kw_token_row *row);
    void *arg;
};

static bool on_tenant(void *arg, const void *row)
{
    const struct listener *to = arg;
    return to->tenant(to->arg, row);
}

static bool on_key(void *arg, const void *row)
{
    const struct listener *to = arg;
    return to->key(to->arg, row);
}

static bool on_version(void *arg, const void *row)
{
    const struct listener *to = arg;
    return to->version(to->arg, row);
}

static bool on_copy(void *arg, const void *row)
{
    const struct listener *to = arg;
    return to->copy(to->arg, row);
}

static bool on_token(void *arg, const void *row)
{
    const struct listener *to = arg;
    return to->token(to->arg, row);
}

static int64_t limit_of(size_t limit)
{
    return limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
}

/* Ids are printable ASCII: id + 01 is the least text above id, prefix + 7f is above all that begin
 * with prefix. So a page of a list is one range of the index. */
KW_ERR kw_store_tenants(struct kw_store *store, const char *prefix, const char *after, size_t limit,
                        bool (*each)(void *arg, const struct kw_tenant_row *row), void *arg,
                        struct kw_error *err)
{
    if (prefix != NULL && prefix[0] != '\0')
        KW_TRY(kw_name_check(prefix, KW_TENANT_MAX, "tenant prefix", err));
    if (after != NULL && after[0] != '\0')
        KW_TRY(kw_name_check(after, KW_TENANT_MAX, "tenant id", err));
    char low[KW_TENANT_MAX + 2];
    char high[KW_TENANT_MAX + 2];
    const char *begin = prefix != NULL ? prefix : "";
    bool paging = after != NULL && after[0] != '\0' && strcmp(after, begin) >= 0;
    snprintf(low, sizeof low, "%s%s", paging ? after : begin, paging ? "\x01" : "");
    snprintf(high, sizeof high, "%s\x7f", begin);
    struct listener to = {.tenant = each, .arg = arg};
    struct kw_store_query query = {
        .find = KW_FIND_TENANTS, .text = {low, high}, .limit = limit_of(limit)};
    return kw_store_find(store, &query, on_tenant, &to, err);
}

KW_ERR kw_store_keys(struct kw_store *store, const char *tenant,
                     bool (*each)(void *arg, const struct kw_key_row *row), void *arg,
                     struct kw_error *err)
{
    KW_TRY(kw_name_check(tenant, KW_TENANT_MAX, "tenant id", err));
    struct listener to = {.key = each, .arg = arg};
    struct kw_store_query query = {.find = KW_FIND_KEYS, .text = {tenant}};
    return kw_store_find(store, &query, on_key, &to, err);
}

KW_ERR kw_store_keys_due(struct kw_store *store, int64_t now_ms, size_t limit,
                         bool (*each)(void *arg, const struct kw_key_row *row), void *arg,
                         struct kw_error *err)
{
    struct listener to = {.key = each, .arg = arg};
    struct kw_store_query query = {
        .find = KW_FIND_KEYS_DUE, .now_ms = now_ms, .limit = limit_of(limit)};
    return kw_store_find(store, &query, on_key, &to, err);
}

KW_ERR kw_store_versions(struct kw_store *store, uint64_t reference,
                         bool (*each)(void *arg, const struct kw_version_row *row), void *arg,
                         struct kw_error *err)
{
    struct listener to = {.version = each, .arg = arg};
    struct kw_store_query query = {.find = KW_FIND_VERSIONS, .reference = reference};
    return kw_store_find(store, &query, on_version, &to, err);
}

KW_ERR kw_store_copies(struct kw_store *store, uint64_t reference, uint32_t version,
                       bool (*each)(void *arg, const struct kw_copy_row *row), void *arg,
                       struct kw_error *err)
{
    struct listener to = {.copy = each, .arg = arg};
    struct kw_store_query query = {
        .find = KW_FIND_COPIES, .reference = reference, .version = version};
    return kw_store_find(store, &query, on_copy, &to, err);
}

KW_ERR kw_store_tokens(struct kw_store *store,
                       bool (*each)(void *arg, const struct kw_token_row *row), void *arg,
                       struct kw_error *err)
{
    struct listener to = {.token = each, .arg = arg};
    struct kw_store_query query = {.find = KW_FIND_TOKENS};
    return kw_store_find(store, &query, on_token, &to, err);
}

#include "store/dispatch.h"

/* The typed callback of a search, what it may still be told of, and whether it wants no more. */
struct listener {
    bool (*version)(void *arg, const struct kw_version_row *row);
    bool (*cost)(void *arg, const struct kw_cost_row *row);
    void *arg;
    size_t left;
    bool stopped;
};

static bool on_version(void *arg, const void *row)
{
    struct listener *to = arg;
    to->left--;
    to->stopped = !to->version(to->arg, row);
    return !to->stopped;
}

static bool on_cost(void *arg, const void *row)
{
    struct listener *to = arg;
    return to->cost(to->arg, row);
}

static int64_t limit_of(size_t limit)
{
    return limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
}

static bool take_reference(void *arg, const void *row)
{
    const struct kw_key_row *key = row;
    *(int64_t *)arg = (int64_t)key->reference;
    return false;
}

/* So many keys are looked at by one query: what finds nothing in a large store must not hold back a
 * purge, which waits for readers. */
enum { SLICE_KEYS = 4096 };

static KW_ERR slice_end(struct kw_store *store, const char *region, uint64_t after, int64_t *out,
                        struct kw_error *err)
{
    struct kw_store_query query = {
        .find = KW_FIND_KEY_AHEAD, .text = {region}, .reference = after, .limit = SLICE_KEYS - 1};
    *out = INT64_MAX;
    return kw_store_find(store, &query, take_reference, out, err);
}

/* References are kept as signed numbers, and are in the order of those. */
KW_ERR kw_store_versions_lacking(struct kw_store *store, const struct kw_store_lack *lack,
                                 const struct kw_store_place *after, size_t limit,
                                 bool (*each)(void *arg, const struct kw_version_row *row),
                                 void *arg, struct kw_error *err)
{
    KW_TRY(kw_name_check(lack->region, KW_REGION_MAX, "region", err));
    KW_TRY(kw_name_check(lack->provider, KW_PROVIDER_MAX, "provider name", err));
    KW_TRY(kw_name_check(lack->provider_key, KW_PROVIDER_KEY_MAX, "provider key", err));
    struct listener to = {.version = each, .arg = arg, .left = limit};
    struct kw_store_query query = {.find = KW_FIND_VERSIONS_LACKING,
                                   .text = {lack->region, lack->provider, lack->provider_key},
                                   .reference = after->reference,
                                   .version = after->version};
    if (after->reference == 0)
        query.reference = (uint64_t)INT64_MIN;
    while (to.left > 0 && !to.stopped) {
        KW_TRY(slice_end(store, lack->region, query.reference, &query.to, err));
        query.limit = limit_of(to.left);
        KW_TRY(kw_store_find(store, &query, on_version, &to, err));
        if (query.to == INT64_MAX)
            break;
        query.reference = (uint64_t)query.to;
        query.version = UINT32_MAX;
    }
    return KW_OK;
}

KW_ERR kw_store_versions_expired(struct kw_store *store, int64_t now_ms, size_t limit,
                                 bool (*each)(void *arg, const struct kw_version_row *row),
                                 void *arg, struct kw_error *err)
{
    struct listener to = {.version = each, .arg = arg, .left = limit};
    struct kw_store_query query = {
        .find = KW_FIND_VERSIONS_EXPIRED, .now_ms = now_ms, .limit = limit_of(limit)};
    return kw_store_find(store, &query, on_version, &to, err);
}

KW_ERR kw_store_costs(struct kw_store *store, const struct kw_cost_range *range,
                      bool (*each)(void *arg, const struct kw_cost_row *row), void *arg,
                      struct kw_error *err)
{
    if (range->tenant != NULL && range->tenant[0] != '\0')
        KW_TRY(kw_name_check(range->tenant, KW_TENANT_MAX, "tenant id", err));
    struct listener to = {.cost = each, .arg = arg};
    struct kw_store_query query = {.find = range->tenant != NULL ? KW_FIND_COSTS_OF : KW_FIND_COSTS,
                                   .text = {range->tenant},
                                   .from = range->from,
                                   .to = range->to};
    return kw_store_find(store, &query, on_cost, &to, err);
}

/* What provider calls cost, and what the keyring saved (FinOps).
 *
 * A meter counts every call that leaves for a provider, by day (UTC), tenant, region and provider,
 * with its price; it is told by the router's used(). The authority adds the uses of keys, which
 * without a keyring would be calls, too, writes both to the store once a second, and raises an
 * event (the ledger's BudgetThreshold, by system:scheduler) when a month passes a threshold of its
 * budget: once a month and threshold, also through restarts; a budget that was changed begins anew.
 * A crash loses the counts of the last second, never more; while the store fails they stay in
 * memory. Amounts end at the largest number. Thread-safe. */
#ifndef KW_AUTHORITY_COST_H
#define KW_AUTHORITY_COST_H

#include "authority/authority.h"

struct kw_meter;

/* Made before the router, which tells it, and the authority, which reads it. */
KW_ERR kw_meter_new(struct kw_meter **out, struct kw_error *err);
void kw_meter_free(struct kw_meter *meter);
KW_CLEANUP_FREE(kw_meter)

/* For struct kw_router_options.used; arg is the meter. */
void kw_meter_used(void *meter, const struct kw_router_use *use);

struct kw_cost_query {
    int64_t from_day, to_day; /* since 1970-01-01, both included */
    const char *tenant;       /* NULL: all that the caller may read of */
};

/* One tenant, region and provider over the whole range. */
struct kw_cost_line {
    char tenant[KW_TENANT_MAX + 1];
    char region[KW_REGION_MAX + 1];
    char provider[KW_PROVIDER_MAX + 1];
    uint64_t wraps, unwraps, failures, nano;
};

/* One tenant and region: what was used, what was called for it, what that cost, and what the calls
 * that the keyring made needless would have cost at the mean price of those that were made (where
 * none was made: of the region's first route). */
struct kw_cost_saving {
    char tenant[KW_TENANT_MAX + 1];
    char region[KW_REGION_MAX + 1];
    uint64_t uses, calls, spent_nano, saved_nano;
};

struct kw_cost_report {
    struct kw_cost_line *lines; /* by tenant, region, provider */
    size_t line_count;
    struct kw_cost_saving *savings; /* by tenant, region */
    size_t saving_count;
    uint64_t spent_nano, saved_nano, calls, uses; /* sums */
};
void kw_cost_report_wipe(struct kw_cost_report *report);
KW_CLEANUP_WIPE(kw_cost_report)

/* What was counted up to now. Needs KW_RIGHT_READ; a caller of some tenants sees those. KW_USAGE: a
 * range that ends before it begins. */
KW_ERR kw_authority_costs(struct kw_authority *authority, const struct kw_caller *caller,
                          const struct kw_cost_query *query, struct kw_cost_report *out,
                          struct kw_error *err);

/* The sums of this month as of the last tick, without reading the store: for metrics. */
struct kw_cost_sums {
    uint64_t spent_nano, saved_nano, calls, uses;
    uint64_t budget_nano; /* 0: none */
};
struct kw_cost_sums kw_authority_cost_sums(struct kw_authority *authority);

#endif

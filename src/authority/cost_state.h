/* Inside the cost accounts: counts by what they belong to, the meter, and the sums of the month. */
#ifndef KW_AUTHORITY_COST_STATE_H
#define KW_AUTHORITY_COST_STATE_H

#include "authority/cost.h"
#include "authority/internal.h"

__extension__ typedef unsigned __int128 kw_u128;

/* Rows by day, tenant, region and provider. Zero is an empty table. Not thread-safe. */
struct kw_cost_table {
    struct kw_cost_row *slots; /* free ones have no region */
    size_t count, capacity;
};
/* Adds to the row of added's key, or makes it. */
KW_ERR kw_cost_table_add(struct kw_cost_table *table, const struct kw_cost_row *added,
                         struct kw_error *err);
/* Its rows, in the order of compare; the caller frees them. The table is empty then. */
struct kw_cost_row *kw_cost_table_take(struct kw_cost_table *table, size_t *count,
                                       int (*compare)(const void *a, const void *b));
void kw_cost_table_wipe(struct kw_cost_table *table);
KW_CLEANUP_WIPE(kw_cost_table)

/* Sums end at the largest number. */
uint64_t kw_cost_sum(uint64_t a, uint64_t b);

/* What is counted and not yet stored. */
struct kw_meter {
    pthread_mutex_t lock;
    struct kw_cost_table pending;
};
void kw_meter_count(struct kw_meter *meter, const struct kw_cost_row *row);
int64_t kw_cost_today(void);

/* One sum of the month: of a tenant in a region, of a tenant, or of a provider in a region. */
struct kw_month_sum {
    uint8_t key[16]; /* of what: a part of the SHA-256 of the names; zero: a free slot */
    uint64_t calls, uses, nano;
    unsigned fired; /* so many of the thresholds have had their event */
};

/* A month's sums: of what is stored. */
struct kw_month {
    int64_t number; /* year * 12 + month, from 0 */
    struct kw_month_sum *slots;
    size_t count, capacity;
    uint64_t calls, uses, nano;
    kw_u128 saved;
    unsigned fired;
};

/* The authority's accounts. book is held while the store and what is pending are read together, or
 * written; lock for a look at the month. */
struct kw_costs {
    pthread_mutex_t book, lock;
    struct kw_authority_budget budget; /* thresholds ascending */
    size_t threshold_count;
    bool mark_is_old; /* the stored budget is another: no threshold of it has fired */
    struct kw_month month;
    struct {
        char region[KW_REGION_MAX + 1];
        uint64_t nano;
    } prices[KW_REGIONS_MAX]; /* of a call by the region's first route */
    size_t price_count;
};

int64_t kw_month_of(int64_t day);
/* First and last day. */
struct kw_cost_range kw_month_range(int64_t number);
/* Adds a row. Room for it must have been made. */
void kw_month_add(struct kw_costs *costs, struct kw_month *month, const struct kw_cost_row *row);
KW_ERR kw_month_reserve(struct kw_month *month, size_t rows, struct kw_error *err);
/* The sum of a tenant's month, or of a provider's in a region; NULL: nothing yet. */
struct kw_month_sum *kw_month_of_tenant(const struct kw_month *month, const char *tenant);
struct kw_month_sum *kw_month_of_root(const struct kw_month *month, const char *region,
                                      const char *provider);

/* What the keyring saved: see struct kw_cost_saving. */
uint64_t kw_cost_saved(const struct kw_costs *costs, const char *region,
                       const struct kw_month_sum *sum);

/* How many thresholds have been passed with so much spent. */
unsigned kw_budget_passed(const struct kw_costs *costs, uint64_t spent, uint64_t budget);
/* The events of the thresholds that rows (of one month, tenant by tenant) make the month pass. */
KW_ERR kw_budget_events(const struct kw_costs *costs, const struct kw_cost_row *rows, size_t count,
                        struct kw_ledger_batch *out, struct kw_error *err);
/* Those events have been recorded, and the rows added to the month. */
void kw_budget_fired(struct kw_costs *costs, const struct kw_cost_row *rows, size_t count);
/* The budget in words, as the store remembers it. */
void kw_budget_text(const struct kw_costs *costs, struct kw_buf *out);

#endif

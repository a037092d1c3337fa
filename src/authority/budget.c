/* Budgets: which thresholds of them a month has passed.
 *
 * What has fired is not kept anywhere: an event is recorded before the spending that brought it is
 * committed, so what is stored tells which events there have been. Only a budget that was changed
 * begins anew; for that the store remembers it. */
#include "authority/cost_state.h"

#include "base/clock.h"
#include "base/encode.h"
#include "crypto/random.h"
#include "json/write.h"

#include "authority/change.h"

unsigned kw_budget_passed(const struct kw_costs *costs, uint64_t spent, uint64_t budget)
{
    unsigned passed = 0;
    while (budget != 0 && passed < costs->threshold_count &&
           (kw_u128)spent * 100 >= (kw_u128)budget * costs->budget.thresholds[passed])
        passed++;
    return passed;
}

struct passing {
    const char *tenant; /* NULL: all */
    int64_t month;
    unsigned percent;
    uint64_t spent, budget;
};

static void write_detail(struct kw_buf *out, const struct passing *passing)
{
    char month[24];
    char amount[KW_NANO_TEXT_SIZE];
    struct kw_json_writer w = kw_json_writer(out);
    snprintf(month, sizeof month, "%04d-%02d", (int)(passing->month / 12),
             (int)(passing->month % 12) + 1);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "scope", passing->tenant != NULL ? "tenant" : "all");
    if (passing->tenant != NULL)
        kw_json_str(&w, "tenant", passing->tenant);
    kw_json_str(&w, "month", month);
    kw_json_uint(&w, "percent", passing->percent);
    kw_json_str(&w, "spent", kw_nano_text(passing->spent, amount));
    kw_json_str(&w, "budget", kw_nano_text(passing->budget, amount));
    kw_json_end(&w);
}

static KW_ERR add_event(struct kw_ledger_batch *out, const struct passing *passing,
                        struct kw_error *err)
{
    KW_AUTO(kw_buf) detail = KW_BUF_INIT;
    KW_AUTO(kw_buf) entry = KW_BUF_INIT;
    write_detail(&detail, passing);
    KW_TRY(kw_buf_status(&detail, err));
    struct kw_event event = {
        .time_ms = kw_clock_wall_ms(),
        .operation = "BudgetThreshold",
        .activity = KW_ACTIVITY_OTHER,
        .request_id = kw_caller_system.request_id,
        .principal = kw_caller_system.principal,
        .source = kw_caller_system.source,
        .tenant = passing->tenant,
        .detail = kw_buf_bytes(&detail),
    };
    kw_random(event.uid, sizeof event.uid);
    kw_event_encode(&entry, &event);
    KW_TRY(kw_buf_status(&entry, err));
    return kw_ledger_batch_add(out, kw_buf_bytes(&entry), err);
}

/* Events of the thresholds from the one that fires next up to what is spent. */
static KW_ERR pass(const struct kw_costs *costs, struct passing *passing, unsigned fired,
                   struct kw_ledger_batch *out, struct kw_error *err)
{
    unsigned passed = kw_budget_passed(costs, passing->spent, passing->budget);
    for (unsigned i = fired; i < passed; i++) {
        passing->percent = costs->budget.thresholds[i];
        KW_TRY(add_event(out, passing, err));
    }
    return KW_OK;
}

/* The end of the rows of one tenant, and what they cost together. */
static size_t tenant_end(const struct kw_cost_row *rows, size_t count, size_t begin, uint64_t *nano)
{
    size_t i = begin;
    for (*nano = 0; i < count && strcmp(rows[i].tenant, rows[begin].tenant) == 0; i++)
        *nano = kw_cost_sum(*nano, rows[i].nano);
    return i;
}

KW_ERR kw_budget_events(const struct kw_costs *costs, const struct kw_cost_row *rows, size_t count,
                        struct kw_ledger_batch *out, struct kw_error *err)
{
    const struct kw_month *month = &costs->month;
    struct passing all = {
        .month = month->number, .spent = month->nano, .budget = costs->budget.month_nano};
    uint64_t nano;
    for (size_t i = 0; i < count;) {
        const char *tenant = rows[i].tenant;
        i = tenant_end(rows, count, i, &nano);
        all.spent = kw_cost_sum(all.spent, nano);
        if (costs->budget.tenant_month_nano == 0 || tenant[0] == '\0')
            continue;
        const struct kw_month_sum *sum = kw_month_of_tenant(month, tenant);
        struct passing own = {.tenant = tenant,
                              .month = month->number,
                              .spent = kw_cost_sum(nano, sum != NULL ? sum->nano : 0),
                              .budget = costs->budget.tenant_month_nano};
        KW_TRY(pass(costs, &own, sum != NULL ? sum->fired : 0, out, err));
    }
    return pass(costs, &all, month->fired, out, err);
}

static void raise_to(unsigned *fired, unsigned passed)
{
    if (*fired < passed)
        *fired = passed;
}

void kw_budget_fired(struct kw_costs *costs, const struct kw_cost_row *rows, size_t count)
{
    struct kw_month *month = &costs->month;
    raise_to(&month->fired, kw_budget_passed(costs, month->nano, costs->budget.month_nano));
    if (costs->budget.tenant_month_nano == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        struct kw_month_sum *sum = kw_month_of_tenant(month, rows[i].tenant);
        raise_to(&sum->fired, kw_budget_passed(costs, sum->nano, costs->budget.tenant_month_nano));
    }
}

void kw_budget_text(const struct kw_costs *costs, struct kw_buf *out)
{
    kw_buf_printf(out, "%llu %llu", (unsigned long long)costs->budget.month_nano,
                  (unsigned long long)costs->budget.tenant_month_nano);
    for (size_t i = 0; i < costs->threshold_count; i++)
        kw_buf_printf(out, " %u", costs->budget.thresholds[i]);
}

/* The accounts: what was counted goes to the store once a second, and into the sums of the month
 * when it is there. */
#include "authority/cost_state.h"

static const char mark_name[] = "cost/budget";

/* ---- The month --------------------------------------------------------------------------------
 */

struct loading {
    struct kw_costs *costs;
    struct kw_month month;
    kw_code code;
};

static bool load_row(void *arg, const struct kw_cost_row *row)
{
    struct loading *loading = arg;
    loading->code = kw_month_reserve(&loading->month, 1, NULL);
    if (loading->code == KW_OK)
        kw_month_add(loading->costs, &loading->month, row);
    return loading->code == KW_OK;
}

/* What is stored has had its events, unless the budget was another one then. */
static void derive_fired(const struct kw_costs *costs, struct kw_month *month)
{
    if (costs->mark_is_old)
        return;
    month->fired = kw_budget_passed(costs, month->nano, costs->budget.month_nano);
    for (size_t i = 0; i < month->capacity; i++)
        month->slots[i].fired =
            kw_budget_passed(costs, month->slots[i].nano, costs->budget.tenant_month_nano);
}

static KW_ERR load_month(struct kw_authority *authority, int64_t number, struct kw_error *err)
{
    struct kw_costs *costs = authority->costs;
    struct loading loading = {.costs = costs, .month = {.number = number}};
    struct kw_cost_range range = kw_month_range(number);
    kw_code code = kw_store_costs(authority->store, &range, load_row, &loading, err);
    if (code == KW_OK && loading.code != KW_OK)
        code = kw_fail_code(err, loading.code);
    if (code != KW_OK) {
        free(loading.month.slots);
        return code;
    }
    derive_fired(costs, &loading.month);
    pthread_mutex_lock(&costs->lock);
    free(costs->month.slots);
    costs->month = loading.month;
    pthread_mutex_unlock(&costs->lock);
    return KW_OK;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

/* Rows and events of one month, with the transaction begun. The events are durable before the rows
 * are: should the commit fail there is an event too many later, never one too few. */
static KW_ERR write_inside(struct kw_authority *authority, const struct kw_cost_row *rows,
                           size_t count, struct kw_ledger_batch *events, struct kw_error *err)
{
    for (size_t i = 0; i < count; i++)
        KW_TRY(kw_store_cost_add(authority->store, &rows[i], err));
    if (authority->costs->mark_is_old) {
        KW_AUTO(kw_buf) mark = KW_BUF_INIT;
        kw_budget_text(authority->costs, &mark);
        KW_TRY(kw_buf_status(&mark, err));
        KW_TRY(kw_store_meta_put(authority->store, mark_name, kw_buf_bytes(&mark), err));
    }
    return events->count > 0 ? kw_ledger_append_wait(authority->ledger, events, err) : KW_OK;
}

static KW_ERR write_month(struct kw_authority *authority, const struct kw_cost_row *rows,
                          size_t count, struct kw_ledger_batch *events, struct kw_error *err)
{
    KW_TRY(kw_store_begin(authority->store, err));
    kw_code code = write_inside(authority, rows, count, events, err);
    if (code == KW_OK)
        return kw_store_commit(authority->store, err);
    kw_store_rollback(authority->store);
    return code;
}

static KW_ERR reserve(struct kw_costs *costs, size_t count, struct kw_error *err)
{
    pthread_mutex_lock(&costs->lock);
    kw_code code = kw_month_reserve(&costs->month, count, err);
    pthread_mutex_unlock(&costs->lock);
    return code;
}

/* Rows of one month, tenant by tenant; none: the events that are still due. */
static KW_ERR post(struct kw_authority *authority, const struct kw_cost_row *rows, size_t count,
                   struct kw_error *err)
{
    struct kw_costs *costs = authority->costs;
    KW_AUTO(kw_ledger_batch) events = {.count = 0};
    if (count > 0 && kw_month_of(rows[0].day) != costs->month.number)
        KW_TRY(load_month(authority, kw_month_of(rows[0].day), err));
    KW_TRY(reserve(costs, count, err));
    KW_TRY(kw_budget_events(costs, rows, count, &events, err));
    if (count == 0 && events.count == 0 && !costs->mark_is_old)
        return KW_OK;
    KW_TRY(write_month(authority, rows, count, &events, err));
    pthread_mutex_lock(&costs->lock);
    for (size_t i = 0; i < count; i++)
        kw_month_add(costs, &costs->month, &rows[i]);
    kw_budget_fired(costs, rows, count);
    pthread_mutex_unlock(&costs->lock);
    costs->mark_is_old = false;
    atomic_fetch_add(&authority->budget_events, events.count);
    return KW_OK;
}

static int by_month_and_tenant(const void *a, const void *b)
{
    const struct kw_cost_row *x = a;
    const struct kw_cost_row *y = b;
    int64_t months = kw_month_of(x->day) - kw_month_of(y->day);
    return months != 0 ? (months > 0) - (months < 0) : strcmp(x->tenant, y->tenant);
}

static size_t month_end(const struct kw_cost_row *rows, size_t count, size_t begin)
{
    int64_t number = kw_month_of(rows[begin].day);
    while (begin < count && kw_month_of(rows[begin].day) == number)
        begin++;
    return begin;
}

/* Takes what is pending and writes it; what could not be written is pending again. */
static KW_ERR flush(struct kw_authority *authority, struct kw_error *err)
{
    struct kw_meter *meter = authority->meter;
    if (meter == NULL)
        return KW_OK;
    pthread_mutex_lock(&meter->lock);
    struct kw_cost_table taken = meter->pending;
    meter->pending = (struct kw_cost_table){0};
    pthread_mutex_unlock(&meter->lock);
    size_t count;
    size_t done = 0;
    struct kw_cost_row *rows = kw_cost_table_take(&taken, &count, by_month_and_tenant);
    kw_code code = KW_OK;
    while (done < count && code == KW_OK) {
        size_t end = month_end(rows, count, done);
        code = post(authority, rows + done, end - done, err);
        if (code == KW_OK)
            done = end;
    }
    while (done < count)
        kw_meter_count(meter, &rows[done++]);
    free(rows);
    return code;
}

static KW_ERR tick(struct kw_authority *authority, struct kw_error *err)
{
    int64_t now = kw_month_of(kw_cost_today());
    KW_TRY(flush(authority, err));
    if (authority->costs->month.number != now)
        KW_TRY(load_month(authority, now, err));
    return post(authority, NULL, 0, err);
}

KW_ERR kw_cost_tick(struct kw_authority *authority, struct kw_error *err)
{
    pthread_mutex_lock(&authority->costs->book);
    kw_code code = tick(authority, err);
    pthread_mutex_unlock(&authority->costs->book);
    return code;
}

void kw_cost_use(struct kw_authority *authority, const struct kw_keyring_facts *facts,
                 uint64_t uses)
{
    if (authority->meter == NULL || uses == 0)
        return;
    struct kw_cost_row row = {.day = kw_cost_today(), .unwraps = uses};
    snprintf(row.tenant, sizeof row.tenant, "%s", facts->tenant);
    snprintf(row.region, sizeof row.region, "%s", facts->region);
    kw_meter_count(authority->meter, &row);
}

/* ---- Beginning and end ------------------------------------------------------------------------
 */

static void keep_price(void *arg, const struct kw_route_status *route)
{
    struct kw_costs *costs = arg;
    for (size_t i = 0; i < costs->price_count; i++)
        if (strcmp(costs->prices[i].region, route->region) == 0)
            return;
    if (route->tenants != NULL || costs->price_count == KW_COUNT(costs->prices))
        return;
    size_t at = costs->price_count++;
    snprintf(costs->prices[at].region, sizeof costs->prices[at].region, "%s", route->region);
    costs->prices[at].nano = route->price_nano;
}

static int ascending(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a;
    unsigned y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

static void take_budget(struct kw_costs *costs, const struct kw_authority_budget *budget)
{
    costs->budget = *budget;
    while (costs->threshold_count < KW_COUNT(budget->thresholds) &&
           budget->thresholds[costs->threshold_count] != 0)
        costs->threshold_count++;
    qsort(costs->budget.thresholds, costs->threshold_count, sizeof(unsigned), ascending);
}

/* No mark is the mark of no budget. */
static KW_ERR compare_mark(struct kw_authority *authority, struct kw_error *err)
{
    struct kw_costs *costs = authority->costs;
    KW_AUTO(kw_buf) stored = KW_BUF_INIT;
    KW_AUTO(kw_buf) own = KW_BUF_INIT;
    kw_code code = kw_store_meta_get(authority->store, mark_name, &stored, err);
    bool none = costs->budget.month_nano == 0 && costs->budget.tenant_month_nano == 0;
    if (code == KW_NOT_FOUND) {
        costs->mark_is_old = !none;
        return KW_OK;
    }
    if (code != KW_OK)
        return code;
    kw_budget_text(costs, &own);
    KW_TRY(kw_buf_status(&own, err));
    costs->mark_is_old = !kw_bytes_equal(kw_buf_bytes(&own), kw_buf_bytes(&stored));
    return KW_OK;
}

static void discard(struct kw_authority *authority)
{
    struct kw_costs *costs = authority->costs;
    pthread_mutex_destroy(&costs->book);
    pthread_mutex_destroy(&costs->lock);
    free(costs->month.slots);
    free(costs);
    authority->costs = NULL;
}

KW_ERR kw_cost_start(struct kw_authority *authority, const struct kw_authority_budget *budget,
                     struct kw_error *err)
{
    struct kw_costs *costs = calloc(1, sizeof *costs);
    if (costs == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_mutex_init(&costs->book, NULL);
    pthread_mutex_init(&costs->lock, NULL);
    authority->costs = costs;
    take_budget(costs, budget);
    kw_router_each(authority->router, keep_price, costs);
    kw_code code = compare_mark(authority, err);
    if (code == KW_OK)
        code = load_month(authority, kw_month_of(kw_cost_today()), err);
    if (code != KW_OK)
        discard(authority);
    return code;
}

void kw_cost_stop(struct kw_authority *authority)
{
    struct kw_error lost; /* what the store would not take stays with the meter */
    if (authority->costs == NULL)
        return;
    (void)!kw_cost_tick(authority, &lost);
    discard(authority);
}

struct kw_cost_sums kw_authority_cost_sums(struct kw_authority *authority)
{
    struct kw_costs *costs = authority->costs;
    struct kw_cost_sums sums = {.budget_nano = costs->budget.month_nano};
    int64_t now = kw_month_of(kw_cost_today());
    pthread_mutex_lock(&costs->lock);
    const struct kw_month *month = &costs->month;
    if (month->number == now) {
        sums.spent_nano = month->nano;
        sums.saved_nano = month->saved > UINT64_MAX ? UINT64_MAX : (uint64_t)month->saved;
        sums.calls = month->calls;
        sums.uses = month->uses;
    }
    pthread_mutex_unlock(&costs->lock);
    return sums;
}

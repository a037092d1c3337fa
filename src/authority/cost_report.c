/* Reports: what is stored and what is pending, read as one. */
#include "authority/cost_state.h"

struct gathering {
    const struct kw_caller *caller;
    const struct kw_cost_query *query;
    struct kw_cost_table table;
    kw_code code;
};

static bool may_see(const struct kw_caller *caller, const char *tenant)
{
    return kw_caller_may_touch(caller, tenant[0] == '\0' ? "*" : tenant);
}

/* One row of the whole range for each tenant, region and provider. */
static bool gather(void *arg, const struct kw_cost_row *row)
{
    struct gathering *to = arg;
    struct kw_cost_row sum = *row;
    sum.day = 0;
    if (may_see(to->caller, row->tenant))
        to->code = kw_cost_table_add(&to->table, &sum, NULL);
    return to->code == KW_OK;
}

static void gather_pending(struct gathering *to, struct kw_meter *meter)
{
    const struct kw_cost_query *query = to->query;
    pthread_mutex_lock(&meter->lock);
    for (size_t i = 0; i < meter->pending.capacity && to->code == KW_OK; i++) {
        const struct kw_cost_row *row = &meter->pending.slots[i];
        bool within = row->day >= query->from_day && row->day <= query->to_day;
        bool asked = query->tenant == NULL || strcmp(query->tenant, row->tenant) == 0;
        if (row->region[0] != '\0' && within && asked)
            (void)gather(to, row);
    }
    pthread_mutex_unlock(&meter->lock);
}

/* Does the name stand in the list before this place? */
static bool stands_before(const char *list, const char *place, const char *tenant)
{
    char other[KW_TENANT_MAX + 1];
    while (list < place && kw_next_tenant(&list, other))
        if (list < place && strcmp(other, tenant) == 0)
            return true;
    return false;
}

/* Who may see some tenants does not have all the others' rows read for that. */
static KW_ERR gather_stored(struct kw_store *store, struct gathering *to, struct kw_error *err)
{
    char tenant[KW_TENANT_MAX + 1];
    const char *tenants = to->caller->tenants;
    struct kw_cost_range range = {to->query->from_day, to->query->to_day, to->query->tenant};
    if (range.tenant != NULL || kw_caller_may_touch(to->caller, "*"))
        return kw_store_costs(store, &range, gather, to, err);
    range.tenant = tenant;
    while (to->code == KW_OK && kw_next_tenant(&tenants, tenant))
        if (tenant[0] != '\0' && !stands_before(to->caller->tenants, tenants, tenant))
            KW_TRY(kw_store_costs(store, &range, gather, to, err));
    return KW_OK;
}

/* Between a row's leaving the meter and its being stored there is no report. */
static KW_ERR gather_all(struct kw_authority *authority, struct gathering *to, struct kw_error *err)
{
    pthread_mutex_lock(&authority->costs->book);
    kw_code code = gather_stored(authority->store, to, err);
    if (code == KW_OK && to->code == KW_OK && authority->meter != NULL)
        gather_pending(to, authority->meter);
    pthread_mutex_unlock(&authority->costs->book);
    if (code == KW_OK && to->code != KW_OK)
        return kw_fail_code(err, to->code);
    return code;
}

static int by_name(const void *a, const void *b)
{
    const struct kw_cost_row *x = a;
    const struct kw_cost_row *y = b;
    int order = strcmp(x->tenant, y->tenant);
    if (order == 0)
        order = strcmp(x->region, y->region);
    return order != 0 ? order : strcmp(x->provider, y->provider);
}

static void add_line(struct kw_cost_report *out, const struct kw_cost_row *row)
{
    struct kw_cost_line *line = &out->lines[out->line_count++];
    memcpy(line->tenant, row->tenant, sizeof line->tenant);
    memcpy(line->region, row->region, sizeof line->region);
    memcpy(line->provider, row->provider, sizeof line->provider);
    line->wraps = row->wraps;
    line->unwraps = row->unwraps;
    line->failures = row->failures;
    line->nano = row->nano;
}

/* The rows of one tenant and region, from begin; returns their end. */
static size_t add_pair(const struct kw_costs *costs, struct kw_cost_report *out,
                       const struct kw_cost_row *rows, size_t count, size_t begin)
{
    struct kw_month_sum sum = {.calls = 0};
    struct kw_cost_saving *saving = &out->savings[out->saving_count++];
    memcpy(saving->tenant, rows[begin].tenant, sizeof saving->tenant);
    memcpy(saving->region, rows[begin].region, sizeof saving->region);
    size_t i = begin;
    for (; i < count && strcmp(rows[i].tenant, saving->tenant) == 0 &&
           strcmp(rows[i].region, saving->region) == 0;
         i++) {
        if (rows[i].provider[0] == '\0') {
            sum.uses = rows[i].unwraps;
            continue;
        }
        add_line(out, &rows[i]);
        sum.calls = kw_cost_sum(sum.calls, kw_cost_sum(rows[i].wraps, rows[i].unwraps));
        sum.nano = kw_cost_sum(sum.nano, rows[i].nano);
    }
    saving->uses = sum.uses;
    saving->calls = sum.calls;
    saving->spent_nano = sum.nano;
    saving->saved_nano = kw_cost_saved(costs, saving->region, &sum);
    out->uses = kw_cost_sum(out->uses, saving->uses);
    out->calls = kw_cost_sum(out->calls, saving->calls);
    out->spent_nano = kw_cost_sum(out->spent_nano, saving->spent_nano);
    out->saved_nano = kw_cost_sum(out->saved_nano, saving->saved_nano);
    return i;
}

static KW_ERR make_report(const struct kw_costs *costs, const struct kw_cost_row *rows,
                          size_t count, struct kw_cost_report *out, struct kw_error *err)
{
    struct kw_cost_report report = {.lines = calloc(count + 1, sizeof report.lines[0]),
                                    .savings = calloc(count + 1, sizeof report.savings[0])};
    if (report.lines == NULL || report.savings == NULL) {
        kw_cost_report_wipe(&report);
        return kw_fail_code(err, KW_NO_MEMORY);
    }
    for (size_t i = 0; i < count;)
        i = add_pair(costs, &report, rows, count, i);
    *out = report;
    return KW_OK;
}

void kw_cost_report_wipe(struct kw_cost_report *report)
{
    free(report->lines);
    free(report->savings);
    *report = (struct kw_cost_report){0};
}

KW_ERR kw_authority_costs(struct kw_authority *authority, const struct kw_caller *caller,
                          const struct kw_cost_query *query, struct kw_cost_report *out,
                          struct kw_error *err)
{
    KW_TRY(kw_caller_check(caller, KW_RIGHT_READ, query->tenant, err));
    if (query->from_day > query->to_day)
        return kw_fail(err, KW_USAGE, "the first day comes after the last: exchange them");
    struct gathering gathering = {.caller = caller, .query = query};
    kw_code code = gather_all(authority, &gathering, err);
    if (code != KW_OK) {
        kw_cost_table_wipe(&gathering.table);
        return code;
    }
    size_t count;
    struct kw_cost_row *rows = kw_cost_table_take(&gathering.table, &count, by_name);
    code = make_report(authority->costs, rows, count, out, err);
    free(rows);
    return code;
}

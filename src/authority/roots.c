#include "authority/roots.h"

#include "authority/change.h"
#include "authority/cost_state.h"
#include "base/clock.h"
#include "json/write.h"

enum { CHECK_MS = 30000 };

/* ---- The list ---------------------------------------------------------------------------------
 */

struct listing {
    const struct kw_caller *caller;
    struct kw_root_report report;
    size_t capacity;
    bool whole; /* the caller may act for every tenant */
    bool no_memory;
};

/* May the caller touch one of them, or each of them? */
static bool may_touch(const struct kw_caller *caller, const char *tenants, bool each)
{
    char tenant[KW_TENANT_MAX + 1];
    bool any = false;
    while (kw_next_tenant(&tenants, tenant)) {
        bool may = kw_caller_may_touch(caller, tenant);
        if (may != each)
            return may;
        any = true;
    }
    return each && any;
}

/* Whose providers the others are, and that there are any, is none of the caller's business. */
static bool is_shown(const struct kw_caller *caller, const struct kw_route_status *route)
{
    return route->tenants == NULL || kw_caller_may_touch(caller, "*") ||
           may_touch(caller, route->tenants, false);
}

static void list_route(void *arg, const struct kw_route_status *route)
{
    struct listing *listing = arg;
    struct kw_root_report *report = &listing->report;
    if (listing->no_memory || !is_shown(listing->caller, route))
        return;
    if (report->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 16 : 2 * listing->capacity;
        struct kw_root_status *grown = realloc(report->roots, capacity * sizeof *grown);
        listing->no_memory = grown == NULL;
        if (grown == NULL)
            return;
        report->roots = grown;
        listing->capacity = capacity;
    }
    report->roots[report->count++] = (struct kw_root_status){.route = *route};
}

static void add_month(struct kw_authority *authority, struct kw_root_report *report)
{
    struct kw_costs *costs = authority->costs;
    int64_t now = kw_month_of(kw_cost_today());
    pthread_mutex_lock(&costs->lock);
    for (size_t i = 0; i < report->count && costs->month.number == now; i++) {
        struct kw_root_status *root = &report->roots[i];
        const struct kw_month_sum *sum =
            kw_month_of_root(&costs->month, root->route.region, root->route.provider);
        root->month_nano = sum != NULL ? sum->nano : 0;
        root->month_calls = sum != NULL ? sum->calls : 0;
    }
    pthread_mutex_unlock(&costs->lock);
}

static bool add_copies(void *arg, const struct kw_copy_census *row)
{
    struct kw_root_report *report = arg;
    for (size_t i = 0; i < report->count; i++) {
        struct kw_root_status *root = &report->roots[i];
        if (strcmp(root->route.region, row->region) == 0 &&
            strcmp(root->route.provider, row->provider) == 0)
            root->copies = row->copies;
    }
    return true;
}

void kw_root_report_wipe(struct kw_root_report *report)
{
    free(report->roots);
    *report = (struct kw_root_report){0};
}

KW_ERR kw_authority_roots(struct kw_authority *authority, const struct kw_caller *caller,
                          bool with_copies, struct kw_root_report *out, struct kw_error *err)
{
    KW_TRY(kw_caller_check(caller, KW_RIGHT_READ, NULL, err));
    struct listing listing = {.caller = caller, .whole = kw_caller_may_touch(caller, "*")};
    kw_router_each(authority->router, list_route, &listing);
    kw_code code = listing.no_memory ? kw_fail_code(err, KW_NO_MEMORY) : KW_OK;
    if (code == KW_OK && listing.whole) {
        add_month(authority, &listing.report);
        listing.report.lacking = atomic_load(&authority->lacking_copies);
        if (with_copies)
            code = kw_store_copies_census(authority->store, add_copies, &listing.report, err);
    }
    if (code != KW_OK) {
        kw_root_report_wipe(&listing.report);
        return code;
    }
    *out = listing.report;
    return KW_OK;
}

/* ---- The check --------------------------------------------------------------------------------
 */

struct checking {
    const struct kw_caller *caller;
    const struct kw_root_check *asked;
    struct kw_probe_report *report;
    struct kw_route_status route;
    bool found;     /* the route or guest, in the region */
    bool elsewhere; /* a provider of this name in another one */
};

static void look_for(void *arg, const struct kw_route_status *route)
{
    struct checking *checking = arg;
    const char *region = checking->asked->region;
    if (checking->found || strcmp(route->provider, checking->asked->provider) != 0 ||
        !is_shown(checking->caller, route))
        return;
    checking->found = region == NULL || strcmp(route->region, region) == 0;
    checking->elsewhere |= !checking->found;
    if (checking->found)
        checking->route = *route;
}

/* The wall holds for checks, too. */
static KW_ERR find_route(struct kw_authority *authority, struct checking *checking,
                         struct kw_error *err)
{
    const struct kw_root_check *asked = checking->asked;
    if (asked->region != NULL && !kw_authority_region(authority, asked->region))
        return kw_fail(err, KW_UNKNOWN_REGION, "no region is called '%.32s': see [region.NAME]",
                       asked->region);
    kw_router_each(authority->router, look_for, checking);
    if (checking->found)
        return KW_OK;
    if (checking->elsewhere)
        return kw_fail(err, KW_REGION_WALL,
                       "provider %.32s is none of region %s: name a region that lists it, or add "
                       "it to region.%s.providers",
                       asked->provider, asked->region, asked->region);
    return kw_fail(err, KW_NOT_FOUND,
                   "no region has a provider '%.32s': 'keyward provider list' shows them",
                   asked->provider);
}

/* Who acts for some tenants may check what serves those alone. */
static KW_ERR may_check(const struct kw_caller *caller, const struct kw_route_status *route,
                        struct kw_error *err)
{
    if (kw_caller_may_touch(caller, "*") ||
        (route->tenants != NULL && may_touch(caller, route->tenants, true)))
        return KW_OK;
    return kw_fail(err, KW_FORBIDDEN, "%s may not act for every tenant that %s serves",
                   caller->principal, route->provider);
}

static KW_ERR probe(struct kw_change *change, struct kw_error *err)
{
    struct checking *checking = change->arg;
    const struct kw_root_check *asked = checking->asked;
    KW_TRY(find_route(change->authority, checking, err));
    change->region = checking->route.region;
    KW_TRY(may_check(change->caller, &checking->route, err));
    struct kw_provider *provider =
        kw_router_provider(change->authority->router, checking->route.region, asked->provider);
    const struct kw_probe probe = {.key = asked->key != NULL ? asked->key : checking->route.key,
                                   .disabled = asked->disabled,
                                   .create = asked->create,
                                   .deadline_ms = kw_clock_ms() + CHECK_MS};
    if (probe.key == NULL || probe.key[0] == '\0')
        return kw_fail(err, KW_USAGE,
                       "%s is a customer's provider and has no root key of its own: name the key",
                       asked->provider);
    if (provider == NULL)
        return kw_fail(err, KW_INTERNAL, "the router lists %s and does not have it",
                       asked->provider);
    return kw_provider_probe(provider, &probe, checking->report, err);
}

static void write_step(struct kw_json_writer *w, const struct kw_probe_step *step)
{
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "name", step->name);
    kw_json_str(w, "verdict", kw_probe_verdict_name(step->verdict));
    if (step->code != KW_OK)
        kw_json_str(w, "code", kw_code_name(step->code));
    kw_json_end(w);
}

/* Writes nothing to the store: the entry is what there is of a check. */
static KW_ERR note_verdict(struct kw_change *change, struct kw_error *err)
{
    const struct checking *checking = change->arg;
    const struct kw_root_check *asked = checking->asked;
    struct kw_json_writer w = kw_json_writer(&change->detail);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "provider", asked->provider);
    kw_json_str(&w, "key", asked->key != NULL ? asked->key : checking->route.key);
    if (asked->create)
        kw_json_bool(&w, "create", true);
    kw_json_bool(&w, "passed", checking->report->passed);
    kw_json_begin(&w, "steps", '[');
    for (size_t i = 0; i < checking->report->count; i++)
        write_step(&w, &checking->report->steps[i]);
    kw_json_end(&w);
    kw_json_end(&w);
    return kw_buf_status(&change->detail, err);
}

KW_ERR kw_authority_root_check(struct kw_authority *authority, const struct kw_caller *caller,
                               const struct kw_root_check *check, struct kw_probe_report *out,
                               struct kw_error *err)
{
    struct kw_probe_report *report = calloc(1, sizeof *report);
    if (report == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    struct checking checking = {.caller = caller, .asked = check, .report = report};
    struct kw_change change = {.authority = authority,
                               .caller = caller,
                               .operation = "CheckProvider",
                               .activity = KW_ACTIVITY_OTHER,
                               .right = KW_RIGHT_MANAGE_KEYS,
                               .region = check->region,
                               .prepare = probe,
                               .apply = note_verdict,
                               .arg = &checking};
    kw_code code = kw_change_run(&change, err);
    if (code == KW_OK)
        *out = *report;
    free(report);
    return code;
}

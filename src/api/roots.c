/* /v1/providers: what holds the root keys, region by region, and how it is. */
#include "api/internal.h"

#include "authority/roots.h"
#include "base/encode.h"

static const char *const check_names[] = {"region", "key",           "disabled_key",
                                          "create", "justification", NULL};

void kw_write_amount(struct kw_json_writer *w, const char *name, uint64_t nano)
{
    char text[KW_NANO_TEXT_SIZE];
    kw_json_str(w, name, kw_nano_text(nano, text));
}

/* Microseconds as a number of milliseconds, to the microsecond. */
static void write_ms(struct kw_json_writer *w, const char *name, int64_t us)
{
    char text[32];
    long long at = us > 0 ? us : 0;
    int len = snprintf(text, sizeof text, "%lld.%03lld", at / 1000, at % 1000);
    kw_json_raw(w, name, kw_bytes(text, (size_t)len));
}

/* ---- The list ---------------------------------------------------------------------------------
 */

struct listing {
    struct kw_json_writer *w;
    const struct kw_caller *caller;
    bool whole; /* the caller may see what is of all tenants together */
    bool copies;
};

/* Those of the tenants in list that the caller may know of, with commas between them. */
static void write_for(const struct listing *listing, const char *list, struct kw_buf *out)
{
    for (char tenant[KW_TENANT_MAX + 1]; *list != '\0';) {
        size_t len = strcspn(list, ",");
        snprintf(tenant, sizeof tenant, "%.*s", (int)(len < sizeof tenant ? len : 0), list);
        if (tenant[0] != '\0' && kw_caller_may_touch(listing->caller, tenant))
            kw_buf_printf(out, "%s%s", out->len > 0 ? "," : "", tenant);
        list += len + (list[len] == ',');
    }
}

static void write_route(const struct listing *listing, const struct kw_root_status *root,
                        const struct kw_buf *tenants)
{
    const struct kw_route_status *route = &root->route;
    struct kw_json_writer *w = listing->w;
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "name", route->provider);
    kw_json_str(w, "kind", route->kind);
    if (route->key != NULL && route->key[0] != '\0')
        kw_json_str(w, "key", route->key);
    kw_json_bool(w, "hsm", route->hsm);
    if (route->tenants != NULL)
        kw_json_strn(w, "for", kw_buf_bytes(tenants));
    kw_json_str(w, "breaker", kw_breaker_state_name(route->breaker));
    if (route->latency_us > 0)
        write_ms(w, "latency_ms", route->latency_us);
    kw_json_uint(w, "wraps", route->wraps);
    kw_json_uint(w, "unwraps", route->unwraps);
    kw_json_uint(w, "failures", route->failures);
    kw_write_amount(w, "price", route->price_nano);
    if (listing->whole) {
        kw_json_uint(w, "month_calls", root->month_calls);
        kw_write_amount(w, "month_spent", root->month_nano);
    }
    if (listing->whole && listing->copies)
        kw_json_uint(w, "copies", root->copies);
    kw_json_end(w);
}

/* A customer's provider is nobody's business but of who acts for that customer. */
static KW_ERR write_root(const struct listing *listing, const struct kw_root_status *root,
                         struct kw_error *err)
{
    KW_AUTO(kw_buf) tenants = KW_BUF_INIT;
    if (root->route.tenants != NULL)
        write_for(listing, root->route.tenants, &tenants);
    KW_TRY(kw_buf_status(&tenants, err));
    if (root->route.tenants == NULL || tenants.len > 0)
        write_route(listing, root, &tenants);
    return KW_OK;
}

static KW_ERR write_regions(const struct listing *listing, const struct kw_root_report *report,
                            struct kw_error *err)
{
    kw_json_begin(listing->w, "regions", '[');
    for (size_t i = 0; i < report->count;) {
        const char *region = report->roots[i].route.region;
        kw_json_begin(listing->w, NULL, '{');
        kw_json_str(listing->w, "region", region);
        kw_json_begin(listing->w, "providers", '[');
        for (; i < report->count && strcmp(report->roots[i].route.region, region) == 0; i++)
            KW_TRY(write_root(listing, &report->roots[i], err));
        kw_json_end(listing->w);
        kw_json_end(listing->w);
    }
    kw_json_end(listing->w);
    return KW_OK;
}

KW_ERR kw_handle_providers_list(struct kw_job *job, struct kw_error *err)
{
    KW_AUTO(kw_root_report) report = {0};
    struct kw_json_writer w = kw_job_writer(job);
    const struct kw_caller *caller = &job->call->caller;
    struct listing listing = {.w = &w, .caller = caller, .whole = kw_caller_may_touch(caller, "*")};
    KW_TRY(kw_query_bool(job->call->query, "copies", &listing.copies, err));
    KW_TRY(kw_authority_roots(job->api->authority, caller, listing.copies && listing.whole, &report,
                              err));
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "currency", job->api->currency);
    kw_json_uint(&w, "lacking", report.lacking);
    KW_TRY(write_regions(&listing, &report, err));
    kw_json_end(&w);
    return KW_OK;
}

/* ---- The check --------------------------------------------------------------------------------
 */

static void write_step(struct kw_json_writer *w, const struct kw_probe_step *step)
{
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "name", step->name);
    kw_json_str(w, "verdict", kw_probe_verdict_name(step->verdict));
    kw_json_str(w, "code", kw_code_name(step->code));
    write_ms(w, "ms", step->us);
    kw_json_str(w, "found", step->found);
    kw_json_end(w);
}

static void write_check(struct kw_job *job, const struct kw_root_check *check,
                        const struct kw_probe_report *report)
{
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "provider", check->provider);
    kw_json_str(&w, "region", check->region);
    if (check->key != NULL)
        kw_json_str(&w, "key", check->key);
    kw_json_bool(&w, "passed", report->passed);
    kw_json_uint(&w, "wrapped_bytes", report->wrapped_bytes);
    kw_json_begin(&w, "steps", '[');
    for (size_t i = 0; i < report->count; i++)
        write_step(&w, &report->steps[i]);
    kw_json_end(&w);
    kw_json_end(&w);
}

/* Region and key of the answer, where the caller names none: the first route's that was found. */
struct named {
    struct kw_root_check *check;
    char region[KW_ROUTER_REGION_SIZE];
};

static void name_route(void *arg, const struct kw_route_status *status)
{
    struct named *named = arg;
    struct kw_root_check *check = named->check;
    if (strcmp(status->provider, check->provider) != 0)
        return;
    if (check->region == NULL) {
        memcpy(named->region, status->region, sizeof named->region);
        check->region = named->region;
    }
    if (check->key == NULL && strcmp(status->region, check->region) == 0 && status->key[0] != '\0')
        check->key = status->key;
}

static KW_ERR read_check(struct kw_job *job, struct kw_root_check *check, struct kw_error *err)
{
    const struct kw_json *root = job->body.root;
    check->provider = job->params.value[0];
    KW_TRY(kw_body_only(root, check_names, err));
    KW_TRY(kw_json_get_str(root, "region", false, &check->region, err));
    KW_TRY(kw_json_get_str(root, "key", false, &check->key, err));
    KW_TRY(kw_json_get_str(root, "disabled_key", false, &check->disabled, err));
    return kw_json_get_bool(root, "create", &check->create, err);
}

/* The report is some kilobytes: on the heap, for the pool's threads have small stacks. */
KW_ERR kw_handle_provider_check(struct kw_job *job, struct kw_error *err)
{
    struct kw_authority *authority = job->api->authority;
    struct kw_root_check check = {0};
    KW_TRY(read_check(job, &check, err));
    struct kw_probe_report *report = calloc(1, sizeof *report);
    if (report == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = kw_authority_root_check(authority, &job->call->caller, &check, report, err);
    struct named named = {.check = &check};
    if (code == KW_OK)
        kw_router_each(kw_authority_router(authority), name_route, &named);
    if (code == KW_OK)
        write_check(job, &check, report);
    free(report);
    return code;
}

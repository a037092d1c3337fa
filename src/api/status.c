/* /v1/status, /openapi.json. */
#include "api/internal.h"

#include "authority/cost.h"
#include "base/clock.h"

static void write_ledger(struct kw_job *job, struct kw_json_writer *w)
{
    struct kw_ledger_stats stats = kw_ledger_stats(kw_authority_ledger(job->api->authority));
    kw_json_begin(w, "ledger", '{');
    kw_json_uint(w, "size", stats.size);
    kw_json_uint(w, "published_size", stats.published_size);
    kw_json_str(w, "state", kw_code_name(stats.state));
    kw_json_end(w);
}

static void write_keyring(struct kw_job *job, struct kw_json_writer *w)
{
    struct kw_keyring_stats stats = kw_authority_keyring_stats(job->api->authority);
    char time[KW_TIME_TEXT_SIZE];
    kw_json_begin(w, "keyring", '{');
    kw_json_uint(w, "entries", stats.entries);
    kw_json_uint(w, "bytes", stats.bytes);
    kw_json_uint(w, "hits", stats.hits);
    kw_json_uint(w, "misses", stats.misses);
    kw_json_uint(w, "pressure", stats.pressure);
    if (stats.strict_until_ms > kw_clock_ms())
        kw_json_str(w, "strict_until",
                    kw_time_text(kw_clock_wall_ms() + stats.strict_until_ms - kw_clock_ms(), time));
    kw_json_end(w);
}

static void write_copies(struct kw_job *job, struct kw_json_writer *w)
{
    struct kw_authority_stats stats = kw_authority_stats(job->api->authority);
    kw_json_begin(w, "copies", '{');
    kw_json_uint(w, "lacking", stats.lacking_copies);
    kw_json_uint(w, "repaired", stats.repaired_copies);
    kw_json_end(w);
}

/* What all tenants together cost is not for who acts for some. */
static void write_cost(struct kw_job *job, struct kw_json_writer *w)
{
    struct kw_cost_sums sums = kw_authority_cost_sums(job->api->authority);
    if (!kw_caller_may_touch(&job->call->caller, "*"))
        return;
    kw_json_begin(w, "cost", '{');
    kw_json_str(w, "currency", job->api->currency);
    kw_write_amount(w, "month_spent", sums.spent_nano);
    kw_write_amount(w, "month_saved", sums.saved_nano);
    kw_json_uint(w, "month_calls", sums.calls);
    if (sums.budget_nano != 0)
        kw_write_amount(w, "budget", sums.budget_nano);
    kw_json_end(w);
}

static void write_data_keys(struct kw_job *job, struct kw_json_writer *w)
{
    struct kw_authority_stats stats = kw_authority_stats(job->api->authority);
    kw_json_begin(w, "data_keys", '{');
    kw_json_uint(w, "generated", stats.generated);
    kw_json_uint(w, "unwrapped", stats.unwrapped);
    kw_json_uint(w, "rewrapped", stats.rewrapped);
    kw_json_uint(w, "refused", stats.refused);
    kw_json_end(w);
}

struct listing {
    struct kw_json_writer *w;
    const char *region;
};

/* A customer's provider is not one of the region's. */
static void write_route(void *arg, const struct kw_route_status *route)
{
    const struct listing *listing = arg;
    if (route->tenants == NULL && strcmp(route->region, listing->region) == 0)
        kw_json_str(listing->w, NULL, route->provider);
}

static void write_regions(struct kw_job *job, struct kw_json_writer *w)
{
    struct kw_authority *authority = job->api->authority;
    kw_json_begin(w, "regions", '[');
    for (size_t i = 0; i < kw_authority_region_count(authority); i++) {
        struct listing listing = {.w = w, .region = kw_authority_region_at(authority, i)};
        kw_json_begin(w, NULL, '{');
        kw_json_str(w, "name", listing.region);
        kw_json_begin(w, "providers", '[');
        kw_router_each(kw_authority_router(authority), write_route, &listing);
        kw_json_end(w);
        kw_json_end(w);
    }
    kw_json_end(w);
}

static void write_classes(struct kw_job *job, struct kw_json_writer *w)
{
    const struct kw_authority *authority = job->api->authority;
    kw_json_begin(w, "classes", '[');
    for (size_t i = 0; i < kw_authority_class_count(authority); i++)
        kw_json_str(w, NULL, kw_authority_class_at(authority, i));
    kw_json_end(w);
}

/* An authority that was never given an id has none to show. */
static KW_ERR write_id(struct kw_job *job, struct kw_json_writer *w, struct kw_error *err)
{
    KW_AUTO(kw_buf) id = KW_BUF_INIT;
    kw_code code = kw_store_meta_get(kw_job_store(job), "authority_id", &id, err);
    if (code == KW_OK)
        kw_json_strn(w, "authority_id", kw_buf_bytes(&id));
    return code == KW_NOT_FOUND ? KW_OK : code;
}

KW_ERR kw_handle_status(struct kw_job *job, struct kw_error *err)
{
    struct kw_store_counts counts;
    KW_TRY(kw_store_counts(kw_job_store(job), &counts, err));
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "version", KW_VERSION);
    KW_TRY(write_id(job, &w, err));
    kw_json_uint(&w, "tenants", counts.tenants);
    kw_json_uint(&w, "keys", counts.keys);
    kw_json_uint(&w, "versions", counts.versions);
    write_ledger(job, &w);
    write_keyring(job, &w);
    write_data_keys(job, &w);
    write_copies(job, &w);
    write_cost(job, &w);
    write_regions(job, &w);
    write_classes(job, &w);
    kw_json_end(&w);
    return KW_OK;
}

KW_ERR kw_handle_openapi(struct kw_job *job, struct kw_error *err)
{
    struct kw_bytes document = kw_api_openapi();
    KW_UNUSED(err);
    kw_buf_append(&job->call->body_out, document.data, document.len);
    return KW_OK;
}

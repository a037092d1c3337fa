/* /v1/flush, /v1/cache/strict: the keyring, by command. */
#include "api/internal.h"

#include "base/clock.h"
#include "base/names.h"

static const char *const flush_names[] = {"justification", NULL};
static const char *const strict_names[] = {"tenant", "seconds", "justification", NULL};

enum { STRICT_MAX_S = 24 * 60 * 60 };

KW_ERR kw_handle_flush(struct kw_job *job, struct kw_error *err)
{
    uint64_t entries = kw_authority_keyring_stats(job->api->authority).entries;
    KW_TRY(kw_body_only(job->body.root, flush_names, err));
    KW_TRY(kw_authority_flush(job->api->authority, &job->call->caller, err));
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    kw_json_uint(&w, "flushed", entries);
    kw_json_end(&w);
    return KW_OK;
}

KW_ERR kw_handle_cache_strict(struct kw_job *job, struct kw_error *err)
{
    const struct kw_json *root = job->body.root;
    const char *tenant = NULL;
    uint64_t seconds = 0;
    char time[KW_TIME_TEXT_SIZE];
    KW_TRY(kw_body_only(root, strict_names, err));
    KW_TRY(kw_json_get_str(root, "tenant", false, &tenant, err));
    KW_TRY(kw_json_get_u64(root, "seconds", true, STRICT_MAX_S, &seconds, err));
    if (tenant != NULL)
        KW_TRY(kw_tenant_name_check(tenant, err));
    int64_t for_ms = (int64_t)seconds * 1000;
    KW_TRY(kw_authority_cache_strict(job->api->authority, &job->call->caller, tenant, for_ms, err));
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    kw_json_bool(&w, "strict", seconds > 0);
    if (tenant != NULL)
        kw_json_str(&w, "tenant", tenant);
    if (seconds > 0)
        kw_json_str(&w, "until", kw_time_text(kw_clock_wall_ms() + for_ms, time));
    kw_json_end(&w);
    return KW_OK;
}

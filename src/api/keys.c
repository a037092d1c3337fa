/* /v1/tenants/{t}/keys... */
#include "api/internal.h"

#include "base/names.h"

typedef KW_ERR (*key_change)(struct kw_authority *authority, const struct kw_caller *caller,
                             const char *tenant, const char *region, struct kw_error *err);

static const char *const plain_names[] = {"justification", NULL};
static const char *const window_names[] = {"window_days", "justification", NULL};

KW_ERR kw_key_names_check(const struct kw_job *job, struct kw_error *err)
{
    KW_TRY(kw_tenant_name_check(job->params.value[0], err));
    return kw_region_name_check(job->params.value[1], err);
}

static KW_ERR change(struct kw_job *job, key_change act, struct kw_error *err)
{
    const char *tenant = job->params.value[0];
    const char *region = job->params.value[1];
    KW_TRY(kw_key_names_check(job, err));
    KW_TRY(kw_body_only(job->body.root, plain_names, err));
    KW_TRY(act(job->api->authority, &job->call->caller, tenant, region, err));
    return kw_answer_key(job, tenant, region, err);
}

static KW_ERR rotate(struct kw_authority *authority, const struct kw_caller *caller,
                     const char *tenant, const char *region, struct kw_error *err)
{
    return kw_authority_key_rotate(authority, caller, tenant, region, NULL, err);
}

KW_ERR kw_handle_key_rotate(struct kw_job *job, struct kw_error *err)
{
    return change(job, rotate, err);
}

KW_ERR kw_handle_key_disable(struct kw_job *job, struct kw_error *err)
{
    return change(job, kw_authority_key_disable, err);
}

KW_ERR kw_handle_key_enable(struct kw_job *job, struct kw_error *err)
{
    return change(job, kw_authority_key_enable, err);
}

KW_ERR kw_handle_key_cancel_destroy(struct kw_job *job, struct kw_error *err)
{
    return change(job, kw_authority_key_cancel_destroy, err);
}

KW_ERR kw_handle_key_schedule_destroy(struct kw_job *job, struct kw_error *err)
{
    const char *tenant = job->params.value[0];
    const char *region = job->params.value[1];
    uint64_t days = 0;
    KW_TRY(kw_key_names_check(job, err));
    KW_TRY(kw_body_only(job->body.root, window_names, err));
    KW_TRY(kw_json_get_u64(job->body.root, "window_days", false, UINT16_MAX, &days, err));
    KW_TRY(kw_authority_key_schedule_destroy(job->api->authority, &job->call->caller, tenant,
                                             region, (uint32_t)days, NULL, err));
    return kw_answer_key(job, tenant, region, err);
}

KW_ERR kw_handle_key_get(struct kw_job *job, struct kw_error *err)
{
    KW_TRY(kw_key_names_check(job, err));
    return kw_answer_key(job, job->params.value[0], job->params.value[1], err);
}

KW_ERR kw_handle_keys_list(struct kw_job *job, struct kw_error *err)
{
    const char *tenant = job->params.value[0];
    struct kw_json_writer w = kw_job_writer(job);
    struct kw_tenant_row row;
    KW_TRY(kw_tenant_name_check(tenant, err));
    KW_TRY(kw_store_tenant_get(kw_job_store(job), tenant, &row, err));
    kw_json_begin(&w, NULL, '{');
    KW_TRY(kw_write_keys(job, &w, tenant, err));
    kw_json_end(&w);
    return KW_OK;
}

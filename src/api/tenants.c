/* /v1/tenants: creation and changes. */
#include "api/internal.h"

#include "base/names.h"

static const char *const tenant_names[] = {"id",     "regions",       "tier",
                                           "labels", "justification", NULL};
static const char *const list_names[] = {"tenants", "justification", NULL};
static const char *const plain_names[] = {"justification", NULL};
static const char *const close_names[] = {"window_days", "justification", NULL};
static const char *const region_names[] = {"region", "justification", NULL};

enum { TENANTS_MAX = 1000, LABELS_MAX = 64 };

/* What a body asks for, with the memory that the specs point to. */
struct wanted {
    struct kw_tenant_spec *specs;
    const char **regions; /* KW_REGIONS_MAX for each */
    struct kw_buf labels; /* texts, each with its NUL */
    size_t *labels_at;
    size_t count;
};

static void wanted_free(struct wanted *wanted)
{
    free(wanted->specs);
    free(wanted->regions);
    free(wanted->labels_at);
    kw_buf_wipe(&wanted->labels);
}

static KW_ERR read_regions(const struct kw_json *object, const char **out, size_t *count,
                           struct kw_error *err)
{
    const struct kw_json *list = kw_json_get(object, "regions");
    if (list == NULL || list->type != KW_JSON_ARRAY || list->count == 0)
        return kw_fail(err, KW_BAD_JSON, "the member \"regions\" must be an array of regions");
    if (list->count > KW_REGIONS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a tenant has at most %d regions", KW_REGIONS_MAX);
    *count = 0;
    for (const struct kw_json *m = list->first; m != NULL; m = m->next) {
        if (m->type != KW_JSON_STRING || strlen(m->text) != m->len)
            return kw_fail(err, KW_BAD_JSON, "a region must be a string");
        KW_TRY(kw_region_name_check(m->text, err));
        out[(*count)++] = m->text;
    }
    return KW_OK;
}

/* Names are written without escaping, so they must need none. */
static KW_ERR write_label(struct kw_json_writer *w, const struct kw_json *m, struct kw_error *err)
{
    for (size_t i = 0; i < m->name_len; i++)
        if (m->name[i] < ' ' || m->name[i] > '~' || m->name[i] == '"' || m->name[i] == '\\')
            return kw_fail(err, KW_BAD_JSON, "a label's name has plain ASCII letters only");
    kw_json_strn(w, m->name, kw_bytes(m->text, m->len));
    return KW_OK;
}

/* Labels are kept in one compact form, of strings only. */
static KW_ERR read_labels(const struct kw_json *object, struct kw_buf *out, struct kw_error *err)
{
    const struct kw_json *labels = kw_json_get(object, "labels");
    struct kw_json_writer w = kw_json_writer(out);
    size_t start = out->len;
    kw_json_begin(&w, NULL, '{');
    if (labels != NULL && labels->type != KW_JSON_NULL) {
        if (labels->type != KW_JSON_OBJECT || labels->count > LABELS_MAX)
            return kw_fail(err, KW_BAD_JSON, "labels must be an object of at most %d strings",
                           LABELS_MAX);
        for (const struct kw_json *m = labels->first; m != NULL; m = m->next) {
            if (m->type != KW_JSON_STRING || m->name_len == 0)
                return kw_fail(err, KW_BAD_JSON, "a label is a name and a string");
            KW_TRY(write_label(&w, m, err));
        }
    }
    kw_json_end(&w);
    if (out->len - start > KW_LABELS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the labels are larger than %d bytes", KW_LABELS_MAX);
    kw_buf_append_byte(out, '\0');
    return kw_buf_status(out, err);
}

static KW_ERR read_spec(struct wanted *wanted, const struct kw_json *object, size_t i,
                        struct kw_error *err)
{
    struct kw_tenant_spec *spec = &wanted->specs[i];
    const char *tier = NULL;
    KW_TRY(kw_body_only(object, tenant_names, err));
    KW_TRY(kw_json_get_str(object, "id", true, &spec->id, err));
    KW_TRY(kw_tenant_name_check(spec->id, err));
    KW_TRY(kw_json_get_str(object, "tier", false, &tier, err));
    if (tier != NULL)
        KW_TRY(kw_tier_from_name(tier, &spec->tier, err));
    spec->regions = wanted->regions + i * KW_REGIONS_MAX;
    KW_TRY(read_regions(object, wanted->regions + i * KW_REGIONS_MAX, &spec->region_count, err));
    wanted->labels_at[i] = wanted->labels.len;
    return read_labels(object, &wanted->labels, err);
}

static KW_ERR read_all(struct wanted *wanted, const struct kw_json *first, size_t count,
                       struct kw_error *err)
{
    wanted->count = count;
    wanted->specs = calloc(count, sizeof *wanted->specs);
    wanted->regions = calloc(count, KW_REGIONS_MAX * sizeof(const char *));
    wanted->labels_at = calloc(count, sizeof *wanted->labels_at);
    if (wanted->specs == NULL || wanted->regions == NULL || wanted->labels_at == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < count; i++, first = first->next)
        KW_TRY(read_spec(wanted, first, i, err));
    for (size_t i = 0; i < count; i++) /* the texts have stopped moving */
        wanted->specs[i].labels = (const char *)wanted->labels.data + wanted->labels_at[i];
    return KW_OK;
}

static KW_ERR create(struct kw_job *job, const struct kw_json *first, size_t count,
                     struct kw_error *err)
{
    struct wanted wanted = {.count = 0};
    kw_code code = read_all(&wanted, first, count, err);
    if (code == KW_OK)
        code = kw_authority_tenants_create(job->api->authority, &job->call->caller, wanted.specs,
                                           count, err);
    wanted_free(&wanted);
    return code;
}

static KW_ERR create_list(struct kw_job *job, const struct kw_json *list, struct kw_error *err)
{
    struct kw_json_writer w = kw_job_writer(job);
    KW_TRY(kw_body_only(job->body.root, list_names, err));
    if (list->type != KW_JSON_ARRAY || list->count == 0)
        return kw_fail(err, KW_BAD_JSON, "the member \"tenants\" must be an array of tenants");
    if (list->count > TENANTS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a call creates at most %d tenants", TENANTS_MAX);
    KW_TRY(create(job, list->first, list->count, err));
    kw_json_begin(&w, NULL, '{');
    kw_json_uint(&w, "created", list->count);
    kw_json_end(&w);
    return KW_OK;
}

KW_ERR kw_handle_tenants_create(struct kw_job *job, struct kw_error *err)
{
    const struct kw_json *list = kw_json_get(job->body.root, "tenants");
    const char *id = NULL;
    job->call->status = 201;
    if (list != NULL)
        return create_list(job, list, err);
    KW_TRY(create(job, job->body.root, 1, err));
    KW_TRY(kw_json_get_str(job->body.root, "id", true, &id, err));
    return kw_answer_tenant(job, id, err);
}

KW_ERR kw_handle_tenant_get(struct kw_job *job, struct kw_error *err)
{
    KW_TRY(kw_tenant_name_check(job->params.value[0], err));
    return kw_answer_tenant(job, job->params.value[0], err);
}

KW_ERR kw_handle_tenant_suspend(struct kw_job *job, struct kw_error *err)
{
    const char *tenant = job->params.value[0];
    KW_TRY(kw_body_only(job->body.root, plain_names, err));
    KW_TRY(kw_authority_tenant_suspend(job->api->authority, &job->call->caller, tenant, err));
    return kw_answer_tenant(job, tenant, err);
}

KW_ERR kw_handle_tenant_resume(struct kw_job *job, struct kw_error *err)
{
    const char *tenant = job->params.value[0];
    KW_TRY(kw_body_only(job->body.root, plain_names, err));
    KW_TRY(kw_authority_tenant_resume(job->api->authority, &job->call->caller, tenant, err));
    return kw_answer_tenant(job, tenant, err);
}

KW_ERR kw_handle_tenant_close(struct kw_job *job, struct kw_error *err)
{
    const char *tenant = job->params.value[0];
    uint64_t days = 0;
    KW_TRY(kw_body_only(job->body.root, close_names, err));
    KW_TRY(kw_json_get_u64(job->body.root, "window_days", false, UINT16_MAX, &days, err));
    KW_TRY(kw_authority_tenant_close(job->api->authority, &job->call->caller, tenant,
                                     (uint32_t)days, err));
    return kw_answer_tenant(job, tenant, err);
}

KW_ERR kw_handle_tenant_add_region(struct kw_job *job, struct kw_error *err)
{
    const char *tenant = job->params.value[0];
    const char *region = NULL;
    KW_TRY(kw_body_only(job->body.root, region_names, err));
    KW_TRY(kw_json_get_str(job->body.root, "region", true, &region, err));
    KW_TRY(kw_authority_tenant_add_region(job->api->authority, &job->call->caller, tenant, region,
                                          err));
    return kw_answer_tenant(job, tenant, err);
}

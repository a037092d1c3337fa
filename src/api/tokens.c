/* /v1/tokens. */
#include "api/internal.h"

#include "base/clock.h"
#include "base/names.h"

static const char *const token_names[] = {"principal",        "roles",         "tenants",
                                          "lifetime_seconds", "justification", NULL};

static const uint64_t lifetime_max_s = 10ULL * 366 * 24 * 3600;
/* Of a token whose maker says nothing: one that is forgotten ends by itself. 0 asks for no end. */
static const uint64_t lifetime_default_s = 90ULL * 24 * 3600;

/* "*", or tenant ids with commas between them: a misspelt scope would silently reach nothing. */
static KW_ERR check_scope(const char *scope, struct kw_error *err)
{
    if (strcmp(scope, "*") == 0)
        return KW_OK;
    do {
        char id[KW_TENANT_MAX + 2];
        size_t len = strcspn(scope, ",");
        if (len > KW_TENANT_MAX)
            len = KW_TENANT_MAX + 1; /* too long in any case */
        memcpy(id, scope, len);
        id[len] = '\0';
        KW_TRY(kw_tenant_name_check(id, err));
        scope += strcspn(scope, ",");
    } while (*scope++ != '\0');
    return KW_OK;
}

static void write_row(struct kw_json_writer *w, const struct kw_token_row *row)
{
    char text[KW_TIME_TEXT_SIZE];
    kw_json_str(w, "id", row->id);
    kw_json_str(w, "principal", row->principal);
    kw_json_str(w, "roles", row->roles);
    kw_json_str(w, "tenants", row->tenants);
    kw_json_str(w, "created_at", kw_time_text(row->created_ms, text));
    if (row->expires_ms != 0)
        kw_json_str(w, "expires_at", kw_time_text(row->expires_ms, text));
    kw_json_bool(w, "revoked", row->revoked);
}

struct token_request {
    const char *principal;
    const char *roles;
    const char *tenants;
    uint64_t lifetime_s;
};

static KW_ERR read_request(const struct kw_job *job, struct token_request *out,
                           struct kw_error *err)
{
    const struct kw_json *root = job->body.root;
    out->tenants = "*";
    KW_TRY(kw_body_only(root, token_names, err));
    KW_TRY(kw_json_get_str(root, "principal", true, &out->principal, err));
    KW_TRY(kw_json_get_str(root, "roles", true, &out->roles, err));
    KW_TRY(kw_json_get_str(root, "tenants", false, &out->tenants, err));
    KW_TRY(check_scope(out->tenants, err));
    return kw_json_get_u64(root, "lifetime_seconds", false, lifetime_max_s, &out->lifetime_s, err);
}

KW_ERR kw_handle_token_create(struct kw_job *job, struct kw_error *err)
{
    struct token_request request = {.lifetime_s = lifetime_default_s};
    struct kw_token_row row;
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    KW_TRY(read_request(job, &request, err));
    KW_TRY(kw_authority_token_create(job->api->authority, &job->call->caller, request.principal,
                                     request.roles, request.tenants,
                                     (int64_t)request.lifetime_s * 1000, &text, &row, err));
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    kw_json_strn(&w, "token", kw_bytes(text.data, strlen((const char *)text.data)));
    write_row(&w, &row);
    kw_json_end(&w);
    job->call->status = 201;
    return KW_OK;
}

struct listing {
    struct kw_json_writer w;
    const struct kw_caller *caller;
};

static bool list_row(void *arg, const struct kw_token_row *row)
{
    struct listing *listing = arg;
    if (strcmp(listing->caller->tenants, "*") != 0 &&
        strcmp(listing->caller->tenants, row->tenants) != 0)
        return true; /* of another's realm */
    kw_json_begin(&listing->w, NULL, '{');
    write_row(&listing->w, row);
    kw_json_end(&listing->w);
    return true;
}

KW_ERR kw_handle_tokens_list(struct kw_job *job, struct kw_error *err)
{
    struct listing listing = {.w = kw_job_writer(job), .caller = &job->call->caller};
    kw_json_begin(&listing.w, NULL, '{');
    kw_json_begin(&listing.w, "tokens", '[');
    KW_TRY(kw_store_tokens(kw_job_store(job), list_row, &listing, err));
    kw_json_end(&listing.w);
    kw_json_end(&listing.w);
    return KW_OK;
}

KW_ERR kw_handle_token_revoke(struct kw_job *job, struct kw_error *err)
{
    struct kw_json_writer w = kw_job_writer(job);
    KW_TRY(kw_authority_token_revoke(job->api->authority, &job->call->caller, job->params.value[0],
                                     err));
    kw_json_begin(&w, NULL, '{');
    kw_json_end(&w);
    return KW_OK;
}

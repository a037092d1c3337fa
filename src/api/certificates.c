/* /v1/certificates: over the data folder's own certificate authority, where there is one. */
#include "api/internal.h"

#include "base/clock.h"
#include "crypto/random.h"
#include "pki/pki.h"

static const char *const names[] = {"kind", "name", "role", "days", "justification", NULL};

struct certificate_request {
    const char *kind;
    const char *name;
    const char *role;
    uint64_t days;
    char subject[KW_PKI_NAME_MAX + 1]; /* role/name, or the host */
};

/* Who holds a certificate reaches every tenant. A server's can be used to stand between callers and
 * the authority, where data keys pass: for that it takes every right. */
static KW_ERR check_grant(const struct kw_caller *caller, const struct certificate_request *request,
                          struct kw_error *err)
{
    bool client = strcmp(request->kind, "client") == 0;
    if (strchr(request->role, ',') != NULL)
        return kw_fail(err, KW_BAD_NAME, "a certificate has one role");
    return kw_authority_grant_check(caller, client ? request->role : "root", "*", err);
}

static KW_ERR read_request(const struct kw_job *job, struct certificate_request *out,
                           struct kw_error *err)
{
    const struct kw_json *root = job->body.root;
    out->role = "service";
    KW_TRY(kw_body_only(root, names, err));
    KW_TRY(kw_json_get_str(root, "kind", true, &out->kind, err));
    KW_TRY(kw_json_get_str(root, "name", true, &out->name, err));
    KW_TRY(kw_json_get_str(root, "role", false, &out->role, err));
    KW_TRY(kw_json_get_u64(root, "days", false, UINT16_MAX, &out->days, err));
    bool client = strcmp(out->kind, "client") == 0;
    if (!client && strcmp(out->kind, "server") != 0)
        return kw_fail(err, KW_BAD_JSON, "the member \"kind\" must be \"client\" or \"server\"");
    KW_TRY(check_grant(&job->call->caller, out, err));
    int len = snprintf(out->subject, sizeof out->subject, "%s%s%s", client ? out->role : "",
                       client ? "/" : "", out->name);
    if (len < 0 || (size_t)len >= sizeof out->subject || (client && strchr(out->name, '/') != NULL))
        return kw_fail(err, KW_BAD_NAME, "a certificate's name is too long or has a '/'");
    return KW_OK;
}

/* Nobody gets a certificate of which there is no record. */
static KW_ERR record(const struct kw_job *job, const struct kw_pki_facts *facts,
                     struct kw_error *err)
{
    const struct kw_caller *caller = &job->call->caller;
    KW_AUTO(kw_buf) detail = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&detail);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "serial", facts->serial);
    kw_json_str(&w, "subject", facts->spiffe_id[0] != '\0' ? facts->spiffe_id : facts->hosts);
    kw_json_end(&w);
    KW_TRY(kw_buf_status(&detail, err));
    struct kw_event event = {
        .time_ms = kw_clock_wall_ms(),
        .operation = job->route->operation,
        .activity = KW_ACTIVITY_CREATE,
        .request_id = caller->request_id,
        .principal = caller->principal,
        .source = caller->source,
        .justification = caller->justification,
        .detail = kw_buf_bytes(&detail),
    };
    kw_random(event.uid, sizeof event.uid);
    return kw_authority_record(job->api->authority, &event, err);
}

static void write_issued(struct kw_job *job, const struct kw_buf *cert, const struct kw_secret *key,
                         const struct kw_pki_facts *facts)
{
    struct kw_json_writer w = kw_job_writer(job);
    char text[KW_TIME_TEXT_SIZE];
    kw_json_begin(&w, NULL, '{');
    kw_json_strn(&w, "certificate", kw_buf_bytes(cert));
    kw_json_strn(&w, "private_key", kw_bytes(key->data, key->len));
    if (facts->spiffe_id[0] != '\0')
        kw_json_str(&w, "spiffe_id", facts->spiffe_id);
    kw_json_str(&w, "serial", facts->serial);
    kw_json_str(&w, "not_after", kw_time_text(facts->not_after_ms, text));
    kw_json_end(&w);
    job->call->status = 201;
}

static KW_ERR find_pki(const struct kw_job *job, const struct kw_api_pki **out,
                       struct kw_error *err)
{
    if (job->api->pki == NULL || job->api->pki->issue == NULL)
        return kw_fail(err, KW_NOT_FOUND, "this authority has no certificate authority of its own");
    *out = job->api->pki;
    return KW_OK;
}

KW_ERR kw_handle_certificate_issue(struct kw_job *job, struct kw_error *err)
{
    struct certificate_request request = {.days = 0};
    const struct kw_api_pki *pki = NULL;
    struct kw_pki_facts facts;
    KW_AUTO(kw_buf) cert = KW_BUF_INIT;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    KW_TRY(find_pki(job, &pki, err));
    kw_code code = read_request(job, &request, err);
    if (code != KW_OK) /* who reached for too much is on record */
        return kw_code_class(code) == KW_CLASS_DENIED ? kw_job_refuse(job, code, err) : code;
    struct kw_api_certificate wanted = {
        .kind = request.kind, .name = request.subject, .days = (uint32_t)request.days};
    KW_TRY(pki->issue(pki->arg, &wanted, &cert, &key, err));
    KW_TRY(kw_pki_describe(kw_buf_bytes(&cert), &facts, err));
    KW_TRY(record(job, &facts, err));
    write_issued(job, &cert, &key, &facts);
    return KW_OK;
}

KW_ERR kw_handle_certificates_list(struct kw_job *job, struct kw_error *err)
{
    const struct kw_api_pki *pki = NULL;
    KW_AUTO(kw_buf) list = KW_BUF_INIT;
    KW_TRY(find_pki(job, &pki, err));
    if (!kw_caller_may_touch(&job->call->caller, "*"))
        return kw_job_refuse(
            job, kw_fail(err, KW_FORBIDDEN, "certificates are for who may see all tenants"), err);
    KW_TRY(pki->list(pki->arg, &list, err));
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    kw_json_raw(&w, "certificates", kw_buf_bytes(&list));
    kw_json_end(&w);
    return KW_OK;
}

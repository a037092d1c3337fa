/* /v1/tenants/{t}/keys/{region}/...: whose key it is. docs/custody.md. */
#include "api/internal.h"

#include "authority/custody.h"
#include "base/clock.h"
#include "base/encode.h"
#include "crypto/rsa.h"

static const char *const plain_names[] = {"justification", NULL};
static const char *const import_names[] = {"token", "wrapped", "expires_at", "justification", NULL};
static const char *const attach_names[] = {"provider", "key", "hold", "justification", NULL};

enum { WRAPPED_MAX = 4096 };

/* ---- Import -----------------------------------------------------------------------------------
 */

static void write_offer(struct kw_job *job, const struct kw_import_offer *offer,
                        const struct kw_buf *pem)
{
    struct kw_json_writer w = kw_job_writer(job);
    char time[KW_TIME_TEXT_SIZE];
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "token", offer->token);
    kw_json_strn(&w, "public_key", kw_buf_bytes(pem));
    kw_json_str(&w, "algorithm", "RSA_AES_KEY_WRAP_SHA_256");
    kw_json_str(&w, "expires_at", kw_time_text(offer->expires_ms, time));
    kw_json_end(&w);
    job->call->status = 201;
}

KW_ERR kw_handle_key_import_offer(struct kw_job *job, struct kw_error *err)
{
    struct kw_import_offer offer = {.public_der = KW_BUF_INIT};
    KW_AUTO(kw_buf) pem = KW_BUF_INIT;
    KW_TRY(kw_key_names_check(job, err));
    KW_TRY(kw_body_only(job->body.root, plain_names, err));
    KW_TRY(kw_authority_import_offer(job->api->authority, &job->call->caller, job->params.value[0],
                                     job->params.value[1], &offer, err));
    kw_code code = kw_rsa_public_to_pem(kw_buf_bytes(&offer.public_der), &pem, err);
    kw_buf_wipe(&offer.public_der);
    KW_TRY(code);
    write_offer(job, &offer, &pem);
    return KW_OK;
}

static KW_ERR read_wrapped(const struct kw_json *root, struct kw_buf *out, struct kw_error *err)
{
    const char *text = NULL;
    KW_TRY(kw_json_get_str(root, "wrapped", true, &text, err));
    if (strlen(text) > WRAPPED_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the member \"wrapped\" is larger than %d characters",
                       WRAPPED_MAX);
    return kw_base64_decode(out, kw_bytes_str(text), err);
}

static void write_imported(struct kw_job *job, const struct kw_import_result *result)
{
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    kw_json_uint(&w, "version", result->version);
    kw_json_bool(&w, "again", result->again);
    kw_json_hex(&w, "commitment", kw_bytes(result->commitment, sizeof result->commitment));
    kw_json_end(&w);
}

KW_ERR kw_handle_key_import(struct kw_job *job, struct kw_error *err)
{
    const struct kw_json *root = job->body.root;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    struct kw_import import = {.tenant = job->params.value[0], .region = job->params.value[1]};
    struct kw_import_result result = {0};
    KW_TRY(kw_key_names_check(job, err));
    KW_TRY(kw_body_only(root, import_names, err));
    KW_TRY(kw_json_get_str(root, "token", true, &import.token, err));
    KW_TRY(read_wrapped(root, &wrapped, err));
    KW_TRY(kw_body_time(root, "expires_at", &import.expires_ms, err));
    import.wrapped = kw_buf_bytes(&wrapped);
    KW_TRY(kw_authority_key_import(job->api->authority, &job->call->caller, &import, &result, err));
    write_imported(job, &result);
    return KW_OK;
}

KW_ERR kw_handle_key_end_material(struct kw_job *job, struct kw_error *err)
{
    const char *tenant = job->params.value[0];
    const char *region = job->params.value[1];
    KW_TRY(kw_key_names_check(job, err));
    KW_TRY(kw_body_only(job->body.root, plain_names, err));
    KW_TRY(kw_authority_key_material_end(job->api->authority, &job->call->caller, tenant, region,
                                         err));
    return kw_answer_key(job, tenant, region, err);
}

/* ---- Attach -----------------------------------------------------------------------------------
 */

static void answer_custody(struct kw_job *job, uint32_t version, enum kw_custody custody)
{
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    kw_json_uint(&w, "version", version);
    kw_json_str(&w, "custody", kw_custody_name(custody));
    kw_json_end(&w);
}

KW_ERR kw_handle_key_attach(struct kw_job *job, struct kw_error *err)
{
    const struct kw_json *root = job->body.root;
    struct kw_attachment attachment = {.tenant = job->params.value[0],
                                       .region = job->params.value[1]};
    uint32_t version = 0;
    KW_TRY(kw_key_names_check(job, err));
    KW_TRY(kw_body_only(root, attach_names, err));
    KW_TRY(kw_json_get_str(root, "provider", true, &attachment.provider, err));
    KW_TRY(kw_json_get_str(root, "key", true, &attachment.key, err));
    KW_TRY(kw_json_get_bool(root, "hold", &attachment.hold, err));
    KW_TRY(kw_authority_key_attach(job->api->authority, &job->call->caller, &attachment, &version,
                                   err));
    answer_custody(job, version, attachment.hold ? KW_HELD : KW_ATTACHED);
    return KW_OK;
}

KW_ERR kw_handle_key_detach(struct kw_job *job, struct kw_error *err)
{
    uint32_t version = 0;
    KW_TRY(kw_key_names_check(job, err));
    KW_TRY(kw_body_only(job->body.root, plain_names, err));
    KW_TRY(kw_authority_key_detach(job->api->authority, &job->call->caller, job->params.value[0],
                                   job->params.value[1], &version, err));
    answer_custody(job, version, KW_MANAGED);
    return KW_OK;
}

/* /v1/sign: a message's statement, signed by a tenant's signing key. docs/spec/message.md, Signing.
 */
#include "api/internal.h"

#include "base/encode.h"
#include "base/names.h"

static const char *const sign_names[] = {"tenant",    "region",        "version",
                                         "statement", "justification", NULL};

enum { STATEMENT_MAX = 1024 }; /* far above its one size, which the authority insists on */

/* What is no statement is handed on as it is: that it was tried is recorded there. */
static KW_ERR read_request(const struct kw_job *job, struct kw_message_signing *out,
                           struct kw_buf *statement, struct kw_error *err)
{
    const struct kw_json *root = job->body.root;
    const char *text = NULL;
    uint64_t version = 0;
    KW_TRY(kw_body_only(root, sign_names, err));
    KW_TRY(kw_json_get_str(root, "tenant", true, &out->tenant, err));
    KW_TRY(kw_tenant_name_check(out->tenant, err));
    KW_TRY(kw_json_get_str(root, "region", true, &out->region, err));
    KW_TRY(kw_region_name_check(out->region, err));
    KW_TRY(kw_json_get_u64(root, "version", true, UINT32_MAX, &version, err));
    KW_TRY(kw_json_get_str(root, "statement", true, &text, err));
    statement->max = STATEMENT_MAX;
    KW_TRY(kw_base64_decode(statement, kw_bytes_str(text), err));
    out->version = (uint32_t)version;
    out->statement = kw_buf_bytes(statement);
    return KW_OK;
}

KW_ERR kw_handle_sign(struct kw_job *job, struct kw_error *err)
{
    KW_AUTO(kw_buf) statement = KW_BUF_INIT;
    struct kw_message_signing request = {.version = 0};
    struct kw_message_signature made;
    KW_TRY(read_request(job, &request, &statement, err));
    KW_TRY(
        kw_authority_message_sign(job->api->authority, &job->call->caller, &request, &made, err));
    struct kw_json_writer w = kw_job_writer(job);
    kw_json_begin(&w, NULL, '{');
    kw_json_base64(&w, "signature", kw_bytes(made.signature, sizeof made.signature));
    kw_json_uint(&w, "version", request.version);
    kw_json_begin(&w, "receipt", '{');
    kw_json_uint(&w, "index", made.ledger_index);
    kw_json_uint(&w, "count", 1);
    kw_json_end(&w);
    kw_json_end(&w);
    return KW_OK;
}

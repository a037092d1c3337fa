/* /v1/ledger: what a third party needs to check the log. Entries name every tenant, so only who may
 * see all of them reads entries; checkpoints, hashes and proofs say nothing about anybody. */
#include "api/internal.h"

#include "ledger/reader.h"

static const char text_type[] = "text/plain; charset=utf-8";

static struct kw_ledger *ledger_of(struct kw_job *job)
{
    return kw_authority_ledger(job->api->authority);
}

static KW_ERR need_all_tenants(const struct kw_job *job, struct kw_error *err)
{
    if (kw_caller_may_touch(&job->call->caller, "*"))
        return KW_OK;
    return kw_fail(err, KW_FORBIDDEN, "entries are of all tenants: %s may see some only",
                   job->call->caller.principal);
}

static KW_ERR read_index(const struct kw_job *job, uint64_t *out, struct kw_error *err)
{
    uint64_t index = UINT64_MAX;
    KW_TRY(kw_query_u64(job->call->query != NULL ? job->call->query : "", "index", INT64_MAX,
                        &index, err));
    if (index == UINT64_MAX)
        return kw_fail(err, KW_BAD_REQUEST, "the parameter 'index' is missing");
    *out = index;
    return KW_OK;
}

KW_ERR kw_handle_ledger_checkpoint(struct kw_job *job, struct kw_error *err)
{
    job->call->content_type = text_type;
    return kw_ledger_resource(ledger_of(job), "checkpoint", &job->call->body_out, err);
}

KW_ERR kw_handle_ledger_vkey(struct kw_job *job, struct kw_error *err)
{
    KW_UNUSED(err);
    job->call->content_type = text_type;
    kw_buf_append_str(&job->call->body_out, kw_ledger_vkey(ledger_of(job)));
    kw_buf_append_byte(&job->call->body_out, '\n');
    return KW_OK;
}

/* The ledger's reader takes the exact paths of tiles and nothing else. */
KW_ERR kw_handle_ledger_tile(struct kw_job *job, struct kw_error *err)
{
    char path[KW_TLOG_PATH_SIZE];
    int len = snprintf(path, sizeof path, "tile/%s", job->params.rest);
    if (len < 0 || (size_t)len >= sizeof path)
        return kw_fail(err, KW_NOT_FOUND, "the ledger has no such tile");
    if (strncmp(job->params.rest, "entries/", 8) == 0)
        KW_TRY(need_all_tenants(job, err));
    job->call->content_type = "application/octet-stream";
    return kw_ledger_resource(ledger_of(job), path, &job->call->body_out, err);
}

/* An entry that no checkpoint covers yet is published for the asking. */
KW_ERR kw_handle_ledger_proof(struct kw_job *job, struct kw_error *err)
{
    uint64_t index = 0;
    KW_TRY(read_index(job, &index, err));
    job->call->content_type = text_type;
    kw_code code = kw_ledger_receipt(ledger_of(job), index, &job->call->body_out, err);
    if (code != KW_AGAIN)
        return code;
    KW_TRY(kw_ledger_publish(ledger_of(job), err));
    return kw_ledger_receipt(ledger_of(job), index, &job->call->body_out, err);
}

KW_ERR kw_handle_ledger_entry(struct kw_job *job, struct kw_error *err)
{
    uint64_t index = 0;
    KW_TRY(need_all_tenants(job, err));
    KW_TRY(read_index(job, &index, err));
    return kw_ledger_entry(ledger_of(job), index, &job->call->body_out, err);
}

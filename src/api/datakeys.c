/* The data plane: from a batch to its answer. */
#include "api/internal.h"

/* Bytes of an answer, so that it is written without growing: the most an item that succeeded
 * takes, and what stands around the items. */
enum { ITEM_BYTES = 192, FRAME_BYTES = 96 };

/* ---- Submission -------------------------------------------------------------------------------
 */

static void submit(struct kw_job *job, bool may_block);

static void submit_blocking(void *arg)
{
    submit(arg, true);
}

/* A caller without the right to use keys is refused as a whole, after its items were recorded. A
 * single item's failure is the call's. */
static KW_ERR outcome(struct kw_job *job, struct kw_error *err)
{
    if (job->batch.code != KW_OK)
        return kw_fail_code(err, job->batch.code);
    if ((job->call->caller.rights & KW_RIGHT_USE_KEYS) == 0)
        return kw_fail(err, KW_FORBIDDEN, "%s has no role that allows using keys",
                       job->call->caller.principal);
    return job->batch.count == 1 ? kw_dk_outcome(&job->batch, 0, err) : KW_OK;
}

static void resume(struct kw_api_call *call)
{
    struct kw_job *job = call->state;
    struct kw_error err;
    if (outcome(job, &err) != KW_OK)
        kw_job_fail(job, &err);
    else
        job->write(job);
}

/* On the ledger's thread. */
static void on_durable(struct kw_dk_batch *batch)
{
    struct kw_job *job = batch->arg;
    struct kw_api_call *call = job->call;
    if (call->post != NULL)
        call->post(call, resume);
    else
        resume(call);
}

/* The tenant whose key is to be made, or the key that a wrapped one names, whoever says whose it
 * is: of the item that is not to be had at once. */
static uint64_t group_of(const struct kw_job *job)
{
    struct kw_wrapped_key head;
    const struct kw_dk_item *item = &job->batch.items[job->batch.missed];
    struct kw_bytes wrapped = kw_bytes(item->wrapped, sizeof item->wrapped);
    if (job->batch.op == KW_DK_GENERATE || kw_wrapped_key_parse(&head, wrapped, NULL) != KW_OK)
        return kw_job_group('t', kw_bytes_str(item->tenant));
    return kw_job_group('k', kw_bytes(head.key_ref, sizeof head.key_ref));
}

static void submit(struct kw_job *job, bool may_block)
{
    struct kw_error err;
    job->batch.done = on_durable;
    job->batch.arg = job;
    job->batch.more = job->call->more && !may_block;
    kw_code code = kw_dk_submit(job->api->authority, &job->batch, may_block, &err);
    if (code == KW_OK)
        return; /* it is the ledger's now, and may be answered already */
    if (code == KW_AGAIN && !may_block)
        kw_job_defer(job, group_of(job), submit_blocking);
    else
        kw_job_fail(job, &err);
}

void kw_data_submit(struct kw_job *job, void (*write)(struct kw_job *job))
{
    job->write = write;
    submit(job, false);
}

/* ---- Answers ----------------------------------------------------------------------------------
 */

void kw_data_receipt(struct kw_job *job, struct kw_json_writer *w)
{
    kw_json_begin(w, "receipt", '{');
    kw_json_uint(w, "index", job->batch.first_index);
    kw_json_uint(w, "count", job->batch.count);
    kw_json_end(w);
}

static void write_item_error(struct kw_json_writer *w, const struct kw_dk_item *item)
{
    struct kw_error err;
    kw_dk_explain(item, &err);
    kw_json_begin(w, "error", '{');
    kw_json_str(w, "code", kw_code_name(err.code));
    kw_json_str(w, "class", kw_class_name(kw_code_class(err.code)));
    kw_json_str(w, "message", err.text);
    kw_json_bool(w, "retryable", kw_code_retryable(err.code));
    kw_json_end(w);
}

static void write_wrapped(struct kw_json_writer *w, const struct kw_dk_item *item)
{
    kw_json_base64(w, "wrapped", kw_bytes(item->wrapped, sizeof item->wrapped));
}

static void write_key_item(struct kw_job *job, struct kw_json_writer *w, size_t i)
{
    const struct kw_dk_item *item = &job->batch.items[i];
    const uint8_t *key = NULL;
    if (kw_dk_key(&job->batch, i, &key, NULL) != KW_OK) {
        write_item_error(w, item);
        return;
    }
    kw_json_base64(w, "plaintext", kw_bytes(key, KW_DK_SIZE));
    if (job->batch.op == KW_DK_GENERATE)
        write_wrapped(w, item);
}

static void write_rewrapped_item(struct kw_job *job, struct kw_json_writer *w, size_t i)
{
    const struct kw_dk_item *item = &job->batch.items[i];
    struct kw_wrapped_key head;
    if (kw_dk_outcome(&job->batch, i, NULL) != KW_OK ||
        kw_wrapped_key_parse(&head, kw_bytes(item->wrapped, sizeof item->wrapped), NULL) != KW_OK) {
        write_item_error(w, item);
        return;
    }
    write_wrapped(w, item);
    kw_json_uint(w, "version", head.version);
}

/* A key that was revoked while its answer was being written: the single item's failure is still the
 * call's. */
static void finish(struct kw_job *job)
{
    struct kw_error err;
    if (job->batch.count == 1 && job->batch.items[0].code != KW_OK) {
        kw_dk_explain(&job->batch.items[0], &err);
        kw_job_fail(job, &err);
    } else {
        kw_job_answer(job);
    }
}

static void write_items(struct kw_job *job,
                        void (*write)(struct kw_job *job, struct kw_json_writer *w, size_t i))
{
    struct kw_json_writer w = kw_job_writer(job);
    kw_buf_reserve(&job->call->body_out, FRAME_BYTES + job->batch.count * ITEM_BYTES);
    kw_json_begin(&w, NULL, '{');
    kw_json_begin(&w, "items", '[');
    for (size_t i = 0; i < job->batch.count; i++) {
        kw_json_begin(&w, NULL, '{');
        write(job, &w, i);
        kw_json_end(&w);
    }
    kw_json_end(&w);
    kw_data_receipt(job, &w);
    kw_json_end(&w);
    finish(job);
}

static void answer_keys(struct kw_job *job)
{
    write_items(job, write_key_item);
}

static void answer_rewrapped(struct kw_job *job)
{
    write_items(job, write_rewrapped_item);
}

KW_ERR kw_handle_generate(struct kw_job *job, struct kw_error *err)
{
    KW_TRY(kw_items_generate(job, err));
    kw_data_submit(job, answer_keys);
    return KW_OK;
}

KW_ERR kw_handle_unwrap(struct kw_job *job, struct kw_error *err)
{
    KW_TRY(kw_items_wrapped(job, KW_DK_UNWRAP, err));
    kw_data_submit(job, answer_keys);
    return KW_OK;
}

KW_ERR kw_handle_rewrap(struct kw_job *job, struct kw_error *err)
{
    KW_TRY(kw_items_wrapped(job, KW_DK_REWRAP, err));
    kw_data_submit(job, answer_rewrapped);
    return KW_OK;
}

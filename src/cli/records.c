#include "cli/records_internal.h"

#include "crypto/suite.h"

/* ---- Asking -----------------------------------------------------------------------------------
 */

static void *ask(void *arg)
{
    struct kw_round *round = arg;
    if (round->act == KW_RECORDS_SEAL)
        round->code = kw_backend_generate(round->backend, &round->batch, &round->error);
    else if (round->act == KW_RECORDS_OPEN)
        round->code = kw_backend_unwrap(round->backend, &round->batch, &round->error);
    else
        round->code = kw_backend_rewrap(round->backend, &round->batch, &round->error);
    kw_aead_forget();
    return NULL;
}

KW_ERR kw_round_ask(struct kw_round *round, struct kw_error *err)
{
    round->code = KW_OK;
    if (round->batch.count == 0)
        return KW_OK;
    int failed = pthread_create(&round->thread, NULL, ask, round);
    if (failed != 0)
        return kw_fail_errno(err, failed, "cannot start a thread");
    round->asking = true;
    return KW_OK;
}

KW_ERR kw_round_wait(struct kw_round *round, struct kw_error *err)
{
    if (!round->asking)
        return KW_OK;
    pthread_join(round->thread, NULL);
    round->asking = false;
    if (round->code == KW_OK)
        return KW_OK;
    /* A single item fails as a whole; its line is known all the same. */
    if (round->batch.count == 1 && round->batch.items[0].error.code != KW_OK) {
        round->code = KW_OK;
        return KW_OK;
    }
    return kw_fail(err, round->code, "%s", round->error.text);
}

/* ---- Finishing --------------------------------------------------------------------------------
 */

static const struct kw_context *context_of(const struct kw_round *round, size_t index,
                                           const struct kw_records_job *job)
{
    return job->context_field_count > 0 ? &round->context[index].bound : &job->scope->context.bound;
}

static KW_ERR seal(struct kw_round *round, size_t index, const struct kw_records_job *job,
                   struct kw_buf *out, struct kw_error *err)
{
    struct kw_data_key keys[KW_RECORD_HEADS_MAX];
    const struct kw_line *line = &round->line[index];
    for (size_t k = 0; k < line->keys; k++) {
        KW_TRY(kw_key_batch_key(&round->batch, line->first_key + k, &keys[k].key, err));
        keys[k].head = round->batch.items[line->first_key + k].head;
    }
    return kw_record_seal(&round->record[index], context_of(round, index, job), keys, out, err);
}

static KW_ERR open_record(struct kw_round *round, size_t index, const struct kw_records_job *job,
                          struct kw_buf *out, struct kw_error *err)
{
    const uint8_t *keys[KW_RECORD_HEADS_MAX];
    const struct kw_line *line = &round->line[index];
    for (size_t k = 0; k < line->keys; k++)
        KW_TRY(kw_key_batch_key(&round->batch, line->first_key + k, &keys[k], err));
    return kw_record_open(&round->record[index], context_of(round, index, job), keys, out, err);
}

static KW_ERR count_heads(struct kw_records_job *job, const struct kw_record *record,
                          const struct kw_key_item *became, struct kw_error *err)
{
    for (size_t i = 0; job->census != NULL && i < record->heads; i++) {
        struct kw_census_row *row = kw_census_row(job->census, &record->head[i]);
        if (row == NULL)
            return kw_fail_code(err, KW_NO_MEMORY);
        row->before++;
        if (became == NULL)
            continue;
        row = kw_census_row(job->census, &became[i].head);
        if (row == NULL)
            return kw_fail_code(err, KW_NO_MEMORY);
        row->after++;
    }
    return KW_OK;
}

static KW_ERR rewrap(struct kw_round *round, size_t index, struct kw_records_job *job,
                     struct kw_buf *out, struct kw_error *err)
{
    struct kw_wrapped_key heads[KW_RECORD_HEADS_MAX];
    const struct kw_line *line = &round->line[index];
    struct kw_record *record = &round->record[index];
    const struct kw_key_item *items = &round->batch.items[line->first_key];
    for (size_t k = 0; k < line->keys; k++) {
        if (items[k].error.code != KW_OK)
            return kw_fail(err, items[k].error.code, "%s", items[k].error.text);
        bool newer = items[k].head.version != record->head[k].version;
        heads[k] = newer ? items[k].head : record->head[k];
        job->changed += newer ? 1 : 0;
    }
    KW_TRY(count_heads(job, record, items, err));
    return kw_record_replace_heads(record, heads, out, err);
}

static KW_ERR finish_one(struct kw_round *round, size_t index, struct kw_records_job *job,
                         struct kw_buf *out, struct kw_error *err)
{
    switch (job->act) {
    case KW_RECORDS_SEAL:
        return seal(round, index, job, out, err);
    case KW_RECORDS_OPEN:
        return open_record(round, index, job, out, err);
    case KW_RECORDS_REWRAP:
        return rewrap(round, index, job, out, err);
    case KW_RECORDS_COUNT:
        return count_heads(job, &round->record[index], NULL, err);
    }
    return kw_fail_code(err, KW_INTERNAL);
}

KW_ERR kw_round_finish(struct kw_round *round, struct kw_records_job *job, struct kw_buf *out,
                       struct kw_error *err)
{
    for (size_t i = 0; i < round->count; i++) {
        const struct kw_line *line = &round->line[i];
        kw_code code = KW_OK;
        if (line->keys > 0)
            code = finish_one(round, i, job, out, err);
        else
            kw_buf_append(out, round->text.data + line->start, line->len);
        if (code != KW_OK)
            return kw_round_blame(round, i, code, err);
        if (line->whole > line->len)
            kw_buf_append_byte(out, '\n');
    }
    return kw_buf_status(out, err);
}

/* ---- The run ----------------------------------------------------------------------------------
 */

/* A first line that does not end an object begins a JSON text over several lines. */
static KW_ERR looks_whole(struct kw_input *input, bool *whole, struct kw_error *err)
{
    struct kw_bytes front;
    KW_TRY(kw_input_peek(input, 65536, &front, err));
    size_t at = 0;
    while (at < front.len && memchr(" \t\r\n", front.data[at], 4) != NULL)
        at++;
    const uint8_t *end = at < front.len ? memchr(front.data + at, '\n', front.len - at) : NULL;
    size_t last = end != NULL ? (size_t)(end - front.data) : at;
    while (last > at && memchr(" \t\r\n", front.data[last - 1], 4) != NULL)
        last--;
    *whole = end != NULL && front.data[at] == '{' && front.data[last - 1] != '}';
    return KW_OK;
}

static KW_ERR write_round(struct kw_round *round, struct kw_records_job *job, struct kw_buf *out,
                          struct kw_error *err)
{
    kw_buf_reset(out);
    KW_TRY(kw_round_finish(round, job, out, err));
    return job->output != NULL ? kw_output_write(job->output, kw_buf_bytes(out), err) : KW_OK;
}

/* A record that cannot be read ends the run, but only after those before it: the first bad line is
 * the one that is named. */
static KW_ERR end_early(struct kw_round *now, struct kw_records_job *job, struct kw_buf *out,
                        const struct kw_error *why, struct kw_error *err)
{
    KW_TRY(write_round(now, job, out, err));
    return kw_fail(err, why->code, "%s", why->text);
}

/* now is with the authority while the one before is finished and the next is filled, in turn, in
 * the other. */
static KW_ERR run_rounds(struct kw_round *now, struct kw_round *other, struct kw_records_job *job,
                         struct kw_error *err)
{
    KW_AUTO(kw_buf) out = KW_BUF_SECRET;
    struct kw_leftover left = {.next_line = 1};
    struct kw_error why = {0};
    KW_TRY(looks_whole(job->input, &left.whole, err));
    KW_TRY(kw_round_fill(now, job, &left, err));
    while (now->count > 0) {
        KW_TRY(kw_round_ask(now, err));
        KW_TRY(write_round(other, job, &out, err));
        left = kw_round_leftover(now, left.whole);
        kw_code filled = kw_round_fill(other, job, &left, &why);
        KW_TRY(kw_round_wait(now, err));
        if (filled != KW_OK)
            return end_early(now, job, &out, &why, err);
        struct kw_round *done = now;
        now = other;
        other = done;
    }
    return write_round(other, job, &out, err);
}

KW_ERR kw_records_run(struct kw_records_job *job, struct kw_error *err)
{
    KW_AUTO_PTR(kw_round) first = NULL;
    KW_AUTO_PTR(kw_round) second = NULL;
    KW_TRY(kw_round_new(&first, job, err));
    KW_TRY(kw_round_new(&second, job, err));
    return run_rounds(first, second, job, err);
}

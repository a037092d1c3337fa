/* Filling a round: reading, cutting into records, parsing, naming the data keys. */
#include "cli/records_internal.h"

enum { READ_SIZE = 256 << 10 };

KW_ERR kw_round_new(struct kw_round **out, const struct kw_records_job *job, struct kw_error *err)
{
    KW_AUTO_PTR(kw_round) round = calloc(1, sizeof *round);
    if (round == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    round->text = (struct kw_buf)KW_BUF_SECRET;
    round->backend = job->backend;
    round->act = job->act;
    for (size_t i = 0; i < KW_ROUND_RECORDS; i++)
        round->record[i] = (struct kw_record)KW_RECORD_INIT;
    KW_TRY(kw_key_batch_init(&round->batch, KW_KEY_BATCH_MAX, err));
    round->batch.justification = job->scope != NULL ? job->scope->justification : NULL;
    *out = round;
    round = NULL;
    return KW_OK;
}

void kw_round_free(struct kw_round *round)
{
    if (round == NULL)
        return;
    kw_code ignored = kw_round_wait(round, NULL);
    KW_UNUSED(ignored);
    for (size_t i = 0; i < KW_ROUND_RECORDS; i++) {
        kw_record_wipe(&round->record[i]);
        kw_bound_context_wipe(&round->context[i]);
    }
    kw_key_batch_wipe(&round->batch);
    kw_buf_wipe(&round->text);
    free(round);
}

kw_code kw_round_blame(const struct kw_round *round, size_t index, kw_code code,
                       struct kw_error *err)
{
    if (err == NULL)
        return code;
    struct kw_error why = *err;
    return kw_fail(err, code, "line %llu: %.340s", (unsigned long long)(round->first_line + index),
                   why.text);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static KW_ERR read_more(struct kw_round *round, struct kw_records_job *job, size_t *got,
                        struct kw_error *err)
{
    KW_TRY(kw_input_append(job->input, &round->text, READ_SIZE, got, err));
    job->bytes += *got;
    if (job->progress != NULL)
        kw_progress_add(job->progress, *got);
    return KW_OK;
}

/* Enough: as many bytes as a round may have, with a line end among them; or all there are. */
static KW_ERR read_text(struct kw_round *round, struct kw_records_job *job,
                        const struct kw_leftover *left, struct kw_error *err)
{
    size_t got = READ_SIZE;
    size_t seen = 0; /* no line end before it */
    size_t ends = 0;
    kw_buf_reset(&round->text);
    kw_buf_append(&round->text, left->text.data, left->text.len);
    for (;;) {
        const uint8_t *text = round->text.data;
        while (seen < round->text.len && ends < KW_ROUND_RECORDS && !left->whole) {
            const uint8_t *end = memchr(text + seen, '\n', round->text.len - seen);
            ends += end != NULL ? 1 : 0;
            seen = end != NULL ? (size_t)(end - text) + 1 : round->text.len;
        }
        bool enough = ends == KW_ROUND_RECORDS || (ends > 0 && round->text.len >= KW_ROUND_BYTES);
        round->at_end = got < READ_SIZE;
        if (enough || round->at_end)
            return kw_buf_status(&round->text, err);
        if (ends == 0 && round->text.len > KW_RECORD_BYTES)
            return kw_fail(err, KW_TOO_LARGE, "line %llu: a record has more than %d MiB",
                           (unsigned long long)round->first_line, KW_RECORD_BYTES >> 20);
        KW_TRY(read_more(round, job, &got, err));
    }
}

/* What has no line end is a line only at the end of all. */
static bool next_line(const struct kw_round *round, bool whole, struct kw_line *out)
{
    size_t left = round->text.len - round->used;
    if (left == 0)
        return false;
    const uint8_t *at = round->text.data + round->used;
    const uint8_t *end = whole ? NULL : memchr(at, '\n', left);
    if (end == NULL && !round->at_end)
        return false;
    *out = (struct kw_line){.start = round->used};
    out->len = end != NULL ? (size_t)(end - at) : left;
    out->whole = out->len + (end != NULL ? 1 : 0);
    return true;
}

static bool is_blank(const struct kw_round *round, const struct kw_line *line)
{
    for (size_t i = 0; i < line->len; i++)
        if (memchr(" \t\r\n", round->text.data[line->start + i], 4) == NULL)
            return false;
    return true;
}

/* ---- Parsing ----------------------------------------------------------------------------------
 */

static KW_ERR parse(struct kw_record *record, const struct kw_records_job *job,
                    struct kw_bytes text, struct kw_line *line, struct kw_error *err)
{
    if (job->act == KW_RECORDS_SEAL) {
        KW_TRY(kw_record_plan(record, job->spec, text, err));
        line->keys = kw_record_plan_keys(record);
        return KW_OK;
    }
    KW_TRY(kw_record_read(record, job->spec, text, err));
    line->keys = job->act == KW_RECORDS_OPEN ? kw_record_read_keys(record) : record->heads;
    return KW_OK;
}

static KW_ERR make_context(struct kw_round *round, size_t index, const struct kw_records_job *job,
                           struct kw_error *err)
{
    struct kw_context_entries entries = job->scope->entries;
    for (size_t i = 0; i < job->context_field_count; i++)
        KW_TRY(kw_context_field_add(&entries, &job->context_fields[i], &round->record[index], err));
    struct kw_bound_context made = {0};
    KW_TRY(kw_bound_context_make(&made, &entries, err));
    kw_bound_context_wipe(&round->context[index]);
    round->context[index] = made;
    return KW_OK;
}

/* With --class, a value of a class that nobody named is not opened. */
static KW_ERR check_class(const struct kw_records_job *job, const struct kw_wrapped_key *head,
                          struct kw_error *err)
{
    uint8_t tag[KW_CLASS_TAG_SIZE];
    char text[40];
    kw_class_tag(tag, job->scope->data_class);
    if (memcmp(tag, head->class_tag, sizeof tag) == 0)
        return KW_OK;
    for (size_t i = 0; job->spec != NULL && i < kw_fields_spec_classes(job->spec); i++) {
        kw_class_tag(tag, kw_fields_spec_class(job->spec, i));
        if (memcmp(tag, head->class_tag, sizeof tag) == 0)
            return KW_OK;
    }
    return kw_fail(err, KW_WRONG_CLASS, "sealed under the class %s, not under %s",
                   kw_class_text(head->class_tag, text), job->scope->data_class);
}

static KW_ERR name_key(struct kw_round *round, size_t index, size_t k,
                       const struct kw_records_job *job, struct kw_error *err)
{
    const struct kw_record *record = &round->record[index];
    struct kw_key_item *item = &round->batch.items[round->line[index].first_key + k];
    *item = (struct kw_key_item){.context = job->context_field_count > 0 ? &round->context[index]
                                                                         : &job->scope->context};
    if (job->act == KW_RECORDS_REWRAP) {
        item->head = record->head[k];
        return KW_OK;
    }
    item->tenant = job->scope->tenant;
    item->region = job->scope->region;
    if (job->act == KW_RECORDS_SEAL) {
        item->data_class = kw_record_plan_class(record, k);
        return KW_OK;
    }
    item->head = *kw_record_read_head(record, k);
    return job->class_given ? check_class(job, &item->head, err) : KW_OK;
}

static KW_ERR take_line(struct kw_round *round, struct kw_records_job *job, struct kw_line line,
                        bool *full, struct kw_error *err)
{
    size_t index = round->count;
    struct kw_record *record = &round->record[index];
    struct kw_bytes text = kw_bytes(round->text.data + line.start, line.len);
    bool blank = is_blank(round, &line);
    if (!blank)
        KW_TRY(parse(record, job, text, &line, err));
    line.first_key = round->batch.count;
    *full = line.first_key + line.keys > KW_KEY_BATCH_MAX;
    if (*full)
        return KW_OK;
    round->line[index] = line;
    if (line.keys > 0 && job->act != KW_RECORDS_COUNT) {
        if (job->context_field_count > 0)
            KW_TRY(make_context(round, index, job, err));
        for (size_t k = 0; k < line.keys; k++)
            KW_TRY(name_key(round, index, k, job, err));
        round->batch.count += line.keys;
    }
    job->records += blank ? 0 : 1;
    job->untouched += !blank && line.keys == 0 ? 1 : 0;
    job->fields += line.keys > 0 ? record->count : 0;
    job->keys += line.keys;
    return KW_OK;
}

KW_ERR kw_round_fill(struct kw_round *round, struct kw_records_job *job,
                     const struct kw_leftover *left, struct kw_error *err)
{
    struct kw_line line;
    bool full = false;
    round->count = 0;
    round->used = 0;
    round->batch.count = 0;
    round->first_line = left->next_line;
    KW_TRY(read_text(round, job, left, err));
    while (round->count < KW_ROUND_RECORDS && next_line(round, left->whole, &line)) {
        kw_code code = take_line(round, job, line, &full, err);
        if (code != KW_OK)
            return kw_round_blame(round, round->count, code, err);
        if (full)
            return KW_OK;
        round->used = line.start + line.whole;
        round->count++;
    }
    return KW_OK;
}

struct kw_leftover kw_round_leftover(const struct kw_round *round, bool whole)
{
    return (struct kw_leftover){
        .text = kw_bytes(round->text.data + round->used, round->text.len - round->used),
        .next_line = round->first_line + round->count,
        .whole = whole,
    };
}

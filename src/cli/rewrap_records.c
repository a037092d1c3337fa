/* Re-wrapping JSON records: the file is written anew, with other heads in it. */
#include "cli/records.h"
#include "cli/rewrap_run.h"

#include <unistd.h>

static KW_ERR count_only(const char *path, struct kw_census *census, struct kw_records_job *job,
                         struct kw_error *err)
{
    KW_AUTO(kw_input) in = KW_INPUT_INIT;
    KW_TRY(kw_input_open(&in, path, err));
    *job = (struct kw_records_job){.act = KW_RECORDS_COUNT, .input = &in, .census = census};
    kw_code code = kw_records_run(job, err);
    job->input = NULL;
    return code;
}

static struct kw_wrapped_key head_of(const struct kw_census_row *row)
{
    struct kw_wrapped_key head = {.suite = row->suite, .version = row->version};
    memcpy(head.key_ref, row->key_ref, sizeof head.key_ref);
    memcpy(head.class_tag, row->class_tag, sizeof head.class_tag);
    return head;
}

static bool all_newest(struct kw_rewrap_run *run, const struct kw_census *census)
{
    for (size_t i = 0; i < census->count; i++) {
        struct kw_wrapped_key head = head_of(&census->rows[i]);
        if (!kw_rewrap_is_newest(run, &head))
            return false;
    }
    return true;
}

/* The census of one file goes into that of the run, as it was (changed: as it became). */
static KW_ERR add_census(struct kw_rewrap_run *run, const struct kw_census *census, bool changed,
                         struct kw_error *err)
{
    for (size_t i = 0; i < census->count; i++) {
        const struct kw_census_row *from = &census->rows[i];
        struct kw_wrapped_key head = head_of(from);
        struct kw_census_row *to = kw_census_row(&run->census, &head);
        if (to == NULL)
            return kw_fail_code(err, KW_NO_MEMORY);
        to->before += from->before;
        to->after += changed ? from->after : from->before;
        run->heads += from->before;
        if (changed && from->after > 0)
            KW_TRY(kw_rewrap_learn(run, &head, err));
    }
    return KW_OK;
}

/* Locked until the new file has the name. Without a change the copy is dropped. */
static KW_ERR write_anew(struct kw_rewrap_run *run, const char *path, struct kw_census *census,
                         struct kw_records_job *job, struct kw_error *err)
{
    KW_AUTO(kw_input) in = KW_INPUT_INIT;
    KW_AUTO(kw_output) out = KW_OUTPUT_INIT;
    KW_AUTO_FD fd = -1;
    struct stat st;
    KW_TRY(kw_rewrap_lock(path, &fd, &st, err));
    KW_TRY(kw_input_open(&in, path, err));
    if (st.st_nlink > 1)
        return kw_fail(err, KW_STATE_CONFLICT,
                       "it has several names (hard links), of which one only would be re-wrapped");
    KW_TRY(kw_output_replace(&out, path, &st, err));
    *job = (struct kw_records_job){.act = KW_RECORDS_REWRAP,
                                   .scope = &run->scope,
                                   .backend = run->backend,
                                   .input = &in,
                                   .output = &out,
                                   .census = census};
    KW_TRY(kw_records_run(job, err));
    return job->changed > 0 ? kw_output_finish(&out, err) : KW_OK;
}

static KW_ERR change(struct kw_rewrap_run *run, const char *path, const struct kw_census *before,
                     struct kw_error *err)
{
    KW_AUTO(kw_census) both = {0};
    struct kw_records_job job = {0};
    struct kw_error why = {0};
    kw_rewrap_pace(run);
    kw_code code = write_anew(run, path, &both, &job, &why);
    if (code != KW_OK) {
        KW_TRY(add_census(run, before, false, err));
        return kw_rewrap_file_failed(run, path, code, &why, err);
    }
    run->changed_files += job.changed > 0 ? 1 : 0;
    run->changed_heads += job.changed;
    return add_census(run, &both, true, err);
}

/* JSON without heads, or what only begins like JSON, is not ours. */
static bool is_other(kw_code code, const struct kw_records_job *job)
{
    return job->keys == 0 && (code == KW_OK || code == KW_BAD_JSON || code == KW_TOO_LARGE);
}

KW_ERR kw_rewrap_records(struct kw_rewrap_run *run, const char *path, struct kw_error *err)
{
    KW_AUTO(kw_census) census = {0};
    struct kw_records_job job = {0};
    struct kw_error why = {0};
    kw_code code = count_only(path, &census, &job, &why);
    if (is_other(code, &job)) {
        run->other++;
        return KW_OK;
    }
    run->sealed++;
    kw_progress_add(&run->progress, 1);
    if (code != KW_OK)
        return kw_rewrap_file_failed(run, path, code, &why, err);
    if (run->dry || all_newest(run, &census))
        return add_census(run, &census, false, err);
    return change(run, path, &census, err);
}

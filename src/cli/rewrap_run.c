#include "cli/rewrap_run.h"

#include "base/clock.h"

#include <sys/stat.h>
#include <unistd.h>

void kw_rewrap_run_wipe(struct kw_rewrap_run *run)
{
    for (size_t i = 0; i < run->pending_count; i++)
        kw_sealed_file_wipe(&run->pending[i]);
    run->pending_count = 0;
    kw_census_wipe(&run->census);
    kw_census_wipe(&run->newest);
    kw_data_scope_wipe(&run->scope);
}

/* ---- Counting ---------------------------------------------------------------------------------
 */

/* Versions are those of a key; its classes share them. */
static struct kw_wrapped_key key_alone(const struct kw_wrapped_key *head)
{
    struct kw_wrapped_key key = {0};
    memcpy(key.key_ref, head->key_ref, sizeof key.key_ref);
    return key;
}

bool kw_rewrap_is_newest(struct kw_rewrap_run *run, const struct kw_wrapped_key *head)
{
    struct kw_wrapped_key key = key_alone(head);
    const struct kw_census_row *row = kw_census_row(&run->newest, &key);
    return row != NULL && row->after != 0 && head->version >= row->after;
}

KW_ERR kw_rewrap_learn(struct kw_rewrap_run *run, const struct kw_wrapped_key *head,
                       struct kw_error *err)
{
    struct kw_wrapped_key key = key_alone(head);
    struct kw_census_row *row = kw_census_row(&run->newest, &key);
    if (row == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    if (head->version > row->after)
        row->after = head->version;
    return KW_OK;
}

KW_ERR kw_rewrap_count(struct kw_rewrap_run *run, const struct kw_wrapped_key *was,
                       const struct kw_wrapped_key *is, struct kw_error *err)
{
    struct kw_census_row *row = kw_census_row(&run->census, was);
    if (row == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    row->before++;
    row = kw_census_row(&run->census, is);
    if (row == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    row->after++;
    run->heads++;
    run->changed_heads += was->version != is->version ? 1 : 0;
    return KW_OK;
}

/* What a later file would meet as well ends the run at once. */
static bool concerns_all(kw_code code)
{
    kw_class cls = kw_code_class(code);
    return (cls == KW_CLASS_UNAVAILABLE && code != KW_IO) || cls == KW_CLASS_LIMITED ||
           cls == KW_CLASS_UNAUTHENTICATED || code == KW_NO_MEMORY || code == KW_NO_SECURE_MEMORY;
}

KW_ERR kw_rewrap_file_failed(struct kw_rewrap_run *run, const char *path, kw_code code,
                             const struct kw_error *why, struct kw_error *err)
{
    if (concerns_all(code))
        return kw_fail(err, code, "%s: %.300s", path, why->text);
    struct kw_error line; /* one line of text, whatever the file is called */
    (void)!kw_fail(&line, code, "%.200s is left as it is: %s", path, why->text);
    kw_progress_end(&run->progress);
    fprintf(stderr, "keyward: %s (%s)\n", line.text, kw_code_name(code));
    if (run->failed_files++ == 0)
        run->first_error = *why;
    run->first_error.code = run->first_error.code == KW_OK ? code : run->first_error.code;
    return KW_OK;
}

void kw_rewrap_pace(struct kw_rewrap_run *run)
{
    if (run->per_second == 0)
        return;
    int64_t due_us = run->started_us + (int64_t)(run->paced++ * 1000000 / run->per_second);
    int64_t wait_us = due_us - kw_clock_us();
    if (wait_us <= 0)
        return;
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    nanosleep(&wait, NULL);
}

/* ---- One round --------------------------------------------------------------------------------
 */

static KW_ERR finish_file(struct kw_rewrap_run *run, const struct kw_sealed_file *file,
                          const struct kw_key_item *item, struct kw_error *err)
{
    struct kw_error why = item->error;
    kw_code code = why.code;
    bool newer = code == KW_OK && item->head.version != file->head.version;
    if (code == KW_OK)
        KW_TRY(kw_rewrap_learn(run, &item->head, err));
    if (newer) {
        kw_rewrap_pace(run);
        code = kw_sealed_file_rewrap(file, &item->head, &why);
    }
    if (code != KW_OK)
        KW_TRY(kw_rewrap_file_failed(run, file->path, code, &why, err));
    newer = newer && code == KW_OK;
    run->changed_files += newer ? 1 : 0;
    kw_progress_add(&run->progress, 1);
    return kw_rewrap_count(run, &file->head, newer ? &item->head : &file->head, err);
}

static KW_ERR ask(struct kw_rewrap_run *run, struct kw_key_batch *batch, struct kw_error *err)
{
    batch->justification = run->scope.justification;
    for (size_t i = 0; i < batch->count; i++)
        batch->items[i] =
            (struct kw_key_item){.context = &run->scope.context, .head = run->pending[i].head};
    kw_code code = kw_backend_rewrap(run->backend, batch, err);
    bool alone = batch->count == 1 && batch->items[0].error.code != KW_OK;
    return alone ? KW_OK : code; /* one that fails alone is a file that failed */
}

KW_ERR kw_rewrap_flush(struct kw_rewrap_run *run, struct kw_error *err)
{
    KW_AUTO(kw_key_batch) batch = {0};
    if (run->pending_count == 0)
        return KW_OK;
    KW_TRY(kw_key_batch_init(&batch, run->pending_count, err));
    KW_TRY(ask(run, &batch, err));
    for (size_t i = 0; i < batch.count; i++)
        KW_TRY(finish_file(run, &run->pending[i], &batch.items[i], err));
    for (size_t i = 0; i < batch.count; i++)
        kw_sealed_file_wipe(&run->pending[i]);
    run->pending_count = 0;
    return KW_OK;
}

/* ---- One file ---------------------------------------------------------------------------------
 */

/* A slow rate takes small rounds, so that what was looked at is not old when it is changed. */
static size_t round_size(const struct kw_rewrap_run *run)
{
    bool slow = run->per_second > 0 && run->per_second < KW_KEY_BATCH_MAX;
    return slow ? (size_t)run->per_second : KW_KEY_BATCH_MAX;
}

static KW_ERR add_sealed(struct kw_rewrap_run *run, struct kw_sealed_file *file,
                         struct kw_error *err)
{
    run->sealed++;
    if (run->dry || kw_rewrap_is_newest(run, &file->head)) {
        kw_progress_add(&run->progress, 1);
        kw_code code = kw_rewrap_count(run, &file->head, &file->head, err);
        kw_sealed_file_wipe(file);
        return code;
    }
    run->pending[run->pending_count++] = *file;
    return run->pending_count >= round_size(run) ? kw_rewrap_flush(run, err) : KW_OK;
}

static void remove_unfinished(const char *path)
{
    KW_AUTO_FD fd = -1;
    char name[KW_PATH_SIZE];
    struct stat st;
    bool ours = kw_path_format(name, NULL, "%s" KW_OUTPUT_NEW, path) == KW_OK &&
                kw_path_exists(name) && kw_rewrap_lock(path, &fd, &st, NULL) == KW_OK;
    if (ours)
        unlink(name);
}

static KW_ERR look(struct kw_rewrap_run *run, const char *path, struct kw_sealed_file *file,
                   enum kw_file_kind *kind, struct kw_error *err)
{
    bool recovered = false;
    if (!run->dry) {
        KW_TRY(kw_patch_recover(path, &recovered, err));
        remove_unfinished(path);
    }
    run->recovered += recovered ? 1 : 0;
    return kw_sealed_file_look(path, file, kind, err);
}

KW_ERR kw_rewrap_add(struct kw_rewrap_run *run, const char *path, struct kw_error *err)
{
    struct kw_sealed_file file = {0};
    enum kw_file_kind kind = KW_FILE_OTHER;
    struct kw_error why = {0};
    run->files++;
    kw_code code = look(run, path, &file, &kind, &why);
    if (code != KW_OK)
        return kw_rewrap_file_failed(run, path, code, &why, err);
    if (kind == KW_FILE_SEALED)
        return add_sealed(run, &file, err);
    kw_sealed_file_wipe(&file);
    if (kind == KW_FILE_JSON)
        return kw_rewrap_records(run, path, err);
    run->other++;
    return KW_OK;
}

/* keyward rewrap files: the walk over files and folders, and what it says at the end. */
#include "base/clock.h"
#include "base/encode.h"
#include "cli/cmd_data.h"
#include "cli/rewrap_run.h"
#include "json/write.h"

#include <errno.h>
#include <fts.h>

static KW_ERR visit(struct kw_rewrap_run *run, const FTSENT *entry, struct kw_error *err)
{
    struct kw_error why = {0};
    switch (entry->fts_info) {
    case FTS_F:
        return kw_rewrap_own_name(entry->fts_name) ? KW_OK
                                                   : kw_rewrap_add(run, entry->fts_path, err);
    case FTS_ERR:
    case FTS_DNR:
    case FTS_NS:
        run->files++;
        return kw_rewrap_file_failed(
            run, entry->fts_path,
            kw_fail_errno(&why, entry->fts_errno, "cannot read %s", entry->fts_path), &why, err);
    default: /* folders; links, which are not followed; devices */
        return KW_OK;
    }
}

static KW_ERR walk_all(struct kw_rewrap_run *run, FTS *walk, struct kw_error *err)
{
    errno = 0;
    for (FTSENT *entry = fts_read(walk); entry != NULL; entry = fts_read(walk)) {
        KW_TRY(visit(run, entry, err));
        errno = 0;
    }
    if (errno != 0)
        return kw_fail_errno(err, errno, "cannot read the folders");
    return run->dry ? KW_OK : kw_rewrap_flush(run, err);
}

/* Paths are absolute or relative to where we are: the walk must not change that. */
static KW_ERR walk(struct kw_rewrap_run *run, const struct kw_invocation *in, struct kw_error *err)
{
    char *paths[KW_CLI_OPERANDS_MAX + 1] = {NULL};
    kw_code code = KW_OK;
    for (unsigned i = 0; i < in->operand_count && code == KW_OK; i++) {
        paths[i] = strdup(in->operands[i]);
        if (paths[i] == NULL)
            code = kw_fail_code(err, KW_NO_MEMORY);
    }
    FTS *files = code == KW_OK ? fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
    if (code == KW_OK)
        code = files != NULL ? walk_all(run, files, err)
                             : kw_fail_errno(err, errno, "cannot read the folders");
    if (files != NULL)
        fts_close(files);
    for (size_t i = 0; paths[i] != NULL; i++)
        free(paths[i]);
    return code;
}

/* ---- Telling ----------------------------------------------------------------------------------
 */

static void tell_json(const struct kw_rewrap_run *run)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&text);
    kw_json_begin(&w, NULL, '{');
    kw_json_bool(&w, "dry_run", run->dry);
    kw_json_uint(&w, "files", run->files);
    kw_json_uint(&w, "sealed_files", run->sealed);
    kw_json_uint(&w, "not_sealed_files", run->other);
    kw_json_uint(&w, "rewrapped_files", run->changed_files);
    kw_json_uint(&w, "failed_files", run->failed_files);
    kw_json_uint(&w, "recovered_files", run->recovered);
    kw_json_uint(&w, "data_keys", run->heads);
    kw_json_uint(&w, "rewrapped_data_keys", run->changed_heads);
    kw_json_begin(&w, "census", '[');
    for (size_t i = 0; i < run->census.count; i++) {
        const struct kw_census_row *row = &run->census.rows[i];
        char ref[2 * KW_KEY_REF_SIZE + 1];
        char class_text[40];
        kw_hex_text(ref, kw_bytes(row->key_ref, KW_KEY_REF_SIZE));
        kw_json_begin(&w, NULL, '{');
        kw_json_str(&w, "key_reference", ref);
        kw_json_uint(&w, "version", row->version);
        kw_json_str(&w, "class", kw_class_text(row->class_tag, class_text));
        kw_json_uint(&w, "before", row->before);
        kw_json_uint(&w, "after", row->after);
        kw_json_end(&w);
    }
    kw_json_end(&w);
    kw_json_end(&w);
    printf("%s\n", kw_buf_str(&text));
}

static void tell_row(const struct kw_rewrap_run *run, const struct kw_census_row *row)
{
    char ref[2 * KW_KEY_REF_SIZE + 1];
    char class_text[40];
    char before[32];
    char after[32];
    kw_hex_text(ref, kw_bytes(row->key_ref, KW_KEY_REF_SIZE));
    printf("  key %s, class %-10s version %-4u %12s", ref,
           kw_class_text(row->class_tag, class_text), row->version,
           kw_cli_count_text(row->before, before));
    if (!run->dry)
        printf(" -> %s", kw_cli_count_text(row->after, after));
    printf("\n");
}

static void tell_text(const struct kw_rewrap_run *run)
{
    char files[32];
    char sealed[32];
    char changed[32];
    char heads[32];
    printf("files: %s; sealed ones: %s; their data keys: %s\n",
           kw_cli_count_text(run->files, files), kw_cli_count_text(run->sealed, sealed),
           kw_cli_count_text(run->heads, heads));
    for (size_t i = 0; i < run->census.count; i++)
        tell_row(run, &run->census.rows[i]);
    if (run->recovered > 0)
        printf("finished %llu that an earlier run had been cut off at\n",
               (unsigned long long)run->recovered);
    if (run->dry)
        printf("dry run: nothing has been changed\n");
    else
        printf("re-wrapped: data keys %s, files %s, in %.2f s\n",
               kw_cli_count_text(run->changed_heads, heads),
               kw_cli_count_text(run->changed_files, changed), kw_data_seconds(run->started_us));
}

static KW_ERR verdict(const struct kw_rewrap_run *run, struct kw_error *err)
{
    if (run->failed_files == 0)
        return KW_OK;
    return kw_fail(
        err, run->first_error.code,
        "%llu of %llu files could not be re-wrapped and are as they were; the first: %.250s",
        (unsigned long long)run->failed_files, (unsigned long long)run->files,
        run->first_error.text);
}

static KW_ERR do_run(struct kw_rewrap_run *run, struct kw_invocation *in, struct kw_error *err)
{
    run->started_us = kw_clock_us();
    run->dry = kw_cli_flag(in, "dry-run");
    KW_TRY(kw_data_scope_read(&run->scope, in, false, err));
    KW_TRY(kw_cli_number(in, "rate", 1000000, &run->per_second, err));
    if (!run->dry)
        KW_TRY(kw_cli_backend(in, &run->backend, err));
    kw_progress_start(&run->progress, "re-wrapping", 0, false);
    kw_code code = walk(run, in, err);
    kw_progress_end(&run->progress);
    kw_census_sort(&run->census);
    if (in->json)
        tell_json(run);
    else
        tell_text(run);
    return code != KW_OK ? code : verdict(run, err);
}

KW_ERR kw_run_rewrap_files(struct kw_invocation *in, struct kw_error *err)
{
    struct kw_rewrap_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = do_run(run, in, err);
    kw_rewrap_run_wipe(run);
    free(run);
    return code;
}

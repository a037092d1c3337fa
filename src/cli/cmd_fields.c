/* keyward fields seal|open: chosen values of JSON records. */
#include "base/clock.h"
#include "cli/cmd_data.h"
#include "cli/records.h"
#include "json/write.h"

struct fields {
    struct kw_data_scope scope;
    struct kw_fields_spec *spec;
    struct kw_context_field context_field[KW_CONTEXT_FIELDS_MAX];
    struct kw_input input;
    struct kw_output output;
    struct kw_progress progress;
    struct kw_records_job job;
    int64_t started_us;
};

static void fields_wipe(struct fields *f)
{
    kw_input_wipe(&f->input);
    kw_output_wipe(&f->output);
    kw_fields_spec_free(f->spec);
    kw_data_scope_wipe(&f->scope);
}

static KW_ERR read_spec(struct fields *f, const struct kw_invocation *in, struct kw_error *err)
{
    const char *text = kw_cli_value(in, "fields");
    bool sealing = f->job.act == KW_RECORDS_SEAL;
    if (text == NULL && sealing)
        return kw_fail(err, KW_USAGE,
                       "--fields is missing: which values to seal, such as "
                       "'$.ssn,$.cards[*].number:financial'");
    if (text == NULL)
        return KW_OK; /* whatever is sealed is opened */
    const char *cls = f->scope.data_class != NULL ? f->scope.data_class : "default";
    KW_TRY(kw_fields_spec_new(&f->spec, text, cls, err));
    f->job.spec = f->spec;
    return KW_OK;
}

static KW_ERR read_context_fields(struct fields *f, const struct kw_invocation *in,
                                  struct kw_error *err)
{
    const char *text;
    for (unsigned i = 0; (text = kw_cli_value_at(in, "context-field", i)) != NULL; i++) {
        if (i == KW_CONTEXT_FIELDS_MAX)
            return kw_fail(err, KW_USAGE, "more than %d times --context-field",
                           KW_CONTEXT_FIELDS_MAX);
        KW_TRY(kw_context_field_parse(&f->context_field[i], text, err));
        f->job.context_field_count = i + 1;
    }
    f->job.context_fields = f->context_field;
    return KW_OK;
}

static KW_ERR prepare(struct fields *f, struct kw_invocation *in, struct kw_error *err)
{
    bool sealing = f->job.act == KW_RECORDS_SEAL;
    f->job.scope = &f->scope;
    f->job.input = &f->input;
    f->job.output = &f->output;
    f->job.progress = &f->progress;
    f->job.class_given = !sealing && kw_cli_flag(in, "class");
    KW_TRY(kw_data_scope_read(&f->scope, in, sealing, err));
    KW_TRY(read_spec(f, in, err));
    KW_TRY(read_context_fields(f, in, err));
    KW_TRY(kw_input_open(&f->input, kw_cli_value(in, "input"), err));
    KW_TRY(kw_output_open(&f->output, kw_cli_value(in, "output"), &f->input, err));
    return kw_cli_backend(in, &f->job.backend, err);
}

static void report_json(const struct fields *f, double seconds)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&text);
    kw_json_begin(&w, NULL, '{');
    kw_json_uint(&w, "records", f->job.records);
    kw_json_uint(&w, "untouched", f->job.untouched);
    kw_json_uint(&w, "fields", f->job.fields);
    kw_json_uint(&w, "data_keys", f->job.keys);
    kw_json_uint(&w, "bytes", f->job.bytes);
    kw_json_uint(&w, "milliseconds", (uint64_t)(seconds * 1000));
    kw_json_end(&w);
    fprintf(kw_output_report(&f->output), "%s\n", kw_buf_str(&text));
}

static void report_text(const struct fields *f, double seconds)
{
    char fields[32];
    char records[32];
    char rate[32];
    char untouched[32];
    bool sealing = f->job.act == KW_RECORDS_SEAL;
    printf("%s %s fields of %s records in %.2f s (%s records/s): %s to %s\n",
           sealing ? "sealed" : "opened", kw_cli_count_text(f->job.fields, fields),
           kw_cli_count_text(f->job.records, records), seconds,
           kw_cli_count_text((uint64_t)((double)f->job.records / seconds), rate), f->input.name,
           f->output.name);
    if (f->job.untouched > 0)
        printf("%s records have nothing to %s and are as they were\n",
               kw_cli_count_text(f->job.untouched, untouched), sealing ? "seal" : "open");
}

/* A misspelt path must not look like success. */
static void warn_of_nothing(const struct fields *f)
{
    if (f->job.records > 0 && f->job.fields == 0)
        fprintf(stderr,
                "keyward: warning: no record has a value to %s at --fields: all %llu are as "
                "they were\n",
                f->job.act == KW_RECORDS_SEAL ? "seal" : "open",
                (unsigned long long)f->job.records);
}

static KW_ERR run(struct fields *f, struct kw_invocation *in, struct kw_error *err)
{
    KW_TRY(prepare(f, in, err));
    kw_progress_start(&f->progress, f->job.act == KW_RECORDS_SEAL ? "sealing" : "opening",
                      kw_input_size(&f->input), true);
    f->progress.on = f->progress.on && !f->output.is_terminal;
    kw_code code = kw_records_run(&f->job, err);
    if (code == KW_OK)
        code = kw_output_finish(&f->output, err);
    kw_progress_end(&f->progress);
    if (code != KW_OK)
        return code;
    double seconds = kw_data_seconds(f->started_us);
    if (in->json)
        report_json(f, seconds);
    else if (f->output.path[0] != '\0')
        report_text(f, seconds);
    warn_of_nothing(f);
    return KW_OK;
}

static KW_ERR run_act(struct kw_invocation *in, enum kw_records_act act, struct kw_error *err)
{
    struct fields f = {.input = KW_INPUT_INIT, .output = KW_OUTPUT_INIT, .job = {.act = act}};
    f.started_us = kw_clock_us();
    kw_code code = run(&f, in, err);
    fields_wipe(&f);
    return code;
}

KW_ERR kw_run_fields_seal(struct kw_invocation *in, struct kw_error *err)
{
    return run_act(in, KW_RECORDS_SEAL, err);
}

KW_ERR kw_run_fields_open(struct kw_invocation *in, struct kw_error *err)
{
    return run_act(in, KW_RECORDS_OPEN, err);
}

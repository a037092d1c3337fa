/* keyward inspect: what a sealed thing says of itself. No key, no authority. */
#include "base/encode.h"
#include "cli/cmd_data.h"
#include "cli/records.h"
#include "json/write.h"

struct inspecting {
    struct kw_input input;
    struct kw_inspection found; /* of one thing */
    struct kw_census census;    /* of records */
    struct kw_records_job job;
    bool records;
};

/* ---- Looking ----------------------------------------------------------------------------------
 */

static bool begins_json(struct kw_bytes front)
{
    size_t at = 0;
    while (at < front.len && memchr(" \t\r\n", front.data[at], 4) != NULL)
        at++;
    return at < front.len && front.data[at] == '{';
}

static KW_ERR look_at_records(struct inspecting *i, struct kw_error *err)
{
    i->records = true;
    i->job =
        (struct kw_records_job){.act = KW_RECORDS_COUNT, .input = &i->input, .census = &i->census};
    KW_TRY(kw_records_run(&i->job, err));
    kw_census_sort(&i->census);
    if (i->job.keys == 0)
        return kw_fail(err, KW_NOT_SEALED, "%s is JSON without sealed fields: %llu records",
                       i->input.name, (unsigned long long)i->job.records);
    return KW_OK;
}

/* All is read, so that the size is known also of a pipe, and a text's every character is checked.
 */
static KW_ERR look_at_bytes(struct inspecting *i, struct kw_error *err)
{
    KW_AUTO(kw_buf) front = KW_BUF_INIT;
    KW_AUTO(kw_buf) rest = KW_BUF_INIT;
    size_t got = 0;
    KW_TRY(kw_input_expect_text(&i->input, err));
    KW_TRY(kw_input_append(&i->input, &front, KW_INSPECT_FRONT, &got, err));
    uint64_t total = got;
    for (got = KW_DATA_BLOCK; got == KW_DATA_BLOCK && total > 0; total += got) {
        rest.len = 0;
        KW_TRY(kw_input_append(&i->input, &rest, KW_DATA_BLOCK, &got, err));
    }
    kw_code code = kw_sealed_inspect(&i->found, kw_buf_bytes(&front), total, err);
    i->found.is_text = i->input.is_text;
    return code;
}

/* ---- Telling ----------------------------------------------------------------------------------
 */

static void head_json(struct kw_json_writer *w, const struct kw_census_row *row, bool counted)
{
    char ref[2 * KW_KEY_REF_SIZE + 1];
    char tag[2 * KW_CLASS_TAG_SIZE + 1];
    const char *name = kw_class_name_known(row->class_tag);
    struct kw_wrapped_key head = {.suite = row->suite};
    kw_hex_text(ref, kw_bytes(row->key_ref, KW_KEY_REF_SIZE));
    kw_hex_text(tag, kw_bytes(row->class_tag, KW_CLASS_TAG_SIZE));
    kw_json_begin(w, NULL, '{');
    kw_json_str(w, "key_reference", ref);
    kw_json_uint(w, "version", row->version);
    if (name != NULL)
        kw_json_str(w, "class", name);
    kw_json_str(w, "class_tag", tag);
    kw_json_uint(w, "suite", row->suite);
    kw_json_str(w, "suite_name", kw_head_suite_name(&head));
    if (counted)
        kw_json_uint(w, "count", row->before);
    kw_json_end(w);
}

static void head_text(const struct kw_census_row *row, bool counted)
{
    char ref[2 * KW_KEY_REF_SIZE + 1];
    char class_text[40];
    char count[32];
    struct kw_wrapped_key head = {.suite = row->suite};
    kw_hex_text(ref, kw_bytes(row->key_ref, KW_KEY_REF_SIZE));
    printf("  key reference %s, version %u, class %s, suite %u (%s)", ref, row->version,
           kw_class_text(row->class_tag, class_text), row->suite, kw_head_suite_name(&head));
    if (counted)
        printf(": %s data keys", kw_cli_count_text(row->before, count));
    printf("\n");
}

static struct kw_census_row row_of(const struct kw_wrapped_key *head)
{
    struct kw_census_row row = {.suite = head->suite, .version = head->version};
    memcpy(row.key_ref, head->key_ref, KW_KEY_REF_SIZE);
    memcpy(row.class_tag, head->class_tag, KW_CLASS_TAG_SIZE);
    return row;
}

static void tell_json(const struct inspecting *i)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    const struct kw_inspection *found = &i->found;
    struct kw_json_writer w = kw_json_writer(&text);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "format", i->records ? "record" : kw_format_name(found->format));
    if (i->records) {
        kw_json_uint(&w, "records", i->job.records);
        kw_json_uint(&w, "records_without", i->job.untouched);
        kw_json_uint(&w, "fields", i->job.fields);
    } else {
        kw_json_bool(&w, "text", found->is_text);
        kw_json_uint(&w, "plain_size", found->plain_size);
        kw_json_bool(&w, "signed", found->is_signed);
    }
    kw_json_uint(&w, "sealed_size", i->records ? i->job.bytes : found->sealed_size);
    kw_json_begin(&w, "heads", '[');
    for (size_t r = 0; i->records && r < i->census.count; r++)
        head_json(&w, &i->census.rows[r], true);
    for (size_t h = 0; !i->records && h < found->heads; h++) {
        struct kw_census_row row = row_of(&found->head[h]);
        head_json(&w, &row, false);
    }
    kw_json_end(&w);
    kw_json_end(&w);
    printf("%s\n", kw_buf_str(&text));
}

static void tell_records(const struct inspecting *i)
{
    char records[32];
    char fields[32];
    printf("%s: %s JSON record%s with %s sealed field%s\n", i->input.name,
           kw_cli_count_text(i->job.records, records), i->job.records == 1 ? "" : "s",
           kw_cli_count_text(i->job.fields, fields), i->job.fields == 1 ? "" : "s");
    for (size_t r = 0; r < i->census.count; r++)
        head_text(&i->census.rows[r], true);
    if (i->job.untouched > 0)
        printf("  %llu of the records have no sealed field\n",
               (unsigned long long)i->job.untouched);
}

static void tell_one(const struct inspecting *i)
{
    static const char *const what[] = {
        [KW_FORMAT_DATA_KEY] = "a wrapped data key, as the authority hands it out",
        [KW_FORMAT_ENVELOPE] = "an envelope",
        [KW_FORMAT_RECORD] = "the head of a record's sealed fields",
        [KW_FORMAT_FIELD] = "one sealed field of a record, without the record",
        [KW_FORMAT_STREAM] = "a stream",
        [KW_FORMAT_MESSAGE] = "a message",
    };
    const struct kw_inspection *found = &i->found;
    printf("%s: %s%s\n", i->input.name, what[found->format],
           found->is_text ? ", in its text form" : "");
    printf("  %llu bytes", (unsigned long long)found->sealed_size);
    if (found->plain_size > 0 || found->format == KW_FORMAT_ENVELOPE)
        printf(", of which %llu are the plaintext's", (unsigned long long)found->plain_size);
    printf("\n");
    for (size_t h = 0; h < found->heads; h++) {
        struct kw_census_row row = row_of(&found->head[h]);
        head_text(&row, false);
    }
    if (found->is_signed)
        printf("  signed with the tenant's key version %u\n", found->signing_version);
}

static KW_ERR run(struct inspecting *i, const struct kw_invocation *in, struct kw_error *err)
{
    struct kw_bytes front;
    KW_TRY(kw_input_open(&i->input,
                         in->operand_count > 0 ? in->operands[0] : kw_cli_value(in, "input"), err));
    KW_TRY(kw_input_peek(&i->input, KW_INSPECT_FRONT, &front, err));
    if (begins_json(front))
        KW_TRY(look_at_records(i, err));
    else
        KW_TRY(look_at_bytes(i, err));
    if (in->json)
        tell_json(i);
    else if (i->records)
        tell_records(i);
    else
        tell_one(i);
    if (!in->json)
        printf("It says so itself: nothing has been decrypted or verified.\n");
    return KW_OK;
}

KW_ERR kw_run_inspect(struct kw_invocation *in, struct kw_error *err)
{
    struct inspecting i = {.input = KW_INPUT_INIT};
    kw_code code = run(&i, in, err);
    kw_census_wipe(&i.census);
    kw_input_wipe(&i.input);
    return code;
}

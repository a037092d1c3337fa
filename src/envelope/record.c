/* What sealing and opening a record share. */
#include "envelope/record.h"

#include "base/encode.h"
#include "envelope/payload.h"
#include "envelope/record_path.h"
#include "envelope/text.h"

static const char domain[] = "keyward field v1";

void kw_record_reset(struct kw_record *record)
{
    kw_json_doc_wipe(&record->doc);
    kw_buf_reset(&record->paths);
    kw_buf_reset(&record->sealed);
    record->count = 0;
    record->keys = 0;
    record->heads = 0;
    record->left_sealed = 0;
}

void kw_record_wipe(struct kw_record *record)
{
    kw_json_doc_wipe(&record->doc);
    kw_buf_wipe(&record->paths);
    kw_buf_wipe(&record->sealed);
    free(record->fields);
    *record = (struct kw_record)KW_RECORD_INIT;
}

KW_ERR kw_record_parse(struct kw_record *record, const struct kw_fields_spec *spec,
                       struct kw_bytes text, struct kw_error *err)
{
    kw_record_reset(record);
    KW_TRY(kw_json_parse(&record->doc, text, err));
    if (record->doc.root->type != KW_JSON_OBJECT)
        return kw_fail(err, KW_BAD_JSON, "a record must be a JSON object");
    record->text = text;
    record->spec = spec;
    return KW_OK;
}

KW_ERR kw_record_add_field(struct kw_record *record, const struct kw_field *field,
                           struct kw_error *err)
{
    if (record->count == KW_RECORD_FIELDS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "more than %d sealed values in one record",
                       KW_RECORD_FIELDS_MAX);
    if (record->count == record->room) {
        size_t room = record->room == 0 ? 8 : 2 * record->room;
        struct kw_field *grown = realloc(record->fields, room * sizeof *grown);
        if (grown == NULL)
            return kw_fail_code(err, KW_NO_MEMORY);
        record->fields = grown;
        record->room = room;
    }
    record->fields[record->count++] = *field;
    return KW_OK;
}

static int by_place(const void *a, const void *b)
{
    size_t x = ((const struct kw_field *)a)->value->start;
    size_t y = ((const struct kw_field *)b)->value->start;
    return (x > y) - (x < y);
}

KW_ERR kw_record_sort_fields(struct kw_record *record, struct kw_error *err)
{
    if (record->count > 1)
        qsort(record->fields, record->count, sizeof record->fields[0], by_place);
    for (size_t i = 1; i < record->count; i++) {
        if (record->fields[i].value->start < record->fields[i - 1].value->end)
            return kw_fail(err, KW_BAD_PATH, "two field paths name the same value or a part of it");
    }
    return KW_OK;
}

enum kw_field_kind kw_field_kind(const struct kw_json *value, struct kw_buf *out)
{
    if (value->type != KW_JSON_STRING || !kw_text_is(kw_bytes(value->text, value->len)))
        return KW_FIELD_PLAIN;
    KW_AUTO(kw_buf) unused = KW_BUF_INIT;
    struct kw_buf *to = out != NULL ? out : &unused;
    size_t before = to->len;
    if (kw_text_decode(to, kw_bytes(value->text, value->len), NULL) != KW_OK)
        return KW_FIELD_DAMAGED;
    size_t len = to->len - before;
    uint8_t format = len > 0 ? to->data[before] : 0;
    if (format == KW_FORMAT_FIELD && len >= KW_FIELD_OVERHEAD)
        return KW_FIELD_SEALED;
    to->len = before;
    bool other = format >= KW_FORMAT_DATA_KEY && format <= KW_FORMAT_MESSAGE &&
                 format != KW_FORMAT_FIELD && len >= KW_HEAD_SIZE;
    return other ? KW_FIELD_PLAIN : KW_FIELD_DAMAGED;
}

KW_ERR kw_field_aad(struct kw_buf *out, const struct kw_wrapped_key *head,
                    const struct kw_context *context, struct kw_bytes path, struct kw_error *err)
{
    uint8_t binding[KW_BINDING_SIZE];
    kw_binding_write(binding, KW_FORMAT_FIELD, head, context);
    kw_buf_reset(out);
    kw_buf_append(out, domain, sizeof domain - 1);
    kw_buf_append(out, binding, sizeof binding);
    kw_buf_append(out, path.data, path.len);
    return kw_buf_status(out, err);
}

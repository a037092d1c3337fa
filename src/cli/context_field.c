#include "cli/records.h"

static KW_ERR bad_path(const char *text, struct kw_error *err)
{
    return kw_fail(err, KW_BAD_PATH,
                   "--context-field '%.60s' is not KEY=$.name or KEY=$.name.name, the place of a "
                   "clear field",
                   text);
}

KW_ERR kw_context_field_parse(struct kw_context_field *out, const char *text, struct kw_error *err)
{
    const char *equals = strchr(text, '=');
    struct kw_context_field field = {0};
    if (equals == NULL || equals == text || strncmp(equals, "=$.", 3) != 0)
        return bad_path(text, err);
    field.key = kw_bytes(text, (size_t)(equals - text));
    for (const char *at = equals + 2; *at != '\0';) {
        size_t len = *at == '.' ? strcspn(at + 1, ".[*]'\"") : 0;
        if (len == 0 || field.steps == KW_CONTEXT_FIELD_STEPS)
            return bad_path(text, err);
        field.step[field.steps++] = kw_bytes(at + 1, len);
        at += 1 + len;
    }
    *out = field;
    return KW_OK;
}

static const struct kw_json *member_of(const struct kw_json *object, struct kw_bytes name)
{
    if (object == NULL || object->type != KW_JSON_OBJECT)
        return NULL;
    const struct kw_json *member = object->first;
    while (member != NULL && !kw_bytes_equal(kw_bytes(member->name, member->name_len), name))
        member = member->next;
    return member;
}

static bool has_text(const struct kw_json *value)
{
    return value != NULL && value->type != KW_JSON_NULL && value->type != KW_JSON_ARRAY &&
           value->type != KW_JSON_OBJECT;
}

static struct kw_bytes text_of(const struct kw_json *value)
{
    if (value->type == KW_JSON_TRUE || value->type == KW_JSON_FALSE)
        return kw_bytes_str(value->type == KW_JSON_TRUE ? "true" : "false");
    return kw_bytes(value->text, value->len);
}

KW_ERR kw_context_field_add(struct kw_context_entries *entries,
                            const struct kw_context_field *field, const struct kw_record *record,
                            struct kw_error *err)
{
    const struct kw_json *value = record->doc.root;
    int key_len = (int)field->key.len;
    for (size_t i = 0; i < field->steps; i++)
        value = member_of(value, field->step[i]);
    if (!has_text(value))
        return kw_fail(err, KW_BAD_CONTEXT,
                       "the record has no string or number at the place of --context-field %.*s",
                       key_len, (const char *)field->key.data);
    for (size_t i = 0; i < record->count; i++) {
        const struct kw_json *sealed = record->fields[i].value;
        if (value->start >= sealed->start && value->end <= sealed->end)
            return kw_fail(err, KW_BAD_CONTEXT,
                           "--context-field %.*s names a sealed value; it must be a clear one",
                           key_len, (const char *)field->key.data);
    }
    return kw_context_add(entries, field->key, text_of(value), err);
}

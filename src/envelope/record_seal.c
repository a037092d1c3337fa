#include "base/encode.h"
#include "crypto/random.h"
#include "envelope/fixed.h"
#include "envelope/record_path.h"
#include "envelope/text.h"

static kw_code plan_match(void *arg, const struct kw_match *match, struct kw_error *err)
{
    struct kw_record *record = arg;
    struct kw_field field = {
        .value = match->value, .path = match->at, .path_len = match->len, .key = match->path->cls};
    return kw_record_add_field(record, &field, err);
}

/* A value that reads as sealed would be taken for one when the record is opened. */
static KW_ERR refuse_sealed(const struct kw_json *value, struct kw_error *err)
{
    if (kw_field_kind(value, NULL) == KW_FIELD_SEALED)
        return kw_fail(err, KW_ALREADY_SEALED,
                       "the record holds a sealed value already: open it, or leave it as it is");
    for (const struct kw_json *child = value->first; child != NULL; child = child->next)
        KW_TRY(refuse_sealed(child, err));
    return KW_OK;
}

/* Numbers the classes that matched, in the order of their first value in the text. */
static void number_keys(struct kw_record *record)
{
    uint8_t number_of[KW_FIELDS_CLASSES_MAX];
    memset(number_of, 0xff, sizeof number_of);
    for (size_t i = 0; i < record->count; i++) {
        uint8_t cls = record->fields[i].key;
        if (number_of[cls] == 0xff) {
            number_of[cls] = (uint8_t)record->keys;
            record->key_of[record->keys++] = cls;
        }
        record->fields[i].key = number_of[cls];
    }
}

KW_ERR kw_record_plan(struct kw_record *record, const struct kw_fields_spec *spec,
                      struct kw_bytes text, struct kw_error *err)
{
    KW_TRY(kw_record_parse(record, spec, text, err));
    const struct kw_json *root = record->doc.root;
    if (kw_json_get(root, KW_RECORD_MEMBER) != NULL)
        return kw_fail(err, KW_ALREADY_SEALED, "the record has a member %s: it is sealed already",
                       KW_RECORD_MEMBER);
    KW_TRY(refuse_sealed(root, err));
    KW_TRY(kw_fields_spec_match(spec, root, &record->paths, plan_match, record, err));
    KW_TRY(kw_record_sort_fields(record, err));
    number_keys(record);
    return KW_OK;
}

size_t kw_record_plan_keys(const struct kw_record *record)
{
    return record->keys;
}

const char *kw_record_plan_class(const struct kw_record *record, size_t index)
{
    return record->spec->classes[record->key_of[index]];
}

struct sealing {
    struct kw_record *record;
    const struct kw_context *context;
    const struct kw_data_key *keys;
    const uint8_t *nonces; /* NULL: random ones */
    struct kw_buf aad;
    struct kw_buf bytes; /* the value being sealed */
};

/* Makes s->bytes the sealed form of the field. */
static KW_ERR seal_field(struct sealing *s, size_t index, struct kw_error *err)
{
    const struct kw_field *field = &s->record->fields[index];
    const struct kw_data_key *key = &s->keys[field->key];
    struct kw_bytes raw = kw_bytes(s->record->text.data + field->value->start,
                                   field->value->end - field->value->start);
    struct kw_bytes path = kw_bytes(s->record->paths.data + field->path, field->path_len);
    const struct kw_suite *suite = NULL;
    KW_TRY(kw_suite_get(key->head.suite, &suite, err));
    KW_TRY(kw_field_aad(&s->aad, &key->head, s->context, path, err));
    kw_buf_reset(&s->bytes);
    uint8_t *out = kw_buf_reserve(&s->bytes, raw.len + KW_FIELD_OVERHEAD);
    if (out == NULL)
        return kw_buf_status(&s->bytes, err);
    out[0] = KW_FORMAT_FIELD;
    out[1] = field->key;
    uint8_t *nonce = out + 2;
    if (s->nonces != NULL)
        memcpy(nonce, s->nonces + index * KW_NONCE_SIZE, KW_NONCE_SIZE);
    else
        kw_random(nonce, KW_NONCE_SIZE);
    KW_TRY(kw_aead_seal(suite, key->key, nonce, kw_buf_bytes(&s->aad), raw, nonce + KW_NONCE_SIZE,
                        err));
    s->bytes.len = raw.len + KW_FIELD_OVERHEAD;
    return KW_OK;
}

static void append_text_string(struct kw_buf *out, struct kw_bytes sealed)
{
    kw_buf_append_byte(out, '"');
    kw_text_encode(out, sealed);
    kw_buf_append_byte(out, '"');
}

static void append_heads(struct kw_buf *out, const struct kw_record *record,
                         const struct kw_data_key *keys)
{
    bool list = record->keys > 1;
    kw_buf_append_str(out, record->doc.root->count > 0 ? ",\"" : "\"");
    kw_buf_append_str(out, KW_RECORD_MEMBER "\":");
    if (list)
        kw_buf_append_byte(out, '[');
    for (size_t i = 0; i < record->keys; i++) {
        uint8_t bytes[KW_HEAD_SIZE];
        struct kw_wrapped_key head = keys[i].head;
        head.format = KW_FORMAT_RECORD;
        kw_wrapped_key_write(&head, bytes);
        if (i > 0)
            kw_buf_append_byte(out, ',');
        append_text_string(out, kw_bytes(bytes, sizeof bytes));
    }
    if (list)
        kw_buf_append_byte(out, ']');
}

static void append_between(struct kw_buf *out, const struct kw_record *record, size_t from,
                           size_t to)
{
    kw_buf_append(out, record->text.data + from, to - from);
}

static KW_ERR seal_all(struct sealing *s, struct kw_buf *out, struct kw_error *err)
{
    const struct kw_record *record = s->record;
    size_t at = 0;
    for (size_t i = 0; i < record->count; i++) {
        const struct kw_json *value = record->fields[i].value;
        append_between(out, record, at, value->start);
        KW_TRY(seal_field(s, i, err));
        append_text_string(out, kw_buf_bytes(&s->bytes));
        at = value->end;
    }
    size_t brace = record->doc.root->end - 1;
    append_between(out, record, at, brace);
    if (record->keys > 0)
        append_heads(out, record, s->keys);
    append_between(out, record, brace, record->text.len);
    return kw_buf_status(out, err);
}

/* All keys of a class have one class's head, and none serves two classes of the record. */
static KW_ERR check_keys(const struct kw_record *record, const struct kw_data_key *keys,
                         struct kw_error *err)
{
    for (size_t i = 0; i < record->keys; i++) {
        if (memcmp(keys[i].head.class_tag, record->spec->class_tags[record->key_of[i]],
                   KW_CLASS_TAG_SIZE) != 0)
            return kw_fail(err, KW_INTERNAL, "a data key of another class was given for a field");
    }
    return KW_OK;
}

KW_ERR kw_record_seal_fixed(struct kw_record *record, const struct kw_context *context,
                            const struct kw_data_key *keys, const uint8_t *nonces,
                            struct kw_buf *out, struct kw_error *err)
{
    struct sealing s = {.record = record, .context = context, .keys = keys, .nonces = nonces};
    size_t before = out->len;
    KW_TRY(check_keys(record, keys, err));
    kw_code code = seal_all(&s, out, err);
    kw_buf_wipe(&s.aad);
    kw_buf_wipe(&s.bytes);
    if (code != KW_OK)
        out->len = before;
    return code;
}

KW_ERR kw_record_seal(struct kw_record *record, const struct kw_context *context,
                      const struct kw_data_key *keys, struct kw_buf *out, struct kw_error *err)
{
    return kw_record_seal_fixed(record, context, keys, NULL, out, err);
}

#include "base/encode.h"
#include "envelope/record_path.h"
#include "envelope/text.h"

static KW_ERR read_head(struct kw_record *record, const struct kw_json *value, struct kw_error *err)
{
    uint8_t bytes[KW_HEAD_SIZE];
    struct kw_wrapped_key *head = &record->head[record->heads];
    struct kw_bytes text = kw_bytes(value->text, value->len);
    if (value->type != KW_JSON_STRING || !kw_text_is(text) ||
        kw_base64url_decode_exact(
            bytes, sizeof bytes,
            kw_bytes(text.data + KW_TEXT_PREFIX_SIZE, text.len - KW_TEXT_PREFIX_SIZE),
            NULL) != KW_OK)
        return kw_fail(err, KW_BAD_FORMAT, "the member %s does not hold wrapped data keys",
                       KW_RECORD_MEMBER);
    KW_TRY(kw_wrapped_key_parse(head, kw_bytes(bytes, sizeof bytes), err));
    if (head->format != KW_FORMAT_RECORD)
        return kw_fail(err, KW_BAD_FORMAT, "the member %s holds the head of another format",
                       KW_RECORD_MEMBER);
    record->heads++;
    return KW_OK;
}

static KW_ERR read_heads(struct kw_record *record, struct kw_error *err)
{
    const struct kw_json *member = kw_json_get(record->doc.root, KW_RECORD_MEMBER);
    if (member == NULL)
        return KW_OK;
    if (member->type != KW_JSON_ARRAY)
        return read_head(record, member, err);
    if (member->count == 0 || member->count > KW_RECORD_HEADS_MAX)
        return kw_fail(err, KW_BAD_FORMAT, "the member %s holds no or too many wrapped data keys",
                       KW_RECORD_MEMBER);
    for (const struct kw_json *value = member->first; value != NULL; value = value->next)
        KW_TRY(read_head(record, value, err));
    return KW_OK;
}

/* Takes value, which must be sealed, as a field to be opened. tag: the class that it must have, or
 * NULL. */
static KW_ERR take_field(struct kw_record *record, const struct kw_match *match, const uint8_t *tag,
                         struct kw_error *err)
{
    size_t at = record->sealed.len;
    if (kw_field_kind(match->value, &record->sealed) != KW_FIELD_SEALED)
        return kw_fail(err, KW_NOT_SEALED, "a value that the field paths name is not sealed");
    uint8_t head = record->sealed.data[at + 1];
    if (head >= record->heads)
        return kw_fail(err, KW_SEAL_BROKEN, "a sealed value has no wrapped data key in its record");
    if (tag != NULL && memcmp(tag, record->head[head].class_tag, KW_CLASS_TAG_SIZE) != 0)
        return kw_fail(err, KW_SEAL_BROKEN,
                       "a value is sealed under another class than its path's");
    struct kw_field field = {.value = match->value,
                             .path = match->at,
                             .path_len = match->len,
                             .key = head,
                             .sealed = at,
                             .sealed_len = record->sealed.len - at};
    return kw_record_add_field(record, &field, err);
}

static kw_code read_match(void *arg, const struct kw_match *match, struct kw_error *err)
{
    struct kw_record *record = arg;
    const struct kw_path *path = match->path;
    return take_field(record, match, path->class_named ? record->spec->class_tags[path->cls] : NULL,
                      err);
}

/* Without a spec: every value that reads as sealed, and damaged ones are noticed as far as one can
 * without knowing which values should be sealed. paths ends with value's own path, from start
 * on. */
static KW_ERR read_all(struct kw_record *record, const struct kw_json *value, size_t *start,
                       struct kw_error *err)
{
    struct kw_buf *paths = &record->paths;
    enum kw_field_kind kind = kw_field_kind(value, NULL);
    if (kind == KW_FIELD_DAMAGED)
        return kw_fail(err, KW_SEAL_BROKEN,
                       "a value begins like a sealed one and is none: give the field paths");
    if (kind == KW_FIELD_SEALED) {
        struct kw_match match = {.value = value, .at = *start, .len = paths->len - *start};
        KW_TRY(take_field(record, &match, NULL, err));
        return kw_path_keep(paths, start, err);
    }
    size_t index = 0;
    for (const struct kw_json *child = value->first; child != NULL; child = child->next, index++) {
        size_t here = paths->len - *start;
        if (child->name != NULL)
            kw_path_add_name(paths, kw_bytes(child->name, child->name_len));
        else
            kw_path_add_index(paths, index);
        KW_TRY(read_all(record, child, start, err));
        paths->len = *start + here;
    }
    return KW_OK;
}

static size_t count_sealed(const struct kw_json *value)
{
    size_t count = kw_field_kind(value, NULL) == KW_FIELD_SEALED ? 1 : 0;
    for (const struct kw_json *child = value->first; child != NULL; child = child->next)
        count += count_sealed(child);
    return count;
}

/* Numbers the heads that are needed, in the order of the first value that needs each. */
static void number_keys(struct kw_record *record)
{
    uint8_t number_of[KW_RECORD_HEADS_MAX];
    memset(number_of, 0xff, sizeof number_of);
    for (size_t i = 0; i < record->count; i++) {
        uint8_t head = record->fields[i].key;
        if (number_of[head] == 0xff) {
            number_of[head] = (uint8_t)record->keys;
            record->key_of[record->keys++] = head;
        }
    }
}

KW_ERR kw_record_read(struct kw_record *record, const struct kw_fields_spec *spec,
                      struct kw_bytes text, struct kw_error *err)
{
    KW_TRY(kw_record_parse(record, spec, text, err));
    const struct kw_json *root = record->doc.root;
    KW_TRY(read_heads(record, err));
    if (spec != NULL) {
        KW_TRY(kw_fields_spec_match(spec, root, &record->paths, read_match, record, err));
        KW_TRY(kw_record_sort_fields(record, err));
        record->left_sealed = count_sealed(root) - record->count;
    } else {
        size_t start = 0;
        kw_buf_append_byte(&record->paths, '$');
        KW_TRY(read_all(record, root, &start, err));
    }
    KW_TRY(kw_buf_status(&record->paths, err));
    number_keys(record);
    if (spec == NULL && record->keys < record->heads)
        return kw_fail(err, KW_SEAL_BROKEN, "values that were sealed are missing from the record");
    return KW_OK;
}

size_t kw_record_read_keys(const struct kw_record *record)
{
    return record->keys;
}

const struct kw_wrapped_key *kw_record_read_head(const struct kw_record *record, size_t index)
{
    return &record->head[record->key_of[index]];
}

struct opening {
    const struct kw_record *record;
    const struct kw_context *context;
    const uint8_t *key_of_head[KW_RECORD_HEADS_MAX];
    struct kw_buf aad;
};

static KW_ERR open_field(struct opening *o, const struct kw_field *field, struct kw_buf *out,
                         struct kw_error *err)
{
    const struct kw_record *record = o->record;
    const struct kw_wrapped_key *head = &record->head[field->key];
    const uint8_t *nonce = record->sealed.data + field->sealed + 2;
    struct kw_bytes body = kw_bytes(nonce + KW_NONCE_SIZE, field->sealed_len - 2 - KW_NONCE_SIZE);
    struct kw_bytes path = kw_bytes(record->paths.data + field->path, field->path_len);
    const struct kw_suite *suite = NULL;
    KW_TRY(kw_suite_get(head->suite, &suite, err));
    KW_TRY(kw_field_aad(&o->aad, head, o->context, path, err));
    uint8_t *room = kw_buf_reserve(out, body.len - KW_TAG_SIZE);
    if (room == NULL)
        return kw_buf_status(out, err);
    KW_TRY(kw_aead_open(suite, o->key_of_head[field->key], nonce, kw_buf_bytes(&o->aad), body, room,
                        err));
    out->len += body.len - KW_TAG_SIZE;
    return KW_OK;
}

/* Where the member of the heads and its comma stand: what sealing added. None: the end of the
 * object. */
struct cut {
    size_t from, to;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(struct kw_bytes text, size_t at)
{
    while (is_space(text.data[at])) /* a brace follows, if nothing else */
        at++;
    return at;
}

/* As sealed, the member stands last: its comma goes with it, and all other bytes stay. A store that
 * orders members anew (jsonb) may have put it elsewhere. */
static struct cut heads_place(const struct kw_record *record)
{
    const struct kw_json *root = record->doc.root;
    const struct kw_json *before = NULL;
    const struct kw_json *member = root->first;
    while (member != NULL &&
           !kw_bytes_equal_str(kw_bytes(member->name, member->name_len), KW_RECORD_MEMBER)) {
        before = member;
        member = member->next;
    }
    if (member == NULL || record->left_sealed > 0)
        return (struct cut){root->end - 1, root->end - 1};
    size_t from = skip_space(record->text, before != NULL ? before->end : root->start + 1);
    if (before == NULL && member->next != NULL) /* the comma after it goes instead */
        return (struct cut){from, skip_space(record->text, member->end) + 1};
    return (struct cut){from, member->end};
}

static KW_ERR open_all(struct opening *o, struct kw_buf *out, struct kw_error *err)
{
    const struct kw_record *record = o->record;
    struct cut cut = heads_place(record);
    bool cut_done = false;
    size_t at = 0;
    for (size_t i = 0; i < record->count; i++) {
        const struct kw_json *value = record->fields[i].value;
        if (!cut_done && value->start >= cut.to) {
            kw_buf_append(out, record->text.data + at, cut.from - at);
            at = cut.to;
            cut_done = true;
        }
        kw_buf_append(out, record->text.data + at, value->start - at);
        KW_TRY(open_field(o, &record->fields[i], out, err));
        at = value->end;
    }
    if (!cut_done) {
        kw_buf_append(out, record->text.data + at, cut.from - at);
        at = cut.to;
    }
    kw_buf_append(out, record->text.data + at, record->text.len - at);
    return kw_buf_status(out, err);
}

KW_ERR kw_record_open(struct kw_record *record, const struct kw_context *context,
                      const uint8_t *const *data_keys, struct kw_buf *out, struct kw_error *err)
{
    struct opening o = {.record = record, .context = context};
    size_t before = out->len;
    for (size_t i = 0; i < record->keys; i++)
        o.key_of_head[record->key_of[i]] = data_keys[i];
    kw_code code = open_all(&o, out, err);
    kw_buf_wipe(&o.aad);
    if (code != KW_OK && out->len > before) {
        kw_cleanse(out->data + before, out->len - before);
        out->len = before;
    }
    return code;
}

static bool same_but_wrap(const struct kw_wrapped_key *a, const struct kw_wrapped_key *b)
{
    return a->suite == b->suite && memcmp(a->key_ref, b->key_ref, KW_KEY_REF_SIZE) == 0 &&
           memcmp(a->class_tag, b->class_tag, KW_CLASS_TAG_SIZE) == 0;
}

static void append_head(struct kw_buf *out, const struct kw_wrapped_key *key)
{
    uint8_t bytes[KW_HEAD_SIZE];
    struct kw_wrapped_key head = *key;
    head.format = KW_FORMAT_RECORD;
    kw_wrapped_key_write(&head, bytes);
    kw_buf_append_byte(out, '"');
    kw_text_encode(out, kw_bytes(bytes, sizeof bytes));
    kw_buf_append_byte(out, '"');
}

KW_ERR kw_record_replace_heads(struct kw_record *record, const struct kw_wrapped_key *heads,
                               struct kw_buf *out, struct kw_error *err)
{
    const struct kw_json *member = kw_json_get(record->doc.root, KW_RECORD_MEMBER);
    size_t before = out->len;
    size_t at = 0;
    if (member != NULL && member->type == KW_JSON_ARRAY)
        member = member->first;
    for (size_t i = 0; i < record->heads && member != NULL; i++, member = member->next) {
        if (!same_but_wrap(&heads[i], &record->head[i])) {
            out->len = before;
            return kw_fail(err, KW_STATE_CONFLICT, "a re-wrap may change version and wrap only");
        }
        kw_buf_append(out, record->text.data + at, member->start - at);
        append_head(out, &heads[i]);
        at = member->end;
    }
    kw_buf_append(out, record->text.data + at, record->text.len - at);
    return kw_buf_status(out, err);
}

#include "envelope/context.h"

#include "base/utf8.h"
#include "crypto/hash.h"
#include "json/json.h"

static const char domain[] = "keyward context v1"; /* hashed with its NUL */

static KW_ERR check_text(struct kw_bytes text, const char *what, struct kw_error *err)
{
    if (text.len > KW_CONTEXT_SIZE_MAX)
        return kw_fail(err, KW_BAD_CONTEXT, "a context %s is longer than %d bytes", what,
                       KW_CONTEXT_SIZE_MAX);
    if (!kw_utf8_valid(text) || (text.len > 0 && memchr(text.data, '\0', text.len) != NULL))
        return kw_fail(err, KW_BAD_CONTEXT, "a context %s is not UTF-8, or holds a NUL", what);
    return KW_OK;
}

KW_ERR kw_context_add(struct kw_context_entries *entries, struct kw_bytes key,
                      struct kw_bytes value, struct kw_error *err)
{
    if (entries->count == KW_CONTEXT_ENTRIES_MAX)
        return kw_fail(err, KW_BAD_CONTEXT, "a context has at most %d entries",
                       KW_CONTEXT_ENTRIES_MAX);
    if (key.len == 0)
        return kw_fail(err, KW_BAD_CONTEXT, "a context key is empty");
    KW_TRY(check_text(key, "key", err));
    KW_TRY(check_text(value, "value", err));
    entries->entry[entries->count++] = (struct kw_context_entry){key, value};
    return KW_OK;
}

KW_ERR kw_context_add_text(struct kw_context_entries *entries, const char *text,
                           struct kw_error *err)
{
    const char *divider = strchr(text, '=');
    if (divider == NULL)
        return kw_fail(err, KW_BAD_CONTEXT, "a context entry is written key=value");
    return kw_context_add(entries, kw_bytes(text, (size_t)(divider - text)),
                          kw_bytes_str(divider + 1), err);
}

KW_ERR kw_context_add_json(struct kw_context_entries *entries, const struct kw_json *object,
                           struct kw_error *err)
{
    if (object == NULL)
        return KW_OK;
    if (object->type != KW_JSON_OBJECT)
        return kw_fail(err, KW_BAD_CONTEXT, "the context must be an object of strings");
    for (const struct kw_json *m = object->first; m != NULL; m = m->next) {
        if (m->type != KW_JSON_STRING)
            return kw_fail(err, KW_BAD_CONTEXT, "each value of the context must be a string");
        KW_TRY(kw_context_add(entries, kw_bytes(m->name, m->name_len), kw_bytes(m->text, m->len),
                              err));
    }
    return KW_OK;
}

static int compare(struct kw_bytes a, struct kw_bytes b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.data, b.data, shared); /* keys are not empty */
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

/* At most 32 entries, mostly one to four and often in order: insertion is the fastest sort. */
static KW_ERR sort(struct kw_context_entries *entries, struct kw_error *err)
{
    struct kw_context_entry *e = entries->entry;
    for (size_t i = 1; i < entries->count; i++) {
        struct kw_context_entry moving = e[i];
        size_t at = i;
        int order = 1;
        while (at > 0 && (order = compare(moving.key, e[at - 1].key)) < 0) {
            e[at] = e[at - 1];
            at--;
        }
        if (at > 0 && order == 0)
            return kw_fail(err, KW_BAD_CONTEXT, "the context has the same key twice");
        e[at] = moving;
    }
    return KW_OK;
}

static size_t put(uint8_t *out, struct kw_bytes text)
{
    kw_put_u16(out, (uint16_t)text.len);
    if (text.len > 0)
        memcpy(out + 2, text.data, text.len);
    return 2 + text.len;
}

static KW_ERR canonical(uint8_t out[KW_CONTEXT_SIZE_MAX], size_t *len,
                        const struct kw_context_entries *entries, struct kw_error *err)
{
    struct kw_context_entries sorted;
    sorted.count = entries == NULL ? 0 : entries->count;
    size_t at = 0;
    if (sorted.count > 0)
        memcpy(sorted.entry, entries->entry, sorted.count * sizeof sorted.entry[0]);
    KW_TRY(sort(&sorted, err));
    for (size_t i = 0; i < sorted.count; i++) {
        const struct kw_context_entry *e = &sorted.entry[i];
        if (e->key.len + e->value.len + 4 > KW_CONTEXT_SIZE_MAX - at)
            return kw_fail(err, KW_BAD_CONTEXT, "the context is larger than %d bytes",
                           KW_CONTEXT_SIZE_MAX);
        at += put(out + at, e->key);
        at += put(out + at, e->value);
    }
    *len = at;
    return KW_OK;
}

KW_ERR kw_context_make(struct kw_context *out, const struct kw_context_entries *entries,
                       struct kw_error *err)
{
    uint8_t form[KW_CONTEXT_SIZE_MAX];
    size_t len = 0;
    KW_TRY(canonical(form, &len, entries, err));
    struct kw_bytes parts[] = {kw_bytes(domain, sizeof domain), kw_bytes(form, len)};
    kw_sha256(out->digest, parts, KW_COUNT(parts));
    return KW_OK;
}

KW_ERR kw_context_encode(struct kw_buf *out, const struct kw_context_entries *entries,
                         struct kw_error *err)
{
    uint8_t form[KW_CONTEXT_SIZE_MAX];
    size_t len = 0;
    KW_TRY(canonical(form, &len, entries, err));
    kw_buf_append(out, form, len);
    return kw_buf_status(out, err);
}

static bool take(struct kw_bytes *from, struct kw_bytes *out)
{
    if (from->len < 2)
        return false;
    size_t len = kw_get_u16(from->data);
    if (len > from->len - 2)
        return false;
    *out = kw_bytes(from->data + 2, len);
    *from = kw_bytes(from->data + 2 + len, from->len - 2 - len);
    return true;
}

KW_ERR kw_context_decode(struct kw_context_entries *out, struct kw_bytes canonical_form,
                         struct kw_error *err)
{
    struct kw_context_entries entries = {.count = 0};
    if (canonical_form.len > KW_CONTEXT_SIZE_MAX)
        return kw_fail(err, KW_BAD_CONTEXT, "the context is larger than %d bytes",
                       KW_CONTEXT_SIZE_MAX);
    while (canonical_form.len > 0) {
        struct kw_context_entry e = {0};
        if (!take(&canonical_form, &e.key) || !take(&canonical_form, &e.value))
            return kw_fail(err, KW_BAD_CONTEXT, "the encoded context is cut off");
        if (entries.count > 0 && e.key.len > 0 &&
            compare(entries.entry[entries.count - 1].key, e.key) >= 0)
            return kw_fail(err, KW_BAD_CONTEXT, "the encoded context is not in order");
        KW_TRY(kw_context_add(&entries, e.key, e.value, err));
    }
    *out = entries;
    return KW_OK;
}

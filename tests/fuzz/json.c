/* Any bytes: they are refused, or give a tree whose every value is found again at its place in the
 * text, and that is the same after being written and read once more. */
#include "json/json.h"
#include "json/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool same(const struct kw_json *a, const struct kw_json *b)
{
    if (a->type != b->type || a->count != b->count || a->len != b->len)
        return false;
    if (a->text != NULL && memcmp(a->text, b->text, a->len) != 0)
        return false;
    const struct kw_json *y = b->first;
    for (const struct kw_json *x = a->first; x != NULL; x = x->next, y = y->next) {
        if (x->name_len != y->name_len || !same(x, y))
            return false;
        if (x->name != NULL && memcmp(x->name, y->name, x->name_len) != 0)
            return false;
    }
    return true;
}

/* Values lie within their container, in order, without touching. */
static void check_places(const struct kw_json *value, size_t size)
{
    require(value->start < value->end && value->end <= size);
    size_t at = value->start;
    for (const struct kw_json *child = value->first; child != NULL; child = child->next) {
        require(child->start > at && child->end < value->end);
        check_places(child, size);
        at = child->end;
    }
}

/* Names may need escaping, which the writer leaves to its callers; so each value is written bare.
 */
static void write_bare(struct kw_json_writer *w, const struct kw_json *value)
{
    if (value->type == KW_JSON_STRING) {
        kw_json_strn(w, NULL, kw_bytes(value->text, value->len));
    } else if (value->type == KW_JSON_ARRAY) {
        kw_json_begin(w, NULL, '[');
        for (const struct kw_json *child = value->first; child != NULL; child = child->next)
            write_bare(w, child);
        kw_json_end(w);
    } else {
        kw_json_null(w, NULL);
    }
}

static void check_slice(const struct kw_json *value, const uint8_t *data)
{
    KW_AUTO(kw_json_doc) again = KW_JSON_DOC_INIT;
    require(kw_json_parse(&again, kw_bytes(data + value->start, value->end - value->start), NULL) ==
            KW_OK);
    require(same(value, again.root));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    KW_AUTO(kw_json_doc) doc = {.secret = size % 2 == 1};
    struct kw_error err;
    if (kw_json_parse(&doc, kw_bytes(data, size), &err) != KW_OK) {
        require(doc.root == NULL && strlen(err.text) > 0);
        return 0;
    }
    check_places(doc.root, size);
    check_slice(doc.root, data);
    for (const struct kw_json *child = doc.root->first; child != NULL; child = child->next)
        check_slice(child, data);
    KW_AUTO(kw_buf) written = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&written);
    write_bare(&w, doc.root);
    if (!written.failed) {
        KW_AUTO(kw_json_doc) again = KW_JSON_DOC_INIT;
        require(kw_json_parse(&again, kw_buf_bytes(&written), NULL) == KW_OK);
    }
    return 0;
}

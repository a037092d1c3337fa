/* Finding what a spec names, and the one way to write down where a value stands. */
#include "envelope/record_path.h"

/* RFC 9535 section 2.7: single quotes; ' and \ and control characters escaped, and nothing else. */
static void add_escaped(struct kw_buf *out, uint8_t c)
{
    static const char letters[] = "btn.fr"; /* of 0x08 to 0x0d */
    if (c == '\'' || c == '\\') {
        kw_buf_append(out, (const char[]){'\\', (char)c}, 2);
    } else if (c >= 0x08 && c <= 0x0d && c != 0x0b) {
        kw_buf_append(out, (const char[]){'\\', letters[c - 0x08]}, 2);
    } else if (c < 0x20) {
        kw_buf_printf(out, "\\u%04x", c);
    } else {
        kw_buf_append_byte(out, c);
    }
}

void kw_path_add_name(struct kw_buf *out, struct kw_bytes name)
{
    kw_buf_append(out, "['", 2);
    for (size_t i = 0; i < name.len; i++)
        add_escaped(out, name.data[i]);
    kw_buf_append(out, "']", 2);
}

void kw_path_add_index(struct kw_buf *out, size_t index)
{
    kw_buf_printf(out, "[%zu]", index);
}

/* A record of 1 MiB could be made to have 30 GiB of paths: one long name over many values. */
KW_ERR kw_path_keep(struct kw_buf *paths, size_t *start, struct kw_error *err)
{
    size_t old = *start;
    size_t len = paths->len - old;
    KW_TRY(kw_buf_status(paths, err));
    if (paths->len > KW_RECORD_PATHS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the paths of the record's sealed values are too long");
    if (kw_buf_reserve(paths, len) == NULL)
        return kw_buf_status(paths, err);
    kw_buf_append(paths, paths->data + old, len);
    *start = old + len;
    return KW_OK;
}

struct walk {
    const struct kw_fields_spec *spec;
    const struct kw_path *path;
    struct kw_buf *paths; /* ends with the path of the value that is looked at */
    size_t start;         /* where that path begins */
    kw_match_fn found;
    void *arg;
    struct kw_error *err;
};

static bool step_takes(const struct walk *w, const struct kw_step *step,
                       const struct kw_json *parent, const struct kw_json *child, size_t index)
{
    if (step->type == KW_STEP_ANY)
        return true;
    if (step->type == KW_STEP_INDEX)
        return parent->type == KW_JSON_ARRAY && index == step->index;
    return parent->type == KW_JSON_OBJECT && child->name_len == step->name_len &&
           memcmp(child->name, w->spec->names.data + step->name, step->name_len) == 0;
}

/* The member of the heads is no part of the record, whatever a wildcard says. */
static bool is_heads(const struct walk *w, const struct kw_json *child)
{
    KW_UNUSED(w);
    return child->name != NULL &&
           kw_bytes_equal_str(kw_bytes(child->name, child->name_len), KW_RECORD_MEMBER);
}

static KW_ERR report(struct walk *w, const struct kw_json *value)
{
    size_t len = w->paths->len - w->start;
    KW_TRY(kw_buf_status(w->paths, w->err));
    struct kw_match match = {.value = value, .path = w->path, .at = w->start, .len = len};
    KW_TRY(w->found(w->arg, &match, w->err));
    return kw_path_keep(w->paths, &w->start, w->err);
}

/* Depth is at most KW_JSON_MAX_DEPTH, the parser's bound. */
static KW_ERR walk(struct walk *w, const struct kw_json *value, size_t step_index)
{
    if (step_index == w->path->count)
        return report(w, value);
    const struct kw_step *step = &w->path->steps[step_index];
    size_t index = 0;
    for (const struct kw_json *child = value->first; child != NULL; child = child->next, index++) {
        if (!step_takes(w, step, value, child, index) || (step_index == 0 && is_heads(w, child)))
            continue;
        size_t here = w->paths->len - w->start;
        if (child->name != NULL)
            kw_path_add_name(w->paths, kw_bytes(child->name, child->name_len));
        else
            kw_path_add_index(w->paths, index);
        KW_TRY(walk(w, child, step_index + 1));
        w->paths->len = w->start + here;
        if (step->type != KW_STEP_ANY)
            break;
    }
    return KW_OK;
}

KW_ERR kw_fields_spec_match(const struct kw_fields_spec *spec, const struct kw_json *root,
                            struct kw_buf *paths, kw_match_fn found, void *arg,
                            struct kw_error *err)
{
    for (size_t i = 0; i < spec->count; i++) {
        struct walk w = {.spec = spec,
                         .path = &spec->paths[i],
                         .paths = paths,
                         .start = paths->len,
                         .found = found,
                         .arg = arg,
                         .err = err};
        kw_buf_append_byte(paths, '$');
        KW_TRY(walk(&w, root, 0));
        paths->len = w.start;
    }
    return kw_buf_status(paths, err);
}

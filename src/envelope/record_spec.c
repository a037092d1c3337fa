/* Compiling a path spec: "$.ssn,$.cards[*].number:financial". */
#include "base/names.h"
#include "base/utf8.h"
#include "envelope/record_path.h"

enum { STEPS_MAX = KW_JSON_MAX_DEPTH };

_Static_assert(KW_CLASS_NAME_MAX == 32, "kw_fields_spec.classes has room for it");

struct parser {
    const char *text;
    const char *at;
    struct kw_fields_spec *spec;
    struct kw_step steps[STEPS_MAX];
    size_t count;
    struct kw_error *err;
};

static kw_code refuse(struct parser *p, const char *why)
{
    return kw_fail(p->err, KW_BAD_PATH, "field paths, character %zu: %s",
                   (size_t)(p->at - p->text) + 1, why);
}

static KW_ERR add_step(struct parser *p, enum kw_step_type type, size_t name, size_t index)
{
    if (p->count == STEPS_MAX)
        return refuse(p, "the path is too long");
    p->steps[p->count++] = (struct kw_step){
        .type = type, .name = name, .name_len = p->spec->names.len - name, .index = index};
    return KW_OK;
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}

static bool continues_name(char c)
{
    return begins_name(c) || (c >= '0' && c <= '9') || c == '-';
}

/* After the dot: a name of letters, digits, _ and -, or *. Others are written ['name']. */
static KW_ERR dot_step(struct parser *p)
{
    size_t name = p->spec->names.len;
    if (*p->at == '*') {
        p->at++;
        return add_step(p, KW_STEP_ANY, name, 0);
    }
    if (!begins_name(*p->at))
        return refuse(p, "a name is expected after the dot; others are written ['name']");
    const char *start = p->at;
    while (continues_name(*p->at))
        p->at++;
    kw_buf_append(&p->spec->names, start, (size_t)(p->at - start));
    return add_step(p, KW_STEP_NAME, name, 0);
}

/* The character for a letter after the backslash, or 0. */
static char unescaped(char c, char quote)
{
    static const char letters[] = "bfnrt/\\";
    static const char meaning[] = "\b\f\n\r\t/\\";
    if (c == quote || c == '\0')
        return c;
    const char *found = strchr(letters, c);
    if (found == NULL)
        return '\0';
    return meaning[found - letters];
}

/* ['name'] or ["name"]. RFC 9535's \u escapes are left out: write the character itself. */
static KW_ERR quoted_step(struct parser *p)
{
    size_t name = p->spec->names.len;
    char quote = *p->at++;
    while (*p->at != quote) {
        char c = *p->at;
        if ((unsigned char)c < 0x20)
            return refuse(p, "the quoted name does not end");
        if (c == '\\') {
            p->at++;
            c = unescaped(*p->at, quote);
            if (c == '\0')
                return refuse(p, "unknown escape in a quoted name");
        }
        kw_buf_append_byte(&p->spec->names, (uint8_t)c);
        p->at++;
    }
    p->at++;
    return add_step(p, KW_STEP_NAME, name, 0);
}

static KW_ERR index_step(struct parser *p)
{
    size_t index = 0;
    const char *start = p->at;
    while (*p->at >= '0' && *p->at <= '9') {
        index = index * 10 + (size_t)(*p->at++ - '0');
        if (p->at - start > 9)
            return refuse(p, "the index is too large");
    }
    if (p->at == start || (*start == '0' && p->at - start > 1))
        return refuse(p, "'name', an index or * is expected after [");
    return add_step(p, KW_STEP_INDEX, p->spec->names.len, index);
}

static KW_ERR bracket_step(struct parser *p)
{
    if (*p->at == '\'' || *p->at == '"') {
        KW_TRY(quoted_step(p));
    } else if (*p->at == '*') {
        p->at++;
        KW_TRY(add_step(p, KW_STEP_ANY, p->spec->names.len, 0));
    } else {
        KW_TRY(index_step(p));
    }
    if (*p->at != ']')
        return refuse(p, "] is expected");
    p->at++;
    return KW_OK;
}

/* The class's place in the spec's list, which it is added to if it is new. */
static KW_ERR intern_class(struct parser *p, const char *name, uint8_t *out)
{
    struct kw_fields_spec *spec = p->spec;
    for (size_t i = 0; i < spec->class_count; i++) {
        if (strcmp(spec->classes[i], name) == 0) {
            *out = (uint8_t)i;
            return KW_OK;
        }
    }
    if (spec->class_count == KW_FIELDS_CLASSES_MAX)
        return refuse(p, "too many classes");
    KW_TRY(kw_class_name_check(name, p->err));
    *out = (uint8_t)spec->class_count;
    memcpy(spec->classes[spec->class_count], name, strlen(name) + 1);
    kw_class_tag(spec->class_tags[spec->class_count], name);
    spec->class_count++;
    return KW_OK;
}

static KW_ERR named_class(struct parser *p, struct kw_path *path)
{
    char name[KW_CLASS_NAME_MAX + 2] = {0};
    size_t len = strcspn(p->at, ", \t\n");
    if (len > KW_CLASS_NAME_MAX)
        len = KW_CLASS_NAME_MAX + 1; /* long enough to be refused */
    memcpy(name, p->at, len);
    KW_TRY(kw_class_name_check(name, p->err));
    p->at += len;
    path->class_named = true;
    return intern_class(p, name, &path->cls);
}

static KW_ERR path_steps(struct parser *p)
{
    if (*p->at != '$')
        return refuse(p, "a path begins with $");
    p->at++;
    while (*p->at == '.' || *p->at == '[') {
        char kind = *p->at++;
        KW_TRY(kind == '.' ? dot_step(p) : bracket_step(p));
    }
    if (p->count == 0)
        return refuse(p, "the path names no member; sealing a whole record is an envelope");
    const struct kw_step *first = &p->steps[0];
    if (first->type == KW_STEP_NAME && first->name_len == sizeof KW_RECORD_MEMBER - 1 &&
        memcmp(p->spec->names.data + first->name, KW_RECORD_MEMBER, first->name_len) == 0)
        return refuse(p, KW_RECORD_MEMBER " holds the wrapped keys and cannot be sealed");
    return KW_OK;
}

static KW_ERR one_path(struct parser *p, const char *default_class)
{
    struct kw_fields_spec *spec = p->spec;
    if (spec->count == KW_FIELDS_PATHS_MAX)
        return refuse(p, "too many paths");
    struct kw_path *path = &spec->paths[spec->count];
    p->count = 0;
    KW_TRY(path_steps(p));
    if (*p->at == ':') {
        p->at++;
        KW_TRY(named_class(p, path));
    } else {
        KW_TRY(intern_class(p, default_class, &path->cls));
    }
    path->steps = malloc(p->count * sizeof(struct kw_step));
    if (path->steps == NULL)
        return kw_fail_code(p->err, KW_NO_MEMORY);
    memcpy(path->steps, p->steps, p->count * sizeof(struct kw_step));
    path->count = p->count;
    spec->count++;
    return KW_OK;
}

static void skip_space(struct parser *p)
{
    p->at += strspn(p->at, " \t\n");
}

static KW_ERR all_paths(struct parser *p, const char *default_class)
{
    for (;;) {
        skip_space(p);
        KW_TRY(one_path(p, default_class));
        skip_space(p);
        if (*p->at == '\0')
            return kw_buf_status(&p->spec->names, p->err);
        if (*p->at != ',')
            return refuse(p, "a comma, or :class, is expected after a path");
        p->at++;
    }
}

KW_ERR kw_fields_spec_new(struct kw_fields_spec **out, const char *text, const char *default_class,
                          struct kw_error *err)
{
    size_t len = strnlen(text, KW_FIELDS_SPEC_MAX + 1);
    if (len > KW_FIELDS_SPEC_MAX || !kw_utf8_valid(kw_bytes(text, len)))
        return kw_fail(err, KW_BAD_PATH, "field paths are longer than %d bytes or not UTF-8",
                       KW_FIELDS_SPEC_MAX);
    KW_TRY(kw_class_name_check(default_class, err));
    KW_AUTO_PTR(kw_fields_spec) spec = calloc(1, sizeof *spec);
    if (spec == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    if (kw_buf_reserve(&spec->names, len) == NULL) /* names are never longer than the text */
        return kw_fail_code(err, KW_NO_MEMORY);
    struct parser p = {.text = text, .at = text, .spec = spec, .err = err};
    KW_TRY(all_paths(&p, default_class));
    *out = spec;
    spec = NULL;
    return KW_OK;
}

void kw_fields_spec_free(struct kw_fields_spec *spec)
{
    if (spec == NULL)
        return;
    for (size_t i = 0; i < spec->count; i++)
        free(spec->paths[i].steps);
    kw_buf_wipe(&spec->names);
    free(spec);
}

size_t kw_fields_spec_classes(const struct kw_fields_spec *spec)
{
    return spec->class_count;
}

const char *kw_fields_spec_class(const struct kw_fields_spec *spec, size_t index)
{
    return spec->classes[index];
}

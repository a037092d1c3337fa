/* Looking values up in a parsed document. */
#include "base/encode.h"
#include "json/json.h"

const struct kw_json *kw_json_get(const struct kw_json *object, const char *name)
{
    if (object == NULL || object->type != KW_JSON_OBJECT)
        return NULL;
    size_t len = strlen(name);
    for (const struct kw_json *m = object->first; m != NULL; m = m->next) {
        if (m->name_len == len && memcmp(m->name, name, len) == 0)
            return m;
    }
    return NULL;
}

/* The member, or NULL where it is absent and need not be there. A null counts as absent. */
static KW_ERR find(const struct kw_json *object, const char *name, bool required,
                   const struct kw_json **out, struct kw_error *err)
{
    if (object == NULL || object->type != KW_JSON_OBJECT)
        return kw_fail(err, KW_BAD_JSON, "an object with the member \"%s\" is expected", name);
    const struct kw_json *member = kw_json_get(object, name);
    if (member != NULL && member->type == KW_JSON_NULL)
        member = NULL;
    if (member == NULL && required)
        return kw_fail(err, KW_BAD_JSON, "the member \"%s\" is missing", name);
    *out = member;
    return KW_OK;
}

KW_ERR kw_json_get_str(const struct kw_json *object, const char *name, bool required,
                       const char **out, struct kw_error *err)
{
    const struct kw_json *member = NULL;
    KW_TRY(find(object, name, required, &member, err));
    if (member == NULL)
        return KW_OK;
    if (member->type != KW_JSON_STRING)
        return kw_fail(err, KW_BAD_JSON, "the member \"%s\" must be a string", name);
    if (memchr(member->text, '\0', member->len) != NULL)
        return kw_fail(err, KW_BAD_JSON, "the member \"%s\" holds a NUL character", name);
    *out = member->text;
    return KW_OK;
}

KW_ERR kw_json_get_u64(const struct kw_json *object, const char *name, bool required, uint64_t max,
                       uint64_t *out, struct kw_error *err)
{
    const struct kw_json *member = NULL;
    KW_TRY(find(object, name, required, &member, err));
    if (member == NULL)
        return KW_OK;
    if (member->type != KW_JSON_NUMBER ||
        kw_parse_u64(kw_bytes(member->text, member->len), max, out, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_JSON, "the member \"%s\" must be a whole number from 0 to %llu",
                       name, (unsigned long long)max);
    return KW_OK;
}

KW_ERR kw_json_get_bool(const struct kw_json *object, const char *name, bool *out,
                        struct kw_error *err)
{
    const struct kw_json *member = NULL;
    KW_TRY(find(object, name, false, &member, err));
    if (member == NULL)
        return KW_OK;
    if (member->type != KW_JSON_TRUE && member->type != KW_JSON_FALSE)
        return kw_fail(err, KW_BAD_JSON, "the member \"%s\" must be true or false", name);
    *out = member->type == KW_JSON_TRUE;
    return KW_OK;
}

/* A member's name for a message: what is not plain ASCII, or long, is not repeated. */
static bool printable(const struct kw_json *member)
{
    for (size_t i = 0; i < member->name_len; i++) {
        if (member->name[i] < ' ' || member->name[i] > '~')
            return false;
    }
    return member->name_len <= 64;
}

KW_ERR kw_json_only(const struct kw_json *object, const char *const *names, struct kw_error *err)
{
    if (object == NULL || object->type != KW_JSON_OBJECT)
        return kw_fail(err, KW_BAD_JSON, "an object is expected");
    for (const struct kw_json *m = object->first; m != NULL; m = m->next) {
        const char *const *known = names;
        while (*known != NULL && !kw_bytes_equal_str(kw_bytes(m->name, m->name_len), *known))
            known++;
        if (*known == NULL)
            return kw_fail(err, KW_BAD_JSON, "unknown member \"%s\"",
                           printable(m) ? m->name : "(unprintable)");
    }
    return KW_OK;
}

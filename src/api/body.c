/* Reading bodies: strictly, and with errors that help. */
#include "api/internal.h"

enum { NAME_MAX = 32, FAR = 3 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* How many letters must be changed, added or removed to get from a to b (Levenshtein); FAR or more
 * is all the same. */
static size_t distance(struct kw_bytes a, struct kw_bytes b)
{
    size_t row[NAME_MAX + 1];
    if (a.len > NAME_MAX || b.len > NAME_MAX)
        return FAR;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t same = a.data[i - 1] == b.data[j - 1] ? 0 : 1;
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + same);
            diagonal = above;
        }
    }
    return row[b.len];
}

static const char *nearest(const struct kw_json *member, const char *const *names)
{
    const char *best = NULL;
    size_t least = FAR;
    for (; *names != NULL; names++) {
        size_t d = distance(kw_bytes(member->name, member->name_len), kw_bytes_str(*names));
        if (d < least) {
            least = d;
            best = *names;
        }
    }
    return best;
}

/* What is not plain ASCII, or long, is not repeated. */
static const char *printable(const struct kw_json *member)
{
    for (size_t i = 0; i < member->name_len; i++)
        if (member->name[i] < ' ' || member->name[i] > '~')
            return "(unprintable)";
    return member->name_len <= 64 ? member->name : "(long)";
}

KW_ERR kw_body_unknown(const struct kw_json *member, const char *const *names, struct kw_error *err)
{
    const char *meant = nearest(member, names);
    if (meant == NULL)
        return kw_fail(err, KW_BAD_JSON, "unknown member \"%s\"", printable(member));
    return kw_fail(err, KW_BAD_JSON, "unknown member \"%s\": did you mean \"%s\"?",
                   printable(member), meant);
}

static bool is_one_of(const struct kw_json *member, const char *const *names)
{
    while (*names != NULL && !kw_member_is(member, *names))
        names++;
    return *names != NULL;
}

KW_ERR kw_body_only(const struct kw_json *object, const char *const *names, struct kw_error *err)
{
    if (object == NULL || object->type != KW_JSON_OBJECT)
        return kw_fail(err, KW_BAD_JSON, "an object is expected");
    for (const struct kw_json *m = object->first; m != NULL; m = m->next)
        if (!is_one_of(m, names))
            return kw_body_unknown(m, names, err);
    return KW_OK;
}

KW_ERR kw_body_text(const struct kw_json *member, struct kw_bytes *out, struct kw_error *err)
{
    if (member->type != KW_JSON_STRING)
        return kw_fail(err, KW_BAD_JSON, "the member \"%s\" must be a string", member->name);
    if (memchr(member->text, '\0', member->len) != NULL)
        return kw_fail(err, KW_BAD_JSON, "the member \"%s\" holds a NUL character", member->name);
    *out = kw_bytes(member->text, member->len);
    return KW_OK;
}

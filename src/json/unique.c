#include "json/unique.h"

enum { PAIRWISE_MAX = 16 };

static int compare_names(const struct kw_json *a, const struct kw_json *b)
{
    if (a->name_len != b->name_len)
        return a->name_len < b->name_len ? -1 : 1;
    return memcmp(a->name, b->name, a->name_len);
}

static int compare_members(const void *a, const void *b)
{
    return compare_names(*(const struct kw_json *const *)a, *(const struct kw_json *const *)b);
}

static bool unique_pairwise(const struct kw_json *object)
{
    for (const struct kw_json *a = object->first; a != NULL; a = a->next) {
        for (const struct kw_json *b = a->next; b != NULL; b = b->next) {
            if (compare_names(a, b) == 0)
                return false;
        }
    }
    return true;
}

static KW_ERR unique_sorted(const struct kw_json *object, bool *out, struct kw_error *err)
{
    const struct kw_json **members = calloc(object->count, sizeof(const struct kw_json *));
    if (members == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    size_t n = 0;
    for (const struct kw_json *m = object->first; m != NULL; m = m->next)
        members[n++] = m;
    qsort(members, n, sizeof *members, compare_members);
    bool unique = true;
    for (size_t i = 1; i < n && unique; i++)
        unique = compare_names(members[i - 1], members[i]) != 0;
    free(members);
    *out = unique;
    return KW_OK;
}

KW_ERR kw_json_unique(const struct kw_json *object, bool *out, struct kw_error *err)
{
    if (object->count > PAIRWISE_MAX)
        return unique_sorted(object, out, err);
    *out = unique_pairwise(object);
    return KW_OK;
}

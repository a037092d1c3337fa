/* By name, and by what is nearly one. */
#include "config/option.h"

/* Does name have the pattern's form? "*" is any text but the empty one, without a dot. */
static bool matches(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    if (star == NULL)
        return strcmp(pattern, name) == 0;
    size_t before = (size_t)(star - pattern);
    if (strncmp(pattern, name, before) != 0)
        return false;
    size_t middle = strcspn(name + before, ".");
    return middle > 0 && strcmp(name + before + middle, star + 1) == 0;
}

const struct kw_option *kw_option_find(const char *name)
{
    const struct kw_option *option = NULL;
    if (strchr(name, '*') != NULL)
        return NULL;
    for (size_t i = 0; (option = kw_option_at(i)) != NULL; i++)
        if (matches(option->name, name))
            return option;
    return NULL;
}

enum { NAME_MAX_LEN = 64, NEAR = 4 };

/* Insertions, deletions and replacements that make a of b (Levenshtein); texts up to NAME_MAX_LEN.
 */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_MAX_LEN + 1];
    size_t len = strlen(b);
    for (unsigned j = 0; j <= len; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            unsigned least = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = least < replaced ? least : replaced;
        }
    }
    return row[len];
}

/* provider.aws-eu.endpiont as provider.*.endpiont; false for other forms. */
static bool starred(const char *name, char out[NAME_MAX_LEN + 1])
{
    const char *first = strchr(name, '.');
    const char *last = strrchr(name, '.');
    if (first == NULL || first == last)
        return false;
    snprintf(out, NAME_MAX_LEN + 1, "%.*s*%s", (int)(first - name) + 1, name, last);
    return true;
}

/* A name that only lacks its section is near too, where there is one such section. */
static unsigned difference(const char *wrong, const char *name)
{
    char pattern[NAME_MAX_LEN + 1];
    if (strchr(name, '*') != NULL && starred(wrong, pattern))
        return distance(pattern, name);
    const char *last = strrchr(name, '.');
    if (last != NULL && strchr(name, '*') == NULL && strcmp(last + 1, wrong) == 0)
        return 1;
    return distance(wrong, name);
}

const char *kw_option_nearest(const char *name)
{
    const struct kw_option *option = NULL;
    const char *nearest = NULL;
    unsigned least = NEAR;
    if (strlen(name) > NAME_MAX_LEN)
        return NULL;
    for (size_t i = 0; (option = kw_option_at(i)) != NULL; i++) {
        unsigned found = difference(name, option->name);
        if (found < least) {
            least = found;
            nearest = option->name;
        }
    }
    return nearest;
}

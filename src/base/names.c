#include "base/names.h"

struct rule {
    const char *what;
    const char *first; /* characters beside a-z that may stand first, and later */
    const char *later;
    size_t max;
    const char *remedy;
};

static const char digits[] = "0123456789";

static const struct rule tenant = {"tenant name", digits, "0123456789._-", KW_TENANT_NAME_MAX,
                                   "1 to 63 of a-z 0-9 . _ -, a letter or digit first"};
static const struct rule region = {"region name", "", "0123456789-", KW_REGION_NAME_MAX,
                                   "1 to 16 of a-z 0-9 -, a letter first"};
static const struct rule cls = {"class name", "", "0123456789_-", KW_CLASS_NAME_MAX,
                                "1 to 32 of a-z 0-9 _ -, a letter first"};

static bool allowed(char c, const char *others)
{
    return c != '\0' && ((c >= 'a' && c <= 'z') || strchr(others, c) != NULL);
}

/* The name is not repeated in the message: what is refused may be anything. */
static KW_ERR check(const struct rule *rule, const char *name, struct kw_error *err)
{
    if (name == NULL)
        return kw_fail(err, KW_BAD_NAME, "the %s is missing", rule->what);
    size_t len = strnlen(name, rule->max + 1);
    bool good = len <= rule->max && allowed(name[0], rule->first);
    for (size_t i = 1; i < len && good; i++)
        good = allowed(name[i], rule->later);
    if (!good)
        return kw_fail(err, KW_BAD_NAME, "this %s is refused: use %s", rule->what, rule->remedy);
    return KW_OK;
}

KW_ERR kw_tenant_name_check(const char *name, struct kw_error *err)
{
    return check(&tenant, name, err);
}

KW_ERR kw_region_name_check(const char *name, struct kw_error *err)
{
    return check(&region, name, err);
}

KW_ERR kw_class_name_check(const char *name, struct kw_error *err)
{
    return check(&cls, name, err);
}

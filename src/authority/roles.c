#include "authority/internal.h"

static const struct {
    const char *name;
    unsigned rights;
} roles_table[] = {
    {"root", KW_RIGHT_USE_KEYS | KW_RIGHT_READ | KW_RIGHT_READ_LEDGER | KW_RIGHT_MANAGE_TENANTS |
                 KW_RIGHT_MANAGE_KEYS | KW_RIGHT_MANAGE_ACCESS},
    /* Who manages keys cannot use them. */
    {"admin", KW_RIGHT_READ | KW_RIGHT_READ_LEDGER | KW_RIGHT_MANAGE_TENANTS |
                  KW_RIGHT_MANAGE_KEYS | KW_RIGHT_MANAGE_ACCESS},
    {"service", KW_RIGHT_USE_KEYS | KW_RIGHT_READ},
    {"auditor", KW_RIGHT_READ | KW_RIGHT_READ_LEDGER},
};

/* Steps through a comma-separated list; false at its end. */
static bool next_item(const char **list, struct kw_bytes *out)
{
    if (**list == '\0')
        return false;
    size_t len = strcspn(*list, ",");
    *out = kw_bytes(*list, len);
    *list += len + ((*list)[len] == ',');
    return true;
}

bool kw_next_tenant(const char **list, char out[KW_TENANT_MAX + 1])
{
    struct kw_bytes item;
    if (!next_item(list, &item))
        return false;
    size_t len = item.len <= KW_TENANT_MAX ? item.len : 0; /* no tenant's name is longer */
    memcpy(out, item.data, len);
    out[len] = '\0';
    return true;
}

static KW_ERR role_rights(struct kw_bytes name, unsigned *rights, struct kw_error *err)
{
    for (size_t i = 0; i < KW_COUNT(roles_table); i++) {
        if (!kw_bytes_equal_str(name, roles_table[i].name))
            continue;
        *rights |= roles_table[i].rights;
        return KW_OK;
    }
    return kw_fail(err, KW_BAD_NAME, "no role is called '%.*s': root, admin, service or auditor",
                   (int)(name.len < 32 ? name.len : 32), (const char *)name.data);
}

KW_ERR kw_roles_parse(const char *roles, unsigned *out, struct kw_error *err)
{
    unsigned rights = 0;
    struct kw_bytes name;
    while (next_item(&roles, &name))
        KW_TRY(role_rights(name, &rights, err));
    if (rights == 0)
        return kw_fail(err, KW_BAD_NAME, "a role is needed: root, admin, service or auditor");
    *out = rights;
    return KW_OK;
}

bool kw_caller_may_touch(const struct kw_caller *caller, const char *tenant)
{
    const char *list = caller->tenants;
    struct kw_bytes item;
    while (next_item(&list, &item))
        if (kw_bytes_equal_str(item, "*") || kw_bytes_equal_str(item, tenant))
            return true;
    return false;
}

KW_ERR kw_caller_check(const struct kw_caller *caller, enum kw_right right, const char *tenant,
                       struct kw_error *err)
{
    if ((caller->rights & right) == 0)
        return kw_fail(err, KW_FORBIDDEN, "%s has no role that allows this", caller->principal);
    if (tenant != NULL && !kw_caller_may_touch(caller, tenant))
        return kw_fail(err, KW_FORBIDDEN, "%s may not act for this tenant", caller->principal);
    return KW_OK;
}

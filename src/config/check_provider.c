/* Providers and the regions that list them: what can be said of them without making any. */
#include "config/check.h"

#include "base/names.h"
#include "config/section.h"

enum { ROUTES_MAX = 8, KEY_MAX = 512 };

/* software, and every section: "software, aws-eu". */
static void known_providers(const struct kw_config *config, struct kw_buf *out)
{
    char name[KW_CONFIG_NAME_SIZE];
    kw_buf_append_str(out, "software");
    for (size_t i = 0; kw_config_section(config, "provider", i, name); i++)
        if (strcmp(name, "software") != 0)
            kw_buf_printf(out, ", %s", name);
}

static kw_code no_such_provider(const struct kw_config *config, const char *option,
                                const char *name, struct kw_error *err)
{
    KW_AUTO(kw_buf) known = KW_BUF_INIT;
    known_providers(config, &known);
    return kw_fail(err, KW_BAD_CONFIG,
                   "%s: %s: there is no provider '%.60s': known are %s; [provider.%.60s] with its "
                   "kind makes another",
                   kw_config_origin(config, option), option, name, kw_buf_str(&known), name);
}

/* ---- One provider ----------------------------------------------------------------------------
 */

static KW_ERR check_kind(const struct kw_config *config, const char *name, struct kw_error *err)
{
    char option[KW_CONFIG_OPTION_SIZE];
    kw_config_option(option, "provider", name, "kind");
    if (kw_class_name_check(name, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_CONFIG,
                       "[provider.%.60s]: a provider's name is 1 to 32 of a-z 0-9 _ -, a letter "
                       "first",
                       name);
    if (strcmp(name, "software") == 0 && kw_config_is_set(config, option) &&
        strcmp(kw_config_str(config, option), "software") != 0)
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s: %s: the provider named software is of kind software: name this one "
                       "otherwise",
                       kw_config_origin(config, option), option);
    if (kw_config_provider_kind(config, name)[0] == '\0')
        return kw_fail(err, KW_BAD_CONFIG, "set %s: it is one of %s", option,
                       kw_option_find(option)->choices);
    return KW_OK;
}

static KW_ERR check_tenants(const struct kw_config *config, const char *name, struct kw_error *err)
{
    char option[KW_CONFIG_OPTION_SIZE];
    char word[KW_OPTION_ITEM_SIZE];
    struct kw_error why;
    const char *list = kw_config_str(config, kw_config_option(option, "provider", name, "tenants"));
    for (size_t i = 0; kw_list_item(list, i, word); i++)
        if (kw_tenant_name_check(word, &why) != KW_OK)
            return kw_fail(err, KW_BAD_CONFIG, "%s: %s: %s", kw_config_origin(config, option),
                           option, why.text);
    return KW_OK;
}

static KW_ERR check_guest(const struct kw_config *config, const char *name, struct kw_error *err)
{
    char option[KW_CONFIG_OPTION_SIZE];
    char word[KW_OPTION_ITEM_SIZE];
    const char *regions =
        kw_config_str(config, kw_config_option(option, "provider", name, "regions"));
    bool guest = kw_config_provider_is_guest(config, name);
    if (guest && regions[0] == '\0')
        return kw_fail(err, KW_BAD_CONFIG,
                       "provider.%s.tenants makes it a customer's provider: set %s to the regions "
                       "in which it may hold their keys",
                       name, option);
    if (!guest && regions[0] != '\0')
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s: %s is for a customer's provider: set provider.%s.tenants, or list %s "
                       "in region.NAME.providers instead",
                       kw_config_origin(config, option), option, name, name);
    for (size_t i = 0; kw_list_item(regions, i, word); i++)
        if (!kw_list_has(kw_config_str(config, "regions"), word))
            return kw_fail(err, KW_BAD_CONFIG, "%s: %s: %s is not in regions (%s)",
                           kw_config_origin(config, option), option, word,
                           kw_config_str(config, "regions"));
    return check_tenants(config, name, err);
}

static KW_ERR check_provider(const struct kw_config *config, const char *name, struct kw_error *err)
{
    char option[KW_CONFIG_OPTION_SIZE];
    KW_TRY(check_kind(config, name, err));
    KW_TRY(check_guest(config, name, err));
    const char *key = kw_config_str(config, kw_config_option(option, "provider", name, "key"));
    if (strlen(key) > KEY_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "%s: %s: more than %d bytes",
                       kw_config_origin(config, option), option, KEY_MAX);
    return KW_OK;
}

KW_ERR kw_config_check_setting(const struct kw_config *config, const struct kw_setting *setting,
                               struct kw_error *err)
{
    static const char prefix[] = "provider.";
    char name[KW_CONFIG_NAME_SIZE];
    KW_AUTO(kw_buf) known = KW_BUF_INIT;
    if (strncmp(setting->name, prefix, sizeof prefix - 1) != 0)
        return KW_OK;
    const char *at = setting->name + sizeof prefix - 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "."), at);
    KW_TRY(check_kind(config, name, err));
    const char *kind = kw_config_provider_kind(config, name);
    if (kw_provider_option_fits(setting->option, kind))
        return KW_OK;
    kw_provider_option_list(kind, &known);
    return kw_fail(err, KW_BAD_CONFIG, "%s: kind %s has no setting %s; its own are: %s",
                   setting->origin, kind, strrchr(setting->name, '.') + 1,
                   known.len > 0 ? kw_buf_str(&known) : "none");
}

/* ---- One region -------------------------------------------------------------------------------
 */

static KW_ERR check_route(const struct kw_config *config, const char *region,
                          const struct kw_config_route *route, struct kw_error *err)
{
    char option[KW_CONFIG_OPTION_SIZE];
    char other[KW_CONFIG_OPTION_SIZE];
    kw_config_option(option, "region", region, "providers");
    const char *origin = kw_config_origin(config, option);
    if (kw_config_provider_kind(config, route->provider)[0] == '\0')
        return no_such_provider(config, option, route->provider, err);
    if (kw_config_provider_is_guest(config, route->provider))
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s: %s: %s is a customer's provider (it has tenants): a region's own "
                       "providers hold the keys of all; make a section of another name for that",
                       origin, option, route->provider);
    if (route->key[0] == '\0')
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s: %s: which root key of %s? set provider.%s.key, or write %s=KEY", origin,
                       option, route->provider, route->provider, route->provider);
    if (kw_config_bool(config, kw_config_option(option, "region", region, "hsm")) &&
        !kw_config_bool(config, kw_config_option(other, "provider", route->provider, "hsm")))
        return kw_fail(
            err, KW_BAD_CONFIG,
            "%s: %s: provider %s is not in hardware: set %s if its keys do not leave it, "
            "or list another",
            kw_config_origin(config, option), option, route->provider, other);
    return KW_OK;
}

static KW_ERR check_region(const struct kw_config *config, const char *region, struct kw_error *err)
{
    char option[KW_CONFIG_OPTION_SIZE];
    struct kw_config_route route;
    size_t count = 0;
    for (; kw_config_route(config, region, count, &route); count++)
        KW_TRY(check_route(config, region, &route, err));
    kw_config_option(option, "region", region, "providers");
    if (count == 0 || count > ROUTES_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "%s: %s: it lists %zu providers; 1 to %d can be",
                       kw_config_origin(config, option), option, count, ROUTES_MAX);
    kw_config_option(option, "region", region, "copies_min");
    uint64_t copies = kw_config_u64(config, option);
    if (copies > count)
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s: %s is %llu, but region.%s.providers lists %zu: list more, or lower it",
                       kw_config_origin(config, option), option, (unsigned long long)copies, region,
                       count);
    return KW_OK;
}

static KW_ERR check_root(const struct kw_config *config, struct kw_error *err)
{
    const char *name = kw_config_str(config, "root.provider");
    if (kw_config_is_set(config, "root.key") != (name[0] != '\0'))
        return kw_fail(err, KW_BAD_CONFIG, "set root.provider and root.key together, or neither");
    if (name[0] == '\0')
        return KW_OK;
    const char *kind = kw_config_provider_kind(config, name);
    if (kind[0] == '\0')
        return no_such_provider(config, "root.provider", name, err);
    if (strcmp(kind, "software") == 0)
        return kw_fail(err, KW_BAD_CONFIG,
                       "%s: root.provider: %s is derived from the root key, it cannot hold it: "
                       "name a provider of another kind",
                       kw_config_origin(config, "root.provider"), name);
    return KW_OK;
}

KW_ERR kw_config_check_providers(const struct kw_config *config, struct kw_error *err)
{
    char name[KW_CONFIG_NAME_SIZE];
    char region[KW_OPTION_ITEM_SIZE];
    for (size_t i = 0; kw_config_section(config, "provider", i, name); i++)
        KW_TRY(check_provider(config, name, err));
    for (size_t i = 0; kw_list_item(kw_config_str(config, "regions"), i, region); i++)
        KW_TRY(check_region(config, region, err));
    return check_root(config, err);
}

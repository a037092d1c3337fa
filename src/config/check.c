#include "base/names.h"
#include "config/internal.h"

static const char *origin_of(const struct kw_config *config, const char *name)
{
    const struct kw_setting *setting = kw_config_find(config, name);
    return setting != NULL ? setting->origin : "default";
}

typedef kw_code name_check(const char *name, struct kw_error *err);

static KW_ERR check_names(const struct kw_config *config, const char *option, name_check *check,
                          struct kw_error *err)
{
    char word[KW_OPTION_ITEM_SIZE];
    struct kw_error why;
    for (size_t i = 0; kw_list_item(kw_config_str(config, option), i, word); i++)
        if (check(word, &why) != KW_OK)
            return kw_fail(err, KW_BAD_CONFIG, "%s: %s: %s", origin_of(config, option), option,
                           why.text);
    return KW_OK;
}

static bool in_list(const char *list, const char *name)
{
    char word[KW_OPTION_ITEM_SIZE];
    for (size_t i = 0; kw_list_item(list, i, word); i++)
        if (strcmp(word, name) == 0)
            return true;
    return false;
}

/* [region.eu] needs eu among the regions. */
static KW_ERR check_region(const struct kw_setting *setting, const char *regions,
                           struct kw_error *err)
{
    static const char prefix[] = "region.";
    char name[KW_OPTION_ITEM_SIZE];
    size_t len = sizeof prefix - 1;
    if (strncmp(setting->name, prefix, len) != 0)
        return KW_OK;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(setting->name + len, "."),
             setting->name + len);
    if (!in_list(regions, name))
        return kw_fail(err, KW_BAD_CONFIG, "%s: %s is not in regions (%s)", setting->origin, name,
                       regions);
    return KW_OK;
}

static KW_ERR check_tables(const struct kw_config *config, struct kw_error *err)
{
    const char *regions = kw_config_str(config, "regions");
    for (size_t i = 0; i < config->count; i++)
        KW_TRY(check_region(&config->settings[i], regions, err));
    return KW_OK;
}

KW_ERR kw_config_check(const struct kw_config *config, struct kw_error *err)
{
    KW_TRY(check_names(config, "regions", kw_region_name_check, err));
    KW_TRY(check_names(config, "classes", kw_class_name_check, err));
    KW_TRY(check_tables(config, err));
    if (kw_config_is_set(config, "keyring.hard_ttl") &&
        kw_config_duration_ms(config, "keyring.hard_ttl") <
            kw_config_duration_ms(config, "keyring.ttl"))
        return kw_fail(err, KW_BAD_CONFIG, "%s: keyring.hard_ttl is less than keyring.ttl (%s)",
                       origin_of(config, "keyring.hard_ttl"), kw_config_str(config, "keyring.ttl"));
    if (kw_config_is_set(config, "server.tls_cert") != kw_config_is_set(config, "server.tls_key"))
        return kw_fail(err, KW_BAD_CONFIG,
                       "set server.tls_cert and server.tls_key together, or neither");
    return KW_OK;
}

#include "config/section.h"

#include "base/names.h"
#include "config/internal.h"

/* The NAME of section.NAME.option; false for another option. */
static bool name_in(const char *option, const char *section, char out[KW_CONFIG_NAME_SIZE])
{
    size_t len = strlen(section);
    if (strncmp(option, section, len) != 0 || option[len] != '.')
        return false;
    const char *name = option + len + 1;
    if (strchr(name, '.') == NULL)
        return false;
    snprintf(out, KW_CONFIG_NAME_SIZE, "%.*s", (int)strcspn(name, "."), name);
    return true;
}

/* Settings are sorted, so those of one section are neighbours. */
bool kw_config_section(const struct kw_config *config, const char *section, size_t index,
                       char out[KW_CONFIG_NAME_SIZE])
{
    char last[KW_CONFIG_NAME_SIZE] = "";
    char name[KW_CONFIG_NAME_SIZE];
    for (size_t i = 0; i < config->count; i++) {
        if (!name_in(config->settings[i].name, section, name) || strcmp(name, last) == 0)
            continue;
        memcpy(last, name, sizeof last);
        if (index-- == 0) {
            memcpy(out, name, sizeof last);
            return true;
        }
    }
    return false;
}

const char *kw_config_option(char out[KW_CONFIG_OPTION_SIZE], const char *section, const char *name,
                             const char *option)
{
    snprintf(out, KW_CONFIG_OPTION_SIZE, "%s.%s.%s", section, name, option);
    return out;
}

const char *kw_config_provider_kind(const struct kw_config *config, const char *name)
{
    char option[KW_CONFIG_OPTION_SIZE];
    if (strcmp(name, "software") == 0)
        return "software";
    if (kw_class_name_check(name, NULL) != KW_OK)
        return "";
    return kw_config_str(config, kw_config_option(option, "provider", name, "kind"));
}

bool kw_config_provider_is_guest(const struct kw_config *config, const char *name)
{
    char option[KW_CONFIG_OPTION_SIZE];
    return kw_config_is_set(config, kw_config_option(option, "provider", name, "tenants"));
}

bool kw_config_route(const struct kw_config *config, const char *region, size_t index,
                     struct kw_config_route *out)
{
    char option[KW_CONFIG_OPTION_SIZE];
    const char *list =
        kw_config_str(config, kw_config_option(option, "region", region, "providers"));
    if (!kw_list_item(list, index, out->provider))
        return false;
    const char *key = kw_route_split(out->provider);
    const char *kind = kw_config_provider_kind(config, out->provider);
    if (key == NULL && kind[0] != '\0')
        key = kw_config_str(config, kw_config_option(option, "provider", out->provider, "key"));
    if ((key == NULL || key[0] == '\0') && strcmp(kind, "software") == 0)
        key = region;
    snprintf(out->key, sizeof out->key, "%s", key != NULL ? key : "");
    return true;
}

static bool is_listed(const struct kw_config *config, const char *region, const char *provider)
{
    struct kw_config_route route;
    for (size_t i = 0; kw_config_route(config, region, i, &route); i++)
        if (strcmp(route.provider, provider) == 0)
            return true;
    return false;
}

bool kw_config_provider_is_used(const struct kw_config *config, const char *name)
{
    char region[KW_OPTION_ITEM_SIZE];
    for (size_t i = 0; kw_list_item(kw_config_str(config, "regions"), i, region); i++)
        if (is_listed(config, region, name))
            return true;
    return kw_config_provider_is_guest(config, name) ||
           strcmp(kw_config_str(config, "root.provider"), name) == 0;
}

#include "home/providers.h"

#include "config/section.h"
#include "providers/providers.h"

void kw_home_providers_wipe(struct kw_home_providers *providers)
{
    while (providers->count > 0)
        kw_provider_free(providers->list[--providers->count]);
}

struct kw_provider *kw_home_providers_find(const struct kw_home_providers *providers,
                                           const char *name)
{
    for (size_t i = 0; i < providers->count; i++)
        if (strcmp(kw_provider_name(providers->list[i]), name) == 0)
            return providers->list[i];
    return NULL;
}

bool kw_home_providers_remote(const struct kw_home_providers *providers)
{
    for (size_t i = 0; i < providers->count; i++)
        if (strcmp(kw_provider_kind(providers->list[i]), "software") != 0)
            return true;
    return false;
}

/* A constructor asks for the settings of its own kind alone: those of all kinds are told from them
 * by kw_config_check. */
struct section {
    const struct kw_config *config;
    const char *name;
};

static const char *setting(void *arg, const char *option)
{
    const struct section *section = arg;
    char name[KW_CONFIG_OPTION_SIZE];
    kw_config_option(name, "provider", section->name, option);
    const char *value = kw_config_str(section->config, name);
    return value[0] != '\0' ? value : NULL;
}

static KW_ERR add(const struct kw_config *config, const char *name, const struct kw_secret *root,
                  struct kw_home_providers *providers, struct kw_error *err)
{
    struct section section = {config, name};
    const struct kw_provider_settings settings = {.name = name, .get = setting, .arg = &section};
    const struct kw_provider_place place = {.software_root = root};
    if (providers->count == KW_HOME_PROVIDERS_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "more than %d providers", KW_HOME_PROVIDERS_MAX);
    KW_TRY(kw_provider_make(kw_config_provider_kind(config, name), &settings, &place,
                            &providers->list[providers->count], err));
    providers->count++;
    return KW_OK;
}

static KW_ERR add_sections(const struct kw_config *config, const struct kw_secret *root,
                           struct kw_home_providers *providers, struct kw_error *err)
{
    char name[KW_CONFIG_NAME_SIZE];
    for (size_t i = 0; kw_config_section(config, "provider", i, name); i++) {
        bool software = strcmp(kw_config_provider_kind(config, name), "software") == 0;
        if (software == (root != NULL) && strcmp(name, "software") != 0)
            KW_TRY(add(config, name, root, providers, err));
    }
    return KW_OK;
}

KW_ERR kw_home_providers_make(const struct kw_config *config, struct kw_home_providers *out,
                              struct kw_error *err)
{
    KW_AUTO(kw_home_providers) providers = {.count = 0};
    KW_TRY(add_sections(config, NULL, &providers, err));
    *out = providers;
    providers.count = 0;
    return KW_OK;
}

KW_ERR kw_home_providers_add_software(const struct kw_config *config, const struct kw_secret *root,
                                      struct kw_home_providers *providers, struct kw_error *err)
{
    KW_TRY(add(config, "software", root, providers, err));
    return add_sections(config, root, providers, err);
}

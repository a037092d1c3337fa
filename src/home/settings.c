#include "home/settings.h"

#include "base/file.h"

enum { LIST_MAX = 64 };

struct list {
    char text[LIST_MAX][KW_OPTION_ITEM_SIZE];
    const char *at[LIST_MAX];
    size_t count;
};

struct kw_home_settings {
    struct list regions, classes;
    char dir[KW_PATH_SIZE];
};

KW_ERR kw_home_config_read(struct kw_config *config, const char *dir, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    if (dir == NULL || dir[0] == '\0')
        return KW_OK;
    KW_TRY(kw_path_format(path, err, "%s/keyward.conf", dir));
    return kw_path_exists(path) ? kw_config_file(config, path, err) : KW_OK;
}

static KW_ERR take_list(const struct kw_config *config, const char *name, struct list *list,
                        struct kw_error *err)
{
    char item[KW_OPTION_ITEM_SIZE];
    for (size_t i = 0; kw_list_item(kw_config_str(config, name), i, item); i++) {
        if (i == LIST_MAX)
            return kw_fail(err, KW_BAD_CONFIG, "%s: more than %d", name, LIST_MAX);
        memcpy(list->text[i], item, sizeof item);
        list->at[i] = list->text[i];
        list->count++;
    }
    return KW_OK;
}

/* The providers that there are: the software root, which every home has. */
static KW_ERR check_region(const struct kw_config *config, const char *region, struct kw_error *err)
{
    char name[64 + KW_OPTION_ITEM_SIZE];
    char provider[KW_OPTION_ITEM_SIZE];
    size_t count = 0;
    snprintf(name, sizeof name, "region.%s.providers", region);
    for (; kw_list_item(kw_config_str(config, name), count, provider); count++)
        if (strcmp(provider, "software") != 0)
            return kw_fail(err, KW_BAD_CONFIG, "%s: there is no provider '%s': 'software' is one",
                           name, provider);
    snprintf(name, sizeof name, "region.%s.copies_min", region);
    if (count == 0 || kw_config_u64(config, name) > 1)
        return kw_fail(err, KW_BAD_CONFIG,
                       "region %s has one provider: it cannot keep %llu copies of a key", region,
                       (unsigned long long)kw_config_u64(config, name));
    return KW_OK;
}

static void fill(const struct kw_config *config, const struct kw_home_settings *settings,
                 struct kw_home_options *options)
{
    *options = (struct kw_home_options){
        .dir = settings->dir,
        .regions = settings->regions.at,
        .region_count = settings->regions.count,
        .classes = settings->classes.at,
        .class_count = settings->classes.count,
        .keyring_bytes = kw_config_size(config, "keyring.bytes"),
        .keyring_ttl_ms = kw_config_duration_ms(config, "keyring.ttl"),
        .window_days = (uint32_t)kw_config_u64(config, "destruction.window_days"),
        .publish_interval_ms = (uint32_t)kw_config_duration_ms(config, "ledger.publish_interval"),
        .append_deadline_ms = (uint32_t)kw_config_duration_ms(config, "ledger.append_deadline"),
        .tenant_rate = (uint32_t)kw_config_u64(config, "server.rate_tenant"),
    };
    if (kw_config_is_set(config, "keyring.hard_ttl"))
        options->keyring_hard_ttl_ms = kw_config_duration_ms(config, "keyring.hard_ttl");
}

KW_ERR kw_home_settings_new(const struct kw_config *config, struct kw_home_settings **out,
                            struct kw_home_options *options, struct kw_error *err)
{
    KW_AUTO_PTR(kw_home_settings) settings = calloc(1, sizeof *settings);
    if (settings == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    KW_TRY(kw_path_format(settings->dir, err, "%s", kw_config_str(config, "data")));
    KW_TRY(take_list(config, "regions", &settings->regions, err));
    KW_TRY(take_list(config, "classes", &settings->classes, err));
    for (size_t i = 0; i < settings->regions.count; i++)
        KW_TRY(check_region(config, settings->regions.text[i], err));
    fill(config, settings, options);
    *out = settings;
    settings = NULL;
    return KW_OK;
}

void kw_home_settings_free(struct kw_home_settings *settings)
{
    free(settings);
}

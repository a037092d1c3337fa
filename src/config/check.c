#include "config/check.h"
#include "base/encode.h"
#include "base/names.h"
#include "config/section.h"

typedef kw_code name_check(const char *name, struct kw_error *err);

static KW_ERR check_names(const struct kw_config *config, const char *option, name_check *check,
                          struct kw_error *err)
{
    char word[KW_OPTION_ITEM_SIZE];
    struct kw_error why;
    for (size_t i = 0; kw_list_item(kw_config_str(config, option), i, word); i++)
        if (check(word, &why) != KW_OK)
            return kw_fail(err, KW_BAD_CONFIG, "%s: %s: %s", kw_config_origin(config, option),
                           option, why.text);
    return KW_OK;
}

/* [region.eu] needs eu among the regions. */
static KW_ERR check_regions(const struct kw_config *config, struct kw_error *err)
{
    const char *regions = kw_config_str(config, "regions");
    char name[KW_CONFIG_NAME_SIZE];
    for (size_t i = 0; i < config->count; i++) {
        const struct kw_setting *setting = &config->settings[i];
        static const char prefix[] = "region.";
        if (strncmp(setting->name, prefix, sizeof prefix - 1) != 0)
            continue;
        const char *at = setting->name + sizeof prefix - 1;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "."), at);
        if (!kw_list_has(regions, name))
            return kw_fail(err, KW_BAD_CONFIG, "%s: %s is not in regions (%s)", setting->origin,
                           name, regions);
    }
    return KW_OK;
}

/* hard, if it is set, is not less than ttl; both are names of options. */
static KW_ERR check_ages(const struct kw_config *config, const char *ttl, const char *hard,
                         struct kw_error *err)
{
    if (!kw_config_is_set(config, hard) ||
        kw_config_duration_ms(config, hard) >= kw_config_duration_ms(config, ttl))
        return KW_OK;
    return kw_fail(err, KW_BAD_CONFIG, "%s: %s is less than %s (%s)",
                   kw_config_origin(config, hard), hard, ttl, kw_config_str(config, ttl));
}

static KW_ERR check_class(const struct kw_config *config, const char *name, struct kw_error *err)
{
    char ttl[KW_CONFIG_OPTION_SIZE];
    char hard[KW_CONFIG_OPTION_SIZE];
    if (!kw_list_has("default,pii,financial,health,secret", name) &&
        !kw_list_has(kw_config_str(config, "classes"), name))
        return kw_fail(err, KW_BAD_CONFIG,
                       "[class.%s]: it is not built in, and not in classes (%s): add it there",
                       name, kw_config_str(config, "classes"));
    kw_config_option(ttl, "class", name, "ttl");
    kw_config_option(hard, "class", name, "hard_ttl");
    return check_ages(config, kw_config_is_set(config, ttl) ? ttl : "keyring.ttl", hard, err);
}

static KW_ERR check_classes(const struct kw_config *config, struct kw_error *err)
{
    char name[KW_CONFIG_NAME_SIZE];
    for (size_t i = 0; kw_config_section(config, "class", i, name); i++)
        KW_TRY(check_class(config, name, err));
    return KW_OK;
}

/* The count is bounded by what the authority takes. */
static KW_ERR check_thresholds(const struct kw_config *config, struct kw_error *err)
{
    enum { THRESHOLDS_MAX = 7, PER_CENT_MAX = 1000 };
    char word[KW_OPTION_ITEM_SIZE];
    uint64_t before = 0;
    uint64_t number;
    const char *list = kw_config_str(config, "cost.thresholds");
    for (size_t i = 0; kw_list_item(list, i, word); i++) {
        if (i == THRESHOLDS_MAX ||
            kw_parse_u64(kw_bytes_str(word), PER_CENT_MAX, &number, NULL) != KW_OK ||
            number <= before)
            return kw_fail(err, KW_BAD_CONFIG,
                           "%s: cost.thresholds: '%s' is not up to %d rising numbers of 1 to %d",
                           kw_config_origin(config, "cost.thresholds"), list, THRESHOLDS_MAX,
                           PER_CENT_MAX);
        before = number;
    }
    return KW_OK;
}

KW_ERR kw_config_check(const struct kw_config *config, struct kw_error *err)
{
    KW_TRY(check_names(config, "regions", kw_region_name_check, err));
    KW_TRY(check_names(config, "classes", kw_class_name_check, err));
    KW_TRY(check_regions(config, err));
    for (size_t i = 0; i < config->count; i++)
        KW_TRY(kw_config_check_setting(config, &config->settings[i], err));
    KW_TRY(kw_config_check_providers(config, err));
    KW_TRY(check_classes(config, err));
    KW_TRY(check_thresholds(config, err));
    if (strcmp(kw_config_origin(config, "keyring.hard_ttl"), "default") != 0) /* it yields */
        KW_TRY(check_ages(config, "keyring.ttl", "keyring.hard_ttl", err));
    KW_TRY(check_ages(config, "keyring.attached_ttl", "keyring.attached_hard_ttl", err));
    KW_TRY(check_ages(config, "router.pause", "router.pause_max", err));
    if (kw_config_is_set(config, "server.tls_cert") != kw_config_is_set(config, "server.tls_key"))
        return kw_fail(err, KW_BAD_CONFIG,
                       "set server.tls_cert and server.tls_key together, or neither");
    return KW_OK;
}

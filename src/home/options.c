#include "home/options.h"

#include "base/encode.h"
#include "config/section.h"

struct kw_home_rules {
    char region_names[KW_REGIONS_MAX][KW_OPTION_ITEM_SIZE];
    const char *regions[KW_REGIONS_MAX];
    size_t region_count;
    char class_names[KW_CLASSES_MAX][KW_OPTION_ITEM_SIZE];
    struct kw_class_rules classes[KW_CLASSES_MAX];
    size_t class_count;
};

void kw_home_rules_free(struct kw_home_rules *rules)
{
    free(rules);
}

static KW_ERR take_regions(const struct kw_config *config, struct kw_home_rules *rules,
                           struct kw_error *err)
{
    char item[KW_OPTION_ITEM_SIZE];
    for (size_t i = 0; kw_list_item(kw_config_str(config, "regions"), i, item); i++) {
        if (i == KW_REGIONS_MAX)
            return kw_fail(err, KW_BAD_CONFIG, "more than %d regions", KW_REGIONS_MAX);
        memcpy(rules->region_names[i], item, sizeof item);
        rules->regions[i] = rules->region_names[i];
        rules->region_count++;
    }
    return KW_OK;
}

/* ---- Ages: of an unset hard time, the soft one ------------------------------------------------
 */

static struct kw_keyring_age age_of(const struct kw_config *config, const char *ttl,
                                    const char *hard)
{
    struct kw_keyring_age age = {.ttl_ms = kw_config_duration_ms(config, ttl)};
    age.hard_ttl_ms = kw_config_is_set(config, hard) ? kw_config_duration_ms(config, hard) : 0;
    if (age.hard_ttl_ms < age.ttl_ms)
        age.hard_ttl_ms = age.ttl_ms;
    return age;
}

/* A class that sets neither has the keyring's own; one that sets a ttl alone has no longer hard
 * time. */
static struct kw_keyring_age class_age(const struct kw_config *config, const char *name)
{
    char ttl[KW_CONFIG_OPTION_SIZE];
    char hard[KW_CONFIG_OPTION_SIZE];
    kw_config_option(ttl, "class", name, "ttl");
    kw_config_option(hard, "class", name, "hard_ttl");
    if (!kw_config_is_set(config, ttl) && !kw_config_is_set(config, hard))
        return (struct kw_keyring_age){.ttl_ms = 0};
    return age_of(config, kw_config_is_set(config, ttl) ? ttl : "keyring.ttl", hard);
}

/* ---- Classes ----------------------------------------------------------------------------------
 */

static bool has_class(const struct kw_home_rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->class_count; i++)
        if (strcmp(rules->class_names[i], name) == 0)
            return true;
    return false;
}

static KW_ERR take_class(const struct kw_config *config, const char *name,
                         struct kw_home_rules *rules, struct kw_error *err)
{
    char option[KW_CONFIG_OPTION_SIZE];
    if (has_class(rules, name))
        return KW_OK;
    if (rules->class_count == KW_CLASSES_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "classes: more than %d", KW_CLASSES_MAX);
    char *kept = rules->class_names[rules->class_count];
    snprintf(kept, KW_OPTION_ITEM_SIZE, "%s", name);
    rules->classes[rules->class_count++] = (struct kw_class_rules){
        .name = kept,
        .age = class_age(config, name),
        .hsm = kw_config_bool(config, kw_config_option(option, "class", name, "hsm")),
        .held_batch =
            (uint32_t)kw_config_u64(config, kw_config_option(option, "class", name, "held_batch")),
        .held_keep_ms =
            kw_config_duration_ms(config, kw_config_option(option, "class", name, "held_keep")),
    };
    return KW_OK;
}

/* Those of the list, then built-in ones for which there is a section. */
static KW_ERR take_classes(const struct kw_config *config, struct kw_home_rules *rules,
                           struct kw_error *err)
{
    char name[KW_OPTION_ITEM_SIZE];
    for (size_t i = 0; kw_list_item(kw_config_str(config, "classes"), i, name); i++)
        KW_TRY(take_class(config, name, rules, err));
    for (size_t i = 0; kw_config_section(config, "class", i, name); i++)
        KW_TRY(take_class(config, name, rules, err));
    return KW_OK;
}

/* ---- The rest ---------------------------------------------------------------------------------
 */

/* An amount that is not set is no limit. */
static struct kw_authority_budget budget_of(const struct kw_config *config)
{
    char word[KW_OPTION_ITEM_SIZE];
    uint64_t per_cent = 0;
    struct kw_authority_budget budget = {
        .month_nano = kw_config_amount_nano(config, "cost.budget"),
        .tenant_month_nano = kw_config_amount_nano(config, "cost.tenant_budget"),
    };
    for (size_t i = 0; i + 1 < KW_COUNT(budget.thresholds) &&
                       kw_list_item(kw_config_str(config, "cost.thresholds"), i, word) &&
                       kw_parse_u64(kw_bytes_str(word), UINT32_MAX, &per_cent, NULL) == KW_OK;
         i++)
        budget.thresholds[i] = (unsigned)per_cent;
    return budget;
}

KW_ERR kw_home_rules_new(const struct kw_config *config, struct kw_home_rules **out,
                         struct kw_authority_options *options, struct kw_error *err)
{
    KW_AUTO_PTR(kw_home_rules) rules = calloc(1, sizeof *rules);
    if (rules == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    KW_TRY(take_regions(config, rules, err));
    KW_TRY(take_classes(config, rules, err));
    *options = (struct kw_authority_options){
        .regions = rules->regions,
        .region_count = rules->region_count,
        .classes = rules->classes,
        .class_count = rules->class_count,
        .keyring_bytes = kw_config_size(config, "keyring.bytes"),
        .age = age_of(config, "keyring.ttl", "keyring.hard_ttl"),
        .attached_age = age_of(config, "keyring.attached_ttl", "keyring.attached_hard_ttl"),
        .calls_target = (unsigned)kw_config_u64(config, "keyring.calls_target"),
        .budget = budget_of(config),
        .window_days = (uint32_t)kw_config_u64(config, "destruction.window_days"),
        .tenant_rate = (uint32_t)kw_config_u64(config, "server.rate_tenant"),
    };
    *out = rules;
    rules = NULL;
    return KW_OK;
}

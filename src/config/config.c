#include "config/internal.h"

enum { VALUE_MAX = 2048, NAME_MAX_LEN = 128 };

static void wipe_setting(struct kw_setting *setting)
{
    free(setting->name);
    free(setting->value);
    free(setting->origin);
    *setting = (struct kw_setting){0};
}

/* The first setting whose name is not less. */
static size_t position(const struct kw_config *config, const char *name)
{
    size_t low = 0;
    size_t high = config->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(config->settings[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct kw_setting *setting_of(const struct kw_config *config, const char *name)
{
    size_t at = position(config, name);
    if (at >= config->count || strcmp(config->settings[at].name, name) != 0)
        return NULL;
    return &config->settings[at];
}

const struct kw_setting *kw_config_find(const struct kw_config *config, const char *name)
{
    return setting_of(config, name);
}

/* One more, at its place in the order. */
static KW_ERR insert(struct kw_config *config, const struct kw_setting *fresh, struct kw_error *err)
{
    size_t at = position(config, fresh->name);
    struct kw_setting *grown =
        realloc(config->settings, (config->count + 1) * sizeof *config->settings);
    if (grown == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    config->settings = grown;
    memmove(&grown[at + 1], &grown[at], (config->count - at) * sizeof *grown);
    grown[at] = *fresh;
    config->count++;
    return KW_OK;
}

static KW_ERR store(struct kw_config *config, struct kw_setting *fresh, struct kw_error *err)
{
    if (fresh->name == NULL || fresh->value == NULL || fresh->origin == NULL) {
        wipe_setting(fresh);
        return kw_fail_code(err, KW_NO_MEMORY);
    }
    struct kw_setting *before = setting_of(config, fresh->name);
    if (before != NULL) {
        wipe_setting(before);
        *before = *fresh;
        return KW_OK;
    }
    kw_code code = insert(config, fresh, err);
    if (code != KW_OK)
        wipe_setting(fresh);
    return code;
}

static kw_code unknown(const char *name, const struct kw_place *place, struct kw_error *err)
{
    const char *nearest = kw_option_nearest(name);
    if (nearest != NULL)
        return kw_fail(err, KW_BAD_CONFIG, "%s: there is no option %.80s: did you mean %s?",
                       place->origin, name, nearest);
    return kw_fail(err, KW_BAD_CONFIG, "%s: there is no option %.80s", place->origin, name);
}

KW_ERR kw_config_put(struct kw_config *config, const char *name, const char *value,
                     const struct kw_place *place, struct kw_error *err)
{
    const struct kw_option *option = strlen(name) <= NAME_MAX_LEN ? kw_option_find(name) : NULL;
    if (option == NULL)
        return unknown(name, place, err);
    const struct kw_setting *before = kw_config_find(config, name);
    if (place->once && before != NULL && before->source == config->source)
        return kw_fail(err, KW_BAD_CONFIG, "%s: %s is set already by %s", place->origin, name,
                       before->origin);
    if (strlen(value) > VALUE_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "%s: %s: more than %d bytes", place->origin, name,
                       VALUE_MAX);
    struct kw_error why;
    uint64_t number;
    kw_code code = kw_option_parse(option, value, &number, &why);
    if (code != KW_OK)
        return kw_fail(err, code, "%s: %s: %s", place->origin, name, why.text);
    struct kw_setting fresh = {.name = strdup(name),
                               .value = strdup(value),
                               .origin = strdup(place->origin),
                               .option = option,
                               .number = number,
                               .source = config->source};
    return store(config, &fresh, err);
}

KW_ERR kw_config_new(struct kw_config **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_config) config = calloc(1, sizeof *config);
    if (config == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    static const struct kw_place by_default = {"default", true};
    const struct kw_option *option = NULL;
    for (size_t i = 0; (option = kw_option_at(i)) != NULL; i++)
        if (strchr(option->name, '*') == NULL)
            KW_TRY(kw_config_put(config, option->name, option->fallback, &by_default, err));
    *out = config;
    config = NULL;
    return KW_OK;
}

void kw_config_free(struct kw_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->count; i++)
        wipe_setting(&config->settings[i]);
    free(config->settings);
    free(config);
}

KW_ERR kw_config_assign(struct kw_config *config, const char *assignment, struct kw_error *err)
{
    static const struct kw_place command_line = {"--set", false};
    char name[NAME_MAX_LEN + 1];
    const char *equals = strchr(assignment, '=');
    if (equals == NULL || equals == assignment)
        return kw_fail(err, KW_BAD_CONFIG, "--set wants name=value, not %.80s", assignment);
    if ((size_t)(equals - assignment) >= sizeof name)
        return kw_fail(err, KW_BAD_CONFIG, "--set: the name is too long");
    snprintf(name, sizeof name, "%.*s", (int)(equals - assignment), assignment);
    return kw_config_put(config, name, equals + 1, &command_line, err);
}

void kw_config_each(const struct kw_config *config,
                    void (*each)(void *arg, const struct kw_config_value *value), void *arg)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct kw_setting *setting = &config->settings[i];
        const struct kw_config_value value = {setting->option, setting->name, setting->value,
                                              setting->origin};
        each(arg, &value);
    }
}

#include "config/internal.h"

/* The program asks for what its own table does not have: there is no way on. */
static _Noreturn void misuse(const char *name, const char *what)
{
    fprintf(stderr, "keyward: option %s %s\n", name, what);
    abort();
}

static const struct kw_option *option_of(const char *name)
{
    const struct kw_option *option = kw_option_find(name);
    if (option == NULL)
        misuse(name, "is not in the table");
    return option;
}

/* A number as set, or the default of an option with "*". */
static uint64_t number_of(const struct kw_config *config, const char *name, unsigned types)
{
    const struct kw_option *option = option_of(name);
    if ((types & (1U << option->type)) == 0)
        misuse(name, "has another type");
    const struct kw_setting *setting = kw_config_find(config, name);
    if (setting != NULL)
        return setting->number;
    uint64_t number;
    if (kw_option_parse(option, option->fallback, &number, NULL) != KW_OK)
        misuse(name, "has a bad default");
    return number;
}

const char *kw_config_str(const struct kw_config *config, const char *name)
{
    const struct kw_option *option = option_of(name);
    const struct kw_setting *setting = kw_config_find(config, name);
    return setting != NULL ? setting->value : option->fallback;
}

bool kw_config_is_set(const struct kw_config *config, const char *name)
{
    return kw_config_str(config, name)[0] != '\0';
}

uint64_t kw_config_u64(const struct kw_config *config, const char *name)
{
    return number_of(config, name, 1U << KW_OPTION_NUMBER | 1U << KW_OPTION_CHOICE);
}

bool kw_config_bool(const struct kw_config *config, const char *name)
{
    return number_of(config, name, 1U << KW_OPTION_BOOL) != 0;
}

int64_t kw_config_duration_ms(const struct kw_config *config, const char *name)
{
    return (int64_t)number_of(config, name, 1U << KW_OPTION_DURATION);
}

uint64_t kw_config_size(const struct kw_config *config, const char *name)
{
    return number_of(config, name, 1U << KW_OPTION_SIZE);
}

uint64_t kw_config_amount_nano(const struct kw_config *config, const char *name)
{
    return number_of(config, name, 1U << KW_OPTION_AMOUNT);
}

const char *kw_config_origin(const struct kw_config *config, const char *name)
{
    const struct kw_setting *setting = kw_config_find(config, name);
    return setting != NULL ? setting->origin : "default";
}

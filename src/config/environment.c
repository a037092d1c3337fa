#include "config/internal.h"

#include <ctype.h>

#define PREFIX "KEYWARD_"
enum { VARIABLE_MAX = 96 };

/* server.address -> KEYWARD_SERVER_ADDRESS */
static void variable_of(const char *option, char out[VARIABLE_MAX])
{
    size_t len = (size_t)snprintf(out, VARIABLE_MAX, PREFIX "%s", option);
    for (size_t i = 0; i < len && i < VARIABLE_MAX; i++)
        out[i] = (char)(out[i] == '.' ? '_' : toupper((unsigned char)out[i]));
}

static const struct kw_option *option_of(const char *variable, size_t len)
{
    const struct kw_option *option = NULL;
    char name[VARIABLE_MAX];
    for (size_t i = 0; (option = kw_option_at(i)) != NULL; i++) {
        variable_of(option->name, name);
        if (strlen(name) == len && strncmp(name, variable, len) == 0)
            return option;
    }
    return NULL;
}

/* Does it begin with the name of one of our sections? Then it is meant for us, and misspelt. */
static bool names_a_section(const char *variable)
{
    const struct kw_option *option = NULL;
    char name[VARIABLE_MAX];
    for (size_t i = 0; (option = kw_option_at(i)) != NULL; i++) {
        const char *dot = strchr(option->name, '.');
        if (dot == NULL)
            continue;
        variable_of(option->name, name);
        if (strncmp(name, variable, strlen(PREFIX) + (size_t)(dot - option->name) + 1) == 0)
            return true;
    }
    return false;
}

static KW_ERR take(struct kw_config *config, const char *variable, struct kw_error *err)
{
    char origin[VARIABLE_MAX];
    size_t len = strcspn(variable, "=");
    if (strncmp(variable, PREFIX, strlen(PREFIX)) != 0 || variable[len] != '=')
        return KW_OK;
    snprintf(origin, sizeof origin, "%.*s", (int)(len < VARIABLE_MAX ? len : VARIABLE_MAX - 1),
             variable);
    const struct kw_place place = {origin, false};
    const struct kw_option *option = option_of(variable, len);
    if (option != NULL && strchr(option->name, '*') == NULL)
        return kw_config_put(config, option->name, variable + len + 1, &place, err);
    if (names_a_section(variable))
        return kw_fail(err, KW_BAD_CONFIG,
                       "the environment sets %s, which is no option: see 'keyward config show'",
                       origin);
    return KW_OK;
}

KW_ERR kw_config_environment(struct kw_config *config, char *const *variables, struct kw_error *err)
{
    config->source++;
    for (; *variables != NULL; variables++)
        KW_TRY(take(config, *variables, err));
    return KW_OK;
}

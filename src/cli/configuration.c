#include "cli/configuration.h"

#include "config/section.h"
#include "home/settings.h"
#include "json/write.h"

#include <unistd.h>

const struct kw_cli_option kw_config_options[] = {
    {"config", 0, "FILE", "configuration file (INI)"},
    {"set", 0, "NAME=VALUE", "one setting; repeat for several"},
    {NULL, 0, NULL, NULL},
};

/* The folder may be named by --data, or by the file or the environment; its own configuration lies
 * beneath all of them, so those are read once to find it and again over it. */
static KW_ERR load_sources(struct kw_invocation *in, struct kw_config *config, struct kw_error *err)
{
    const char *file = kw_cli_value(in, "config");
    const char *data = kw_cli_value(in, "data");
    const char *set = NULL;
    if (file != NULL)
        KW_TRY(kw_config_file(config, file, err));
    KW_TRY(kw_config_environment(config, environ, err));
    if (data != NULL) {
        KW_AUTO(kw_buf) assignment = KW_BUF_INIT;
        kw_buf_printf(&assignment, "data=%s", data);
        KW_TRY(kw_config_assign(config, kw_buf_str(&assignment), err));
    }
    for (unsigned i = 0; (set = kw_cli_value_at(in, "set", i)) != NULL; i++)
        KW_TRY(kw_config_assign(config, set, err));
    return KW_OK;
}

KW_ERR kw_cli_config_load(struct kw_invocation *in, struct kw_config **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_config) config = NULL;
    KW_AUTO_PTR(kw_config) first = NULL;
    KW_TRY(kw_config_new(&config, err));
    KW_TRY(kw_config_new(&first, err));
    KW_TRY(load_sources(in, first, err));
    KW_TRY(kw_home_config_read(config, kw_config_str(first, "data"), err));
    KW_TRY(load_sources(in, config, err));
    KW_TRY(kw_config_check(config, err));
    *out = config;
    config = NULL;
    return KW_OK;
}

static void show_one(void *arg, const struct kw_config_value *value)
{
    KW_UNUSED(arg);
    printf("%-28s = %-24s # %s\n", value->name, value->value, value->origin);
}

static void show_one_json(void *arg, const struct kw_config_value *value)
{
    struct kw_json_writer *w = arg;
    kw_json_begin(w, value->name, '{');
    kw_json_str(w, "value", value->value);
    kw_json_str(w, "from", value->origin);
    kw_json_end(w);
}

static KW_ERR show_json(const struct kw_config *config, struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&text);
    kw_json_begin(&w, NULL, '{');
    kw_config_each(config, show_one_json, &w);
    kw_json_end(&w);
    KW_TRY(kw_buf_status(&text, err));
    puts(kw_buf_str(&text));
    return KW_OK;
}

KW_ERR kw_config_show_run(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO_PTR(kw_config) config = NULL;
    KW_TRY(kw_cli_config_load(in, &config, err));
    if (in->json)
        return show_json(config, err);
    kw_config_each(config, show_one, NULL);
    return KW_OK;
}

/* Nothing is wrong with a provider that waits for its use, but it may have been forgotten. */
static void note_unused(const struct kw_config *config)
{
    char name[KW_CONFIG_NAME_SIZE];
    for (size_t i = 0; kw_config_section(config, "provider", i, name); i++)
        if (!kw_config_provider_is_used(config, name))
            printf("Provider %s is used by nothing: no region lists it, it serves no tenants, and "
                   "it does not hold the root key.\n",
                   name);
}

KW_ERR kw_config_check_run(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO_PTR(kw_config) config = NULL;
    KW_TRY(kw_cli_config_load(in, &config, err));
    KW_TRY(kw_home_config_try(config, err));
    if (!in->json)
        note_unused(config);
    puts(in->json ? "{\"ok\":true}" : "The configuration is right.");
    return KW_OK;
}

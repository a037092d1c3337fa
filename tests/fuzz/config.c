/* Any bytes as a configuration file: refused with a text, or a configuration each of whose values
 * is one that its option accepts, from a line of the file. */
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check(void *arg, const struct kw_config_value *value)
{
    uint64_t number;
    KW_UNUSED(arg);
    require(kw_option_find(value->name) == value->option);
    require(kw_option_parse(value->option, value->value, &number, NULL) == KW_OK);
    require(strcmp(value->origin, "default") == 0 || strncmp(value->origin, "fuzz:", 5) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    KW_AUTO_PTR(kw_config) config = NULL;
    struct kw_error err = {.text = ""};
    require(kw_config_new(&config, &err) == KW_OK);
    kw_code code = kw_config_text(config, kw_bytes(data, size), "fuzz", &err);
    require(code == KW_OK || (code == KW_BAD_CONFIG && err.text[0] != '\0'));
    kw_config_each(config, check, NULL);
    code = kw_config_check(config, &err);
    require(code == KW_OK || code == KW_BAD_CONFIG);
    return 0;
}

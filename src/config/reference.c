#include "config/config.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "This page is made from the table in `src/config/option.c`; a test fails if the two differ. To "
    "write it\n"
    "anew: `KW_WRITE_REFERENCE=1 build/tests/test_config_reference`.\n"
    "\n"
    "An option is set, in the order of rising weight, by its default, by a file (`keyward serve "
    "--config FILE`), by\n"
    "the environment and by the command line (`--set name=value`). `keyward config show` lists "
    "what holds and where it\n"
    "comes from; `keyward config check` only looks for errors. A wrong name or value stops the "
    "program with the place\n"
    "and the remedy; nothing is ignored.\n"
    "\n"
    "```ini\n"
    "# keyward.conf\n"
    "data = /var/lib/keyward\n"
    "regions = eu, us\n"
    "\n"
    "[server]\n"
    "address = 0.0.0.0:8443\n"
    "\n"
    "[region.eu]\n"
    "providers = software\n"
    "```\n"
    "\n"
    "Lines that begin with `#` or `;` are comments, and so is the rest of a line from ` ;` on. In "
    "the environment\n"
    "`server.address` is `KEYWARD_SERVER_ADDRESS`. A `*` in a name stands for the name of a region "
    "or class; such options\n"
    "cannot be set by the environment.\n"
    "\n"
    "| Type | Is written |\n"
    "|---|---|\n"
    "| address | `host:port`, `[IPv6]:port` |\n"
    "| bool | `true`, `yes`, `on`; `false`, `no`, `off` |\n"
    "| duration | `500ms`, `30s`, `5m`, `12h`, `7d`, `0` |\n"
    "| list | words, separated by commas |\n"
    "| size | bytes, or `64KiB`, `64MiB`, `1GiB` |\n"
    "\n"
    "Options marked with a star in the last column take effect on reload (SIGHUP), the others at "
    "the next start.\n"
    "\n"
    "| Option | Type | Default | Accepted | Meaning | |\n"
    "|---|---|---|---|---|---|\n";

static void accepted(const struct kw_option *option, struct kw_buf *out)
{
    char range[KW_OPTION_RANGE_SIZE];
    char word[KW_OPTION_ITEM_SIZE];
    switch (option->type) {
    case KW_OPTION_NUMBER:
    case KW_OPTION_DURATION:
    case KW_OPTION_SIZE:
        kw_option_range(option, range);
        kw_buf_append_str(out, range);
        break;
    case KW_OPTION_CHOICE:
        for (size_t i = 0; kw_list_item(option->choices, i, word); i++)
            kw_buf_printf(out, "%s`%s`", i == 0 ? "" : ", ", word);
        break;
    default:
        break;
    }
}

void kw_config_reference(struct kw_buf *out)
{
    size_t count;
    const struct kw_option *options = kw_options(&count);
    kw_buf_append_str(out, introduction);
    for (size_t i = 0; i < count; i++) {
        const struct kw_option *option = &options[i];
        const char *tick = option->fallback[0] != '\0' ? "`" : "";
        kw_buf_printf(out, "| `%s` | %s | %s%s%s | ", option->name,
                      kw_option_type_name(option->type), tick, option->fallback, tick);
        accepted(option, out);
        kw_buf_printf(out, " | %s | %s |\n", option->help, option->reloadable ? "*" : "");
    }
}

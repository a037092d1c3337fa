#include "config/config.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "This page is made from the tables in `src/config/option.c` and `option_provider.c`; a test "
    "fails if they differ. To\n"
    "write it anew: `KW_WRITE_REFERENCE=1 build/tests/test_config_reference`.\n"
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
    "[provider.vault-eu]\n"
    "kind = vault\n"
    "address = https://vault.example.com:8200\n"
    "token_file = /run/vault/token\n"
    "key = keyward-eu\n"
    "\n"
    "[region.eu]\n"
    "providers = vault-eu, software\n"
    "copies_min = 2\n"
    "```\n"
    "\n"
    "Lines that begin with `#` or `;` are comments, and so is the rest of a line from ` ;` on. In "
    "the environment\n"
    "`server.address` is `KEYWARD_SERVER_ADDRESS`. A `*` in a name stands for the name of a "
    "region, class or provider; such\n"
    "options cannot be set by the environment.\n"
    "\n"
    "A relative path is one from the folder in which the program is started, whichever source sets "
    "it: in a file that a\n"
    "server and commands share, write absolute paths.\n"
    "\n"
    "| Type | Is written |\n"
    "|---|---|\n"
    "| amount | `250`, `0.000003`: of money, up to nine places |\n"
    "| address | `host:port`, `[IPv6]:port` |\n"
    "| bool | `true`, `yes`, `on`; `false`, `no`, `off` |\n"
    "| duration | `500ms`, `30s`, `5m`, `12h`, `7d`, `0` |\n"
    "| list | words, separated by commas |\n"
    "| routes | `NAME` or `NAME=KEY`, separated by commas; a key with a comma is set by "
    "`provider.NAME.key` |\n"
    "| size | bytes, or `64KiB`, `64MiB`, `1GiB` |\n"
    "\n"
    "| Option | Type | Default | Accepted | Meaning |\n"
    "|---|---|---|---|---|\n";

static const char providers[] =
    "\n"
    "## Providers\n"
    "\n"
    "A section `[provider.NAME]` makes a provider that regions can list; NAME has the form of a "
    "class's name. `software` is\n"
    "there without a section. What the kinds are, and how their settings go together, is in "
    "[providers.md](providers.md).\n"
    "A setting that the kind does not know is refused.\n"
    "\n"
    "| Option | Kinds | Type | Default | Accepted | Meaning |\n"
    "|---|---|---|---|---|---|\n";

static void accepted(const struct kw_option *option, struct kw_buf *out)
{
    char range[KW_OPTION_RANGE_SIZE];
    char word[KW_OPTION_ITEM_SIZE];
    switch (option->type) {
    case KW_OPTION_NUMBER:
    case KW_OPTION_DURATION:
    case KW_OPTION_SIZE:
    case KW_OPTION_AMOUNT:
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

static void kinds_of(const struct kw_option *option, struct kw_buf *out)
{
    char word[KW_OPTION_ITEM_SIZE];
    const char *kinds = kw_provider_option_kinds(option);
    if (kinds == NULL)
        kw_buf_append_str(out, "all");
    for (size_t i = 0; kinds != NULL && kw_list_item(kinds, i, word); i++)
        kw_buf_printf(out, "%s%s", i == 0 ? "" : ", ", word);
}

static void line(const struct kw_option *option, bool with_kinds, struct kw_buf *out)
{
    const char *tick = option->fallback[0] != '\0' ? "`" : "";
    kw_buf_printf(out, "| `%s` | ", option->name);
    if (with_kinds) {
        kinds_of(option, out);
        kw_buf_append_str(out, " | ");
    }
    kw_buf_printf(out, "%s | %s%s%s | ", kw_option_type_name(option->type), tick, option->fallback,
                  tick);
    accepted(option, out);
    kw_buf_printf(out, " | %s |\n", option->help);
}

static bool is_of_provider(const struct kw_option *option)
{
    return strncmp(option->name, "provider.", strlen("provider.")) == 0;
}

void kw_config_reference(struct kw_buf *out)
{
    const struct kw_option *option = NULL;
    kw_buf_append_str(out, introduction);
    for (size_t i = 0; (option = kw_option_at(i)) != NULL; i++)
        if (!is_of_provider(option))
            line(option, false, out);
    kw_buf_append_str(out, providers);
    for (size_t i = 0; (option = kw_provider_option_at(i)) != NULL; i++)
        line(option, true, out);
}

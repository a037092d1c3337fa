/* keyward provider ... */
#include "cli/command.h"
#include "cli/table.h"

typedef void visit(void *arg, const struct kw_json *region, const struct kw_json *provider);

static void each_provider(const struct kw_json *answer, visit *act, void *arg)
{
    const struct kw_json *regions = kw_json_get(answer, "regions");
    for (const struct kw_json *r = regions != NULL ? regions->first : NULL; r != NULL;
         r = r->next) {
        const struct kw_json *providers = kw_json_get(r, "providers");
        for (const struct kw_json *p = providers != NULL ? providers->first : NULL; p != NULL;
             p = p->next)
            act(arg, r, p);
    }
}

static bool is_guest(const struct kw_json *provider)
{
    return kw_json_get(provider, "for") != NULL;
}

static bool is_true(const struct kw_json *object, const char *name)
{
    const struct kw_json *member = kw_json_get(object, name);
    return member != NULL && member->type == KW_JSON_TRUE;
}

/* ---- list -------------------------------------------------------------------------------------
 */

static void list_row(void *arg, const struct kw_json *region, const struct kw_json *provider)
{
    const char *const cells[] = {kw_cli_str(region, "region"),
                                 kw_cli_str(provider, "name"),
                                 kw_cli_str(provider, "kind"),
                                 kw_cli_str(provider, "key"),
                                 is_true(provider, "hsm") ? "yes" : "no",
                                 is_guest(provider) ? kw_cli_str(provider, "for") : "all tenants",
                                 kw_cli_str(provider, "price"),
                                 NULL};
    kw_table_row(arg, cells);
}

static void print_list(const struct kw_json *answer)
{
    KW_AUTO(kw_table) table = kw_table("REGION,PROVIDER,KIND,KEY,HSM,FOR,>PRICE");
    each_provider(answer, list_row, &table);
    kw_table_print(&table);
    printf("Prices are a call's, in %s.\n", kw_cli_str(answer, "currency"));
}

static KW_ERR run_list(struct kw_invocation *in, struct kw_error *err)
{
    return kw_cli_show(in, "GET", "/v1/providers", NULL, print_list, err);
}

/* ---- status -----------------------------------------------------------------------------------
 */

/* A breaker, as people speak of what it stands for. */
static const char *state_of(const struct kw_json *provider)
{
    const char *breaker = kw_cli_str(provider, "breaker");
    if (strcmp(breaker, "open") == 0)
        return "left alone";
    return strcmp(breaker, "half-open") == 0 ? "probing" : "well";
}

static void status_row(void *arg, const struct kw_json *region, const struct kw_json *provider)
{
    char calls[32];
    char failures[32];
    char copies[32] = "";
    char latency[40] = "";
    uint64_t sum = kw_cli_uint(provider, "wraps") + kw_cli_uint(provider, "unwraps");
    if (kw_json_get(provider, "latency_ms") != NULL)
        snprintf(latency, sizeof latency, "%.24s ms", kw_cli_str(provider, "latency_ms"));
    if (kw_json_get(provider, "copies") != NULL)
        kw_cli_count_text(kw_cli_uint(provider, "copies"), copies);
    const char *const cells[] = {kw_cli_str(region, "region"),
                                 kw_cli_str(provider, "name"),
                                 state_of(provider),
                                 latency,
                                 kw_cli_count_text(sum, calls),
                                 kw_cli_count_text(kw_cli_uint(provider, "failures"), failures),
                                 copies,
                                 kw_cli_str(provider, "month_spent"),
                                 NULL};
    kw_table_row(arg, cells);
}

static void note_trouble(void *arg, const struct kw_json *region, const struct kw_json *provider)
{
    KW_UNUSED(arg);
    if (strcmp(kw_cli_str(provider, "breaker"), "closed") != 0)
        printf("%s in %s failed and is tried again by itself: 'keyward provider check %s' says "
               "what is wrong.\n",
               kw_cli_str(provider, "name"), kw_cli_str(region, "region"),
               kw_cli_str(provider, "name"));
}

static void print_status(const struct kw_json *answer)
{
    char lacking[32];
    KW_AUTO(kw_table)
    table = kw_table("REGION,PROVIDER,STATE,>LATENCY,>CALLS,>FAILURES,>COPIES,>MONTH");
    each_provider(answer, status_row, &table);
    kw_table_print(&table);
    printf("Calls are those since the start; the month's are in %s.\n",
           kw_cli_str(answer, "currency"));
    if (kw_cli_uint(answer, "lacking") > 0)
        printf("%s copies of keys are lacking: a running server makes them as soon as their "
               "provider takes them.\n",
               kw_cli_count_text(kw_cli_uint(answer, "lacking"), lacking));
    each_provider(answer, note_trouble, NULL);
}

static KW_ERR run_status(struct kw_invocation *in, struct kw_error *err)
{
    return kw_cli_show(in, "GET", "/v1/providers?copies=true", NULL, print_status, err);
}

static const struct kw_cli_option check_options[] = {
    {"region", 0, "REGION", "only as this region's provider"},
    {"key", 0, "KEY", "a root key there, instead of the configured one"},
    {"disabled-key", 0, "KEY", "a key that is switched off there: it must be refused"},
    {"create", 0, NULL, "make the root key if it is not there"},
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_provider[] = {
    {"provider list", "", 0, 0, "list what holds the root keys, region by region", NULL, NULL,
     run_list},
    {"provider status", "", 0, 0, "health, latency, calls, copies and spending of each",
     "STATE is well, left alone (it failed and is not asked for a while) or probing (one call "
     "tries "
     "it).\nExample: keyward provider status --data /var/lib/keyward",
     NULL, run_status},
    {"provider check", "[NAME...]", 0, KW_CLI_OPERANDS_MAX,
     "try providers' root keys: a full round trip with each",
     "Finds the key, wraps and unwraps a test value with it, and sees that a wrong context, an "
     "altered copy\nand a disabled key are refused. Without NAME: every provider that has a key of "
     "its own. The exit status\ntells whether all passed.\n"
     "Example: keyward provider check aws-eu --disabled-key alias/off",
     check_options, kw_provider_check_run},
    {0},
};

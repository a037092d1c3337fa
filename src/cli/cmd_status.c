/* keyward status, keyward flush */
#include "cli/command.h"

static void print_names(const struct kw_json *list, const char *label)
{
    printf("%-10s", label);
    for (const struct kw_json *at = list != NULL ? list->first : NULL; at != NULL; at = at->next)
        printf(" %s", at->type == KW_JSON_STRING ? at->text : kw_cli_str(at, "name"));
    putchar('\n');
}

static void print_month(const struct kw_json *cost)
{
    const char *spent = kw_cli_str(cost, "month_spent");
    const char *saved = kw_cli_str(cost, "month_saved");
    const char *budget = kw_cli_str(cost, "budget");
    if (cost == NULL ||
        (budget[0] == '\0' && strcmp(spent, "0.00") == 0 && strcmp(saved, "0.00") == 0))
        return;
    printf("month      provider calls cost %s%s%s %s, the keyring saved %s\n", spent,
           budget[0] != '\0' ? " of a budget of " : "", budget, kw_cli_str(cost, "currency"),
           saved);
}

/* A line each, where there is something to say. */
static void print_remarks(const struct kw_json *status)
{
    const struct kw_json *ring = kw_json_get(status, "keyring");
    const struct kw_json *copies = kw_json_get(status, "copies");
    char lacking[32];
    print_month(kw_json_get(status, "cost"));
    if (kw_cli_uint(copies, "lacking") > 0)
        printf("copies     %s are lacking: see 'keyward provider status'\n",
               kw_cli_count_text(kw_cli_uint(copies, "lacking"), lacking));
    if (kw_json_get(ring, "strict_until") != NULL)
        printf("strict     until %s: each use of a key costs a provider call; 'keyward cache "
               "normal' ends it\n",
               kw_cli_str(ring, "strict_until"));
}

static void print_status(const struct kw_json *status)
{
    const struct kw_json *ledger = kw_json_get(status, "ledger");
    const struct kw_json *ring = kw_json_get(status, "keyring");
    char tenants[32];
    char keys[32];
    char versions[32];
    char entries[32];
    char bytes[32];
    printf("keyward    %s\n", kw_cli_str(status, "version"));
    printf("holds      %s tenants, %s keys, %s versions\n",
           kw_cli_count_text(kw_cli_uint(status, "tenants"), tenants),
           kw_cli_count_text(kw_cli_uint(status, "keys"), keys),
           kw_cli_count_text(kw_cli_uint(status, "versions"), versions));
    printf("ledger     %s entries, %s under the checkpoint, %s\n",
           kw_cli_count_text(kw_cli_uint(ledger, "size"), entries),
           kw_cli_str(ledger, "published_size"), kw_cli_str(ledger, "state"));
    printf("keyring    %s versions unwrapped, %s\n", kw_cli_str(ring, "entries"),
           kw_cli_size_text(kw_cli_uint(ring, "bytes"), bytes));
    print_names(kw_json_get(status, "regions"), "regions");
    print_names(kw_json_get(status, "classes"), "classes");
    print_remarks(status);
}

static KW_ERR run_status(struct kw_invocation *in, struct kw_error *err)
{
    return kw_cli_show(in, "GET", "/v1/status", NULL, print_status, err);
}

static void print_flushed(const struct kw_json *answer)
{
    printf("%s unwrapped versions dropped from memory\n", kw_cli_str(answer, "flushed"));
}

static KW_ERR run_flush(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    kw_buf_append_str(&body, "{}");
    return kw_cli_show(in, "POST", "/v1/flush", &body, print_flushed, err);
}

const struct kw_command kw_commands_status[] = {
    {"status", "", 0, 0, "what this authority holds and how it is", NULL, NULL, run_status},
    {"flush", "", 0, 0, "drop every unwrapped key from the server's memory", NULL, NULL, run_flush},
    {0},
};

/* keyward cost, keyward cache ... */
#include "cli/command.h"
#include "cli/table.h"

#include "config/option.h"
#include "json/write.h"

enum { PAGE = 1000 };

/* ---- cost -------------------------------------------------------------------------------------
 */

static const char *name_of(const struct kw_json *object)
{
    const char *tenant = kw_cli_str(object, "tenant");
    return tenant[0] != '\0' ? tenant : "(none)";
}

struct sheet {
    struct kw_table calls, savings;
    uint64_t failures;
};

static void sheet_wipe(struct sheet *sheet)
{
    kw_table_wipe(&sheet->calls);
    kw_table_wipe(&sheet->savings);
}

static void add_line(struct sheet *sheet, const struct kw_json *line)
{
    char calls[32];
    char failures[32];
    uint64_t failed = kw_cli_uint(line, "failures");
    uint64_t sum = kw_cli_uint(line, "wraps") + kw_cli_uint(line, "unwraps");
    const char *const cells[] = {name_of(line),
                                 kw_cli_str(line, "region"),
                                 kw_cli_str(line, "provider"),
                                 kw_cli_count_text(sum, calls),
                                 kw_cli_count_text(failed, failures),
                                 kw_cli_str(line, "spent"),
                                 NULL};
    kw_table_row(&sheet->calls, cells);
    sheet->failures += failed;
}

static void add_saving(struct sheet *sheet, const struct kw_json *saving)
{
    char uses[32];
    char calls[32];
    const char *const cells[] = {name_of(saving),
                                 kw_cli_str(saving, "region"),
                                 kw_cli_count_text(kw_cli_uint(saving, "uses"), uses),
                                 kw_cli_count_text(kw_cli_uint(saving, "calls"), calls),
                                 kw_cli_str(saving, "spent"),
                                 kw_cli_str(saving, "saved"),
                                 NULL};
    kw_table_row(&sheet->savings, cells);
}

static void add_page(struct sheet *sheet, const struct kw_json *answer)
{
    const struct kw_json *lines = kw_json_get(answer, "lines");
    const struct kw_json *savings = kw_json_get(answer, "savings");
    for (const struct kw_json *l = lines != NULL ? lines->first : NULL; l != NULL; l = l->next)
        add_line(sheet, l);
    for (const struct kw_json *s = savings != NULL ? savings->first : NULL; s != NULL; s = s->next)
        add_saving(sheet, s);
}

static void print_sheet(struct sheet *sheet, const struct kw_json *answer)
{
    char calls[32];
    char failures[32];
    char uses[32];
    kw_cli_count_text(kw_cli_uint(answer, "calls"), calls);
    const char *const sums[] = {"total",
                                " ",
                                " ",
                                calls,
                                kw_cli_count_text(sheet->failures, failures),
                                kw_cli_str(answer, "spent"),
                                NULL};
    const char *const saved[] = {"total",
                                 " ",
                                 kw_cli_count_text(kw_cli_uint(answer, "uses"), uses),
                                 calls,
                                 kw_cli_str(answer, "spent"),
                                 kw_cli_str(answer, "saved"),
                                 NULL};
    printf("%s to %s, in %s\n\n", kw_cli_str(answer, "from"), kw_cli_str(answer, "to"),
           kw_cli_str(answer, "currency"));
    kw_table_row(&sheet->calls, sums);
    kw_table_row(&sheet->savings, saved);
    kw_table_print(&sheet->calls);
    putchar('\n');
    kw_table_print(&sheet->savings);
}

static void write_path(struct kw_invocation *in, const char *cursor, struct kw_buf *path)
{
    static const char *const names[] = {"tenant", "from", "to"};
    char limit[16];
    snprintf(limit, sizeof limit, "%d", PAGE);
    kw_buf_append_str(path, "/v1/costs");
    kw_query_add(path, "limit", limit);
    for (size_t i = 0; i < KW_COUNT(names); i++)
        if (kw_cli_value(in, names[i]) != NULL)
            kw_query_add(path, names[i], kw_cli_value(in, names[i]));
    if (cursor != NULL)
        kw_query_add(path, "cursor", cursor);
}

/* One page after the other. With --json each page is a line. */
static KW_ERR show(struct kw_invocation *in, struct sheet *sheet, struct kw_error *err)
{
    char cursor[64];
    bool more = false;
    do {
        KW_AUTO(kw_buf) path = KW_BUF_INIT;
        KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
        KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
        write_path(in, more ? cursor : NULL, &path);
        KW_TRY(kw_buf_status(&path, err));
        KW_TRY(kw_cli_call(in, "GET", kw_buf_str(&path), NULL, &answer, &doc, err));
        more = kw_json_get(doc.root, "next_cursor") != NULL;
        snprintf(cursor, sizeof cursor, "%s", kw_cli_str(doc.root, "next_cursor"));
        if (in->json)
            kw_cli_print_json(&answer);
        else
            add_page(sheet, doc.root);
        if (!in->json && !more)
            print_sheet(sheet, doc.root);
    } while (more);
    return KW_OK;
}

static KW_ERR run_cost(struct kw_invocation *in, struct kw_error *err)
{
    struct sheet sheet = {.calls = kw_table("TENANT,REGION,PROVIDER,>CALLS,>FAILURES,>SPENT"),
                          .savings = kw_table("TENANT,REGION,>USES,>CALLS,>SPENT,>SAVED")};
    kw_code code = show(in, &sheet, err);
    sheet_wipe(&sheet);
    return code;
}

/* ---- cache ------------------------------------------------------------------------------------
 */

static void print_strict(const struct kw_json *answer)
{
    const char *until = kw_cli_str(answer, "until");
    const char *tenant = kw_cli_str(answer, "tenant");
    const char *whose = tenant[0] != '\0' ? tenant : "all tenants";
    if (until[0] != '\0')
        printf("strict for %s until %s: each use of a key is validated by a provider, and costs a "
               "call\n",
               whose, until);
    else
        printf("normal for %s: unwrapped keys are kept as configured\n", whose);
}

/* A command on a folder has a keyring of its own, which ends with it. */
static KW_ERR set_strict(struct kw_invocation *in, uint64_t seconds, struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    struct kw_backend *backend = NULL;
    KW_TRY(kw_cli_backend(in, &backend, err));
    if (!kw_backend_is_remote(backend))
        return kw_fail(err, KW_USAGE,
                       "this is about a running server: leave --data out, and name it by --addr or "
                       "KEYWARD_ADDR");
    struct kw_json_writer w = kw_json_writer(&body);
    kw_json_begin(&w, NULL, '{');
    if (kw_cli_value(in, "tenant") != NULL)
        kw_json_str(&w, "tenant", kw_cli_value(in, "tenant"));
    kw_json_uint(&w, "seconds", seconds);
    if (kw_cli_value(in, "justification") != NULL)
        kw_json_str(&w, "justification", kw_cli_value(in, "justification"));
    kw_json_end(&w);
    return kw_cli_show(in, "POST", "/v1/cache/strict", &body, print_strict, err);
}

static KW_ERR run_strict(struct kw_invocation *in, struct kw_error *err)
{
    static const struct kw_option duration = {.name = "for",
                                              .type = KW_OPTION_DURATION,
                                              .min = 1000,
                                              .max = UINT64_C(24) * 60 * 60 * 1000};
    struct kw_error why = {0};
    const char *text = NULL;
    uint64_t ms = 0;
    KW_TRY(kw_cli_required(in, "for", &text, err));
    if (kw_option_parse(&duration, text, &ms, &why) != KW_OK)
        return kw_fail(err, KW_USAGE, "--for takes a time such as 10m, from 1s to 24h: %.200s",
                       why.text);
    return set_strict(in, (ms + 999) / 1000, err);
}

static KW_ERR run_normal(struct kw_invocation *in, struct kw_error *err)
{
    return set_strict(in, 0, err);
}

static const struct kw_cli_option cost_options[] = {
    {"tenant", 0, "TENANT", "of this tenant alone"},
    {"from", 0, "DAY", "the first day, such as 2026-11-01; by default this month's first"},
    {"to", 0, "DAY", "the last day; by default today"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option strict_options[] = {
    {"for", 0, "TIME", "how long: 10m, 1h; at most 24h"},
    {"tenant", 0, "TENANT", "of this tenant's keys alone"},
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option normal_options[] = {
    {"tenant", 0, "TENANT", "of this tenant's keys alone"},
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_cost[] = {
    {"cost", "", 0, 0, "what provider calls cost, and what the keyring saved",
     "Days are UTC. SAVED is what the uses that needed no call would have cost.\n"
     "Example: keyward cost --tenant acme --from 2026-11-01 --to 2026-11-30",
     cost_options, run_cost},
    {"cache strict", "", 0, 0, "validate every use of a key by a provider, for a while",
     "For when something is wrong: no unwrapped key is used twice until it ends.\n"
     "Example: keyward cache strict --for 10m --tenant acme",
     strict_options, run_strict},
    {"cache normal", "", 0, 0, "end that", NULL, normal_options, run_normal},
    {0},
};

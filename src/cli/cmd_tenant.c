/* keyward tenant ... */
#include "cli/command.h"

#include "json/write.h"

enum { PATH_SIZE = 256 };

static KW_ERR tenant_path(char out[PATH_SIZE], const char *tenant, const char *rest,
                          struct kw_error *err)
{
    if (strpbrk(tenant, "/?#% ") != NULL || strlen(tenant) > 63)
        return kw_fail(err, KW_BAD_NAME, "'%.80s' is not a tenant's name: a-z, 0-9, '.', '_', '-'",
                       tenant);
    snprintf(out, PATH_SIZE, "/v1/tenants/%s%s", tenant, rest);
    return KW_OK;
}

static void print_key_line(const struct kw_json *key)
{
    printf("  %-6s %-12s version %-4s %s  %s\n", kw_cli_str(key, "region"),
           kw_cli_str(key, "state"), kw_cli_str(key, "current_version"),
           kw_cli_str(key, "reference"), kw_cli_str(key, "custody"));
    if (kw_json_get(key, "destroy_at") != NULL)
        printf("         destruction at %s\n", kw_cli_str(key, "destroy_at"));
}

static void print_tenant(const struct kw_json *tenant)
{
    printf("%s  %s  %s  since %s\n", kw_cli_str(tenant, "id"), kw_cli_str(tenant, "state"),
           kw_cli_str(tenant, "tier"), kw_cli_str(tenant, "created_at"));
    const struct kw_json *keys = kw_json_get(tenant, "keys");
    for (const struct kw_json *key = keys != NULL ? keys->first : NULL; key != NULL;
         key = key->next)
        print_key_line(key);
}

/* ---- create -----------------------------------------------------------------------------------
 */

static KW_ERR write_labels(struct kw_invocation *in, struct kw_json_writer *w, struct kw_error *err)
{
    const char *label = NULL;
    kw_json_begin(w, "labels", '{');
    for (unsigned i = 0; (label = kw_cli_value_at(in, "label", i)) != NULL; i++) {
        char name[65];
        const char *equals = strchr(label, '=');
        if (equals == NULL || equals == label || (size_t)(equals - label) >= sizeof name)
            return kw_fail(err, KW_USAGE, "--label takes NAME=VALUE, not '%.60s'", label);
        snprintf(name, sizeof name, "%.*s", (int)(equals - label), label);
        if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
            strlen(name))
            return kw_fail(err, KW_BAD_NAME, "a label's name has letters, digits, '_', '.', '-'");
        kw_json_str(w, name, equals + 1);
    }
    kw_json_end(w);
    return KW_OK;
}

static void write_regions(struct kw_invocation *in, struct kw_json_writer *w)
{
    const char *region = NULL;
    kw_json_begin(w, "regions", '[');
    for (unsigned i = 0; (region = kw_cli_value_at(in, "region", i)) != NULL; i++)
        kw_json_str(w, NULL, region);
    kw_json_end(w);
}

static KW_ERR run_create(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    const char *region = NULL;
    const char *tier = kw_cli_value(in, "tier");
    struct kw_json_writer w = kw_json_writer(&body);
    KW_TRY(kw_cli_required(in, "region", &region, err));
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "id", in->operands[0]);
    write_regions(in, &w);
    if (tier != NULL)
        kw_json_str(&w, "tier", tier);
    if (kw_cli_flag(in, "label"))
        KW_TRY(write_labels(in, &w, err));
    kw_json_end(&w);
    return kw_cli_show(in, "POST", "/v1/tenants", &body, print_tenant, err);
}

/* ---- list, show -------------------------------------------------------------------------------
 */

static void print_list(const struct kw_json *root)
{
    const struct kw_json *tenants = kw_json_get(root, "tenants");
    for (const struct kw_json *t = tenants != NULL ? tenants->first : NULL; t != NULL; t = t->next)
        printf("%-40s %-10s %-10s %s\n", kw_cli_str(t, "id"), kw_cli_str(t, "state"),
               kw_cli_str(t, "tier"), kw_cli_str(t, "created_at"));
}

/* One page after the other, up to the limit that was asked for. */
static KW_ERR run_list(struct kw_invocation *in, struct kw_error *err)
{
    uint64_t limit = 0;
    char cursor[128] = "";
    KW_TRY(kw_cli_number(in, "limit", 1000000000, &limit, err));
    for (;;) {
        KW_AUTO(kw_buf) path = KW_BUF_INIT;
        KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
        KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
        char page[24];
        kw_buf_append_str(&path, "/v1/tenants");
        snprintf(page, sizeof page, "%llu",
                 (unsigned long long)(limit != 0 && limit < 1000 ? limit : 1000));
        kw_query_add(&path, "limit", page);
        if (kw_cli_value(in, "prefix") != NULL)
            kw_query_add(&path, "prefix", kw_cli_value(in, "prefix"));
        if (cursor[0] != '\0')
            kw_query_add(&path, "cursor", cursor);
        KW_TRY(kw_cli_call(in, "GET", kw_buf_str(&path), NULL, &answer, &doc, err));
        if (in->json)
            kw_cli_print_json(&answer);
        else
            print_list(doc.root);
        const struct kw_json *tenants = kw_json_get(doc.root, "tenants");
        size_t count = tenants != NULL ? tenants->count : 0;
        snprintf(cursor, sizeof cursor, "%s", kw_cli_str(doc.root, "next_cursor"));
        if (cursor[0] == '\0' || (limit != 0 && limit <= count))
            return KW_OK;
        limit = limit != 0 ? limit - count : 0;
    }
}

static KW_ERR run_show(struct kw_invocation *in, struct kw_error *err)
{
    char path[PATH_SIZE];
    KW_TRY(tenant_path(path, in->operands[0], "", err));
    return kw_cli_show(in, "GET", path, NULL, print_tenant, err);
}

/* ---- suspend, resume, close -------------------------------------------------------------------
 */

static KW_ERR post(struct kw_invocation *in, const char *verb, struct kw_error *err)
{
    char path[PATH_SIZE];
    KW_TRY(tenant_path(path, in->operands[0], verb, err));
    return kw_cli_change(in, path, print_tenant, err);
}

static KW_ERR run_suspend(struct kw_invocation *in, struct kw_error *err)
{
    return post(in, "/suspend", err);
}

static KW_ERR run_resume(struct kw_invocation *in, struct kw_error *err)
{
    return post(in, "/resume", err);
}

static KW_ERR run_close(struct kw_invocation *in, struct kw_error *err)
{
    return post(in, "/close", err);
}

static const struct kw_cli_option create_options[] = {
    {"region", 0, "REGION", "jurisdiction of a key, such as eu; repeat for several"},
    {"tier", 0, "TIER", "standard (default), enterprise or hyok"},
    {"label", 0, "NAME=VALUE", "kept with the tenant; repeat for several"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option list_options[] = {
    {"prefix", 0, "TEXT", "only tenants whose name begins so"},
    {"limit", 0, "N", "at most so many"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option why_options[] = {
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option close_options[] = {
    {"window-days", 0, "DAYS", "until the keys are destroyed: 7 to 90"},
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_tenant[] = {
    {"tenant create", "TENANT", 1, 1, "make a tenant and its key in each region", NULL,
     create_options, run_create},
    {"tenant list", "", 0, 0, "list tenants", NULL, list_options, run_list},
    {"tenant show", "TENANT", 1, 1, "show a tenant and its keys", NULL, NULL, run_show},
    {"tenant suspend", "TENANT", 1, 1, "stop every use of a tenant's keys, at once",
     "Nothing of this tenant can be sealed or opened until it is resumed. Others are untouched.",
     why_options, run_suspend},
    {"tenant resume", "TENANT", 1, 1, "end a suspension", NULL, why_options, run_resume},
    {"tenant close", "TENANT", 1, 1, "end a tenant: suspend, and schedule its keys' destruction",
     "Nothing of this tenant opens any more. After the window its keys are destroyed, and with "
     "them\nthe content of every copy and backup that is sealed under them. There is no way back "
     "after that.",
     close_options, run_close},
    {0},
};

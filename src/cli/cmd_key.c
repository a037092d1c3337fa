/* keyward key ... */
#include "cli/command.h"

enum { PATH_SIZE = KW_CLI_PATH_SIZE };

KW_ERR kw_cli_key_path(char out[PATH_SIZE], const char *operand, const char *rest,
                       struct kw_error *err)
{
    struct kw_key_name name;
    KW_TRY(kw_cli_key_name(operand, &name, err));
    if (strpbrk(operand, "?#% ") != NULL)
        return kw_fail(err, KW_BAD_NAME, "'%.80s' is not TENANT/REGION", operand);
    snprintf(out, PATH_SIZE, "/v1/tenants/%s/keys/%s%s", name.tenant, name.region, rest);
    return KW_OK;
}

/* Of the customer's material: that it is, and until when. */
static void print_material(const struct kw_json *version)
{
    const struct kw_json *imported = kw_json_get(version, "imported");
    const char *expires = kw_cli_str(version, "expires_at");
    if (imported != NULL && imported->type == KW_JSON_TRUE)
        printf("               imported, %s%s\n", expires[0] != '\0' ? "ends " : "without an end",
               expires);
}

static void print_version(const struct kw_json *version)
{
    const struct kw_json *copies = kw_json_get(version, "copies");
    char wraps[32];
    char unwraps[32];
    printf("  version %-4s %-12s made %s  wraps %s, unwraps %s, copies:",
           kw_cli_str(version, "version"), kw_cli_str(version, "state"),
           kw_cli_str(version, "created_at"),
           kw_cli_count_text(kw_cli_uint(version, "wraps"), wraps),
           kw_cli_count_text(kw_cli_uint(version, "unwraps"), unwraps));
    for (const struct kw_json *c = copies != NULL ? copies->first : NULL; c != NULL; c = c->next)
        printf(" %s (%s)", kw_cli_str(c, "provider"), kw_cli_str(c, "provider_key"));
    printf("%s\n", copies == NULL || copies->count == 0 ? " none" : "");
    print_material(version);
}

void kw_cli_print_key(const struct kw_json *key)
{
    printf("%s/%s  %s  %s  %s  %s\n", kw_cli_str(key, "tenant"), kw_cli_str(key, "region"),
           kw_cli_str(key, "state"), kw_cli_str(key, "reference"), kw_cli_str(key, "custody"),
           kw_cli_str(key, "suite_name"));
    if (kw_json_get(key, "provider") != NULL)
        printf("  in the customer's hands: %s, key %s\n", kw_cli_str(key, "provider"),
               kw_cli_str(key, "provider_key"));
    if (kw_json_get(key, "destroy_at") != NULL)
        printf("  destruction at %s: 'keyward key cancel-destroy %s/%s' keeps it\n",
               kw_cli_str(key, "destroy_at"), kw_cli_str(key, "tenant"), kw_cli_str(key, "region"));
    const struct kw_json *versions = kw_json_get(key, "versions");
    if (kw_json_get(versions, "count") != NULL) {
        char count[32];
        printf("  %s versions, one for each data key or batch\n",
               kw_cli_count_text(kw_cli_uint(versions, "count"), count));
        return;
    }
    if (kw_json_get(key, "versions_left_out") != NULL)
        printf("  %s older versions are not shown\n", kw_cli_str(key, "versions_left_out"));
    for (const struct kw_json *v = versions != NULL ? versions->first : NULL; v != NULL;
         v = v->next)
        print_version(v);
}

static void print_keys(const struct kw_json *answer)
{
    const struct kw_json *keys = kw_json_get(answer, "keys");
    for (const struct kw_json *k = keys != NULL ? keys->first : NULL; k != NULL; k = k->next)
        kw_cli_print_key(k);
}

static KW_ERR run_list(struct kw_invocation *in, struct kw_error *err)
{
    char path[PATH_SIZE];
    if (strpbrk(in->operands[0], "/?#% ") != NULL || strlen(in->operands[0]) > 63)
        return kw_fail(err, KW_BAD_NAME, "'%.80s' is not a tenant's name", in->operands[0]);
    snprintf(path, sizeof path, "/v1/tenants/%s/keys", in->operands[0]);
    return kw_cli_show(in, "GET", path, NULL, print_keys, err);
}

static KW_ERR run_show(struct kw_invocation *in, struct kw_error *err)
{
    char path[PATH_SIZE];
    KW_TRY(kw_cli_key_path(path, in->operands[0], "", err));
    return kw_cli_show(in, "GET", path, NULL, kw_cli_print_key, err);
}

static KW_ERR post(struct kw_invocation *in, const char *verb, struct kw_error *err)
{
    char path[PATH_SIZE];
    KW_TRY(kw_cli_key_path(path, in->operands[0], verb, err));
    return kw_cli_change(in, path, kw_cli_print_key, err);
}

static KW_ERR run_rotate(struct kw_invocation *in, struct kw_error *err)
{
    return post(in, "/rotate", err);
}

static KW_ERR run_disable(struct kw_invocation *in, struct kw_error *err)
{
    return post(in, "/disable", err);
}

static KW_ERR run_enable(struct kw_invocation *in, struct kw_error *err)
{
    return post(in, "/enable", err);
}

static KW_ERR run_schedule(struct kw_invocation *in, struct kw_error *err)
{
    return post(in, "/schedule-destroy", err);
}

static KW_ERR run_cancel(struct kw_invocation *in, struct kw_error *err)
{
    return post(in, "/cancel-destroy", err);
}

static const struct kw_cli_option why_options[] = {
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option window_options[] = {
    {"window-days", 0, "DAYS", "until the key is destroyed: 7 (default) to 90"},
    {"justification", 0, "TEXT", "why; recorded in the ledger"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_key[] = {
    {"key list", "TENANT", 1, 1, "list a tenant's keys and their versions", NULL, NULL, run_list},
    {"key show", "TENANT/REGION", 1, 1, "show a key, its versions and where copies lie", NULL, NULL,
     run_show},
    {"key rotate", "TENANT/REGION", 1, 1, "make a new version; older ones go on opening", NULL,
     why_options, run_rotate},
    {"key disable", "TENANT/REGION", 1, 1, "stop every use of one key, at once", NULL, why_options,
     run_disable},
    {"key enable", "TENANT/REGION", 1, 1, "end that", NULL, why_options, run_enable},
    {"key schedule-destroy", "TENANT/REGION", 1, 1, "destroy a key after a window",
     "From now on nothing opens under it. Until the window ends 'key cancel-destroy' brings it "
     "back as it\nwas; then every copy of every version is destroyed for good.",
     window_options, run_schedule},
    {"key cancel-destroy", "TENANT/REGION", 1, 1, "keep a key whose destruction is scheduled", NULL,
     why_options, run_cancel},
    {0},
};

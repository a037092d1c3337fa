/* keyward token ..., keyward cert ... */
#include "cli/command.h"

#include "base/file.h"
#include "json/write.h"

/* ---- token ------------------------------------------------------------------------------------
 */

static KW_ERR write_token_request(struct kw_invocation *in, struct kw_buf *body,
                                  struct kw_error *err)
{
    uint64_t hours = 0;
    const char *roles = NULL;
    const char *tenants = kw_cli_value(in, "tenants");
    struct kw_json_writer w = kw_json_writer(body);
    KW_TRY(kw_cli_required(in, "roles", &roles, err));
    KW_TRY(kw_cli_number(in, "hours", 24 * 3650, &hours, err));
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "principal", in->operands[0]);
    kw_json_str(&w, "roles", roles);
    if (tenants != NULL)
        kw_json_str(&w, "tenants", tenants);
    if (kw_cli_flag(in, "hours"))
        kw_json_uint(&w, "lifetime_seconds", hours * 3600);
    kw_json_end(&w);
    return kw_buf_status(body, err);
}

/* The token alone goes to standard output, so that it can be caught by a script. */
static void print_token(const struct kw_json *answer)
{
    printf("%s\n", kw_cli_str(answer, "token"));
    fprintf(stderr, "Token %s for %s (%s; tenants %s). It is shown this once.\n",
            kw_cli_str(answer, "id"), kw_cli_str(answer, "principal"), kw_cli_str(answer, "roles"),
            kw_cli_str(answer, "tenants"));
}

static KW_ERR run_token_create(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_TRY(write_token_request(in, &body, err));
    return kw_cli_show(in, "POST", "/v1/tokens", &body, print_token, err);
}

static bool is_true(const struct kw_json *object, const char *name)
{
    const struct kw_json *member = kw_json_get(object, name);
    return member != NULL && member->type == KW_JSON_TRUE;
}

static void print_tokens(const struct kw_json *answer)
{
    const struct kw_json *tokens = kw_json_get(answer, "tokens");
    for (const struct kw_json *t = tokens != NULL ? tokens->first : NULL; t != NULL; t = t->next) {
        const char *expires = kw_cli_str(t, "expires_at");
        printf("%s  %-20s %-16s %-12s %s%s\n", kw_cli_str(t, "id"), kw_cli_str(t, "principal"),
               kw_cli_str(t, "roles"), kw_cli_str(t, "tenants"),
               is_true(t, "revoked") ? "revoked" : "expires ",
               is_true(t, "revoked") ? "" : (expires[0] != '\0' ? expires : "never"));
    }
}

static KW_ERR run_token_list(struct kw_invocation *in, struct kw_error *err)
{
    return kw_cli_show(in, "GET", "/v1/tokens", NULL, print_tokens, err);
}

static void print_revoked(const struct kw_json *answer)
{
    KW_UNUSED(answer);
    puts("revoked");
}

static KW_ERR run_token_revoke(struct kw_invocation *in, struct kw_error *err)
{
    char path[64];
    const char *id = in->operands[0];
    if (strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32)
        return kw_fail(err, KW_USAGE,
                       "a token is named by its id, 32 hex digits: see 'keyward token list'");
    snprintf(path, sizeof path, "/v1/tokens/%s", id);
    return kw_cli_show(in, "DELETE", path, NULL, print_revoked, err);
}

/* ---- cert -------------------------------------------------------------------------------------
 */

static KW_ERR write_file(const char *path, mode_t mode, const char *text, struct kw_error *err)
{
    return kw_file_create(path, mode, text, strlen(text), err);
}

static KW_ERR write_pair(struct kw_invocation *in, const struct kw_json *answer, const char *base,
                         struct kw_error *err)
{
    char cert[KW_PATH_SIZE];
    char key[KW_PATH_SIZE];
    KW_TRY(kw_path_format(cert, err, "%s.crt", base));
    KW_TRY(kw_path_format(key, err, "%s.key", base));
    KW_TRY(write_file(key, 0600, kw_cli_str(answer, "private_key"), err));
    KW_TRY(write_file(cert, 0644, kw_cli_str(answer, "certificate"), err));
    const char *id = kw_cli_str(answer, "spiffe_id");
    if (!in->json)
        printf("%s and %s: %s, until %s\n", cert, key, id[0] != '\0' ? id : in->operands[0],
               kw_cli_str(answer, "not_after"));
    return KW_OK;
}

static KW_ERR write_request(struct kw_invocation *in, struct kw_buf *body, struct kw_error *err)
{
    const char *kind = kw_cli_value(in, "kind");
    const char *role = kw_cli_value(in, "role");
    uint64_t days = 0;
    KW_TRY(kw_cli_number(in, "days", 3650, &days, err));
    bool server = kind != NULL && strcmp(kind, "server") == 0;
    if (!server && role == NULL)
        return kw_fail(err, KW_USAGE, "--role is missing: root, admin, service or auditor");
    struct kw_json_writer w = kw_json_writer(body);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "kind", kind != NULL ? kind : "client");
    kw_json_str(&w, "name", in->operands[0]);
    if (!server)
        kw_json_str(&w, "role", role);
    if (days != 0)
        kw_json_uint(&w, "days", days);
    kw_json_end(&w);
    return kw_buf_status(body, err);
}

static KW_ERR run_cert_issue(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    const char *out = kw_cli_value(in, "out");
    KW_TRY(write_request(in, &body, err));
    KW_TRY(kw_cli_call(in, "POST", "/v1/certificates", &body, &answer, &doc, err));
    if (in->json && out == NULL) {
        kw_cli_print_json(&answer);
        return KW_OK;
    }
    return write_pair(in, doc.root, out != NULL ? out : in->operands[0], err);
}

static void print_certificates(const struct kw_json *answer)
{
    const struct kw_json *list = kw_json_get(answer, "certificates");
    for (const struct kw_json *c = list != NULL ? list->first : NULL; c != NULL; c = c->next) {
        const char *id = kw_cli_str(c, "spiffe_id");
        printf("%-44s %-44s %s (%s days left)\n", kw_cli_str(c, "file"),
               id[0] != '\0' ? id : kw_cli_str(c, "common_name"), kw_cli_str(c, "not_after"),
               kw_cli_str(c, "days_left"));
    }
}

static KW_ERR run_cert_list(struct kw_invocation *in, struct kw_error *err)
{
    return kw_cli_show(in, "GET", "/v1/certificates", NULL, print_certificates, err);
}

static const struct kw_cli_option token_options[] = {
    {"roles", 0, "ROLES", "root, admin, service, auditor; comma-separated"},
    {"tenants", 0, "TENANTS", "where it may act: ids, comma-separated; '*' (default) for all"},
    {"hours", 0, "N", "ends by itself after so many hours (default 2160, 90 days; 0: never)"},
    {NULL, 0, NULL, NULL},
};
static const struct kw_cli_option cert_options[] = {
    {"role", 0, "ROLE", "of a client: root, admin, service or auditor"},
    {"kind", 0, "KIND", "client (default) or server; a server's NAME is its host"},
    {"days", 0, "N", "how long it lasts: 365 (default), at most 825"},
    {"out", 'o', "BASE", "write BASE.crt and BASE.key; NAME.crt and NAME.key by default"},
    {NULL, 0, NULL, NULL},
};

const struct kw_command kw_commands_access[] = {
    {"token create", "NAME", 1, 1, "make a bearer token", NULL, token_options, run_token_create},
    {"token list", "", 0, 0, "list tokens", NULL, NULL, run_token_list},
    {"token revoke", "ID", 1, 1, "end a token", NULL, NULL, run_token_revoke},
    {"cert issue", "NAME", 1, 1, "issue a certificate of the embedded authority's CA",
     "A client certificate carries spiffe://TRUST-DOMAIN/ROLE/NAME, by which the server knows its "
     "holder.",
     cert_options, run_cert_issue},
    {"cert list", "", 0, 0, "list certificates and when they end", NULL, NULL, run_cert_list},
    {0},
};

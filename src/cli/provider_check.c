/* keyward provider check: one call for each provider, its steps shown as they came out. */
#include "cli/command.h"

#include "json/write.h"

enum { CHECK_TIMEOUT_MS = 120 * 1000, PATH_SIZE = 128 };

/* What came of all checks. */
struct outcome {
    unsigned checked, failed;
    kw_code first; /* of the first step that failed */
};

static bool is_true(const struct kw_json *object, const char *name)
{
    const struct kw_json *member = kw_json_get(object, name);
    return member != NULL && member->type == KW_JSON_TRUE;
}

static void write_request(struct kw_invocation *in, const char *region, struct kw_buf *body)
{
    static const char *const names[][2] = {
        {"key", "key"}, {"disabled-key", "disabled_key"}, {"justification", "justification"}};
    struct kw_json_writer w = kw_json_writer(body);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "region", region);
    for (size_t i = 0; i < KW_COUNT(names); i++)
        if (kw_cli_value(in, names[i][0]) != NULL)
            kw_json_str(&w, names[i][1], kw_cli_value(in, names[i][0]));
    if (kw_cli_flag(in, "create"))
        kw_json_bool(&w, "create", true);
    kw_json_end(&w);
}

static void print_step(const struct kw_json *step)
{
    const char *verdict = kw_cli_str(step, "verdict");
    bool left_out = strcmp(verdict, "left_out") == 0;
    char time[40] = "";
    if (!left_out)
        snprintf(time, sizeof time, "%.24s ms", kw_cli_str(step, "ms"));
    printf("  %-8s  %-14s %14s  %s\n",
           left_out ? "left out" : (strcmp(verdict, "failed") == 0 ? "FAILED" : verdict),
           kw_cli_str(step, "name"), time, kw_cli_str(step, "found"));
}

static void print_check(const struct kw_json *answer)
{
    const struct kw_json *steps = kw_json_get(answer, "steps");
    const char *key = kw_cli_str(answer, "key");
    printf("%s in %s%s%s\n", kw_cli_str(answer, "provider"), kw_cli_str(answer, "region"),
           key[0] != '\0' ? ", key " : "", key);
    for (const struct kw_json *s = steps != NULL ? steps->first : NULL; s != NULL; s = s->next)
        print_step(s);
    if (is_true(answer, "passed"))
        printf("  %s passed; a copy of a key takes %s bytes\n", kw_cli_str(answer, "provider"),
               kw_cli_str(answer, "wrapped_bytes"));
}

/* A step can fail though the provider answered well: it gave what it should have refused. */
static kw_code code_of(const struct kw_json *answer)
{
    const struct kw_json *steps = kw_json_get(answer, "steps");
    for (const struct kw_json *s = steps != NULL ? steps->first : NULL; s != NULL; s = s->next) {
        kw_code code = kw_code_from_name(kw_cli_str(s, "code"));
        if (strcmp(kw_cli_str(s, "verdict"), "failed") == 0 && code != KW_OK)
            return code;
    }
    return KW_PROVIDER_UNAVAILABLE;
}

static KW_ERR check(struct kw_invocation *in, const char *region, const char *provider,
                    struct outcome *outcome, struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    struct kw_backend *backend = NULL;
    char path[PATH_SIZE];
    KW_TRY(kw_cli_backend(in, &backend, err));
    write_request(in, region, &body);
    KW_TRY(kw_buf_status(&body, err));
    snprintf(path, sizeof path, "/v1/providers/%.64s/check", provider);
    struct kw_call call = {.method = "POST",
                           .path = path,
                           .body = kw_buf_bytes(&body),
                           .timeout_ms = CHECK_TIMEOUT_MS};
    KW_TRY(kw_backend_ask(backend, &call, &answer, err));
    KW_TRY(kw_json_parse(&doc, kw_buf_bytes(&answer.body), err));
    if (in->json)
        kw_cli_print_json(&answer);
    else
        print_check(doc.root);
    outcome->checked++;
    if (!is_true(doc.root, "passed") && outcome->failed++ == 0)
        outcome->first = code_of(doc.root);
    return KW_OK;
}

/* ---- Which ------------------------------------------------------------------------------------
 */

static bool is_meant(const struct kw_invocation *in, const char *region, const char *provider)
{
    const char *only = kw_cli_value(in, "region");
    bool named = in->operand_count == 0;
    for (unsigned i = 0; i < in->operand_count; i++)
        named = named || strcmp(in->operands[i], provider) == 0;
    return named && (only == NULL || strcmp(only, region) == 0);
}

/* A customer's provider has no key of its own: each of that customer's tenant keys names one. */
static bool has_key(const struct kw_invocation *in, const struct kw_json *provider)
{
    if (kw_json_get(provider, "key") != NULL || kw_cli_value(in, "key") != NULL)
        return true;
    fprintf(stderr, "%s is left out: it has the keys of %s; name one with --key\n",
            kw_cli_str(provider, "name"), kw_cli_str(provider, "for"));
    return false;
}

static KW_ERR check_region(struct kw_invocation *in, const struct kw_json *region,
                           struct outcome *outcome, struct kw_error *err)
{
    const char *name = kw_cli_str(region, "region");
    const struct kw_json *providers = kw_json_get(region, "providers");
    for (const struct kw_json *p = providers != NULL ? providers->first : NULL; p != NULL;
         p = p->next)
        if (is_meant(in, name, kw_cli_str(p, "name")) && has_key(in, p))
            KW_TRY(check(in, name, kw_cli_str(p, "name"), outcome, err));
    return KW_OK;
}

static bool is_there(const struct kw_invocation *in, const struct kw_json *regions,
                     const char *provider)
{
    for (const struct kw_json *r = regions != NULL ? regions->first : NULL; r != NULL;
         r = r->next) {
        const struct kw_json *providers = kw_json_get(r, "providers");
        for (const struct kw_json *p = providers != NULL ? providers->first : NULL; p != NULL;
             p = p->next)
            if (strcmp(kw_cli_str(p, "name"), provider) == 0 &&
                is_meant(in, kw_cli_str(r, "region"), provider))
                return true;
    }
    return false;
}

static KW_ERR check_names(const struct kw_invocation *in, const struct kw_json *regions,
                          struct kw_error *err)
{
    for (unsigned i = 0; i < in->operand_count; i++)
        if (!is_there(in, regions, in->operands[i]))
            return kw_fail(err, KW_NOT_FOUND,
                           "there is no provider '%.64s'%s: 'keyward provider list' shows them",
                           in->operands[i],
                           kw_cli_value(in, "region") != NULL ? " in this region" : "");
    return KW_OK;
}

KW_ERR kw_provider_check_run(struct kw_invocation *in, struct kw_error *err)
{
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    struct outcome outcome = {.first = KW_OK};
    KW_TRY(kw_cli_call(in, "GET", "/v1/providers", NULL, &answer, &doc, err));
    const struct kw_json *regions = kw_json_get(doc.root, "regions");
    KW_TRY(check_names(in, regions, err));
    for (const struct kw_json *r = regions != NULL ? regions->first : NULL; r != NULL; r = r->next)
        KW_TRY(check_region(in, r, &outcome, err));
    if (outcome.checked == 0)
        return kw_fail(err, KW_NOT_FOUND,
                       "no provider was checked: name one, and with --key a "
                       "root key there");
    if (outcome.failed > 0)
        return kw_fail(err, outcome.first, "%u of %u did not pass: see above", outcome.failed,
                       outcome.checked);
    return KW_OK;
}

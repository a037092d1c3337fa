/* The API over a real authority with arbitrary bodies, addresses and queries. Whatever comes, the
 * answer is well formed, an error names itself, none is an internal one, and nobody gets a data key
 * who may not use keys.
 *
 * Input: a letter for the address, a letter for the caller, and the body (or, for the letters q to
 * t, a path, or the query of a list). WRAPPED, SEALED and TOKEN in it stand for a wrapped data key
 * of tenant acme, an envelope, and the token of an import that was offered to globex. */
#include "api/api.h"
#include "json/json.h"

#include <ftw.h>
#include <stdint.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {
    "/v1/data-keys/unwrap",
    "/v1/data-keys/generate",
    "/v1/data-keys/rewrap",
    "/v1/seal",
    "/v1/open",
    "/v1/sign",
    "/v1/tenants",
    "/v1/tokens",
    "/v1/certificates",
    "/v1/flush",
    "/v1/tenants/globex/suspend",
    "/v1/tenants/globex/close",
    "/v1/tenants/globex/regions",
    "/v1/tenants/globex/keys/eu/rotate",
    "/v1/tenants/globex/keys/eu/schedule-destroy",
    "/v1/tenants/globex/keys/eu/cancel-destroy",
    NULL, /* a path */
    "/v1/tenants?",
    "/v1/costs?",
    "/v1/providers?",
    "/v1/tenants/globex/keys/eu/import",
    "/v1/tenants/globex/keys/eu/end-material",
    "/v1/tenants/globex/keys/eu/attach",
    "/v1/tenants/globex/keys/eu/detach",
    "/v1/cache/strict",
    "/v1/providers/software/check",
};

static const struct kw_caller callers[] = {
    {"root", ~0U, "*", "127.0.0.1", "r", NULL},
    {"service", KW_RIGHT_USE_KEYS | KW_RIGHT_READ, "acme", "127.0.0.1", "r", NULL},
    {"auditor", KW_RIGHT_READ | KW_RIGHT_READ_LEDGER, "*", "127.0.0.1", "r", NULL},
};

static char dir[256];
static struct kw_api *api;
static struct kw_buf wrapped, envelope, token;

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    KW_UNUSED(st);
    KW_UNUSED(type);
    KW_UNUSED(at);
    return remove(path);
}

static void remove_dir(void)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Text of a member of the answer, up to its quote. */
static void take_text(const struct kw_api_call *call, const char *name, struct kw_buf *out)
{
    const char *body = (const char *)call->body_out.data;
    const char *at = memmem(body, call->body_out.len, name, strlen(name));
    must(at != NULL, "the fixture's call failed");
    at += strlen(name);
    kw_buf_append(out, at, strcspn(at, "\""));
}

static void ask(const char *path, const char *body, const char *name, struct kw_buf *out)
{
    struct kw_api_call call = {
        .method = "POST", .path = path, .body = kw_bytes_str(body), .caller = callers[0]};
    kw_api_run(api, &call);
    kw_buf_append_byte(&call.body_out, '\0');
    if (name != NULL)
        take_text(&call, name, out);
    must(call.status < 300, "the fixture's call failed");
    kw_buf_wipe(&call.body_out);
}

static void open_authority(void)
{
    static struct kw_secret seed;
    static const char *const names[] = {"eu"};
    char store[300], ledger[300];
    struct kw_router_region region = {.name = "eu", .route_count = 1, .routes = {{.key = "eu"}}};
    struct kw_router_options router = {.regions = &region, .region_count = 1};
    struct kw_authority_options options = {.regions = names, .region_count = 1};
    struct kw_authority *authority = NULL;
    struct kw_api_options wanted = {.threads = 0};
    snprintf(store, sizeof store, "%s/keyward.db", dir);
    snprintf(ledger, sizeof ledger, "%s/ledger", dir);
    kw_secret_allow_unlocked();
    must(kw_secret_alloc(&seed, 32, NULL) == KW_OK, "no secret memory");
    struct kw_ledger_options log = {.dir = ledger, .origin = "fuzz.example", .seed = &seed};
    must(kw_store_sqlite_open(store, true, &options.store, NULL) == KW_OK, "no store");
    must(kw_provider_software_new("software", &seed, &region.routes[0].provider, NULL) == KW_OK,
         "no provider");
    must(kw_router_new(&router, &options.router, NULL) == KW_OK, "no router");
    must(kw_ledger_create(&log, NULL) == KW_OK, "no ledger");
    must(kw_ledger_open(&log, &options.ledger, NULL) == KW_OK, "no ledger");
    must(kw_authority_new(&options, &authority, NULL) == KW_OK, "no authority");
    wanted.authority = authority;
    must(kw_api_new(&wanted, &api, NULL) == KW_OK, "no API");
}

/* Once; it lives until the process ends. */
static void open_all(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(dir, sizeof dir, "%s/keyward-fuzz-XXXXXX", base);
    must(mkdtemp(dir) != NULL, "no folder");
    atexit(remove_dir);
    open_authority();
    ask("/v1/tenants", "{\"id\":\"acme\",\"regions\":[\"eu\"]}", NULL, NULL);
    ask("/v1/tenants", "{\"id\":\"globex\",\"regions\":[\"eu\"]}", NULL, NULL);
    ask("/v1/data-keys/generate", "{\"tenant\":\"acme\",\"region\":\"eu\"}", "\"wrapped\":\"",
        &wrapped);
    ask("/v1/seal", "{\"tenant\":\"acme\",\"region\":\"eu\",\"plaintext\":\"aGVsbG8=\"}",
        "\"envelope\":\"", &envelope);
    ask("/v1/tenants/globex/keys/eu/import-offer", "{}", "\"token\":\"", &token);
}

/* input with the placeholders filled in. */
static void expand(struct kw_bytes input, struct kw_buf *out)
{
    const struct {
        const char *name;
        const struct kw_buf *with;
    } placeholders[] = {{"WRAPPED", &wrapped}, {"SEALED", &envelope}, {"TOKEN", &token}};
    while (input.len > 0) {
        struct kw_bytes with = kw_bytes(input.data, 1);
        size_t len = 1;
        for (size_t i = 0; i < KW_COUNT(placeholders); i++) {
            size_t name_len = strlen(placeholders[i].name);
            if (input.len < name_len || memcmp(input.data, placeholders[i].name, name_len) != 0)
                continue;
            with = kw_buf_bytes(placeholders[i].with);
            len = name_len;
        }
        kw_buf_append(out, with.data, with.len);
        input = kw_bytes(input.data + len, input.len - len);
    }
}

static void check(const struct kw_api_call *call)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    must(call->status >= 200 && call->status < 600 && call->status != 500, "an internal error");
    if (strcmp(call->content_type, "application/json") != 0)
        return;
    must(kw_json_parse(&doc, kw_buf_bytes(&call->body_out), NULL) == KW_OK, "not JSON");
    const struct kw_json *error = kw_json_get(doc.root, "error");
    must((call->status >= 400) == (error != NULL), "status and body do not agree");
    must(error == NULL || kw_json_get(error, "code") != NULL, "an error without a code");
    bool may_use = (call->caller.rights & KW_RIGHT_USE_KEYS) != 0;
    must(may_use || memmem(call->body_out.data, call->body_out.len, "plaintext\":", 11) == NULL,
         "a key for who may not use keys");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    if (api == NULL)
        open_all();
    if (size < 2 || size > 65536)
        return 0;
    const char *path = paths[(size_t)(data[0] - 'a') % KW_COUNT(paths)];
    char list[32] = "";
    expand(kw_bytes(data + 2, size - 2), &text);
    const char *rest = kw_buf_str(&text);
    struct kw_api_call call = {.method = "GET",
                               .path = rest,
                               .query = "",
                               .caller = callers[(size_t)(data[1] - 'a') % KW_COUNT(callers)]};
    if (path != NULL && strchr(path, '?') != NULL) {
        snprintf(list, sizeof list, "%.*s", (int)strcspn(path, "?"), path);
        call.path = list;
        call.query = rest;
    } else if (path != NULL) {
        call.method = "POST";
        call.path = path;
        call.body = kw_buf_bytes(&text);
    }
    kw_api_run(api, &call);
    check(&call);
    kw_buf_wipe(&call.body_out);
    return 0;
}

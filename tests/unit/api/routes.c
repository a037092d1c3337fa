/* Every role at every route; addresses that are none; and that the description says the same as the
 * table. */
#include "api_scene.h"

#include "api/internal.h"

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 0, NULL);
    kw_fixture_tenant(a->f, "acme", "eu");
    return 0;
}

/* Who may do what, written out: the letters of the roles root, admin, service, auditor. */
static const struct {
    const char *method;
    const char *path;
    const char *body;
    const char *roles;
} matrix[] = {
    {"POST", "/v1/data-keys/generate", "{\"tenant\":\"acme\",\"region\":\"eu\"}", "rs"},
    {"POST", "/v1/data-keys/unwrap", "{\"items\":[{\"wrapped\":\"\"}]}", "rs"},
    {"POST", "/v1/data-keys/rewrap", "{\"items\":[{\"wrapped\":\"\"}]}", "rs"},
    {"POST", "/v1/seal", "{\"tenant\":\"acme\",\"region\":\"eu\",\"plaintext\":\"\"}", "rs"},
    {"POST", "/v1/open", "{\"envelope\":\"\"}", "rs"},
    {"POST", "/v1/sign",
     "{\"tenant\":\"acme\",\"region\":\"eu\",\"version\":1,\"statement\":\"AAAA\"}", "rs"},
    {"GET", "/v1/status", NULL, "raso"},
    {"POST", "/v1/flush", "", "ra"},
    {"POST", "/v1/tenants", "{\"id\":\"acme\",\"regions\":[\"eu\"]}", "ra"},
    {"GET", "/v1/tenants", NULL, "raso"},
    {"GET", "/v1/tenants/acme", NULL, "raso"},
    {"POST", "/v1/tenants/acme/suspend", "", "ra"},
    {"POST", "/v1/tenants/acme/resume", "", "ra"},
    {"POST", "/v1/tenants/acme/regions", "{\"region\":\"eu\"}", "ra"},
    {"GET", "/v1/tenants/acme/keys", NULL, "raso"},
    {"GET", "/v1/tenants/acme/keys/eu", NULL, "raso"},
    {"POST", "/v1/tenants/acme/keys/eu/rotate", "", "ra"},
    {"POST", "/v1/tenants/acme/keys/eu/disable", "", "ra"},
    {"POST", "/v1/tenants/acme/keys/eu/enable", "", "ra"},
    {"POST", "/v1/tenants/acme/keys/eu/schedule-destroy", "", "ra"},
    {"POST", "/v1/tenants/acme/keys/eu/cancel-destroy", "", "ra"},
    {"POST", "/v1/tenants/acme/keys/eu/import-offer", "", "ra"},
    {"POST", "/v1/tenants/acme/keys/eu/import", "{\"token\":\"00\",\"wrapped\":\"AAAA\"}", "ra"},
    {"POST", "/v1/tenants/acme/keys/eu/end-material", "", "ra"},
    {"POST", "/v1/tenants/acme/keys/eu/attach", "{\"provider\":\"x\",\"key\":\"k\"}", "ra"},
    {"POST", "/v1/tenants/acme/keys/eu/detach", "", "ra"},
    {"GET", "/v1/providers", NULL, "raso"},
    {"POST", "/v1/providers/software-eu/check", "", "ra"},
    {"GET", "/v1/costs?tenant=acme", NULL, "raso"},
    {"POST", "/v1/cache/strict", "{\"seconds\":0}", "ra"},
    {"POST", "/v1/tokens", "{\"principal\":\"x\",\"roles\":\"auditor\"}", "ra"},
    {"GET", "/v1/tokens", NULL, "ra"},
    {"DELETE", "/v1/tokens/00000000000000000000000000000000", NULL, "ra"},
    {"POST", "/v1/certificates", "{\"kind\":\"client\",\"name\":\"x\"}", "ra"},
    {"GET", "/v1/certificates", NULL, "ra"},
    {"GET", "/v1/ledger/checkpoint", NULL, "rao"},
    {"GET", "/v1/ledger/vkey", NULL, "rao"},
    {"GET", "/v1/ledger/proof?index=0", NULL, "rao"},
    {"GET", "/v1/ledger/entry?index=0", NULL, "rao"},
    {"GET", "/v1/ledger/tile/0/000", NULL, "rao"},
    {"GET", "/openapi.json", NULL, "raso"},
    {"POST", "/v1/tenants/acme/close", "", "ra"}, /* last: there is no way back */
};

static const struct {
    char letter;
    const char *name;
} roles[] = {{'r', "root"}, {'a', "admin"}, {'s', "service"}, {'o', "auditor"}};

static kw_code outcome(const struct kw_asked *asked)
{
    if (asked->status < 400)
        return KW_OK;
    return kw_code_from_name(kw_text_at(asked, "error.code"));
}

static void try_route(size_t i, const char *role, bool allowed)
{
    struct kw_caller caller = kw_fixture_caller(role, "*");
    struct kw_asked *asked =
        kw_ask_bytes(a, &caller, matrix[i].method, matrix[i].path,
                     kw_bytes_str(matrix[i].body != NULL ? matrix[i].body : ""));
    kw_code code = outcome(asked);
    if ((code != KW_FORBIDDEN) != allowed)
        print_error("%s at %s %s: %s\n", role, matrix[i].method, matrix[i].path,
                    kw_code_name(code));
    assert_int_equal(code != KW_FORBIDDEN, allowed);
    assert_int_not_equal(kw_code_class(code), KW_CLASS_INTERNAL);
    kw_asked_free(asked);
}

/* Refusals first: a role that is refused changes nothing. Every refusal is recorded. */
static void test_roles(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(matrix); i++) {
        for (size_t r = 0; r < KW_COUNT(roles); r++) {
            bool allowed = strchr(matrix[i].roles, roles[r].letter) != NULL;
            uint64_t before = kw_ledger_stats(a->f->ledger).size;
            try_route(i, roles[r].name, allowed);
            if (!allowed && kw_ledger_stats(a->f->ledger).size != before + 1)
                print_error("%s at %s %s was not recorded\n", roles[r].name, matrix[i].method,
                            matrix[i].path);
            if (!allowed)
                assert_int_equal(kw_ledger_stats(a->f->ledger).size, before + 1);
        }
    }
}

static const struct kw_route *route_of(size_t i)
{
    const struct kw_route *route = NULL;
    struct kw_route_params params;
    char path[128];
    snprintf(path, sizeof path, "%.*s", (int)strcspn(matrix[i].path, "?"), matrix[i].path);
    assert_int_equal(kw_route_find(matrix[i].method, path, &route, &params, NULL), KW_OK);
    return route;
}

/* No route is left out of the matrix. */
static void test_matrix_is_whole(void **state)
{
    KW_UNUSED(state);
    for (const struct kw_route *route = kw_routes; route->method != NULL; route++) {
        bool found = false;
        for (size_t i = 0; i < KW_COUNT(matrix) && !found; i++)
            found = route_of(i) == route;
        if (!found)
            print_error("%s %s is not in the matrix\n", route->method, route->pattern);
        assert_true(found);
    }
}

/* Who may act for one tenant reaches no other by any route that names one. */
static void test_scope(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(matrix); i++) {
        struct kw_caller caller = kw_fixture_caller("root", "globex,acme2,acm");
        if (strstr(matrix[i].path, "/acme") == NULL)
            continue;
        struct kw_asked *asked =
            kw_ask_bytes(a, &caller, matrix[i].method, matrix[i].path,
                         kw_bytes_str(matrix[i].body != NULL ? matrix[i].body : ""));
        assert_int_equal(outcome(asked), KW_FORBIDDEN);
        kw_asked_free(asked);
    }
}

/* Entries are of all tenants; the rest of the log names none. */
static void test_scope_of_ledger(void **state)
{
    struct kw_caller auditor = kw_fixture_caller("auditor", "acme");
    KW_UNUSED(state);
    kw_expect(a, &auditor, "GET", "/v1/ledger/entry?index=0", NULL, 403, "forbidden");
    kw_expect(a, &auditor, "GET", "/v1/ledger/tile/entries/000", NULL, 403, "forbidden");
    kw_expect(a, &auditor, "GET", "/v1/ledger/checkpoint", NULL, 200, NULL);
    kw_expect(a, &auditor, "GET", "/v1/ledger/proof?index=0", NULL, 200, NULL);
}

static void test_unknown_addresses(void **state)
{
    static const char *const none[] = {"/",
                                       "/v1",
                                       "/v1/",
                                       "/v1/tenants/",
                                       "/v1/tenants/acme/",
                                       "/v1/tenants//keys",
                                       "/v1/tenants/acme/keys/eu/import/",
                                       "/v1/providers/software-eu",
                                       "/v1/cache",
                                       "/v1/tenants/acme/keys/eu/rotate/now",
                                       "/v1/ledger/tile/",
                                       "/v1/status/",
                                       "/v2/status",
                                       "/V1/status",
                                       "",
                                       "/v1/tokens/",
                                       "/openapi.json/"};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(none); i++) {
        kw_expect(a, &kw_fixture_root, "GET", none[i], NULL, 404, "not_found");
        kw_expect(a, &kw_fixture_root, "POST", none[i], "{}", 404, "not_found");
    }
}

static void test_long_segment(void **state)
{
    char path[300] = "/v1/tenants/";
    KW_UNUSED(state);
    memset(path + strlen(path), 'a', 200);
    kw_expect(a, &kw_fixture_root, "GET", path, NULL, 404, "not_found");
}

static void test_wrong_methods(void **state)
{
    KW_UNUSED(state);
    kw_expect(a, &kw_fixture_root, "GET", "/v1/data-keys/unwrap", NULL, 405, "method_not_allowed");
    kw_expect(a, &kw_fixture_root, "DELETE", "/v1/tenants", NULL, 405, "method_not_allowed");
    kw_expect(a, &kw_fixture_root, "PUT", "/v1/tenants/acme", "{}", 405, "method_not_allowed");
    kw_expect(a, &kw_fixture_root, "POST", "/openapi.json", "", 405, "method_not_allowed");
    kw_expect(a, &kw_fixture_root, "get", "/v1/status", NULL, 405, "method_not_allowed");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_roles),           T(test_matrix_is_whole),   T(test_scope),
        T(test_scope_of_ledger), T(test_unknown_addresses), T(test_long_segment),
        T(test_wrong_methods),
    };
    return cmocka_run_group_tests_name("api routes", tests, NULL, NULL);
}

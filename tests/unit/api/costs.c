/* /v1/costs and /v1/cache/strict. */
#include "api_scene.h"

static const struct kw_fixture_place places[] = {
    {.provider = "paid-eu", .region = "eu", .price_nano = 3000},
    {.provider = "free-us", .region = "us"},
};

static int setup(void **state)
{
    struct kw_fixture_options options = {.places = places, .place_count = KW_COUNT(places)};
    KW_UNUSED(state);
    a = kw_api_fixture_open(&options, 2, NULL);
    return 0;
}

static struct kw_asked *costs(const struct kw_caller *caller, const char *query)
{
    char path[256];
    snprintf(path, sizeof path, "/v1/costs%s", query);
    struct kw_asked *asked = kw_ask(a, caller, "GET", path, NULL);
    assert_int_equal(asked->status, 200);
    return asked;
}

static void use(const char *tenant, const char *region, unsigned times)
{
    struct kw_fixture_key key;
    while (times-- > 0)
        assert_int_equal(kw_fixture_generate(a->f, tenant, region, 1, &key), KW_OK);
}

/* ---- Costs ------------------------------------------------------------------------------------
 */

static void test_report(void **state)
{
    char today[32];
    char time[KW_TIME_TEXT_SIZE];
    KW_UNUSED(state);
    snprintf(today, sizeof today, "%.10s", kw_time_text(kw_clock_wall_ms(), time));
    kw_fixture_tenant(a->f, "acme", "eu");
    use("acme", "eu", 10);
    assert_int_equal(kw_authority_tick(a->f->authority, NULL), KW_OK); /* uses are told then */
    struct kw_asked *asked = costs(root, "");
    is(asked, "currency", "USD");
    is(asked, "to", today);
    assert_memory_equal(kw_text_at(asked, "from"), today, 8);
    assert_string_equal(kw_text_at(asked, "from") + 8, "01");
    is(asked, "lines.0.tenant", "acme");
    is(asked, "lines.0.region", "eu");
    is(asked, "lines.0.provider", "paid-eu");
    is(asked, "lines.0.wraps", "1");
    is(asked, "lines.0.failures", "0");
    is(asked, "calls", "2");
    is(asked, "spent", "0.000006");
    is(asked, "lines.0.spent", "0.000006");
    is(asked, "savings.0.tenant", "acme");
    is(asked, "savings.0.calls", "2");
    is(asked, "savings.0.spent", "0.000006");
    is(asked, "savings.0.uses", "10");
    assert_string_not_equal(kw_text_at(asked, "saved"), "0.00");
    assert_null(kw_at(asked, "next_cursor"));
    kw_asked_free(asked);
}

static void test_nothing_yet(void **state)
{
    KW_UNUSED(state);
    struct kw_asked *asked = costs(root, "?from=2020-02-29&to=2020-03-01");
    is(asked, "from", "2020-02-29");
    is(asked, "to", "2020-03-01");
    is(asked, "spent", "0.00");
    is(asked, "calls", "0");
    assert_int_equal(kw_at(asked, "lines")->count, 0);
    assert_int_equal(kw_at(asked, "savings")->count, 0);
    kw_asked_free(asked);
}

/* Whole tenants at a time; the sums are of all. */
static void test_pages(void **state)
{
    char query[128] = "?limit=2";
    unsigned seen = 0;
    KW_UNUSED(state);
    for (char id[] = "a"; id[0] < 'f'; id[0]++) {
        kw_fixture_tenant(a->f, id, "eu");
        use(id, "eu", 1);
    }
    for (unsigned page = 0; page < 3; page++) {
        struct kw_asked *asked = costs(root, query);
        size_t tenants = page < 2 ? 2 : 1;
        assert_int_equal(kw_at(asked, "lines")->count, tenants);
        assert_int_equal(kw_at(asked, "savings")->count, tenants);
        is(asked, "calls", "10");
        for (size_t i = 0; i < tenants; i++, seen++) {
            char path[32];
            char name[2] = {(char)('a' + seen), '\0'};
            snprintf(path, sizeof path, "lines.%zu.tenant", i);
            is(asked, path, name);
        }
        assert_int_equal(kw_at(asked, "next_cursor") != NULL, page < 2);
        if (page < 2)
            snprintf(query, sizeof query, "?limit=2&cursor=%s", kw_text_at(asked, "next_cursor"));
        kw_asked_free(asked);
    }
    assert_int_equal(seen, 5);
}

static void test_scope(void **state)
{
    struct kw_caller acme = kw_fixture_caller("auditor", "acme");
    struct kw_caller user = *root;
    user.rights = KW_RIGHT_USE_KEYS;
    KW_UNUSED(state);
    kw_fixture_tenant(a->f, "acme", "eu");
    kw_fixture_tenant(a->f, "b", "eu");
    struct kw_asked *asked = costs(&acme, "");
    assert_int_equal(kw_at(asked, "lines")->count, 1);
    is(asked, "lines.0.tenant", "acme");
    is(asked, "calls", "1");
    kw_asked_free(asked);
    asked = costs(root, "?tenant=b");
    assert_int_equal(kw_at(asked, "lines")->count, 1);
    is(asked, "lines.0.tenant", "b");
    kw_asked_free(asked);
    kw_expect(a, &acme, "GET", "/v1/costs?tenant=b", NULL, 403, "forbidden");
    kw_expect(a, &user, "GET", "/v1/costs", NULL, 403, "forbidden");
    assert_int_equal(kw_fixture_entries(a->f, "GetCosts", "forbidden"), 2);
}

static void test_queries_refused(void **state)
{
    static const char *const wrong[] = {"?from=yesterday",
                                        "?from=2026-13-01",
                                        "?from=2026-02-30",
                                        "?from=2026-1-1",
                                        "?from=1969-12-31",
                                        "?to=2026-11-21T00:00:00Z",
                                        "?limit=0",
                                        "?limit=1001",
                                        "?from=2026-02-02&to=2026-02-01",
                                        "?month=1",
                                        "?from=",
                                        "?from=2100-02-29",
                                        "?to=2026-11-21&to=2026-11-22"};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(wrong); i++) {
        char path[128];
        snprintf(path, sizeof path, "/v1/costs%s", wrong[i]);
        kw_expect(a, root, "GET", path, NULL, 400, "bad_request");
    }
    kw_expect(a, root, "GET", "/v1/costs?tenant=A", NULL, 400, "bad_name");
}

/* ---- Strict -----------------------------------------------------------------------------------
 */

static uint64_t unwraps(void)
{
    return atomic_load(&kw_fixture_script(a->f, "paid-eu")->unwraps);
}

static void strict(const char *body)
{
    struct kw_asked *asked = kw_ask(a, root, "POST", "/v1/cache/strict", "%s", body);
    assert_int_equal(asked->status, 200);
    kw_asked_free(asked);
}

static void test_strict(void **state)
{
    KW_UNUSED(state);
    kw_fixture_tenant(a->f, "acme", "eu");
    use("acme", "eu", 3);
    uint64_t before = unwraps();
    use("acme", "eu", 3);
    assert_int_equal(unwraps(), before);
    struct kw_asked *asked =
        kw_ask(a, root, "POST", "/v1/cache/strict", "{\"seconds\":60,\"justification\":\"odd\"}");
    assert_int_equal(asked->status, 200);
    assert_int_equal(kw_at(asked, "strict")->type, KW_JSON_TRUE);
    assert_int_equal(strlen(kw_text_at(asked, "until")), 24);
    kw_asked_free(asked);
    use("acme", "eu", 3);
    assert_int_equal(unwraps(), before + 3);
    asked = kw_ask(a, root, "GET", "/v1/status", NULL);
    assert_int_equal(strlen(kw_text_at(asked, "keyring.strict_until")), 24);
    kw_asked_free(asked);
    strict("{\"seconds\":0}");
    use("acme", "eu", 1);
    before = unwraps();
    use("acme", "eu", 3);
    assert_int_equal(unwraps(), before);
}

/* One tenant's strictness costs no other a call. */
static void test_strict_for_one(void **state)
{
    KW_UNUSED(state);
    kw_fixture_tenant(a->f, "acme", "eu");
    kw_fixture_tenant(a->f, "b", "eu");
    use("acme", "eu", 1);
    use("b", "eu", 1);
    strict("{\"seconds\":60,\"tenant\":\"acme\"}");
    uint64_t before = unwraps();
    use("b", "eu", 3);
    assert_int_equal(unwraps(), before);
    use("acme", "eu", 3);
    assert_int_equal(unwraps(), before + 3);
    struct kw_asked *asked = kw_ask(a, root, "GET", "/v1/status", NULL);
    assert_null(kw_at(asked, "keyring.strict_until"));
    kw_asked_free(asked);
}

static void test_strict_refused(void **state)
{
    struct kw_caller auditor = kw_fixture_caller("auditor", "*");
    struct kw_caller acme = kw_fixture_caller("admin", "acme");
    KW_UNUSED(state);
    kw_expect(a, root, "POST", "/v1/cache/strict", "{}", 400, "bad_json");
    kw_expect(a, root, "POST", "/v1/cache/strict", "{\"seconds\":86401}", 400, "bad_json");
    kw_expect(a, root, "POST", "/v1/cache/strict", "{\"seconds\":-1}", 400, "bad_json");
    kw_expect(a, root, "POST", "/v1/cache/strict", "{\"seconds\":1,\"for\":1}", 400, "bad_json");
    kw_expect(a, root, "POST", "/v1/cache/strict", "{\"seconds\":1,\"tenant\":\"A\"}", 400,
              "bad_name");
    kw_expect(a, root, "POST", "/v1/cache/strict", "{\"seconds\":1,\"tenant\":\"no\"}", 404,
              "tenant_not_found");
    kw_expect(a, &auditor, "POST", "/v1/cache/strict", "{\"seconds\":1}", 403, "forbidden");
    kw_expect(a, &acme, "POST", "/v1/cache/strict", "{\"seconds\":1}", 403, "forbidden");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_report),         T(test_nothing_yet),     T(test_pages),
        T(test_scope),          T(test_queries_refused), T(test_strict),
        T(test_strict_for_one), T(test_strict_refused),
    };
    return cmocka_run_group_tests_name("api costs", tests, NULL, NULL);
}

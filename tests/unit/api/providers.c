/* /v1/providers over an authority with several providers, one of them a customer's. */
#include "api_scene.h"

static const struct kw_fixture_place places[] = {
    {.provider = "first-eu", .region = "eu", .key = "root-1", .price_nano = 3000},
    {.provider = "hsm-eu", .region = "eu", .key = "root-2", .hsm = true},
    {.provider = "software-us", .region = "us"},
    {.provider = "acme-kms", .region = "eu", .tenants = "acme,globex"},
};

static int setup(void **state)
{
    struct kw_fixture_options options = {
        .places = places, .place_count = KW_COUNT(places), .open_ms = 60000};
    KW_UNUSED(state);
    a = kw_api_fixture_open(&options, 2, NULL);
    return 0;
}

static void is_bool(const struct kw_asked *asked, const char *path, bool value)
{
    assert_non_null(kw_at(asked, path));
    assert_int_equal(kw_at(asked, path)->type, value ? KW_JSON_TRUE : KW_JSON_FALSE);
}

static struct kw_asked *list(const struct kw_caller *caller, const char *path)
{
    struct kw_asked *asked = kw_ask(a, caller, "GET", path, NULL);
    assert_int_equal(asked->status, 200);
    return asked;
}

/* ---- The list ---------------------------------------------------------------------------------
 */

static void test_list(void **state)
{
    KW_UNUSED(state);
    kw_fixture_tenant(a->f, "acme", "eu");
    assert_int_equal(kw_authority_tick(a->f->authority, NULL), KW_OK); /* the month is told then */
    struct kw_asked *asked = list(root, "/v1/providers");
    is(asked, "currency", "USD");
    is(asked, "lacking", "0");
    assert_int_equal(kw_at(asked, "regions")->count, 2);
    is(asked, "regions.0.region", "eu");
    assert_int_equal(kw_at(asked, "regions.0.providers")->count, 3);
    is(asked, "regions.0.providers.0.name", "first-eu");
    is(asked, "regions.0.providers.0.kind", "scripted");
    is(asked, "regions.0.providers.0.key", "root-1");
    is(asked, "regions.0.providers.0.breaker", "closed");
    is(asked, "regions.0.providers.0.wraps", "1");
    is(asked, "regions.0.providers.0.unwraps", "0");
    is(asked, "regions.0.providers.0.failures", "0");
    is(asked, "regions.0.providers.0.price", "0.000003");
    is(asked, "regions.0.providers.0.month_calls", "1");
    is(asked, "regions.0.providers.0.month_spent", "0.000003");
    assert_null(kw_at(asked, "regions.0.providers.0.copies"));
    assert_null(kw_at(asked, "regions.0.providers.0.for"));
    is_bool(asked, "regions.0.providers.0.hsm", false);
    is_bool(asked, "regions.0.providers.1.hsm", true);
    is(asked, "regions.0.providers.2.name", "acme-kms");
    is(asked, "regions.0.providers.2.for", "acme,globex");
    is(asked, "regions.1.providers.0.key", "us");
    kw_asked_free(asked);
}

static void test_copies(void **state)
{
    KW_UNUSED(state);
    kw_fixture_tenant(a->f, "acme", "eu");
    kw_fixture_tenant(a->f, "b", "eu");
    struct kw_asked *asked = list(root, "/v1/providers?copies=true");
    is(asked, "regions.0.providers.0.copies", "2");
    is(asked, "regions.0.providers.1.copies", "2");
    is(asked, "regions.1.providers.0.copies", "0");
    kw_asked_free(asked);
    asked = list(root, "/v1/providers?copies=false");
    assert_null(kw_at(asked, "regions.0.providers.0.copies"));
    kw_asked_free(asked);
    kw_expect(a, root, "GET", "/v1/providers?copies=1", NULL, 400, "bad_request");
    kw_expect(a, root, "GET", "/v1/providers?copy=true", NULL, 400, "bad_request");
}

/* Who acts for some tenants sees their providers, and nothing of what others spend. */
static void test_scope(void **state)
{
    struct kw_caller acme = kw_fixture_caller("auditor", "acme");
    struct kw_caller other = kw_fixture_caller("admin", "other");
    KW_UNUSED(state);
    struct kw_asked *asked = list(&acme, "/v1/providers?copies=true");
    is(asked, "regions.0.providers.2.for", "acme");
    assert_null(kw_at(asked, "regions.0.providers.0.month_spent"));
    assert_null(kw_at(asked, "regions.0.providers.0.copies"));
    kw_asked_free(asked);
    asked = list(&other, "/v1/providers");
    assert_int_equal(kw_at(asked, "regions.0.providers")->count, 2);
    kw_asked_free(asked);
}

static void test_breaker_is_shown(void **state)
{
    KW_UNUSED(state);
    atomic_store(&kw_fixture_script(a->f, "first-eu")->fail_with, KW_PROVIDER_UNAVAILABLE);
    for (char id[] = "t1"; id[1] < '6'; id[1]++)
        kw_fixture_tenant(a->f, id, "eu");
    struct kw_asked *asked = list(root, "/v1/providers");
    is(asked, "regions.0.providers.0.breaker", "open");
    assert_string_not_equal(kw_text_at(asked, "regions.0.providers.0.failures"), "0");
    is(asked, "regions.0.providers.1.breaker", "closed");
    kw_asked_free(asked);
}

static void test_status_names_routes_alone(void **state)
{
    KW_UNUSED(state);
    struct kw_asked *asked = list(root, "/v1/status");
    is(asked, "regions.0.name", "eu");
    assert_int_equal(kw_at(asked, "regions.0.providers")->count, 2);
    is(asked, "regions.0.providers.1", "hsm-eu");
    is(asked, "copies.lacking", "0");
    is(asked, "cost.currency", "USD");
    kw_asked_free(asked);
}

/* ---- The check --------------------------------------------------------------------------------
 */

static const struct kw_json *step_of(const struct kw_asked *asked, const char *name)
{
    const struct kw_json *steps = kw_at(asked, "steps");
    assert_non_null(steps);
    for (const struct kw_json *step = steps->first; step != NULL; step = step->next)
        if (strcmp(kw_json_get(step, "name")->text, name) == 0)
            return step;
    return NULL;
}

static void test_check_passes(void **state)
{
    KW_UNUSED(state);
    struct kw_asked *asked = kw_ask(a, root, "POST", "/v1/providers/hsm-eu/check",
                                    "{\"region\":\"eu\",\"justification\":\"new key\"}");
    assert_int_equal(asked->status, 200);
    is(asked, "provider", "hsm-eu");
    is(asked, "region", "eu");
    is(asked, "key", "root-2");
    is_bool(asked, "passed", true);
    assert_true(strtoul(kw_text_at(asked, "wrapped_bytes"), NULL, 10) >= 32);
    assert_string_equal(kw_json_get(step_of(asked, "wrap"), "verdict")->text, "passed");
    assert_string_equal(kw_json_get(step_of(asked, "wrap"), "code")->text, "ok");
    assert_string_equal(kw_json_get(step_of(asked, "disabled"), "verdict")->text, "left_out");
    kw_asked_free(asked);
    assert_int_equal(kw_fixture_entries(a->f, "CheckProvider", ""), 1);
}

/* Without a region: the first that has it. */
static void test_check_finds_the_region(void **state)
{
    KW_UNUSED(state);
    struct kw_asked *asked = kw_ask(a, root, "POST", "/v1/providers/software-us/check", NULL);
    assert_int_equal(asked->status, 200);
    is(asked, "region", "us");
    is(asked, "key", "us");
    kw_asked_free(asked);
}

/* A provider that fails is a finding, not an error. */
static void test_check_fails(void **state)
{
    KW_UNUSED(state);
    atomic_store(&kw_fixture_script(a->f, "first-eu")->fail_with, KW_FORBIDDEN);
    struct kw_asked *asked = kw_ask(a, root, "POST", "/v1/providers/first-eu/check", "{}");
    assert_int_equal(asked->status, 200);
    is_bool(asked, "passed", false);
    assert_string_equal(kw_json_get(step_of(asked, "wrap"), "verdict")->text, "failed");
    assert_string_equal(kw_json_get(step_of(asked, "wrap"), "code")->text, "forbidden");
    assert_true(kw_json_get(step_of(asked, "wrap"), "found")->len > 0);
    kw_asked_free(asked);
}

static void check_refused(const char *name, const char *body, int status, const char *code)
{
    char path[128];
    snprintf(path, sizeof path, "/v1/providers/%s/check", name);
    kw_expect(a, root, "POST", path, body, status, code);
}

static void test_check_refused(void **state)
{
    struct kw_caller auditor = kw_fixture_caller("auditor", "*");
    KW_UNUSED(state);
    check_refused("nobody", "{}", 404, "not_found");
    check_refused("first-eu", "{\"regoin\":\"eu\"}", 400, "bad_json");
    check_refused("first-eu", "{\"region\":1}", 400, "bad_json");
    check_refused("first-eu", "{\"create\":\"yes\"}", 400, "bad_json");
    kw_expect(a, root, "GET", "/v1/providers/first-eu/check", NULL, 405, "method_not_allowed");
    kw_expect(a, &auditor, "POST", "/v1/providers/first-eu/check", "{}", 403, "forbidden");
    kw_expect(a, &auditor, "POST", "/v1/providers/nobody/check", "{}", 403, "forbidden");
    assert_int_equal(kw_fixture_entries(a->f, "CheckProvider", "forbidden"), 2);
    assert_int_equal(atomic_load(&kw_fixture_script(a->f, "first-eu")->wraps), 0);
}

static void test_list_needs_the_right(void **state)
{
    struct kw_caller user = *root;
    user.rights = KW_RIGHT_USE_KEYS;
    KW_UNUSED(state);
    kw_expect(a, &user, "GET", "/v1/providers", NULL, 403, "forbidden");
    assert_int_equal(kw_fixture_entries(a->f, "ListProviders", "forbidden"), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_list),
        T(test_copies),
        T(test_scope),
        T(test_breaker_is_shown),
        T(test_status_names_routes_alone),
        T(test_check_passes),
        T(test_check_finds_the_region),
        T(test_check_fails),
        T(test_check_refused),
        T(test_list_needs_the_right),
    };
    return cmocka_run_group_tests_name("api providers", tests, NULL, NULL);
}

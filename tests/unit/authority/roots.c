/* The providers of root keys: what is shown of them, to whom, and the check by hand. */
#include "authority_scene.h"

#include "authority/roots.h"
#include "ledger/reader.h"

static struct kw_error err;

static const struct kw_fixture_place places[] = {
    {.provider = "a", .region = "eu", .price_nano = 3000, .hsm = true},
    {.provider = "b", .region = "eu", .price_nano = 5000},
    {.provider = "c", .region = "us"},
    {.provider = "guest", .region = "eu", .tenants = "acme, globex"},
};

static int setup(void **state)
{
    const struct kw_fixture_options options = {
        .places = places, .place_count = KW_COUNT(places), .copies_min = 1};
    KW_UNUSED(state);
    f = kw_fixture_open(&options);
    kw_fixture_tenant(f, "acme", "eu");
    kw_fixture_tenant(f, "other", "us");
    return 0;
}

static struct kw_root_report list(const struct kw_caller *caller, bool with_copies)
{
    struct kw_root_report report = {0};
    assert_int_equal(kw_authority_roots(f->authority, caller, with_copies, &report, &err), KW_OK);
    return report;
}

static void providers_are_listed(void **state)
{
    static const char *const order[] = {"a", "b", "guest", "c"};
    static const uint64_t copies[] = {1, 1, 0, 1};
    KW_UNUSED(state);
    assert_int_equal(kw_authority_tick(f->authority, &err), KW_OK);
    KW_AUTO(kw_root_report) report = list(root, true);
    assert_int_equal(report.count, KW_COUNT(order));
    for (size_t i = 0; i < report.count; i++) {
        const struct kw_script *script = kw_fixture_script(f, order[i]);
        uint64_t calls = atomic_load(&script->wraps) + atomic_load(&script->unwraps);
        assert_string_equal(report.roots[i].route.provider, order[i]);
        assert_int_equal(report.roots[i].copies, copies[i]);
        assert_int_equal(report.roots[i].month_calls, calls);
        assert_int_equal(report.roots[i].month_nano, calls * report.roots[i].route.price_nano);
    }
    assert_true(report.roots[0].route.hsm);
    assert_true(report.roots[0].month_nano > 0);
    KW_AUTO(kw_root_report) quick = list(root, false);
    assert_int_equal(quick.roots[0].copies, 0);
}

static void who_acts_for_some_sees_theirs(void **state)
{
    KW_UNUSED(state);
    struct kw_caller theirs = kw_fixture_caller("auditor", "globex");
    struct kw_caller others = kw_fixture_caller("auditor", "other");
    struct kw_caller none = kw_fixture_caller("auditor", "*");
    none.rights = KW_RIGHT_USE_KEYS;
    assert_int_equal(kw_authority_tick(f->authority, &err), KW_OK);
    KW_AUTO(kw_root_report) own = list(&theirs, true);
    KW_AUTO(kw_root_report) less = list(&others, true);
    assert_int_equal(own.count, 4);
    assert_int_equal(less.count, 3); /* not the customer's */
    for (size_t i = 0; i < own.count; i++)
        assert_int_equal(own.roots[i].copies + own.roots[i].month_nano + own.roots[i].month_calls,
                         0);
    struct kw_root_report refused = {0};
    assert_int_equal(kw_authority_roots(f->authority, &none, false, &refused, &err), KW_FORBIDDEN);
    assert_null(refused.roots);
}

static kw_code check(const struct kw_caller *caller, const struct kw_root_check *what,
                     struct kw_probe_report *out)
{
    return kw_authority_root_check(f->authority, caller, what, out, &err);
}

static void a_check_is_made_and_recorded(void **state)
{
    static struct kw_probe_report report;
    KW_UNUSED(state);
    const struct kw_root_check what = {.region = "eu", .provider = "a"};
    uint64_t before = atomic_load(&kw_fixture_script(f, "a")->wraps);
    assert_int_equal(check(root, &what, &report), KW_OK);
    assert_true(report.passed);
    assert_true(report.count > 3);
    assert_true(report.wrapped_bytes > 32);
    assert_true(atomic_load(&kw_fixture_script(f, "a")->wraps) > before);
    assert_int_equal(kw_fixture_entries(f, "CheckProvider", ""), 1);
    atomic_store(&kw_fixture_script(f, "a")->fail_with, KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(check(root, &what, &report), KW_OK); /* that is what was found */
    assert_false(report.passed);
    assert_int_equal(kw_fixture_entries(f, "CheckProvider", ""), 2);
    KW_AUTO(kw_buf) entry = KW_BUF_INIT;
    uint64_t last = kw_ledger_stats(f->ledger).size - 1;
    assert_int_equal(kw_ledger_entry(f->ledger, last, &entry, &err), KW_OK);
    assert_non_null(strstr(kw_buf_str(&entry), "\"passed\":false"));
    assert_non_null(strstr(kw_buf_str(&entry), "\"code\":\"provider_unavailable\""));
}

static void the_wall_holds_for_checks(void **state)
{
    static struct kw_probe_report report;
    KW_UNUSED(state);
    uint64_t before = atomic_load(&kw_fixture_script(f, "c")->wraps);
    report.count = 77;
    const struct kw_root_check abroad = {.region = "eu", .provider = "c"};
    const struct kw_root_check nobody = {.region = "eu", .provider = "nobody"};
    const struct kw_root_check nowhere = {.region = "ap", .provider = "a"};
    const struct kw_root_check keyless = {.region = "eu", .provider = "guest"};
    assert_int_equal(check(root, &abroad, &report), KW_REGION_WALL);
    assert_non_null(strstr(err.text, "region.eu.providers"));
    assert_int_equal(check(root, &nobody, &report), KW_NOT_FOUND);
    assert_int_equal(check(root, &nowhere, &report), KW_UNKNOWN_REGION);
    assert_int_equal(check(root, &keyless, &report), KW_USAGE);
    assert_int_equal(report.count, 77); /* untouched */
    assert_int_equal(atomic_load(&kw_fixture_script(f, "c")->wraps), before);
    assert_int_equal(kw_fixture_entries(f, "CheckProvider", "region_wall"), 1);
    const struct kw_root_check named = {.region = "eu", .provider = "guest", .key = "theirs"};
    assert_int_equal(check(root, &named, &report), KW_OK);
}

static void who_may_check(void **state)
{
    static struct kw_probe_report report;
    KW_UNUSED(state);
    struct kw_caller reader = kw_fixture_caller("auditor", "*");
    struct kw_caller one = kw_fixture_caller("admin", "acme");
    struct kw_caller all_served = kw_fixture_caller("admin", "globex,acme,more");
    const struct kw_root_check ours = {.region = "eu", .provider = "a"};
    const struct kw_root_check guest = {.region = "eu", .provider = "guest", .key = "theirs"};
    assert_int_equal(check(&reader, &ours, &report), KW_FORBIDDEN);
    assert_int_equal(check(&one, &ours, &report), KW_FORBIDDEN);
    assert_int_equal(check(&one, &guest, &report), KW_FORBIDDEN);
    assert_int_equal(check(&all_served, &ours, &report), KW_FORBIDDEN);
    assert_int_equal(check(&all_served, &guest, &report), KW_OK);
    assert_int_equal(kw_fixture_entries(f, "CheckProvider", "forbidden"), 4);
}

/* What is said of a customer's provider to who acts for others is what is said of none. */
static void others_providers_are_not_found(void **state)
{
    static struct kw_probe_report report;
    KW_UNUSED(state);
    struct kw_caller stranger = kw_fixture_caller("admin", "other");
    const char *const regions[] = {"eu", "us", NULL};
    for (size_t i = 0; i < KW_COUNT(regions); i++) {
        const struct kw_root_check theirs = {
            .region = regions[i], .provider = "guest", .key = "theirs"};
        const struct kw_root_check nobodys = {
            .region = regions[i], .provider = "gusto", .key = "theirs"};
        struct kw_error of_nobodys;
        assert_int_equal(check(&stranger, &nobodys, &report), KW_NOT_FOUND);
        of_nobodys = err;
        assert_int_equal(check(&stranger, &theirs, &report), KW_NOT_FOUND);
        char *name = strstr(of_nobodys.text, "gusto");
        assert_non_null(name);
        memcpy(name, "guest", strlen("guest"));
        assert_string_equal(err.text, of_nobodys.text);
    }
    assert_int_equal(atomic_load(&kw_fixture_script(f, "guest")->wraps), 0);
}

static void the_first_region_is_taken(void **state)
{
    static struct kw_probe_report report;
    KW_UNUSED(state);
    const struct kw_root_check anywhere = {.provider = "c"};
    assert_int_equal(check(root, &anywhere, &report), KW_OK);
    assert_int_equal(kw_fixture_entries(f, "CheckProvider", ""), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(providers_are_listed),
        TEST(who_acts_for_some_sees_theirs),
        TEST(a_check_is_made_and_recorded),
        TEST(the_wall_holds_for_checks),
        TEST(who_may_check),
        TEST(others_providers_are_not_found),
        TEST(the_first_region_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

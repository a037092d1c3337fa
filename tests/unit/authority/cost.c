/* Costs: what is reported is what providers were asked, to the call, whatever fails on the way. */
#include "authority_scene.h"

#include "authority/cost.h"
#include "authority/custody.h"

#include <pthread.h>

enum { PRICE_A = 3000, PRICE_B = 5000, PRICE_GUEST = 7000, TENANTS = 3 };

static const int64_t day_ms = 24LL * 3600 * 1000;
static struct kw_error err;

static const struct kw_fixture_place places[] = {
    {.provider = "a", .region = "eu", .price_nano = PRICE_A},
    {.provider = "b", .region = "eu", .price_nano = PRICE_B},
    {.provider = "b", .region = "us", .price_nano = PRICE_B},
    {.provider = "guest", .region = "eu", .tenants = "t0", .price_nano = PRICE_GUEST},
};

static int setup(void **state)
{
    const struct kw_fixture_options options = {.faulty_store = true,
                                               .places = places,
                                               .place_count = KW_COUNT(places),
                                               .copies_min = 1,
                                               .open_ms = 1};
    KW_UNUSED(state);
    f = kw_fixture_open(&options);
    return 0;
}

static int64_t today(void)
{
    return kw_clock_wall_ms() / day_ms;
}

static struct kw_cost_report report_of(const struct kw_caller *caller, const char *tenant)
{
    struct kw_cost_report report = {0};
    const struct kw_cost_query query = {.from_day = 0, .to_day = today() + 1, .tenant = tenant};
    assert_int_equal(kw_authority_costs(f->authority, caller, &query, &report, &err), KW_OK);
    return report;
}

static void tick(void)
{
    if (kw_authority_tick(f->authority, &err) != KW_OK)
        fail_msg("%s", err.text);
}

/* ---- To the call ------------------------------------------------------------------------------
 */

struct totals {
    uint64_t wraps, unwraps, nano;
};

static struct totals total_of(const struct kw_cost_report *report, const char *provider)
{
    struct totals totals = {0, 0, 0};
    for (size_t i = 0; i < report->line_count; i++) {
        if (strcmp(report->lines[i].provider, provider) != 0)
            continue;
        totals.wraps += report->lines[i].wraps;
        totals.unwraps += report->lines[i].unwraps;
        totals.nano += report->lines[i].nano;
    }
    return totals;
}

static uint64_t reconcile(const struct kw_cost_report *report, const char *provider, uint64_t price)
{
    const struct kw_script *script = kw_fixture_script(f, provider);
    struct totals totals = total_of(report, provider);
    uint64_t wraps = atomic_load(&script->wraps);
    uint64_t unwraps = atomic_load(&script->unwraps);
    assert_int_equal(totals.wraps, wraps);
    assert_int_equal(totals.unwraps, unwraps);
    uint64_t checks = atomic_load(&script->checks); /* of the router's: they cost, too */
    assert_int_equal(totals.nano, (wraps + unwraps + checks) * price);
    return wraps + unwraps;
}

static void reconcile_all(uint64_t uses)
{
    KW_AUTO(kw_cost_report) report = report_of(root, NULL);
    uint64_t calls = reconcile(&report, "a", PRICE_A) + reconcile(&report, "b", PRICE_B) +
                     reconcile(&report, "guest", PRICE_GUEST);
    uint64_t spent = 0;
    uint64_t saved = 0;
    for (size_t i = 0; i < report.line_count; i++)
        spent += report.lines[i].nano;
    for (size_t i = 0; i < report.saving_count; i++)
        saved += report.savings[i].saved_nano;
    assert_int_equal(report.calls, calls);
    assert_int_equal(report.spent_nano, spent);
    assert_int_equal(report.saved_nano, saved);
    assert_int_equal(report.uses, uses);
}

/* A small generator with a fixed seed: the same walk each time. */
static uint64_t chance_state;

static uint64_t chance(uint64_t n)
{
    chance_state = chance_state * 6364136223846793005 + 1442695040888963407;
    return (chance_state >> 33) % n;
}

static void random_tenant(char out[16])
{
    snprintf(out, 16, "t%llu", (unsigned long long)chance(TENANTS));
}

/* One operation; returns how many times a tenant key was used. */
static uint64_t use_a_key(struct kw_fixture_key *key, bool *have)
{
    char tenant[16];
    uint8_t plain[KW_DK_SIZE];
    random_tenant(tenant);
    if (*have && chance(2) == 0)
        return kw_fixture_unwrap(f, key, 1, plain) == KW_OK;
    struct kw_fixture_key made;
    if (kw_fixture_generate(f, tenant, chance(3) == 0 ? "us" : "eu", 1, &made) != KW_OK)
        return 0;
    *key = made;
    *have = true;
    return 1;
}

static void change_a_key(void)
{
    char tenant[16];
    uint32_t version;
    random_tenant(tenant);
    if (chance(2) == 0)
        (void)!kw_authority_key_rotate(f->authority, root, tenant, "eu", &version, &err);
    else
        (void)!kw_authority_flush(f->authority, root, &err);
}

static void fail_a_provider(void)
{
    static const char *const names[] = {"a", "b"};
    atomic_store(&kw_fixture_script(f, names[chance(2)])->fail_first, chance(4));
}

/* A round in which the store fails at some call, for good until its end. */
static void tick_over_a_failing_store(void)
{
    kw_faulty_fail(&f->faulty, 1 + chance(8), KW_STORE_UNAVAILABLE, true);
    (void)!kw_authority_tick(f->authority, &err);
    kw_faulty_fail(&f->faulty, 0, KW_OK, false);
}

static void make_tenants(void)
{
    for (unsigned i = 0; i < TENANTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "t%u", i);
        kw_fixture_tenant(f, id, "eu");
        assert_int_equal(kw_authority_tenant_add_region(f->authority, root, id, "us", &err), KW_OK);
    }
}

static void restart(void)
{
    atomic_store(&kw_fixture_script(f, "a")->fail_first, 0);
    atomic_store(&kw_fixture_script(f, "b")->fail_first, 0);
    kw_fixture_restart(f);
}

static void lines_are_the_calls(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key key;
    bool have = false;
    uint64_t uses = 0;
    make_tenants();
    const struct kw_attachment attachment = {
        .tenant = "t0", .region = "eu", .provider = "guest", .key = "theirs"};
    uint32_t version;
    assert_int_equal(kw_authority_key_attach(f->authority, root, &attachment, &version, &err),
                     KW_OK);
    chance_state = 20261122;
    for (unsigned i = 0; i < 600; i++) {
        switch (chance(24)) {
        case 0:
            fail_a_provider();
            break;
        case 1:
            tick_over_a_failing_store();
            break;
        case 2:
            tick();
            break;
        case 3:
            change_a_key();
            break;
        default:
            uses += use_a_key(&key, &have);
        }
        if (i % 200 == 199)
            restart();
        if (i % 50 == 49) {
            tick();
            reconcile_all(uses);
        }
    }
}

/* A call that fails is a call: it is counted, priced, and counted as a failure. */
static void failures_are_calls(void **state)
{
    KW_UNUSED(state);
    atomic_store(&kw_fixture_script(f, "a")->fail_first, 1);
    kw_fixture_tenant(f, "t1", "eu");
    KW_AUTO(kw_cost_report) report = report_of(root, NULL);
    uint64_t failures = 0;
    for (size_t i = 0; i < report.line_count; i++)
        failures += report.lines[i].failures;
    assert_int_equal(failures, 1);
    reconcile(&report, "a", PRICE_A);
    reconcile(&report, "b", PRICE_B);
}

static void counts_outlive_the_process(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key key;
    make_tenants();
    assert_int_equal(kw_fixture_generate(f, "t1", "eu", 1, &key), KW_OK);
    kw_fixture_restart(f); /* no tick before: the end writes what there is, uses too */
    reconcile_all(1);
    struct kw_cost_sums sums = kw_authority_cost_sums(f->authority);
    KW_AUTO(kw_cost_report) report = report_of(root, NULL);
    assert_int_equal(sums.calls, report.calls);
    assert_int_equal(sums.spent_nano, report.spent_nano);
    assert_int_equal(sums.saved_nano, report.saved_nano);
    assert_int_equal(sums.uses, 1);
}

/* ---- Made-up calls ----------------------------------------------------------------------------
 */

static void call(const char *tenant, const char *provider, uint64_t nano)
{
    const struct kw_router_use use = {.region = "eu",
                                      .tenant = tenant,
                                      .provider = provider,
                                      .key = "eu",
                                      .act = KW_ROUTER_UNWRAP,
                                      .nano = nano};
    kw_meter_used(f->meter, &use);
}

/* What is stored of uses, as the keyring reports them. */
static void use(const char *tenant, const char *region, uint64_t uses)
{
    struct kw_cost_row row = {.day = today(), .unwraps = uses};
    snprintf(row.tenant, sizeof row.tenant, "%s", tenant);
    snprintf(row.region, sizeof row.region, "%s", region);
    assert_int_equal(kw_store_begin(f->store, &err), KW_OK);
    assert_int_equal(kw_store_cost_add(f->store, &row, &err), KW_OK);
    assert_int_equal(kw_store_commit(f->store, &err), KW_OK);
}

static const struct kw_cost_saving *saving_of(const struct kw_cost_report *report,
                                              const char *tenant, const char *region)
{
    for (size_t i = 0; i < report->saving_count; i++)
        if (strcmp(report->savings[i].tenant, tenant) == 0 &&
            strcmp(report->savings[i].region, region) == 0)
            return &report->savings[i];
    fail_msg("no saving of %s in %s", tenant, region);
    return NULL;
}

static void savings_are_what_calls_would_have_cost(void **state)
{
    KW_UNUSED(state);
    use("cached", "eu", 100);
    call("cached", "a", 3000);
    call("cached", "b", 5000); /* 98 calls saved, at 4000 each */
    use("held", "eu", 2);
    call("held", "guest", 7000);
    call("held", "guest", 7000); /* each use is a call */
    use("more", "eu", 1);
    call("more", "a", 3000);
    call("more", "a", 3000); /* more calls than uses: nothing saved, nothing lost */
    use("warm", "us", 10);   /* no call in this time: at the price of the first route */
    call("", "a", 11);       /* for nobody */
    KW_AUTO(kw_cost_report) report = report_of(root, NULL);
    assert_int_equal(saving_of(&report, "cached", "eu")->saved_nano, 98 * 4000);
    assert_int_equal(saving_of(&report, "cached", "eu")->spent_nano, 8000);
    assert_int_equal(saving_of(&report, "held", "eu")->saved_nano, 0);
    assert_int_equal(saving_of(&report, "more", "eu")->saved_nano, 0);
    assert_int_equal(saving_of(&report, "warm", "us")->saved_nano, 10 * PRICE_B);
    assert_int_equal(saving_of(&report, "", "eu")->calls, 1);
    assert_int_equal(report.saved_nano, 98 * 4000 + 10 * PRICE_B);
    assert_int_equal(report.spent_nano, 8000 + 14000 + 6000 + 11);
    kw_fixture_restart(f); /* the month's sums, from the store */
    struct kw_cost_sums sums = kw_authority_cost_sums(f->authority);
    assert_int_equal(sums.saved_nano, report.saved_nano);
    assert_int_equal(sums.spent_nano, report.spent_nano);
    assert_int_equal(sums.calls, report.calls);
    assert_int_equal(sums.uses, report.uses);
    call("more", "a", 3000); /* and as they go on */
    use("cached", "eu", 0);
    tick();
    assert_int_equal(kw_authority_cost_sums(f->authority).spent_nano, report.spent_nano + 3000);
}

static void amounts_end_at_the_largest(void **state)
{
    KW_UNUSED(state);
    call("acme", "a", UINT64_MAX);
    call("acme", "a", UINT64_MAX);
    tick();
    call("acme", "a", UINT64_MAX);
    KW_AUTO(kw_cost_report) report = report_of(root, NULL);
    assert_true(report.spent_nano == UINT64_MAX);
    assert_true(report.lines[0].nano == UINT64_MAX);
    assert_int_equal(report.lines[0].unwraps, 3);
    tick();
    assert_true(kw_authority_cost_sums(f->authority).spent_nano == UINT64_MAX);
}

static void days_and_callers_limit_a_report(void **state)
{
    KW_UNUSED(state);
    struct kw_caller some = kw_fixture_caller("auditor", "b,c,b,nobody,c"); /* once each */
    struct kw_caller none = kw_fixture_caller("auditor", "*");
    none.rights = KW_RIGHT_USE_KEYS;
    call("a", "a", 1);
    call("b", "a", 2);
    call("", "a", 4);
    tick();
    kw_clock_test_offset(day_ms);
    call("b", "a", 8);
    call("c", "b", 16);
    struct kw_cost_report report = {0};
    struct kw_cost_query query = {.from_day = today(), .to_day = today()};
    assert_int_equal(kw_authority_costs(f->authority, root, &query, &report, &err), KW_OK);
    assert_int_equal(report.spent_nano, 24);
    kw_cost_report_wipe(&report);
    query.from_day = query.to_day = today() - 1;
    assert_int_equal(kw_authority_costs(f->authority, root, &query, &report, &err), KW_OK);
    assert_int_equal(report.spent_nano, 7);
    kw_cost_report_wipe(&report);
    report = report_of(&some, NULL);
    assert_int_equal(report.spent_nano, 26);
    kw_cost_report_wipe(&report);
    report = report_of(&some, "c");
    assert_int_equal(report.spent_nano, 16);
    assert_int_equal(report.line_count, 1);
    kw_cost_report_wipe(&report);
    query.tenant = "a";
    assert_int_equal(kw_authority_costs(f->authority, &some, &query, &report, &err), KW_FORBIDDEN);
    query.tenant = NULL;
    assert_int_equal(kw_authority_costs(f->authority, &none, &query, &report, &err), KW_FORBIDDEN);
    query.to_day--;
    assert_int_equal(kw_authority_costs(f->authority, root, &query, &report, &err), KW_USAGE);
    assert_null(report.lines);
}

static void a_failing_store_costs_nothing(void **state)
{
    KW_UNUSED(state);
    call("a", "a", 5);
    tick();
    for (uint64_t n = 1; n <= 12; n++) {
        call("a", "a", 5);
        kw_faulty_fail(&f->faulty, n, KW_DISK_FULL, true);
        (void)!kw_authority_tick(f->authority, &err);
        kw_faulty_fail(&f->faulty, 0, KW_OK, false);
    }
    KW_AUTO(kw_cost_report) before = report_of(root, NULL);
    assert_int_equal(before.calls, 13);
    tick();
    KW_AUTO(kw_cost_report) after = report_of(root, NULL);
    assert_int_equal(after.calls, 13);
    assert_int_equal(after.spent_nano, 65);
    assert_int_equal(kw_authority_cost_sums(f->authority).calls, 13);
    kw_faulty_fail(&f->faulty, 1, KW_STORE_UNAVAILABLE, false);
    struct kw_cost_report none = {0};
    const struct kw_cost_query query = {.to_day = today()};
    assert_int_equal(kw_authority_costs(f->authority, root, &query, &none, &err),
                     KW_STORE_UNAVAILABLE);
    assert_null(none.lines);
}

/* ---- Threads ----------------------------------------------------------------------------------
 */

enum { CALLERS = 3, CALLS = 2000 };

static void *call_often(void *arg)
{
    char *tenant = arg;
    for (unsigned i = 0; i < CALLS; i++)
        call(tenant, i % 2 == 0 ? "a" : "b", 1);
    free(tenant);
    return NULL;
}

/* Reports and rounds between the calls: no report is ever less than one before it, or more than the
 * end. */
static void reports_are_whole(void **state)
{
    KW_UNUSED(state);
    static const char *const tenants[CALLERS] = {"x", "y", "z"};
    pthread_t threads[CALLERS];
    uint64_t last = 0;
    for (size_t i = 0; i < CALLERS; i++) {
        void *tenant = strdup(tenants[i]);
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, tenant), 0);
    }
    for (unsigned round = 0; round < 20; round++) {
        tick();
        KW_AUTO(kw_cost_report) report = report_of(root, NULL);
        assert_in_range(report.calls, last, CALLERS * CALLS);
        assert_int_equal(report.calls, report.spent_nano);
        (void)kw_authority_cost_sums(f->authority);
        last = report.calls;
    }
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    tick();
    KW_AUTO(kw_cost_report) report = report_of(root, NULL);
    assert_int_equal(report.calls, CALLERS * CALLS);
    assert_int_equal(kw_authority_cost_sums(f->authority).calls, CALLERS * CALLS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_the_calls),           TEST(failures_are_calls),
        TEST(counts_outlive_the_process),    TEST(savings_are_what_calls_would_have_cost),
        TEST(amounts_end_at_the_largest),    TEST(days_and_callers_limit_a_report),
        TEST(a_failing_store_costs_nothing), TEST(reports_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Budgets: each threshold fires once a month, through restarts and failures, and never not. */
#include "authority_scene.h"

#include "authority/cost.h"
#include "ledger/reader.h"

#include <time.h>

static const int64_t day_ms = 24LL * 3600 * 1000;
static struct kw_error err;

static const struct kw_authority_budget both = {
    .month_nano = 1000, .tenant_month_nano = 400, .thresholds = {80, 50, 100}};

/* To noon of the next 2nd of a month: the days around it are of the same one. */
static int64_t to_early_in_a_month(void)
{
    for (int64_t ahead_ms = 0;; ahead_ms += 3600 * 1000) {
        time_t then = (time_t)((kw_clock_wall_ms() + ahead_ms) / 1000);
        struct tm tm;
        gmtime_r(&then, &tm);
        if (tm.tm_mday == 2 && tm.tm_hour == 12)
            return ahead_ms;
    }
}

static int64_t begin_ms;

static int setup(void **state)
{
    const struct kw_fixture_options options = {.faulty_store = true, .budget = both};
    KW_UNUSED(state);
    begin_ms = to_early_in_a_month();
    kw_clock_test_offset(begin_ms);
    f = kw_fixture_open(&options);
    return 0;
}

static void spend(const char *tenant, uint64_t nano)
{
    const struct kw_router_use use = {.region = "eu",
                                      .tenant = tenant,
                                      .provider = "software-eu",
                                      .key = "eu",
                                      .act = KW_ROUTER_WRAP,
                                      .nano = nano};
    kw_meter_used(f->meter, &use);
}

static kw_code tick(void)
{
    return kw_authority_tick(f->authority, &err);
}

static size_t events(void)
{
    return kw_fixture_entries(f, "BudgetThreshold", "");
}

static size_t events_after(const char *tenant, uint64_t nano)
{
    spend(tenant, nano);
    assert_int_equal(tick(), KW_OK);
    return events();
}

/* Is there an entry with this text? */
static bool ledger_says(const char *text)
{
    KW_AUTO(kw_buf) entry = KW_BUF_INIT;
    uint64_t size = kw_ledger_stats(f->ledger).size;
    for (uint64_t i = 0; i < size; i++) {
        kw_buf_reset(&entry);
        assert_int_equal(kw_ledger_entry(f->ledger, i, &entry, &err), KW_OK);
        if (memmem(entry.data, entry.len, text, strlen(text)) != NULL)
            return true;
    }
    return false;
}

static void each_threshold_fires_once(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(events_after("a", 199), 0);
    assert_int_equal(events_after("a", 1), 1); /* half of its own */
    assert_int_equal(events_after("b", 150), 1);
    assert_int_equal(events_after("b", 150), 3); /* b: half; all: half */
    assert_int_equal(events_after("b", 1), 3);
    assert_int_equal(events_after("c", 399), 5 + 1); /* c: 50 and 80; all: 80 */
    assert_int_equal(events_after("c", 1000), 6 + 2);
    assert_int_equal(events_after("c", 1000), 8);
    assert_int_equal(events_after("", 5000), 8); /* nobody has no budget of its own */
    assert_int_equal(kw_authority_stats(f->authority).budget_events, 8);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tick(), KW_OK);
    assert_int_equal(events(), 8);
}

static void an_event_says_what_was_passed(void **state)
{
    KW_UNUSED(state);
    char text[256];
    char month[16];
    time_t now = (time_t)(kw_clock_wall_ms() / 1000);
    struct tm tm;
    strftime(month, sizeof month, "%Y-%m", gmtime_r(&now, &tm));
    spend("a", 200);
    spend("b", 320);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(events(), 4);
    snprintf(text, sizeof text,
             "{\"scope\":\"tenant\",\"tenant\":\"b\",\"month\":\"%s\",\"percent\":80,"
             "\"spent\":\"0.00000032\",\"budget\":\"0.0000004\"}",
             month);
    assert_true(ledger_says(text));
    snprintf(text, sizeof text,
             "{\"scope\":\"all\",\"month\":\"%s\",\"percent\":50,\"spent\":\"0.00000052\","
             "\"budget\":\"0.000001\"}",
             month);
    assert_true(ledger_says(text));
    assert_true(ledger_says("\"system:scheduler\""));
    assert_int_equal(kw_authority_cost_sums(f->authority).budget_nano, 1000);
}

static void restarts_repeat_nothing(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(events_after("a", 330), 2);
    kw_fixture_restart(f);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(events_after("a", 1), 2);
    spend("a", 100);
    kw_fixture_restart(f); /* what was pending is written at the end, with its event */
    assert_int_equal(events(), 3);
    assert_int_equal(events_after("b", 100), 3 + 1); /* all: half */
    kw_fixture_restart(f);
    assert_int_equal(events_after("b", 1), 4);
}

static void a_month_begins_anew(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(events_after("a", 200), 1);
    spend("a", 120); /* pending while the month ends */
    kw_clock_test_offset(begin_ms + 31 * day_ms);
    assert_int_equal(kw_authority_cost_sums(f->authority).spent_nano, 0);
    spend("a", 210);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(events(), 1 + 1 + 1); /* 80 of the old month, 50 of the new */
    assert_int_equal(kw_authority_cost_sums(f->authority).spent_nano, 210);
    kw_clock_test_offset(begin_ms + 62 * day_ms);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(kw_authority_cost_sums(f->authority).spent_nano, 0);
    kw_clock_test_offset(begin_ms + 1 * day_ms); /* a clock that was wrong */
    assert_int_equal(events_after("a", 1), 3);
    assert_int_equal(kw_authority_cost_sums(f->authority).spent_nano, 321);
}

static bool count_row(void *arg, const struct kw_cost_row *row)
{
    KW_UNUSED(row);
    ++*(unsigned *)arg;
    return true;
}

/* No spending is stored without its event: while there is no ledger it stays pending. */
static void no_spending_without_its_event(void **state)
{
    KW_UNUSED(state);
    spend("a", 200);
    atomic_store(&f->ledger_fails, true);
    assert_int_not_equal(tick(), KW_OK);
    assert_int_not_equal(tick(), KW_OK);
    assert_int_equal(kw_authority_cost_sums(f->authority).spent_nano, 0);
    const struct kw_cost_range all = {0, INT64_MAX, NULL};
    unsigned rows = 0;
    assert_int_equal(kw_store_costs(f->store, &all, count_row, &rows, &err), KW_OK);
    assert_int_equal(rows, 0);
    atomic_store(&f->ledger_fails, false);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(kw_authority_cost_sums(f->authority).spent_nano, 200);
    assert_true(events() >= 1); /* an attempt that was given up may have come through, too */
    size_t before = events();
    kw_fixture_restart(f);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(events(), before);
}

/* Whatever call of the store fails: the events come, at least once, and the sums are right. */
static void a_failing_store_loses_no_event(void **state)
{
    KW_UNUSED(state);
    size_t before = 0;
    for (uint64_t n = 1; n <= 10; n++) {
        char tenant[16];
        snprintf(tenant, sizeof tenant, "t%u", (unsigned)n);
        spend(tenant, 200);
        kw_faulty_fail(&f->faulty, n, KW_STORE_UNAVAILABLE, true);
        (void)!tick();
        kw_faulty_fail(&f->faulty, 0, KW_OK, false);
        assert_int_equal(tick(), KW_OK);
        assert_true(events() > before);
        before = events();
        assert_int_equal(kw_authority_cost_sums(f->authority).spent_nano, 200 * n);
    }
    kw_fixture_restart(f);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(events(), before);
}

static void a_changed_budget_begins_anew(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(events_after("a", 300), 1);
    f->options.budget.month_nano = 350; /* 300 of it are 85 per cent */
    kw_fixture_restart(f);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(events(), 3);
    kw_fixture_restart(f);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(events(), 3);
    f->options.budget = (struct kw_authority_budget){.month_nano = 0};
    kw_fixture_restart(f);
    assert_int_equal(events_after("a", 5000), 3);
    assert_int_equal(kw_authority_cost_sums(f->authority).budget_nano, 0);
    f->options.budget = both;
    kw_fixture_restart(f);
    assert_int_equal(tick(), KW_OK);
    assert_int_equal(events(), 6);
    assert_int_equal(events_after("a", 1), 9); /* a tenant's with its next call */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_threshold_fires_once),     TEST(an_event_says_what_was_passed),
        TEST(restarts_repeat_nothing),       TEST(a_month_begins_anew),
        TEST(no_spending_without_its_event), TEST(a_failing_store_loses_no_event),
        TEST(a_changed_budget_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

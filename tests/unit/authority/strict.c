/* Strictness: every use is validated by a provider, by command and by anomaly. */
#include "authority_warm_scene.h"

#include "authority/pace.h"

static int setup(void **state)
{
    KW_UNUSED(state);
    warm_open(&(struct kw_fixture_options){.faulty_store = true});
    return 0;
}

/* ---- Strictness -------------------------------------------------------------------------------
 */

static kw_code be_strict(const struct kw_caller *caller, const char *tenant, int64_t for_ms)
{
    struct kw_error err;
    return kw_authority_cache_strict(f->authority, caller, tenant, for_ms, &err);
}

static void test_strict_tenant(void **state)
{
    struct kw_fixture_key other;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "globex", "us", 1, &other), KW_OK);
    assert_int_equal(be_strict(&kw_fixture_root, "acme", 60000), KW_OK);
    uint64_t eu = f->eu.unwraps, us = f->us.unwraps;
    for (unsigned i = 1; i <= 3; i++) {
        uint8_t out[KW_DK_SIZE];
        assert_int_equal(unwrap(1), KW_OK);
        assert_int_equal(kw_fixture_unwrap(f, &other, 1, out), KW_OK);
        assert_int_equal(f->eu.unwraps, eu + i);
        assert_int_equal(f->us.unwraps, us);
    }
    f->eu.fail_with = KW_PROVIDER_UNAVAILABLE; /* not validated: not given out */
    assert_int_equal(unwrap(1), KW_PROVIDER_UNAVAILABLE);
    f->eu.fail_with = KW_OK;
    assert_int_equal(be_strict(&kw_fixture_root, "acme", 0), KW_OK);
    eu = f->eu.unwraps;
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(f->eu.unwraps, eu);
    assert_int_equal(kw_fixture_entries(f, "StrictCache", ""), 2);
}

static void test_strict_all(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(be_strict(&kw_fixture_root, NULL, 60000), KW_OK);
    assert_true(kw_authority_keyring_stats(f->authority).strict_until_ms > 0);
    uint64_t before = f->eu.unwraps;
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(f->eu.unwraps, before + 2);
    assert_int_equal(be_strict(&kw_fixture_root, NULL, 0), KW_OK);
    assert_int_equal(kw_authority_keyring_stats(f->authority).strict_until_ms, 0);
}

static void test_strict_refused(void **state)
{
    struct kw_caller own = kw_fixture_caller("admin", "acme");
    struct kw_caller service = kw_fixture_caller("service", "*");
    uint64_t before = f->eu.unwraps;
    KW_UNUSED(state);
    assert_int_equal(be_strict(&own, NULL, 60000), KW_FORBIDDEN);
    assert_int_equal(be_strict(&own, "globex", 60000), KW_FORBIDDEN);
    assert_int_equal(be_strict(&service, "acme", 60000), KW_FORBIDDEN);
    assert_int_equal(be_strict(&kw_fixture_root, "nobody", 60000), KW_TENANT_NOT_FOUND);
    assert_int_equal(be_strict(&kw_fixture_root, NULL, -1), KW_USAGE);
    assert_int_equal(be_strict(&kw_fixture_root, NULL, 25LL * 60 * 60 * 1000), KW_USAGE);
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(f->eu.unwraps, before);
    assert_int_equal(be_strict(&own, "acme", 60000), KW_OK);
    assert_int_equal(kw_fixture_entries(f, "StrictCache", "forbidden"), 3);
}

/* It begins whatever becomes of its record, and does not end without one. */
static void test_strict_without_ledger(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(be_strict(&kw_fixture_root, NULL, 60000), KW_OK);
    atomic_store(&f->ledger_fails, true);
    assert_int_not_equal(be_strict(&kw_fixture_root, NULL, 0), KW_OK);
    assert_true(kw_authority_keyring_stats(f->authority).strict_until_ms > 0);
}

/* ---- Anomalies --------------------------------------------------------------------------------
 */

static void break_seals(int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(unwrap(9), KW_SEAL_BROKEN);
}

static void test_anomaly(void **state)
{
    KW_UNUSED(state);
    uint64_t before = f->eu.unwraps;
    break_seals(KW_ANOMALY_COUNT - 1);
    tick();
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(f->eu.unwraps, before);
    assert_int_equal(kw_fixture_entries(f, "Anomaly", NULL), 0);
    break_seals(1);
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(f->eu.unwraps, before + 2);
    tick();
    tick();
    assert_int_equal(kw_fixture_entries(f, "Anomaly", ""), 1);
    break_seals(KW_ANOMALY_COUNT); /* it goes on: one anomaly */
    tick();
    assert_int_equal(kw_fixture_entries(f, "Anomaly", ""), 1);
    kw_clock_test_offset(61000);
    assert_int_equal(unwrap(1), KW_OK); /* fresh or not: loaded at most once */
    before = f->eu.unwraps;
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(f->eu.unwraps, before);
    break_seals(KW_ANOMALY_COUNT);
    tick();
    assert_int_equal(kw_fixture_entries(f, "Anomaly", ""), 2);
}

/* Whoever can break seals cannot end what was commanded for longer. */
static void test_anomaly_does_not_shorten(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(be_strict(&kw_fixture_root, "acme", 600000), KW_OK);
    break_seals(KW_ANOMALY_COUNT);
    kw_clock_test_offset(61000);
    for (int i = 0; i < 2; i++) {
        uint64_t loads = f->eu.unwraps;
        assert_int_equal(unwrap(1), KW_OK);
        assert_int_equal(f->eu.unwraps, loads + 1);
    }
}

/* As many, but over a longer time. */
static void test_no_anomaly(void **state)
{
    KW_UNUSED(state);
    for (int i = 0; i < 2 * KW_ANOMALY_COUNT; i++) {
        kw_clock_test_offset(250 * i);
        break_seals(1);
    }
    tick();
    assert_int_equal(kw_fixture_entries(f, "Anomaly", NULL), 0);
}

/* Others' broken seals crowd out nobody who is worse; a record that cannot be written waits. */
static void test_anomaly_is_recorded_in_the_end(void **state)
{
    struct kw_error err;
    uint64_t reference = kw_fixture_key_row(f, "globex", "us").reference;
    KW_UNUSED(state);
    for (uint64_t i = 0; i < KW_ANOMALY_COUNT; i++) {
        for (uint64_t other = 1; other < KW_ANOMALY_KEYS; other++)
            kw_anomaly_broken(f->authority, other % 2 == 0 ? other : 1000 * other + i);
        kw_anomaly_broken(f->authority, reference);
    }
    kw_faulty_fail(&f->faulty, 1, KW_STORE_UNAVAILABLE, true);
    assert_int_not_equal(kw_authority_tick(f->authority, &err), KW_OK);
    kw_faulty_fail(&f->faulty, 0, KW_OK, false);
    tick();
    assert_int_equal(kw_fixture_entries(f, "Anomaly", ""), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_strict_tenant),  T(test_strict_all),
        T(test_strict_refused), T(test_strict_without_ledger),
        T(test_anomaly),        T(test_anomaly_does_not_shorten),
        T(test_no_anomaly),     T(test_anomaly_is_recorded_in_the_end),
    };
    return cmocka_run_group_tests_name("authority strict", tests, NULL, NULL);
}

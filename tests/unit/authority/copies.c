/* Copies of a tenant key by several providers: any of them opens it, and one that is missing is
 * made up for. */
#include "authority_copies_scene.h"

#include <unistd.h>

/* The provider's copy becomes one of another key. */
static void put_other_key(const char *tenant, const char *provider)
{
    KW_AUTO(kw_fresh_version) other = {.copies = NULL};
    struct kw_key_row key = kw_fixture_key_row(f, tenant, "eu");
    assert_int_equal(kw_version_prepare(f->authority, &key, 1, NULL, &other, &err), KW_OK);
    assert_int_equal(kw_store_begin(f->store, &err), KW_OK);
    for (size_t i = 0; i < other.copy_count; i++)
        if (strcmp(other.copies[i].provider, provider) == 0)
            assert_int_equal(kw_store_copy_put(f->store, &other.copies[i], &err), KW_OK);
    assert_int_equal(kw_store_commit(f->store, &err), KW_OK);
}

static void test_missing_copy_is_made_up_for(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    beta->fail_with = KW_PROVIDER_UNAVAILABLE;
    assert_int_equal(rotate(), KW_OK);
    assert_copies("acme", 2, "alpha=eu ");
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    tick_after(0);
    assert_int_equal(kw_authority_stats(f->authority).lacking_copies, 1);
    assert_int_equal(kw_authority_stats(f->authority).repaired_copies, 0);
    assert_int_equal(kw_fixture_entries(f, "RepairCopies", NULL), 0);
    beta->fail_with = KW_OK;
    tick_after(60000);
    assert_copies("acme", 2, "alpha=eu beta=eu ");
    assert_int_equal(kw_authority_stats(f->authority).lacking_copies, 0);
    assert_int_equal(kw_authority_stats(f->authority).repaired_copies, 1);
    assert_int_equal(kw_fixture_entries(f, "RepairCopies", ""), 1);
    alpha->fail_with = KW_PROVIDER_UNAVAILABLE; /* the copy is as good as the other */
    opens(&key, KW_OK);
}

/* Nothing is asked of a provider while nothing is missing, and little while it does not answer. */
static void test_repair_does_not_hammer(void **state)
{
    KW_UNUSED(state);
    tick_after(0);
    uint64_t asked = alpha->unwraps + alpha->wraps + beta->wraps;
    tick_after(3600 * 1000);
    assert_int_equal(alpha->unwraps + alpha->wraps + beta->wraps, asked);
    beta->fail_with = KW_PROVIDER_UNAVAILABLE;
    for (int i = 0; i < 20; i++)
        assert_int_equal(rotate(), KW_OK);
    asked = beta->wraps + alpha->unwraps;
    for (int64_t i = 0; i < 30; i++)
        tick_after(3640 * 1000 + i * 100);
    assert_true(beta->wraps + alpha->unwraps - asked <= 4);
    assert_int_equal(kw_authority_stats(f->authority).lacking_copies, 20);
}

/* A provider that is new, or has another root key now, gets copies of all there is, a bounded
 * number a round; what was under the root key before is replaced. */
static void test_new_root_key_gets_copies(void **state)
{
    struct kw_fixture_key key;
    uint64_t last = 0;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    for (int i = 0; i < 119; i++)
        assert_int_equal(rotate(), KW_OK);
    places[0].key = "eu-2";
    kw_fixture_restart(f);
    for (int i = 0; i < 100 && last < 120; i++) {
        tick_after(0);
        uint64_t now = kw_authority_stats(f->authority).repaired_copies;
        assert_in_range(now - last, 1, 50);
        last = now;
    }
    assert_int_equal(last, 120);
    for (uint32_t v = 1; v <= 120; v++)
        assert_copies("acme", v, "alpha=eu-2 beta=eu ");
    beta->fail_with = KW_PROVIDER_UNAVAILABLE;
    opens(&key, KW_OK);
}

/* The kill switch holds for repairs, too. */
static void test_suspended_is_not_repaired(void **state)
{
    KW_UNUSED(state);
    beta->fail_with = KW_PROVIDER_UNAVAILABLE;
    assert_int_equal(rotate(), KW_OK);
    beta->fail_with = KW_OK;
    assert_int_equal(suspend(), KW_OK);
    uint64_t asked = alpha->unwraps;
    tick_after(60000);
    assert_int_equal(alpha->unwraps, asked);
    assert_copies("acme", 2, "alpha=eu ");
    assert_int_equal(kw_authority_stats(f->authority).lacking_copies, 1);
    assert_int_equal(kw_authority_tenant_resume(f->authority, root, "acme", &err), KW_OK);
    tick_after(3600 * 1000);
    assert_copies("acme", 2, "alpha=eu beta=eu ");
}

/* One version that cannot be opened any more, or may not be now, keeps no other from its copy. */
static void test_others_are_repaired(void **state)
{
    char name[16];
    KW_UNUSED(state);
    beta->fail_with = KW_FORBIDDEN;
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "tenant-%d", i);
        kw_fixture_tenant(f, name, "eu");
        assert_copies(name, 1, "alpha=eu ");
        if (i % 3 == 0)
            put_other_key(name, "alpha");
        if (i % 3 == 1)
            assert_int_equal(kw_authority_tenant_suspend(f->authority, root, name, &err), KW_OK);
    }
    beta->fail_with = KW_OK;
    tick_after(60000);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "tenant-%d", i);
        assert_copies(name, 1, i % 3 == 2 ? "alpha=eu beta=eu " : "alpha=eu ");
    }
    assert_int_equal(kw_authority_stats(f->authority).repaired_copies, 4);
    assert_int_equal(kw_authority_stats(f->authority).lacking_copies, 8);
}

/* What was unwrapped for a repair is not written once the tenant is suspended. */
static void test_repair_meets_suspension(void **state)
{
    KW_UNUSED(state);
    beta->fail_with = KW_PROVIDER_UNAVAILABLE;
    assert_int_equal(rotate(), KW_OK);
    beta->fail_with = KW_OK;
    meet = suspend;
    atomic_store(&meetings, 1);
    tick_after(60000);
    assert_int_equal(met, KW_OK);
    assert_copies("acme", 2, "alpha=eu ");
    assert_int_equal(kw_authority_stats(f->authority).repaired_copies, 0);
}

/* A provider that hangs holds up the repair, and no destruction that is due. */
static void test_hanging_repair_holds_up_nothing(void **state)
{
    static const int64_t days_ms = 8LL * 24 * 3600 * 1000;
    KW_UNUSED(state);
    kw_fixture_tenant(f, "globex", "us");
    assert_int_equal(
        kw_authority_key_schedule_destroy(f->authority, root, "globex", "us", 7, NULL, &err),
        KW_OK);
    beta->fail_with = KW_FORBIDDEN;
    assert_int_equal(rotate(), KW_OK);
    beta->fail_with = KW_OK;
    f->options.background = true;
    atomic_store(&alpha->hold, true);
    kw_fixture_restart(f);
    while (atomic_load(&alpha->inside) == 0)
        usleep(1000);
    kw_clock_test_offset(days_ms);
    while (kw_authority_stats(f->authority).destroyed_keys == 0)
        usleep(1000);
    assert_int_equal(alpha->inside, 1);
    atomic_store(&alpha->hold, false);
    assert_int_equal(kw_fixture_key_row(f, "globex", "us").state, KW_KEY_IS_DESTROYED);
}

/* Any of the copies opens; one that opens to another key is as bad as none. */
static void test_any_copy_opens(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    alpha->fail_with = KW_FORBIDDEN;
    opens(&key, KW_OK);
    alpha->fail_with = KW_OK;
    beta->fail_with = KW_PROVIDER_UNAVAILABLE;
    opens(&key, KW_OK);
    beta->fail_with = KW_OK;
    put_other_key("acme", "alpha");
    opens(&key, KW_OK);
    put_other_key("acme", "beta");
    opens(&key, KW_COMMITMENT);
}

/* In hardware only while no copy is anywhere else. */
static void test_hardware(void **state)
{
    KW_UNUSED(state);
    assert_false(load(1, KW_OK).hardware);
    beta->fail_with = KW_PROVIDER_UNAVAILABLE;
    assert_int_equal(rotate(), KW_OK);
    assert_true(load(2, KW_OK).hardware);
    beta->fail_with = KW_OK;
    tick_after(60000);
    assert_false(load(2, KW_OK).hardware);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_missing_copy_is_made_up_for),
        T(test_repair_does_not_hammer),
        T(test_new_root_key_gets_copies),
        T(test_suspended_is_not_repaired),
        T(test_others_are_repaired),
        T(test_repair_meets_suspension),
        T(test_hanging_repair_holds_up_nothing),
        T(test_any_copy_opens),
        T(test_hardware),
    };
    return cmocka_run_group_tests_name("authority copies", tests, NULL, NULL);
}

/* What could grow without bound, or beyond what a later act can take in. */
#include "authority_scene.h"

#include "authority/internal.h"

static int setup(void **state)
{
    struct kw_fixture_options options = {.faulty_store = true};
    KW_UNUSED(state);
    f = kw_fixture_open(&options);
    kw_fixture_tenant(f, "acme", "eu");
    return 0;
}

/* A key in a region that was configured once. */
static void add_key(unsigned number)
{
    struct kw_key_row key = {.reference = 1000 + number,
                             .state = KW_KEY_IS_ACTIVE,
                             .state_before = KW_KEY_IS_ACTIVE,
                             .suite = KW_SUITE_AES256GCM,
                             .custody = "managed",
                             .current_version = 1,
                             .created_ms = 1,
                             .epoch = 1};
    snprintf(key.tenant, sizeof key.tenant, "acme");
    snprintf(key.region, sizeof key.region, "r%u", number);
    assert_int_equal(kw_store_begin(f->store, NULL), KW_OK);
    assert_int_equal(kw_store_key_add(f->store, &key, NULL), KW_OK);
    assert_int_equal(kw_store_commit(f->store, NULL), KW_OK);
}

/* Suspending and closing take in so many keys of a tenant: no more may come to be, also where the
 * configured regions have changed over the years. */
static void test_keys_of_a_tenant(void **state)
{
    struct kw_fixture_key sealed;
    KW_UNUSED(state);
    for (unsigned i = 1; i < KW_REGIONS_MAX; i++)
        add_key(i);
    assert_int_equal(kw_authority_tenant_add_region(f->authority, root, "acme", "us", NULL),
                     KW_TOO_LARGE);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &sealed), KW_OK);
    assert_int_equal(kw_authority_tenant_suspend(f->authority, root, "acme", NULL), KW_OK);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &sealed), KW_TENANT_SUSPENDED);
}

/* Of a store that cannot be written for a night, a place a key version is remembered, and not one
 * for each second. */
static void test_counters_while_the_store_is_away(void **state)
{
    struct kw_fixture_key sealed;
    KW_UNUSED(state);
    kw_fixture_tenant(f, "globex", "us");
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &sealed), KW_OK);
    assert_int_equal(kw_fixture_generate(f, "globex", "us", 1, &sealed), KW_OK);
    kw_faulty_fail(&f->faulty, 1, KW_STORE_UNAVAILABLE, true);
    for (int second = 0; second < 600; second++) {
        assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &sealed), KW_OK);
        assert_int_equal(kw_fixture_generate(f, "globex", "us", 1, &sealed), KW_OK);
        assert_int_equal(kw_authority_tick(f->authority, NULL), KW_STORE_UNAVAILABLE);
    }
    assert_int_equal(f->authority->usage_count, 2);
    kw_faulty_fail(&f->faulty, 0, KW_OK, false);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    uint64_t reference = kw_fixture_key_row(f, "acme", "eu").reference;
    assert_int_equal(kw_fixture_version_row(f, reference, 1).wraps, 601);
    reference = kw_fixture_key_row(f, "globex", "us").reference;
    assert_int_equal(kw_fixture_version_row(f, reference, 1).wraps, 601);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_keys_of_a_tenant),
                                       T(test_counters_while_the_store_is_away)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

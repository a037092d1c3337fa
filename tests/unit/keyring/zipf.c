/* What the keyring saves under a tenant mix as it is: few tenants make most of the uses. The full
 * measure is bench/keyring_zipf.c. */
#include "keyring_source.h"

#include "zipf.h"

enum { TENANTS = 10000, USES = 200000, A_SECOND = 2000 };

/* Uses at a steady rate on a clock that is compressed: kw_clock_ms() moves on by a use's share of a
 * second. */
static unsigned distinct(struct kw_keyring *ring, uint64_t seed, int64_t from_ms)
{
    struct zipf zipf;
    static bool used_by[TENANTS];
    unsigned found = 0;
    memset(used_by, 0, sizeof used_by);
    assert_true(zipf_init(&zipf, TENANTS, seed));
    for (int i = 0; i < USES; i++) {
        size_t tenant = zipf_next(&zipf);
        kw_clock_test_offset(from_ms + (int64_t)i * 1000 / A_SECOND);
        found += !used_by[tenant];
        used_by[tenant] = true;
        touch(ring, tenant + 1, 1);
    }
    zipf_wipe(&zipf);
    return found;
}

/* Within one ttl each tenant that is used at all is loaded once; at most a call for every 20 uses,
 * since there are 10,000 tenants. As many uses again by the same tenants cost next to nothing. */
static void test_one_call_a_tenant(void **state)
{
    struct kw_keyring *ring = open_ring(0, 300 * 1000, 0);
    KW_UNUSED(state);
    unsigned tenants = distinct(ring, 1, 0);
    assert_int_equal(source.loads, tenants);
    assert_true(tenants > TENANTS / 2); /* it is a mix */
    assert_true(source.loads <= USES / 20);
    distinct(ring, 2, 100 * 1000);
    assert_true(source.loads <= TENANTS);
    assert_int_equal(kw_keyring_stats(ring).evictions, 0);
    assert_int_equal(kw_keyring_stats(ring).hits + kw_keyring_stats(ring).misses, 2 * USES);
    kw_keyring_free(ring);
}

/* Memory for a tenth of the tenants still saves most calls: those that are used most stay. */
static void test_little_memory(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 1, 1);
    size_t entry_bytes = kw_keyring_stats(ring).bytes;
    kw_keyring_free(ring);
    ring = open_ring(entry_bytes * TENANTS / 10, 300 * 1000, 0);
    distinct(ring, 1, 0);
    assert_true(kw_keyring_stats(ring).entries <= TENANTS / 10);
    assert_true(source.loads < USES * 2 / 5);
    kw_keyring_free(ring);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, reset)
    const struct CMUnitTest tests[] = {
        T(test_one_call_a_tenant),
        T(test_little_memory),
    };
    kw_secret_allow_unlocked();
    return cmocka_run_group_tests_name("keyring zipf", tests, NULL, NULL);
}

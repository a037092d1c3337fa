/* The keyring: bounds, lifetimes, derived keys, counters, hints. */
#include "keyring_source.h"

static void test_loads_once(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    assert_false(resident(ring, 7, 1));
    touch(ring, 7, 1);
    touch(ring, 7, 1);
    assert_true(resident(ring, 7, 1));
    assert_false(resident(ring, 7, 2));
    assert_int_equal(source.loads, 1);
    touch(ring, 7, 2);
    assert_int_equal(source.loads, 2);
    assert_int_equal(kw_keyring_stats(ring).entries, 2);
    assert_int_equal(kw_keyring_stats(ring).loads, 2);
    kw_keyring_free(ring);
}

static void test_failure_is_not_kept(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *entry = NULL;
    struct kw_error err;
    KW_UNUSED(state);
    source.fail_with = KW_TENANT_SUSPENDED;
    assert_int_equal(kw_keyring_get(ring, 7, 1, NULL, &entry, &err), KW_TENANT_SUSPENDED);
    assert_int_equal(err.code, KW_TENANT_SUSPENDED);
    assert_null(entry);
    source.fail_with = KW_OK;
    touch(ring, 7, 1);
    assert_int_equal(source.loads, 2);
    assert_int_equal(kw_keyring_stats(ring).load_failures, 1);
    kw_keyring_free(ring);
}

/* The least recently used leave, and the bytes stay under the bound. All in one shard (16 apart).
 */
static void test_bounded(void **state)
{
    size_t entry_bytes;
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 16, 1);
    entry_bytes = kw_keyring_stats(ring).bytes;
    kw_keyring_free(ring);

    ring = open_ring(16 * 4 * entry_bytes, 0, 0);
    for (uint64_t i = 1; i <= 4; i++)
        touch(ring, 16 * i, 1);
    touch(ring, 16, 1); /* the oldest is now 32 */
    touch(ring, 16 * 5, 1);
    assert_true(resident(ring, 16, 1));
    assert_false(resident(ring, 32, 1));
    assert_true(resident(ring, 80, 1));
    for (uint64_t i = 1; i <= 1000; i++)
        touch(ring, i, 1);
    assert_true(kw_keyring_stats(ring).bytes <= 16 * 4 * entry_bytes);
    assert_int_equal(kw_keyring_stats(ring).entries, 64);
    assert_true(kw_keyring_stats(ring).evictions >= 936);
    kw_keyring_free(ring);
}

static void test_ttl(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    kw_clock_test_offset(900);
    assert_true(resident(ring, 7, 1));
    kw_clock_test_offset(1001);
    assert_false(resident(ring, 7, 1));
    touch(ring, 7, 1);
    assert_int_equal(source.loads, 2);
    assert_int_equal(kw_keyring_stats(ring).entries, 1);
    kw_keyring_free(ring);
}

/* Past the TTL a key serves on while its provider is away, until the hard TTL; a final refusal is
 * obeyed at once. */
static void test_hard_ttl(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 60000);
    struct kw_keyring_entry *entry = NULL;
    KW_UNUSED(state);
    touch(ring, 7, 1);
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    kw_clock_test_offset(30000);
    entry = get(ring, 7, 1);
    assert_int_equal(load_number(entry), 1);
    kw_keyring_release(ring, entry);
    source.fail_with = KW_KEY_SUSPENDED;
    kw_clock_test_offset(32000);
    assert_int_equal(kw_keyring_get(ring, 7, 1, NULL, &entry, NULL), KW_KEY_SUSPENDED);
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    kw_clock_test_offset(61000);
    assert_int_equal(kw_keyring_get(ring, 7, 1, NULL, &entry, NULL), KW_PROVIDER_UNAVAILABLE);
    kw_keyring_free(ring);
}

static void test_no_hard_ttl_no_grace(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    struct kw_keyring_entry *entry = NULL;
    KW_UNUSED(state);
    touch(ring, 7, 1);
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    kw_clock_test_offset(1001);
    assert_int_equal(kw_keyring_get(ring, 7, 1, NULL, &entry, NULL), KW_PROVIDER_UNAVAILABLE);
    kw_keyring_free(ring);
}

/* ---- Derived keys, counters, hints ------------------------------------------------------------
 */

static unsigned derivations;

static KW_ERR derive(const struct kw_keyring_entry *entry, void *arg, struct kw_secret *out,
                     struct kw_error *err)
{
    KW_TRY(kw_secret_alloc(out, KW_KEYRING_KEY_SIZE, err));
    memcpy(out->data, kw_keyring_key(entry), KW_KEYRING_KEY_SIZE);
    out->data[31] = *(const uint8_t *)arg;
    derivations++;
    return KW_OK;
}

static KW_ERR derive_short(const struct kw_keyring_entry *entry, void *arg, struct kw_secret *out,
                           struct kw_error *err)
{
    KW_UNUSED(entry);
    KW_UNUSED(arg);
    return kw_secret_alloc(out, 16, err);
}

static void derived(struct kw_keyring_entry *entry, uint8_t tag, unsigned expected)
{
    uint8_t out[KW_KEYRING_KEY_SIZE];
    assert_int_equal(kw_keyring_derived(entry, tag, derive, &tag, out, NULL), KW_OK);
    assert_int_equal(out[31], tag);
    assert_int_equal(derivations, expected);
}

static void test_derived(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *entry = get(ring, 7, 1);
    uint8_t out[KW_KEYRING_KEY_SIZE];
    KW_UNUSED(state);
    derivations = 0;
    derived(entry, 1, 1);
    derived(entry, 1, 1);
    derived(entry, 2, 2);
    derived(entry, 3, 3);
    derived(entry, 1, 3);
    derived(entry, 4, 4); /* in the place of 1, the oldest */
    derived(entry, 2, 4);
    derived(entry, 1, 5);
    assert_int_equal(kw_keyring_derived(entry, 0, derive, NULL, out, NULL), KW_INTERNAL);
    assert_int_equal(kw_keyring_derived(entry, 9, derive_short, NULL, out, NULL), KW_INTERNAL);
    kw_keyring_release(ring, entry);
    kw_keyring_free(ring);
}

static void test_counters(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    struct kw_keyring_entry *entry = get(ring, 7, 1);
    KW_UNUSED(state);
    assert_int_equal(kw_keyring_count_wraps(entry, 3), 3);
    assert_int_equal(kw_keyring_count_wraps(entry, 2), 5);
    kw_keyring_count_unwraps(entry, 4);
    kw_keyring_collect(ring);
    assert_int_equal(source.wraps, 5);
    assert_int_equal(source.unwraps, 4);
    kw_keyring_collect(ring);
    assert_int_equal(source.reports, 1); /* nothing new, nothing said */
    kw_keyring_count_wraps(entry, 1);
    kw_keyring_drop(ring, 7, KW_KEY_SUSPENDED);
    assert_int_equal(source.wraps, 5);
    kw_keyring_count_wraps(entry, 1); /* after it has left */
    kw_keyring_release(ring, entry);
    assert_int_equal(source.wraps, 7);
    kw_keyring_free(ring);
}

/* Loaded anew, it goes on counting where it was: the store may not have been told yet. */
static void test_counters_carry_on(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    struct kw_keyring_entry *entry = get(ring, 7, 1);
    KW_UNUSED(state);
    kw_keyring_count_wraps(entry, 10);
    kw_keyring_release(ring, entry);
    kw_clock_test_offset(1500);
    entry = get(ring, 7, 1);
    assert_int_equal(load_number(entry), 2);
    assert_int_equal(kw_keyring_count_wraps(entry, 1), 11);
    kw_keyring_release(ring, entry);
    kw_keyring_free(ring);
    assert_int_equal(source.wraps, 11);
}

static void test_collect_lets_go(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 0);
    KW_UNUSED(state);
    for (uint64_t i = 1; i <= 100; i++)
        touch(ring, i, 1);
    kw_clock_test_offset(800);
    touch(ring, 5, 1);
    kw_clock_test_offset(1500);
    kw_keyring_collect(ring);
    assert_int_equal(kw_keyring_stats(ring).entries, 1);
    kw_keyring_flush(ring);
    assert_int_equal(kw_keyring_stats(ring).entries, 0);
    assert_int_equal(kw_keyring_stats(ring).bytes, 0);
    kw_keyring_free(ring);
}

static void test_hints(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    uint64_t reference = 0;
    uint32_t version = 0;
    KW_UNUSED(state);
    assert_false(kw_keyring_hint_get(ring, "acme", "eu", &reference, &version));
    kw_keyring_hint_put(ring, "acme", "eu", 7, 3);
    assert_true(kw_keyring_hint_get(ring, "acme", "eu", &reference, &version));
    assert_int_equal(reference, 7);
    assert_int_equal(version, 3);
    assert_false(kw_keyring_hint_get(ring, "acme", "us", &reference, &version));
    assert_false(kw_keyring_hint_get(ring, "acm", "eeu", &reference, &version));
    kw_keyring_hint_put(ring, "acme", "eu", 7, 4);
    assert_true(kw_keyring_hint_get(ring, "acme", "eu", &reference, &version));
    assert_int_equal(version, 4);
    kw_keyring_free(ring);
}

static KW_ERR load_short(void *arg, struct kw_keyring_facts *facts, struct kw_secret *key,
                         struct kw_error *err)
{
    KW_UNUSED(arg);
    KW_UNUSED(facts);
    return kw_secret_alloc(key, 16, err);
}

static void test_short_key_refused(void **state)
{
    struct kw_keyring_options options = {.load = load_short};
    struct kw_keyring *ring = NULL;
    struct kw_keyring_entry *entry = NULL;
    KW_UNUSED(state);
    assert_int_equal(kw_keyring_new(&options, &ring, NULL), KW_OK);
    assert_int_equal(kw_keyring_get(ring, 7, 1, NULL, &entry, NULL), KW_INTERNAL);
    kw_keyring_free(ring);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, reset)
    const struct CMUnitTest tests[] = {
        T(test_loads_once),
        T(test_failure_is_not_kept),
        T(test_bounded),
        T(test_ttl),
        T(test_hard_ttl),
        T(test_no_hard_ttl_no_grace),
        T(test_derived),
        T(test_counters),
        T(test_counters_carry_on),
        T(test_collect_lets_go),
        T(test_hints),
        T(test_short_key_refused),
    };
    kw_secret_allow_unlocked();
    return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}

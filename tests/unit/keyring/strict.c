/* The keyring: keys that are asked for at each use, and entries that nobody else may find. */
#include "keyring_source.h"

static int64_t in(int64_t ms)
{
    return kw_clock_ms() + ms;
}

/* ---- Strictness -------------------------------------------------------------------------------
 */

static void test_strict_key(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    touch(ring, 23, 1); /* of the same shard */
    kw_keyring_strict(ring, 7, in(60000));
    for (int i = 0; i < 3; i++) {
        assert_false(resident(ring, 7, 1));
        touch(ring, 7, 1);
        touch(ring, 23, 1);
    }
    assert_int_equal(source.loads, 5);
    assert_int_equal(kw_keyring_stats(ring).strict_until_ms, 0);
    kw_clock_test_offset(61000);
    touch(ring, 7, 1); /* it has ended, and the last load is good */
    assert_int_equal(source.loads, 5);
    kw_keyring_free(ring);
}

static void test_strict_ring(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    int64_t until_ms = in(60000);
    KW_UNUSED(state);
    for (uint64_t i = 1; i <= 20; i++)
        touch(ring, i, 1);
    kw_keyring_strict(ring, 0, until_ms);
    assert_int_equal(kw_keyring_stats(ring).strict_until_ms, until_ms);
    for (uint64_t i = 1; i <= 20; i++)
        touch(ring, i, 1);
    assert_int_equal(source.loads, 40);
    kw_keyring_strict(ring, 0, 0);
    assert_int_equal(kw_keyring_stats(ring).strict_until_ms, 0);
    for (uint64_t i = 1; i <= 20; i++)
        touch(ring, i, 1);
    assert_int_equal(source.loads, 40);
    kw_keyring_free(ring);
}

static void test_strict_key_ends(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    kw_keyring_strict(ring, 7, in(60000));
    kw_keyring_strict(ring, 7, in(90000));
    kw_keyring_strict(ring, 7, 0);
    kw_keyring_strict(ring, 8, 0); /* never was */
    assert_true(resident(ring, 7, 1));
    kw_keyring_free(ring);
}

/* What was set for longer is not made shorter by another: it is ended, or it lasts. */
static void test_strict_is_not_shortened(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    int64_t until_ms = in(600000);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    kw_keyring_strict(ring, 7, until_ms);
    kw_keyring_strict(ring, 7, in(60000));
    kw_clock_test_offset(61000);
    assert_false(resident(ring, 7, 1));
    kw_keyring_strict(ring, 0, until_ms);
    kw_keyring_strict(ring, 0, in(1000));
    assert_int_equal(kw_keyring_stats(ring).strict_until_ms, until_ms);
    kw_clock_test_offset(601000);
    touch(ring, 7, 1);
    assert_true(resident(ring, 7, 1));
    kw_keyring_free(ring);
}

/* A validation by the provider that cannot be had is not replaced by what is remembered. */
static void test_strict_fails_closed(void **state)
{
    struct kw_keyring *ring = open_ring(0, 1000, 60000);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    kw_keyring_strict(ring, 7, in(60000));
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    assert_int_equal(get_code(ring, 7, NULL), KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(get_code(ring, 7, NULL), KW_PROVIDER_UNAVAILABLE);
    kw_keyring_strict(ring, 7, 0);
    assert_int_equal(get_code(ring, 7, NULL), KW_OK); /* and it is not lost by that */
    kw_keyring_free(ring);
}

/* Who comes while a load is under way is not satisfied by it: it began too early. Those who come
 * together share the next one. */
static void test_strict_waits_for_the_next(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter first = {.code = KW_INTERNAL}, late[8] = {0};
    KW_UNUSED(state);
    kw_keyring_strict(ring, 7, in(60000));
    source.gate = true;
    start_at_gate(&first, 7);
    for (size_t i = 0; i < KW_COUNT(late); i++)
        start_waiting(&late[i], 7);
    source.gate = false;
    pthread_join(first.thread, NULL);
    assert_int_equal(first.load_number, 1);
    for (size_t i = 0; i < KW_COUNT(late); i++) {
        pthread_join(late[i].thread, NULL);
        assert_int_equal(late[i].code, KW_OK);
        assert_true(late[i].load_number >= 2);
    }
    assert_true(source.loads <= 1 + KW_COUNT(late));
    kw_keyring_free(ring);
}

/* More strict keys than are kept: then every key is, for as long. */
static void test_strict_overflow(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 1000001, 1);
    for (uint64_t i = 1; i <= 2000; i++)
        kw_keyring_strict(ring, i, in(60000));
    assert_true(kw_keyring_stats(ring).strict_until_ms > kw_clock_ms() + 50000);
    assert_false(resident(ring, 1000001, 1));
    kw_clock_test_offset(61000);
    assert_int_equal(kw_keyring_stats(ring).strict_until_ms, 0);
    assert_true(resident(ring, 1000001, 1));
    for (uint64_t i = 1; i <= 16; i++) /* there is room again */
        kw_keyring_strict(ring, i, in(60000));
    assert_int_equal(kw_keyring_stats(ring).strict_until_ms, 0);
    kw_keyring_free(ring);
}

/* ---- Held keys --------------------------------------------------------------------------------
 */

static const struct kw_keyring_age keep_none = {.ttl_ms = 60000, .hard_ttl_ms = 60000};
static const struct kw_keyring_age keep_some = {
    .ttl_ms = 60000, .hard_ttl_ms = 60000, .held_ms = 2000};

/* It serves its loader and those who waited for it, and is then found by nobody. */
static void test_held_serves_its_flight(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter first = {.age = &keep_none}, second = {.age = &keep_none};
    struct kw_keyring_entry *entry = NULL;
    KW_UNUSED(state);
    source.facts.held = true;
    source.gate = true;
    start_at_gate(&first, 7);
    start_waiting(&second, 7);
    source.gate = false;
    pthread_join(first.thread, NULL);
    pthread_join(second.thread, NULL);
    assert_int_equal(first.load_number, 1);
    assert_int_equal(second.load_number, 1);
    assert_int_equal(kw_keyring_stats(ring).entries, 0);
    assert_false(serves(ring, 7, &keep_none));
    assert_false(serves(ring, 7, &keep_some)); /* its loader did not keep it */
    assert_int_equal(kw_keyring_get(ring, 7, 1, &keep_none, &entry, NULL), KW_OK);
    assert_int_equal(source.loads, 2);
    kw_keyring_drop(ring, 7, KW_CUSTOMER_REFUSED);
    assert_int_equal(kw_keyring_refusal(entry), KW_CUSTOMER_REFUSED);
    kw_keyring_release(ring, entry);
    kw_keyring_free(ring);
}

static void test_held_kept(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    source.facts.held = true;
    assert_int_equal(get_code(ring, 7, &keep_some), KW_OK);
    assert_true(serves(ring, 7, &keep_some));
    assert_false(serves(ring, 7, &keep_none));
    kw_keyring_pressure(ring, "eu", 1000);
    kw_clock_test_offset(1900);
    assert_true(serves(ring, 7, &keep_some));
    assert_int_equal(source.stales, 0); /* nobody loads it without need */
    assert_int_equal(kw_keyring_refresh(ring, 7, 1, NULL), KW_OK);
    assert_int_equal(source.loads, 1);
    kw_clock_test_offset(2100);
    source.fail_with = KW_CUSTOMER_UNAVAILABLE;
    assert_int_equal(get_code(ring, 7, &keep_some), KW_CUSTOMER_UNAVAILABLE);
    kw_keyring_collect(ring);
    assert_int_equal(kw_keyring_stats(ring).entries, 0);
    kw_keyring_free(ring);
}

/* ---- Adopting ---------------------------------------------------------------------------------
 */

static struct kw_keyring_entry *adopt(struct kw_keyring *ring, int64_t keep_ms, uint64_t since,
                                      kw_code expected)
{
    struct kw_keyring_facts facts = {.reference = 7, .version = 1, .region = "eu", .held = true};
    struct kw_keyring_entry *entry = NULL;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    assert_int_equal(kw_secret_alloc(&key, KW_KEYRING_KEY_SIZE, NULL), KW_OK);
    memset(key.data, 9, key.len);
    assert_int_equal(kw_keyring_adopt(ring, &facts, &key, keep_ms, since, &entry, NULL), expected);
    assert_int_equal(key.data == NULL, expected == KW_OK);
    if (entry != NULL)
        assert_int_equal(kw_keyring_key(entry)[31], 9);
    return entry;
}

static void test_adopt_for_nobody(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *entry = adopt(ring, 0, kw_keyring_marker(ring, 7), KW_OK);
    struct kw_keyring_entry *other = adopt(ring, 0, kw_keyring_marker(ring, 7), KW_OK);
    KW_UNUSED(state);
    assert_false(serves(ring, 7, &keep_some));
    assert_int_equal(kw_keyring_stats(ring).entries, 0);
    kw_keyring_drop(ring, 7, KW_TENANT_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(entry), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(other), KW_TENANT_SUSPENDED);
    kw_keyring_release(ring, entry);
    kw_keyring_release(ring, other);
    entry = adopt(ring, 0, kw_keyring_marker(ring, 7), KW_OK);
    kw_keyring_flush(ring);
    assert_int_equal(kw_keyring_refusal(entry), KW_UNAVAILABLE);
    kw_keyring_release(ring, entry);
    kw_keyring_free(ring);
}

/* What was counted under it is told when it is let go: nothing stays behind. */
static void test_adopt_reports(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *entry = adopt(ring, 0, kw_keyring_marker(ring, 7), KW_OK);
    KW_UNUSED(state);
    kw_keyring_count_wraps(entry, 3);
    kw_keyring_release(ring, entry);
    assert_int_equal(source.wraps, 3);
    kw_keyring_free(ring);
}

static void test_adopt_kept(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    kw_keyring_release(ring, adopt(ring, 1000, kw_keyring_marker(ring, 7), KW_OK));
    assert_true(serves(ring, 7, &keep_some));
    assert_false(serves(ring, 7, &keep_none));
    kw_clock_test_offset(1100); /* before the use's own limit */
    assert_false(serves(ring, 7, &keep_some));
    kw_keyring_collect(ring);
    assert_int_equal(kw_keyring_stats(ring).entries, 0);
    kw_keyring_free(ring);
}

/* A key that was dropped since the marker is not adopted; another's drop is no matter. */
static void test_adopt_after_drop(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    uint64_t since = kw_keyring_marker(ring, 7);
    KW_UNUSED(state);
    kw_keyring_drop(ring, 23, KW_KEY_SUSPENDED); /* of the same shard */
    kw_keyring_release(ring, adopt(ring, 0, since, KW_OK));
    kw_keyring_drop(ring, 7, KW_OK);
    assert_null(adopt(ring, 0, since, KW_AGAIN));
    since = kw_keyring_marker(ring, 7);
    kw_keyring_flush(ring);
    assert_null(adopt(ring, 0, since, KW_AGAIN));
    since = kw_keyring_marker(ring, 7);
    for (int i = 0; i < 100; i++) /* more than are remembered: it may have been among them */
        kw_keyring_drop(ring, 23, KW_OK);
    assert_null(adopt(ring, 0, since, KW_AGAIN));
    kw_keyring_release(ring, adopt(ring, 0, kw_keyring_marker(ring, 7), KW_OK));
    kw_keyring_free(ring);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, reset)
    const struct CMUnitTest tests[] = {
        T(test_strict_key),          T(test_strict_ring),
        T(test_strict_key_ends),     T(test_strict_is_not_shortened),
        T(test_strict_fails_closed), T(test_strict_waits_for_the_next),
        T(test_strict_overflow),     T(test_held_serves_its_flight),
        T(test_held_kept),           T(test_adopt_for_nobody),
        T(test_adopt_reports),       T(test_adopt_kept),
        T(test_adopt_after_drop),
    };
    kw_secret_allow_unlocked();
    return cmocka_run_group_tests_name("keyring strict", tests, NULL, NULL);
}

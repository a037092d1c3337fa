/* The keyring: revocation against holders and loads, single flight, and all of it at once. */
#include "keyring_source.h"

/* ---- Revocation -------------------------------------------------------------------------------
 */

static void test_drop(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *held = NULL, *other = NULL;
    KW_UNUSED(state);
    held = get(ring, 7, 1);
    other = get(ring, 23, 1); /* of the same shard */
    touch(ring, 7, 2);
    kw_keyring_drop(ring, 7, KW_TENANT_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(held), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(other), KW_OK);
    assert_false(resident(ring, 7, 1));
    assert_false(resident(ring, 7, 2));
    assert_true(resident(ring, 23, 1));
    kw_keyring_release(ring, held);
    held = get(ring, 7, 1);
    assert_int_equal(kw_keyring_refusal(held), KW_OK);
    kw_keyring_release(ring, held);
    kw_keyring_release(ring, other);
    kw_keyring_free(ring);
}

/* A rotation: the entry leaves, what was begun under it ends well; but a suspension that follows
 * still reaches it. */
static void test_drop_without_refusal(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *held = NULL;
    KW_UNUSED(state);
    held = get(ring, 7, 1);
    kw_keyring_drop(ring, 7, KW_OK);
    assert_false(resident(ring, 7, 1));
    assert_int_equal(kw_keyring_refusal(held), KW_OK);
    kw_keyring_drop(ring, 7, KW_TENANT_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(held), KW_TENANT_SUSPENDED);
    kw_keyring_release(ring, held);
    kw_keyring_free(ring);
}

/* An entry that was evicted, replaced or has expired while somebody held it is revoked like any
 * other. */
static void test_drop_reaches_what_has_left(void **state)
{
    struct kw_keyring *ring = open_ring(1, 1000, 0); /* room for one entry a shard */
    struct kw_keyring_entry *evicted = NULL, *replaced = NULL, *expired = NULL;
    KW_UNUSED(state);
    evicted = get(ring, 16, 1);
    touch(ring, 32, 1);
    assert_false(resident(ring, 16, 1));
    replaced = get(ring, 17, 1);
    expired = get(ring, 18, 1);
    kw_clock_test_offset(2500);
    touch(ring, 17, 1);
    kw_keyring_collect(ring);
    assert_int_equal(kw_keyring_stats(ring).entries, 1); /* 17, loaded anew */
    kw_keyring_drop(ring, 16, KW_KEY_SUSPENDED);
    kw_keyring_drop(ring, 17, KW_KEY_PENDING);
    assert_int_equal(kw_keyring_refusal(evicted), KW_KEY_SUSPENDED);
    assert_int_equal(kw_keyring_refusal(replaced), KW_KEY_PENDING);
    assert_int_equal(kw_keyring_refusal(expired), KW_OK);
    kw_keyring_flush(ring);
    assert_int_equal(kw_keyring_refusal(expired), KW_UNAVAILABLE);
    kw_keyring_release(ring, evicted);
    kw_keyring_release(ring, replaced);
    kw_keyring_release(ring, expired);
    kw_keyring_free(ring);
}

/* A load that began before a drop is done again; one of another key is left alone. */
static void test_drop_during_load(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter g = {.code = KW_INTERNAL}, other = {.code = KW_INTERNAL};
    KW_UNUSED(state);
    source.gate = true;
    start_at_gate(&g, 7);
    start_at_gate(&other, 23);
    kw_keyring_drop(ring, 7, KW_TENANT_SUSPENDED);
    source.gate = false;
    pthread_join(g.thread, NULL);
    pthread_join(other.thread, NULL);
    assert_int_equal(g.code, KW_OK);
    assert_int_equal(g.load_number, 3);
    assert_int_equal(g.refusal, KW_OK);
    assert_int_equal(other.load_number, 2);
    assert_int_equal(source.loads, 3);
    kw_keyring_free(ring);
}

/* Nor does a failure from before a drop reach anybody: who asks after a resumption is not told of
 * the suspension. */
static void test_stale_failure(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter g = {.code = KW_INTERNAL};
    KW_UNUSED(state);
    source.gate = true;
    source.fail_with = KW_TENANT_SUSPENDED;
    source.fail_once = true;
    start_at_gate(&g, 7);
    kw_keyring_drop(ring, 7, KW_OK); /* resumed */
    source.gate = false;
    pthread_join(g.thread, NULL);
    assert_int_equal(g.code, KW_OK);
    kw_keyring_free(ring);
}

enum { CROWD = 32 };

static void test_single_flight(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter crowd[CROWD] = {0};
    KW_UNUSED(state);
    source.gate = true;
    start_at_gate(&crowd[0], 7);
    for (size_t i = 1; i < CROWD; i++) {
        crowd[i].reference = 7;
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, get_one, &crowd[i]), 0);
    }
    source.gate = false;
    for (size_t i = 0; i < CROWD; i++) {
        pthread_join(crowd[i].thread, NULL);
        assert_int_equal(crowd[i].code, KW_OK);
        assert_int_equal(crowd[i].load_number, 1);
    }
    assert_int_equal(source.loads, 1);
    kw_keyring_free(ring);
}

/* A shared failure is everybody's, and the ring is none the worse for it. */
static void test_single_flight_fails(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter crowd[CROWD] = {0};
    KW_UNUSED(state);
    source.gate = true;
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    start_at_gate(&crowd[0], 7);
    for (size_t i = 1; i < CROWD; i++) {
        crowd[i].reference = 7;
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, get_one, &crowd[i]), 0);
    }
    source.gate = false;
    for (size_t i = 0; i < CROWD; i++) {
        pthread_join(crowd[i].thread, NULL);
        assert_int_equal(crowd[i].code, KW_PROVIDER_UNAVAILABLE);
    }
    source.fail_with = KW_OK;
    touch(ring, 7, 1);
    kw_keyring_free(ring);
}

/* ---- All at once ------------------------------------------------------------------------------
 */

static atomic_bool stop;

/* Every way in at once: uses with short and long ages, loads ahead of time, keys that are adopted.
 */
static void use_otherwise(uint64_t reference, unsigned dice)
{
    static const struct kw_keyring_age brief = {.ttl_ms = 1, .hard_ttl_ms = 3, .held_ms = 2};
    struct kw_keyring_facts facts = {.reference = reference, .version = 2, .held = true};
    struct kw_keyring_entry *entry = NULL;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    uint64_t since = kw_keyring_marker(source.ring, reference);
    if (dice % 4 == 0)
        (void)!kw_keyring_refresh(source.ring, reference, 1, NULL);
    if (dice % 4 == 1)
        (void)!kw_keyring_get(source.ring, reference, 2, &brief, &entry, NULL);
    if (dice % 4 == 2 && kw_secret_alloc(&key, KW_KEYRING_KEY_SIZE, NULL) == KW_OK)
        (void)!kw_keyring_adopt(source.ring, &facts, &key, dice % 3, since, &entry, NULL);
    if (dice % 4 == 3)
        entry = kw_keyring_find(source.ring, reference, 2, &brief);
    if (entry != NULL)
        kw_keyring_count_unwraps(entry, 1);
    kw_keyring_release(source.ring, entry);
}

static void *hammer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        struct kw_keyring_entry *entry = NULL;
        seed = seed * 1103515245U + 12345U;
        uint64_t reference = 1 + (seed >> 16) % 200;
        use_otherwise(reference, seed >> 8);
        if (kw_keyring_get(source.ring, reference, 1, NULL, &entry, NULL) != KW_OK)
            continue;
        kw_keyring_count_wraps(entry, 1);
        kw_keyring_refusal(entry);
        kw_keyring_release(source.ring, entry);
    }
    return NULL;
}

static void test_hammer(void **state)
{
    struct kw_keyring *ring = open_ring(100 * 500, 5, 0);
    pthread_t threads[4];
    KW_UNUSED(state);
    stop = false;
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
    for (uint64_t i = 0; i < 2000; i++) {
        kw_keyring_drop(ring, 1 + i % 200, i % 3 == 0 ? KW_OK : KW_KEY_SUSPENDED);
        if (i % 50 == 0)
            kw_keyring_collect(ring);
        if (i % 400 == 0)
            kw_keyring_flush(ring);
        if (i % 40 == 0)
            kw_keyring_strict(ring, i % 80 == 0 ? 0 : i % 200, kw_clock_ms() + 2);
        kw_keyring_pressure(ring, "eu", (unsigned)i);
        source.fail_with = i % 10 == 0 ? KW_TIMEOUT : i % 10 == 1 ? KW_KEY_SUSPENDED : KW_OK;
        usleep(50);
    }
    stop = true;
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(kw_keyring_stats(ring).loads, source.loads);
    kw_keyring_flush(ring);
    assert_int_equal(kw_keyring_stats(ring).bytes, 0);
    kw_keyring_free(ring);
    assert_true(source.wraps > 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, reset)
    const struct CMUnitTest tests[] = {
        T(test_drop),
        T(test_drop_without_refusal),
        T(test_drop_reaches_what_has_left),
        T(test_drop_during_load),
        T(test_stale_failure),
        T(test_single_flight),
        T(test_single_flight_fails),
        T(test_hammer),
    };
    kw_secret_allow_unlocked();
    return cmocka_run_group_tests_name("keyring revocation", tests, NULL, NULL);
}

/* The keyring: how long an entry serves a use, by class, custody, pressure and outage, and what is
 * loaded ahead of time. */
#include "keyring_source.h"

static const struct kw_keyring_age slow = {.ttl_ms = 10000, .hard_ttl_ms = 60000};
static const struct kw_keyring_age quick = {.ttl_ms = 1000, .hard_ttl_ms = 5000};

static void at(int64_t ms)
{
    kw_clock_test_offset(ms);
}

/* One entry serves each use as long as that use allows. */
static void test_by_use(void **state)
{
    struct kw_keyring *ring = open_ring(0, 2000, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    at(900);
    assert_true(serves(ring, 7, &quick));
    at(1500);
    assert_false(serves(ring, 7, &quick));
    assert_true(serves(ring, 7, NULL));
    at(2500);
    assert_false(serves(ring, 7, NULL));
    assert_true(serves(ring, 7, &slow));
    at(10500);
    assert_false(serves(ring, 7, &slow));
    assert_int_equal(source.loads, 1);
    kw_keyring_free(ring);
}

/* A ttl of nothing: every use is a load; a hard time below the ttl is the ttl. */
static void test_odd_ages(void **state)
{
    static const struct kw_keyring_age none = {.ttl_ms = 0, .hard_ttl_ms = 0};
    static const struct kw_keyring_age reversed = {.ttl_ms = 3000, .hard_ttl_ms = 1000};
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(get_code(ring, 7, &none), KW_OK);
        assert_int_equal(source.loads, i);
    }
    kw_keyring_pressure(ring, "eu", 1000);
    at(2500);
    assert_true(serves(ring, 7, &reversed));
    at(3500);
    assert_false(serves(ring, 7, &reversed));
    kw_keyring_free(ring);
}

/* Between ttl and hard, in proportion, by region; never beyond. */
static void test_pressure(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    kw_keyring_pressure(ring, "eu", 500);
    at(34000);
    assert_true(serves(ring, 7, &slow));
    at(36000);
    assert_false(serves(ring, 7, &slow));
    kw_keyring_pressure(ring, "eu", 5000); /* no more than all of it */
    assert_int_equal(kw_keyring_stats(ring).pressure, 1000);
    at(59000);
    assert_true(serves(ring, 7, &slow));
    at(61000);
    assert_false(serves(ring, 7, &slow));
    at(36000);
    kw_keyring_pressure(ring, "us", 800);
    kw_keyring_pressure(ring, "eu", 0);
    assert_false(serves(ring, 7, &slow));
    assert_int_equal(kw_keyring_stats(ring).pressure, 800);
    kw_keyring_free(ring);
}

/* More regions than have a place: those that found none are never stretched. */
static void test_regions_beyond_room(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    char name[KW_KEYRING_REGION_SIZE];
    KW_UNUSED(state);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "r%u", i);
        kw_keyring_pressure(ring, name, 1000);
    }
    touch(ring, 7, 1); /* eu is the 101st */
    kw_keyring_pressure(ring, "eu", 1000);
    at(10500);
    assert_false(serves(ring, 7, &slow));
    kw_keyring_free(ring);
}

/* What the key's custody allows binds every use; pressure on our side does not stretch it. */
static void test_custody_caps(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    source.facts = (struct kw_keyring_facts){.ttl_max_ms = 1000, .hard_ttl_max_ms = 30000};
    touch(ring, 7, 1);
    kw_keyring_pressure(ring, "eu", 1000);
    at(900);
    assert_true(serves(ring, 7, &slow));
    at(1100);
    assert_false(serves(ring, 7, &slow));
    source.fail_with = KW_CUSTOMER_UNAVAILABLE;
    assert_int_equal(get_code(ring, 7, &slow), KW_OK);
    at(29000);
    assert_int_equal(get_code(ring, 7, &slow), KW_OK);
    at(30500);
    assert_int_equal(get_code(ring, 7, &slow), KW_CUSTOMER_UNAVAILABLE);
    assert_int_equal(kw_keyring_stats(ring).entries, 1);
    kw_keyring_collect(ring);
    assert_int_equal(kw_keyring_stats(ring).entries, 0); /* its bytes do not stay longer */
    kw_keyring_free(ring);
}

static void test_hard_cap_alone(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    source.facts = (struct kw_keyring_facts){.hard_ttl_max_ms = 4000};
    touch(ring, 7, 1);
    at(3900);
    assert_true(serves(ring, 7, &slow));
    at(4100);
    assert_false(serves(ring, 7, &slow));
    kw_keyring_free(ring);
}

/* ---- Outages ----------------------------------------------------------------------------------
 */

/* One retry a second, whoever asks with whatever age: the others are served, or fail, at once. */
static void test_one_retry_a_second(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    source.fail_with = KW_PROVIDER_UNAVAILABLE;
    at(20000);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(get_code(ring, 7, &slow), KW_OK);
        assert_int_equal(get_code(ring, 7, &quick), KW_PROVIDER_UNAVAILABLE);
    }
    assert_int_equal(source.loads, 2);
    assert_true(serves(ring, 7, &slow));
    assert_true(kw_keyring_stats(ring).outlived >= 51);
    at(21100);
    assert_int_equal(get_code(ring, 7, &quick), KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(get_code(ring, 7, &slow), KW_OK);
    assert_int_equal(source.loads, 3);
    source.fail_with = KW_OK;
    at(22200);
    assert_int_equal(get_code(ring, 7, &quick), KW_OK);
    assert_int_equal(source.loads, 4);
    kw_keyring_free(ring);
}

/* While the retry hangs, uses that the old entry may still serve do not wait for it. */
static void test_retry_holds_up_nobody(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter g = {.age = &slow};
    KW_UNUSED(state);
    touch(ring, 7, 1);
    source.fail_with = KW_TIMEOUT;
    at(20000);
    assert_int_equal(get_code(ring, 7, &slow), KW_OK);
    at(22000);
    source.gate = true;
    start_at_gate(&g, 7);
    for (int i = 0; i < 10; i++)
        assert_int_equal(get_code(ring, 7, &slow), KW_OK);
    source.gate = false;
    pthread_join(g.thread, NULL);
    assert_int_equal(g.code, KW_OK);
    assert_int_equal(source.loads, 3);
    kw_keyring_free(ring);
}

/* Each passenger of a flight that failed is judged by its own age. */
static void test_failed_flight_by_age(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter leader = {.age = &slow}, other = {.age = &quick};
    KW_UNUSED(state);
    touch(ring, 7, 1);
    at(20000);
    source.fail_with = KW_TIMEOUT;
    source.gate = true;
    start_at_gate(&leader, 7);
    start_waiting(&other, 7);
    source.gate = false;
    pthread_join(leader.thread, NULL);
    pthread_join(other.thread, NULL);
    assert_int_equal(leader.code, KW_OK);
    assert_int_equal(leader.load_number, 1);
    assert_int_equal(other.code, KW_TIMEOUT);
    assert_int_equal(source.loads, 2);
    kw_keyring_free(ring);
}

static void refused_for_good(kw_code code, bool dropped)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct kw_keyring_entry *held = get(ring, 7, 1);
    source.fail_with = (int)code;
    at(1500);
    kw_code got = get_code(ring, 7, &quick);
    assert_int_equal(got, dropped ? code : KW_OK);
    assert_int_equal(kw_keyring_refusal(held), dropped ? code : KW_OK);
    assert_int_equal(serves(ring, 7, &slow), !dropped);
    kw_keyring_release(ring, held);
    kw_keyring_free(ring);
    at(0);
}

/* What is refused for good does not serve on for those who would still think it fresh; what fails
 * for now, or within this process, is no revocation. */
static void test_what_is_a_refusal(void **state)
{
    KW_UNUSED(state);
    refused_for_good(KW_KEY_SUSPENDED, true);
    refused_for_good(KW_CUSTOMER_REFUSED, true);
    refused_for_good(KW_FORBIDDEN, true);
    refused_for_good(KW_REGION_WALL, true);
    refused_for_good(KW_KEY_NOT_FOUND, true);
    refused_for_good(KW_COMMITMENT, true);
    refused_for_good(KW_UNAUTHENTICATED, true);
    refused_for_good(KW_PROVIDER_UNAVAILABLE, false);
    refused_for_good(KW_RATE_LIMITED, false);
    refused_for_good(KW_STORE_UNAVAILABLE, false);
    refused_for_good(KW_NO_MEMORY, false);
    refused_for_good(KW_NO_SECURE_MEMORY, false);
    refused_for_good(KW_INTERNAL, false);
}

/* ---- Ahead of time ----------------------------------------------------------------------------
 */

static void test_stale_once(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    at(4900);
    assert_true(serves(ring, 7, &slow));
    assert_int_equal(source.stales, 0);
    at(5100);
    for (int i = 0; i < 10; i++)
        assert_true(serves(ring, 7, &slow));
    assert_int_equal(source.stales, 1);
    assert_int_equal(kw_keyring_refresh(ring, 7, 1, NULL), KW_OK);
    assert_int_equal(source.loads, 2);
    assert_int_equal(kw_keyring_stats(ring).refreshes, 1);
    at(5100 + 9900);
    assert_int_equal(get_code(ring, 7, &slow), KW_OK); /* a get tells as well */
    assert_int_equal(source.loads, 2);
    assert_int_equal(source.stales, 2);
    kw_keyring_free(ring);
}

/* Under pressure it is the end of the stretched time: its last eighth. */
static void test_stale_under_pressure(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    kw_keyring_pressure(ring, "eu", 1000);
    at(50000);
    assert_true(serves(ring, 7, &slow));
    assert_int_equal(source.stales, 0);
    at(53500);
    assert_true(serves(ring, 7, &slow));
    assert_int_equal(source.stales, 1);
    kw_keyring_free(ring);
}

/* A short time: half of it, so that there is time to load. */
static void test_stale_of_brief(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    at(300);
    assert_true(serves(ring, 7, &quick));
    assert_int_equal(source.stales, 0);
    at(600);
    assert_true(serves(ring, 7, &quick));
    assert_int_equal(source.stales, 1);
    kw_keyring_free(ring);
}

static void test_refresh_of_what_has_left(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    assert_int_equal(kw_keyring_refresh(ring, 7, 1, NULL), KW_OK);
    touch(ring, 7, 1);
    kw_keyring_drop(ring, 7, KW_KEY_SUSPENDED);
    assert_int_equal(kw_keyring_refresh(ring, 7, 1, NULL), KW_OK);
    assert_int_equal(source.loads, 1);
    kw_keyring_free(ring);
}

/* A refresh that fails for now costs nobody anything, and is asked for again a second later; one
 * that is refused drops the key. */
static void test_refresh_fails(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    KW_UNUSED(state);
    touch(ring, 7, 1);
    at(6000);
    assert_true(serves(ring, 7, &slow));
    source.fail_with = KW_TIMEOUT;
    assert_int_equal(kw_keyring_refresh(ring, 7, 1, NULL), KW_TIMEOUT);
    assert_true(serves(ring, 7, &slow));
    assert_int_equal(source.stales, 1);
    at(7100);
    assert_true(serves(ring, 7, &slow));
    assert_int_equal(source.stales, 2);
    source.fail_with = KW_CUSTOMER_REFUSED;
    assert_int_equal(kw_keyring_refresh(ring, 7, 1, NULL), KW_CUSTOMER_REFUSED);
    assert_false(serves(ring, 7, &slow));
    kw_keyring_free(ring);
}

static void *refresh_one(void *arg)
{
    struct getter *g = arg;
    g->code = kw_keyring_refresh(source.ring, g->reference, 1, NULL);
    return NULL;
}

static void start_refresh(struct getter *g, uint64_t reference)
{
    unsigned before = atomic_load(&source.waiting);
    g->reference = reference;
    assert_int_equal(pthread_create(&g->thread, NULL, refresh_one, g), 0);
    while (atomic_load(&source.waiting) == before)
        usleep(100);
}

/* While it is loaded anew the old one serves; who needs the new one shares the load. */
static void test_refresh_shares_the_flight(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter refresher = {.code = KW_INTERNAL}, g = {.age = &quick};
    KW_UNUSED(state);
    touch(ring, 7, 1);
    at(6000);
    source.gate = true;
    start_refresh(&refresher, 7);
    assert_true(serves(ring, 7, &slow));
    assert_int_equal(kw_keyring_refresh(ring, 7, 1, NULL), KW_OK); /* is under way */
    start_waiting(&g, 7);
    source.gate = false;
    pthread_join(refresher.thread, NULL);
    pthread_join(g.thread, NULL);
    assert_int_equal(refresher.code, KW_OK);
    assert_int_equal(g.code, KW_OK);
    assert_int_equal(g.load_number, 2);
    assert_int_equal(source.loads, 2);
    kw_keyring_free(ring);
}

/* A key that is dropped while it is refreshed does not come back by that. */
static void test_drop_during_refresh(void **state)
{
    struct kw_keyring *ring = open_ring(0, 0, 0);
    struct getter refresher = {.code = KW_INTERNAL};
    KW_UNUSED(state);
    touch(ring, 7, 1);
    source.gate = true;
    start_refresh(&refresher, 7);
    kw_keyring_flush(ring);
    source.gate = false;
    pthread_join(refresher.thread, NULL);
    assert_int_equal(refresher.code, KW_OK);
    assert_int_equal(kw_keyring_stats(ring).entries, 0);
    assert_int_equal(source.loads, 2);
    kw_keyring_free(ring);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, reset)
    const struct CMUnitTest tests[] = {
        T(test_by_use),
        T(test_odd_ages),
        T(test_pressure),
        T(test_regions_beyond_room),
        T(test_custody_caps),
        T(test_hard_cap_alone),
        T(test_one_retry_a_second),
        T(test_retry_holds_up_nobody),
        T(test_failed_flight_by_age),
        T(test_what_is_a_refusal),
        T(test_stale_once),
        T(test_stale_under_pressure),
        T(test_stale_of_brief),
        T(test_refresh_of_what_has_left),
        T(test_refresh_fails),
        T(test_refresh_shares_the_flight),
        T(test_drop_during_refresh),
    };
    kw_secret_allow_unlocked();
    return cmocka_run_group_tests_name("keyring ages", tests, NULL, NULL);
}

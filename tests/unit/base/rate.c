/* Token buckets: burst, refill, keys apart, costs, bounded memory. */
#include "base/rate.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_rate *rate_of(uint32_t per_second, uint32_t burst)
{
    struct kw_rate *rate = NULL;
    struct kw_error err;
    assert_int_equal(kw_rate_new(per_second, burst, &rate, &err), KW_OK);
    return rate;
}

/* The clock is real, so a taking loop may see a little refill: bounds, not exact counts. */
static unsigned taken(struct kw_rate *rate, uint64_t key, unsigned tries)
{
    unsigned granted = 0;
    for (unsigned i = 0; i < tries; i++)
        granted += kw_rate_take(rate, key, 1);
    return granted;
}

static void burst_then_no_more(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_PTR(kw_rate) rate = rate_of(1, 10);
    assert_int_equal(taken(rate, 7, 10), 10);
    assert_true(taken(rate, 7, 1000) <= 1);
}

static void refill_with_time(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_PTR(kw_rate) rate = rate_of(5, 10);
    assert_int_equal(taken(rate, 7, 10), 10);
    kw_clock_test_offset(1000);
    unsigned granted = taken(rate, 7, 100);
    kw_clock_test_offset(0);
    assert_in_range(granted, 5, 6);
}

static void keys_do_not_touch(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_PTR(kw_rate) rate = rate_of(1, 10);
    uint64_t acme = kw_rate_key("acme");
    uint64_t globex = kw_rate_key("globex");
    assert_true(acme != globex);
    taken(rate, acme, 100);
    assert_int_equal(taken(rate, globex, 10), 10);
}

static void a_large_cost_empties_a_full_bucket(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_PTR(kw_rate) rate = rate_of(1, 10);
    assert_true(kw_rate_take(rate, 7, 1000));
    assert_false(kw_rate_take(rate, 7, 1000));
    assert_false(kw_rate_take(rate, 7, 2));
}

/* A busy key is not forgotten because many idle ones come by. */
static void the_busy_one_is_remembered(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_PTR(kw_rate) rate = rate_of(1, 100);
    assert_true(kw_rate_take(rate, 42, 100));
    for (uint64_t other = 1000; other < 200000; other++)
        kw_rate_take(rate, other, 1);
    assert_false(kw_rate_take(rate, 42, 50));
}

static void no_limit(void **state)
{
    KW_UNUSED(state);
    struct kw_rate *rate = NULL;
    struct kw_error err;
    assert_true(kw_rate_take(NULL, 1, 1000000));
    assert_int_equal(kw_rate_new(0, 0, &rate, &err), KW_USAGE);
    assert_null(rate);
    kw_rate_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_no_more),
        cmocka_unit_test(refill_with_time),
        cmocka_unit_test(keys_do_not_touch),
        cmocka_unit_test(a_large_cost_empties_a_full_bucket),
        cmocka_unit_test(the_busy_one_is_remembered),
        cmocka_unit_test(no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

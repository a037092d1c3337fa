/* A clock that leaps must not end a destruction's window. */
#include "authority/due.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const int64_t hour = 3600 * 1000LL;
static const int64_t day = 24 * 3600 * 1000LL;

static void test_follows_the_wall_clock(void **state)
{
    struct kw_due_clock clock;
    (void)state;
    kw_due_clock_start(&clock, 1000 * day, 5);
    assert_int_equal(kw_due_clock_read(&clock, 1000 * day + 7, 12), 1000 * day + 7);
    assert_int_equal(kw_due_clock_read(&clock, 1030 * day, 5 + 30 * day), 1030 * day);
    assert_int_equal(kw_due_clock_read(&clock, 1030 * day + hour, 5 + 30 * day), 1030 * day + hour);
    assert_false(clock.leapt);
}

static void test_put_back_is_later(void **state)
{
    struct kw_due_clock clock;
    (void)state;
    kw_due_clock_start(&clock, 1000 * day, 0);
    assert_int_equal(kw_due_clock_read(&clock, 900 * day, hour), 900 * day);
    assert_false(clock.leapt);
    assert_int_equal(kw_due_clock_read(&clock, 1000 * day + 2 * hour, 2 * hour),
                     1000 * day + 2 * hour);
}

static void test_leap_is_held_for_a_day(void **state)
{
    struct kw_due_clock clock;
    (void)state;
    kw_due_clock_start(&clock, 1000 * day, 0);
    assert_int_equal(kw_due_clock_read(&clock, 1008 * day, 10), 1000 * day + 10);
    assert_true(clock.leapt);
    assert_int_equal(kw_due_clock_read(&clock, 1009 * day - 1, day), 1001 * day);
    assert_int_equal(kw_due_clock_read(&clock, 1009 * day + 10, day + 10), 1009 * day + 10);
    assert_false(clock.leapt);
    assert_int_equal(kw_due_clock_read(&clock, 1010 * day + 10, 2 * day + 10), 1010 * day + 10);
}

static void test_leap_that_is_set_right(void **state)
{
    struct kw_due_clock clock;
    (void)state;
    kw_due_clock_start(&clock, 1000 * day, 0);
    assert_int_equal(kw_due_clock_read(&clock, 1008 * day, 10), 1000 * day + 10);
    assert_int_equal(kw_due_clock_read(&clock, 1000 * day + 20, 20), 1000 * day + 20);
    assert_false(clock.leapt);
    /* The day counts from the next leap. */
    assert_int_equal(kw_due_clock_read(&clock, 1010 * day, 2 * day), 1002 * day);
    assert_int_equal(kw_due_clock_read(&clock, 1011 * day - 1, 3 * day - 1), 1003 * day - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows_the_wall_clock),
        cmocka_unit_test(test_put_back_is_later),
        cmocka_unit_test(test_leap_is_held_for_a_day),
        cmocka_unit_test(test_leap_that_is_set_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

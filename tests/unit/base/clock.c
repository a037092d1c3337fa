/* Clocks: their order, their test offset, and the text of a time. */
#include "base/clock.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void monotonic_never_goes_back(void **state)
{
    KW_UNUSED(state);
    int64_t last = kw_clock_us();
    for (int i = 0; i < 10000; i++) {
        int64_t now = kw_clock_us();
        assert_true(now >= last);
        last = now;
    }
}

static void wall_time_is_of_this_age(void **state)
{
    KW_UNUSED(state);
    assert_true(kw_clock_wall_ms() > INT64_C(1704067200000)); /* 2024 */
    assert_true(kw_clock_wall_ms() < INT64_C(4102444800000)); /* 2100 */
}

/* An hour is far more than a test can be delayed by, and the offset is exact beneath. */
static void offset_moves_both(void **state)
{
    KW_UNUSED(state);
    const int64_t hour = 3600 * 1000;
    int64_t wall = kw_clock_wall_ms();
    int64_t mono = kw_clock_ms();
    kw_clock_test_offset(10 * hour);
    int64_t wall_moved = kw_clock_wall_ms() - wall;
    int64_t mono_moved = kw_clock_ms() - mono;
    kw_clock_test_offset(0);
    assert_true(wall_moved >= 9 * hour && wall_moved < 11 * hour);
    assert_true(mono_moved >= 9 * hour && mono_moved < 11 * hour);
    assert_true(kw_clock_ms() - mono < 9 * hour);
}

static void texts(void **state)
{
    KW_UNUSED(state);
    static const struct {
        int64_t ms;
        const char *text;
    } known[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59.000Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1795301320123, "2026-11-21T22:48:40.123Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
    };
    char text[KW_TIME_TEXT_SIZE];
    for (size_t i = 0; i < KW_COUNT(known); i++)
        assert_string_equal(kw_time_text(known[i].ms, text), known[i].text);
}

static void times_without_a_text_stay_in_their_room(void **state)
{
    KW_UNUSED(state);
    static const int64_t odd[] = {INT64_MAX, INT64_MIN, 253402300800000, -99999999999999};
    for (size_t i = 0; i < KW_COUNT(odd); i++) {
        char text[KW_TIME_TEXT_SIZE + 8];
        memset(text, 'x', sizeof text);
        kw_time_text(odd[i], text);
        assert_true(strlen(text) < KW_TIME_TEXT_SIZE);
        assert_memory_equal(text + KW_TIME_TEXT_SIZE, "xxxxxxxx", 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_never_goes_back),
        cmocka_unit_test(wall_time_is_of_this_age),
        cmocka_unit_test(offset_moves_both),
        cmocka_unit_test(texts),
        cmocka_unit_test(times_without_a_text_stay_in_their_room),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}

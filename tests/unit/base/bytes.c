/* Buffers: growth, the hard maximum, the failed state, wiping, and big-endian integers. */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void appends_and_grows(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    for (size_t i = 0; i < 10000; i++)
        kw_buf_append_byte(&buf, (uint8_t)(i * 7));
    assert_int_equal(buf.len, 10000);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(buf.data[i], (uint8_t)(i * 7));
    kw_buf_append(&buf, NULL, 0);
    kw_buf_append_str(&buf, "end");
    assert_int_equal(buf.len, 10003);
    assert_int_equal(kw_buf_status(&buf, NULL), KW_OK);
}

static void str_terminates_without_counting(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    assert_string_equal(kw_buf_str(&buf), "");
    for (size_t len = 1; len < 300; len++) {
        kw_buf_append_byte(&buf, 'x');
        assert_int_equal(strlen(kw_buf_str(&buf)), len);
        assert_int_equal(buf.len, len);
    }
}

static void printf_appends(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    kw_buf_printf(&buf, "%s-%d", "a", 17);
    kw_buf_printf(&buf, "%s", "");
    kw_buf_printf(&buf, "%0500d", 1);
    assert_int_equal(buf.len, 504);
    assert_memory_equal(kw_buf_str(&buf), "a-17000", 7);
}

static void maximum_holds_and_failure_stays(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = {.max = 100};
    for (int i = 0; i < 10; i++)
        kw_buf_append_str(&buf, "0123456789");
    assert_int_equal(kw_buf_room(&buf), 0);
    assert_int_equal(kw_buf_status(&buf, NULL), KW_OK);
    kw_buf_append_byte(&buf, 'x');
    struct kw_error err;
    assert_int_equal(kw_buf_status(&buf, &err), KW_TOO_LARGE);
    assert_string_equal(err.text, "more than 100 bytes");
    assert_int_equal(buf.len, 100);
    assert_null(kw_buf_reserve(&buf, 0));
    assert_string_equal(kw_buf_str(&buf), "");
    kw_buf_reset(&buf);
    assert_int_equal(kw_buf_status(&buf, NULL), KW_OK);
    kw_buf_append_str(&buf, "again");
    assert_string_equal(kw_buf_str(&buf), "again");
}

/* One append far over the maximum is too large also while the buffer is empty. */
static void too_large_is_told_from_no_memory(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = {.max = 100};
    assert_null(kw_buf_reserve(&buf, SIZE_MAX));
    assert_int_equal(kw_buf_status(&buf, NULL), KW_TOO_LARGE);
    KW_AUTO(kw_buf) plain = KW_BUF_INIT;
    assert_null(kw_buf_reserve(&plain, (size_t)KW_BUF_MAX + 1));
    assert_int_equal(kw_buf_status(&plain, NULL), KW_TOO_LARGE);
}

static void maximum_below_the_content_takes_nothing(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    kw_buf_append_str(&buf, "0123456789");
    buf.max = 5;
    assert_int_equal(kw_buf_room(&buf), 0);
    assert_null(kw_buf_reserve(&buf, 1));
}

static void consume_moves_the_rest(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_SECRET;
    kw_buf_append_str(&buf, "0123456789");
    kw_buf_consume(&buf, 4);
    assert_string_equal(kw_buf_str(&buf), "456789");
    const uint8_t zeros[3] = {0};
    assert_memory_equal(buf.data + 7, zeros, 3); /* kw_buf_str put a NUL at 6 */
    kw_buf_consume(&buf, 0);
    assert_int_equal(buf.len, 6);
    kw_buf_consume(&buf, 100);
    assert_int_equal(buf.len, 0);
}

static void secret_buffer_is_wiped_on_reset(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_SECRET;
    kw_buf_append_str(&buf, "canary-canary-canary");
    kw_buf_reset(&buf);
    const uint8_t zeros[20] = {0};
    assert_memory_equal(buf.data, zeros, sizeof zeros);
}

static void wipe_leaves_it_usable(void **state)
{
    KW_UNUSED(state);
    struct kw_buf buf = {.secret = true, .max = 64};
    kw_buf_append_str(&buf, "canary");
    kw_buf_wipe(&buf);
    assert_null(buf.data);
    assert_true(buf.secret);
    assert_int_equal(buf.max, 64);
    kw_buf_append_str(&buf, "x");
    assert_int_equal(buf.len, 1);
    kw_buf_wipe(&buf);
    kw_buf_wipe(&buf);
}

static void secret_buffer_keeps_content_when_it_moves(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_SECRET;
    for (size_t i = 0; i < 5000; i++)
        kw_buf_append_byte(&buf, (uint8_t)i);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(buf.data[i], (uint8_t)i);
}

static void bytes_compare(void **state)
{
    KW_UNUSED(state);
    assert_true(kw_bytes_equal(kw_bytes(NULL, 0), kw_bytes_str("")));
    assert_true(kw_bytes_equal_str(kw_bytes("abc", 3), "abc"));
    assert_false(kw_bytes_equal_str(kw_bytes("abc", 2), "abc"));
    assert_false(kw_bytes_equal_str(kw_bytes("abd", 3), "abc"));
}

static void integers_are_big_endian(void **state)
{
    KW_UNUSED(state);
    uint8_t out[8];
    kw_put_u64(out, 0x0102030405060708ULL);
    assert_memory_equal(out, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t v = 1ULL << bit;
        kw_put_u64(out, v);
        assert_true(kw_get_u64(out) == v);
        kw_put_u32(out, (uint32_t)v);
        assert_int_equal(kw_get_u32(out), (uint32_t)v);
        kw_put_u16(out, (uint16_t)v);
        assert_int_equal(kw_get_u16(out), (uint16_t)v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_grows),
        cmocka_unit_test(str_terminates_without_counting),
        cmocka_unit_test(printf_appends),
        cmocka_unit_test(maximum_holds_and_failure_stays),
        cmocka_unit_test(too_large_is_told_from_no_memory),
        cmocka_unit_test(maximum_below_the_content_takes_nothing),
        cmocka_unit_test(consume_moves_the_rest),
        cmocka_unit_test(secret_buffer_is_wiped_on_reset),
        cmocka_unit_test(wipe_leaves_it_usable),
        cmocka_unit_test(secret_buffer_keeps_content_when_it_moves),
        cmocka_unit_test(bytes_compare),
        cmocka_unit_test(integers_are_big_endian),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}

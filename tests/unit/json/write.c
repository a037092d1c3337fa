/* Writing JSON: exact bytes, escapes, nesting, and that what is written reads back. */
#include "json/write.h"

#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void every_kind_of_value(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&buf);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "id", "acme");
    kw_json_begin(&w, "list", '[');
    kw_json_int(&w, NULL, INT64_MIN);
    kw_json_int(&w, NULL, 0);
    kw_json_uint(&w, NULL, UINT64_MAX);
    kw_json_begin(&w, NULL, '{');
    kw_json_end(&w);
    kw_json_begin(&w, NULL, '[');
    kw_json_end(&w);
    kw_json_end(&w);
    kw_json_bool(&w, "t", true);
    kw_json_bool(&w, "f", false);
    kw_json_null(&w, "n");
    kw_json_base64(&w, "b", kw_bytes("\xff\x00", 2));
    kw_json_hex(&w, "h", kw_bytes("\xff\x00", 2));
    kw_json_raw(&w, "r", kw_bytes_str("[1]"));
    kw_json_end(&w);
    assert_int_equal(kw_buf_status(&buf, NULL), KW_OK);
    assert_string_equal(
        kw_buf_str(&buf),
        "{\"id\":\"acme\",\"list\":[-9223372036854775808,0,18446744073709551615,{},[]],"
        "\"t\":true,\"f\":false,\"n\":null,\"b\":\"/wA=\",\"h\":\"ff00\",\"r\":[1]}");
}

static void escapes(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&buf);
    kw_json_strn(&w, NULL, kw_bytes("a\"\\/\b\f\n\r\t\x00\x01\x1f\x7f\xc3\xa9", 15));
    assert_string_equal(kw_buf_str(&buf),
                        "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u001f\x7f\xc3\xa9\"");
}

static void invalid_utf8_becomes_the_replacement_character(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&buf);
    kw_json_str(&w, NULL, "a\x80z\xed\xa0\x80\xc3");
    assert_string_equal(kw_buf_str(&buf), "\"a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                          "\xef\xbf\xbd\"");
}

static void all_bytes_read_back(void **state)
{
    KW_UNUSED(state);
    char text[0x80];
    for (int i = 0; i < 0x80; i++)
        text[i] = (char)i;
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&buf);
    kw_json_strn(&w, NULL, kw_bytes(text, sizeof text));
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    assert_int_equal(kw_json_parse(&doc, kw_buf_bytes(&buf), NULL), KW_OK);
    assert_int_equal(doc.root->len, sizeof text);
    assert_memory_equal(doc.root->text, text, sizeof text);
}

static void depth_is_bounded(void **state)
{
    KW_UNUSED(state);
    for (int depth = 63; depth <= 64; depth++) {
        KW_AUTO(kw_buf) buf = KW_BUF_INIT;
        struct kw_json_writer w = kw_json_writer(&buf);
        for (int i = 0; i < depth; i++)
            kw_json_begin(&w, NULL, '[');
        assert_int_equal(buf.failed, depth > 63);
        for (int i = 0; i < depth && !buf.failed; i++)
            kw_json_end(&w);
        assert_int_equal(buf.failed, depth > 63);
    }
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    struct kw_json_writer w = kw_json_writer(&buf);
    kw_json_end(&w);
    assert_true(buf.failed);
}

static void a_full_buffer_is_reported(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) buf = {.max = 8};
    struct kw_json_writer w = kw_json_writer(&buf);
    kw_json_str(&w, NULL, "longer than eight bytes");
    assert_int_equal(buf.failed, true);
    assert_int_not_equal(kw_buf_status(&buf, NULL), KW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value),
        cmocka_unit_test(escapes),
        cmocka_unit_test(invalid_utf8_becomes_the_replacement_character),
        cmocka_unit_test(all_bytes_read_back),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_full_buffer_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

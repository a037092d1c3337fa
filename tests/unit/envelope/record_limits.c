/* Records that are made to cost far more than their size. */
#include "envelope/record.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* {"nnn...": [7,7,...]}: each element's path holds the long name. */
static void make(struct kw_buf *out, size_t name_len, size_t elements)
{
    kw_buf_append_str(out, "{\"");
    for (size_t i = 0; i < name_len; i++)
        kw_buf_append_byte(out, 'n');
    kw_buf_append_str(out, "\":[7");
    for (size_t i = 1; i < elements; i++)
        kw_buf_append_str(out, ",7");
    kw_buf_append_str(out, "]}");
}

static kw_code plan(size_t name_len, size_t elements, struct kw_record *record)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_AUTO_PTR(kw_fields_spec) spec = NULL;
    make(&text, name_len, elements);
    assert_int_equal(kw_fields_spec_new(&spec, "$.*[*]", "default", NULL), KW_OK);
    return kw_record_plan(record, spec, kw_buf_bytes(&text), NULL);
}

/* 1 MiB of record must not take 1 GiB of paths. */
static void test_paths(void **state)
{
    KW_AUTO(kw_record) record = KW_RECORD_INIT;
    KW_UNUSED(state);
    assert_int_equal(plan(100, 60000, &record), KW_OK);
    assert_int_equal(plan(100000, 100, &record), KW_OK);
    assert_int_equal(plan(100000, 10000, &record), KW_TOO_LARGE);
    assert_true(record.paths.capacity <= (size_t)32 << 20);
    assert_int_equal(plan(100, 10, &record), KW_OK); /* it may be used again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

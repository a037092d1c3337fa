/* docs/configuration.md says what the table says. With KW_WRITE_REFERENCE=1 it is written anew. */
#include "base/file.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_page_is_the_table(void **state)
{
    KW_UNUSED(state);
    struct kw_error err;
    KW_AUTO(kw_buf) made = KW_BUF_INIT;
    KW_AUTO(kw_buf) page = KW_BUF_INIT;
    const char *path = KW_SOURCE_DIR "/docs/configuration.md";
    kw_config_reference(&made);
    assert_int_equal(kw_buf_status(&made, &err), KW_OK);
    if (getenv("KW_WRITE_REFERENCE") != NULL)
        assert_int_equal(kw_file_replace(path, 0644, kw_buf_bytes(&made), &err), KW_OK);
    assert_int_equal(kw_file_read(path, 1 << 20, &page, &err), KW_OK);
    if (!kw_bytes_equal(kw_buf_bytes(&made), kw_buf_bytes(&page)))
        fail_msg("%s is not what the table says: run this test with KW_WRITE_REFERENCE=1", path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_page_is_the_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

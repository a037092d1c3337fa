/* The table of codes and classes, and the record that carries an error. */
#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct row {
    int number;
    kw_code code;
    const char *name;
    kw_class cls;
};

static const struct row rows[] = {
#define KW_X(number, id, name, class_id, http, message)                                            \
    {number, KW_##id, name, KW_CLASS_##class_id},
    KW_CODES(KW_X)
#undef KW_X
};

/* Hundreds of the number are the class, so that a reader of a number knows the kind. */
static void numbers_and_names_are_unique(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(rows); i++) {
        assert_int_equal(rows[i].number, (int)rows[i].code);
        assert_int_equal(rows[i].number / 100, (int)rows[i].cls);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(rows[i].number, rows[j].number);
            assert_string_not_equal(rows[i].name, rows[j].name);
        }
    }
}

static void each_code_reads_back(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(rows); i++) {
        kw_code code = rows[i].code;
        assert_string_equal(kw_code_name(code), rows[i].name);
        assert_int_equal(kw_code_from_name(rows[i].name), code);
        assert_int_equal(kw_code_class(code), rows[i].cls);
        assert_true(strlen(kw_code_message(code)) > 4);
        assert_int_equal(strlen(kw_code_sqlstate(code)), 5);
        for (const char *p = rows[i].name; *p != '\0'; p++)
            assert_true(islower((unsigned char)*p) || *p == '_');
    }
}

static void statuses_fit_the_class(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(rows); i++) {
        kw_code code = rows[i].code;
        int http = kw_code_http_status(code);
        if (code == KW_OK) {
            assert_int_equal(http, 200);
            assert_int_equal(kw_code_exit_status(code), 0);
            continue;
        }
        assert_true(http >= 400 && http < 600);
        assert_true(kw_code_exit_status(code) > 0 && kw_code_exit_status(code) < 64);
        bool retryable = rows[i].cls == KW_CLASS_LIMITED || rows[i].cls == KW_CLASS_UNAVAILABLE;
        assert_int_equal(kw_code_retryable(code), retryable);
    }
}

/* One status of the process a class: scripts tell classes apart by it. */
static void classes_have_their_own_exit_status(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(rows); i++) {
        for (size_t j = 0; j < KW_COUNT(rows); j++) {
            bool same = kw_code_exit_status(rows[i].code) == kw_code_exit_status(rows[j].code);
            assert_int_equal(same, rows[i].cls == rows[j].cls);
        }
    }
}

static void unknown_reads_as_internal(void **state)
{
    KW_UNUSED(state);
    assert_string_equal(kw_code_name((kw_code)77), "internal");
    assert_int_equal(kw_code_http_status((kw_code)-1), 500);
    assert_int_equal(kw_code_from_name("no_such_name"), KW_INTERNAL);
    assert_string_equal(kw_class_name((kw_class)99), "internal");
    assert_string_equal(kw_class_name(KW_CLASS_DENIED), "denied");
}

static void fail_fills_and_returns(void **state)
{
    KW_UNUSED(state);
    struct kw_error err;
    assert_int_equal(kw_fail(&err, KW_NOT_FOUND, "tenant %s is not here", "acme"), KW_NOT_FOUND);
    assert_int_equal(err.code, KW_NOT_FOUND);
    assert_string_equal(err.text, "tenant acme is not here");
    assert_int_equal(kw_fail(NULL, KW_IO, "nobody listens"), KW_IO);
    assert_int_equal(kw_fail_code(&err, KW_OVERLOADED), KW_OVERLOADED);
    assert_string_equal(err.text, kw_code_message(KW_OVERLOADED));
    kw_fail(&err, KW_IO, "while loading: %s", err.text);
    assert_string_equal(err.text, "while loading: the server is full for now");
}

static void text_is_one_line(void **state)
{
    KW_UNUSED(state);
    struct kw_error err;
    kw_fail(&err, KW_IO, "a\nb\tc\x1b[2Jd\x7f");
    assert_string_equal(err.text, "a b c [2Jd ");
    kw_fail(&err, KW_IO, "csi \xc2\x9b, umlaut \xc3\xa4, broken \xff\xc3");
    assert_string_equal(err.text, "csi   , umlaut \xc3\xa4, broken ??");
}

static void long_text_is_cut_between_characters(void **state)
{
    KW_UNUSED(state);
    struct kw_error err;
    char longer[2 * KW_ERROR_TEXT_SIZE];
    for (size_t i = 0; i + 1 < sizeof longer; i++)
        longer[i] = (char)(i % 2 == 0 ? 0xc3 : 0xa4);
    longer[sizeof longer - 1] = '\0';
    kw_fail(&err, KW_IO, "%s", longer);
    assert_int_equal(strlen(err.text), KW_ERROR_TEXT_SIZE - 1);
    assert_memory_equal(err.text, longer, KW_ERROR_TEXT_SIZE - 2);
    assert_int_equal(err.text[KW_ERROR_TEXT_SIZE - 2], '?');
}

static void errno_maps_to_codes(void **state)
{
    KW_UNUSED(state);
    static const struct {
        int value;
        kw_code code;
    } map[] = {{ENOSPC, KW_DISK_FULL}, {EDQUOT, KW_DISK_FULL},          {ENOMEM, KW_NO_MEMORY},
               {ENOENT, KW_NOT_FOUND}, {EADDRINUSE, KW_ADDRESS_IN_USE}, {EACCES, KW_IO}};
    struct kw_error err;
    for (size_t i = 0; i < KW_COUNT(map); i++)
        assert_int_equal(kw_fail_errno(&err, map[i].value, "x"), map[i].code);
    kw_fail_errno(&err, EACCES, "cannot open %s", "/data/root.key");
    assert_string_equal(err.text, "cannot open /data/root.key: Permission denied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_names_are_unique),
        cmocka_unit_test(each_code_reads_back),
        cmocka_unit_test(statuses_fit_the_class),
        cmocka_unit_test(classes_have_their_own_exit_status),
        cmocka_unit_test(unknown_reads_as_internal),
        cmocka_unit_test(fail_fills_and_returns),
        cmocka_unit_test(text_is_one_line),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(errno_maps_to_codes),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}

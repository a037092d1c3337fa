/* Names: what is accepted, and every kind of what is not. */
#include "base/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef kw_code (*check_fn)(const char *name, struct kw_error *err);

static void all(check_fn check, const char *const *names, kw_code expected)
{
    for (; *names != NULL; names++) {
        struct kw_error err;
        if (check(*names, &err) != expected)
            fail_msg("\"%s\" is not %s", *names, kw_code_name(expected));
    }
}

static void longest(check_fn check, size_t max)
{
    char name[80];
    memset(name, 'a', sizeof name);
    name[max] = '\0';
    assert_int_equal(check(name, NULL), KW_OK);
    name[max] = 'a';
    name[max + 1] = '\0';
    assert_int_equal(check(name, NULL), KW_BAD_NAME);
    assert_int_equal(check(NULL, NULL), KW_BAD_NAME);
}

static void tenants(void **state)
{
    KW_UNUSED(state);
    all(kw_tenant_name_check, (const char *const[]){"a", "0", "acme", "a.b-c_d", "4711", NULL},
        KW_OK);
    all(kw_tenant_name_check,
        (const char *const[]){"", ".a", "-a", "_a", "A", "a/b", "a b", "a\n", "\xc3\xa9", "a:b",
                              NULL},
        KW_BAD_NAME);
    longest(kw_tenant_name_check, KW_TENANT_NAME_MAX);
}

static void regions(void **state)
{
    KW_UNUSED(state);
    all(kw_region_name_check, (const char *const[]){"eu", "us-east-1", "x", NULL}, KW_OK);
    all(kw_region_name_check, (const char *const[]){"", "1", "-a", "e_u", "e.u", "EU", NULL},
        KW_BAD_NAME);
    longest(kw_region_name_check, KW_REGION_NAME_MAX);
}

static void classes(void **state)
{
    KW_UNUSED(state);
    all(kw_class_name_check, (const char *const[]){"pii", "a-b_c1", NULL}, KW_OK);
    all(kw_class_name_check, (const char *const[]){"", "1a", "_a", "a.b", "Pii", NULL},
        KW_BAD_NAME);
    longest(kw_class_name_check, KW_CLASS_NAME_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tenants),
        cmocka_unit_test(regions),
        cmocka_unit_test(classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Whatever call fails, a change is there whole or not at all, and the store goes on afterwards. */
#include "store_contract.h"
#include "store_faulty.h"

#include "base/file.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;

static void open_in(const char *folder, struct kw_faulty *out)
{
    char path[KW_PATH_SIZE];
    struct kw_store *behind;
    assert_int_equal(kw_path_format(path, &err, "%s/keyward.db", folder), KW_OK);
    assert_int_equal(kw_store_sqlite_open(path, true, &behind, &err), KW_OK);
    assert_int_equal(kw_faulty_wrap(behind, out, &err), KW_OK);
}

static uint64_t tenants_in(struct kw_store *store)
{
    struct kw_store_counts counts = {0};
    assert_int_equal(kw_store_counts(store, &counts, &err), KW_OK);
    assert_int_equal(counts.tenants, counts.keys);
    assert_int_equal(counts.tenants, counts.versions);
    return counts.tenants;
}

static void each_call_may_fail(void **state)
{
    struct kw_faulty faulty;
    open_in(*state, &faulty);
    kw_faulty_fail(&faulty, 0, KW_OK, false);
    assert_int_equal(kw_test_store_fill(faulty.store, "first", 1, &err), KW_OK);
    uint64_t calls = kw_faulty_calls(&faulty);
    assert_int_equal(calls, 6); /* begin, four rows, commit */
    for (uint64_t n = 1; n <= calls; n++) {
        kw_faulty_fail(&faulty, n, KW_DISK_FULL, false);
        assert_int_equal(kw_test_store_fill(faulty.store, "acme", 2, &err), KW_DISK_FULL);
        kw_faulty_fail(&faulty, 0, KW_OK, false);
        assert_int_equal(tenants_in(faulty.store), 1);
    }
    assert_int_equal(kw_test_store_fill(faulty.store, "acme", 2, &err), KW_OK);
    assert_int_equal(tenants_in(faulty.store), 2);
    kw_store_free(faulty.store);
}

/* A caller that overlooks a failed write cannot commit the half of a change. */
static void a_failed_write_dooms_the_transaction(void **state)
{
    struct kw_faulty faulty;
    open_in(*state, &faulty);
    struct kw_tenant_row row = kw_test_tenant("acme");
    assert_int_equal(kw_store_begin(faulty.store, &err), KW_OK);
    assert_int_equal(kw_store_tenant_add(faulty.store, &row, &err), KW_OK);
    kw_faulty_fail(&faulty, 1, KW_STORE_UNAVAILABLE, false);
    assert_int_equal(kw_store_meta_put(faulty.store, "a", kw_bytes("x", 1), &err),
                     KW_STORE_UNAVAILABLE);
    assert_int_equal(kw_store_meta_put(faulty.store, "a", kw_bytes("x", 1), &err),
                     KW_STORE_UNAVAILABLE);
    assert_int_equal(kw_store_commit(faulty.store, &err), KW_STORE_UNAVAILABLE);
    assert_int_equal(tenants_in(faulty.store), 0);
    assert_int_equal(kw_test_store_fill(faulty.store, "acme", 2, &err), KW_OK);
    kw_store_free(faulty.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_call_may_fail, kw_scratch_make, kw_scratch_remove),
        cmocka_unit_test_setup_teardown(a_failed_write_dooms_the_transaction, kw_scratch_make,
                                        kw_scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

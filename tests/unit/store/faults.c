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

static bool take_cost(void *arg, const struct kw_cost_row *row)
{
    *(struct kw_cost_row *)arg = *row;
    return true;
}

static KW_ERR spend(struct kw_store *store)
{
    const struct kw_cost_row first = kw_test_cost(1, "acme", "aws");
    const struct kw_cost_row second = kw_test_cost(2, "acme", "aws");
    KW_TRY(kw_store_begin(store, &err));
    kw_code code = kw_store_cost_add(store, &first, &err);
    if (code == KW_OK)
        code = kw_store_cost_add(store, &second, &err);
    if (code == KW_OK)
        return kw_store_commit(store, &err);
    kw_store_rollback(store);
    return code;
}

/* Costs are added as a whole, or none of them: what failed is added later, once. */
static void costs_are_added_whole(void **state)
{
    struct kw_faulty faulty;
    struct kw_cost_row row = {.wraps = 0};
    const struct kw_cost_range all = {0, 9, NULL};
    open_in(*state, &faulty);
    assert_int_equal(spend(faulty.store), KW_OK);
    for (uint64_t n = 1; n <= 4; n++) { /* begin, two rows, commit */
        kw_faulty_fail(&faulty, n, KW_DISK_FULL, false);
        assert_int_equal(spend(faulty.store), KW_DISK_FULL);
        assert_int_equal(kw_store_costs(faulty.store, &all, take_cost, &row, &err), KW_OK);
        assert_int_equal(row.wraps, 3);
    }
    kw_faulty_fail(&faulty, 1, KW_STORE_UNAVAILABLE, false);
    assert_int_equal(kw_store_costs(faulty.store, &all, take_cost, &row, &err),
                     KW_STORE_UNAVAILABLE);
    kw_store_free(faulty.store);
}

static bool count_one(void *arg, const struct kw_copy_census *row)
{
    *(uint64_t *)arg += row->copies;
    return true;
}

static bool count_version(void *arg, const struct kw_version_row *row)
{
    KW_UNUSED(row);
    ++*(uint64_t *)arg;
    return true;
}

/* A search that fails says so, and does not pass for one that found nothing. */
static void searches_fail(void **state)
{
    struct kw_faulty faulty;
    const struct kw_store_lack lack = {"eu", "aws", "k"};
    const struct kw_store_place start = {0, 0};
    uint64_t seen = 0;
    open_in(*state, &faulty);
    assert_int_equal(kw_test_store_fill(faulty.store, "acme", 2, &err), KW_OK);
    for (uint64_t n = 1; n <= 2; n++) { /* the slice, the search */
        kw_faulty_fail(&faulty, n, KW_STORE_UNAVAILABLE, false);
        assert_int_equal(
            kw_store_versions_lacking(faulty.store, &lack, &start, 9, count_version, &seen, &err),
            KW_STORE_UNAVAILABLE);
    }
    kw_faulty_fail(&faulty, 1, KW_STORE_UNAVAILABLE, true);
    assert_int_equal(kw_store_copies_census(faulty.store, count_one, &seen, &err),
                     KW_STORE_UNAVAILABLE);
    assert_int_equal(kw_store_versions_expired(faulty.store, 1, 9, count_version, &seen, &err),
                     KW_STORE_UNAVAILABLE);
    assert_int_equal(seen, 0);
    kw_faulty_fail(&faulty, 0, KW_OK, false);
    assert_int_equal(
        kw_store_versions_lacking(faulty.store, &lack, &start, 9, count_version, &seen, &err),
        KW_OK);
    assert_int_equal(kw_store_copies_census(faulty.store, count_one, &seen, &err), KW_OK);
    assert_int_equal(seen, 2);
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
        cmocka_unit_test_setup_teardown(costs_are_added_whole, kw_scratch_make, kw_scratch_remove),
        cmocka_unit_test_setup_teardown(searches_fail, kw_scratch_make, kw_scratch_remove),
        cmocka_unit_test_setup_teardown(a_failed_write_dooms_the_transaction, kw_scratch_make,
                                        kw_scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

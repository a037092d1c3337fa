#include "store_contract_internal.h"

#include <pthread.h>

struct kw_error kw_contract_err;
static const struct kw_store_subject *subject;

static int open_fresh(void **state)
{
    return subject->fresh(subject->arg, (struct kw_store **)state, &err) == KW_OK ? 0 : -1;
}

static int close_and_clear(void **state)
{
    kw_store_free(*state);
    subject->clear(subject->arg);
    return 0;
}

static void meta_values_are_kept(void **state)
{
    struct kw_store *store = *state;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    fails(KW_NOT_FOUND, kw_store_meta_get(store, "id", &out, &err));
    ok(kw_store_begin(store, &err));
    ok(kw_store_meta_put(store, "id", kw_bytes("\0\1\2", 3), &err));
    ok(kw_store_meta_put(store, "empty", kw_bytes(NULL, 0), &err));
    ok(kw_store_meta_put(store, "id", kw_bytes("\0new", 4), &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_meta_get(store, "id", &out, &err));
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "\0new", 4);
    ok(kw_store_meta_get(store, "empty", &out, &err));
    assert_int_equal(out.len, 4); /* appended, and empty */
}

static void meta_values_are_bounded(void **state)
{
    struct kw_store *store = *state;
    static const uint8_t large[64 * 1024 + 1] = {0};
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    ok(kw_store_begin(store, &err));
    fails(KW_TOO_LARGE, kw_store_meta_put(store, "id", kw_bytes(large, sizeof large), &err));
    fails(KW_BAD_NAME, kw_store_meta_put(store, "", kw_bytes("x", 1), &err));
    ok(kw_store_meta_put(store, "id", kw_bytes(large, sizeof large - 1), &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_meta_get(store, "id", &out, &err));
    assert_int_equal(out.len, sizeof large - 1);
}

static void writing_needs_a_transaction(void **state)
{
    struct kw_store *store = *state;
    struct kw_tenant_row tenant = kw_test_tenant("acme");
    struct kw_cost_row cost = kw_test_cost(1, "acme", "aws");
    uint64_t destroyed = 99;
    fails(KW_INTERNAL, kw_store_tenant_add(store, &tenant, &err));
    fails(KW_INTERNAL, kw_store_tenant_set(store, &tenant, &err));
    fails(KW_INTERNAL, kw_store_meta_put(store, "id", kw_bytes("x", 1), &err));
    fails(KW_INTERNAL, kw_store_version_count(store, 1, 1, 1, 1, &err));
    fails(KW_INTERNAL, kw_store_copies_destroy(store, 1, 1, &destroyed, &err));
    fails(KW_INTERNAL, kw_store_cost_add(store, &cost, &err));
    fails(KW_INTERNAL, kw_store_token_revoke(store, "ab", &err));
    fails(KW_INTERNAL, kw_store_commit(store, &err));
    assert_int_equal(destroyed, 99);
    kw_store_rollback(store); /* nothing happens */
    ok(kw_store_begin(store, &err));
    fails(KW_INTERNAL, kw_store_begin(store, &err));
    fails(KW_INTERNAL, kw_store_purge(store, &err));
    ok(kw_store_tenant_add(store, &tenant, &err));
    ok(kw_store_commit(store, &err));
    fails(KW_INTERNAL, kw_store_tenant_set(store, &tenant, &err));
}

static void rollback_takes_all_away(void **state)
{
    struct kw_store *store = *state;
    struct kw_tenant_row tenant = kw_test_tenant("acme");
    ok(kw_store_begin(store, &err));
    ok(kw_store_tenant_add(store, &tenant, &err));
    ok(kw_store_meta_put(store, "id", kw_bytes("x", 1), &err));
    ok(kw_store_tenant_get(store, "acme", &tenant, &err)); /* the writer sees it */
    kw_store_rollback(store);
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    fails(KW_TENANT_NOT_FOUND, kw_store_tenant_get(store, "acme", &tenant, &err));
    fails(KW_NOT_FOUND, kw_store_meta_get(store, "id", &out, &err));
}

static void *look_for_acme(void *store)
{
    struct kw_tenant_row row;
    return kw_store_tenant_get(store, "acme", &row, NULL) == KW_OK ? store : NULL;
}

static void others_see_only_what_is_committed(void **state)
{
    struct kw_store *store = *state;
    struct kw_tenant_row tenant = kw_test_tenant("acme");
    pthread_t thread;
    void *seen;
    ok(kw_store_begin(store, &err));
    ok(kw_store_tenant_add(store, &tenant, &err));
    assert_int_equal(pthread_create(&thread, NULL, look_for_acme, store), 0);
    pthread_join(thread, &seen);
    assert_null(seen);
    ok(kw_store_commit(store, &err));
    assert_non_null(look_for_acme(store));
}

static void what_is_committed_outlives_closing(void **state)
{
    fill(*state, "acme", 11);
    struct kw_tenant_row row = kw_test_tenant("half");
    ok(kw_store_begin(*state, &err));
    ok(kw_store_tenant_add(*state, &row, &err));
    kw_store_free(*state); /* rolls back */
    *state = NULL;
    ok(subject->again(subject->arg, (struct kw_store **)state, &err));
    ok(kw_store_tenant_get(*state, "acme", &row, &err));
    assert_string_equal(row.labels, "{\"plan\":\"gold\"}");
    fails(KW_TENANT_NOT_FOUND, kw_store_tenant_get(*state, "half", &row, &err));
    ok(kw_store_check(*state, &err));
}

enum { WRITERS = 4, ROUNDS = 25 };

static void *write_and_read(void *arg)
{
    struct kw_store *store = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct kw_version_row row;
        if (kw_store_begin(store, NULL) != KW_OK ||
            kw_store_version_count(store, 11, 1, 1, 2, NULL) != KW_OK ||
            kw_store_commit(store, NULL) != KW_OK ||
            kw_store_version_get(store, 11, 1, &row, NULL) != KW_OK || row.unwraps != 2 * row.wraps)
            return store;
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    fill(*state, "acme", 11);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_and_read, *state), 0);
    for (int i = 0; i < WRITERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    struct kw_version_row row;
    ok(kw_store_version_get(*state, 11, 1, &row, &err));
    assert_int_equal(row.wraps, WRITERS * ROUNDS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fresh, close_and_clear)

int kw_store_contract(const struct kw_store_subject *which)
{
    subject = which;
    const struct CMUnitTest tests[] = {
        TEST(meta_values_are_kept),
        TEST(meta_values_are_bounded),
        TEST(writing_needs_a_transaction),
        TEST(rollback_takes_all_away),
        TEST(others_see_only_what_is_committed),
        TEST(tenants_are_kept),
        TEST(bad_rows_are_refused),
        TEST(keys_are_kept),
        TEST(keys_are_set),
        TEST(versions_are_set),
        TEST(rows_belong_to_others),
        TEST(uses_are_counted),
        TEST(copies_are_replaced),
        TEST(copies_are_destroyed),
        TEST(tokens_are_kept),
        TEST(tenants_are_listed),
        TEST(the_rest_is_listed),
        TEST(due_keys_are_listed),
        TEST(a_list_may_not_call_back),
        TEST(everything_is_counted_and_checked),
        TEST(lacking_versions_are_found),
        TEST(lacking_versions_come_by_pages),
        TEST(expired_versions_are_found),
        TEST(copies_are_counted),
        TEST(costs_are_added_up),
        TEST(costs_are_listed),
        TEST(bad_costs_are_refused),
        TEST(threads_share_it),
        TEST(what_is_committed_outlives_closing), /* the last: only where something does */
    };
    size_t count = KW_COUNT(tests) - (which->again == NULL ? 1 : 0);
    return _cmocka_run_group_tests(which->name, tests, count, NULL, NULL);
}

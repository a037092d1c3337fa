/* How SQLite goes about each statement: by an index, never over a whole table, never sorting. What
 * is cheap in a test would otherwise take minutes with a million keys. */
#include "store_contract.h"

#include "base/file.h"
#include "scratch.h"
#include "store/sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;

static sqlite3 *database(struct kw_store *store)
{
    return ((struct sq_store *)kw_store_state(store))->writer->db;
}

static struct kw_store *make(const char *folder)
{
    char path[KW_PATH_SIZE];
    struct kw_store *store = NULL;
    assert_int_equal(kw_path_format(path, &err, "%s/keyward.db", folder), KW_OK);
    assert_int_equal(kw_store_sqlite_open(path, true, &store, &err), KW_OK);
    return store;
}

/* The steps of a statement, each ended by a newline. */
static void plan_of(struct kw_store *store, unsigned number, struct kw_buf *out)
{
    KW_AUTO(kw_buf) sql = KW_BUF_INIT;
    sqlite3_stmt *statement;
    kw_buf_append_str(&sql, "EXPLAIN QUERY PLAN ");
    sq_sql(number, &sql);
    assert_int_equal(sqlite3_prepare_v2(database(store), kw_buf_str(&sql), -1, &statement, NULL),
                     SQLITE_OK);
    kw_buf_reset(out);
    while (sqlite3_step(statement) == SQLITE_ROW)
        kw_buf_printf(out, "%s\n", (const char *)sqlite3_column_text(statement, 3));
    sqlite3_finalize(statement);
}

static void nothing_scans_or_sorts(void **state)
{
    KW_AUTO(kw_buf) plan = KW_BUF_INIT;
    struct kw_store *store = make(*state);
    for (unsigned find = 0; find < KW_FIND_COUNT; find++) {
        plan_of(store, SQ_FIND + find, &plan);
        const char *text = kw_buf_str(&plan);
        bool scans = strstr(text, "SEARCH ") == NULL || strstr(text, "SCAN ") != NULL;
        if (strstr(text, "TEMP B-TREE") != NULL || (scans && find != KW_FIND_TOKENS))
            fail_msg("search %u: %s", find, text);
    }
    kw_store_free(store);
}

static void searches_use_their_index(void **state)
{
    static const struct {
        enum kw_store_find find;
        const char *index;
    } want[] = {
        {KW_FIND_KEY_AHEAD, "COVERING INDEX keys_of_region (region=? AND reference>?)"},
        {KW_FIND_VERSIONS_LACKING,
         "INDEX keys_of_region (region=? AND reference>? AND reference<?)"},
        {KW_FIND_VERSIONS_EXPIRED, "INDEX versions_expiring (expires_ms>? AND expires_ms<?)"},
        {KW_FIND_COSTS_OF, "INDEX costs_of_tenant (tenant=? AND day>? AND day<?)"},
        {KW_FIND_COSTS, "PRIMARY KEY (day>? AND day<?)"},
    };
    KW_AUTO(kw_buf) plan = KW_BUF_INIT;
    struct kw_store *store = make(*state);
    for (size_t i = 0; i < KW_COUNT(want); i++) {
        plan_of(store, SQ_FIND + want[i].find, &plan);
        if (strstr(kw_buf_str(&plan), want[i].index) == NULL)
            fail_msg("%s: %s", want[i].index, kw_buf_str(&plan));
    }
    kw_store_free(store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(nothing_scans_or_sorts),
                                       TEST(searches_use_their_index)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

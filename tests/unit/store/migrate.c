/* A database of the first schema is opened, changed and read by this one: nothing of it is lost,
 * every row's checksum holds before and after it is written again, and damage is still found. */
#include "store_contract.h"

#include "base/checksum.h"
#include "base/file.h"
#include "scratch.h"
#include "store/sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;
static char path[KW_PATH_SIZE];

#define ok(call) assert_int_equal((call), KW_OK)

/* The schema as version 1 made it, written out here on purpose: databases of that time are out
 * there as they are, however the schema that src/store makes today goes on. Never changes. */
static const char first_schema[] =
    "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE;"
    "CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL,"
    " row_check INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE tenants(id TEXT NOT NULL PRIMARY KEY, state INTEGER NOT NULL,"
    " tier INTEGER NOT NULL, labels TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, row_check INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE keys(reference INTEGER NOT NULL PRIMARY KEY,"
    " tenant TEXT NOT NULL REFERENCES tenants(id), region TEXT NOT NULL, state INTEGER NOT NULL,"
    " state_before INTEGER NOT NULL, suite INTEGER NOT NULL, custody TEXT NOT NULL,"
    " current_version INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " destroy_at_ms INTEGER NOT NULL, epoch INTEGER NOT NULL, row_check INTEGER NOT NULL,"
    " UNIQUE(tenant, region)) STRICT;"
    "CREATE INDEX keys_due ON keys(destroy_at_ms, reference) WHERE state = 6;"
    "CREATE TABLE versions(reference INTEGER NOT NULL REFERENCES keys(reference),"
    " version INTEGER NOT NULL, state INTEGER NOT NULL, commitment BLOB NOT NULL,"
    " sign_public BLOB NOT NULL, created_ms INTEGER NOT NULL, deactivated_ms INTEGER NOT NULL,"
    " wraps INTEGER NOT NULL, unwraps INTEGER NOT NULL, row_check INTEGER NOT NULL,"
    " PRIMARY KEY(reference, version)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE copies(place INTEGER PRIMARY KEY, reference INTEGER, version INTEGER,"
    " provider TEXT NOT NULL, provider_key TEXT NOT NULL, blob BLOB NOT NULL,"
    " row_check INTEGER NOT NULL, UNIQUE(reference, version, provider),"
    " FOREIGN KEY(reference, version) REFERENCES versions(reference, version)) STRICT;"
    "CREATE TABLE tokens(id TEXT NOT NULL PRIMARY KEY, hash BLOB NOT NULL,"
    " principal TEXT NOT NULL, roles TEXT NOT NULL, tenants TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, revoked INTEGER NOT NULL,"
    " row_check INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "PRAGMA application_id = 1264941431; PRAGMA user_version = 1; COMMIT;";

/* A row on its way into the old database: values are bound one by one and summed up as version 1
 * did it: eight bytes of number, or of length before a text's bytes. */
struct old_row {
    sqlite3_stmt *statement;
    int count;
    uint32_t sum;
};

static void sum_up(struct old_row *row, uint64_t number, const void *data, size_t len)
{
    uint8_t head[8];
    kw_put_u64(head, number);
    row->sum = kw_checksum(row->sum, head, sizeof head);
    row->sum = kw_checksum(row->sum, data, len);
    row->count++;
}

static void number(struct old_row *row, uint64_t value)
{
    sum_up(row, value, "", 0);
    assert_int_equal(sqlite3_bind_int64(row->statement, row->count, (int64_t)value), SQLITE_OK);
}

static void text(struct old_row *row, const char *value)
{
    sum_up(row, strlen(value), value, strlen(value));
    assert_int_equal(sqlite3_bind_text(row->statement, row->count, value, -1, SQLITE_TRANSIENT),
                     SQLITE_OK);
}

static void blob(struct old_row *row, const void *value, size_t len)
{
    sum_up(row, len, value, len);
    assert_int_equal(
        sqlite3_bind_blob(row->statement, row->count, value, (int)len, SQLITE_TRANSIENT),
        SQLITE_OK);
}

static struct old_row begin_row(sqlite3 *db, const char *sql)
{
    struct old_row row = {.sum = KW_CHECKSUM_INIT};
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row.statement, NULL), SQLITE_OK);
    return row;
}

static void end_row(struct old_row *row)
{
    int64_t sum = ((int64_t)row->count << 32) | row->sum;
    assert_int_equal(sqlite3_bind_int64(row->statement, row->count + 1, sum), SQLITE_OK);
    assert_int_equal(sqlite3_step(row->statement), SQLITE_DONE);
    sqlite3_finalize(row->statement);
}

static void put_tenant(sqlite3 *db, const struct kw_tenant_row *from)
{
    struct old_row row = begin_row(db, "INSERT INTO tenants VALUES(?1,?2,?3,?4,?5,?6,?7)");
    text(&row, from->id);
    number(&row, from->state);
    number(&row, from->tier);
    text(&row, from->labels);
    number(&row, (uint64_t)from->created_ms);
    number(&row, from->epoch);
    end_row(&row);
}

static void put_key(sqlite3 *db, const struct kw_key_row *from)
{
    struct old_row row =
        begin_row(db, "INSERT INTO keys VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)");
    number(&row, from->reference);
    text(&row, from->tenant);
    text(&row, from->region);
    number(&row, from->state);
    number(&row, from->state_before);
    number(&row, from->suite);
    text(&row, from->custody);
    number(&row, from->current_version);
    number(&row, (uint64_t)from->created_ms);
    number(&row, (uint64_t)from->destroy_at_ms);
    number(&row, from->epoch);
    end_row(&row);
}

static void put_version(sqlite3 *db, const struct kw_version_row *from)
{
    struct old_row row =
        begin_row(db, "INSERT INTO versions VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)");
    number(&row, from->reference);
    number(&row, from->version);
    number(&row, from->state);
    blob(&row, from->commitment, sizeof from->commitment);
    blob(&row, from->sign_public, sizeof from->sign_public);
    number(&row, (uint64_t)from->created_ms);
    number(&row, (uint64_t)from->deactivated_ms);
    number(&row, from->wraps);
    number(&row, from->unwraps);
    end_row(&row);
}

static void put_copy(sqlite3 *db, const struct kw_copy_row *from)
{
    struct old_row row = begin_row(db, "INSERT INTO copies(reference, version, provider,"
                                       " provider_key, blob, row_check) VALUES(?1,?2,?3,?4,?5,?6)");
    number(&row, from->reference);
    number(&row, from->version);
    text(&row, from->provider);
    text(&row, from->provider_key);
    blob(&row, from->blob, from->blob_len);
    end_row(&row);
}

static void put_token(sqlite3 *db, const struct kw_token_row *from)
{
    struct old_row row = begin_row(db, "INSERT INTO tokens VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)");
    text(&row, from->id);
    blob(&row, from->hash, sizeof from->hash);
    text(&row, from->principal);
    text(&row, from->roles);
    text(&row, from->tenants);
    number(&row, (uint64_t)from->created_ms);
    number(&row, (uint64_t)from->expires_ms);
    number(&row, from->revoked);
    end_row(&row);
}

enum { TENANTS = 30 };

static uint64_t reference_of(unsigned i)
{
    return (i + 1) * 0x9e3779b97f4a7c15;
}

static void id_of(unsigned i, char out[16])
{
    snprintf(out, 16, "tenant-%u", i);
}

static struct kw_key_row old_key(unsigned i)
{
    char id[16];
    id_of(i, id);
    struct kw_key_row row = kw_test_key(reference_of(i), id, "eu");
    row.tenant_state = KW_TENANT_IS_ACTIVE; /* as it is read */
    return row;
}

static struct kw_version_row old_version(unsigned i)
{
    struct kw_version_row row = kw_test_version(reference_of(i), 1);
    row.wraps = i;
    row.unwraps = UINT64_MAX - i;
    return row;
}

static void put_rows(sqlite3 *db)
{
    for (unsigned i = 0; i < TENANTS; i++) {
        char id[16];
        id_of(i, id);
        const struct kw_tenant_row tenant = kw_test_tenant(id);
        const struct kw_key_row key = old_key(i);
        const struct kw_version_row version = old_version(i);
        const struct kw_copy_row copy = kw_test_copy(reference_of(i), 1, "software");
        put_tenant(db, &tenant);
        put_key(db, &key);
        put_version(db, &version);
        put_copy(db, &copy);
    }
    const struct kw_token_row token = kw_test_token("aa");
    put_token(db, &token);
}

static int make_old(void **state)
{
    sqlite3 *db;
    if (kw_scratch_make(state) != 0 ||
        kw_path_format(path, NULL, "%s/keyward.db", (char *)*state) != KW_OK ||
        kw_file_create(path, 0600, "", 0, &err) != KW_OK ||
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_exec(db, first_schema, NULL, NULL, NULL) != SQLITE_OK)
        return -1;
    put_rows(db);
    return sqlite3_close(db) == SQLITE_OK ? 0 : -1;
}

static struct kw_store *open_it(void)
{
    struct kw_store *store = NULL;
    if (kw_store_sqlite_open(path, false, &store, &err) != KW_OK)
        fail_msg("%s", err.text);
    return store;
}

static bool same_copy(void *arg, const struct kw_copy_row *row)
{
    static struct kw_copy_row want;
    want = kw_test_copy(row->reference, 1, "software");
    assert_int_equal(row->blob_len, want.blob_len);
    assert_memory_equal(row->blob, want.blob, want.blob_len);
    assert_string_equal(row->provider_key, want.provider_key);
    ++*(unsigned *)arg;
    return true;
}

static void assert_as_before(struct kw_store *store, unsigned i)
{
    char id[16];
    struct kw_tenant_row tenant;
    struct kw_key_row key;
    struct kw_version_row version;
    unsigned copies = 0;
    id_of(i, id);
    ok(kw_store_tenant_get(store, id, &tenant, &err));
    ok(kw_store_key_get(store, id, "eu", &key, &err));
    ok(kw_store_version_get(store, reference_of(i), 1, &version, &err));
    ok(kw_store_copies(store, reference_of(i), 1, same_copy, &copies, &err));
    const struct kw_tenant_row want_tenant = kw_test_tenant(id);
    const struct kw_key_row want_key = old_key(i);
    const struct kw_version_row want_version = old_version(i);
    /* Rows are filled with zeros first, their padding too. NOLINTBEGIN(*) */
    assert_memory_equal(&tenant, &want_tenant, sizeof tenant);
    assert_memory_equal(&key, &want_key, sizeof key);
    assert_memory_equal(&version, &want_version, sizeof version);
    /* NOLINTEND(*) */
    assert_int_equal(copies, 1);
}

static void everything_is_read(void **state)
{
    KW_UNUSED(state);
    for (int opening = 0; opening < 2; opening++) { /* with the migration, and after it */
        struct kw_store *store = open_it();
        struct kw_token_row token;
        for (unsigned i = 0; i < TENANTS; i++)
            assert_as_before(store, i);
        ok(kw_store_token_get(store, "aa", &token, &err));
        assert_string_equal(token.tenants, "acme,globex");
        ok(kw_store_check(store, &err));
        kw_store_free(store);
    }
}

static void old_rows_are_written(void **state)
{
    KW_UNUSED(state);
    struct kw_store *store = open_it();
    struct kw_key_row key = old_key(3);
    struct kw_version_row version = old_version(4);
    struct kw_cost_row cost = kw_test_cost(9, "tenant-3", "aws");
    snprintf(key.provider, sizeof key.provider, "their-kms");
    snprintf(key.provider_key, sizeof key.provider_key, "arn:theirs");
    version.expires_ms = 77;
    ok(kw_store_begin(store, &err));
    ok(kw_store_key_set(store, &key, &err));
    ok(kw_store_version_set(store, &version, &err));
    ok(kw_store_version_count(store, reference_of(5), 1, 2, 0, &err));
    ok(kw_store_cost_add(store, &cost, &err));
    ok(kw_store_commit(store, &err));
    kw_store_free(store);
    store = open_it();
    struct kw_key_row got;
    struct kw_version_row set;
    struct kw_version_row used;
    ok(kw_store_key_by_reference(store, reference_of(3), &got, &err));
    ok(kw_store_version_get(store, reference_of(4), 1, &set, &err));
    ok(kw_store_version_get(store, reference_of(5), 1, &used, &err));
    assert_string_equal(got.provider_key, "arn:theirs");
    assert_int_equal(set.expires_ms, 77);
    assert_int_equal(used.wraps, 7);
    assert_as_before(store, 6);
    ok(kw_store_check(store, &err));
    kw_store_free(store);
}

static void change(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What a checksum does not cover yet can only be what the migration made it. */
static void damage_found_by(const char *sql)
{
    kw_store_free(open_it()); /* migrated */
    change(sql);
    struct kw_store *store = open_it();
    assert_int_equal(kw_store_check(store, &err), KW_STORE_CORRUPT);
    kw_store_free(store);
}

static void damage_of_old_columns_is_found(void **state)
{
    KW_UNUSED(state);
    damage_found_by("UPDATE keys SET epoch = 8 WHERE tenant = 'tenant-3'");
}

static void damage_of_a_new_number_is_found(void **state)
{
    KW_UNUSED(state);
    damage_found_by("UPDATE versions SET expires_ms = 1 WHERE wraps = 4");
}

static void damage_of_a_new_text_is_found(void **state)
{
    KW_UNUSED(state);
    damage_found_by("UPDATE keys SET provider = 'x' WHERE tenant = 'tenant-3'");
}

/* A new row cannot pass for an old one by saying that its sum covers less. */
static void a_row_does_not_become_old(void **state)
{
    KW_UNUSED(state);
    struct kw_store *store = open_it();
    struct kw_version_row version = old_version(4);
    ok(kw_store_begin(store, &err));
    ok(kw_store_version_set(store, &version, &err)); /* the same values, all covered */
    ok(kw_store_commit(store, &err));
    kw_store_free(store);
    damage_found_by("UPDATE versions SET row_check = row_check - (2 << 32) WHERE wraps = 4");
}

/* A migration that is cut short leaves the old database, and the next opening does it again. */
static void a_failed_migration_changes_nothing(void **state)
{
    KW_UNUSED(state);
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    /* In the way of the last statement of the step. */
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE costs_of_tenant(a)", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    struct kw_store *store = NULL;
    assert_int_equal(kw_store_sqlite_open(path, false, &store, &err), KW_STORE_CORRUPT);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(db, "SELECT provider FROM keys", NULL, NULL, NULL),
                         SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE costs_of_tenant", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    store = open_it();
    assert_as_before(store, 1);
    ok(kw_store_check(store, &err));
    kw_store_free(store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_old, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_is_read),
        TEST(old_rows_are_written),
        TEST(damage_of_old_columns_is_found),
        TEST(damage_of_a_new_number_is_found),
        TEST(damage_of_a_new_text_is_found),
        TEST(a_row_does_not_become_old),
        TEST(a_failed_migration_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

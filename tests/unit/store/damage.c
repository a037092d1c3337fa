/* Damaged, foreign, newer and missing databases: one clear error, no crash, no wrong value, no
 * write. */
#include "store_contract.h"

#include "base/file.h"
#include "scratch.h"
#include "store/sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { TENANTS = 40, LARGE = 1 << 22 };

static struct kw_error err;
static char path[KW_PATH_SIZE];
static struct kw_buf whole;

static KW_ERR add_cost(struct kw_store *store, const char *tenant)
{
    const struct kw_cost_row row = kw_test_cost(20000, tenant, "aws");
    KW_TRY(kw_store_begin(store, &err));
    KW_TRY(kw_store_cost_add(store, &row, &err));
    return kw_store_commit(store, &err);
}

static int make(void **state)
{
    if (kw_scratch_make(state) != 0)
        return -1;
    struct kw_store *store;
    if (kw_path_format(path, NULL, "%s/keyward.db", (char *)*state) != KW_OK ||
        kw_store_sqlite_open(path, true, &store, &err) != KW_OK)
        return -1;
    for (uint64_t i = 0; i < TENANTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "tenant-%llu", (unsigned long long)i);
        if (kw_test_store_fill(store, id, i * 0x9e3779b97f4a7c15 + 1, &err) != KW_OK ||
            add_cost(store, id) != KW_OK)
            return -1;
    }
    kw_store_free(store);
    kw_buf_reset(&whole);
    return kw_file_read(path, LARGE, &whole, &err) == KW_OK ? 0 : -1;
}

static int clear(void **state)
{
    kw_buf_wipe(&whole);
    return kw_scratch_remove(state);
}

static void put(struct kw_bytes content)
{
    char beside[KW_PATH_SIZE];
    assert_int_equal(kw_path_format(beside, &err, "%s-wal", path), KW_OK);
    unlink(beside);
    assert_int_equal(kw_path_format(beside, &err, "%s-shm", path), KW_OK);
    unlink(beside);
    assert_int_equal(kw_file_replace(path, 0600, content, &err), KW_OK);
}

static void assert_file_is(struct kw_bytes content)
{
    KW_AUTO(kw_buf) now = KW_BUF_INIT;
    assert_int_equal(kw_file_read(path, LARGE, &now, &err), KW_OK);
    assert_true(kw_bytes_equal(kw_buf_bytes(&now), content));
}

static void refused(struct kw_bytes content, kw_code code, const char *said)
{
    struct kw_store *store = NULL;
    put(content);
    assert_int_equal(kw_store_sqlite_open(path, false, &store, &err), code);
    assert_null(store);
    assert_non_null(strstr(err.text, said));
    assert_non_null(strstr(err.text, path));
    assert_file_is(content);
}

static void foreign_files_are_refused(void **state)
{
    KW_UNUSED(state);
    static const uint8_t zeros[8192] = {0};
    refused(kw_bytes_str("this is a text, and a longish one: no database has such a beginning; "
                         "it fills more than the hundred bytes of a header"),
            KW_STORE_CORRUPT, "restore the last backup");
    refused(kw_bytes(zeros, sizeof zeros), KW_STORE_CORRUPT, "restore the last backup");
    refused(kw_bytes(NULL, 0), KW_STORE_CORRUPT, "empty");
}

static void missing_files_are_named(void **state)
{
    struct kw_store *store;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(kw_store_sqlite_open(path, false, &store, &err), KW_DATA_MISSING);
    assert_non_null(strstr(err.text, "keyward init"));
    assert_false(kw_path_exists(path));
    assert_int_equal(kw_store_sqlite_open(*state, false, &store, &err), KW_BAD_CONFIG);
}

static void files_are_private(void **state)
{
    KW_UNUSED(state);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

/* A number in the header: application_id at 68, user_version at 60. */
static void header_is(unsigned at, uint32_t value, kw_code code, const char *said)
{
    KW_AUTO(kw_buf) changed = KW_BUF_INIT;
    kw_buf_append(&changed, whole.data, whole.len);
    kw_put_u32(changed.data + at, value);
    refused(kw_buf_bytes(&changed), code, said);
}

static void other_schemas_are_refused(void **state)
{
    KW_UNUSED(state);
    header_is(68, 0x12345678, KW_STORE_CORRUPT, "not a database of Keyward");
    header_is(60, 3, KW_BAD_CONFIG, "newer");
    header_is(60, 0, KW_STORE_CORRUPT, "not a database of Keyward");
}

static void cut_files_are_refused(void **state)
{
    KW_UNUSED(state);
    for (size_t len = 4096; len < whole.len; len += 4096)
        refused(kw_bytes(whole.data, len), KW_STORE_CORRUPT, "restore the last backup");
    refused(kw_bytes(whole.data, whole.len - 1), KW_STORE_CORRUPT, "restore the last backup");
    refused(kw_bytes(whole.data, 511), KW_STORE_CORRUPT, "restore the last backup");
}

struct seen {
    unsigned tenants;
    unsigned bad;
};

static bool compare_tenant(void *arg, const struct kw_tenant_row *row)
{
    struct seen *seen = arg;
    struct kw_tenant_row want = kw_test_tenant(row->id);
    seen->tenants++;
    /* Rows are filled with zeros first, their padding too. NOLINTNEXTLINE(*) */
    seen->bad += memcmp(row, &want, sizeof want) != 0;
    return true;
}

static bool compare_version(void *arg, const struct kw_version_row *row)
{
    struct kw_version_row want = kw_test_version(row->reference, 1);
    /* As above. NOLINTNEXTLINE(*) */
    ((struct seen *)arg)->bad += memcmp(row, &want, sizeof want) != 0;
    return true;
}

static bool compare_copy(void *arg, const struct kw_copy_row *row)
{
    static struct kw_copy_row want;
    want = kw_test_copy(row->reference, 1, "software");
    /* As above. NOLINTNEXTLINE(*) */
    ((struct seen *)arg)->bad += memcmp(row, &want, sizeof want) != 0;
    return true;
}

static bool compare_cost(void *arg, const struct kw_cost_row *row)
{
    struct kw_cost_row want = kw_test_cost(20000, row->tenant, "aws");
    /* As above. NOLINTNEXTLINE(*) */
    ((struct seen *)arg)->bad += memcmp(row, &want, sizeof want) != 0;
    return true;
}

/* Reads a tenant and what hangs on it; each value is right, missing, or said to be damaged. */
static kw_code compare(struct kw_store *store, unsigned i, struct seen *seen)
{
    char id[16];
    uint64_t reference = i * 0x9e3779b97f4a7c15 + 1;
    struct kw_key_row key;
    snprintf(id, sizeof id, "tenant-%u", i);
    KW_TRY(kw_store_key_by_reference(store, reference, &key, &err));
    seen->bad += strcmp(key.tenant, id) != 0 || key.epoch != 7 ||
                 key.tenant_state != KW_TENANT_IS_ACTIVE || key.state != KW_KEY_IS_ACTIVE;
    KW_TRY(kw_store_versions(store, reference, compare_version, seen, &err));
    KW_TRY(kw_store_copies(store, reference, 1, compare_copy, seen, &err));
    const struct kw_cost_range range = {0, INT64_MAX, id};
    return kw_store_costs(store, &range, compare_cost, seen, &err);
}

static bool expected(kw_code code)
{
    return code == KW_OK || code == KW_STORE_CORRUPT || code == KW_BAD_CONFIG ||
           code == KW_KEY_NOT_FOUND || code == KW_STORE_UNAVAILABLE;
}

static void read_all(struct kw_store *store)
{
    struct seen seen = {0, 0};
    bool damage = false;
    kw_code code = kw_store_tenants(store, NULL, NULL, SIZE_MAX, compare_tenant, &seen, &err);
    assert_true(expected(code));
    damage = code == KW_STORE_CORRUPT;
    const struct kw_cost_range all = {0, INT64_MAX, NULL};
    code = kw_store_costs(store, &all, compare_cost, &seen, &err);
    assert_true(expected(code));
    damage = damage || code == KW_STORE_CORRUPT;
    for (unsigned i = 0; i < TENANTS; i++) {
        code = compare(store, i, &seen);
        assert_true(expected(code));
        damage = damage || code == KW_STORE_CORRUPT;
    }
    assert_int_equal(seen.bad, 0);
    if (damage)
        assert_int_equal(kw_store_begin(store, &err), KW_STORE_CORRUPT);
}

/* Flips one byte: opening and reading may find nothing (free space), but never a wrong value. */
static void flip(size_t at, uint8_t mask)
{
    struct kw_store *store = NULL;
    whole.data[at] ^= mask;
    put(kw_buf_bytes(&whole));
    kw_code code = kw_store_sqlite_open(path, false, &store, &err);
    if (!expected(code))
        fail_msg("byte %zu: %s", at, err.text);
    if (code == KW_OK) {
        read_all(store);
        kw_store_free(store);
    }
    assert_file_is(kw_buf_bytes(&whole));
    whole.data[at] ^= mask;
}

static void flipped_bytes_never_give_wrong_values(void **state)
{
    KW_UNUSED(state);
    for (size_t at = 0; at < 112; at++) /* the header, all of it, and the first page's */
        flip(at, 0x40);
    for (size_t at = 112; at < whole.len; at += 97)
        flip(at, (uint8_t)(1 << (at % 8)));
}

/* Every byte of a row's cell: a tenant's, found by its text. */
static void every_byte_of_a_row_counts(void **state)
{
    KW_UNUSED(state);
    const uint8_t *cell = memmem(whole.data, whole.len, "tenant-17\1", 9);
    assert_non_null(cell);
    size_t start = (size_t)(cell - whole.data);
    for (size_t at = start - 12; at < start + 48; at++)
        flip(at, 0x10);
}

static void check_finds_damage(void **state)
{
    KW_UNUSED(state);
    struct kw_store *store;
    uint8_t *label = memmem(whole.data, whole.len, "{\"plan\"", 7);
    assert_non_null(label);
    label[2] ^= 1;
    put(kw_buf_bytes(&whole));
    assert_int_equal(kw_store_sqlite_open(path, false, &store, &err), KW_OK);
    assert_int_equal(kw_store_check(store, &err), KW_STORE_CORRUPT);
    assert_int_equal(kw_store_begin(store, &err), KW_STORE_CORRUPT); /* and is not written to */
    kw_store_free(store);
    assert_file_is(kw_buf_bytes(&whole));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(foreign_files_are_refused),  TEST(missing_files_are_named),
        TEST(files_are_private),          TEST(other_schemas_are_refused),
        TEST(cut_files_are_refused),      TEST(flipped_bytes_never_give_wrong_values),
        TEST(every_byte_of_a_row_counts), TEST(check_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

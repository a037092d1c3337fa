/* Full disks, killed writers, destroyed copies, and a second process. */
#include "store_contract.h"

#include "base/checksum.h"
#include "base/file.h"
#include "child.h"
#include "scratch.h"
#include "store/sqlite.h"

#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mount.h>

#include <cmocka.h>

static struct kw_error err;
static char path[KW_PATH_SIZE];

#define ok(call) assert_int_equal((call), KW_OK)

static struct kw_store *open_in(const char *folder)
{
    struct kw_store *store = NULL;
    ok(kw_path_format(path, &err, "%s/keyward.db", folder));
    ok(kw_store_sqlite_open(path, true, &store, &err));
    return store;
}

/* Group is the unit of all or nothing: ten tenants with all that belongs to them. */
enum { GROUP = 10 };

static KW_ERR add_row_group(struct kw_store *store, uint64_t group, struct kw_error *why)
{
    for (uint64_t i = 0; i < GROUP; i++) {
        uint64_t reference = group * GROUP + i + 1;
        char id[32];
        snprintf(id, sizeof id, "t%llu", (unsigned long long)reference);
        const struct kw_tenant_row tenant = kw_test_tenant(id);
        const struct kw_key_row key = kw_test_key(reference, id, "eu");
        const struct kw_version_row version = kw_test_version(reference, 1);
        const struct kw_copy_row copy = kw_test_copy(reference, 1, "software");
        KW_TRY(kw_store_tenant_add(store, &tenant, why));
        KW_TRY(kw_store_key_add(store, &key, why));
        KW_TRY(kw_store_version_add(store, &version, why));
        KW_TRY(kw_store_copy_put(store, &copy, why));
    }
    return KW_OK;
}

static KW_ERR add_group(struct kw_store *store, uint64_t group, struct kw_error *why)
{
    KW_TRY(kw_store_begin(store, why));
    kw_code code = add_row_group(store, group, why);
    if (code == KW_OK)
        return kw_store_commit(store, why);
    kw_store_rollback(store);
    return code;
}

static uint64_t groups_in(struct kw_store *store)
{
    struct kw_store_counts counts;
    ok(kw_store_counts(store, &counts, &err));
    assert_int_equal(counts.tenants % GROUP, 0);
    assert_int_equal(counts.keys, counts.tenants);
    assert_int_equal(counts.versions, counts.tenants);
    return counts.tenants / GROUP;
}

static void a_full_disk_undoes_the_change(void **state)
{
    struct kw_store *store = open_in(*state);
    ok(add_group(store, 0, &err));
    ok(kw_store_sqlite_test_limit(store, 40, &err));
    uint64_t group = 1;
    kw_code code;
    while ((code = add_group(store, group, &err)) == KW_OK)
        group++;
    assert_int_equal(code, KW_DISK_FULL);
    assert_non_null(strstr(err.text, "make room"));
    assert_int_equal(groups_in(store), group);
    assert_int_equal(add_group(store, group, &err), KW_DISK_FULL);
    ok(kw_store_sqlite_test_limit(store, 0, &err)); /* room is made */
    ok(add_group(store, group, &err));
    assert_int_equal(groups_in(store), group + 1);
    ok(kw_store_check(store, &err));
    kw_store_free(store);
}

/* The same on a file system that is really full: one of half a megabyte, in a mount namespace of
 * its own. Returns how far it came; 77: may not mount here. */
static int fill_a_disk(void *folder)
{
    struct kw_store *store;
    struct kw_store_counts counts;
    uint64_t group = 0;
    kw_code code;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", folder, "tmpfs", 0, "size=512k") != 0)
        return 77;
    if (kw_store_sqlite_open(path, true, &store, NULL) != KW_OK)
        return 1;
    while ((code = add_group(store, group, NULL)) == KW_OK)
        group++;
    if (code != KW_DISK_FULL || add_group(store, group, NULL) != KW_DISK_FULL)
        return 2;
    if (kw_store_counts(store, &counts, NULL) != KW_OK || counts.tenants != group * GROUP)
        return 3;
    if (mount("none", folder, "tmpfs", MS_REMOUNT, "size=8m") != 0)
        return 4;
    if (add_group(store, group, NULL) != KW_OK || kw_store_check(store, NULL) != KW_OK)
        return 5;
    kw_store_free(store);
    return group > 0 ? 0 : 6;
}

static void a_really_full_disk_undoes_the_change(void **state)
{
    ok(kw_path_format(path, &err, "%s/keyward.db", (char *)*state));
    int result = kw_child_exit(kw_in_child(fill_a_disk, *state));
    if (result == 77)
        skip();
    assert_int_equal(result, 0);
}

struct writer {
    int acknowledged; /* a pipe: one byte a committed group */
    uint64_t from;
};

static int write_until_killed(void *arg)
{
    const struct writer *writer = arg;
    struct kw_store *store;
    if (kw_store_sqlite_open(path, false, &store, NULL) != KW_OK)
        return 2;
    for (uint64_t group = writer->from;; group++) {
        if (add_group(store, group, NULL) != KW_OK || write(writer->acknowledged, "x", 1) != 1)
            return 3;
    }
}

/* Forks the writer, kills it so many microseconds after its start, or after its first acknowledged
 * group, and returns what it had acknowledged. */
static uint64_t run_and_kill(uint64_t from, bool after_first, useconds_t us)
{
    int ends[2];
    char byte;
    uint64_t count = 0;
    assert_int_equal(pipe(ends), 0);
    struct writer writer = {ends[1], from};
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(write_until_killed(&writer));
    close(ends[1]);
    if (after_first)
        count += read(ends[0], &byte, 1) == 1;
    usleep(us);
    kill(pid, SIGKILL);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(kw_child_signal(status), SIGKILL);
    while (read(ends[0], &byte, 1) == 1)
        count++;
    close(ends[0]);
    return count;
}

static void a_killed_writer_leaves_whole_changes(void **state)
{
    kw_store_free(open_in(*state));
    uint64_t groups = 0;
    for (unsigned round = 0; round < 30; round++) {
        uint64_t acknowledged = run_and_kill(groups, round % 2 == 1, 1000 + (round * 7919) % 25000);
        struct kw_store *store;
        ok(kw_store_sqlite_open(path, false, &store, &err));
        uint64_t now = groups_in(store);
        assert_in_range(now, groups + acknowledged, groups + acknowledged + 1);
        groups = now;
        ok(kw_store_check(store, &err));
        kw_store_free(store);
    }
    assert_true(groups > 0);
}

/* All bytes of all files of the folder. */
static void read_files(const char *folder, struct kw_buf *out)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    kw_buf_reset(out);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char name[KW_PATH_SIZE];
        ok(kw_path_format(name, &err, "%s/%s", folder, entry->d_name));
        if (entry->d_type == DT_REG)
            ok(kw_file_read(name, 1 << 26, out, &err));
    }
    closedir(dir);
}

enum { KEYS = 1200 };

static uint64_t scattered(uint64_t i)
{
    return (i + 1) * 0x9e3779b97f4a7c15;
}

/* A blob that can be told from all others, whatever part of it is left; some fill pages of their
 * own. */
static struct kw_copy_row marked_copy(uint64_t reference, unsigned kind)
{
    struct kw_copy_row row = kw_test_copy(reference, 1, "software");
    row.blob_len = reference % 41 == 0 ? KW_COPY_MAX : 60 + reference % 400;
    for (size_t i = 0; i + 8 <= row.blob_len; i += 8)
        kw_put_u64(row.blob + i, (reference + kind) * 0xd1342543de82ef95);
    return row;
}

static bool is_left(const struct kw_buf *files, const struct kw_copy_row *row)
{
    return memmem(files->data, files->len, row->blob, 8) != NULL;
}

/* In scattered order, so that pages split and copies move between them. */
static void fill_scattered(struct kw_store *store)
{
    ok(kw_store_begin(store, &err));
    for (uint64_t i = 0; i < KEYS; i++) {
        char id[32];
        snprintf(id, sizeof id, "t%llu", (unsigned long long)i);
        const struct kw_tenant_row tenant = kw_test_tenant(id);
        const struct kw_key_row key = kw_test_key(scattered(i), id, "eu");
        const struct kw_version_row version = kw_test_version(scattered(i), 1);
        const struct kw_copy_row copy = marked_copy(scattered(i), 0);
        ok(kw_store_tenant_add(store, &tenant, &err));
        ok(kw_store_key_add(store, &key, &err));
        ok(kw_store_version_add(store, &version, &err));
        ok(kw_store_copy_put(store, &copy, &err));
    }
    ok(kw_store_commit(store, &err));
}

/* A third is destroyed, a third replaced, a third kept. */
static void destroyed_copies_are_gone_from_the_files(void **state)
{
    KW_AUTO(kw_buf) files = KW_BUF_INIT;
    struct kw_store *store = open_in(*state);
    fill_scattered(store);
    uint64_t destroyed;
    for (uint64_t i = 0; i < KEYS; i++) {
        const struct kw_copy_row fresh = marked_copy(scattered(i), 1);
        if (i % 100 == 0)
            ok(kw_store_begin(store, &err));
        if (i % 3 == 0)
            ok(kw_store_copies_destroy(store, scattered(i), 0, &destroyed, &err));
        else if (i % 3 == 1)
            ok(kw_store_copy_put(store, &fresh, &err));
        if (i % 100 == 99)
            ok(kw_store_commit(store, &err));
    }
    read_files(*state, &files);
    for (uint64_t i = 0; i < KEYS; i++) {
        const struct kw_copy_row old = marked_copy(scattered(i), 0);
        const struct kw_copy_row fresh = marked_copy(scattered(i), 1);
        assert_int_equal(is_left(&files, &old), i % 3 == 2);
        assert_int_equal(is_left(&files, &fresh), i % 3 == 1);
    }
    ok(kw_store_check(store, &err));
    kw_store_free(store);
}

/* A reader in another connection holds the old pages; purging says so, and succeeds when it has
 * gone. */
static void a_purge_waits_for_readers(void **state)
{
    struct kw_store *store = open_in(*state);
    sqlite3 *reader;
    uint64_t destroyed;
    KW_AUTO(kw_buf) files = KW_BUF_INIT;
    ok(kw_test_store_fill(store, "acme", 11, &err));
    const struct kw_copy_row copy = kw_test_copy(11, 1, "software");
    assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM copies", NULL, NULL, NULL),
                     SQLITE_OK);
    ok(kw_store_begin(store, &err));
    ok(kw_store_copies_destroy(store, 11, 1, &destroyed, &err));
    ok(kw_store_commit(store, &err)); /* the change itself is done */
    assert_int_equal(kw_store_purge(store, &err), KW_STORE_UNAVAILABLE);
    read_files(*state, &files);
    assert_true(is_left(&files, &copy));
    sqlite3_close(reader);
    ok(kw_store_purge(store, &err));
    read_files(*state, &files);
    assert_false(is_left(&files, &copy));
    kw_store_free(store);
}

static int write_forty_groups(void *arg)
{
    struct kw_store *store;
    uint64_t from = *(const uint64_t *)arg;
    if (kw_store_sqlite_open(path, false, &store, NULL) != KW_OK)
        return 2;
    for (uint64_t group = from; group < from + 40;) {
        kw_code code = add_group(store, group, NULL);
        if (code == KW_OK)
            group++;
        else if (!kw_code_retryable(code))
            return 3;
    }
    kw_store_free(store);
    return 0;
}

static int write_from_1000(void *arg)
{
    KW_UNUSED(arg);
    uint64_t from = 1000;
    return write_forty_groups(&from);
}

/* The authority's lock keeps a second process out; should one come in all the same, nothing breaks.
 */
static void two_processes_break_nothing(void **state)
{
    kw_store_free(open_in(*state));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(write_from_1000(NULL));
    uint64_t from = 1;
    assert_int_equal(write_forty_groups(&from), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(kw_child_exit(status), 0);
    struct kw_store *store;
    ok(kw_store_sqlite_open(path, false, &store, &err));
    assert_int_equal(groups_in(store), 80);
    ok(kw_store_check(store, &err));
    kw_store_free(store);
}

/* The check value of CRC-32C, and that sums continue. */
static void checksums_are_crc32c(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_checksum(KW_CHECKSUM_INIT, "123456789", 9), 0xe3069283);
    uint32_t first = kw_checksum(KW_CHECKSUM_INIT, "1234", 4);
    assert_int_equal(kw_checksum(first, "56789", 5), 0xe3069283);
    assert_int_equal(kw_checksum(KW_CHECKSUM_INIT, "", 0), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_undoes_the_change),
        TEST(a_really_full_disk_undoes_the_change),
        TEST(a_killed_writer_leaves_whole_changes),
        TEST(destroyed_copies_are_gone_from_the_files),
        TEST(a_purge_waits_for_readers),
        TEST(two_processes_break_nothing),
        cmocka_unit_test(checksums_are_crc32c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

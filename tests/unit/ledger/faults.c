/* A disk that is full, broken, read-only, slow, or taken away: clear errors in time, nothing that
 * was acknowledged is lost, and all is well again when the disk is. */
#include "base/clock.h"
#include "ledger_fixture.h"
#include "ledger_io_faulty.h"
#include "sanitized.h"
#include "scratch.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct kw_ledger *open_faulty(const char *dir, struct faulty_io *faulty,
                                     uint32_t deadline_ms)
{
    struct kw_ledger_options options = fixture_options(dir);
    struct kw_ledger *ledger = NULL;
    struct kw_error err;
    options.append_deadline_ms = deadline_ms;
    options.publish_interval_ms = 3600000; /* only when told, so that the test knows what happens */
    fixture_must(kw_ledger_open_io(&options, &faulty->io, &ledger, &err), &err);
    return ledger;
}

/* What a fault of the write-ahead files must look like, and that it leaves nothing behind. */
static void commit_fault(const char *dir, enum faulty_call call, int error, bool half, kw_code want)
{
    struct faulty_io faulty;
    struct kw_error err;
    uint64_t acknowledged = 0;
    faulty_init(&faulty);
    fixture_create(dir);
    struct kw_ledger *ledger = open_faulty(dir, &faulty, 5000);
    for (int round = 0; round < 4; round++) {
        fixture_append(ledger, acknowledged, 3);
        acknowledged += 3;
        faulty_set(&faulty, call, error, "/wal");
        faulty.fault[call].half = half;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(fixture_append_one(ledger, 999, &err), want);
            assert_true(kw_code_retryable(want));
            assert_true(strlen(err.text) > 10);
            assert_int_equal(kw_ledger_stats(ledger).state, want);
        }
        faulty_set(&faulty, call, 0, NULL);
        fixture_append(ledger, acknowledged, 2);
        acknowledged += 2;
        assert_int_equal(kw_ledger_stats(ledger).state, KW_OK);
        if (round == 2)
            fixture_must(kw_ledger_publish(ledger, &err), &err);
    }
    assert_true(faulty_met(&faulty, call) >= 4);
    fixture_check_entries(ledger, acknowledged);
    fixture_close(ledger);
    fixture_verify(dir, acknowledged);
}

static void full_disk(void **state)
{
    commit_fault(*state, FAULTY_WRITE, ENOSPC, false, KW_DISK_FULL);
}

static void full_quota_after_half_a_frame(void **state)
{
    commit_fault(*state, FAULTY_WRITE, EDQUOT, true, KW_DISK_FULL);
}

static void broken_disk(void **state)
{
    commit_fault(*state, FAULTY_WRITE, EIO, false, KW_LEDGER_UNAVAILABLE);
}

static void failing_sync(void **state)
{
    commit_fault(*state, FAULTY_SYNC, EIO, false, KW_LEDGER_UNAVAILABLE);
}

static void failing_sync_for_want_of_space(void **state)
{
    commit_fault(*state, FAULTY_SYNC, ENOSPC, false, KW_DISK_FULL);
}

/* Faults of publishing: the entries stay durable, the checkpoint old, until it succeeds. */
static void publish_fault(const char *dir, enum faulty_call call, int error, const char *where,
                          kw_code want)
{
    struct faulty_io faulty;
    struct kw_error err;
    faulty_init(&faulty);
    fixture_create(dir);
    struct kw_ledger *ledger = open_faulty(dir, &faulty, 5000);
    uint64_t size = 0;
    for (unsigned round = 0; round < 3; round++) {
        uint64_t published = size;
        faulty_set(&faulty, call, error, where);
        fixture_append(ledger, size, 300); /* commits go on */
        size += 300;
        for (int i = 0; i < 2; i++) {
            assert_int_equal(kw_ledger_publish(ledger, &err), want);
            assert_int_equal(kw_ledger_stats(ledger).published_size, published);
            assert_int_equal(kw_ledger_stats(ledger).state, want);
        }
        fixture_append(ledger, size, 1);
        size++;
        faulty_set(&faulty, call, 0, NULL);
        fixture_must(kw_ledger_publish(ledger, &err), &err);
        fixture_verify(dir, size);
    }
    fixture_close(ledger);
    fixture_verify(dir, size);
}

static void tiles_on_a_full_disk(void **state)
{
    publish_fault(*state, FAULTY_WRITE, ENOSPC, "/tile/", KW_DISK_FULL);
}

static void tiles_that_cannot_be_created(void **state)
{
    publish_fault(*state, FAULTY_OPEN, EROFS, "/tile/", KW_LEDGER_UNAVAILABLE);
}

static void tiles_that_cannot_be_synced(void **state)
{
    publish_fault(*state, FAULTY_SYNC, EIO, "/tile/", KW_LEDGER_UNAVAILABLE);
}

/* The full tiles can be written and the partial one cannot: the next, wider one must not stand
 * beside an empty or torn one. */
static void partial_tiles_on_a_full_disk(void **state)
{
    publish_fault(*state, FAULTY_WRITE, ENOSPC, ".p/", KW_DISK_FULL);
}

static void partial_tiles_that_cannot_be_synced(void **state)
{
    publish_fault(*state, FAULTY_SYNC, EIO, ".p/", KW_LEDGER_UNAVAILABLE);
}

static void a_checkpoint_that_cannot_be_replaced(void **state)
{
    publish_fault(*state, FAULTY_RENAME, EACCES, "checkpoint", KW_LEDGER_UNAVAILABLE);
}

static void a_checkpoint_that_cannot_be_written(void **state)
{
    publish_fault(*state, FAULTY_WRITE, ENOSPC, "checkpoint", KW_DISK_FULL);
}

static void closing_on_a_full_disk_keeps_the_entries(void **state)
{
    struct faulty_io faulty;
    struct kw_error err;
    const struct kw_ledger_options options = fixture_options(*state);
    faulty_init(&faulty);
    fixture_create(*state);
    struct kw_ledger *ledger = open_faulty(*state, &faulty, 5000);
    fixture_append(ledger, 0, 20);
    faulty_set(&faulty, FAULTY_WRITE, ENOSPC, NULL);
    assert_int_equal(kw_ledger_close(ledger, &err), KW_DISK_FULL);
    assert_int_equal(kw_ledger_open_io(&options, &faulty.io, &ledger, &err), KW_DISK_FULL);
    faulty_set(&faulty, FAULTY_WRITE, 0, NULL);
    ledger = open_faulty(*state, &faulty, 5000);
    fixture_verify(*state, 20);
    fixture_check_entries(ledger, 20);
    fixture_close(ledger);
}

static void a_slow_disk_is_not_waited_for(void **state)
{
    struct faulty_io faulty;
    struct kw_error err;
    faulty_init(&faulty);
    fixture_create(*state);
    struct kw_ledger *ledger = open_faulty(*state, &faulty, 40);
    fixture_append(ledger, 0, 1);
    faulty_hang(&faulty, FAULTY_SYNC, "/wal");
    assert_int_equal(fixture_append_one(ledger, 1, &err), KW_LEDGER_UNAVAILABLE); /* in the sync */
    assert_non_null(strstr(err.text, "slow"));
    assert_int_equal(fixture_append_one(ledger, 2, &err), KW_LEDGER_UNAVAILABLE); /* in the queue */
    assert_int_equal(kw_ledger_stats(ledger).state, KW_LEDGER_UNAVAILABLE);
    faulty_set(&faulty, FAULTY_SYNC, 0, NULL);
    while (fixture_append_one(ledger, 2, &err) != KW_OK)
        continue;
    assert_int_equal(kw_ledger_stats(ledger).state, KW_OK);
    KW_AUTO(kw_buf) entry = KW_BUF_INIT; /* the late one has become durable: that is allowed */
    char text[128];
    fixture_must(kw_ledger_entry(ledger, 1, &entry, &err), &err);
    assert_true(kw_bytes_equal(kw_buf_bytes(&entry), fixture_entry(1, text)));
    fixture_close(ledger);
}

/* Closing while the disk hangs gives up in time; the hanging thread cleans up when it wakes. */
static void closing_does_not_hang(void **state)
{
    struct faulty_io faulty;
    struct kw_error err;
    struct kw_ledger *again;
    const struct kw_ledger_options options = fixture_options(*state);
    faulty_init(&faulty);
    fixture_create(*state);
    struct kw_ledger *ledger = open_faulty(*state, &faulty, 30);
    fixture_append(ledger, 0, 1);
    faulty_hang(&faulty, FAULTY_SYNC, NULL);
    assert_int_equal(fixture_append_one(ledger, 1, &err), KW_LEDGER_UNAVAILABLE);
    assert_int_equal(kw_ledger_publish(ledger, &err), KW_LEDGER_UNAVAILABLE);
    assert_non_null(strstr(err.text, "slow"));
    assert_int_equal(kw_ledger_close(ledger, &err), KW_LEDGER_UNAVAILABLE);
    faulty_set(&faulty, FAULTY_SYNC, 0, NULL);
    kw_code code; /* the folder is free as soon as the threads have ended */
    while ((code = kw_ledger_open(&options, &again, &err)) == KW_DATA_LOCKED)
        usleep(1000);
    fixture_must(code, &err);
    assert_true(kw_ledger_stats(again).size >= 1);
    fixture_close(again);
}

/* Files that go missing under a running ledger, and come back. */
static void taken_away(const char *dir, const char *name)
{
    struct faulty_io faulty;
    struct kw_error err;
    char path[KW_PATH_SIZE];
    char away[KW_PATH_SIZE + 8];
    faulty_init(&faulty);
    fixture_create(dir);
    struct kw_ledger *ledger = open_faulty(dir, &faulty, 5000);
    fixture_append(ledger, 0, 5);
    fixture_must(kw_ledger_publish(ledger, &err), &err);
    snprintf(away, sizeof away, "%s.away", fixture_path(path, dir, name));
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(fixture_append_one(ledger, 5, &err), KW_LEDGER_UNAVAILABLE);
    assert_non_null(strstr(err.text, name));
    assert_non_null(strstr(err.text, "deleted"));
    assert_int_equal(rename(away, path), 0);
    fixture_append(ledger, kw_ledger_stats(ledger).size, 1);
    fixture_close(ledger);
}

static void a_deleted_checkpoint(void **state)
{
    taken_away(*state, "checkpoint");
}

static void a_deleted_write_ahead_file(void **state)
{
    taken_away(*state, "wal/0000000000000000.wal");
}

static void a_replaced_checkpoint_is_noticed_by_publishing(void **state)
{
    struct faulty_io faulty;
    struct kw_error err;
    char path[KW_PATH_SIZE];
    KW_AUTO(kw_buf) old = KW_BUF_INIT;
    faulty_init(&faulty);
    fixture_create(*state);
    struct kw_ledger *ledger = open_faulty(*state, &faulty, 5000);
    fixture_append(ledger, 0, 5);
    fixture_must(kw_ledger_publish(ledger, &err), &err);
    fixture_path(path, *state, "checkpoint");
    fixture_must(kw_file_read(path, 4096, &old, &err), &err);
    fixture_append(ledger, 5, 5);
    FILE *file = fopen(path, "r+"); /* in place: the inode stays */
    assert_non_null(file);
    fputc('T', file);
    fclose(file);
    assert_int_equal(kw_ledger_publish(ledger, &err), KW_LEDGER_UNAVAILABLE);
    assert_non_null(strstr(err.text, "replaced"));
    assert_int_equal(fixture_append_one(ledger, 10, &err), KW_LEDGER_UNAVAILABLE); /* stops */
    file = fopen(path, "r+");
    assert_non_null(file);
    fwrite(old.data, 1, old.len, file);
    fclose(file);
    fixture_must(kw_ledger_publish(ledger, &err), &err);
    fixture_append(ledger, 10, 1);
    fixture_close(ledger);
    fixture_verify(*state, 11);
}

static void flip(const char *path)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    int was = fgetc(file);
    rewind(file);
    fputc(was ^ 1, file);
    fclose(file);
}

/* A tile that is altered under a running ledger: the next checkpoint would not extend the last one.
 */
static void nothing_inconsistent_is_signed(void **state)
{
    struct faulty_io faulty;
    struct kw_error err;
    char path[KW_PATH_SIZE];
    faulty_init(&faulty);
    fixture_create(*state);
    struct kw_ledger *ledger = open_faulty(*state, &faulty, 5000);
    fixture_append(ledger, 0, 600);
    fixture_must(kw_ledger_publish(ledger, &err), &err);
    fixture_append(ledger, 600, 1);
    flip(fixture_path(path, *state, "tile/1/000.p/2"));
    assert_int_equal(kw_ledger_publish(ledger, &err), KW_LEDGER_CORRUPT);
    assert_non_null(strstr(err.text, "nothing is signed"));
    assert_int_equal(fixture_append_one(ledger, 601, &err), KW_LEDGER_UNAVAILABLE);
    flip(path);
    fixture_must(kw_ledger_publish(ledger, &err), &err);
    fixture_append(ledger, 601, 1);
    fixture_close(ledger);
    fixture_verify(*state, 602);
}

/* In a child, so that its own mounts end with it. */
static int fill_small_disk(const char *dir)
{
    struct kw_ledger_options options = fixture_options(dir);
    struct kw_ledger *ledger;
    struct kw_error err;
    char ballast[KW_PATH_SIZE];
    static uint8_t zeros[65536];
    fixture_create(dir);
    ledger = fixture_open(&options);
    fixture_append(ledger, 0, 10);
    fixture_must(kw_ledger_publish(ledger, &err), &err);
    FILE *file = fopen(fixture_path(ballast, dir, "ballast"), "w");
    while (file != NULL && fwrite(zeros, 1, sizeof zeros, file) == sizeof zeros)
        continue;
    if (file != NULL)
        fclose(file);
    uint64_t size = 10;
    kw_code code;
    while ((code = fixture_append_one(ledger, size, &err)) == KW_OK)
        size++;
    if (code != KW_DISK_FULL)
        return 2;
    unlink(ballast);
    fixture_append(ledger, kw_ledger_stats(ledger).size, 1);
    fixture_close(ledger);
    fixture_verify(dir, size + 1);
    return 0;
}

static void a_real_full_disk(void **state)
{
    KW_SKIP_IF_NO_THREADS_AFTER_FORK("a_real_full_disk");
    pid_t pid = geteuid() == 0 ? fork() : -1;
    if (pid < 0) {
        print_message("skipped: a_real_full_disk needs root, to mount a small tmpfs\n");
        skip();
    }
    if (pid == 0) {
        if (unshare(0x00020000 /* CLONE_NEWNS */) != 0 ||
            mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("small", *state, "tmpfs", 0, "size=1m") != 0)
            _exit(77);
        _exit(fill_small_disk(*state));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("skipped: a_real_full_disk may not mount here\n");
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(full_disk),
        TEST(full_quota_after_half_a_frame),
        TEST(broken_disk),
        TEST(failing_sync),
        TEST(failing_sync_for_want_of_space),
        TEST(tiles_on_a_full_disk),
        TEST(tiles_that_cannot_be_created),
        TEST(tiles_that_cannot_be_synced),
        TEST(partial_tiles_on_a_full_disk),
        TEST(partial_tiles_that_cannot_be_synced),
        TEST(a_checkpoint_that_cannot_be_replaced),
        TEST(a_checkpoint_that_cannot_be_written),
        TEST(closing_on_a_full_disk_keeps_the_entries),
        TEST(a_slow_disk_is_not_waited_for),
        TEST(closing_does_not_hang),
        TEST(a_deleted_checkpoint),
        TEST(a_deleted_write_ahead_file),
        TEST(a_replaced_checkpoint_is_noticed_by_publishing),
        TEST(nothing_inconsistent_is_signed),
        TEST(a_real_full_disk),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kw_secret_wipe(&fixture_seed);
    return failed;
}

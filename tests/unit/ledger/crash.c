/* The process is killed, or the power is lost, at each system call by which the ledger changes the
 * disk, and at random moments under load. Afterwards every entry that was acknowledged is there,
 * the log verifies, and it extends every checkpoint that was ever seen. */
#include "ledger_fixture.h"
#include "ledger_io_powerloss.h"
#include "sanitized.h"
#include "scratch.h"

#include <limits.h>
#include <sys/wait.h>

/* What the child says before it dies. */
struct report {
    uint64_t index;
    uint64_t number; /* of the entry's text */
};

static struct powerloss_io disk;

static void die(int where)
{
    _exit(100 + where);
}

/* Appends entries [from, from + count) as one batch and reports them when they are acknowledged. */
static void append_and_report(struct kw_ledger *ledger, uint64_t from, unsigned count, int pipe_fd)
{
    KW_AUTO(kw_ledger_batch) batch = {0};
    char text[128];
    for (unsigned i = 0; i < count; i++)
        if (kw_ledger_batch_add(&batch, fixture_entry(from + i, text), NULL) != KW_OK)
            die(1);
    if (kw_ledger_append_wait(ledger, &batch, NULL) != KW_OK)
        die(2);
    for (unsigned i = 0; i < count; i++) {
        struct report report = {batch.first_index + i, from + i};
        if (write(pipe_fd, &report, sizeof report) != sizeof report)
            die(3);
    }
}

/* A life with everything in it: new and full tiles, several publications, a second opening. number
 * is where the texts of its entries begin. */
static void live(const char *dir, uint64_t number, int pipe_fd)
{
    static const unsigned counts[] = {1, 253, 3, 300};
    struct kw_ledger_options options = fixture_options(dir);
    options.publish_interval_ms = 3600000;
    for (int opening = 0; opening < 2; opening++) {
        struct kw_ledger *ledger;
        if (kw_ledger_open_io(&options, &disk.io, &ledger, NULL) != KW_OK)
            die(4);
        for (size_t i = 0; i < KW_COUNT(counts); i++) {
            append_and_report(ledger, number, counts[i], pipe_fd);
            number += counts[i];
            if (i % 2 == 1 && kw_ledger_publish(ledger, NULL) != KW_OK)
                die(5);
        }
        if (kw_ledger_close(ledger, NULL) != KW_OK)
            die(6);
    }
}

/* Which text each acknowledged entry must have. */
struct seen {
    uint64_t *number; /* by index; UNKNOWN: was not acknowledged */
    uint64_t size;    /* behind the last acknowledged entry */
    size_t room;
    size_t count;
};

static const uint64_t UNKNOWN = UINT64_MAX;

static void read_reports(int fd, struct seen *seen)
{
    struct report report;
    while (read(fd, &report, sizeof report) == sizeof report) {
        while (report.index >= seen->room) {
            size_t room = seen->room == 0 ? 1024 : seen->room * 2;
            seen->number = realloc(seen->number, room * sizeof *seen->number);
            assert_non_null(seen->number);
            for (size_t i = seen->room; i < room; i++)
                seen->number[i] = UNKNOWN;
            seen->room = room;
        }
        assert_true(seen->number[report.index] == UNKNOWN); /* no index is given twice */
        seen->number[report.index] = report.number;
        if (report.index >= seen->size)
            seen->size = report.index + 1;
        seen->count++;
    }
}

static kw_code check_entry(void *arg, uint64_t index, struct kw_bytes entry, struct kw_error *err)
{
    const struct seen *seen = arg;
    char text[128];
    if (index >= seen->size || seen->number[index] == UNKNOWN ||
        kw_bytes_equal(entry, fixture_entry(seen->number[index], text)))
        return KW_OK;
    return kw_fail(err, KW_LEDGER_CORRUPT, "entry %llu is not the one that was acknowledged",
                   (unsigned long long)index);
}

static void read_checkpoint_file(const char *dir, struct kw_buf *out)
{
    char path[KW_PATH_SIZE];
    struct kw_error err;
    kw_buf_reset(out);
    fixture_must(kw_file_read(fixture_path(path, dir, "checkpoint"), 4096, out, &err), &err);
}

/* Opens what is left and holds it against what was acknowledged. */
static void check_survivor(const char *dir, struct seen *seen, struct kw_buf *checkpoint)
{
    struct kw_ledger_options options = fixture_options(dir);
    struct kw_ledger_verified out;
    struct kw_error err;
    options.size_at_least = seen->size;
    struct kw_ledger *ledger = fixture_open(&options);
    struct kw_tlog_source source = kw_ledger_source(ledger);
    const struct kw_tlog_range all = {0, seen->size, kw_ledger_stats(ledger).published_size};
    assert_true(all.size >= all.to); /* opening has published what was found */
    fixture_must(kw_tlog_each(&source, all, check_entry, seen, &err), &err);
    fixture_append(ledger, all.size, 1); /* and it goes on */
    fixture_close(ledger);
    const struct kw_ledger_verify how = {.dir = dir, .old_checkpoint = kw_buf_bytes(checkpoint)};
    fixture_must(kw_ledger_verify(&how, &out, NULL, &err), &err);
    read_checkpoint_file(dir, checkpoint);
}

static int run_child(const char *dir, unsigned call, unsigned mode, uint64_t seed,
                     struct seen *seen)
{
    char attic[KW_PATH_SIZE + 8];
    int ends[2];
    int status;
    snprintf(attic, sizeof attic, "%s-attic", dir);
    mkdir(attic, 0700);
    assert_int_equal(pipe(ends), 0);
    fixture_options(dir); /* the seed is made before the fork */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        powerloss_init(&disk, attic, call, mode, seed);
        live(dir, 0, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    read_reports(ends[0], seen);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    nftw(attic, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return 1;
    }
    assert_int_equal(WEXITSTATUS(status), 0); /* it came to its end before that call */
    return 0;
}

/* One life with its end at a call; false when the life has fewer calls than that. */
static bool one_end(const char *base, unsigned call, unsigned mode, uint64_t seed)
{
    char dir[KW_PATH_SIZE];
    struct seen seen = {0};
    KW_AUTO(kw_buf) checkpoint = KW_BUF_INIT;
    snprintf(dir, sizeof dir, "%s/%u-%u-%llu", base, call, mode, (unsigned long long)seed);
    fixture_create(dir);
    bool died = run_child(dir, call, mode, seed, &seen) == 1;
    read_checkpoint_file(dir, &checkpoint);
    check_survivor(dir, &seen, &checkpoint);
    free(seen.number);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return died;
}

static void killed_at_every_call(void **state)
{
    KW_SKIP_IF_NO_THREADS_AFTER_FORK("killed_at_every_call");
    unsigned call = 0;
    for (bool died = true; died; call++)
        for (unsigned mode = 0; mode < 3; mode++)
            died = one_end(*state, call, mode, 0);
    print_message("killed at each of %u calls\n", call - 1);
    assert_true(call > 60);
}

static void power_lost_at_every_call(void **state)
{
    KW_SKIP_IF_NO_THREADS_AFTER_FORK("power_lost_at_every_call");
    unsigned call = 0;
    for (bool died = true; died; call++)
        for (unsigned round = 0; round < (KW_SANITIZED ? 1 : 4); round++)
            died = one_end(*state, call, round % 3, 0x9e3779b97f4a7c15ULL * (call * 4 + round + 1));
    print_message("power lost at each of %u calls\n", call - 1);
    assert_true(call > 60);
}

/* --- at random moments, under load --- */

struct load {
    struct kw_ledger *ledger;
    int pipe_fd;
    uint64_t number;
};

static void *append_for_ever(void *arg)
{
    struct load *load = arg;
    for (uint64_t i = 0;; i++)
        append_and_report(load->ledger, load->number + i * 3, 1 + (unsigned)(i % 3), load->pipe_fd);
    return NULL;
}

static void load_until_killed(const char *dir, uint64_t round, int pipe_fd)
{
    enum { THREADS = 4 };
    struct kw_ledger_options options = fixture_options(dir);
    struct load load[THREADS];
    pthread_t thread;
    struct kw_ledger *ledger;
    options.publish_interval_ms = 1;
    if (kw_ledger_open(&options, &ledger, NULL) != KW_OK)
        die(7);
    for (uint64_t i = 0; i < THREADS; i++) {
        load[i] = (struct load){ledger, pipe_fd, (round * THREADS + i) * 1000000};
        if (pthread_create(&thread, NULL, append_for_ever, &load[i]) != 0)
            die(8);
    }
    for (;;)
        pause();
}

static void killed_at_random_moments(void **state)
{
    enum { ROUNDS = KW_SANITIZED ? 30 : 100 };
    KW_SKIP_IF_NO_THREADS_AFTER_FORK("killed_at_random_moments");
    struct seen seen = {0};
    KW_AUTO(kw_buf) checkpoint = KW_BUF_INIT;
    fixture_create(*state);
    read_checkpoint_file(*state, &checkpoint);
    for (unsigned round = 0; round < ROUNDS; round++) {
        int ends[2];
        int status;
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(ends[0]);
            load_until_killed(*state, round, ends[1]);
        }
        close(ends[1]);
        usleep(2000 + round * 977 % 9000);
        kill(pid, SIGKILL);
        read_reports(ends[0], &seen);
        close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        check_survivor(*state, &seen, &checkpoint);
    }
    print_message("%zu entries acknowledged before %d kills\n", seen.count, ROUNDS);
    free(seen.number);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(killed_at_every_call),
        TEST(power_lost_at_every_call),
        TEST(killed_at_random_moments),
    };
    /* in memory: what is tested is what the ledger syncs, not how fast the disk does it */
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kw_secret_wipe(&fixture_seed);
    return failed;
}

/* The writer from outside: what was acknowledged is there, also after it was closed and opened
 * again. */
#include "ledger_fixture.h"
#include "scratch.h"
#include "tlog/receipt.h"

#include <unistd.h>

static void an_empty_ledger(void **state)
{
    struct kw_error err;
    struct kw_ledger *ledger;
    const struct kw_ledger_options options = fixture_options(*state);
    assert_int_equal(kw_ledger_open(&options, &ledger, &err), KW_LEDGER_MISSING);
    fixture_create(*state);
    assert_int_equal(kw_ledger_create(&options, &err), KW_EXISTS);
    fixture_verify(*state, 0);
    ledger = fixture_open(&options);
    assert_non_null(strstr(kw_ledger_vkey(ledger), "test.example/ledger+"));
    assert_int_equal(kw_ledger_stats(ledger).size, 0);
    fixture_must(kw_ledger_publish(ledger, &err), &err);
    fixture_close(ledger);
    fixture_verify(*state, 0);
    fixture_must(kw_ledger_close(NULL, &err), &err);
}

static void entries_survive_reopening_at_every_boundary(void **state)
{
    static const unsigned counts[] = {1, 254, 1, 1, 255, 1, 3, 600, 1};
    const struct kw_ledger_options options = fixture_options(*state);
    uint64_t size = 0;
    fixture_create(*state);
    for (size_t i = 0; i < KW_COUNT(counts); i++) {
        struct kw_ledger *ledger = fixture_open(&options);
        assert_int_equal(kw_ledger_stats(ledger).size, size);
        fixture_append(ledger, size, counts[i]);
        size += counts[i];
        fixture_close(ledger);
        fixture_verify(*state, size);
    }
    struct kw_ledger *ledger = fixture_open(&options);
    fixture_check_entries(ledger, size);
    fixture_close(ledger);
}

static void every_size_publishes(void **state)
{
    const struct kw_ledger_options options = fixture_options(*state);
    struct kw_error err;
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    for (uint64_t i = 0; i < 260; i++) {
        fixture_append(ledger, i, 1);
        fixture_must(kw_ledger_publish(ledger, &err), &err);
        if (i % 37 == 0 || i > 250)
            fixture_verify(*state, i + 1);
    }
    char path[KW_PATH_SIZE]; /* the partial tiles that the full one has replaced are gone */
    assert_false(kw_path_exists(fixture_path(path, *state, "tile/0/000.p")));
    assert_false(kw_path_exists(fixture_path(path, *state, "tile/entries/000.p")));
    assert_true(kw_path_exists(fixture_path(path, *state, "tile/0/001.p/4")));
    fixture_close(ledger);
}

static void unpublished_entries_can_be_read(void **state)
{
    struct kw_ledger_options options = fixture_options(*state);
    struct kw_error err;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    options.publish_interval_ms = 3600000;
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    fixture_append(ledger, 0, 300);
    fixture_append(ledger, 300, 5);
    assert_int_equal(kw_ledger_stats(ledger).published_size, 0);
    fixture_check_entries(ledger, 305);
    assert_int_equal(kw_ledger_entry(ledger, 305, &out, &err), KW_NOT_FOUND);
    assert_int_equal(kw_ledger_receipt(ledger, 304, &out, &err), KW_AGAIN);
    assert_int_equal(kw_ledger_receipt(ledger, 305, &out, &err), KW_NOT_FOUND);

    struct kw_ledger_verified seen; /* another process looks at the folder meanwhile */
    const struct kw_ledger_verify how = {.dir = *state};
    fixture_must(kw_ledger_verify(&how, &seen, NULL, &err), &err);
    assert_int_equal(seen.log.tree.size, 0);
    assert_int_equal(seen.unpublished, 305);
    assert_true(seen.in_use);
    assert_true(seen.trusts_folder);

    fixture_must(kw_ledger_publish(ledger, &err), &err);
    assert_int_equal(kw_ledger_stats(ledger).published_size, 305);
    fixture_check_entries(ledger, 305);
    fixture_close(ledger);
}

static void receipts_and_resources(void **state)
{
    const struct kw_ledger_options options = fixture_options(*state);
    struct kw_note_key key;
    struct kw_error err;
    char text[128];
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    fixture_must(kw_note_key_parse(&key, kw_bytes_str(kw_ledger_vkey(ledger)), &err), &err);
    fixture_append(ledger, 0, 700);
    fixture_must(kw_ledger_publish(ledger, &err), &err);
    for (uint64_t i = 0; i < 700; i += 13) {
        KW_AUTO(kw_buf) receipt = KW_BUF_INIT;
        uint64_t index;
        fixture_must(kw_ledger_receipt(ledger, i, &receipt, &err), &err);
        fixture_must(kw_tlog_receipt_check(kw_buf_bytes(&receipt), &key, fixture_entry(i, text),
                                           &index, NULL, &err),
                     &err);
        assert_int_equal(index, i);
    }
    static const char *const served[] = {"checkpoint",       "tile/0/000",
                                         "tile/0/000.p/17",  "tile/entries/001.p/255",
                                         "tile/0/002.p/188", "tile/1/000.p/2"};
    for (size_t i = 0; i < KW_COUNT(served); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        fixture_must(kw_ledger_resource(ledger, served[i], &out, &err), &err);
        assert_true(out.len > 0);
    }
    static const char *const refused[] = {"vkey",
                                          "wal/lock",
                                          "wal",
                                          "../x",
                                          "tile/0/003",
                                          "tile/0/002.p/189",
                                          "tile/2/000.p/1",
                                          "/etc/passwd",
                                          "tile/../checkpoint",
                                          "tile/entries/../../vkey",
                                          "checkpoint/",
                                          "",
                                          "tile/0/000/../000"};
    for (size_t i = 0; i < KW_COUNT(refused); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        assert_int_equal(kw_ledger_resource(ledger, refused[i], &out, &err), KW_NOT_FOUND);
        assert_int_equal(out.len, 0);
    }
    fixture_close(ledger);
}

static kw_code count_entry(void *arg, uint64_t index, struct kw_bytes entry, struct kw_error *err)
{
    uint64_t *next = arg;
    char text[128];
    KW_UNUSED(err);
    assert_int_equal(index, *next);
    assert_true(kw_bytes_equal(entry, fixture_entry(index, text)));
    (*next)++;
    return KW_OK;
}

static void ranges_of_entries(void **state)
{
    const struct kw_ledger_options options = fixture_options(*state);
    struct kw_error err;
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    fixture_append(ledger, 0, 520);
    fixture_must(kw_ledger_publish(ledger, &err), &err);
    static const uint64_t ranges[][2] = {{0, 520}, {0, 1}, {255, 257}, {519, 520}, {300, 9999}};
    for (size_t i = 0; i < KW_COUNT(ranges); i++) {
        uint64_t next = ranges[i][0];
        struct kw_tlog_source source = kw_ledger_source(ledger);
        const struct kw_tlog_range range = {ranges[i][0], ranges[i][1], 520};
        fixture_must(kw_tlog_each(&source, range, count_entry, &next, &err), &err);
        assert_int_equal(next, ranges[i][1] < 520 ? ranges[i][1] : 520);
    }
    fixture_close(ledger);
}

static void limits(void **state)
{
    static uint8_t big[KW_LEDGER_ENTRY_MAX + 1];
    struct kw_ledger_options options = fixture_options(*state);
    struct kw_error err;
    KW_AUTO(kw_ledger_batch) batch = {0};
    options.pending_max = 100000;
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    assert_int_equal(kw_ledger_append_wait(ledger, &batch, &err), KW_INTERNAL); /* empty */
    assert_int_equal(kw_ledger_batch_add(&batch, kw_bytes(big, sizeof big), &err), KW_TOO_LARGE);
    assert_int_equal(batch.count, 0);
    fixture_must(kw_ledger_batch_add(&batch, kw_bytes(big, sizeof big - 1), &err), &err);
    fixture_must(kw_ledger_batch_add(&batch, kw_bytes(NULL, 0), &err), &err);
    fixture_must(kw_ledger_append_wait(ledger, &batch, &err), &err);
    fixture_must(kw_ledger_batch_add(&batch, kw_bytes(big, sizeof big - 1), &err), &err);
    assert_int_equal(kw_ledger_append_wait(ledger, &batch, &err), KW_OVERLOADED);
    kw_ledger_batch_reset(&batch);
    fixture_must(kw_ledger_batch_add(&batch, kw_bytes_str("fits"), &err), &err);
    fixture_must(kw_ledger_append_wait(ledger, &batch, &err), &err);
    assert_int_equal(batch.first_index, 2);
    fixture_close(ledger);
    fixture_verify(*state, 3);
}

static void one_process_at_a_time(void **state)
{
    const struct kw_ledger_options options = fixture_options(*state);
    struct kw_ledger *second;
    struct kw_error err;
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    assert_int_equal(kw_ledger_open(&options, &second, &err), KW_DATA_LOCKED);
    fixture_close(ledger);
    fixture_close(fixture_open(&options));
}

static void a_wrong_key_or_origin_is_refused(void **state)
{
    struct kw_ledger_options options = fixture_options(*state);
    struct kw_ledger *ledger;
    struct kw_error err;
    KW_AUTO(kw_secret) other = KW_SECRET_INIT;
    fixture_create(*state);
    fixture_must(kw_secret_alloc(&other, 32, &err), &err);
    options.seed = &other;
    assert_int_equal(kw_ledger_open(&options, &ledger, &err), KW_LEDGER_CORRUPT);
    options = fixture_options(*state);
    options.origin = "other.example";
    assert_int_equal(kw_ledger_open(&options, &ledger, &err), KW_LEDGER_CORRUPT);
    options.origin = "not a name";
    assert_int_equal(kw_ledger_open(&options, &ledger, &err), KW_BAD_NAME);
}

static void a_ledger_that_was_rolled_back_is_noticed(void **state)
{
    struct kw_ledger_options options = fixture_options(*state);
    struct kw_ledger *ledger;
    struct kw_error err;
    fixture_create(*state);
    ledger = fixture_open(&options);
    fixture_append(ledger, 0, 10);
    fixture_close(ledger);
    options.size_at_least = 10;
    fixture_close(fixture_open(&options));
    options.size_at_least = 11;
    assert_int_equal(kw_ledger_open(&options, &ledger, &err), KW_LEDGER_MISSING);
    assert_non_null(strstr(err.text, "rolled back"));
}

static void what_is_missing_is_named(void **state)
{
    static const char *const names[] = {"vkey", "checkpoint", "tile/0/000.p/9",
                                        "tile/entries/000.p/9"};
    struct kw_ledger_options options = fixture_options(*state);
    struct kw_ledger *ledger;
    struct kw_error err;
    fixture_create(*state);
    ledger = fixture_open(&options);
    fixture_append(ledger, 0, 9);
    fixture_close(ledger);
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        char path[KW_PATH_SIZE];
        char kept[KW_PATH_SIZE + 8];
        snprintf(kept, sizeof kept, "%s.kept", fixture_path(path, *state, names[i]));
        assert_int_equal(rename(path, kept), 0);
        kw_code code = kw_ledger_open(&options, &ledger, &err);
        assert_true(code == KW_LEDGER_MISSING || code == KW_LEDGER_CORRUPT);
        assert_non_null(strstr(err.text, names[i]));
        assert_int_equal(rename(kept, path), 0);
    }
    fixture_close(fixture_open(&options));
}

struct worker {
    struct kw_ledger *ledger;
    unsigned count;
    uint64_t last;
    bool ordered;
};

static void *append_many(void *arg)
{
    struct worker *worker = arg;
    KW_AUTO(kw_ledger_batch) batch = {0};
    for (unsigned i = 0; i < worker->count; i++) {
        struct kw_error err;
        kw_ledger_batch_reset(&batch);
        for (unsigned j = 0; j <= i % 3; j++)
            if (kw_ledger_batch_add(&batch, kw_bytes_str("some entry"), &err) != KW_OK)
                return NULL;
        if (kw_ledger_append_wait(worker->ledger, &batch, &err) != KW_OK)
            return NULL;
        worker->ordered = worker->ordered && (i == 0 || batch.first_index > worker->last);
        worker->last = batch.first_index;
    }
    return worker;
}

static void many_threads(void **state)
{
    enum { THREADS = 8, EACH = 300 };
    struct kw_ledger_options options = fixture_options(*state);
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    options.publish_interval_ms = 5;
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.ledger = ledger, .count = EACH, .ordered = true};
        assert_int_equal(pthread_create(&threads[i], NULL, append_many, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &workers[i]);
        assert_true(workers[i].ordered);
    }
    struct kw_ledger_stats stats = kw_ledger_stats(ledger);
    assert_int_equal(stats.size, THREADS * EACH * 2);
    assert_int_equal(stats.state, KW_OK);
    assert_true(stats.commits <= THREADS * EACH);
    fixture_close(ledger);
    fixture_verify(*state, THREADS * EACH * 2);
}

/* Enough to go through several write-ahead files, prepared ones and reused ones among them. */
static void large_amounts(void **state)
{
    enum { BATCHES = 700, EACH = 20, SIZE = 4000 };
    static uint8_t entry[SIZE];
    struct kw_ledger_options options = fixture_options(*state);
    struct kw_error err;
    KW_AUTO(kw_ledger_batch) batch = {0};
    options.publish_interval_ms = 20;
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    for (unsigned i = 0; i < BATCHES; i++) {
        kw_ledger_batch_reset(&batch);
        for (unsigned j = 0; j < EACH; j++) {
            entry[0] = (uint8_t)i;
            fixture_must(kw_ledger_batch_add(&batch, kw_bytes(entry, SIZE), &err), &err);
        }
        fixture_must(kw_ledger_append_wait(ledger, &batch, &err), &err);
    }
    fixture_close(ledger);
    fixture_verify(*state, BATCHES * EACH);
    struct kw_ledger_verified seen;
    const struct kw_ledger_verify how = {.dir = *state};
    fixture_must(kw_ledger_verify(&how, &seen, NULL, &err), &err);
    assert_int_equal(seen.log.bytes, BATCHES * EACH * (uint64_t)SIZE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_ledger),
        TEST(entries_survive_reopening_at_every_boundary),
        TEST(every_size_publishes),
        TEST(unpublished_entries_can_be_read),
        TEST(receipts_and_resources),
        TEST(ranges_of_entries),
        TEST(limits),
        TEST(one_process_at_a_time),
        TEST(a_wrong_key_or_origin_is_refused),
        TEST(a_ledger_that_was_rolled_back_is_noticed),
        TEST(what_is_missing_is_named),
        TEST(many_threads),
        TEST(large_amounts),
    };
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* hundreds of publications */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kw_secret_wipe(&fixture_seed);
    return failed;
}

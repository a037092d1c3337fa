/* The write-ahead format, and what recovery makes of torn, damaged, abandoned and foreign files. */
#include "crypto/hash.h"
#include "ledger/wal.h"
#include "scratch.h"
#include "tlog/bundle.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct kw_tlog_hash log_id = {{'t', 'e', 's', 't'}};

/* A segment file under construction. */
struct maker {
    struct kw_buf bytes;
    struct kw_segment_header header;
    uint64_t next;
};

static struct maker start(uint64_t generation, uint64_t first_index)
{
    struct maker maker = {.header = {.generation = generation, .first_index = first_index},
                          .next = first_index};
    memset(maker.header.id, (int)(generation * 16 + first_index % 16), sizeof maker.header.id);
    uint8_t *room = kw_buf_reserve(&maker.bytes, KW_SEGMENT_HEADER_SIZE);
    assert_non_null(room);
    kw_segment_header_put(room, &maker.header, &log_id);
    maker.bytes.len += KW_SEGMENT_HEADER_SIZE;
    return maker;
}

/* A frame of count entries; size of the file before it. */
static size_t add_frame(struct maker *maker, uint32_t count)
{
    KW_AUTO(kw_buf) entries = KW_BUF_INIT;
    KW_AUTO(kw_buf) leaves = KW_BUF_INIT;
    static const uint8_t zeros[8];
    size_t before = maker->bytes.len;
    for (uint32_t i = 0; i < count; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "entry %llu", (unsigned long long)maker->next + i);
        struct kw_tlog_hash leaf = kw_tlog_leaf(kw_bytes(text, (size_t)len));
        kw_tlog_bundle_add(&entries, kw_bytes(text, (size_t)len));
        kw_buf_append(&leaves, &leaf, sizeof leaf);
    }
    const struct kw_frame_header header = {(uint32_t)entries.len, count, maker->next, before};
    uint8_t *room = kw_buf_reserve(&maker->bytes, KW_FRAME_HEADER_SIZE);
    kw_frame_header_put(room, &header, maker->header.id, kw_buf_bytes(&leaves));
    maker->bytes.len += KW_FRAME_HEADER_SIZE;
    kw_buf_append(&maker->bytes, entries.data, entries.len);
    kw_buf_append(&maker->bytes, zeros,
                  kw_frame_size(entries.len) - KW_FRAME_HEADER_SIZE - entries.len);
    maker->next += count;
    return before;
}

static void put(const char *dir, unsigned name, struct maker *maker)
{
    char path[KW_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%016x.wal", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, maker->bytes.data, maker->bytes.len), maker->bytes.len);
    close(fd);
}

static kw_code recover(const char *dir, uint64_t published, uint64_t *size, struct kw_error *err)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct kw_wal wal = {.lock = &lock, .log = log_id, .generation = 1};
    snprintf(wal.dir, sizeof wal.dir, "%s", dir);
    kw_code code = kw_wal_recover(&wal, published, size, err);
    kw_wal_wipe(&wal);
    return code;
}

static void expect_size(const char *dir, uint64_t published, uint64_t want)
{
    uint64_t size;
    struct kw_error err;
    kw_code code = recover(dir, published, &size, &err);
    if (code != KW_OK)
        print_error("%s\n", err.text);
    assert_int_equal(code, KW_OK);
    assert_int_equal(size, want);
}

static void expect_corrupt(const char *dir, uint64_t published, const char *text)
{
    uint64_t size;
    struct kw_error err;
    assert_int_equal(recover(dir, published, &size, &err), KW_LEDGER_CORRUPT);
    assert_non_null(strstr(err.text, text));
}

static void whole_segments(void **state)
{
    expect_size(*state, 5, 5); /* none */
    struct maker a = start(1, 0);
    put(*state, 0, &a);
    expect_size(*state, 0, 0);
    for (uint32_t i = 1; i <= 4; i++)
        add_frame(&a, i);
    put(*state, 0, &a);
    expect_size(*state, 0, 10);
    expect_size(*state, 4, 10); /* some, or all, are published already */
    expect_size(*state, 10, 10);
    expect_size(*state, 99, 99);
    struct maker b = start(2, 10);
    add_frame(&b, 5);
    put(*state, 7, &b);
    expect_size(*state, 0, 15);
    kw_buf_wipe(&a.bytes);
    kw_buf_wipe(&b.bytes);
}

/* At every length and with every byte changed, the last frame is dropped: never more than that,
 * never an error, for nothing in it can have been acknowledged. */
static void a_torn_last_frame_is_dropped(void **state)
{
    struct maker a = start(1, 0);
    add_frame(&a, 2);
    size_t last = add_frame(&a, 3);
    size_t whole = a.bytes.len;
    for (size_t len = last; len < whole; len++) {
        size_t entries_end = last + KW_FRAME_HEADER_SIZE + 3 * 9;
        a.bytes.len = len;
        put(*state, 0, &a);
        expect_size(*state, 0, len < entries_end ? 2 : 5); /* only zeros are missing */
    }
    a.bytes.len = whole;
    for (size_t i = last; i < last + KW_FRAME_HEADER_SIZE + 3 * 9; i++) {
        a.bytes.data[i] ^= 0x40;
        put(*state, 0, &a);
        expect_size(*state, 0, 2);
        a.bytes.data[i] ^= 0x40;
    }
    kw_buf_wipe(&a.bytes);
}

/* Every byte of a frame that has another behind it. */
static void damage_before_good_frames_is_reported(void **state)
{
    struct maker a = start(1, 0);
    size_t first = add_frame(&a, 2);
    add_frame(&a, 3);
    for (size_t i = first; i < first + KW_FRAME_HEADER_SIZE + 2 * 9; i++) {
        a.bytes.data[i] ^= 0x01;
        put(*state, 0, &a);
        expect_corrupt(*state, 0, "damaged at offset 64");
        a.bytes.data[i] ^= 0x01;
    }
    for (size_t i = 0; i < KW_SEGMENT_HEADER_SIZE; i++) { /* the header of the segment */
        a.bytes.data[i] ^= 0x01;
        put(*state, 0, &a);
        expect_corrupt(*state, 0, "header");
        a.bytes.data[i] ^= 0x01;
    }
    kw_buf_wipe(&a.bytes);
}

/* What a failed sync left behind is cut off by the next segment's first index. */
static void an_abandoned_tail_is_cut_off(void **state)
{
    struct maker a = start(1, 0);
    add_frame(&a, 4);
    add_frame(&a, 6); /* whole, but never acknowledged */
    put(*state, 0, &a);
    expect_size(*state, 0, 10);
    struct maker b = start(2, 4);
    add_frame(&b, 1);
    put(*state, 1, &b);
    expect_size(*state, 0, 5);
    a.bytes.data[a.bytes.len - 20] ^= 1; /* torn as well */
    put(*state, 0, &a);
    expect_size(*state, 0, 5);
    struct maker c = start(3, 5); /* taken into use twice without success, then once more */
    put(*state, 2, &c);
    struct maker d = start(4, 5);
    add_frame(&d, 2);
    put(*state, 3, &d);
    expect_size(*state, 0, 7);
    kw_buf_wipe(&a.bytes);
    kw_buf_wipe(&b.bytes);
    kw_buf_wipe(&c.bytes);
    kw_buf_wipe(&d.bytes);
}

static void gaps_are_reported(void **state)
{
    struct maker a = start(1, 0);
    struct maker b = start(2, 4);
    add_frame(&a, 3); /* one too few */
    add_frame(&b, 2);
    put(*state, 0, &a);
    put(*state, 1, &b);
    expect_corrupt(*state, 0, "entries 3 to 3");
    expect_size(*state, 4, 6); /* if they are published they are not missing */
    char path[KW_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%016x.wal", (const char *)*state, 0);
    assert_int_equal(unlink(path), 0);
    expect_corrupt(*state, 0, "entries 0 to 3");
    kw_buf_wipe(&a.bytes);
    kw_buf_wipe(&b.bytes);
}

/* A reused file: frames of its earlier life lie behind the new ones. */
static void frames_of_an_earlier_life_are_nothing(void **state)
{
    struct maker old = start(1, 0);
    for (int i = 0; i < 5; i++)
        add_frame(&old, 2);
    struct maker fresh = start(2, 10);
    add_frame(&fresh, 2);
    memcpy(old.bytes.data, fresh.bytes.data, fresh.bytes.len);
    put(*state, 0, &old);
    expect_size(*state, 10, 12);
    fresh.bytes.data[fresh.bytes.len - 9] ^= 1; /* and its only frame torn */
    memcpy(old.bytes.data, fresh.bytes.data, fresh.bytes.len);
    put(*state, 0, &old);
    expect_size(*state, 10, 10);
    kw_buf_wipe(&old.bytes);
    kw_buf_wipe(&fresh.bytes);
}

/* An entry whose bytes are a frame is an entry. */
static void a_frame_within_an_entry_is_not_one(void **state)
{
    struct maker inner = start(1, 0);
    add_frame(&inner, 1);
    struct maker a = start(1, 0);
    memset(a.header.id, 0x77, sizeof a.header.id);
    kw_segment_header_put(a.bytes.data, &a.header, &log_id);
    size_t torn = add_frame(&a, 1);
    a.bytes.data[torn + 40] ^= 1;
    kw_buf_append(&a.bytes, inner.bytes.data + KW_SEGMENT_HEADER_SIZE,
                  inner.bytes.len - KW_SEGMENT_HEADER_SIZE);
    put(*state, 0, &a);
    expect_size(*state, 0, 0);
    kw_buf_wipe(&inner.bytes);
    kw_buf_wipe(&a.bytes);
}

static void other_files_are_passed_over(void **state)
{
    char path[KW_PATH_SIZE];
    struct maker a = start(1, 0);
    add_frame(&a, 3);
    put(*state, 0, &a);
    snprintf(path, sizeof path, "%s/notes.txt", (const char *)*state);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    struct maker blank = start(9, 9);
    memset(blank.bytes.data, 0, blank.bytes.len);
    put(*state, 1, &blank); /* a spare that was never used */
    struct maker foreign = start(5, 100);
    const struct kw_tlog_hash other = {{'x'}};
    kw_segment_header_put(foreign.bytes.data, &foreign.header, &other);
    expect_size(*state, 0, 3);
    put(*state, 2, &foreign); /* of another ledger: that is no accident */
    expect_corrupt(*state, 0, "another ledger");
    kw_buf_wipe(&a.bytes);
    kw_buf_wipe(&blank.bytes);
    kw_buf_wipe(&foreign.bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_segments),
        TEST(a_torn_last_frame_is_dropped),
        TEST(damage_before_good_frames_is_reported),
        TEST(an_abandoned_tail_is_cut_off),
        TEST(gaps_are_reported),
        TEST(frames_of_an_earlier_life_are_nothing),
        TEST(a_frame_within_an_entry_is_not_one),
        TEST(other_files_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The verifier: every byte of a published ledger counts, and what is wrong is named. */
#include "ledger_fixture.h"
#include "scratch.h"

#include <ftw.h>
#include <unistd.h>

static char files[512][KW_PATH_SIZE];
static size_t file_count;

static int note_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    KW_UNUSED(at);
    if (type == FTW_F && st->st_size > 0 && strstr(path, "/wal/") == NULL &&
        file_count < KW_COUNT(files))
        snprintf(files[file_count++], KW_PATH_SIZE, "%s", path);
    return 0;
}

/* All files of the ledger but its write-ahead files, which hold only what is published. */
static void find_files(const char *dir)
{
    file_count = 0;
    assert_int_equal(nftw(dir, note_file, 16, FTW_PHYS), 0);
}

static void make_ledger(const char *dir, uint64_t size, unsigned step)
{
    const struct kw_ledger_options options = fixture_options(dir);
    struct kw_error err;
    fixture_create(dir);
    struct kw_ledger *ledger = fixture_open(&options);
    for (uint64_t i = 0; i < size; i += step) {
        fixture_append(ledger, i, size - i < step ? (unsigned)(size - i) : step);
        fixture_must(kw_ledger_publish(ledger, &err), &err);
    }
    fixture_close(ledger);
}

static void read_vkey(const char *dir, struct kw_buf *line)
{
    char path[KW_PATH_SIZE];
    struct kw_error err;
    kw_buf_reset(line);
    fixture_must(kw_file_read(fixture_path(path, dir, "vkey"), 1024, line, &err), &err);
}

static kw_code verify(const char *dir, struct kw_bytes vkey, struct kw_tlog_fault *fault,
                      struct kw_error *err)
{
    struct kw_ledger_verified out;
    const struct kw_ledger_verify how = {.dir = dir, .vkey = vkey};
    return kw_ledger_verify(&how, &out, fault, err);
}

static void put_file(const char *path, struct kw_bytes content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

/* Every bit of every byte, in a ledger small enough for all of them; the resource is named. */
static void every_changed_bit_is_found(void **state)
{
    const char *dir = *state;
    size_t bits = 0;
    KW_AUTO(kw_buf) vkey = KW_BUF_INIT;
    make_ledger(dir, 7, 3); /* sizes 3, 6 and 7: with partial tiles of earlier checkpoints */
    read_vkey(dir, &vkey);
    find_files(dir);
    assert_int_equal(file_count, 2 + 3 * 2);
    for (size_t f = 0; f < file_count; f++) {
        KW_AUTO(kw_buf) content = KW_BUF_INIT;
        assert_int_equal(kw_file_read(files[f], 1 << 20, &content, NULL), KW_OK);
        for (size_t i = 0; i < content.len * 8; i++) {
            struct kw_tlog_fault fault;
            struct kw_error err;
            content.data[i / 8] ^= (uint8_t)(1 << i % 8);
            put_file(files[f], kw_buf_bytes(&content));
            kw_code code = verify(dir, kw_buf_bytes(&vkey), &fault, &err);
            assert_int_not_equal(code, KW_OK);
            assert_non_null(strstr(files[f], fault.path));
            content.data[i / 8] ^= (uint8_t)(1 << i % 8);
            bits++;
        }
        put_file(files[f], kw_buf_bytes(&content));
    }
    struct kw_error err;
    fixture_must(verify(dir, kw_buf_bytes(&vkey), NULL, &err), &err);
    print_message("%zu changed bits found\n", bits);
}

/* One bit of each file, and each file cut short, made longer and removed, where there are full
 * tiles and two levels. */
static void every_changed_file_is_found(void **state)
{
    const char *dir = *state;
    KW_AUTO(kw_buf) vkey = KW_BUF_INIT;
    struct kw_error err;
    make_ledger(dir, 530, 265);
    read_vkey(dir, &vkey);
    find_files(dir);
    assert_true(file_count >= 9);
    for (size_t f = 0; f < file_count; f++) {
        KW_AUTO(kw_buf) content = KW_BUF_INIT;
        struct kw_tlog_fault fault;
        assert_int_equal(kw_file_read(files[f], 1 << 20, &content, NULL), KW_OK);
        for (size_t i = 0; i < content.len; i += 1 + content.len / 37) {
            content.data[i] ^= 0x04;
            put_file(files[f], kw_buf_bytes(&content));
            assert_int_not_equal(verify(dir, kw_buf_bytes(&vkey), &fault, &err), KW_OK);
            assert_non_null(strstr(files[f], fault.path));
            content.data[i] ^= 0x04;
        }
        put_file(files[f], kw_bytes(content.data, content.len - 1));
        if (strstr(files[f], "vkey") == NULL) /* its last byte is the newline */
            assert_int_not_equal(verify(dir, kw_buf_bytes(&vkey), &fault, &err), KW_OK);
        size_t len = content.len;
        kw_buf_append_byte(&content, 'x');
        put_file(files[f], kw_buf_bytes(&content));
        assert_int_not_equal(verify(dir, kw_buf_bytes(&vkey), &fault, &err), KW_OK);
        content.len = len;
        put_file(files[f], kw_buf_bytes(&content));
    }
    fixture_must(verify(dir, kw_buf_bytes(&vkey), NULL, &err), &err);
}

static void missing_resources_are_named(void **state)
{
    static const char *const names[] = {
        "checkpoint",     "tile/0/000",       "tile/0/001",           "tile/0/002.p/18",
        "tile/1/000.p/2", "tile/entries/000", "tile/entries/002.p/18"};
    KW_AUTO(kw_buf) vkey = KW_BUF_INIT;
    struct kw_error err;
    make_ledger(*state, 530, 530);
    read_vkey(*state, &vkey);
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        char path[KW_PATH_SIZE];
        char kept[KW_PATH_SIZE + 8];
        struct kw_tlog_fault fault;
        snprintf(kept, sizeof kept, "%s.kept", fixture_path(path, *state, names[i]));
        assert_int_equal(rename(path, kept), 0);
        kw_code code = verify(*state, kw_buf_bytes(&vkey), &fault, &err);
        assert_int_equal(code, i == 0 ? KW_LEDGER_MISSING : KW_LEDGER_CORRUPT);
        assert_string_equal(fault.path, names[i]);
        assert_int_equal(rename(kept, path), 0);
    }
}

/* Whether the entry or its hash was changed is told by the signed tree. */
static void an_altered_entry_and_an_altered_hash_are_told_apart(void **state)
{
    static const char *const names[] = {"tile/entries/000", "tile/0/000"};
    KW_AUTO(kw_buf) vkey = KW_BUF_INIT;
    make_ledger(*state, 300, 300);
    read_vkey(*state, &vkey);
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        KW_AUTO(kw_buf) content = KW_BUF_INIT;
        char path[KW_PATH_SIZE];
        struct kw_tlog_fault fault = {0};
        struct kw_error err;
        fixture_path(path, *state, names[i]);
        assert_int_equal(kw_file_read(path, 1 << 20, &content, NULL), KW_OK);
        size_t at = i == 0 ? 8 : 40; /* within entry 0; within the hash of entry 1 */
        content.data[at] ^= 1;
        put_file(path, kw_buf_bytes(&content));
        assert_int_equal(verify(*state, kw_buf_bytes(&vkey), &fault, &err), KW_LEDGER_CORRUPT);
        assert_string_equal(fault.path, names[i]);
        assert_true(fault.has_entry);
        assert_int_equal(fault.entry, i);
        content.data[at] ^= 1;
        put_file(path, kw_buf_bytes(&content));
    }
}

static void copy_file(const char *from_dir, const char *to_dir, const char *name)
{
    char from[KW_PATH_SIZE];
    char to[KW_PATH_SIZE];
    KW_AUTO(kw_buf) content = KW_BUF_INIT;
    assert_int_equal(kw_file_read(fixture_path(from, from_dir, name), 1 << 20, &content, NULL),
                     KW_OK);
    put_file(fixture_path(to, to_dir, name), kw_buf_bytes(&content));
}

/* A log that the holder of the key has rewritten or cut verifies by itself; an old checkpoint
 * tells. */
static void rollback_and_rewriting_are_found_by_an_old_checkpoint(void **state)
{
    char one[KW_PATH_SIZE];
    char other[KW_PATH_SIZE];
    struct kw_ledger_verified out;
    struct kw_error err;
    KW_AUTO(kw_buf) old = KW_BUF_INIT;
    make_ledger(fixture_path(one, *state, "one"), 20, 5);
    char path[KW_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/checkpoint", one);
    fixture_must(kw_file_read(path, 4096, &old, &err), &err);
    struct kw_ledger_verify how = {.dir = one, .old_checkpoint = kw_buf_bytes(&old)};
    fixture_must(kw_ledger_verify(&how, &out, NULL, &err), &err);

    make_ledger(fixture_path(other, *state, "shorter"), 19, 19);
    how.dir = other;
    assert_int_equal(kw_ledger_verify(&how, &out, NULL, &err), KW_LEDGER_MISSING);
    assert_non_null(strstr(err.text, "rolled back"));

    fixture_create(fixture_path(other, *state, "rewritten"));
    struct kw_ledger_options options = fixture_options(other);
    struct kw_ledger *ledger = fixture_open(&options);
    for (uint64_t i = 0; i < 25; i++)
        fixture_must(fixture_append_one(ledger, i == 3 ? 99 : i, &err), &err);
    fixture_close(ledger);
    how.old_checkpoint.len = 0;
    fixture_must(kw_ledger_verify(&how, &out, NULL, &err), &err); /* by itself it is fine */
    how.old_checkpoint = kw_buf_bytes(&old);
    assert_int_equal(kw_ledger_verify(&how, &out, NULL, &err), KW_LEDGER_CORRUPT);
    assert_non_null(strstr(err.text, "rewritten"));

    copy_file(one, other, "checkpoint"); /* a checkpoint of other entries does not help */
    assert_int_equal(kw_ledger_verify(&how, &out, NULL, &err), KW_LEDGER_CORRUPT);
}

static void count_progress(void *arg, uint64_t done, uint64_t total)
{
    uint64_t *last = arg;
    assert_true(done > *last && done <= total);
    *last = done;
}

static void the_result(void **state)
{
    struct kw_ledger_verified out;
    struct kw_error err;
    uint64_t last = 0;
    KW_AUTO(kw_buf) vkey = KW_BUF_INIT;
    make_ledger(*state, 600, 200);
    read_vkey(*state, &vkey);
    struct kw_ledger_verify how = {
        .dir = *state, .progress = count_progress, .progress_arg = &last};
    fixture_must(kw_ledger_verify(&how, &out, NULL, &err), &err);
    assert_true(out.trusts_folder);
    assert_false(out.in_use);
    assert_int_equal(last, 600);
    assert_int_equal(out.log.tree.size, 600);
    assert_string_equal(out.key.name, "test.example/ledger");
    uint64_t bytes = 0;
    char text[128];
    for (uint64_t i = 0; i < 600; i++)
        bytes += fixture_entry(i, text).len;
    assert_int_equal(out.log.bytes, bytes);
    how.vkey = kw_buf_bytes(&vkey);
    last = 0;
    fixture_must(kw_ledger_verify(&how, &out, NULL, &err), &err);
    assert_false(out.trusts_folder);
    how.vkey = kw_bytes_str("test.example/ledger+00000000+AAAA");
    assert_int_equal(kw_ledger_verify(&how, &out, NULL, &err), KW_BAD_ENCODING);
    how.dir = "/nonexistent";
    how.vkey.len = 0;
    assert_int_equal(kw_ledger_verify(&how, &out, NULL, &err), KW_LEDGER_MISSING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_result),
        TEST(every_changed_bit_is_found),
        TEST(every_changed_file_is_found),
        TEST(missing_resources_are_named),
        TEST(an_altered_entry_and_an_altered_hash_are_told_apart),
        TEST(rollback_and_rewriting_are_found_by_an_old_checkpoint),
    };
    if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* thousands of small files */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kw_secret_wipe(&fixture_seed);
    return failed;
}

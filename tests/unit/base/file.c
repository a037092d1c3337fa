/* Files: whole reads within a limit, atomic replacement, and what is left after a failure. */
#include "base/file.h"

#include "child.h"
#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

static char path_a[KW_PATH_SIZE];

static const char *in(void **state, const char *name)
{
    assert_int_equal(kw_path_format(path_a, NULL, "%s/%s", (char *)*state, name), KW_OK);
    return path_a;
}

static struct kw_bytes text(const char *s)
{
    return kw_bytes_str(s);
}

static int entries(const char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int count = 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 2;
}

static void assert_content(const char *path, const char *content)
{
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    assert_int_equal(kw_file_read(path, 1 << 20, &buf, NULL), KW_OK);
    assert_string_equal(kw_buf_str(&buf), content);
}

static void create_writes_once(void **state)
{
    struct kw_error err;
    const char *path = in(state, "a");
    assert_int_equal(kw_file_create(path, 0600, "first", 5, NULL), KW_OK);
    assert_int_equal(kw_file_create(path, 0600, "second", 6, &err), KW_EXISTS);
    assert_non_null(strstr(err.text, path));
    assert_content(path, "first");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static int create_without_descriptors(void *path)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_NOFILE, &none) != 0)
        return 1;
    return kw_file_create(path, 0600, "second", 6, NULL) == KW_OK ? 2 : 0;
}

/* A create that could not even be tried must not delete the file that is there. */
static void a_failed_create_deletes_nothing(void **state)
{
    char path[KW_PATH_SIZE];
    assert_int_equal(kw_path_format(path, NULL, "%s/key", (char *)*state), KW_OK);
    assert_int_equal(kw_file_create(path, 0600, "first", 5, NULL), KW_OK);
    assert_int_equal(kw_child_exit(kw_in_child(create_without_descriptors, path)), 0);
    assert_content(path, "first");
}

static void replace_makes_and_replaces(void **state)
{
    const char *path = in(state, "a");
    assert_int_equal(kw_file_replace(path, 0600, text("one"), NULL), KW_OK);
    assert_content(path, "one");
    assert_int_equal(kw_file_replace(path, 0600, text("two, and longer"), NULL), KW_OK);
    assert_content(path, "two, and longer");
    assert_int_equal(kw_file_put(path, 0600, text(""), NULL), KW_OK);
    assert_content(path, "");
    assert_int_equal(entries(*state), 1);
}

/* A reader that has the old file open keeps the whole of it. */
static void replace_does_not_write_in_place(void **state)
{
    const char *path = in(state, "a");
    assert_int_equal(kw_file_replace(path, 0600, text("old content"), NULL), KW_OK);
    KW_AUTO_FD fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(kw_file_replace(path, 0600, text("new"), NULL), KW_OK);
    char buf[32];
    assert_int_equal(read(fd, buf, sizeof buf), 11);
    assert_memory_equal(buf, "old content", 11);
}

static void a_crashed_replace_is_in_nobodys_way(void **state)
{
    char left[KW_PATH_SIZE];
    assert_int_equal(kw_path_format(left, NULL, "%s/a.new", (char *)*state), KW_OK);
    assert_int_equal(kw_file_create(left, 0600, "half", 4, NULL), KW_OK);
    const char *path = in(state, "a");
    assert_int_equal(kw_file_replace(path, 0600, text("whole"), NULL), KW_OK);
    assert_content(path, "whole");
    assert_int_equal(entries(*state), 1);
}

static int replace_with_a_full_disk(void *path)
{
    static uint8_t large[100000];
    struct rlimit small = {1000, 1000};
    signal(SIGXFSZ, SIG_IGN); /* a write over the limit is then an error, as on a full disk */
    if (setrlimit(RLIMIT_FSIZE, &small) != 0)
        return 1;
    struct kw_error err;
    if (kw_file_replace(path, 0600, kw_bytes(large, sizeof large), &err) == KW_OK)
        return 2;
    return strstr(err.text, "cannot write") == NULL ? 3 : 0;
}

static void a_failed_replace_keeps_the_old_file(void **state)
{
    char path[KW_PATH_SIZE];
    assert_int_equal(kw_path_format(path, NULL, "%s/a", (char *)*state), KW_OK);
    assert_int_equal(kw_file_replace(path, 0600, text("old"), NULL), KW_OK);
    assert_int_equal(kw_child_exit(kw_in_child(replace_with_a_full_disk, path)), 0);
    assert_content(path, "old");
    assert_int_equal(entries(*state), 1);
}

static void a_full_disk_is_named(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_FD fd = open("/dev/full", O_WRONLY);
    if (fd < 0) {
        print_message("skipped: /dev/full is not here\n");
        skip();
    }
    struct kw_error err;
    assert_int_equal(kw_fd_write_all(fd, "x", 1, "the ledger", &err), KW_DISK_FULL);
    assert_non_null(strstr(err.text, "cannot write the ledger"));
}

static void replacing_a_folder_fails_cleanly(void **state)
{
    char folder[KW_PATH_SIZE];
    assert_int_equal(kw_path_format(folder, NULL, "%s/d", (char *)*state), KW_OK);
    assert_int_equal(kw_dir_make(folder, 0700, NULL), KW_OK);
    assert_int_equal(kw_file_replace(folder, 0600, text("x"), NULL), KW_IO);
    assert_int_equal(entries(*state), 1);
    assert_int_equal(kw_file_replace(in(state, "no/such/folder"), 0600, text("x"), NULL),
                     KW_NOT_FOUND);
}

static void read_keeps_its_limits(void **state)
{
    const char *path = in(state, "a");
    struct kw_error err;
    assert_int_equal(kw_file_create(path, 0600, "0123456789", 10, NULL), KW_OK);
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    kw_buf_append_str(&buf, "before ");
    assert_int_equal(kw_file_read(path, 9, &buf, &err), KW_TOO_LARGE);
    assert_string_equal(kw_buf_str(&buf), "before ");
    assert_int_equal(kw_file_read(path, 10, &buf, NULL), KW_OK);
    assert_string_equal(kw_buf_str(&buf), "before 0123456789");
    assert_int_equal(kw_file_read(path, SIZE_MAX, &buf, NULL), KW_OK);
    assert_int_equal(buf.len, 27);
}

/* A buffer with a small maximum takes a small file, and says so when a file is larger. */
static void read_fits_a_small_buffer(void **state)
{
    const char *path = in(state, "a");
    assert_int_equal(kw_file_create(path, 0600, "0123456789", 10, NULL), KW_OK);
    KW_AUTO(kw_buf) fits = {.max = 10};
    assert_int_equal(kw_file_read(path, 1 << 20, &fits, NULL), KW_OK);
    assert_int_equal(fits.len, 10);
    KW_AUTO(kw_buf) small = {.max = 9, .secret = true};
    assert_int_equal(kw_file_read(path, 1 << 20, &small, NULL), KW_TOO_LARGE);
    assert_int_equal(small.len, 0);
    assert_int_equal(kw_buf_status(&small, NULL), KW_OK);
}

static void read_takes_large_files_whole(void **state)
{
    KW_AUTO(kw_buf) wrote = KW_BUF_INIT;
    for (uint32_t i = 0; i < 60000; i++)
        kw_buf_printf(&wrote, "%u,", i);
    const char *path = in(state, "a");
    assert_int_equal(kw_file_create(path, 0600, wrote.data, wrote.len, NULL), KW_OK);
    KW_AUTO(kw_buf) back = KW_BUF_INIT;
    assert_int_equal(kw_file_read(path, wrote.len, &back, NULL), KW_OK);
    assert_true(kw_bytes_equal(kw_buf_bytes(&wrote), kw_buf_bytes(&back)));
    kw_buf_reset(&back);
    assert_int_equal(kw_file_read(path, wrote.len - 1, &back, NULL), KW_TOO_LARGE);
}

static void reading_what_is_not_there(void **state)
{
    KW_AUTO(kw_buf) buf = KW_BUF_INIT;
    struct kw_error err;
    assert_int_equal(kw_file_read(in(state, "none"), 10, &buf, &err), KW_NOT_FOUND);
    assert_non_null(strstr(err.text, "none"));
    assert_int_equal(kw_file_read(*state, 10, &buf, &err), KW_IO);
    assert_int_equal(buf.len, 0);
}

static void secrets_from_files(void **state)
{
    const char *path = in(state, "key");
    assert_int_equal(kw_file_create(path, 0600, "0123456789", 10, NULL), KW_OK);
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    assert_int_equal(kw_file_read_secret(path, 9, &secret, NULL), KW_BAD_CONFIG);
    assert_null(secret.data);
    assert_int_equal(kw_file_read_secret(path, 10, &secret, NULL), KW_OK);
    assert_int_equal(secret.len, 10);
    assert_memory_equal(secret.data, "0123456789", 10);
    KW_AUTO(kw_secret) none = KW_SECRET_INIT;
    assert_int_equal(kw_file_replace(path, 0600, text(""), NULL), KW_OK);
    assert_int_equal(kw_file_read_secret(path, 10, &none, NULL), KW_BAD_CONFIG);
    assert_int_equal(kw_file_read_secret(in(state, "none"), 10, &none, NULL), KW_NOT_FOUND);
}

static void one_word_from_a_file(void **state)
{
    static const char *const words[] = {"kwt_a_b", "kwt_a_b\n", "kwt_a_b\r\n\n"};
    static const char *const others[] = {"", "\n", "two words", "a\nb", "a\tb", "\x7f", "\xc3\xa4"};
    char path[KW_PATH_SIZE];
    assert_int_equal(kw_path_format(path, NULL, "%s/word", (char *)*state), KW_OK);
    for (size_t i = 0; i < KW_COUNT(words); i++) {
        KW_AUTO(kw_secret) word = KW_SECRET_INIT;
        assert_int_equal(kw_file_replace(path, 0600, text(words[i]), NULL), KW_OK);
        assert_int_equal(kw_file_read_word(path, 20, &word, NULL), KW_OK);
        assert_int_equal(word.len, 8);
        assert_string_equal((const char *)word.data, "kwt_a_b");
    }
    for (size_t i = 0; i < KW_COUNT(others); i++) {
        KW_AUTO(kw_secret) word = KW_SECRET_INIT;
        assert_int_equal(kw_file_replace(path, 0600, text(others[i]), NULL), KW_OK);
        assert_int_equal(kw_file_read_word(path, 20, &word, NULL), KW_BAD_CONFIG);
        assert_null(word.data);
    }
}

static void folders(void **state)
{
    char path[KW_PATH_SIZE];
    assert_int_equal(kw_path_format(path, NULL, "%s/x/y//z/", (char *)*state), KW_OK);
    assert_int_equal(kw_dir_make(path, 0700, NULL), KW_OK);
    assert_int_equal(kw_dir_make(path, 0700, NULL), KW_OK);
    assert_true(kw_path_exists(path));
    assert_int_equal(kw_dir_sync(path, NULL), KW_OK);
    assert_int_equal(kw_dir_sync(in(state, "none"), NULL), KW_NOT_FOUND);
    assert_int_equal(kw_dir_make("", 0700, NULL), KW_USAGE);
    assert_int_equal(kw_dir_make("/", 0700, NULL), KW_OK);
}

static void a_file_is_not_a_folder(void **state)
{
    const char *path = in(state, "f");
    assert_int_equal(kw_file_create(path, 0600, "x", 1, NULL), KW_OK);
    assert_int_equal(kw_dir_make(path, 0700, NULL), KW_EXISTS);
    assert_int_not_equal(kw_dir_make(in(state, "f/below"), 0700, NULL), KW_OK);
}

static void paths_have_a_length(void **state)
{
    KW_UNUSED(state);
    char out[KW_PATH_SIZE];
    assert_int_equal(kw_path_format(out, NULL, "%0*d", KW_PATH_SIZE - 1, 0), KW_OK);
    assert_int_equal(kw_path_format(out, NULL, "%0*d", KW_PATH_SIZE, 0), KW_TOO_LARGE);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(create_writes_once),
        IN_SCRATCH(a_failed_create_deletes_nothing),
        IN_SCRATCH(replace_makes_and_replaces),
        IN_SCRATCH(replace_does_not_write_in_place),
        IN_SCRATCH(a_crashed_replace_is_in_nobodys_way),
        IN_SCRATCH(a_failed_replace_keeps_the_old_file),
        IN_SCRATCH(a_full_disk_is_named),
        IN_SCRATCH(replacing_a_folder_fails_cleanly),
        IN_SCRATCH(read_keeps_its_limits),
        IN_SCRATCH(read_fits_a_small_buffer),
        IN_SCRATCH(read_takes_large_files_whole),
        IN_SCRATCH(reading_what_is_not_there),
        IN_SCRATCH(secrets_from_files),
        IN_SCRATCH(one_word_from_a_file),
        IN_SCRATCH(folders),
        IN_SCRATCH(a_file_is_not_a_folder),
        IN_SCRATCH(paths_have_a_length),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}

/* Root key files: made, opened, refused. */
#include "provider/root_file.h"

#include "base/file.h"
#include "crypto/random.h"
#include "provider/root_text.h"
#include "scratch.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct kw_error err;
static char path[KW_PATH_SIZE];

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

static int make(void **state)
{
    if (kw_scratch_make(state) != 0)
        return -1;
    return kw_path_format(path, &err, "%s/root.key", (char *)*state) == KW_OK ? 0 : -1;
}

static void read_text(struct kw_buf *out)
{
    kw_buf_reset(out);
    ok(kw_file_read(path, 4096, out, &err));
}

static void write_text(struct kw_bytes text)
{
    ok(kw_file_replace(path, 0600, text, &err));
}

static unsigned files_in(const char *folder)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_type == DT_REG;
    closedir(dir);
    return count;
}

static void a_plain_key_comes_back(void **state)
{
    KW_AUTO(kw_secret) made = KW_SECRET_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_AUTO(kw_secret) again = KW_SECRET_INIT;
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    struct stat info;
    enum kw_root_kind kind = 0;
    fails(KW_DATA_MISSING, kw_root_file_open(path, NULL, &got, &err));
    ok(kw_root_file_create(path, NULL, &made, &err));
    ok(kw_root_file_kind(path, &kind, &err));
    assert_int_equal(kind, KW_ROOT_PLAIN);
    ok(kw_root_file_open(path, NULL, &got, &err));
    assert_int_equal(got.len, 32);
    assert_true(kw_secret_equal(&made, &got));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(files_in(*state), 1);
    read_text(&text);
    assert_memory_equal(text.data, "keyward root key v1: plain\n", 27);
    fails(KW_EXISTS, kw_root_file_create(path, NULL, &again, &err));
    assert_null(again.data);
}

static void passphrase(struct kw_secret *out, const char *text)
{
    ok(kw_secret_copy(out, text, strlen(text), &err));
}

static void a_sealed_key_needs_its_passphrase(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) right = KW_SECRET_INIT;
    KW_AUTO(kw_secret) wrong = KW_SECRET_INIT;
    KW_AUTO(kw_secret) made = KW_SECRET_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    enum kw_root_kind kind = 0;
    passphrase(&right, "correct horse");
    passphrase(&wrong, "correct horsf");
    ok(kw_root_file_create(path, &right, &made, &err));
    ok(kw_root_file_kind(path, &kind, &err));
    assert_int_equal(kind, KW_ROOT_PASSPHRASE);
    fails(KW_USAGE, kw_root_file_open(path, NULL, &got, &err));
    assert_non_null(strstr(err.text, "--passphrase-file"));
    fails(KW_WRONG_ROOT, kw_root_file_open(path, &wrong, &got, &err));
    assert_null(got.data);
    ok(kw_root_file_open(path, &right, &got, &err));
    assert_true(kw_secret_equal(&made, &got));
    read_text(&text);
    assert_memory_equal(text.data, "keyward root key v1: scrypt N=131072 r=8 p=1 salt=", 50);
    assert_null(memmem(text.data, text.len, made.data, made.len));
}

/* Makes a sealed file and reads its text. */
static void make_sealed(struct kw_secret *right, struct kw_buf *text)
{
    KW_AUTO(kw_secret) made = KW_SECRET_INIT;
    passphrase(right, "correct horse");
    ok(kw_root_file_create(path, right, &made, &err));
    read_text(text);
}

/* The first line is authenticated: other parameters or another salt do not open the key. */
static void altered_files_are_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) right = KW_SECRET_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    make_sealed(&right, &text);
    size_t end_of_head = (size_t)((uint8_t *)memchr(text.data, '\n', text.len) - text.data);
    const size_t places[] = {52, end_of_head + 1, end_of_head + 30, text.len - 3};
    for (size_t i = 0; i < KW_COUNT(places); i++) {
        uint8_t before = text.data[places[i]];
        text.data[places[i]] = before == 'A' ? 'B' : 'A';
        write_text(kw_buf_bytes(&text));
        fails(KW_WRONG_ROOT, kw_root_file_open(path, &right, &got, &err));
        text.data[places[i]] = before;
    }
    uint8_t *n = memmem(text.data, text.len, "131072", 6);
    memcpy(n, "065536", 6); /* a number has no leading zero */
    write_text(kw_buf_bytes(&text));
    fails(KW_BAD_FORMAT, kw_root_file_open(path, &right, &got, &err));
    memcpy(n, "262144", 6);
    write_text(kw_buf_bytes(&text));
    fails(KW_WRONG_ROOT, kw_root_file_open(path, &right, &got, &err));
    assert_null(got.data);
}

struct text {
    const char *head;
    const char *body;
    kw_code want;
};

static void parse_all(const struct text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        KW_AUTO(kw_buf) text = KW_BUF_INIT;
        KW_AUTO(kw_root_text) parsed = {0};
        kw_buf_append_str(&text, texts[i].head);
        kw_buf_append_str(&text, texts[i].body);
        if (kw_root_text_parse(kw_buf_bytes(&text), &parsed, &err) != texts[i].want)
            fail_msg("text %zu: %s", i, err.text);
        assert_true((parsed.body.data != NULL) == (texts[i].want == KW_OK));
    }
}

static void malformed_texts_are_refused(void **state)
{
    KW_UNUSED(state);
    static const char key[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
    static const char sealed[] =
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7\n";
    static const struct text texts[] = {
        {"keyward root key v1: plain\n", key, KW_OK},
        {"keyward root key v1: scrypt N=16384 r=8 p=1 salt=AAECAwQFBgcICQoLDA0ODw==\n", sealed,
         KW_OK},
        {"keyward root key v1: scrypt N=1048576 r=8 p=1 salt=AAECAwQFBgcICQoLDA0ODw==\n", sealed,
         KW_OK},
        {"keyward root key v1: scrypt N=2097152 r=8 p=1 salt=AAECAwQFBgcICQoLDA0ODw==\n", sealed,
         KW_BAD_FORMAT},
        {"keyward root key v1: scrypt N=8192 r=8 p=1 salt=AAECAwQFBgcICQoLDA0ODw==\n", sealed,
         KW_BAD_FORMAT},
        {"keyward root key v1: scrypt N=16385 r=8 p=1 salt=AAECAwQFBgcICQoLDA0ODw==\n", sealed,
         KW_BAD_FORMAT},
        {"keyward root key v1: scrypt N=16384 r=9 p=1 salt=AAECAwQFBgcICQoLDA0ODw==\n", sealed,
         KW_BAD_FORMAT},
        {"keyward root key v1: scrypt N=16384 r=8 p=2 salt=AAECAwQFBgcICQoLDA0ODw==\n", sealed,
         KW_BAD_FORMAT},
        {"keyward root key v1: scrypt N=16384 r=8 p=1 salt=AAECAwQFBgcICQoLDA0O\n", sealed,
         KW_BAD_FORMAT},
        {"keyward root key v1: scrypt N=16384\n", sealed, KW_BAD_FORMAT},
        {"keyward root key v1: plain\n", sealed, KW_BAD_FORMAT},
        {"keyward root key v1: plain \n", key, KW_BAD_FORMAT},
        {"keyward root key v1: plain\r\n", key, KW_BAD_FORMAT},
        {"keyward root key v2: plain\n", key, KW_BAD_FORMAT},
        {"keyward root key v1: tpm\n", key, KW_BAD_FORMAT},
        {"keyward root key v1: plain\n", "", KW_BAD_FORMAT},
        {"keyward root key v1: plain", "", KW_BAD_FORMAT},
        {"", "\n\n", KW_BAD_FORMAT},
        {"keyward root key v1: plain\n",
         "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", KW_BAD_FORMAT},
        {"keyward root key v1: plain\n", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n",
         KW_BAD_FORMAT},
    };
    parse_all(texts, KW_COUNT(texts));
}

static void malformed_holders_are_refused(void **state)
{
    KW_UNUSED(state);
    static const struct text texts[] = {
        {"keyward root key v1: provider aws-eu alias/a b\n", "AA==\n", KW_OK},
        {"keyward root key v1: provider aws-eu  k\n", "AA==\n", KW_OK}, /* the key is " k" */
        {"keyward root key v1: provider aws-eu\n", "AA==\n", KW_BAD_FORMAT},
        {"keyward root key v1: provider aws-eu \n", "AA==\n", KW_BAD_FORMAT},
        {"keyward root key v1: provider  k\n", "AA==\n", KW_BAD_FORMAT},
        {"keyward root key v1: provider AWS k\n", "AA==\n", KW_BAD_FORMAT},
        {"keyward root key v1: provider a k\x7f\n", "AA==\n", KW_BAD_FORMAT},
        {"keyward root key v1: provider a23456789012345678901234567890123 k\n", "AA==\n",
         KW_BAD_FORMAT},
        {"keyward root key v1: provider a k\n", "\n", KW_BAD_FORMAT},
        {"keyward root key v1: provider a k\n", "AA=\n", KW_BAD_FORMAT},
        {"keyward root key v1: provider a k\n", "AB==\n", KW_BAD_FORMAT}, /* not canonical */
    };
    parse_all(texts, KW_COUNT(texts));
}

/* What a provider holds is opened by that provider, not here. */
static void a_held_key_names_its_holder(void **state)
{
    KW_AUTO(kw_root_holder) holder = {.provider = "aws-eu", .copy = KW_BUF_INIT};
    KW_AUTO(kw_root_holder) got = {.copy = KW_BUF_INIT};
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_AUTO(kw_secret) right = KW_SECRET_INIT;
    enum kw_root_kind kind = 0;
    fails(KW_BAD_NAME, kw_root_file_put_held(path, &holder, false, &err));
    memset(holder.key, 'k', sizeof holder.key - 1);
    fails(KW_BAD_FORMAT, kw_root_file_put_held(path, &holder, false, &err));
    for (size_t i = 0; i < KW_PROVIDER_WRAPPED_MAX; i++)
        kw_buf_append_byte(&holder.copy, (uint8_t)i);
    ok(kw_root_file_put_held(path, &holder, false, &err));
    fails(KW_EXISTS, kw_root_file_put_held(path, &holder, false, &err));
    ok(kw_root_file_kind(path, &kind, &err));
    assert_int_equal(kind, KW_ROOT_HELD);
    fails(KW_USAGE, kw_root_file_open(path, NULL, &root, &err));
    assert_non_null(strstr(err.text, "provider aws-eu"));
    ok(kw_root_file_holder(path, &got, &err));
    assert_string_equal(got.provider, "aws-eu");
    assert_string_equal(got.key, holder.key);
    assert_true(kw_bytes_equal(kw_buf_bytes(&got.copy), kw_buf_bytes(&holder.copy)));
    ok(kw_random_secret(&root, 32, &err));
    passphrase(&right, "correct horse");
    ok(kw_root_file_put(path, &root, &right, true, &err));
    fails(KW_USAGE, kw_root_file_holder(path, &got, &err));
    ok(kw_root_file_kind(path, &kind, &err));
    assert_int_equal(kind, KW_ROOT_PASSPHRASE);
    ok(kw_root_file_put_held(path, &holder, true, &err));
    assert_int_equal(files_in(*state), 1);
}

static void readable_files_are_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) made = KW_SECRET_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0601};
    enum kw_root_kind kind;
    ok(kw_root_file_create(path, NULL, &made, &err));
    for (size_t i = 0; i < KW_COUNT(modes); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        fails(KW_BAD_CONFIG, kw_root_file_open(path, NULL, &got, &err));
        assert_non_null(strstr(err.text, "chmod 600"));
        fails(KW_BAD_CONFIG, kw_root_file_kind(path, &kind, &err));
    }
    assert_int_equal(chmod(path, 0400), 0);
    ok(kw_root_file_open(path, NULL, &got, &err));
}

static void rubbish_files_are_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    static const uint8_t large[KW_ROOT_TEXT_MAX + 1] = {0};
    write_text(kw_bytes(NULL, 0));
    fails(KW_BAD_FORMAT, kw_root_file_open(path, NULL, &got, &err));
    write_text(kw_bytes(large, sizeof large));
    fails(KW_BAD_FORMAT, kw_root_file_open(path, NULL, &got, &err));
    write_text(kw_bytes(large, 100));
    fails(KW_BAD_FORMAT, kw_root_file_open(path, NULL, &got, &err));
}

enum { MAKERS = 4 };

static void *make_one(void *out)
{
    return kw_root_file_create(path, NULL, out, NULL) == KW_OK ? out : NULL;
}

/* Of several that make the file at once, one wins, and has the key that the file holds. */
static void one_maker_wins(void **state)
{
    pthread_t threads[MAKERS];
    struct kw_secret made[MAKERS] = {0};
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    unsigned winners = 0;
    for (int i = 0; i < MAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_one, &made[i]), 0);
    for (int i = 0; i < MAKERS; i++)
        pthread_join(threads[i], NULL);
    ok(kw_root_file_open(path, NULL, &got, &err));
    for (int i = 0; i < MAKERS; i++) {
        winners += made[i].data != NULL;
        assert_true(made[i].data == NULL || kw_secret_equal(&made[i], &got));
        kw_secret_wipe(&made[i]);
    }
    assert_int_equal(winners, 1);
    assert_int_equal(files_in(*state), 1);
}

static void expect_passphrase(const char *content, kw_code want, const char *text)
{
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    write_text(kw_bytes_str(content));
    fails(want, kw_passphrase_file_read(path, &got, &err));
    if (want != KW_OK)
        return;
    assert_int_equal(got.len, strlen(text));
    assert_memory_equal(got.data, text, got.len);
}

static void passphrases_are_first_lines(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    fails(KW_NOT_FOUND, kw_passphrase_file_read(path, &got, &err));
    expect_passphrase("12345678", KW_OK, "12345678");
    expect_passphrase("correct horse \nbattery\n", KW_OK, "correct horse ");
    expect_passphrase("correct horse\r\n", KW_OK, "correct horse");
    expect_passphrase("1234567\n", KW_BAD_CONFIG, NULL);
    expect_passphrase("\n12345678\n", KW_BAD_CONFIG, NULL);
    expect_passphrase("", KW_BAD_CONFIG, NULL);
    assert_int_equal(chmod(path, 0644), 0);
    fails(KW_BAD_CONFIG, kw_passphrase_file_read(path, &got, &err));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_key_comes_back),
        TEST(a_sealed_key_needs_its_passphrase),
        TEST(altered_files_are_refused),
        TEST(malformed_texts_are_refused),
        TEST(malformed_holders_are_refused),
        TEST(a_held_key_names_its_holder),
        TEST(readable_files_are_refused),
        TEST(rubbish_files_are_refused),
        TEST(one_maker_wins),
        TEST(passphrases_are_first_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A data folder: made, opened, locked, refused, renewed. */
#include "home/home.h"
#include "home/settings.h"

#include "base/file.h"
#include "pki/pki.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct kw_error err;

#define ok(call)                                                                                   \
    do {                                                                                           \
        if ((call) != KW_OK)                                                                       \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static const char *path_of(void **state, const char *name)
{
    static char paths[4][KW_PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, KW_PATH_SIZE, "%s/%s", (const char *)*state, name);
    return path;
}

static void make(const char *dir, const struct kw_secret *passphrase)
{
    struct kw_home_init_options options = {.dir = dir, .passphrase = passphrase};
    struct kw_home_facts facts;
    ok(kw_home_init(&options, &facts, &err));
    assert_int_equal(strlen(facts.authority_id), 16);
}

static struct kw_home *open_home(const char *dir)
{
    struct kw_home_options options = {.dir = dir};
    struct kw_home *home = NULL;
    ok(kw_home_open(&options, &home, &err));
    return home;
}

static void refused(const char *dir, kw_code code, const char *said)
{
    struct kw_home_options options = {.dir = dir};
    struct kw_home *home = NULL;
    assert_int_equal(kw_home_open(&options, &home, &err), code);
    assert_null(home);
    if (strstr(err.text, said) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, said);
}

static void add_tenant(struct kw_home *home, const char *id)
{
    static const char *const regions[] = {"eu"};
    struct kw_caller caller = {.principal = "local:test",
                               .rights = ~0U,
                               .tenants = "*",
                               .source = "local",
                               .request_id = ""};
    struct kw_tenant_spec spec = {.id = id, .regions = regions, .region_count = 1};
    ok(kw_authority_tenant_create(kw_home_authority(home), &caller, &spec, &err));
}

static void made_and_opened(void **state)
{
    const char *dir = path_of(state, "home");
    struct stat st;
    struct kw_tenant_row row;
    make(dir, NULL);
    assert_int_equal(stat(path_of(state, "home/root.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(path_of(state, "home/tls/client.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct kw_home *home = open_home(dir);
    add_tenant(home, "acme");
    ok(kw_home_close(home, &err));
    home = open_home(dir);
    ok(kw_store_tenant_get(kw_authority_store(kw_home_authority(home)), "acme", &row, &err));
    ok(kw_home_close(home, &err));
}

static void not_made_twice_nor_over_something(void **state)
{
    const char *dir = path_of(state, "home");
    struct kw_home_init_options options = {.dir = dir};
    make(dir, NULL);
    assert_int_equal(kw_home_init(&options, NULL, &err), KW_EXISTS);
    assert_non_null(strstr(err.text, "is an authority already"));
    options.dir = path_of(state, "other");
    ok(kw_dir_make(options.dir, 0700, &err));
    ok(kw_file_create(path_of(state, "other/thesis.txt"), 0600, "x", 1, &err));
    assert_int_equal(kw_home_init(&options, NULL, &err), KW_EXISTS);
    assert_non_null(strstr(err.text, "not empty"));
}

static void what_is_not_there_is_named(void **state)
{
    refused(path_of(state, "nowhere"), KW_DATA_MISSING, "keyward init");
    ok(kw_dir_make(path_of(state, "empty"), 0700, &err));
    refused(path_of(state, "empty"), KW_DATA_MISSING, "keyward init");
}

static void held_by_one_process(void **state)
{
    const char *dir = path_of(state, "home");
    char pid[32];
    make(dir, NULL);
    struct kw_home *home = open_home(dir);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    refused(dir, KW_DATA_LOCKED, pid);
    refused(dir, KW_DATA_LOCKED, "KEYWARD_ADDR");
    ok(kw_home_close(home, &err));
    ok(kw_home_close(open_home(dir), &err));
}

static void the_root_key_must_be_its_own(void **state)
{
    make(path_of(state, "one"), NULL);
    make(path_of(state, "two"), NULL);
    assert_int_equal(rename(path_of(state, "two/root.key"), path_of(state, "one/root.key")), 0);
    refused(path_of(state, "one"), KW_WRONG_ROOT, "not the one of this data folder");
    refused(path_of(state, "two"), KW_DATA_MISSING, "root.key");
}

static void passphrases(void **state)
{
    const char *dir = path_of(state, "home");
    KW_AUTO(kw_secret) right = KW_SECRET_INIT;
    KW_AUTO(kw_secret) wrong = KW_SECRET_INIT;
    struct kw_home *home = NULL;
    struct kw_home_options options = {.dir = dir};
    ok(kw_secret_copy(&right, "correct horse", 13, &err));
    ok(kw_secret_copy(&wrong, "battery staple", 14, &err));
    make(dir, &right);
    refused(dir, KW_USAGE, "passphrase");
    options.passphrase = &wrong;
    assert_int_equal(kw_home_open(&options, &home, &err), KW_WRONG_ROOT);
    options.passphrase = &right;
    ok(kw_home_open(&options, &home, &err));
    ok(kw_home_close(home, &err));
}

/* The log of an earlier day in place of today's. */
static void copy_ledger(void **state, const char *from, const char *to)
{
    char command[3 * KW_PATH_SIZE];
    snprintf(command, sizeof command, "%s", path_of(state, to));
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/cp", "cp", "-r", path_of(state, from), command, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_rolled_back_ledger_is_noticed(void **state)
{
    const char *dir = path_of(state, "home");
    make(dir, NULL);
    struct kw_home *home = open_home(dir);
    add_tenant(home, "acme");
    ok(kw_home_close(home, &err));
    copy_ledger(state, "home/ledger", "yesterday");
    home = open_home(path_of(state, "home"));
    add_tenant(home, "globex");
    ok(kw_home_close(home, &err));
    assert_int_equal(rename(path_of(state, "home/ledger"), path_of(state, "today")), 0);
    refused(path_of(state, "home"), KW_LEDGER_MISSING, "");
    assert_int_equal(rename(path_of(state, "yesterday"), path_of(state, "home/ledger")), 0);
    refused(path_of(state, "home"), KW_LEDGER_MISSING, "rolled back");
}

static void certificates_are_renewed(void **state)
{
    const char *dir = path_of(state, "home");
    KW_AUTO(kw_buf) before = KW_BUF_INIT;
    KW_AUTO(kw_buf) after = KW_BUF_INIT;
    struct kw_pki_facts facts;
    int64_t until_ms = 0;
    make(dir, NULL);
    struct kw_home *home = open_home(dir);
    ok(kw_file_read(path_of(state, "home/tls/server.crt"), 65536, &before, &err));
    ok(kw_home_cert_renew(home, "server", &until_ms, &err));
    ok(kw_file_read(path_of(state, "home/tls/server.crt"), 65536, &after, &err));
    assert_false(kw_bytes_equal(kw_buf_bytes(&before), kw_buf_bytes(&after)));
    ok(kw_pki_describe(kw_buf_bytes(&after), &facts, &err));
    assert_string_equal(facts.hosts, "localhost,127.0.0.1,::1");
    assert_int_equal(facts.not_after_ms, until_ms);
    ok(kw_home_cert_renew(home, "client", NULL, &err));
    assert_int_equal(kw_home_cert_renew(home, "ca", NULL, &err), KW_USAGE);
    ok(kw_home_close(home, &err));
}

static void the_folder_has_its_configuration(void **state)
{
    const char *dir = path_of(state, "home");
    static const char text[] = "regions = eu,ap\nclasses = pci\n[keyring]\nttl = 10s\n"
                               "[class.pii]\nhsm = yes\n";
    KW_AUTO_PTR(kw_config) config = NULL;
    struct kw_home *home = NULL;
    ok(kw_dir_make(dir, 0700, &err));
    ok(kw_file_create(path_of(state, "home/keyward.conf"), 0600, text, sizeof text - 1, &err));
    make(dir, NULL); /* it may lie there before */
    ok(kw_home_config_load(dir, &config, &err));
    struct kw_home_options options = {.dir = dir, .config = config};
    ok(kw_home_open(&options, &home, &err));
    struct kw_authority *authority = kw_home_authority(home);
    assert_int_equal(kw_authority_region_count(authority), 2);
    assert_string_equal(kw_authority_region_at(authority, 1), "ap");
    ok(kw_authority_class_check(authority, "pci", &err));
    ok(kw_authority_class_check(authority, "pii", &err));
    assert_int_equal(kw_authority_class_check(authority, "pcj", &err), KW_UNKNOWN_CLASS);
    ok(kw_home_close(home, &err));
    assert_int_equal(setenv("KEYWARD_ROOT_PROVIDER", "nobody", 1), 0);
    kw_config_free(config);
    config = NULL;
    assert_int_equal(kw_home_config_load(dir, &config, &err), KW_BAD_CONFIG);
    assert_null(config);
    assert_int_equal(unsetenv("KEYWARD_ROOT_PROVIDER"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(made_and_opened),
        TEST(not_made_twice_nor_over_something),
        TEST(what_is_not_there_is_named),
        TEST(held_by_one_process),
        TEST(the_root_key_must_be_its_own),
        TEST(passphrases),
        TEST(a_rolled_back_ledger_is_noticed),
        TEST(certificates_are_renewed),
        TEST(the_folder_has_its_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Memory for secrets: what the header promises of it, asked of the kernel where it knows. */
#include "base/secret.h"

#include "child.h"
#include "sanitized.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>

#include <cmocka.h>

static const uint8_t zeros[4096];

static void make(struct kw_secret *secret, size_t len)
{
    struct kw_error err;
    if (kw_secret_alloc(secret, len, &err) != KW_OK)
        fail_msg("%zu bytes: %s", len, err.text);
}

static void new_secrets_are_zero_and_aligned(void **state)
{
    KW_UNUSED(state);
    static const size_t sizes[] = {1, 31, 32, 33, 64, 100, 1023, 1024, 1025, 4096, 4097, 100000};
    for (size_t i = 0; i < KW_COUNT(sizes); i++) {
        KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
        make(&secret, sizes[i]);
        assert_int_equal(secret.len, sizes[i]);
        assert_int_equal((uintptr_t)secret.data % 16, 0);
        for (size_t at = 0; at < secret.len; at++)
            assert_int_equal(secret.data[at], 0);
        memset(secret.data, 0xff, secret.len);
    }
}

static void sizes_that_are_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    assert_int_equal(kw_secret_alloc(&secret, 0, NULL), KW_INTERNAL);
    assert_int_equal(kw_secret_alloc(&secret, (size_t)KW_SECRET_MAX + 1, NULL), KW_TOO_LARGE);
    assert_int_equal(kw_secret_alloc(&secret, SIZE_MAX, NULL), KW_TOO_LARGE);
    make(&secret, 32);
    assert_int_equal(kw_secret_alloc(&secret, 32, NULL), KW_INTERNAL);
}

/* A small secret's place stays mapped after the wipe: only the link of the free list is in it then.
 */
static void wiping_overwrites(void **state)
{
    KW_UNUSED(state);
    for (size_t len = 16; len <= KW_SECRET_SMALL; len *= 2) {
        struct kw_secret secret = KW_SECRET_INIT;
        make(&secret, len);
        memset(secret.data, 0xc5, len);
        const uint8_t *place = secret.data;
        kw_secret_wipe(&secret);
        assert_null(secret.data);
        assert_int_equal(secret.len, 0);
        assert_memory_equal(place + sizeof(void *), zeros, len - sizeof(void *));
        for (size_t i = 0; i < sizeof(void *); i++)
            assert_int_not_equal(place[i], 0xc5);
        kw_secret_wipe(&secret);
    }
}

static void usage_comes_back_to_where_it_was(void **state)
{
    KW_UNUSED(state);
    struct kw_secret_usage before = kw_secret_usage();
    struct kw_secret many[300] = {KW_SECRET_INIT};
    for (size_t i = 0; i < KW_COUNT(many); i++)
        make(&many[i], 1 + i * 17);
    assert_true(kw_secret_usage().used > before.used);
    for (size_t i = 0; i < KW_COUNT(many); i++) {
        for (size_t j = 0; j < i; j++)
            assert_true(many[i].data == NULL || many[i].data != many[j].data);
    }
    for (size_t i = 0; i < KW_COUNT(many); i++)
        kw_secret_wipe(&many[i]);
    assert_int_equal(kw_secret_usage().used, before.used);
}

static void secrets_do_not_overlap(void **state)
{
    KW_UNUSED(state);
    struct kw_secret many[200] = {KW_SECRET_INIT};
    for (size_t i = 0; i < KW_COUNT(many); i++) {
        make(&many[i], 32 + i % 3 * 40);
        memset(many[i].data, (int)i, many[i].len);
    }
    for (size_t i = 0; i < KW_COUNT(many); i++) {
        for (size_t at = 0; at < many[i].len; at++)
            assert_int_equal(many[i].data[at], (uint8_t)i);
        kw_secret_wipe(&many[i]);
    }
}

static void copy_move_and_compare(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) a = KW_SECRET_INIT;
    KW_AUTO(kw_secret) b = KW_SECRET_INIT;
    KW_AUTO(kw_secret) c = KW_SECRET_INIT;
    assert_int_equal(kw_secret_copy(&a, "0123456789", 10, NULL), KW_OK);
    assert_int_equal(kw_secret_copy(&b, "0123456789", 10, NULL), KW_OK);
    assert_true(kw_secret_equal(&a, &b));
    b.data[9] ^= 1;
    assert_false(kw_secret_equal(&a, &b));
    assert_int_equal(kw_secret_copy(&c, "012345678", 9, NULL), KW_OK);
    assert_false(kw_secret_equal(&a, &c));
    kw_secret_wipe(&c);
    kw_secret_move(&c, &a);
    assert_null(a.data);
    assert_memory_equal(c.data, "0123456789", 10);
    assert_true(kw_equal_ct("ab", "ab", 2));
    assert_false(kw_equal_ct("ab", "ac", 2));
    assert_true(kw_equal_ct("a", "b", 0));
}

/* The flags of the mapping that holds address, " rd wr ... dd ", or false. */
static bool map_flags(const void *address, char flags[256])
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    bool found = false;
    while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from = 0;
        uintptr_t to = 0;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            inside = (uintptr_t)address >= from && (uintptr_t)address < to;
        if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            snprintf(flags, 256, "%.250s", line + 8);
            found = true;
        }
    }
    if (maps != NULL)
        fclose(maps);
    return found;
}

static void kernel_locks_it_and_keeps_it_out_of_cores(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("it makes mlock do nothing");
    static const size_t sizes[] = {32, 1024, 10000};
    for (size_t i = 0; i < KW_COUNT(sizes); i++) {
        KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
        make(&secret, sizes[i]);
        char flags[256];
        if (!map_flags(secret.data, flags)) {
            print_message("skipped: /proc/self/smaps has no VmFlags here\n");
            skip();
        }
        assert_non_null(strstr(flags, " dd")); /* MADV_DONTDUMP */
        assert_non_null(strstr(flags, " lo")); /* mlock */
        assert_non_null(strstr(flags, " wf")); /* MADV_WIPEONFORK */
    }
}

static int touch(void *address)
{
    *(volatile uint8_t *)address = 1;
    return 0;
}

static void touching_past_a_large_secret_is_fatal(void **state)
{
    KW_UNUSED(state);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    make(&secret, 3 * page);
    assert_int_equal(kw_child_exit(kw_in_child(touch, secret.data)), 0);
    assert_int_equal(kw_child_exit(kw_in_child(touch, secret.data + 3 * page - 1)), 0);
    assert_int_equal(kw_child_signal(kw_in_child(touch, secret.data + 3 * page)), SIGSEGV);
    assert_int_equal(kw_child_signal(kw_in_child(touch, secret.data - 1)), SIGSEGV);
}

static void a_wiped_large_secret_is_unmapped(void **state)
{
    KW_UNUSED(state);
    struct kw_secret secret = KW_SECRET_INIT;
    make(&secret, 100000);
    uint8_t *place = secret.data;
    kw_secret_wipe(&secret);
    assert_int_equal(kw_child_signal(kw_in_child(touch, place)), SIGSEGV);
}

static int child_sees_zeros(void *arg)
{
    const struct kw_secret *secret = arg;
    for (size_t i = 0; i < secret->len; i++)
        if (secret->data[i] != 0)
            return 1;
    return 0;
}

static void a_forked_child_finds_zeros(void **state)
{
    KW_UNUSED(state);
    static const size_t sizes[] = {32, 1024, 5000};
    for (size_t i = 0; i < KW_COUNT(sizes); i++) {
        KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
        make(&secret, sizes[i]);
        memset(secret.data, 0xc5, secret.len);
        assert_int_equal(kw_child_exit(kw_in_child(child_sees_zeros, &secret)), 0);
        assert_int_equal(secret.data[secret.len - 1], 0xc5);
    }
}

/* In the child: neither a free slot of the parent's slab nor one that is wiped is given out again,
 * for those are not locked. Each new secret is in memory that is. */
static int child_makes_its_own(void *arg)
{
    struct kw_secret *inherited = arg;
    struct kw_secret mine[3] = {KW_SECRET_INIT};
    char flags[256];
    kw_secret_wipe(inherited);
    for (size_t i = 0; i < KW_COUNT(mine); i++) {
        if (kw_secret_alloc(&mine[i], 32, NULL) != KW_OK)
            return 2;
        memset(mine[i].data, 1, 32);
        if (map_flags(mine[i].data, flags) && strstr(flags, " lo") == NULL)
            return 3;
    }
    kw_secret_wipe(&mine[0]);
    const uint8_t *place = mine[1].data;
    kw_secret_wipe(&mine[1]);
    if (kw_secret_alloc(&mine[1], 32, NULL) != KW_OK || mine[1].data != place)
        return 4;
    return 0;
}

static void a_forked_child_makes_locked_secrets(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("it makes mlock do nothing");
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    make(&secret, 32);
    assert_int_equal(kw_child_exit(kw_in_child(child_makes_its_own, &secret)), 0);
}

enum { CANNOT_TRY = 99 };

static int without_lockable_memory(void *allow)
{
    struct kw_secret small = KW_SECRET_INIT;
    struct kw_secret large = KW_SECRET_INIT;
    struct kw_error err = {0};
    if (!kw_give_up_locked_memory())
        return CANNOT_TRY;
    if (allow != NULL)
        kw_secret_allow_unlocked();
    kw_code wanted = allow != NULL ? KW_OK : KW_NO_SECURE_MEMORY;
    if (kw_secret_alloc(&small, 32, &err) != wanted ||
        kw_secret_alloc(&large, 9999, &err) != wanted)
        return 1;
    if (allow == NULL && (small.data != NULL || strstr(err.text, "LimitMEMLOCK") == NULL))
        return 2;
    return 0;
}

static void expect_clean_exit(int status, const char *what)
{
    if (kw_child_exit(status) == CANNOT_TRY) {
        print_message("skipped: %s: capabilities cannot be given up here\n", what);
        skip();
    }
    assert_int_equal(kw_child_exit(status), 0);
}

static void without_lockable_memory_it_refuses(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("it makes mlock do nothing");
    expect_clean_exit(kw_in_child(without_lockable_memory, NULL), "refusal");
}

static void unlocked_memory_must_be_asked_for(void **state)
{
    KW_UNUSED(state);
    int allow = 1;
    expect_clean_exit(kw_in_child(without_lockable_memory, &allow), "permission");
}

static int harden(void *arg)
{
    KW_UNUSED(arg);
    kw_process_harden(false);
    struct rlimit core;
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0)
        return 1;
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return 2;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 3;
}

static void hardening_takes_effect(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_child_exit(kw_in_child(harden, NULL)), 0);
}

/* Returns arg if anything went wrong. */
static void *churn(void *arg)
{
    for (unsigned i = 0; i < 2000; i++) {
        struct kw_secret secret = KW_SECRET_INIT;
        if (kw_secret_alloc(&secret, 1 + i % 1500, NULL) != KW_OK)
            return arg;
        memset(secret.data, (int)i, secret.len);
        for (size_t at = 0; at < secret.len; at += 64)
            if (secret.data[at] != (uint8_t)i)
                return arg;
        kw_secret_wipe(&secret);
    }
    return NULL;
}

static void threads_share_the_heap(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)state), 0);
    for (size_t i = 0; i < KW_COUNT(threads); i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_secrets_are_zero_and_aligned),
        cmocka_unit_test(sizes_that_are_refused),
        cmocka_unit_test(wiping_overwrites),
        cmocka_unit_test(usage_comes_back_to_where_it_was),
        cmocka_unit_test(secrets_do_not_overlap),
        cmocka_unit_test(copy_move_and_compare),
        cmocka_unit_test(kernel_locks_it_and_keeps_it_out_of_cores),
        cmocka_unit_test(touching_past_a_large_secret_is_fatal),
        cmocka_unit_test(a_wiped_large_secret_is_unmapped),
        cmocka_unit_test(a_forked_child_finds_zeros),
        cmocka_unit_test(a_forked_child_makes_locked_secrets),
        cmocka_unit_test(without_lockable_memory_it_refuses),
        cmocka_unit_test(unlocked_memory_must_be_asked_for),
        cmocka_unit_test(hardening_takes_effect),
        cmocka_unit_test(threads_share_the_heap),
    };
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}

/* Random bytes: never twice, not after a fork either, and wiped behind. */
#include "crypto/random.h"

#include "child.h"
#include "memory.h"
#include "sanitized.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DRAW = 32, CANNOT_TRY = 99 };

static void no_draw_comes_twice(void **state)
{
    KW_UNUSED(state);
    enum { DRAWS = 2000 };
    static uint8_t draws[DRAWS][8];
    for (size_t i = 0; i < DRAWS; i++)
        kw_random(draws[i], sizeof draws[i]);
    for (size_t i = 0; i < DRAWS; i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(draws[i], draws[j], sizeof draws[i]);
    }
}

/* All of the room is filled and nothing beside it: no byte of a draw stays zero in 64 draws. */
static void every_length_is_filled(void **state)
{
    KW_UNUSED(state);
    static const size_t lengths[] = {0, 1, 31, 1019, 1020, 1021, 4080, 4096, 9000};
    static uint8_t out[9001];
    static uint8_t seen[9001];
    for (size_t n = 0; n < KW_COUNT(lengths); n++) {
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < 64; i++) {
            memset(out, 0, sizeof out);
            kw_random(out, lengths[n]);
            for (size_t at = 0; at < sizeof out; at++)
                seen[at] |= out[at];
        }
        for (size_t at = 0; at < sizeof seen; at++)
            assert_int_equal(seen[at] != 0, at < lengths[n]);
    }
}

static int draw_to(void *fd)
{
    uint8_t out[DRAW];
    kw_random(out, sizeof out);
    return write(*(int *)fd, out, sizeof out) == sizeof out ? 0 : 1;
}

/* Parent and two children draw from the same place of the read-ahead. */
static void a_child_draws_its_own(void **state)
{
    KW_UNUSED(state);
    int fds[2];
    uint8_t draws[3][DRAW];
    assert_int_equal(pipe(fds), 0);
    kw_random(draws[0], DRAW); /* so that there is a read-ahead */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kw_child_exit(kw_in_child(draw_to, &fds[1])), 0);
        assert_int_equal(read(fds[0], draws[i], DRAW), DRAW);
    }
    kw_random(draws[2], DRAW);
    assert_memory_not_equal(draws[0], draws[1], DRAW);
    assert_memory_not_equal(draws[0], draws[2], DRAW);
    assert_memory_not_equal(draws[1], draws[2], DRAW);
    close(fds[0]);
    close(fds[1]);
}

static void a_draw_is_wiped_behind(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("memory cannot be searched");
    static const uint8_t none[DRAW];
    uint8_t draw[DRAW];
    for (int i = 0; i < 3; i++) {
        kw_random(draw, sizeof draw);
        assert_int_equal(kw_memory_count(KW_MEMORY_SECRET, draw, none, DRAW), 0);
    }
    /* The search does find what stands there. */
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    assert_int_equal(kw_secret_copy(&secret, draw, DRAW, NULL), KW_OK);
    assert_int_equal(kw_memory_count(KW_MEMORY_SECRET, draw, none, DRAW), 1);
}

static void secrets_of_any_length(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) a = KW_SECRET_INIT;
    KW_AUTO(kw_secret) b = KW_SECRET_INIT;
    KW_AUTO(kw_secret) large = KW_SECRET_INIT;
    assert_int_equal(kw_random_secret(&a, 32, NULL), KW_OK);
    assert_int_equal(kw_random_secret(&b, 32, NULL), KW_OK);
    assert_int_equal(a.len, 32);
    assert_false(kw_secret_equal(&a, &b));
    assert_int_equal(kw_random_secret(&large, 20000, NULL), KW_OK);
    assert_int_equal(kw_random_secret(&a, 32, NULL), KW_INTERNAL);
}

static int without_locked_memory(void *arg)
{
    KW_UNUSED(arg);
    uint8_t a[DRAW];
    uint8_t b[DRAW];
    struct kw_secret none = KW_SECRET_INIT;
    if (!kw_give_up_locked_memory())
        return CANNOT_TRY;
    if (kw_secret_alloc(&none, DRAW, NULL) != KW_NO_SECURE_MEMORY)
        return 1;
    kw_random(a, DRAW);
    kw_random(b, DRAW);
    return memcmp(a, b, DRAW) == 0 ? 2 : 0;
}

static void it_works_without_a_read_ahead(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("it makes mlock do nothing");
    int end = kw_child_exit(kw_in_child(without_locked_memory, NULL));
    if (end == CANNOT_TRY) {
        print_message("skipped: capabilities cannot be given up here\n");
        skip();
    }
    assert_int_equal(end, 0);
}

static void *draw_in_a_thread(void *out)
{
    kw_random(out, DRAW);
    return NULL;
}

static void threads_have_their_own_and_give_it_back(void **state)
{
    KW_UNUSED(state);
    uint8_t draws[20][DRAW];
    struct kw_secret_usage before = kw_secret_usage();
    for (size_t i = 0; i < KW_COUNT(draws); i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, draw_in_a_thread, draws[i]), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(draws[i], draws[j], DRAW);
    }
    assert_int_equal(kw_secret_usage().used, before.used);
    assert_int_equal(kw_secret_usage().mapped, before.mapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_draw_comes_twice),
        cmocka_unit_test(every_length_is_filled),
        cmocka_unit_test(a_child_draws_its_own),
        cmocka_unit_test(a_draw_is_wiped_behind),
        cmocka_unit_test(secrets_of_any_length),
        cmocka_unit_test(it_works_without_a_read_ahead),
        cmocka_unit_test(threads_have_their_own_and_give_it_back),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}

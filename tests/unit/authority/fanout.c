/* The same work for many things at once: all of it is done, no more at a time than was asked for,
 * and a failure ends it with one answer. */
#include "authority/fanout.h"
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 500 };

struct scene {
    atomic_uint done[MANY];
    atomic_size_t now, most;
    atomic_bool go;  /* waiting() may end */
    size_t crowd;    /* so many must be in it at once before anybody leaves */
    size_t failing;  /* this one, and */
    size_t failing2; /* this one fail */
};

static void enter(struct scene *scene)
{
    size_t now = atomic_fetch_add(&scene->now, 1) + 1;
    size_t most = atomic_load(&scene->most);
    while (now > most && !atomic_compare_exchange_weak(&scene->most, &most, now))
        continue;
}

static KW_ERR run(void *arg, size_t i, struct kw_error *err)
{
    struct scene *scene = arg;
    enter(scene);
    atomic_fetch_add(&scene->done[i], 1);
    atomic_fetch_sub(&scene->now, 1);
    if (i == scene->failing || i == scene->failing2)
        return kw_fail(err, KW_TIMEOUT, "number %zu", i);
    return KW_OK;
}

/* Nobody leaves before the crowd is complete: that only ends if so many run side by side. */
static KW_ERR waiting(void *arg, size_t i, struct kw_error *err)
{
    struct scene *scene = arg;
    enter(scene);
    if (atomic_load(&scene->now) >= scene->crowd)
        atomic_store(&scene->go, true);
    while (!atomic_load(&scene->go))
        usleep(100);
    atomic_fetch_add(&scene->done[i], 1);
    atomic_fetch_sub(&scene->now, 1);
    KW_UNUSED(err);
    return KW_OK;
}

static struct scene *scene_new(void)
{
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    scene->failing = scene->failing2 = MANY;
    return scene;
}

static void test_each_is_done_once(void **state)
{
    static const size_t threads[] = {0, 1, 2, 7, KW_FANOUT_MAX, 1000};
    KW_UNUSED(state);
    for (size_t t = 0; t < KW_COUNT(threads); t++) {
        struct scene *scene = scene_new();
        assert_int_equal(kw_fanout(MANY, threads[t], run, scene, NULL), KW_OK);
        for (size_t i = 0; i < MANY; i++)
            assert_int_equal(scene->done[i], 1);
        assert_in_range(scene->most, 1,
                        threads[t] > KW_FANOUT_MAX ? KW_FANOUT_MAX
                        : threads[t] == 0          ? 1
                                                   : threads[t]);
        free(scene);
    }
}

static void test_nothing_to_do(void **state)
{
    struct scene *scene = scene_new();
    KW_UNUSED(state);
    assert_int_equal(kw_fanout(0, 8, run, scene, NULL), KW_OK);
    assert_int_equal(scene->most, 0);
    free(scene);
}

static void test_side_by_side(void **state)
{
    struct scene *scene = scene_new();
    KW_UNUSED(state);
    scene->crowd = KW_FANOUT_MAX;
    assert_int_equal(kw_fanout(40, KW_FANOUT_MAX, waiting, scene, NULL), KW_OK);
    assert_int_equal(scene->most, KW_FANOUT_MAX);
    free(scene);
}

/* One thread: what comes after the failure is left out. */
static void test_failure_ends_it(void **state)
{
    struct kw_error err = {0};
    struct scene *scene = scene_new();
    KW_UNUSED(state);
    scene->failing = 10;
    assert_int_equal(kw_fanout(MANY, 1, run, scene, &err), KW_TIMEOUT);
    assert_string_equal(err.text, "number 10");
    assert_int_equal(scene->done[10], 1);
    assert_int_equal(scene->done[11], 0);
    free(scene);
}

/* Both fail whichever thread is first: what has begun ends, and the first of them is told. */
static KW_ERR fail_together(void *arg, size_t i, struct kw_error *err)
{
    (void)!waiting(arg, i, err);
    return i < 2 ? kw_fail(err, KW_TIMEOUT, "number %zu", i) : KW_OK;
}

static void test_first_failure_is_told(void **state)
{
    KW_UNUSED(state);
    for (int round = 0; round < 50; round++) {
        struct kw_error err = {0};
        struct scene *scene = scene_new();
        scene->crowd = 2;
        assert_int_equal(kw_fanout(2, 2, fail_together, scene, &err), KW_TIMEOUT);
        assert_string_equal(err.text, "number 0");
        free(scene);
    }
}

/* A failure that says nothing is told by its code. */
static KW_ERR fail_silently(void *arg, size_t i, struct kw_error *err)
{
    KW_UNUSED(arg);
    KW_UNUSED(i);
    KW_UNUSED(err);
    return KW_FORBIDDEN;
}

static void test_silent_failure(void **state)
{
    struct kw_error err = {0};
    KW_UNUSED(state);
    assert_int_equal(kw_fanout(3, 3, fail_silently, NULL, &err), KW_FORBIDDEN);
    assert_int_equal(err.code, KW_FORBIDDEN);
    assert_string_equal(err.text, kw_code_message(KW_FORBIDDEN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_done_once),     cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_side_by_side),          cmocka_unit_test(test_failure_ends_it),
        cmocka_unit_test(test_first_failure_is_told), cmocka_unit_test(test_silent_failure),
    };
    return cmocka_run_group_tests_name("authority fanout", tests, NULL, NULL);
}

/* The threads that may wait, and who gets one: whoever manages is not kept waiting by those who
 * use, and nobody by those whose providers are slow. */
#include "api/pool.h"

#include "base/clock.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 3, QUEUE = 4, MANY_THREADS = 16, SHARE = 4, LONG_QUEUE = 64, SLOW_MS = 300 };

static sem_t gate, passed, urgent_done;
static atomic_uint inside;

static kw_code put(struct kw_pool *pool, enum kw_pool_lane lane, uint64_t group,
                   void (*run)(void *arg))
{
    const struct kw_pool_task task = {.lane = lane, .group = group, .run = run};
    return kw_pool_put(pool, &task, NULL);
}

static void waits(void *arg)
{
    (void)arg;
    atomic_fetch_add(&inside, 1);
    sem_wait(&gate);
    sem_post(&passed);
}

static void urgent(void *arg)
{
    (void)arg;
    sem_post(&urgent_done);
}

static int setup(void **state)
{
    (void)state;
    sem_init(&gate, 0, 0);
    sem_init(&passed, 0, 0);
    sem_init(&urgent_done, 0, 0);
    atomic_store(&inside, 0);
    return 0;
}

/* However many ordinary tasks there are, an urgent one finds room and a thread. */
static void test_urgent_is_not_kept(void **state)
{
    struct kw_pool *pool = NULL;
    unsigned taken = 0;
    kw_code code = KW_OK;
    (void)state;
    assert_int_equal(kw_pool_new(THREADS, QUEUE, &pool, NULL), KW_OK);
    while (code == KW_OK) {
        code = put(pool, KW_POOL_ORDINARY, 0, waits);
        taken += code == KW_OK;
    }
    assert_int_equal(code, KW_OVERLOADED);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(put(pool, KW_POOL_URGENT, 0, urgent), KW_OK);
        sem_wait(&urgent_done); /* hangs if none is kept free */
    }
    assert_true(atomic_load(&inside) < THREADS);
    for (unsigned i = 0; i < taken; i++)
        sem_post(&gate);
    for (unsigned i = 0; i < taken; i++)
        sem_wait(&passed);
    kw_pool_free(pool);
}

/* With one thread there is nothing to keep free; the urgent one is next. */
static void test_one_thread(void **state)
{
    struct kw_pool *pool = NULL;
    (void)state;
    assert_int_equal(kw_pool_new(1, QUEUE, &pool, NULL), KW_OK);
    assert_int_equal(put(pool, KW_POOL_ORDINARY, 0, waits), KW_OK);
    while (atomic_load(&inside) == 0)
        ;
    assert_int_equal(put(pool, KW_POOL_ORDINARY, 0, waits), KW_OK);
    assert_int_equal(put(pool, KW_POOL_URGENT, 0, urgent), KW_OK);
    sem_post(&gate);
    sem_wait(&urgent_done); /* hangs if the second ordinary one, whose gate is shut, comes first */
    sem_post(&gate);
    sem_wait(&passed);
    sem_wait(&passed);
    kw_pool_free(pool);
}

/* What was taken in is carried out, also at the end. */
static void test_nothing_is_lost_at_the_end(void **state)
{
    struct kw_pool *pool = NULL;
    unsigned taken = 0;
    int ran = 0;
    (void)state;
    assert_int_equal(kw_pool_new(THREADS, QUEUE, &pool, NULL), KW_OK);
    while (put(pool, KW_POOL_ORDINARY, 0, waits) == KW_OK)
        taken++;
    for (unsigned i = 0; i < taken; i++)
        sem_post(&gate);
    kw_pool_free(pool);
    sem_getvalue(&passed, &ran);
    assert_int_equal(ran, taken);
}

static void await_inside(unsigned count)
{
    while (atomic_load(&inside) != count)
        ;
}

static void let_through(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sem_post(&gate);
    for (unsigned i = 0; i < count; i++)
        sem_wait(&passed);
    atomic_fetch_sub(&inside, count);
}

/* A group that hangs has its share of the threads and of the queue, and others go on, also those
 * that come after it. */
static void test_a_group_has_a_share(void **state)
{
    struct kw_pool *pool = NULL;
    unsigned taken = 0;
    (void)state;
    assert_int_equal(kw_pool_new(MANY_THREADS, LONG_QUEUE, &pool, NULL), KW_OK);
    while (put(pool, KW_POOL_ORDINARY, 7, waits) == KW_OK)
        if (++taken <= SHARE)
            await_inside(taken);
    assert_int_equal(taken, SHARE + LONG_QUEUE / 4);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(put(pool, KW_POOL_ORDINARY, 100 + i, urgent), KW_OK);
        sem_wait(&urgent_done); /* hangs if the others keep it waiting */
        assert_int_equal(put(pool, KW_POOL_MANAGE, 8, urgent), KW_OK);
        sem_wait(&urgent_done);
    }
    assert_int_equal(put(pool, KW_POOL_URGENT, 7, urgent), KW_OK); /* has no share */
    sem_wait(&urgent_done);
    assert_int_equal(atomic_load(&inside), SHARE);
    let_through(taken);
    assert_int_equal(put(pool, KW_POOL_ORDINARY, 7, urgent), KW_OK);
    sem_wait(&urgent_done);
    kw_pool_free(pool);
}

static void rests(void *arg)
{
    static int64_t offset_ms;
    (void)arg;
    kw_clock_test_offset(offset_ms += SLOW_MS);
    sem_post(&passed);
}

/* However many groups are slow: half of the threads are for those that are not. */
static void test_slow_groups_have_half(void **state)
{
    enum { GROUPS = 10, HALF = (MANY_THREADS - 1) / 2 };
    struct kw_pool *pool = NULL;
    (void)state;
    assert_int_equal(kw_pool_new(MANY_THREADS, LONG_QUEUE, &pool, NULL), KW_OK);
    for (uint64_t group = 1; group <= GROUPS; group++) {
        assert_int_equal(put(pool, KW_POOL_ORDINARY, group, rests), KW_OK);
        sem_wait(&passed);
    }
    for (uint64_t group = 1; group <= GROUPS; group++)
        for (int i = 0; i < SHARE; i++)
            assert_int_equal(put(pool, KW_POOL_ORDINARY, group, waits), KW_OK);
    await_inside(HALF);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(put(pool, KW_POOL_ORDINARY, 1000, urgent), KW_OK);
        sem_wait(&urgent_done);
    }
    assert_int_equal(atomic_load(&inside), HALF);
    for (unsigned i = 0; i < GROUPS * SHARE; i++)
        sem_post(&gate);
    kw_pool_free(pool); /* all of them run */
    assert_int_equal(atomic_load(&inside), GROUPS * SHARE);
    kw_clock_test_offset(0);
}

/* What manages and waits for providers goes before the rest, and never takes the last thread. */
static void test_managing_that_waits(void **state)
{
    struct kw_pool *pool = NULL;
    (void)state;
    assert_int_equal(kw_pool_new(THREADS, LONG_QUEUE, &pool, NULL), KW_OK);
    for (uint64_t i = 1; i <= THREADS; i++)
        assert_int_equal(put(pool, KW_POOL_MANAGE, i, waits), KW_OK);
    await_inside(THREADS - 1);
    assert_int_equal(put(pool, KW_POOL_URGENT, 0, urgent), KW_OK);
    sem_wait(&urgent_done);
    assert_int_equal(put(pool, KW_POOL_ORDINARY, 50, waits), KW_OK);
    assert_int_equal(put(pool, KW_POOL_MANAGE, 51, urgent), KW_OK);
    sem_post(&gate);
    sem_post(&gate);
    sem_wait(&urgent_done); /* hangs if the ordinary one, whose gate is shut, comes first twice */
    for (int i = 0; i < 2; i++)
        sem_post(&gate);
    kw_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_urgent_is_not_kept, setup),
        cmocka_unit_test_setup(test_one_thread, setup),
        cmocka_unit_test_setup(test_nothing_is_lost_at_the_end, setup),
        cmocka_unit_test_setup(test_a_group_has_a_share, setup),
        cmocka_unit_test_setup(test_slow_groups_have_half, setup),
        cmocka_unit_test_setup(test_managing_that_waits, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

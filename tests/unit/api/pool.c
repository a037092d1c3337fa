/* The threads that may wait, and who gets one: whoever manages is not kept waiting by those who
 * use.
 */
#include "api/pool.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 3, QUEUE = 4 };

static sem_t gate, passed, urgent_done;
static atomic_uint inside;

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
        code = kw_pool_put(pool, false, waits, NULL, NULL);
        taken += code == KW_OK;
    }
    assert_int_equal(code, KW_OVERLOADED);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(kw_pool_put(pool, true, urgent, NULL, NULL), KW_OK);
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
    assert_int_equal(kw_pool_put(pool, false, waits, NULL, NULL), KW_OK);
    while (atomic_load(&inside) == 0)
        ;
    assert_int_equal(kw_pool_put(pool, false, waits, NULL, NULL), KW_OK);
    assert_int_equal(kw_pool_put(pool, true, urgent, NULL, NULL), KW_OK);
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
    while (kw_pool_put(pool, false, waits, NULL, NULL) == KW_OK)
        taken++;
    for (unsigned i = 0; i < taken; i++)
        sem_post(&gate);
    kw_pool_free(pool);
    sem_getvalue(&passed, &ran);
    assert_int_equal(ran, taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_urgent_is_not_kept, setup),
        cmocka_unit_test_setup(test_one_thread, setup),
        cmocka_unit_test_setup(test_nothing_is_lost_at_the_end, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

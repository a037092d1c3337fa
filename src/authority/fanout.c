#include "authority/fanout.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* Stacks count against the limit of locked memory. */
enum { STACK_BYTES = 512 * 1024 };

struct fanout {
    size_t count;
    kw_code (*run)(void *arg, size_t i, struct kw_error *err);
    void *arg;
    atomic_size_t next;
    pthread_mutex_t lock;
    size_t failed_at; /* under lock; count: none has */
    struct kw_error why;
};

/* What comes first fails first, whichever thread was quicker: the same answer every time, as far as
 * there can be one. Nothing more begins. */
static void note_failure(struct fanout *fanout, size_t i, const struct kw_error *why)
{
    atomic_store(&fanout->next, fanout->count);
    pthread_mutex_lock(&fanout->lock);
    if (i < fanout->failed_at) {
        fanout->failed_at = i;
        fanout->why = *why;
    }
    pthread_mutex_unlock(&fanout->lock);
}

/* The next one to do, or count. It is never raised past count, where a failure has put it. */
static size_t take(struct fanout *fanout)
{
    size_t i = atomic_load(&fanout->next);
    while (i < fanout->count && !atomic_compare_exchange_weak(&fanout->next, &i, i + 1))
        continue;
    return i;
}

static void *work(void *arg)
{
    struct fanout *fanout = arg;
    for (size_t i = take(fanout); i < fanout->count; i = take(fanout)) {
        struct kw_error why = {0};
        kw_code code = fanout->run(fanout->arg, i, &why);
        if (code != KW_OK) {
            if (why.code != code)
                (void)!kw_fail_code(&why, code);
            note_failure(fanout, i, &why);
        }
    }
    return NULL;
}

/* How many threads could be had. Signals are the program's: these take none. */
static size_t start(struct fanout *fanout, pthread_t *threads, size_t wanted)
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;
    size_t started = 0;
    if (wanted == 0 || pthread_attr_init(&attr) != 0)
        return 0;
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < wanted && pthread_create(&threads[started], &attr, work, fanout) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return started;
}

KW_ERR kw_fanout(size_t count, size_t threads,
                 kw_code (*run)(void *arg, size_t i, struct kw_error *err), void *arg,
                 struct kw_error *err)
{
    pthread_t others[KW_FANOUT_MAX];
    struct fanout fanout = {.count = count,
                            .run = run,
                            .arg = arg,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .failed_at = count};
    size_t most = threads < KW_FANOUT_MAX ? threads : KW_FANOUT_MAX;
    most = most < count ? most : count;
    size_t started = start(&fanout, others, most > 0 ? most - 1 : 0);
    work(&fanout);
    for (size_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    pthread_mutex_destroy(&fanout.lock);
    if (fanout.failed_at == count)
        return KW_OK;
    return kw_fail(err, fanout.why.code, "%s", fanout.why.text);
}

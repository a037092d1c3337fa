#include "authority/fanout.h"

#include <pthread.h>
#include <stdatomic.h>

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

KW_ERR kw_fanout(size_t count, size_t threads,
                 kw_code (*run)(void *arg, size_t i, struct kw_error *err), void *arg,
                 struct kw_error *err)
{
    pthread_t others[KW_FANOUT_MAX];
    size_t started = 0;
    struct fanout fanout = {.count = count,
                            .run = run,
                            .arg = arg,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .failed_at = count};
    while (started + 1 < threads && started + 1 < count && started < KW_FANOUT_MAX - 1 &&
           pthread_create(&others[started], NULL, work, &fanout) == 0)
        started++;
    work(&fanout);
    for (size_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    pthread_mutex_destroy(&fanout.lock);
    if (fanout.failed_at == count)
        return KW_OK;
    return kw_fail(err, fanout.why.code, "%s", fanout.why.text);
}

/* Closing, waiting and counting; opening is in open.c, the work in commit.c and publish.c. */
#include "ledger/ledger.h"

#include "ledger/state.h"

#include <unistd.h>

void kw_ledger_unref(struct kw_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    bool last = --ledger->refs == 0;
    pthread_mutex_unlock(&ledger->lock);
    if (!last)
        return;
    kw_publisher_wipe(&ledger->publisher);
    kw_wal_wipe(&ledger->wal);
    kw_secret_wipe(&ledger->seed);
    if (ledger->lock_fd >= 0)
        close(ledger->lock_fd);
    pthread_cond_destroy(&ledger->to_commit);
    pthread_cond_destroy(&ledger->to_publish);
    pthread_cond_destroy(&ledger->to_watch);
    pthread_cond_destroy(&ledger->settled);
    pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}

/* Ends the threads: true when all have ended, false if one hangs in the disk. The lock is held. */
static bool stop_threads(struct kw_ledger *ledger)
{
    struct kw_ledger_patience patience = {0};
    ledger->closing = true;
    pthread_cond_broadcast(&ledger->to_commit);
    pthread_cond_broadcast(&ledger->to_publish);
    pthread_cond_broadcast(&ledger->to_watch);
    while (ledger->running > 0)
        if (!kw_ledger_wait_patiently(ledger, &patience))
            return false;
    return true;
}

static KW_ERR close_result(const struct kw_ledger *ledger, bool ended, struct kw_error *err)
{
    if (!ended)
        return kw_fail(err, KW_LEDGER_UNAVAILABLE,
                       "the disk of %s does not answer: the ledger was left unpublished; what was "
                       "acknowledged is in its write-ahead files",
                       ledger->dir);
    if (ledger->publish_error.code != KW_OK)
        return kw_fail(err, ledger->publish_error.code, "%s", ledger->publish_error.text);
    return KW_OK;
}

KW_ERR kw_ledger_close(struct kw_ledger *ledger, struct kw_error *err)
{
    if (ledger == NULL)
        return KW_OK;
    pthread_t threads[KW_LEDGER_THREADS];
    pthread_mutex_lock(&ledger->lock);
    unsigned started = ledger->running;
    memcpy(threads, ledger->threads, sizeof threads);
    bool ended = stop_threads(ledger);
    kw_code code = close_result(ledger, ended, err);
    pthread_mutex_unlock(&ledger->lock);
    for (unsigned i = 0; i < started; i++) /* a thread that hangs frees the ledger when it ends */
        if (ended)
            pthread_join(threads[i], NULL);
        else
            pthread_detach(threads[i]);
    kw_ledger_unref(ledger);
    return code;
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    kw_code code;
};

static void answer_waiter(struct kw_ledger_batch *batch, kw_code code)
{
    struct waiter *waiter = batch->arg;
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    waiter->code = code;
    pthread_cond_signal(&waiter->answered);
    pthread_mutex_unlock(&waiter->lock);
}

/* Why the batch failed, in the words of the last commit if they are of the same failure. */
static KW_ERR tell(struct kw_ledger *ledger, kw_code code, struct kw_error *err)
{
    if (code == KW_OK)
        return KW_OK;
    pthread_mutex_lock(&ledger->lock);
    struct kw_error last = ledger->commit_error;
    pthread_mutex_unlock(&ledger->lock);
    if (last.code == code)
        return kw_fail(err, code, "%s", last.text);
    return kw_fail_code(err, code);
}

KW_ERR kw_ledger_append_wait(struct kw_ledger *ledger, struct kw_ledger_batch *batch,
                             struct kw_error *err)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER,
                            .answered = PTHREAD_COND_INITIALIZER};
    void (*done)(struct kw_ledger_batch *, kw_code) = batch->done;
    void *arg = batch->arg;
    batch->done = answer_waiter;
    batch->arg = &waiter;
    kw_code code = kw_ledger_append(ledger, batch, err);
    if (code == KW_OK) {
        pthread_mutex_lock(&waiter.lock);
        while (!waiter.done)
            pthread_cond_wait(&waiter.answered, &waiter.lock);
        pthread_mutex_unlock(&waiter.lock);
        code = tell(ledger, waiter.code, err);
    }
    batch->done = done;
    batch->arg = arg;
    pthread_mutex_destroy(&waiter.lock);
    pthread_cond_destroy(&waiter.answered);
    return code;
}

struct kw_ledger_stats kw_ledger_stats(struct kw_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    struct kw_ledger_stats stats = ledger->stats;
    stats.size = ledger->size;
    stats.published_size = ledger->published;
    stats.state =
        ledger->commit_error.code != KW_OK ? ledger->commit_error.code : ledger->publish_error.code;
    pthread_mutex_unlock(&ledger->lock);
    return stats;
}

const char *kw_ledger_vkey(const struct kw_ledger *ledger)
{
    return ledger->vkey;
}

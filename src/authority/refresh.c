/* Keys that are in use are loaded anew before their time is over, so that no use waits for it. */
#include "authority/pace.h"

#include <signal.h>

enum { STACK_BYTES = 512 * 1024 };

static bool is_queued(const struct kw_refresh *refresh, uint64_t reference, uint32_t version)
{
    for (size_t i = 0; i < refresh->count; i++) {
        const struct kw_refresh_want *want =
            &refresh->queue[(refresh->first + i) % KW_REFRESH_QUEUE];
        if (want->reference == reference && want->version == version)
            return true;
    }
    return false;
}

void kw_refresh_wanted(void *authority, uint64_t reference, uint32_t version)
{
    struct kw_refresh *refresh = &((struct kw_authority *)authority)->pace->refresh;
    pthread_mutex_lock(&refresh->lock);
    if (refresh->count < KW_REFRESH_QUEUE && !is_queued(refresh, reference, version)) {
        size_t at = (refresh->first + refresh->count++) % KW_REFRESH_QUEUE;
        refresh->queue[at] = (struct kw_refresh_want){reference, version};
        pthread_cond_signal(&refresh->signal);
    }
    pthread_mutex_unlock(&refresh->lock);
}

/* False: it is over. What is still queued then is nobody's loss. */
static bool take(struct kw_refresh *refresh, struct kw_refresh_want *out)
{
    pthread_mutex_lock(&refresh->lock);
    while (!refresh->stopping && refresh->count == 0)
        pthread_cond_wait(&refresh->signal, &refresh->lock);
    bool taken = !refresh->stopping;
    if (taken) {
        *out = refresh->queue[refresh->first];
        refresh->first = (refresh->first + 1) % KW_REFRESH_QUEUE;
        refresh->count--;
    }
    pthread_mutex_unlock(&refresh->lock);
    return taken;
}

/* A failure is the keyring's to remember: the use that comes too late for the old entry meets it.
 */
static void *work(void *arg)
{
    struct kw_authority *authority = arg;
    struct kw_refresh_want want;
    struct kw_error ignored;
    while (take(&authority->pace->refresh, &want)) {
        (void)!kw_keyring_refresh(authority->ring, want.reference, want.version, &ignored);
        kw_aead_forget();
    }
    return NULL;
}

KW_ERR kw_refresh_start(struct kw_authority *authority, unsigned threads, struct kw_error *err)
{
    struct kw_refresh *refresh = &authority->pace->refresh;
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;
    int rc = 0;
    if (threads > KW_REFRESH_THREADS_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "at most %d threads load keys ahead of time",
                       KW_REFRESH_THREADS_MAX);
    if (threads == 0 || (rc = pthread_attr_init(&attr)) != 0)
        return rc == 0 ? KW_OK : kw_fail_errno(err, rc, "cannot start a thread");
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (rc == 0 && refresh->thread_count < threads) {
        rc = pthread_create(&refresh->threads[refresh->thread_count], &attr, work, authority);
        refresh->thread_count += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0 ? KW_OK : kw_fail_errno(err, rc, "cannot start a thread that loads keys");
}

void kw_refresh_stop(struct kw_authority *authority)
{
    struct kw_refresh *refresh = &authority->pace->refresh;
    pthread_mutex_lock(&refresh->lock);
    refresh->stopping = true;
    pthread_cond_broadcast(&refresh->signal);
    pthread_mutex_unlock(&refresh->lock);
    for (size_t i = 0; i < refresh->thread_count; i++)
        pthread_join(refresh->threads[i], NULL);
    refresh->thread_count = 0;
}

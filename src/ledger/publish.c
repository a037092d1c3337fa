/* The publishing thread, and waiting for it. */
#include "base/clock.h"
#include "ledger/state.h"

#include <time.h>

void kw_ledger_wait(struct kw_ledger *ledger, pthread_cond_t *condition, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(condition, &ledger->lock, &until);
}

/* How long until the next publication is due: 0 now, -1 not before something happens. */
static int64_t due_in(const struct kw_ledger *ledger, int64_t last_ms)
{
    bool something = ledger->size > ledger->published || ledger->tampered;
    if (ledger->publish_now || (ledger->closing && ledger->commit_ended))
        return 0;
    if (!something)
        return -1;
    if (ledger->size - ledger->published >= KW_LEDGER_BACKLOG &&
        ledger->publish_error.code == KW_OK)
        return 0;
    int64_t wait = last_ms + ledger->publish_interval_ms - kw_clock_ms();
    return wait > 0 ? wait : 0;
}

/* One attempt. The lock is held before and after. */
static void attempt(struct kw_ledger *ledger)
{
    struct kw_error error = {0};
    uint64_t target = ledger->size;
    ledger->publish_now = false;
    ledger->publish_started++;
    pthread_mutex_unlock(&ledger->lock);
    kw_code code = kw_publisher_step(&ledger->publisher, target, &error);
    pthread_mutex_lock(&ledger->lock);
    ledger->published = ledger->publisher.published.edge.size;
    ledger->publish_error = error;
    ledger->publish_error.code = code;
    ledger->tampered = ledger->publisher.tampered;
    ledger->publish_ended++;
    pthread_cond_broadcast(&ledger->settled);
}

/* Publishes until nothing is left or an attempt fails. The lock is held before and after. */
static void drain(struct kw_ledger *ledger)
{
    do
        attempt(ledger);
    while (ledger->publish_error.code == KW_OK && ledger->published < ledger->size);
}

static void make_spare(struct kw_ledger *ledger)
{
    if (!kw_wal_wants_spare(&ledger->wal))
        return;
    pthread_mutex_unlock(&ledger->lock);
    /* without one the commit thread makes its own, and reports what is wrong */
    kw_code ignored = kw_wal_make_spare(&ledger->wal, NULL);
    KW_UNUSED(ignored);
    pthread_mutex_lock(&ledger->lock);
    ledger->spare_asked = false;
}

void *kw_ledger_publish_thread(void *arg)
{
    struct kw_ledger *ledger = arg;
    int64_t last_ms = kw_clock_ms();
    pthread_mutex_lock(&ledger->lock);
    for (;;) {
        if (!ledger->closing)
            make_spare(
                ledger); /* gives up the lock: whatever is asked for meanwhile is seen below */
        if (ledger->closing && ledger->commit_ended)
            break;
        int64_t wait = due_in(ledger, last_ms);
        ledger->publisher_idle = wait < 0;
        if (wait < 0)
            pthread_cond_wait(&ledger->to_publish, &ledger->lock);
        else if (wait > 0)
            kw_ledger_wait(ledger, &ledger->to_publish, wait);
        else {
            attempt(ledger);
            last_ms = kw_clock_ms();
        }
    }
    drain(ledger);
    ledger->running--;
    pthread_cond_broadcast(&ledger->settled);
    pthread_mutex_unlock(&ledger->lock);
    kw_ledger_unref(ledger);
    return NULL;
}

bool kw_ledger_wait_patiently(struct kw_ledger *ledger, struct kw_ledger_patience *patience)
{
    uint64_t moved = atomic_load(&ledger->publisher.progress) + ledger->publish_ended +
                     ledger->stats.commits + ledger->stats.failures + KW_LEDGER_THREADS -
                     ledger->running;
    int64_t now = kw_clock_ms();
    if (patience->until_ms == 0 || moved != patience->seen)
        patience->until_ms = now + ledger->append_deadline_ms;
    patience->seen = moved;
    if (now >= patience->until_ms)
        return false;
    kw_ledger_wait(ledger, &ledger->settled, patience->until_ms - now);
    return true;
}

/* The lock is held. */
static KW_ERR publish_locked(struct kw_ledger *ledger, struct kw_error *err)
{
    struct kw_ledger_patience patience = {0};
    uint64_t target = ledger->size;
    uint64_t after = ledger->publish_started; /* a later attempt knows of all that is durable now */
    while (ledger->published < target) {
        if (ledger->publish_ended > after && ledger->publish_error.code != KW_OK)
            return kw_fail(err, ledger->publish_error.code, "%s", ledger->publish_error.text);
        ledger->publish_now = true;
        pthread_cond_signal(&ledger->to_publish);
        if (!kw_ledger_wait_patiently(ledger, &patience))
            return kw_fail(err, KW_LEDGER_UNAVAILABLE,
                           "the disk of %s is too slow: nothing was published for %u ms",
                           ledger->dir, ledger->append_deadline_ms);
    }
    return KW_OK;
}

KW_ERR kw_ledger_publish(struct kw_ledger *ledger, struct kw_error *err)
{
    pthread_mutex_lock(&ledger->lock);
    kw_code code = publish_locked(ledger, err);
    pthread_mutex_unlock(&ledger->lock);
    return code;
}

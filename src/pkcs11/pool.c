/* The threads that call the module. One that hangs there can be neither cancelled nor joined: when
 * the provider ends before it, it is left to itself, and the last of these frees what they share.
 */
#include "pkcs11/internal.h"

#include "base/clock.h"

#include <signal.h>
#include <unistd.h>

enum { FREE_PATIENCE_MS = 2000, NAP_MS = 1000 };

void kw_p11_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

KW_ERR kw_p11_new(const struct kw_provider_settings *settings, struct kw_p11 **out,
                  struct kw_error *err)
{
    struct kw_p11_options options;
    struct kw_p11_module *module;
    KW_TRY(kw_p11_options_read(settings, &options, err));
    struct kw_p11 *p11 = calloc(1, sizeof *p11);
    if (p11 == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = kw_p11_module_load(&options, &module, err);
    if (code != KW_OK) {
        free(p11);
        return code;
    }
    p11->options = options;
    p11->module = module;
    p11->pid = getpid();
    pthread_mutex_init(&p11->open_lock, NULL);
    pthread_mutex_init(&p11->lock, NULL);
    kw_p11_cond_init(&p11->work);
    kw_p11_cond_init(&p11->ended);
    *out = p11;
    return KW_OK;
}

static void destroy(struct kw_p11 *p11)
{
    kw_p11_module_release(p11->module);
    kw_secret_wipe(&p11->refused_pin);
    pthread_cond_destroy(&p11->work);
    pthread_cond_destroy(&p11->ended);
    pthread_mutex_destroy(&p11->lock);
    pthread_mutex_destroy(&p11->open_lock);
    free(p11);
}

void kw_p11_nap(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(cond, lock, &until);
}

/* Lets go of the threads that hang; the others have said that they end. Returns whether none hangs.
 */
static bool part(struct kw_p11 *p11)
{
    pthread_t ended[KW_P11_SESSIONS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < p11->started; i++)
        if (p11->all[i].ended)
            ended[count++] = p11->all[i].id;
        else
            pthread_detach(p11->all[i].id);
    bool none = p11->threads == 0;
    p11->orphaned = !none;
    pthread_mutex_unlock(&p11->lock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(ended[i], NULL);
    return none;
}

void kw_p11_free(struct kw_p11 *p11)
{
    /* A forked child has neither the threads nor a module that was initialised: nothing here is its
     * own to end, and locks may be held by threads that it does not have. */
    if (p11 == NULL || p11->pid != getpid())
        return;
    int64_t until = kw_clock_ms() + FREE_PATIENCE_MS;
    pthread_mutex_lock(&p11->lock);
    p11->stopping = true;
    pthread_cond_broadcast(&p11->work);
    while (p11->threads > p11->stuck && kw_clock_ms() < until)
        kw_p11_nap(&p11->ended, &p11->lock, FREE_PATIENCE_MS);
    if (part(p11))
        destroy(p11);
}

static struct kw_p11_job *take(struct kw_p11 *p11)
{
    struct kw_p11_job *job = p11->first;
    p11->first = job->next;
    if (p11->first == NULL)
        p11->last = NULL;
    p11->queued--;
    job->running = true;
    return job;
}

static void drop(struct kw_p11 *p11, const struct kw_p11_job *job)
{
    struct kw_p11_job *before = NULL;
    struct kw_p11_job **at = &p11->first;
    while (*at != job) {
        before = *at;
        at = &before->next;
    }
    *at = job->next;
    if (p11->last == job)
        p11->last = before;
    p11->queued--;
}

static void finish(struct kw_p11 *p11, struct kw_p11_job *job)
{
    job->done = true;
    if (job->abandoned) {
        p11->stuck--;
        kw_p11_job_free(job);
    } else {
        pthread_cond_signal(&job->answered);
    }
}

/* Runs jobs until the provider ends; comes and goes with the lock held. */
static void serve(struct kw_p11 *p11, struct kw_p11_session *session)
{
    for (;;) {
        while (p11->first == NULL && !p11->stopping) {
            p11->idle++;
            pthread_cond_wait(&p11->work, &p11->lock);
            p11->idle--;
        }
        if (p11->first == NULL)
            return;
        struct kw_p11_job *job = take(p11);
        pthread_mutex_unlock(&p11->lock);
        kw_code code = kw_p11_job_run(session, job, &job->err);
        pthread_mutex_lock(&p11->lock);
        job->code = code;
        finish(p11, job);
    }
}

static void say_ended(struct kw_p11 *p11)
{
    for (unsigned i = 0; i < p11->started; i++)
        if (pthread_equal(p11->all[i].id, pthread_self()) != 0)
            p11->all[i].ended = true;
    pthread_cond_signal(&p11->ended);
}

static void *thread_main(void *arg)
{
    struct kw_p11 *p11 = arg;
    struct kw_p11_session session = {.p11 = p11, .fn = kw_p11_module_functions(p11->module)};
    pthread_mutex_lock(&p11->lock);
    serve(p11, &session);
    pthread_mutex_unlock(&p11->lock);
    kw_p11_module_enter(p11->module);
    kw_p11_session_close(&session);
    kw_p11_module_leave(p11->module);
    pthread_mutex_lock(&p11->lock);
    bool last = --p11->threads == 0 && p11->orphaned;
    say_ended(p11);
    pthread_mutex_unlock(&p11->lock);
    if (last)
        destroy(p11);
    return NULL;
}

static bool start_thread(struct kw_p11 *p11)
{
    sigset_t all;
    sigset_t old;
    sigfillset(&all); /* signals are the program's, not the module's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&p11->all[p11->started].id, NULL, thread_main, p11);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0)
        return false;
    p11->started++;
    p11->threads++;
    return true;
}

static KW_ERR enqueue(struct kw_p11 *p11, struct kw_p11_job *job, struct kw_error *err)
{
    if (p11->stuck == p11->options.sessions)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "%s: all %u calls that may be in the module hang there", p11->options.where,
                       p11->stuck);
    if (p11->queued >= p11->idle && p11->threads < p11->options.sessions && !start_thread(p11) &&
        p11->threads == 0)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "%s: no thread can be started",
                       p11->options.where);
    job->next = NULL;
    if (p11->last != NULL)
        p11->last->next = job;
    else
        p11->first = job;
    p11->last = job;
    p11->queued++;
    pthread_cond_signal(&p11->work);
    return KW_OK;
}

/* Naps, since the deadline's clock counts suspended time and the condition's does not. */
static void await(struct kw_p11 *p11, struct kw_p11_job *job, int64_t deadline_ms)
{
    while (!job->done) {
        int64_t left = deadline_ms == 0 ? NAP_MS : deadline_ms - kw_clock_ms();
        if (left <= 0)
            return;
        kw_p11_nap(&job->answered, &p11->lock, left < NAP_MS ? left : NAP_MS);
    }
}

static KW_ERR give_up(struct kw_p11 *p11, struct kw_p11_job **job, struct kw_error *err)
{
    if ((*job)->running) {
        (*job)->abandoned = true;
        p11->stuck++;
        *job = NULL;
    } else {
        drop(p11, *job);
    }
    return kw_fail(err, KW_TIMEOUT, "%s: the module did not answer in time", p11->options.where);
}

static KW_ERR run_job(struct kw_p11 *p11, struct kw_p11_job **job, int64_t deadline_ms,
                      struct kw_error *err)
{
    KW_TRY(enqueue(p11, *job, err));
    await(p11, *job, deadline_ms);
    if (!(*job)->done)
        return give_up(p11, job, err);
    if ((*job)->code != KW_OK && err != NULL)
        *err = (*job)->err;
    return (*job)->code;
}

KW_ERR kw_p11_submit(struct kw_p11 *p11, struct kw_p11_job **job, int64_t deadline_ms,
                     struct kw_error *err)
{
    if (p11->pid != getpid())
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "%s belongs to the process that this one was forked from",
                       p11->options.where);
    pthread_mutex_lock(&p11->lock);
    kw_code code = run_job(p11, job, deadline_ms, err);
    pthread_mutex_unlock(&p11->lock);
    return code;
}

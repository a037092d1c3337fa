/* Wrapping: by every route that has no copy yet, side by side. */
#include "router/internal.h"

#include <signal.h>

/* Threads live as long as one call. Their stacks count against the limit of locked memory. */
enum { STACK_BYTES = 512 * 1024, RETRIES = 1 };

/* One route's part. */
struct job {
    struct kw_route *route;
    struct kw_attempt attempt;
    const struct kw_secret *plaintext;
    struct kw_buf blob;
    struct kw_error err;
    kw_code code;
    bool wanted, admitted, started;
    pthread_t thread;
};

struct jobs {
    size_t count;
    struct job all[KW_ROUTES_MAX];
};

static void jobs_wipe(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        kw_buf_wipe(&jobs->all[i].blob);
}
KW_CLEANUP_WIPE(jobs)

static void *work(void *arg)
{
    struct job *job = arg;
    job->code = kw_attempt_wrap(&job->attempt, job->plaintext, &job->blob, &job->err);
    return NULL;
}

static bool start(struct job *job)
{
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;
    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all); /* signals are the program's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&job->thread, &attr, work, job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return failed == 0;
}

/* All wanted attempts that are let through: the last of them by this thread, and so are those for
 * which no thread is to be had. */
static void run(struct jobs *jobs, const struct kw_router_call *call)
{
    struct job *own = NULL;
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = &jobs->all[i];
        const char *key = call->guest != NULL ? call->guest_key : job->route->key;
        job->started = false;
        if (!job->wanted)
            continue;
        job->code = kw_attempt_admit(job->route, call, key, &job->attempt, &job->err);
        job->admitted = job->code == KW_OK;
        if (!job->admitted)
            continue;
        if (own != NULL)
            own->started = start(own);
        if (own != NULL && !own->started)
            work(own);
        own = job;
    }
    if (own != NULL)
        work(own);
    for (size_t i = 0; i < jobs->count; i++)
        if (jobs->all[i].started)
            pthread_join(jobs->all[i].thread, NULL);
}

static KW_ERR keep(const struct job *job, const struct kw_router_wrapping *wrapping,
                   struct kw_error *err)
{
    struct kw_error why = {0};
    struct kw_router_copy copy = {.provider = kw_provider_name(job->route->provider),
                                  .provider_key = job->attempt.key,
                                  .blob = kw_buf_bytes(&job->blob)};
    if (wrapping->keep(wrapping->arg, &copy, &why) == KW_OK)
        return KW_OK;
    return kw_fail(err, KW_INTERNAL, "a copy cannot be kept: %s", why.text);
}

/* What the round brought. Failures of our own (memory, the cryptographic library) end it. */
static KW_ERR gather(struct jobs *jobs, const struct kw_router_wrapping *wrapping, size_t *good,
                     struct kw_round *round, struct kw_error *err)
{
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = &jobs->all[i];
        if (!job->wanted)
            continue;
        if (kw_code_class(job->code) == KW_CLASS_INTERNAL)
            return kw_fail(err, job->code, "%s", job->err.text);
        job->wanted = kw_code_retryable(job->code);
        if (job->code != KW_OK) {
            kw_round_failed(round, &job->err, job->admitted && job->attempt.asked);
            continue;
        }
        KW_TRY(keep(job, wrapping, err));
        (*good)++;
    }
    return KW_OK;
}

/* One job a route; counts those that have a copy already. */
static size_t plan(const struct kw_choice *choice, const struct kw_router_wrapping *wrapping,
                   struct jobs *jobs)
{
    size_t good = 0;
    for (size_t i = 0; i < choice->count; i++) {
        struct job *job = &jobs->all[jobs->count++];
        job->route = choice->routes[i];
        job->plaintext = wrapping->plaintext;
        job->wanted = wrapping->skip == NULL ||
                      !wrapping->skip(wrapping->arg, kw_provider_name(job->route->provider));
        good += !job->wanted;
    }
    return good;
}

/* Whose root key wraps is said by rows of a store. What the configuration says of it comes first.
 */
static KW_ERR check_guest_key(const struct kw_choice *choice, const struct kw_router_call *call,
                              struct kw_error *err)
{
    const char *only = choice->routes[0]->key;
    if (call->guest == NULL || only[0] == '\0' || strcmp(only, call->guest_key) == 0)
        return KW_OK;
    return kw_fail(err, KW_REGION_WALL, "provider %s is for the root key %.100s, not for %.100s",
                   call->guest, only, call->guest_key);
}

/* Once along the routes, and once more only if too few copies were made: a missing extra copy is
 * mended later, a caller should not wait for it. */
KW_ERR kw_router_wrap(struct kw_router *router, const struct kw_router_call *call,
                      const struct kw_router_wrapping *wrapping, size_t *made, struct kw_error *err)
{
    KW_AUTO(jobs) jobs = {.count = 0};
    struct kw_choice choice;
    struct kw_round round = {.number = 0};
    KW_TRY(kw_router_choose(router, call, &choice, err));
    KW_TRY(check_guest_key(&choice, call, err));
    if (choice.count < choice.copies_min)
        return kw_fail(err, KW_REGION_WALL, "region %s needs %zu copies and has %zu fit providers",
                       choice.region->name, choice.copies_min, choice.count);
    size_t good = plan(&choice, wrapping, &jobs);
    do {
        run(&jobs, call);
        KW_TRY(gather(&jobs, wrapping, &good, &round, err));
    } while (good < choice.copies_min && round.number < RETRIES &&
             kw_round_again(&round, call->deadline_ms));
    if (good < choice.copies_min) {
        struct kw_error why;
        kw_code code = kw_round_tell(&round, &choice, &why);
        if (choice.copies_min == 1)
            return kw_fail(err, code, "%s", why.text);
        return kw_fail(err, code, "%zu of %zu copies were made: %s", good, choice.copies_min,
                       why.text);
    }
    if (made != NULL)
        *made = good;
    return KW_OK;
}

#include "aws/credentials.h"

#include "base/clock.h"

#include <pthread.h>

enum { EARLY_MS = 5 * 60 * 1000, EARLY_SHARE = 3, AGAIN_MS = 10000, SLICE_MS = 1000 };

struct kw_aws_credentials {
    struct kw_aws_source source;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool fetching;
    uint64_t attempts; /* fetches that have ended */
    uint64_t number;   /* of keys; 0: there are none yet */
    struct kw_aws_keys keys;
    int64_t early_ms;   /* from then on they should be renewed; 0: never */
    int64_t end_ms;     /* from then on they do not hold; 0: never */
    uint64_t refused;   /* the number that AWS did not accept; 0: none */
    int64_t refused_ms; /* when that was said */
    kw_code failure;    /* of the last fetch */
    char why[KW_ERROR_TEXT_SIZE];
};

KW_ERR kw_aws_credentials_new(const struct kw_aws_source *source, struct kw_aws_credentials **out,
                              struct kw_error *err)
{
    struct kw_aws_credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL) {
        source->free(source->state);
        return kw_fail_code(err, KW_NO_MEMORY);
    }
    credentials->source = *source;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&credentials->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&credentials->lock, NULL);
    *out = credentials;
    return KW_OK;
}

void kw_aws_credentials_free(struct kw_aws_credentials *credentials)
{
    if (credentials == NULL)
        return;
    credentials->source.free(credentials->source.state);
    kw_aws_keys_wipe(&credentials->keys);
    pthread_cond_destroy(&credentials->changed);
    pthread_mutex_destroy(&credentials->lock);
    free(credentials);
}

static bool hold(const struct kw_aws_credentials *c, int64_t now_ms)
{
    return c->number != 0 && c->number != c->refused && (c->end_ms == 0 || now_ms < c->end_ms);
}

/* Puts what was fetched in place. */
static KW_ERR take(struct kw_aws_credentials *c, struct kw_aws_keys *keys, struct kw_error *err)
{
    int64_t now_ms = kw_clock_ms();
    int64_t life_ms = keys->expires_wall_ms - kw_clock_wall_ms();
    if (keys->expires_wall_ms != 0 && life_ms <= 0)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "the AWS credentials that were fetched have expired already: is this "
                       "machine's clock right?");
    bool ends = keys->expires_wall_ms != 0;
    int64_t before_ms = life_ms / EARLY_SHARE < EARLY_MS ? life_ms / EARLY_SHARE : EARLY_MS;
    c->end_ms = ends ? now_ms + life_ms : 0;
    c->early_ms = ends ? now_ms + life_ms - before_ms : 0;
    kw_aws_keys_wipe(&c->keys);
    c->keys = *keys;
    *keys = (struct kw_aws_keys)KW_AWS_KEYS_INIT;
    c->number++;
    return KW_OK;
}

/* Called and left with the lock held. If the old ones still hold only half of the caller's time is
 * spent. */
static KW_ERR fetch(struct kw_aws_credentials *c, int64_t deadline_ms, struct kw_error *err)
{
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    struct kw_error why = {0};
    int64_t now_ms = kw_clock_ms();
    if (hold(c, now_ms))
        deadline_ms = now_ms + (deadline_ms - now_ms) / 2;
    c->fetching = true;
    pthread_mutex_unlock(&c->lock);
    kw_code code = c->source.fetch(c->source.state, deadline_ms, &keys, &why);
    pthread_mutex_lock(&c->lock);
    if (code == KW_OK)
        code = take(c, &keys, &why);
    c->fetching = false;
    c->attempts++;
    c->failure = code;
    if (code != KW_OK) {
        snprintf(c->why, sizeof c->why, "%s", why.text);
        c->early_ms = c->early_ms != 0 ? kw_clock_ms() + AGAIN_MS : 0;
    }
    pthread_cond_broadcast(&c->changed);
    return code == KW_OK ? KW_OK : kw_fail(err, code, "%s", why.text);
}

/* Until the fetch that is under way has ended: what became of it is the waiter's outcome, too. */
static KW_ERR wait_for_other(struct kw_aws_credentials *c, int64_t deadline_ms,
                             struct kw_error *err)
{
    uint64_t before = c->attempts;
    while (c->attempts == before) {
        int64_t left_ms = deadline_ms - kw_clock_ms();
        if (left_ms <= 0)
            return kw_fail(err, KW_TIMEOUT, "the AWS credentials did not come in time");
        if (left_ms > SLICE_MS)
            left_ms = SLICE_MS;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)(left_ms / 1000);
        until.tv_nsec += (long)(left_ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&c->changed, &c->lock, &until);
    }
    return c->failure == KW_OK ? KW_OK : kw_fail(err, c->failure, "%s", c->why);
}

/* Those that hold, new ones, or what became of the attempt to have such. A fetcher whose time was
 * over before the waiter's is not the last word. */
static KW_ERR renew(struct kw_aws_credentials *c, int64_t deadline_ms, struct kw_error *err)
{
    for (;;) {
        int64_t now_ms = kw_clock_ms();
        bool old_hold = hold(c, now_ms);
        if (old_hold && (c->fetching || c->early_ms == 0 || now_ms < c->early_ms))
            return KW_OK;
        if (!c->fetching)
            return fetch(c, deadline_ms, err);
        kw_code code = wait_for_other(c, deadline_ms, err);
        if (code != KW_TIMEOUT || kw_clock_ms() >= deadline_ms)
            return code;
    }
}

static KW_ERR get_locked(struct kw_aws_credentials *c, int64_t deadline_ms, struct kw_aws_keys *out,
                         uint64_t *number, struct kw_error *err)
{
    kw_code code = renew(c, deadline_ms, err);
    if (!hold(c, kw_clock_ms()))
        return code != KW_OK ? code
                             : kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                                       "the AWS credentials expired while they were fetched");
    KW_TRY(kw_aws_keys_copy(out, &c->keys, err));
    *number = c->number;
    return KW_OK;
}

KW_ERR kw_aws_credentials_get(struct kw_aws_credentials *credentials, int64_t deadline_ms,
                              struct kw_aws_keys *out, uint64_t *number, struct kw_error *err)
{
    pthread_mutex_lock(&credentials->lock);
    kw_code code = get_locked(credentials, deadline_ms, out, number, err);
    pthread_mutex_unlock(&credentials->lock);
    return code;
}

bool kw_aws_credentials_refused(struct kw_aws_credentials *credentials, uint64_t number)
{
    struct kw_aws_credentials *c = credentials;
    int64_t now_ms = kw_clock_ms();
    pthread_mutex_lock(&c->lock);
    bool others = c->number != number || c->refused == number;
    if (!others && (c->refused == 0 || now_ms - c->refused_ms >= AGAIN_MS)) {
        c->refused = number;
        c->refused_ms = now_ms;
        others = true;
    }
    pthread_mutex_unlock(&c->lock);
    return others;
}

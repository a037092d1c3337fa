#include "provider/bearer.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>

/* A token is no longer used when SLACK_MS are left, or a tenth of a shorter life: it has to arrive
 * alive. After a failed renewal the next waits AGAIN_MS. */
enum { SLACK_MS = 10000, AGAIN_MS = 10000, NO_DEADLINE_MS = 3600000 };

struct kw_bearer_token {
    _Atomic unsigned users;
    struct kw_secret header; /* terminated */
    int64_t renew_ms;
    int64_t end_ms;
};

struct kw_bearer {
    kw_bearer_fetch *fetch;
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t landed;
    struct kw_bearer_token *token; /* NULL: none */
    bool fetching;
    uint64_t flights;     /* fetches that have ended */
    struct kw_error last; /* how the last one ended */
};

KW_ERR kw_bearer_new(kw_bearer_fetch *fetch, void *arg, struct kw_bearer **out,
                     struct kw_error *err)
{
    pthread_condattr_t monotonic;
    struct kw_bearer *bearer = calloc(1, sizeof *bearer);
    if (bearer == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    bearer->fetch = fetch;
    bearer->arg = arg;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&bearer->landed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&bearer->lock, NULL);
    *out = bearer;
    return KW_OK;
}

void kw_bearer_free(struct kw_bearer *bearer)
{
    if (bearer == NULL)
        return;
    kw_bearer_token_free(bearer->token);
    pthread_cond_destroy(&bearer->landed);
    pthread_mutex_destroy(&bearer->lock);
    free(bearer);
}

void kw_bearer_token_free(struct kw_bearer_token *token)
{
    if (token == NULL || atomic_fetch_sub(&token->users, 1) > 1)
        return;
    kw_secret_wipe(&token->header);
    free(token);
}

const char *kw_bearer_header(const struct kw_bearer_token *token)
{
    return (const char *)token->header.data;
}

static KW_ERR token_new(const struct kw_bearer_grant *grant, int64_t asked_ms,
                        struct kw_bearer_token **out, struct kw_error *err)
{
    static const char scheme[] = "Bearer ";
    enum { SCHEME = sizeof scheme - 1 };
    if (grant->token.len == 0 || grant->lifetime_ms <= 0)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "an access token came empty or ended");
    KW_AUTO_PTR(kw_bearer_token) token = calloc(1, sizeof *token);
    if (token == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    token->users = 1;
    KW_TRY(kw_secret_alloc(&token->header, SCHEME + grant->token.len + 1, err));
    memcpy(token->header.data, scheme, SCHEME);
    memcpy(token->header.data + SCHEME, grant->token.data, grant->token.len);
    int64_t tenth = grant->lifetime_ms / 10;
    token->end_ms = asked_ms + grant->lifetime_ms - (tenth < SLACK_MS ? tenth : SLACK_MS);
    token->renew_ms = asked_ms + grant->lifetime_ms - grant->lifetime_ms / 4;
    *out = token;
    token = NULL;
    return KW_OK;
}

static KW_ERR fetch_token(struct kw_bearer *bearer, int64_t deadline_ms,
                          struct kw_bearer_token **out, struct kw_error *err)
{
    struct kw_bearer_grant grant = {.token = KW_SECRET_INIT};
    int64_t asked_ms = kw_clock_ms();
    kw_code code = bearer->fetch(bearer->arg, deadline_ms, &grant, err);
    if (code == KW_OK)
        code = token_new(&grant, asked_ms, out, err);
    kw_secret_wipe(&grant.token);
    return code;
}

static void replace(struct kw_bearer *bearer, struct kw_bearer_token *token)
{
    kw_bearer_token_free(bearer->token);
    bearer->token = token;
}

static struct kw_bearer_token *usable(const struct kw_bearer *bearer)
{
    struct kw_bearer_token *token = bearer->token;
    return token != NULL && kw_clock_ms() < token->end_ms ? token : NULL;
}

/* Holds the lock, and gives it up while it fetches. */
static void fly(struct kw_bearer *bearer, int64_t deadline_ms)
{
    struct kw_bearer_token *token = NULL;
    struct kw_error err = {.code = KW_OK};
    bearer->fetching = true;
    pthread_mutex_unlock(&bearer->lock);
    kw_code code = fetch_token(bearer, deadline_ms, &token, &err);
    pthread_mutex_lock(&bearer->lock);
    bearer->fetching = false;
    bearer->flights++;
    bearer->last = err;
    bearer->last.code = code;
    if (code == KW_OK)
        replace(bearer, token);
    else if (bearer->token != NULL)
        bearer->token->renew_ms = kw_clock_ms() + AGAIN_MS;
    pthread_cond_broadcast(&bearer->landed);
}

/* Holds the lock. Waits for the flight that is on. */
static KW_ERR wait_for(struct kw_bearer *bearer, int64_t deadline_ms, struct kw_error *err)
{
    uint64_t flight = bearer->flights;
    struct timespec until;
    int64_t left_ms = deadline_ms - kw_clock_ms();
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (left_ms > 0 ? left_ms % 1000 * 1000000 : 0);
    until.tv_sec += (left_ms > 0 ? left_ms / 1000 : 0) + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    while (bearer->flights == flight)
        if (pthread_cond_timedwait(&bearer->landed, &bearer->lock, &until) != 0)
            break;
    if (bearer->flights == flight)
        return kw_fail(err, KW_TIMEOUT, "no access token came in time");
    if (bearer->last.code != KW_OK && bearer->last.code != KW_TIMEOUT)
        return kw_fail(err, bearer->last.code, "%s", bearer->last.text);
    return KW_OK;
}

/* Holds the lock. */
static KW_ERR have_token(struct kw_bearer *bearer, int64_t deadline_ms, struct kw_error *err)
{
    while (usable(bearer) == NULL && bearer->fetching)
        KW_TRY(wait_for(bearer, deadline_ms, err));
    struct kw_bearer_token *token = usable(bearer);
    if (token != NULL && (kw_clock_ms() < token->renew_ms || bearer->fetching))
        return KW_OK;
    fly(bearer, deadline_ms);
    if (usable(bearer) != NULL)
        return KW_OK;
    if (bearer->last.code == KW_OK)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "an access token ended as it came");
    return kw_fail(err, bearer->last.code, "%s", bearer->last.text);
}

KW_ERR kw_bearer_get(struct kw_bearer *bearer, int64_t deadline_ms, struct kw_bearer_token **out,
                     struct kw_error *err)
{
    if (deadline_ms == 0)
        deadline_ms = kw_clock_ms() + NO_DEADLINE_MS;
    pthread_mutex_lock(&bearer->lock);
    kw_code code = have_token(bearer, deadline_ms, err);
    if (code == KW_OK) {
        atomic_fetch_add(&bearer->token->users, 1);
        *out = bearer->token;
    }
    pthread_mutex_unlock(&bearer->lock);
    return code;
}

void kw_bearer_drop(struct kw_bearer *bearer, const struct kw_bearer_token *token)
{
    pthread_mutex_lock(&bearer->lock);
    if (bearer->token == token)
        replace(bearer, NULL);
    pthread_mutex_unlock(&bearer->lock);
}

/* One call of a route: let through, made, judged, counted. */
#include "router/internal.h"

#include "base/clock.h"

/* A caller that came with less than this part of an attempt's time learns nothing of a provider
 * that does not answer by then. */
enum { TELLING_PART = 4 };

static KW_ERR refuse(const struct kw_route *route, enum kw_breaker_answer answer,
                     struct kw_error *err)
{
    if (answer == KW_BREAKER_FULL)
        return kw_fail(err, KW_RATE_LIMITED, "provider %s: %d calls are in flight already",
                       kw_provider_name(route->provider), KW_BREAKER_CALLS_MAX);
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "provider %s has failed and is being left alone",
                   kw_provider_name(route->provider));
}

KW_ERR kw_attempt_admit(struct kw_route *route, const struct kw_router_call *call, const char *key,
                        struct kw_attempt *out, struct kw_error *err)
{
    struct kw_breaker_ticket ticket;
    if (call->deadline_ms != 0 && kw_clock_ms() >= call->deadline_ms)
        return kw_fail(err, KW_TIMEOUT, "there was no time left to ask provider %s",
                       kw_provider_name(route->provider));
    enum kw_breaker_answer answer = kw_breaker_admit(route->breaker, &ticket);
    if (answer != KW_BREAKER_ADMITTED)
        return refuse(route, answer, err);
    *out = (struct kw_attempt){.route = route, .call = call, .key = key, .ticket = ticket};
    return KW_OK;
}

/* An attempt has less time than the whole: a slow provider must leave some for the next. */
static struct kw_provider_call provider_call(struct kw_attempt *attempt)
{
    const struct kw_router_call *call = attempt->call;
    int64_t attempt_end_ms = kw_clock_ms() + attempt->route->router->attempt_ms;
    bool sooner = call->deadline_ms == 0 || attempt_end_ms < call->deadline_ms;
    attempt->start_us = kw_clock_us();
    return (struct kw_provider_call){.key = attempt->key,
                                     .context = call->context,
                                     .context_count = call->context_count,
                                     .deadline_ms = sooner ? attempt_end_ms : call->deadline_ms,
                                     .asked = &attempt->asked};
}

/* A provider that answers is healthy, whatever it answers, as long as it is not to be asked again.
 */
static enum kw_breaker_outcome outcome_of(const struct kw_attempt *attempt, kw_code code,
                                          int64_t us)
{
    const struct kw_router_call *call = attempt->call;
    if (!attempt->asked || kw_code_class(code) == KW_CLASS_INTERNAL)
        return KW_BREAKER_NOTHING;
    if (code == KW_OK)
        return KW_BREAKER_GOOD;
    if (code == KW_RATE_LIMITED)
        return KW_BREAKER_THROTTLED;
    bool callers = call->deadline_ms != 0 && kw_clock_ms() >= call->deadline_ms;
    if (code == KW_TIMEOUT && callers &&
        us < attempt->route->router->attempt_ms * 1000 / TELLING_PART)
        return KW_BREAKER_NOTHING;
    return kw_code_retryable(code) ? KW_BREAKER_FAILED : KW_BREAKER_ANSWERED;
}

static void count(struct kw_attempt *attempt, enum kw_router_act act, kw_code code, int64_t us)
{
    struct kw_route *route = attempt->route;
    const struct kw_router *router = route->router;
    const struct kw_router_use use = {
        .region = route->region,
        .tenant = attempt->call->tenant != NULL ? attempt->call->tenant : "",
        .provider = kw_provider_name(route->provider),
        .key = attempt->key,
        .act = act,
        .code = code,
        .us = us,
        .nano = route->price_nano,
    };
    if (act != KW_ROUTER_CHECK)
        atomic_fetch_add_explicit(act == KW_ROUTER_WRAP ? &route->wraps : &route->unwraps, 1,
                                  memory_order_relaxed);
    atomic_fetch_add_explicit(&route->spent_nano, route->price_nano, memory_order_relaxed);
    if (code != KW_OK)
        atomic_fetch_add_explicit(&route->failures, 1, memory_order_relaxed);
    if (router->used != NULL)
        router->used(router->used_arg, &use);
}

static kw_code finish(struct kw_attempt *attempt, enum kw_router_act act, kw_code code)
{
    int64_t us = kw_clock_us() - attempt->start_us;
    kw_breaker_report(attempt->route->breaker, &attempt->ticket, outcome_of(attempt, code, us), us);
    if (attempt->asked)
        count(attempt, act, code, us);
    return code;
}

KW_ERR kw_attempt_wrap(struct kw_attempt *attempt, const struct kw_secret *plaintext,
                       struct kw_buf *out, struct kw_error *err)
{
    struct kw_provider_call ask = provider_call(attempt);
    kw_code code = kw_provider_wrap(attempt->route->provider, &ask, plaintext, out, err);
    return finish(attempt, KW_ROUTER_WRAP, code);
}

KW_ERR kw_attempt_unwrap(struct kw_attempt *attempt, struct kw_bytes blob, struct kw_secret *out,
                         struct kw_error *err)
{
    struct kw_provider_call ask = provider_call(attempt);
    kw_code code = kw_provider_unwrap(attempt->route->provider, &ask, blob, out, err);
    return finish(attempt, KW_ROUTER_UNWRAP, code);
}

KW_ERR kw_attempt_check(struct kw_attempt *attempt, struct kw_error *err)
{
    struct kw_provider_call ask = provider_call(attempt);
    attempt->asked = true;
    kw_code code = kw_provider_check(attempt->route->provider, attempt->key, ask.deadline_ms, err);
    return finish(attempt, KW_ROUTER_CHECK, code);
}

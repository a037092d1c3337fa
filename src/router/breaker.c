#include "router/breaker.h"

#include "base/clock.h"

enum { FAILURES = 3, OPEN_MS = 1000, OPEN_MAX_MS = 30000, THROTTLED_MS = 5000 };

/* How much of a new latency goes into the averages: one part in so many. */
enum { RECENT_PART = 8, USUAL_PART = 256 };

void kw_breaker_init(struct kw_breaker *breaker, const struct kw_router_options *options)
{
    *breaker = (struct kw_breaker){
        .failures_to_open = options->failures_to_open != 0 ? options->failures_to_open : FAILURES,
        .open_ms = options->open_ms != 0 ? options->open_ms : OPEN_MS,
        .open_max_ms = options->open_max_ms != 0 ? options->open_max_ms : OPEN_MAX_MS,
    };
    pthread_mutex_init(&breaker->lock, NULL);
}

void kw_breaker_destroy(struct kw_breaker *breaker)
{
    pthread_mutex_destroy(&breaker->lock);
}

static enum kw_breaker_state state_at(const struct kw_breaker *breaker, int64_t now_ms)
{
    if (breaker->closed_until == 0)
        return KW_BREAKER_CLOSED;
    return now_ms < breaker->closed_until ? KW_BREAKER_OPEN : KW_BREAKER_HALF_OPEN;
}

static enum kw_breaker_answer admit(struct kw_breaker *breaker, int64_t now_ms,
                                    struct kw_breaker_ticket *ticket)
{
    enum kw_breaker_state state = state_at(breaker, now_ms);
    if (state == KW_BREAKER_OPEN || (state == KW_BREAKER_HALF_OPEN && breaker->probing))
        return KW_BREAKER_REFUSED;
    bool probe = state == KW_BREAKER_HALF_OPEN;
    /* A probe goes out even if the calls of before still hang: it is but one. */
    if (breaker->in_flight >= KW_BREAKER_CALLS_MAX && !probe) {
        breaker->throttled_until = now_ms + THROTTLED_MS;
        return KW_BREAKER_FULL;
    }
    breaker->probing = breaker->probing || probe;
    breaker->in_flight++;
    breaker->asked_ms = now_ms;
    *ticket = (struct kw_breaker_ticket){.epoch = breaker->epoch, .probe = probe};
    return KW_BREAKER_ADMITTED;
}

enum kw_breaker_answer kw_breaker_admit(struct kw_breaker *breaker,
                                        struct kw_breaker_ticket *ticket)
{
    pthread_mutex_lock(&breaker->lock);
    enum kw_breaker_answer answer = admit(breaker, kw_clock_ms(), ticket);
    pthread_mutex_unlock(&breaker->lock);
    return answer;
}

/* Each opening is twice as long as the one before, until a call succeeds. */
static void open_up(struct kw_breaker *breaker, int64_t now_ms)
{
    int64_t pause = breaker->pause_ms == 0 ? breaker->open_ms : 2 * breaker->pause_ms;
    breaker->pause_ms = pause < breaker->open_max_ms ? pause : breaker->open_max_ms;
    breaker->closed_until = now_ms + breaker->pause_ms;
    breaker->epoch++;
}

static void close_again(struct kw_breaker *breaker)
{
    breaker->failures = 0;
    if (breaker->closed_until == 0)
        return;
    breaker->pause_ms = 0;
    breaker->closed_until = 0;
    breaker->epoch++;
}

static void average(int64_t *mean_us, int64_t us, int part)
{
    us = us > 0 ? us : 1; /* 0 says that there is none */
    *mean_us = *mean_us == 0 ? us : *mean_us + (us - *mean_us) / part;
}

static void conclude(struct kw_breaker *breaker, const struct kw_breaker_ticket *ticket,
                     enum kw_breaker_outcome outcome, int64_t now_ms)
{
    if (ticket->probe)
        breaker->probing = false;
    if (ticket->epoch != breaker->epoch)
        return;
    switch (outcome) {
    case KW_BREAKER_GOOD:
    case KW_BREAKER_ANSWERED:
        close_again(breaker);
        break;
    case KW_BREAKER_FAILED:
    case KW_BREAKER_THROTTLED:
        if (++breaker->failures >= breaker->failures_to_open || ticket->probe)
            open_up(breaker, now_ms);
        break;
    case KW_BREAKER_NOTHING:
    default:
        break;
    }
}

void kw_breaker_report(struct kw_breaker *breaker, const struct kw_breaker_ticket *ticket,
                       enum kw_breaker_outcome outcome, int64_t us)
{
    int64_t now_ms = kw_clock_ms();
    pthread_mutex_lock(&breaker->lock);
    breaker->in_flight--;
    conclude(breaker, ticket, outcome, now_ms);
    if (outcome == KW_BREAKER_GOOD) {
        average(&breaker->latency_us, us, RECENT_PART);
        average(&breaker->usual_us, us, USUAL_PART);
    }
    if (outcome == KW_BREAKER_THROTTLED)
        breaker->throttled_until = now_ms + THROTTLED_MS;
    pthread_mutex_unlock(&breaker->lock);
}

/* A latency grows old: half of it is believed after each KW_BREAKER_FORGET_MS without a call. So a
 * route that was slow once comes to be the best again, is asked, and measured anew. */
static int64_t estimate(const struct kw_breaker *breaker, int64_t now_ms)
{
    int64_t halvings = (now_ms - breaker->asked_ms) / KW_BREAKER_FORGET_MS;
    if (halvings <= 0)
        return breaker->latency_us;
    return breaker->latency_us >> (halvings < 40 ? halvings : 40);
}

struct kw_breaker_view kw_breaker_look(struct kw_breaker *breaker)
{
    int64_t now_ms = kw_clock_ms();
    pthread_mutex_lock(&breaker->lock);
    struct kw_breaker_view view = {
        .state = state_at(breaker, now_ms),
        .throttled = now_ms < breaker->throttled_until,
        .latency_us = breaker->latency_us,
        .usual_us = breaker->usual_us,
        .estimated_us = estimate(breaker, now_ms),
    };
    if (view.state == KW_BREAKER_OPEN)
        view.due_ms = breaker->closed_until - now_ms;
    pthread_mutex_unlock(&breaker->lock);
    return view;
}

const char *kw_breaker_state_name(enum kw_breaker_state state)
{
    static const char *const names[] = {"closed", "half-open", "open"};
    return (size_t)state < KW_COUNT(names) ? names[state] : "?";
}

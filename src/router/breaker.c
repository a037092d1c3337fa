#include "router/breaker.h"

#include "base/clock.h"

enum { FAILURES = 3, OPEN_MS = 1000, OPEN_MAX_MS = 30000 };

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

enum kw_breaker_state kw_breaker_state(struct kw_breaker *breaker)
{
    pthread_mutex_lock(&breaker->lock);
    enum kw_breaker_state state = state_at(breaker, kw_clock_ms());
    pthread_mutex_unlock(&breaker->lock);
    return state;
}

bool kw_breaker_admit(struct kw_breaker *breaker)
{
    pthread_mutex_lock(&breaker->lock);
    enum kw_breaker_state state = state_at(breaker, kw_clock_ms());
    bool admitted =
        state == KW_BREAKER_CLOSED || (state == KW_BREAKER_HALF_OPEN && !breaker->probing);
    if (admitted && state == KW_BREAKER_HALF_OPEN)
        breaker->probing = true;
    pthread_mutex_unlock(&breaker->lock);
    return admitted;
}

/* Each opening is twice as long as the one before, until a call succeeds. */
static void open_up(struct kw_breaker *breaker)
{
    int64_t pause = breaker->pause_ms == 0 ? breaker->open_ms : 2 * breaker->pause_ms;
    breaker->pause_ms = pause < breaker->open_max_ms ? pause : breaker->open_max_ms;
    breaker->closed_until = kw_clock_ms() + breaker->pause_ms;
}

static void close_again(struct kw_breaker *breaker)
{
    breaker->failures = 0;
    breaker->pause_ms = 0;
    breaker->closed_until = 0;
}

/* One part in eight of the newest: a spike shows within a few calls and is forgotten in some more.
 */
static void average(struct kw_breaker *breaker, int64_t us)
{
    breaker->latency_us =
        breaker->latency_us == 0 ? us : breaker->latency_us + (us - breaker->latency_us) / 8;
}

void kw_breaker_report(struct kw_breaker *breaker, bool good, int64_t us)
{
    pthread_mutex_lock(&breaker->lock);
    bool probed = breaker->probing;
    breaker->probing = false;
    if (good) {
        close_again(breaker);
        average(breaker, us);
    } else if (++breaker->failures >= breaker->failures_to_open || probed) {
        open_up(breaker);
    }
    pthread_mutex_unlock(&breaker->lock);
}

int64_t kw_breaker_latency_us(struct kw_breaker *breaker)
{
    pthread_mutex_lock(&breaker->lock);
    int64_t us = breaker->latency_us;
    pthread_mutex_unlock(&breaker->lock);
    return us;
}

const char *kw_breaker_state_name(enum kw_breaker_state state)
{
    static const char *const names[] = {"closed", "half-open", "open"};
    return (size_t)state < KW_COUNT(names) ? names[state] : "?";
}

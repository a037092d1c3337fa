/* Inside the router: a circuit breaker, and a moving average of latency. One a provider;
 * thread-safe. */
#ifndef KW_ROUTER_BREAKER_H
#define KW_ROUTER_BREAKER_H

#include "router/router.h"

#include <pthread.h>

struct kw_breaker {
    pthread_mutex_t lock;
    unsigned failures_to_open;
    int64_t open_ms, open_max_ms;
    unsigned failures;    /* in a row */
    int64_t pause_ms;     /* of the opening that is or was last */
    int64_t closed_until; /* 0: closed; else when it may be probed, kw_clock_ms() */
    bool probing;         /* one call is on its way to find out */
    int64_t latency_us;
};

void kw_breaker_init(struct kw_breaker *breaker, const struct kw_router_options *options);
void kw_breaker_destroy(struct kw_breaker *breaker);

enum kw_breaker_state kw_breaker_state(struct kw_breaker *breaker);

/* May a call be made now? While half-open only one at a time may. Every call that was let through
 * is followed by exactly one kw_breaker_report. */
bool kw_breaker_admit(struct kw_breaker *breaker);
void kw_breaker_report(struct kw_breaker *breaker, bool good, int64_t us);

int64_t kw_breaker_latency_us(struct kw_breaker *breaker);

#endif

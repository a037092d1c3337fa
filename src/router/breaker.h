/* Inside the router: what is known of a provider's health. A circuit breaker, a limit of calls in
 * flight, and moving averages of latency. One a provider, shared by all its routes; thread-safe.
 *
 * Every call is admitted, and gets a ticket; then it is reported, once, with that ticket. What was
 * admitted before the breaker last opened or closed says nothing of its state now, and changes it
 * no more: a burst of calls that fail together opens it once, and stragglers that time out after a
 * good probe do not open it again. */
#ifndef KW_ROUTER_BREAKER_H
#define KW_ROUTER_BREAKER_H

#include "router/router.h"

#include <pthread.h>

enum {
    KW_BREAKER_CALLS_MAX = 64, /* in flight a provider: one that hangs must not take every caller */
    KW_BREAKER_FORGET_MS = 30000 /* a latency not measured anew counts half after each of these */
};

struct kw_breaker {
    struct kw_provider *provider;
    struct kw_breaker *next;
    pthread_mutex_t lock;
    unsigned failures_to_open;
    int64_t open_ms, open_max_ms;
    unsigned failures;    /* in a row */
    int64_t pause_ms;     /* of the opening that is or was last */
    int64_t closed_until; /* 0: closed; else when it may be probed, kw_clock_ms() */
    bool probing;         /* one call is on its way to find out */
    uint64_t epoch;       /* counts openings and closings */
    unsigned in_flight;
    int64_t throttled_until; /* kw_clock_ms(): it said, lately, that there are too many calls */
    int64_t asked_ms;        /* when it was last asked */
    int64_t latency_us;      /* of the last few good calls; 0: none yet */
    int64_t usual_us;        /* of many */
};

void kw_breaker_init(struct kw_breaker *breaker, const struct kw_router_options *options);
void kw_breaker_destroy(struct kw_breaker *breaker);

struct kw_breaker_ticket {
    uint64_t epoch;
    bool probe;
};

/* May a call be made now? While half-open only one at a time may. */
enum kw_breaker_answer { KW_BREAKER_ADMITTED, KW_BREAKER_REFUSED, KW_BREAKER_FULL };
enum kw_breaker_answer kw_breaker_admit(struct kw_breaker *breaker,
                                        struct kw_breaker_ticket *ticket);

/* How an admitted call ended. ANSWERED: the provider works, but this call gives no latency.
 * NOTHING: it says nothing of the provider (it never left, or failed on our side). */
enum kw_breaker_outcome {
    KW_BREAKER_GOOD,
    KW_BREAKER_ANSWERED,
    KW_BREAKER_FAILED,
    KW_BREAKER_THROTTLED,
    KW_BREAKER_NOTHING
};
void kw_breaker_report(struct kw_breaker *breaker, const struct kw_breaker_ticket *ticket,
                       enum kw_breaker_outcome outcome, int64_t us);

struct kw_breaker_view {
    enum kw_breaker_state state;
    bool throttled;       /* or full */
    int64_t due_ms;       /* until the next probe; 0: one may go, or is on its way */
    int64_t latency_us;   /* 0: none yet */
    int64_t usual_us;     /* the average of many good calls; 0: none yet */
    int64_t estimated_us; /* latency_us, less the longer it was not asked */
};
struct kw_breaker_view kw_breaker_look(struct kw_breaker *breaker);

#endif

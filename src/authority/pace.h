/* The pace at which unwrapped keys are asked for anew: pressure that lets them serve longer,
 * threads that load them ahead of time, and bursts of broken seals, which make a key strict.
 *
 * Pressure of a region: the greater of its providers' trouble, as the router sees it, and of its
 * load. Load rises while more calls a second leave for the region's providers than the target, the
 * faster the more there are too many, and falls slowly when there are fewer: so it comes to rest
 * where the calls are at the target, and a burst does not make it jump. */
#ifndef KW_AUTHORITY_PACE_H
#define KW_AUTHORITY_PACE_H

#include "authority/internal.h"

enum {
    KW_REFRESH_QUEUE = 1024,
    KW_REFRESH_THREADS_MAX = 64,
    KW_ANOMALY_KEYS = 128,        /* keys whose broken seals are counted, at a time */
    KW_ANOMALY_COUNT = 50,        /* so many */
    KW_ANOMALY_WITHIN_MS = 10000, /* within this are one anomaly: */
    KW_ANOMALY_STRICT_MS = 60000, /* the key is strict for so long */
};

/* refresh.c */
struct kw_refresh_want {
    uint64_t reference;
    uint32_t version;
};
struct kw_refresh {
    pthread_mutex_t lock;
    pthread_cond_t signal;
    bool stopping;
    struct kw_refresh_want queue[KW_REFRESH_QUEUE];
    size_t first, count;
    pthread_t threads[KW_REFRESH_THREADS_MAX];
    size_t thread_count;
};

/* anomaly.c: when seals of one key were found broken. */
struct kw_broken_seals {
    uint64_t reference; /* 0: free */
    size_t count;       /* of times, the latest at (count - 1) % KW_ANOMALY_COUNT */
    int64_t times_ms[KW_ANOMALY_COUNT];
    int64_t last_ms;
    int64_t strict_until_ms;
    bool to_record;
};
struct kw_anomalies {
    pthread_mutex_t lock;
    struct kw_broken_seals keys[KW_ANOMALY_KEYS];
};

struct kw_region_flow {
    uint64_t calls; /* of its own routes, so far */
    unsigned load;  /* per mille */
};

struct kw_pace {
    unsigned calls_target;
    int64_t flows_ms;                            /* when the flows were last looked at; 0: never */
    struct kw_region_flow flows[KW_REGIONS_MAX]; /* the tick's */
    struct kw_refresh refresh;
    struct kw_anomalies anomalies;
};

/* 0 to 1000: the load after elapsed_ms of calls that left at so many a second. */
unsigned kw_pace_load(unsigned load, uint64_t per_second, unsigned target, int64_t elapsed_ms);

/* For the ring: have this version loaded soon. Never blocks for long; a full queue lets it be. */
void kw_refresh_wanted(void *authority, uint64_t reference, uint32_t version);
KW_ERR kw_refresh_start(struct kw_authority *authority, unsigned threads, struct kw_error *err);
void kw_refresh_stop(struct kw_authority *authority);

/* For the tick: one event for each anomaly since the last call. */
KW_ERR kw_anomalies_record(struct kw_authority *authority, struct kw_error *err);

#endif

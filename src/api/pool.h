/* A few threads and two bounded queues before them. Urgent tasks go first, and where there are two
 * threads or more, one is never given to an ordinary task: however many of those there are, and
 * however long they take, an urgent one is run. Thread-safe. */
#ifndef KW_API_POOL_H
#define KW_API_POOL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct kw_pool;

/* queue_max is of each queue. */
KW_ERR kw_pool_new(unsigned threads, size_t queue_max, struct kw_pool **out, struct kw_error *err);

/* KW_OVERLOADED when its queue is full. */
KW_ERR kw_pool_put(struct kw_pool *pool, bool urgent, void (*run)(void *arg), void *arg,
                   struct kw_error *err);

/* Runs what is queued, then ends the threads. */
void kw_pool_free(struct kw_pool *pool);
KW_CLEANUP_FREE(kw_pool)

#endif

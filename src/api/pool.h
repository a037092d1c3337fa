/* A few threads and a bounded queue before them. Thread-safe. */
#ifndef KW_API_POOL_H
#define KW_API_POOL_H

#include "base/error.h"

#include <stddef.h>

struct kw_pool;

KW_ERR kw_pool_new(unsigned threads, size_t queue_max, struct kw_pool **out, struct kw_error *err);

/* KW_OVERLOADED when the queue is full. */
KW_ERR kw_pool_put(struct kw_pool *pool, void (*run)(void *arg), void *arg, struct kw_error *err);

/* Runs what is queued, then ends the threads. */
void kw_pool_free(struct kw_pool *pool);
KW_CLEANUP_FREE(kw_pool)

#endif

/* Threads that may wait, and bounded queues before them. Thread-safe.
 *
 * Three lanes: urgent tasks go first; what manages and asks providers comes next; then the rest.
 * Where there are two threads or more, one is never given to any but an urgent task: however many
 * others there are, and however long they take, an urgent one is run.
 *
 * Tasks that are not urgent have a group: whose provider they may wait for. A group has a quarter
 * of the threads at a time, and a quarter of its queue; groups that were slow lately have half of
 * the threads together. So a customer's KMS that hangs keeps that customer waiting, and nobody
 * else. */
#ifndef KW_API_POOL_H
#define KW_API_POOL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kw_pool;

enum kw_pool_lane { KW_POOL_URGENT, KW_POOL_MANAGE, KW_POOL_ORDINARY };

struct kw_pool_task {
    enum kw_pool_lane lane;
    uint64_t group; /* 0: of nobody, and without a share */
    void (*run)(void *arg);
    void *arg;
};

/* queue_max is of each lane. */
KW_ERR kw_pool_new(unsigned threads, size_t queue_max, struct kw_pool **out, struct kw_error *err);

/* KW_OVERLOADED when its queue is full, or its group's share of it. */
KW_ERR kw_pool_put(struct kw_pool *pool, const struct kw_pool_task *task, struct kw_error *err);

/* Runs what is queued, then ends the threads. */
void kw_pool_free(struct kw_pool *pool);
KW_CLEANUP_FREE(kw_pool)

#endif

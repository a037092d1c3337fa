#include "api/pool.h"

#include <pthread.h>

struct task {
    void (*run)(void *arg);
    void *arg;
};

struct kw_pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct task *queue; /* a ring */
    size_t queue_max;
    size_t first, count;
    bool stopping;
    unsigned started;
    pthread_t threads[];
};

static bool take(struct kw_pool *pool, struct task *out)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->count == 0 && !pool->stopping)
        pthread_cond_wait(&pool->wanted, &pool->lock);
    bool found = pool->count > 0;
    if (found) {
        *out = pool->queue[pool->first];
        pool->first = (pool->first + 1) % pool->queue_max;
        pool->count--;
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

static void *work(void *arg)
{
    struct kw_pool *pool = arg;
    struct task task;
    while (take(pool, &task))
        task.run(task.arg);
    return NULL;
}

KW_ERR kw_pool_new(unsigned threads, size_t queue_max, struct kw_pool **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_pool) pool = calloc(1, sizeof *pool + threads * sizeof(pthread_t));
    if (pool == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    pool->queue_max = queue_max;
    pool->queue = calloc(queue_max, sizeof *pool->queue);
    if (pool->queue == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (; pool->started < threads; pool->started++) {
        int rc = pthread_create(&pool->threads[pool->started], NULL, work, pool);
        if (rc != 0)
            return kw_fail_errno(err, rc, "cannot start a thread of the API");
    }
    *out = pool;
    pool = NULL;
    return KW_OK;
}

KW_ERR kw_pool_put(struct kw_pool *pool, void (*run)(void *arg), void *arg, struct kw_error *err)
{
    pthread_mutex_lock(&pool->lock);
    bool room = pool->count < pool->queue_max;
    if (room) {
        pool->queue[(pool->first + pool->count) % pool->queue_max] = (struct task){run, arg};
        pool->count++;
        pthread_cond_signal(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!room)
        return kw_fail(err, KW_OVERLOADED, "%zu calls are waiting already", pool->queue_max);
    return KW_OK;
}

void kw_pool_free(struct kw_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->lock);
    free(pool->queue);
    free(pool);
}

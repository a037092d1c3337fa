#include "api/pool.h"

#include "crypto/suite.h"

#include <pthread.h>

struct task {
    void (*run)(void *arg);
    void *arg;
};

struct queue {
    struct task *tasks; /* a ring */
    size_t first, count;
};

struct kw_pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct queue urgent, ordinary;
    size_t queue_max; /* of each */
    unsigned ordinary_running;
    bool stopping;
    unsigned started;
    unsigned ordinary_max; /* so many threads may run ordinary tasks at a time */
    pthread_t threads[];
};

static bool take_from(struct kw_pool *pool, struct queue *queue, struct task *out)
{
    if (queue->count == 0)
        return false;
    *out = queue->tasks[queue->first];
    queue->first = (queue->first + 1) % pool->queue_max;
    queue->count--;
    return true;
}

static bool may_run_ordinary(const struct kw_pool *pool)
{
    return pool->ordinary_running < pool->ordinary_max || pool->stopping;
}

/* An ordinary task that finds its share of threads used up is taken by the first of them that is
 * done. False at the end. */
static bool take(struct kw_pool *pool, struct task *out, bool *ordinary)
{
    bool found = false;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        found = take_from(pool, &pool->urgent, out);
        *ordinary = !found && may_run_ordinary(pool) && take_from(pool, &pool->ordinary, out);
        if (found || *ordinary || pool->stopping)
            break;
        pthread_cond_wait(&pool->wanted, &pool->lock);
    }
    pool->ordinary_running += *ordinary;
    pthread_mutex_unlock(&pool->lock);
    return found || *ordinary;
}

static void *work(void *arg)
{
    struct kw_pool *pool = arg;
    struct task task;
    bool ordinary = false;
    while (take(pool, &task, &ordinary)) {
        task.run(task.arg);
        kw_aead_forget(); /* it may wait for long now */
        pthread_mutex_lock(&pool->lock);
        pool->ordinary_running -= ordinary;
        pthread_mutex_unlock(&pool->lock);
    }
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
    pool->ordinary_max = threads > 1 ? threads - 1 : 1;
    pool->urgent.tasks = calloc(queue_max, sizeof(struct task));
    pool->ordinary.tasks = calloc(queue_max, sizeof(struct task));
    if (pool->urgent.tasks == NULL || pool->ordinary.tasks == NULL)
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

KW_ERR kw_pool_put(struct kw_pool *pool, bool urgent, void (*run)(void *arg), void *arg,
                   struct kw_error *err)
{
    struct queue *queue = urgent ? &pool->urgent : &pool->ordinary;
    pthread_mutex_lock(&pool->lock);
    bool room = queue->count < pool->queue_max;
    if (room) {
        queue->tasks[(queue->first + queue->count) % pool->queue_max] = (struct task){run, arg};
        queue->count++;
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
    free(pool->urgent.tasks);
    free(pool->ordinary.tasks);
    free(pool);
}

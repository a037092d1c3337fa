#include "api/pool.h"

#include "base/clock.h"
#include "crypto/suite.h"

#include <pthread.h>

enum {
    LANES = KW_POOL_ORDINARY + 1,
    SHARE_PART = 4, /* of the threads, and of a queue, that one group may have */
    SHARE_LEAST = 2,
    SLOW_MS = 250,       /* a task that takes longer is slow, */
    SLOW_FOR_MS = 10000, /* and its group is for so long */
    SLOW_KEPT = 64       /* groups that are remembered as slow */
};

struct queued {
    struct kw_pool_task task;
    struct queued *next;
};

struct queue {
    struct queued *first, *last;
    size_t count;
};

/* A thread, and what it is doing. */
struct worker {
    struct kw_pool *pool;
    pthread_t thread;
    bool limited;   /* not with an urgent task */
    uint64_t group; /* 0: idle, or with a task of nobody */
    int64_t since_ms;
};

struct kw_pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct queue lanes[LANES];
    size_t queue_max; /* of each */
    struct queued *places, *spare;
    struct {
        uint64_t group;
        int64_t until_ms;
    } slow[SLOW_KEPT];
    bool stopping;
    unsigned started;
    unsigned limited_max; /* so many threads may run other than urgent tasks at a time, */
    unsigned share;       /* of one group, */
    unsigned slow_max;    /* and of slow groups */
    struct worker workers[];
};

/* ---- Who may run ------------------------------------------------------------------------------
 */

static bool is_slow(const struct kw_pool *pool, uint64_t group, int64_t now_ms)
{
    for (unsigned i = 0; i < pool->started; i++)
        if (pool->workers[i].group == group && now_ms - pool->workers[i].since_ms > SLOW_MS)
            return true;
    for (size_t i = 0; i < SLOW_KEPT; i++)
        if (pool->slow[i].group == group && now_ms < pool->slow[i].until_ms)
            return true;
    return false;
}

static void remember_slow(struct kw_pool *pool, uint64_t group, int64_t now_ms)
{
    size_t at = 0;
    for (size_t i = 0; i < SLOW_KEPT && pool->slow[at].group != group; i++)
        if (pool->slow[i].group == group || pool->slow[i].until_ms < pool->slow[at].until_ms)
            at = i;
    pool->slow[at].group = group;
    pool->slow[at].until_ms = now_ms + SLOW_FOR_MS;
}

/* What runs now, as far as it keeps others from running. */
struct load {
    int64_t now_ms;
    unsigned limited, slow;
};

static struct load load_of(const struct kw_pool *pool)
{
    struct load load = {.now_ms = kw_clock_ms()};
    for (unsigned i = 0; i < pool->started; i++) {
        const struct worker *worker = &pool->workers[i];
        load.limited += worker->limited;
        load.slow += worker->group != 0 && is_slow(pool, worker->group, load.now_ms);
    }
    return load;
}

/* At the end all of them go. */
static bool may_run(const struct kw_pool *pool, const struct load *load,
                    const struct kw_pool_task *task)
{
    unsigned own = 0;
    if (task->lane == KW_POOL_URGENT || pool->stopping)
        return true;
    if (load->limited >= pool->limited_max)
        return false;
    if (task->group == 0)
        return true;
    for (unsigned i = 0; i < pool->started; i++)
        own += pool->workers[i].group == task->group;
    return own < pool->share &&
           (load->slow < pool->slow_max || !is_slow(pool, task->group, load->now_ms));
}

/* ---- The queues -------------------------------------------------------------------------------
 */

static struct kw_pool_task take_out(struct kw_pool *pool, struct queue *queue,
                                    struct queued *before, struct queued *at)
{
    struct kw_pool_task task = at->task;
    if (before != NULL)
        before->next = at->next;
    else
        queue->first = at->next;
    if (queue->last == at)
        queue->last = before;
    queue->count--;
    at->next = pool->spare;
    pool->spare = at;
    return task;
}

static bool take_from(struct kw_pool *pool, struct queue *queue, const struct load *load,
                      struct kw_pool_task *out)
{
    struct queued *before = NULL;
    for (struct queued *at = queue->first; at != NULL; before = at, at = at->next) {
        if (!may_run(pool, load, &at->task))
            continue;
        *out = take_out(pool, queue, before, at);
        return true;
    }
    return false;
}

static bool find(struct kw_pool *pool, struct kw_pool_task *out)
{
    struct load load = load_of(pool);
    for (size_t i = 0; i < LANES; i++)
        if (take_from(pool, &pool->lanes[i], &load, out))
            return true;
    return false;
}

static bool is_empty(const struct kw_pool *pool)
{
    for (size_t i = 0; i < LANES; i++)
        if (pool->lanes[i].count > 0)
            return false;
    return true;
}

static bool has_room(const struct kw_pool *pool, const struct kw_pool_task *task)
{
    const struct queue *queue = &pool->lanes[task->lane];
    size_t own = 0;
    if (queue->count >= pool->queue_max)
        return false;
    if (task->lane == KW_POOL_URGENT || task->group == 0)
        return true;
    for (const struct queued *at = queue->first; at != NULL; at = at->next)
        own += at->task.group == task->group;
    return own < (pool->queue_max + SHARE_PART - 1) / SHARE_PART;
}

/* ---- The threads ------------------------------------------------------------------------------
 */

static void end_task(struct worker *worker)
{
    int64_t now_ms = kw_clock_ms();
    if (worker->group != 0 && now_ms - worker->since_ms > SLOW_MS)
        remember_slow(worker->pool, worker->group, now_ms);
    worker->limited = false;
    worker->group = 0;
}

static void begin_task(struct worker *worker, const struct kw_pool_task *task)
{
    worker->limited = task->lane != KW_POOL_URGENT;
    worker->group = worker->limited ? task->group : 0;
    worker->since_ms = kw_clock_ms();
}

/* What may not run yet waits for a task that ends, and then more than one thread may find something
 * to do: who has taken a task has the next look, too. False at the end. */
static bool take(struct worker *worker, struct kw_pool_task *out)
{
    struct kw_pool *pool = worker->pool;
    pthread_mutex_lock(&pool->lock);
    end_task(worker);
    bool found = find(pool, out);
    while (!found && !pool->stopping) {
        pthread_cond_wait(&pool->wanted, &pool->lock);
        found = find(pool, out);
    }
    if (found) {
        begin_task(worker, out);
        if (!is_empty(pool))
            pthread_cond_signal(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct kw_pool_task task;
    while (take(worker, &task)) {
        task.run(task.arg);
        kw_aead_forget(); /* it may wait for long now */
    }
    return NULL;
}

static KW_ERR start_all(struct kw_pool *pool, unsigned threads, struct kw_error *err)
{
    int rc = 0;
    pthread_mutex_lock(&pool->lock); /* started is read under it */
    for (; rc == 0 && pool->started < threads; pool->started += rc == 0) {
        struct worker *worker = &pool->workers[pool->started];
        worker->pool = pool;
        rc = pthread_create(&worker->thread, NULL, work, worker);
    }
    pthread_mutex_unlock(&pool->lock);
    return rc == 0 ? KW_OK : kw_fail_errno(err, rc, "cannot start a thread of the API");
}

static void set_limits(struct kw_pool *pool, unsigned threads)
{
    pool->limited_max = threads > 1 ? threads - 1 : 1;
    pool->share = threads / SHARE_PART > SHARE_LEAST ? threads / SHARE_PART : SHARE_LEAST;
    pool->slow_max = pool->limited_max > 1 ? pool->limited_max / 2 : 1;
}

KW_ERR kw_pool_new(unsigned threads, size_t queue_max, struct kw_pool **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_pool) pool = calloc(1, sizeof *pool + threads * sizeof(struct worker));
    if (pool == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    pool->queue_max = queue_max;
    set_limits(pool, threads);
    pool->places = calloc(LANES * queue_max, sizeof(struct queued));
    if (pool->places == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < LANES * queue_max; i++) {
        pool->places[i].next = pool->spare;
        pool->spare = &pool->places[i];
    }
    KW_TRY(start_all(pool, threads, err));
    *out = pool;
    pool = NULL;
    return KW_OK;
}

/* There is a place for each that the lanes have room for. */
static void append(struct kw_pool *pool, const struct kw_pool_task *task)
{
    struct queue *queue = &pool->lanes[task->lane];
    struct queued *at = pool->spare;
    pool->spare = at->next;
    *at = (struct queued){.task = *task};
    if (queue->last != NULL)
        queue->last->next = at;
    else
        queue->first = at;
    queue->last = at;
    queue->count++;
}

KW_ERR kw_pool_put(struct kw_pool *pool, const struct kw_pool_task *task, struct kw_error *err)
{
    pthread_mutex_lock(&pool->lock);
    bool room = has_room(pool, task);
    if (room) {
        append(pool, task);
        pthread_cond_signal(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->lock);
    return room ? KW_OK : kw_fail(err, KW_OVERLOADED, "too many calls are waiting already");
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
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->lock);
    free(pool->places);
    free(pool);
}

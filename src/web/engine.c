/* One thread, one multi handle. All state below is under one lock, which is held for moments only:
 * the thread takes new transfers out and hands finished ones back, and works without it.
 *
 * fork: the lock is held across it, so that the child finds it free and what it guards whole. The
 * child has no such thread: it forgets the parent's multi handle (closing it would end the parent's
 * connections) and starts its own with its first request. */
#include "web/internal.h"

#include <signal.h>
#include <time.h>

enum {
    GRACE_MS = 50,           /* libcurl's own timer should be first: it knows more */
    IDLE_MS = 60000,         /* the thread looks around at least so often */
    HOST_CONNECTIONS = 256L, /* to one host; more transfers wait for one */
    KEPT_CONNECTIONS = 512L,
};

struct engine {
    CURLM *multi;
    pthread_t thread;
    struct kw_transfer *inbox; /* newest first */
    bool stopping;
    struct kw_transfer *running; /* the thread's own */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct engine *current; /* NULL: not running */
static size_t users;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
    current = NULL;
    pthread_mutex_unlock(&lock);
}

static void init_once(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (global_result == CURLE_OK && pthread_atfork(before_fork, after_fork, in_child) != 0)
        global_result = CURLE_OUT_OF_MEMORY;
}

/* Who asked is told, or nobody waits any more and it is freed. The easy handle is in no multi. */
static void hand_back(struct kw_transfer *transfer, CURLcode result)
{
    pthread_mutex_lock(&lock);
    transfer->result = result;
    transfer->done = true;
    bool gone = transfer->waiting == NULL;
    if (!gone)
        pthread_cond_signal(transfer->waiting);
    pthread_mutex_unlock(&lock);
    if (gone)
        kw_transfer_free(transfer);
}

static void link_in(struct engine *engine, struct kw_transfer *transfer)
{
    transfer->next = engine->running;
    transfer->link = &engine->running;
    if (transfer->next != NULL)
        transfer->next->link = &transfer->next;
    engine->running = transfer;
}

static void take_out(struct engine *engine, struct kw_transfer *transfer)
{
    curl_multi_remove_handle(engine->multi, transfer->easy);
    *transfer->link = transfer->next;
    if (transfer->next != NULL)
        transfer->next->link = transfer->link;
}

static void begin_all(struct engine *engine, struct kw_transfer *list)
{
    while (list != NULL) {
        struct kw_transfer *transfer = list;
        list = transfer->next;
        if (curl_multi_add_handle(engine->multi, transfer->easy) == CURLM_OK)
            link_in(engine, transfer);
        else
            hand_back(transfer, CURLE_OUT_OF_MEMORY);
    }
}

static void end_finished(struct engine *engine)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(engine->multi, &left)) != NULL) {
        struct kw_transfer *transfer = NULL;
        CURLcode result = message->data.result; /* message dies with the removal */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        take_out(engine, transfer);
        hand_back(transfer, result);
    }
}

/* Takes what is new; false: it is over. */
static bool take_inbox(struct engine *engine, struct kw_transfer **out)
{
    pthread_mutex_lock(&lock);
    *out = engine->inbox;
    engine->inbox = NULL;
    bool goes_on = !engine->stopping;
    pthread_mutex_unlock(&lock);
    return goes_on;
}

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void *work(void *arg)
{
    struct engine *engine = arg;
    struct kw_transfer *fresh;
    int running;
    while (take_inbox(engine, &fresh)) {
        begin_all(engine, fresh);
        CURLMcode code = curl_multi_perform(engine->multi, &running);
        end_finished(engine);
        if (code == CURLM_OK)
            code = curl_multi_poll(engine->multi, NULL, 0, IDLE_MS, NULL);
        if (code != CURLM_OK)
            rest(); /* out of memory or descriptors: not at full speed */
    }
    return NULL;
}

/* Signals are for the program's own threads. */
static int start_thread(struct engine *engine)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&engine->thread, NULL, work, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* Under the lock. */
static KW_ERR start(struct kw_error *err)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine != NULL)
        engine->multi = curl_multi_init();
    if (engine == NULL || engine->multi == NULL) {
        free(engine);
        return kw_fail_code(err, KW_NO_MEMORY);
    }
    curl_multi_setopt(engine->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(engine->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)HOST_CONNECTIONS);
    curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
    if (start_thread(engine) != 0) {
        curl_multi_cleanup(engine->multi);
        free(engine);
        return kw_fail(err, KW_UNAVAILABLE, "no thread for requests can be had for now");
    }
    current = engine;
    return KW_OK;
}

KW_ERR kw_engine_use(struct kw_error *err)
{
    pthread_once(&once, init_once);
    if (global_result != CURLE_OK)
        return kw_fail(err, KW_INTERNAL, "libcurl cannot be initialised: %s",
                       curl_easy_strerror(global_result));
    pthread_mutex_lock(&lock);
    users++;
    pthread_mutex_unlock(&lock);
    return KW_OK;
}

static void stop(struct engine *engine)
{
    struct kw_transfer *transfer;
    curl_multi_wakeup(engine->multi);
    pthread_join(engine->thread, NULL);
    while ((transfer = engine->running) != NULL) { /* nobody waits for these */
        take_out(engine, transfer);
        kw_transfer_free(transfer);
    }
    while ((transfer = engine->inbox) != NULL) {
        engine->inbox = transfer->next;
        kw_transfer_free(transfer);
    }
    curl_multi_cleanup(engine->multi);
    free(engine);
}

void kw_engine_leave(void)
{
    struct engine *last = NULL;
    pthread_mutex_lock(&lock);
    if (--users == 0) {
        last = current;
        current = NULL;
        if (last != NULL)
            last->stopping = true;
    }
    pthread_mutex_unlock(&lock);
    if (last != NULL)
        stop(last);
}

static struct timespec after_ms(int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(ms / 1000);
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Under the lock, which waiting gives up. */
static void wait_for(struct kw_transfer *transfer, int64_t left_ms)
{
    pthread_cond_t done = PTHREAD_COND_INITIALIZER;
    struct timespec until = after_ms(left_ms + GRACE_MS);
    transfer->waiting = &done;
    while (!transfer->done)
        if (pthread_cond_clockwait(&done, &lock, CLOCK_MONOTONIC, &until) != 0)
            break;
    transfer->waiting = NULL;
    pthread_cond_destroy(&done);
}

KW_ERR kw_engine_run(struct kw_transfer **transfer, int64_t left_ms, struct kw_error *err)
{
    pthread_mutex_lock(&lock);
    kw_code code = current != NULL ? KW_OK : start(err);
    if (code == KW_OK) {
        (*transfer)->next = current->inbox;
        current->inbox = *transfer;
        curl_multi_wakeup(current->multi);
        wait_for(*transfer, left_ms);
        if (!(*transfer)->done) {
            *transfer = NULL;
            code = kw_fail(err, KW_TIMEOUT, "the answer did not come in time");
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}

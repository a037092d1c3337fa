/* A call from its start to its answer. */
#include "api/internal.h"

#include "base/clock.h"
#include "crypto/random.h"
#include "envelope/context.h"

#include <pthread.h>

KW_ERR kw_api_new(const struct kw_api_options *options, struct kw_api **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_api) api = calloc(1, sizeof *api);
    struct kw_context empty;
    if (api == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    api->authority = options->authority;
    api->ledger_dir = options->ledger_dir;
    api->pki = options->pki;
    api->currency = options->currency != NULL ? options->currency : "USD";
    KW_TRY(kw_context_make(&empty, NULL, err));
    memcpy(api->empty_context, empty.digest, sizeof api->empty_context);
    if (options->threads > 0)
        KW_TRY(kw_pool_new(options->threads, options->queue_max != 0 ? options->queue_max : 1024,
                           &api->pool, err));
    *out = api;
    api = NULL;
    return KW_OK;
}

/* The last thing that a call's end does is to count itself out, so that nothing of the API is
 * touched after the count is zero. That is why this looks again and again instead of being woken.
 */
void kw_api_free(struct kw_api *api)
{
    const struct timespec pause = {.tv_nsec = 200000};
    if (api == NULL)
        return;
    while (atomic_load(&api->under_way) != 0)
        nanosleep(&pause, NULL);
    kw_pool_free(api->pool);
    free(api);
}

static void end(struct kw_job *job)
{
    struct kw_api *api = job->api;
    struct kw_api_call *call = job->call;
    if (job->batch.items != NULL)
        kw_dk_batch_wipe(&job->batch);
    kw_secret_wipe(&job->part.plaintext);
    kw_buf_wipe(&job->part.sealed);
    kw_json_doc_wipe(&job->body);
    free(job);
    call->state = NULL;
    call->done(call);
    atomic_fetch_sub(&api->under_way, 1);
}

static void write_error(struct kw_api_call *call, const struct kw_error *err)
{
    kw_buf_reset(&call->body_out);
    kw_api_write_error(&call->body_out, err, call->caller.request_id);
    call->status = kw_code_http_status(err->code);
    call->content_type = "application/json";
}

void kw_api_write_error(struct kw_buf *out, const struct kw_error *err, const char *request_id)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_begin(&w, "error", '{');
    kw_json_str(&w, "code", kw_code_name(err->code));
    kw_json_str(&w, "class", kw_class_name(kw_code_class(err->code)));
    kw_json_str(&w, "message", err->text);
    kw_json_bool(&w, "retryable", kw_code_retryable(err->code));
    kw_json_str(&w, "request_id", request_id != NULL ? request_id : "");
    kw_json_end(&w);
    kw_json_end(&w);
}

void kw_job_fail(struct kw_job *job, const struct kw_error *err)
{
    write_error(job->call, err);
    end(job);
}

/* An answer that did not fit into memory is an error, whole. */
void kw_job_answer(struct kw_job *job)
{
    struct kw_error err;
    if (kw_buf_status(&job->call->body_out, &err) != KW_OK)
        write_error(job->call, &err);
    end(job);
}

/* Whoever manages (suspends, above all) is not kept waiting by those who use, nor by those who
 * manage and wait for a provider. */
static enum kw_pool_lane lane_of(const struct kw_job *job)
{
    unsigned manage = KW_RIGHT_MANAGE_TENANTS | KW_RIGHT_MANAGE_KEYS | KW_RIGHT_MANAGE_ACCESS;
    if (((unsigned)job->route->right & job->call->caller.rights & manage) == 0)
        return KW_POOL_ORDINARY;
    return job->route->kind == KW_ROUTE_ASKING ? KW_POOL_MANAGE : KW_POOL_URGENT;
}

/* FNV-1a. Names that fall together share a part: they may wait for each other, and no more. */
uint64_t kw_job_group(char kind, struct kw_bytes name)
{
    uint64_t hash = (0xcbf29ce484222325U ^ (uint8_t)kind) * 0x100000001b3U;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.data[i]) * 0x100000001b3U;
    return hash != 0 ? hash : 1;
}

void kw_job_defer(struct kw_job *job, uint64_t group, void (*step)(void *job))
{
    struct kw_error err;
    const struct kw_pool_task task = {
        .lane = lane_of(job), .group = group, .run = step, .arg = job};
    if (job->api->pool == NULL)
        step(job);
    else if (kw_pool_put(job->api->pool, &task, &err) != KW_OK)
        kw_job_fail(job, &err);
}

KW_ERR kw_job_read_body(struct kw_job *job, struct kw_error *err)
{
    struct kw_bytes text = job->call->body;
    const char *why = NULL;
    if (text.len > KW_API_BODY_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the body is larger than %d bytes", KW_API_BODY_MAX);
    job->body.secret = true;
    KW_TRY(kw_json_parse(&job->body, text.len > 0 ? text : kw_bytes_str("{}"), err));
    KW_TRY(kw_json_get_str(job->body.root, "justification", false, &why, err));
    if (why != NULL && strlen(why) > KW_API_JUSTIFICATION_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the justification is longer than %d bytes",
                       KW_API_JUSTIFICATION_MAX);
    job->call->caller.justification = why;
    return KW_OK;
}

struct kw_json_writer kw_job_writer(struct kw_job *job)
{
    return kw_json_writer(&job->call->body_out);
}

/* ---- Right and scope, for what the API answers by itself ---------------------------------------
 */

static bool names_tenant(const struct kw_route *route)
{
    return strstr(route->pattern, "{t}") != NULL;
}

static KW_ERR check_right(const struct kw_job *job, struct kw_error *err)
{
    const struct kw_caller *caller = &job->call->caller;
    if ((caller->rights & job->route->right) == 0)
        return kw_fail(err, KW_FORBIDDEN, "%s has no role that allows this", caller->principal);
    if (names_tenant(job->route) && !kw_caller_may_touch(caller, job->params.value[0]))
        return kw_fail(err, KW_FORBIDDEN, "%s may not act for this tenant", caller->principal);
    return KW_OK;
}

/* As with every operation of the authority: who was refused what is recorded, and if that cannot be
 * done, that is the answer. */
KW_ERR kw_job_refuse(const struct kw_job *job, kw_code code, struct kw_error *err)
{
    const struct kw_caller *caller = &job->call->caller;
    struct kw_error why;
    struct kw_event event = {
        .time_ms = kw_clock_wall_ms(),
        .operation = job->route->operation,
        .activity = KW_ACTIVITY_READ,
        .outcome = code,
        .request_id = caller->request_id,
        .principal = caller->principal,
        .source = caller->source,
    };
    kw_random(event.uid, sizeof event.uid);
    kw_code recorded = kw_authority_record(job->api->authority, &event, &why);
    return recorded == KW_OK ? code : kw_fail(err, recorded, "%s", why.text);
}

/* ---- Start ------------------------------------------------------------------------------------
 */

/* What is asked, as far as the API can tell without asking anybody. */
static KW_ERR prepare(struct kw_job *job, struct kw_error *err)
{
    KW_TRY(
        kw_query_check(job->call->query != NULL ? job->call->query : "", job->route->query, err));
    if (job->route->kind == KW_ROUTE_CHECKED) {
        kw_code code = check_right(job, err);
        if (code != KW_OK)
            return kw_job_refuse(job, code, err);
    }
    return strcmp(job->route->method, "POST") == 0 ? kw_job_read_body(job, err) : KW_OK;
}

static KW_ERR handle(struct kw_job *job, struct kw_error *err)
{
    KW_TRY(prepare(job, err));
    return job->route->handle(job, err);
}

static void finish(struct kw_job *job, kw_code code, const struct kw_error *err)
{
    if (code == KW_OK)
        kw_job_answer(job);
    else
        kw_job_fail(job, err);
}

static void run_blocking(void *arg)
{
    struct kw_error err;
    finish(arg, handle(arg, &err), &err);
}

static void run_prepared(void *arg)
{
    struct kw_job *job = arg;
    struct kw_error err;
    finish(job, job->route->handle(job, &err), &err);
}

/* Whose providers the call may wait for: the tenant's, or those of what is named in the address;
 * else it shares with what the caller asks besides. */
static uint64_t group_of(const struct kw_job *job)
{
    if (names_tenant(job->route))
        return kw_job_group('t', kw_bytes_str(job->params.value[0]));
    if (job->route->kind == KW_ROUTE_ASKING && job->params.count > 0)
        return kw_job_group('p', kw_bytes_str(job->params.value[0]));
    return kw_job_group('c', kw_bytes_str(job->call->caller.principal));
}

/* The body is read here: it says whose call it is. */
static void begin_tenant(struct kw_job *job)
{
    struct kw_error err;
    const char *tenant = NULL;
    kw_code code = prepare(job, &err);
    if (code == KW_OK)
        code = kw_json_get_str(job->body.root, "tenant", true, &tenant, &err);
    if (code == KW_OK)
        kw_job_defer(job, kw_job_group('t', kw_bytes_str(tenant)), run_prepared);
    else
        kw_job_fail(job, &err);
}

/* On success the handler has handed the job on, and it may be gone. */
static void begin_data(struct kw_job *job)
{
    struct kw_error err;
    if (handle(job, &err) != KW_OK)
        kw_job_fail(job, &err);
}

static KW_ERR start(struct kw_api *api, struct kw_api_call *call, struct kw_error *err)
{
    const struct kw_route *route = NULL;
    struct kw_route_params params;
    KW_TRY(kw_route_find(call->method, call->path, &route, &params, err));
    struct kw_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    job->api = api;
    job->call = call;
    job->route = route;
    job->params = params;
    call->state = job;
    if (route->kind == KW_ROUTE_DATA)
        begin_data(job);
    else if (route->kind == KW_ROUTE_PUBLIC)
        run_blocking(job);
    else if (route->kind == KW_ROUTE_TENANT)
        begin_tenant(job);
    else
        kw_job_defer(job, group_of(job), run_blocking);
    return KW_OK;
}

void kw_api_start(struct kw_api *api, struct kw_api_call *call)
{
    struct kw_error err;
    call->status = 200;
    call->content_type = "application/json";
    call->body_out.secret = true;
    call->caller.justification = NULL;
    kw_buf_reset(&call->body_out);
    atomic_fetch_add(&api->under_way, 1);
    if (start(api, call, &err) == KW_OK)
        return;
    write_error(call, &err);
    call->done(call);
    atomic_fetch_sub(&api->under_way, 1);
}

void kw_api_kick(struct kw_api *api)
{
    kw_ledger_kick(kw_authority_ledger(api->authority));
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t signal;
    bool done;
};

static void wake(struct kw_api_call *call)
{
    struct waiter *waiter = call->arg;
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    pthread_cond_signal(&waiter->signal);
    pthread_mutex_unlock(&waiter->lock);
}

void kw_api_run(struct kw_api *api, struct kw_api_call *call)
{
    struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    call->done = wake;
    call->post = NULL;
    call->arg = &waiter;
    kw_api_start(api, call);
    pthread_mutex_lock(&waiter.lock);
    while (!waiter.done)
        pthread_cond_wait(&waiter.signal, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    pthread_cond_destroy(&waiter.signal);
    pthread_mutex_destroy(&waiter.lock);
}

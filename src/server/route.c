/* One request's way: identify, limit, hand to the API, answer. */
#include "server/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/suite.h"

/* A request that the API has. Its texts live here until the answer. */
struct ticket {
    struct kw_api_call call;
    struct kw_server *server;
    struct kw_http_request *req;
    struct kw_server_identity who;
    struct kw_buf path;
    enum kw_server_route route;
    void (*resume)(struct kw_api_call *call);
};

static void ticket_free(struct ticket *ticket)
{
    kw_buf_wipe(&ticket->call.body_out);
    kw_buf_wipe(&ticket->path);
    kw_server_identity_wipe(&ticket->who);
    atomic_fetch_sub(&ticket->server->in_flight, 1);
    free(ticket);
}

/* Successes of the data plane are many and each has its ledger entry: they are logged for debugging
 * only. Paths hold names of tenants, regions and routes, no secrets; queries are left out. */
static void log_answer(const struct ticket *ticket, int64_t us)
{
    int status = ticket->call.status;
    bool busy = ticket->route != KW_ROUTE_OTHER && status < 500;
    enum kw_log_level level = status >= 500 ? KW_LOG_WARN : busy ? KW_LOG_DEBUG : KW_LOG_INFO;
    if (!kw_log_wanted(level))
        return;
    kw_log(level, "request", KW_LOG_STR("request_id", ticket->req->id),
           KW_LOG_STR("method", ticket->req->method_text), KW_LOG_STR("path", ticket->call.path),
           KW_LOG_INT("status", status), KW_LOG_INT("us", us),
           KW_LOG_STR("principal", ticket->who.principal),
           KW_LOG_STR("source", ticket->who.source));
}

/* Answers hold keys or states of keys: nobody on the way keeps them. Tiles never change. */
static const char *caching(const struct ticket *ticket)
{
    bool tile = ticket->route == KW_ROUTE_LEDGER && ticket->call.status == 200 &&
                strncmp(ticket->call.path, "/v1/ledger/tile/", 16) == 0;
    return tile ? "private, max-age=31536000, immutable" : "no-store";
}

/* From the API: the answer is written by the worker if this is it, else handed over to it. */
static void on_done(struct kw_api_call *call)
{
    struct ticket *ticket = call->arg;
    int64_t us = kw_clock_us() - ticket->req->received_us;
    bool later = call->status == 429 || call->status == 503 || call->status == 507;
    struct kw_http_field headers[] = {{"Cache-Control", caching(ticket)},
                                      {"X-Request-Id", ticket->req->id},
                                      {later ? "Retry-After" : NULL, "1"},
                                      {NULL, NULL}};
    kw_server_measure(ticket->server, ticket->route, call->status, us);
    log_answer(ticket, us);
    kw_http_respond(ticket->req, call->status, call->content_type, &call->body_out, headers);
    ticket_free(ticket);
}

static void on_worker(struct kw_http_request *req, void *arg)
{
    struct ticket *ticket = arg;
    KW_UNUSED(req);
    ticket->resume(&ticket->call);
}

static void post(struct kw_api_call *call, void (*resume)(struct kw_api_call *call))
{
    struct ticket *ticket = call->arg;
    ticket->resume = resume;
    kw_http_post(ticket->req, on_worker, ticket);
}

static void refuse(struct kw_server *server, struct kw_http_request *req,
                   const struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    int status = kw_code_http_status(err->code);
    struct kw_http_field headers[] = {{"Cache-Control", "no-store"},
                                      {"X-Request-Id", req->id},
                                      {status == 401   ? "WWW-Authenticate"
                                       : status == 429 ? "Retry-After"
                                                       : NULL,
                                       status == 401 ? "Bearer realm=\"keyward\"" : "1"},
                                      {NULL, NULL}};
    kw_server_measure(server, kw_server_route_of(req->path), status,
                      kw_clock_us() - req->received_us);
    if (kw_server_may_log(server, req->peer->remote))
        kw_log(KW_LOG_INFO, "refused", KW_LOG_STR("request_id", req->id),
               KW_LOG_STR("code", kw_code_name(err->code)), KW_LOG_STR("reason", err->text),
               KW_LOG_STR("remote", req->peer->remote));
    kw_http_error_body(&body, err->code, err->text, req->id);
    kw_http_respond(req, status, "application/json", &body, headers);
}

static const char *api_method(const struct kw_http_request *req)
{
    return req->method == KW_HTTP_HEAD ? "GET" : req->method_text;
}

/* Most paths need no decoding, and then the request's own text serves. */
static KW_ERR take_path(struct ticket *ticket, struct kw_error *err)
{
    ticket->call.path = ticket->req->path;
    if (strchr(ticket->req->path, '%') == NULL)
        return KW_OK;
    KW_TRY(kw_http_percent_decode(&ticket->path, ticket->req->path, err));
    ticket->call.path = kw_buf_str(&ticket->path);
    return kw_buf_status(&ticket->path, err);
}

static KW_ERR admit(struct kw_server *server, struct ticket *ticket, struct kw_error *err)
{
    KW_TRY(kw_server_same_site(ticket->req, err));
    kw_code code = kw_server_identify(server, ticket->req, &ticket->who, err);
    if (code != KW_OK) {
        atomic_fetch_add(&server->unauthenticated, 1);
        return code;
    }
    if (!kw_rate_take(server->rate, kw_rate_key(ticket->who.principal), 1)) {
        atomic_fetch_add(&server->rate_limited, 1);
        return kw_fail(err, KW_RATE_LIMITED, "more than %u requests a second",
                       server->options.rate_principal);
    }
    return take_path(ticket, err);
}

static void to_api(struct kw_server *server, struct kw_http_request *req)
{
    struct kw_error err = {0};
    struct ticket *ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL) {
        kw_http_respond_error(req, KW_NO_MEMORY, NULL);
        return;
    }
    atomic_fetch_add(&server->in_flight, 1);
    ticket->server = server;
    ticket->req = req;
    ticket->route = kw_server_route_of(req->path);
    ticket->call.body_out.secret = true;
    if (admit(server, ticket, &err) != KW_OK) {
        refuse(server, req, &err);
        ticket_free(ticket);
        return;
    }
    struct kw_api_call *call = &ticket->call;
    call->method = api_method(req);
    call->query = req->query;
    call->body = kw_buf_bytes(&req->body);
    call->caller = (struct kw_caller){.principal = ticket->who.principal,
                                      .rights = ticket->who.rights,
                                      .tenants = ticket->who.tenants,
                                      .source = ticket->who.source,
                                      .request_id = req->id};
    call->more = true; /* see kw_server_batch */
    call->done = on_done;
    call->post = post;
    call->arg = ticket;
    kw_api_start(kw_home_api(server->options.home), call);
}

/* A worker has handled all the requests that had come, and may wait for the next. */
void kw_server_batch(void *arg, unsigned worker)
{
    struct kw_server *server = arg;
    KW_UNUSED(worker);
    kw_api_kick(kw_home_api(server->options.home));
    kw_aead_forget();
}

/* ---- What the server answers itself -----------------------------------------------------------
 */

static void answer_text(struct kw_http_request *req, int status, const char *type, const char *text)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    kw_buf_append_str(&body, text);
    kw_http_respond(req, status, type, &body, NULL);
}

static void healthz(struct kw_server *server, struct kw_http_request *req)
{
    KW_UNUSED(server);
    answer_text(req, 200, "text/plain; charset=utf-8", "ok\n");
}

/* Ready means that a data key could be released: the ledger takes entries. */
static void readyz(struct kw_server *server, struct kw_http_request *req)
{
    struct kw_authority *authority = kw_home_authority(server->options.home);
    kw_code state = kw_ledger_stats(kw_authority_ledger(authority)).state;
    if (state == KW_OK)
        answer_text(req, 200, "text/plain; charset=utf-8", "ready\n");
    else
        kw_http_respond_error(req, state, NULL);
}

static void openapi(struct kw_server *server, struct kw_http_request *req)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    struct kw_bytes document = kw_api_openapi();
    KW_UNUSED(server);
    kw_buf_append(&body, document.data, document.len);
    kw_http_respond(req, 200, "application/json", &body, NULL);
}

static void metrics(struct kw_server *server, struct kw_http_request *req)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_server_identity) who = {0};
    struct kw_error err = {0};
    if (!kw_server_from_loopback(req) && kw_server_identify(server, req, &who, &err) != KW_OK) {
        refuse(server, req, &err);
        return;
    }
    kw_server_metrics(server, &body);
    kw_http_respond(req, 200, "text/plain; version=0.0.4; charset=utf-8", &body, NULL);
}

static const struct {
    const char *path;
    void (*answer)(struct kw_server *server, struct kw_http_request *req);
} own[] = {
    {"/healthz", healthz},
    {"/readyz", readyz},
    {"/metrics", metrics},
    {"/openapi.json", openapi},
};

void kw_server_handle(void *arg, struct kw_http_request *req)
{
    struct kw_server *server = arg;
    for (size_t i = 0; i < KW_COUNT(own); i++) {
        if (strcmp(req->path, own[i].path) != 0)
            continue;
        if (req->method == KW_HTTP_GET || req->method == KW_HTTP_HEAD)
            own[i].answer(server, req);
        else
            kw_http_respond_error(req, KW_METHOD_NOT_ALLOWED, NULL);
        return;
    }
    to_api(server, req);
}

#include "web/web.h"

#include "base/clock.h"
#include "web/internal.h"

#include <errno.h>
#include <unistd.h>

enum { LONGEST_MS = 3600000, CALL_MS = 30000 };

static const char *none_if_empty(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static KW_ERR copy_file_name(const char *from, const char *what, const char **to,
                             struct kw_error *err)
{
    from = none_if_empty(from);
    if (from == NULL)
        return KW_OK;
    if (access(from, R_OK) != 0)
        return kw_fail(err, KW_BAD_CONFIG, "the %s %s cannot be read: %s", what, from,
                       strerrordesc_np(errno));
    *to = strdup(from);
    return *to != NULL ? KW_OK : kw_fail_code(err, KW_NO_MEMORY);
}

static KW_ERR copy_files(const struct kw_web_options *from, struct kw_web_options *to,
                         struct kw_error *err)
{
    if ((none_if_empty(from->cert_file) == NULL) != (none_if_empty(from->key_file) == NULL))
        return kw_fail(err, KW_BAD_CONFIG,
                       "a client certificate needs its key and a key its certificate: give both or "
                       "none");
    KW_TRY(copy_file_name(from->ca_file, "CA file", &to->ca_file, err));
    KW_TRY(copy_file_name(from->cert_file, "client certificate", &to->cert_file, err));
    return copy_file_name(from->key_file, "client key", &to->key_file, err);
}

KW_ERR kw_web_new(const struct kw_web_options *options, struct kw_web **out, struct kw_error *err)
{
    struct kw_web *web = calloc(1, sizeof *web);
    if (web == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = kw_engine_use(err);
    if (code != KW_OK) {
        free(web);
        return code;
    }
    web->options = *options;
    web->options.ca_file = web->options.cert_file = web->options.key_file = NULL;
    if (web->options.connect_timeout_ms == 0)
        web->options.connect_timeout_ms = KW_WEB_CONNECT_TIMEOUT_MS;
    code = copy_files(options, &web->options, err);
    if (code == KW_OK)
        *out = web;
    else
        kw_web_free(web);
    return code;
}

void kw_web_free(struct kw_web *web)
{
    if (web == NULL)
        return;
    kw_engine_leave();
    free((void *)(uintptr_t)web->options.ca_file);
    free((void *)(uintptr_t)web->options.cert_file);
    free((void *)(uintptr_t)web->options.key_file);
    free(web);
}

KW_ERR kw_web_send(struct kw_web *web, const struct kw_web_request *request,
                   struct kw_web_response *response, struct kw_error *err)
{
    KW_AUTO_PTR(kw_transfer) transfer = NULL;
    int64_t left_ms = request->deadline_ms - kw_clock_ms();
    if (left_ms <= 0)
        return kw_fail(err, KW_TIMEOUT, "the time for this call is over");
    if (left_ms > LONGEST_MS)
        left_ms = LONGEST_MS;
    KW_TRY(kw_transfer_new(web, request, left_ms, &transfer, err));
    response->reached = true; /* until more is known */
    KW_TRY(kw_engine_run(&transfer, left_ms, err));
    kw_transfer_finish(transfer);
    if (transfer->result != CURLE_OK) {
        response->reached = transfer->response.reached;
        return kw_transfer_explain(web, transfer, err);
    }
    kw_web_response_wipe(response);
    *response = transfer->response;
    transfer->response = (struct kw_web_response)KW_WEB_RESPONSE_INIT;
    return KW_OK;
}

/* A failure of the transport as one that a provider may have. */
static kw_code as_provider(kw_code code)
{
    switch (code) {
    case KW_CONNECT_FAILED:
    case KW_BAD_CERTIFICATE:
    case KW_UNAVAILABLE:
    case KW_TOO_LARGE:
    case KW_BAD_REQUEST:
    case KW_BAD_CONFIG:
    case KW_INTERNAL:
        return KW_PROVIDER_UNAVAILABLE;
    default:
        return code;
    }
}

static struct kw_web_request bounded(const struct kw_web_request *request)
{
    struct kw_web_request mine = *request;
    if (mine.deadline_ms == 0)
        mine.deadline_ms = kw_clock_ms() + CALL_MS;
    return mine;
}

KW_ERR kw_web_call(struct kw_web *web, const struct kw_web_request *request,
                   struct kw_web_response *response, struct kw_error *err)
{
    struct kw_error why;
    const struct kw_web_request mine = bounded(request);
    kw_code code = kw_web_send(web, &mine, response, &why);
    return code == KW_OK ? KW_OK : kw_fail(err, as_provider(code), "%s", why.text);
}

KW_ERR kw_web_call_judged(struct kw_web *web, const struct kw_web_request *request,
                          kw_web_judge *judge, struct kw_web_response *response,
                          struct kw_error *err)
{
    KW_TRY(kw_web_call(web, request, response, err));
    if (response->status >= 200 && response->status < 300)
        return KW_OK;
    kw_code code = judge(response, err);
    if (code != KW_OK)
        kw_web_response_wipe(response);
    return code;
}

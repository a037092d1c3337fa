#include "gcp/gcp.h"

#include "base/clock.h"
#include "gcp/codec.h"
#include "gcp/internal.h"
#include "provider/ops.h"

enum { ANSWER_MAX = 65536, CALL_MS = 30000, URL_SIZE = 1600 };

/* What is asked of one key. */
struct question {
    const char *method;
    char url[URL_SIZE];
    struct kw_bytes body;
    kw_web_judge *judge;
    int64_t deadline_ms;
};

static kw_code judge(const struct kw_web_response *response, struct kw_error *err)
{
    return kw_gcp_error(response->status, kw_buf_bytes(&response->body), false, err);
}

static kw_code judge_decrypt(const struct kw_web_response *response, struct kw_error *err)
{
    return kw_gcp_error(response->status, kw_buf_bytes(&response->body), true, err);
}

static int64_t deadline_of(const struct kw_provider_call *call)
{
    return call->deadline_ms != 0 ? call->deadline_ms : kw_clock_ms() + CALL_MS;
}

static KW_ERR check_name(const struct kw_provider_call *call, struct kw_error *err)
{
    if (kw_gcp_is_key_name(call->key))
        return KW_OK;
    return kw_fail(err, KW_KEY_NOT_FOUND,
                   "%.120s is no key of Google Cloud KMS: one is named "
                   "projects/P/locations/L/keyRings/R/cryptoKeys/K",
                   call->key);
}

static KW_ERR ask_with(struct kw_gcp *gcp, const struct question *question,
                       const struct kw_bearer_token *token, struct kw_web_response *response,
                       struct kw_error *err)
{
    const struct kw_web_header headers[] = {
        {"Authorization", kw_bearer_header(token)},
        {"Content-Type", "application/json"},
    };
    const struct kw_web_request request = {
        .method = question->method,
        .url = question->url,
        .headers = headers,
        .header_count = question->body.len > 0 ? 2 : 1,
        .body = question->body,
        .max = ANSWER_MAX,
        .deadline_ms = question->deadline_ms,
    };
    return kw_web_call_judged(gcp->web, &request, question->judge, response, err);
}

/* A token that is refused may have been revoked: once more with another. */
static KW_ERR ask(struct kw_gcp *gcp, const struct question *question,
                  struct kw_web_response *response, struct kw_error *err)
{
    struct kw_error why;
    for (int tries = 0; tries < 2; tries++) {
        KW_AUTO_PTR(kw_bearer_token) token = NULL;
        KW_TRY(kw_bearer_get(gcp->bearer, question->deadline_ms, &token, err));
        kw_code code = ask_with(gcp, question, token, response, &why);
        if (code == KW_OK)
            return KW_OK;
        if (code != KW_UNAUTHENTICATED)
            return kw_fail(err, code, "%s", why.text);
        kw_bearer_drop(gcp->bearer, token);
    }
    return kw_fail(err, KW_FORBIDDEN, "%s", why.text);
}

static void address(struct question *question, const struct kw_gcp *gcp, const char *key,
                    const char *verb)
{
    snprintf(question->url, sizeof question->url, "%s/v1/%s%s", gcp->address, key, verb);
}

static kw_code gcp_wrap(void *state, const struct kw_provider_call *call,
                        const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err)
{
    struct kw_gcp *gcp = state;
    KW_AUTO(kw_buf) body = KW_BUF_SECRET;
    KW_TRY(check_name(call, err));
    kw_gcp_put_encrypt(&body, call, plaintext);
    KW_TRY(kw_buf_status(&body, err));
    struct question question = {.method = "POST",
                                .body = kw_buf_bytes(&body),
                                .judge = judge,
                                .deadline_ms = deadline_of(call)};
    address(&question, gcp, call->key, ":encrypt");
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(ask(gcp, &question, &response, err));
    return kw_gcp_get_ciphertext(kw_buf_bytes(&response.body), call->key, out, err);
}

static kw_code gcp_unwrap(void *state, const struct kw_provider_call *call, struct kw_bytes wrapped,
                          struct kw_secret *out, struct kw_error *err)
{
    struct kw_gcp *gcp = state;
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_TRY(check_name(call, err));
    kw_gcp_put_decrypt(&body, call, wrapped);
    KW_TRY(kw_buf_status(&body, err));
    struct question question = {.method = "POST",
                                .body = kw_buf_bytes(&body),
                                .judge = judge_decrypt,
                                .deadline_ms = deadline_of(call)};
    address(&question, gcp, call->key, ":decrypt");
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(ask(gcp, &question, &response, err));
    return kw_gcp_get_plaintext(kw_buf_bytes(&response.body), out, err);
}

static kw_code gcp_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    struct kw_gcp *gcp = state;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_TRY(check_name(call, err));
    struct question question = {.method = "GET", .judge = judge, .deadline_ms = deadline_of(call)};
    address(&question, gcp, call->key, "");
    KW_TRY(ask(gcp, &question, &response, err));
    return kw_gcp_check_key(kw_buf_bytes(&response.body), err);
}

/* POST .../cryptoKeys?cryptoKeyId=K, within the key ring, which must be there. */
static KW_ERR make_key(struct kw_gcp *gcp, const struct kw_provider_call *call,
                       struct kw_error *err)
{
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    const char *id = strrchr(call->key, '/') + 1;
    char parent[KW_PROVIDER_KEY_NAME_MAX + 1];
    char verb[KW_PROVIDER_KEY_NAME_MAX + 32];
    snprintf(parent, sizeof parent, "%.*s", (int)(id - 1 - call->key), call->key);
    snprintf(verb, sizeof verb, "?cryptoKeyId=%s", id);
    kw_gcp_put_create(&body);
    KW_TRY(kw_buf_status(&body, err));
    struct question question = {.method = "POST",
                                .body = kw_buf_bytes(&body),
                                .judge = judge,
                                .deadline_ms = deadline_of(call)};
    address(&question, gcp, parent, verb);
    return ask(gcp, &question, &response, err);
}

static kw_code gcp_create(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    kw_code code = gcp_check(state, call, err);
    if (code != KW_KEY_NOT_FOUND || check_name(call, err) != KW_OK)
        return code;
    code = make_key(state, call, err);
    return code == KW_OK || code == KW_EXISTS ? gcp_check(state, call, err) : code;
}

static void gcp_free(void *state)
{
    kw_gcp_close(state);
    free(state);
}

static const struct kw_provider_ops ops = {
    .kind = "gcp",
    .wrap = gcp_wrap,
    .unwrap = gcp_unwrap,
    .check = gcp_check,
    .create = gcp_create,
    .free = gcp_free,
};

KW_ERR kw_provider_gcp_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                           struct kw_error *err)
{
    struct kw_gcp *gcp = calloc(1, sizeof *gcp);
    if (gcp == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = kw_gcp_open(settings, gcp, err);
    if (code != KW_OK) {
        gcp_free(gcp);
        return code;
    }
    return kw_provider_new(&ops, gcp, settings->name, out, err);
}

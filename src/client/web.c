#include "client/web.h"

#include "base/clock.h"
#include "base/secret.h"
#include "client/web_error.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

enum { POOL = 64, CONNECT_TIMEOUT_MS = 5000 };

/* Handles are free or in use by one thread; each holds one connection. */
struct kw_web {
    struct kw_web_options options; /* token is not kept here */
    struct kw_secret header;       /* "Authorization: Bearer ..." */
    struct curl_slist headers[3];  /* a list that libcurl only reads; the token stays in header */
    pthread_mutex_t lock;
    CURL *idle[POOL];
    size_t idle_count;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void global_init(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static KW_ERR copy_text(const char *from, const char **to, struct kw_error *err)
{
    if (from == NULL)
        return KW_OK;
    *to = strdup(from);
    return *to != NULL ? KW_OK : kw_fail_code(err, KW_NO_MEMORY);
}

static KW_ERR check_file(const char *path, const char *what, struct kw_error *err)
{
    if (path != NULL && access(path, R_OK) != 0)
        return kw_fail(err, KW_BAD_CONFIG, "the %s %s cannot be read: %s", what, path,
                       strerrordesc_np(errno));
    return KW_OK;
}

static KW_ERR check_options(const struct kw_web_options *options, struct kw_error *err)
{
    if ((options->cert_file == NULL) != (options->key_file == NULL))
        return kw_fail(err, KW_BAD_CONFIG,
                       "a client certificate needs its key and a key its certificate: give both "
                       "(KEYWARD_CERT, KEYWARD_KEY) or none");
    KW_TRY(check_file(options->ca_file, "CA file", err));
    KW_TRY(check_file(options->cert_file, "client certificate", err));
    return check_file(options->key_file, "client key", err);
}

/* A token is one word: anything else would end the header line and begin another. */
static KW_ERR set_token(struct kw_web *web, const char *token, struct kw_error *err)
{
    static const char lead[] = "Authorization: Bearer ";
    static char json[] = "Content-Type: application/json";
    static char expect[] = "Expect:"; /* without content: not sent */
    web->headers[0] = (struct curl_slist){.data = json, .next = &web->headers[1]};
    web->headers[1] = (struct curl_slist){.data = expect, .next = NULL};
    if (token == NULL)
        return KW_OK;
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return kw_fail(err, KW_BAD_CONFIG,
                           "the token holds a space or a character that no "
                           "token has: check KEYWARD_TOKEN");
    if (len > 4096)
        return kw_fail(err, KW_BAD_CONFIG, "the token is too long: check KEYWARD_TOKEN");
    KW_TRY(kw_secret_alloc(&web->header, sizeof lead + len, err));
    memcpy(web->header.data, lead, sizeof lead - 1);
    memcpy(web->header.data + sizeof lead - 1, token, len);
    web->headers[1].next = &web->headers[2];
    web->headers[2] = (struct curl_slist){.data = (char *)web->header.data, .next = NULL};
    return KW_OK;
}

static const char *none_if_empty(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

KW_ERR kw_web_new(const struct kw_web_options *given, struct kw_web **out, struct kw_error *err)
{
    struct kw_web_options copy = {
        .token = none_if_empty(given->token),
        .ca_file = none_if_empty(given->ca_file),
        .cert_file = none_if_empty(given->cert_file),
        .key_file = none_if_empty(given->key_file),
        .connect_timeout_ms = given->connect_timeout_ms,
        .plain = given->plain,
    };
    const struct kw_web_options *options = &copy;
    pthread_once(&global_once, global_init);
    if (global_result != CURLE_OK)
        return kw_fail(err, KW_INTERNAL, "libcurl cannot be initialised: %s",
                       curl_easy_strerror(global_result));
    KW_TRY(check_options(options, err));
    KW_AUTO_PTR(kw_web) web = calloc(1, sizeof *web);
    if (web == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_mutex_init(&web->lock, NULL);
    web->options.plain = options->plain;
    web->options.connect_timeout_ms =
        options->connect_timeout_ms != 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    KW_TRY(copy_text(options->ca_file, &web->options.ca_file, err));
    KW_TRY(copy_text(options->cert_file, &web->options.cert_file, err));
    KW_TRY(copy_text(options->key_file, &web->options.key_file, err));
    KW_TRY(set_token(web, options->token, err));
    *out = web;
    web = NULL;
    return KW_OK;
}

void kw_web_free(struct kw_web *web)
{
    if (web == NULL)
        return;
    for (size_t i = 0; i < web->idle_count; i++)
        curl_easy_cleanup(web->idle[i]);
    pthread_mutex_destroy(&web->lock);
    kw_secret_wipe(&web->header);
    free((void *)(uintptr_t)web->options.ca_file);
    free((void *)(uintptr_t)web->options.cert_file);
    free((void *)(uintptr_t)web->options.key_file);
    free(web);
}

void kw_web_response_wipe(struct kw_web_response *response)
{
    kw_buf_wipe(&response->body);
    *response = (struct kw_web_response){.body = {.secret = true}};
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct kw_buf *body = arg;
    kw_buf_append(body, data, size * count);
    return body->failed ? 0 : size * count;
}

/* What every request of this web has in common. libcurl's setters fail only for options that it was
 * built without; all are collected, so that none is missed. */
static CURLcode set_up(CURL *handle, const struct kw_web *web)
{
    const struct kw_web_options *o = &web->options;
    const char *protocols = o->plain ? "http,https" : "https";
    CURLcode bad = CURLE_OK;
#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set_ = curl_easy_setopt(handle, option, value);                                   \
        bad = bad == CURLE_OK ? set_ : bad;                                                        \
    } while (0)
    SET(CURLOPT_PROTOCOLS_STR, protocols);
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "https"); /* an empty list is refused; none are followed */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* not even that of the environment */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_USERAGENT, "keyward/" KW_VERSION);
    SET(CURLOPT_HTTPHEADER, &web->headers[0]);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    if (o->ca_file != NULL) {
        SET(CURLOPT_CAINFO, o->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* else the system's CAs would be trusted beside it */
    }
    if (o->cert_file != NULL) {
        SET(CURLOPT_SSLCERT, o->cert_file);
        SET(CURLOPT_SSLKEY, o->key_file);
    }
#undef SET
    return bad;
}

static KW_ERR take(struct kw_web *web, CURL **out, struct kw_error *err)
{
    CURL *handle = NULL;
    pthread_mutex_lock(&web->lock);
    if (web->idle_count > 0)
        handle = web->idle[--web->idle_count];
    pthread_mutex_unlock(&web->lock);
    if (handle == NULL) {
        handle = curl_easy_init();
        if (handle == NULL)
            return kw_fail_code(err, KW_NO_MEMORY);
        CURLcode bad = set_up(handle, web);
        if (bad != CURLE_OK) {
            curl_easy_cleanup(handle);
            return kw_fail(err, KW_INTERNAL, "libcurl refuses an option: %s",
                           curl_easy_strerror(bad));
        }
    }
    *out = handle;
    return KW_OK;
}

static void give_back(struct kw_web *web, CURL *handle)
{
    pthread_mutex_lock(&web->lock);
    bool kept = web->idle_count < POOL;
    if (kept)
        web->idle[web->idle_count++] = handle;
    pthread_mutex_unlock(&web->lock);
    if (!kept)
        curl_easy_cleanup(handle);
}

/* May the server have got any of the request? TLS must have stood for that. */
static bool reached(CURL *handle)
{
    curl_off_t ready_us = 0;
    long sent = 0;
    curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    curl_easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &sent);
    return ready_us > 0 || sent > 0;
}

static void aim(CURL *handle, const struct kw_web *web, const struct kw_web_request *request,
                struct kw_web_response *response, long left_ms)
{
    bool post = strcmp(request->method, "POST") == 0;
    bool get = strcmp(request->method, "GET") == 0;
    long connect_ms = (long)web->options.connect_timeout_ms;
    curl_easy_setopt(handle, CURLOPT_URL, request->url);
    if (post) {
        curl_easy_setopt(handle, CURLOPT_POST, 1L);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS,
                         request->body.len > 0 ? (const char *)request->body.data : "");
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    } else {
        curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, post || get ? NULL : request->method);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, left_ms);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                     connect_ms < left_ms ? connect_ms : left_ms);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &response->body);
}

static void read_head(CURL *handle, struct kw_web_response *response)
{
    long status = 0;
    curl_off_t retry_after = 0;
    const char *type = NULL;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(handle, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &retry_after);
    response->status = (int)status;
    response->retry_after_ms =
        retry_after > 0 && retry_after < 3600 ? (int64_t)retry_after * 1000 : 0;
    if (type != NULL)
        snprintf(response->content_type, sizeof response->content_type, "%.*s",
                 (int)strcspn(type, "; \t"), type);
}

/* An answer that ends where the connection does may have lost its end, and its header too: libcurl
 * takes both for whole. */
static bool is_whole(CURL *handle, int status)
{
    struct curl_header *header = NULL;
    return status == 204 ||
           curl_easy_header(handle, "Content-Length", 0, CURLH_HEADER, -1, &header) == CURLHE_OK ||
           curl_easy_header(handle, "Transfer-Encoding", 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
}

KW_ERR kw_web_send(struct kw_web *web, const struct kw_web_request *request,
                   struct kw_web_response *response, struct kw_error *err)
{
    CURL *handle = NULL;
    char detail[CURL_ERROR_SIZE] = "";
    int64_t left_ms = request->deadline_ms - kw_clock_ms();
    if (left_ms <= 0)
        return kw_fail(err, KW_TIMEOUT, "the time for this call is over");
    KW_TRY(take(web, &handle, err));
    response->body.secret = true;
    response->body.max = request->max;
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
    aim(handle, web, request, response, (long)left_ms);
    CURLcode result = curl_easy_perform(handle);
    response->reached = reached(handle);
    if (result == CURLE_OK)
        read_head(handle, response);
    if (result == CURLE_OK && !is_whole(handle, response->status))
        result = CURLE_PARTIAL_FILE;
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, NULL);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, NULL);
    give_back(web, handle);
    return result == CURLE_OK ? KW_OK : kw_web_explain(result, detail, response, err);
}

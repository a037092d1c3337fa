/* One request as libcurl is told of it, and its answer as libcurl tells it. */
#include "web/internal.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* A connection on which nothing is acknowledged any more is given up while the request still has
 * time for a fresh one (libcurl takes one if nothing had come back), and with HTTP/2 all requests
 * to the host would go on sharing it. One is not kept for longer than LIFETIME_S, so that renewed
 * certificates and addresses come into use; nor used after IDLE_S without a request, since boxes in
 * the middle forget it; and it is probed from PROBE_S on. */
enum {
    UNACKED_LEAST_MS = 500,
    UNACKED_MOST_MS = 10000,
    UNACKED_PART = 2,
    LIFETIME_S = 600,
    IDLE_S = 60,
    PROBE_S = 15,
    PROBE_EACH_S = 5,
    CA_CACHE_S = 60
};

void kw_transfer_free(struct kw_transfer *transfer)
{
    if (transfer == NULL)
        return;
    curl_easy_cleanup(transfer->easy);
    kw_buf_wipe(&transfer->lines);
    kw_buf_wipe(&transfer->sent);
    kw_web_response_wipe(&transfer->response);
    free(transfer);
}

void kw_web_response_wipe(struct kw_web_response *response)
{
    kw_buf_wipe(&response->headers);
    kw_buf_wipe(&response->body);
    *response = (struct kw_web_response)KW_WEB_RESPONSE_INIT;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct kw_buf *body = arg;
    kw_buf_append(body, data, size * count);
    return body->failed ? 0 : size * count;
}

/* Called a line; a status line begins anew what interim answers (100, 103) had begun. */
static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct kw_buf *headers = arg;
    if (count >= 5 && memcmp(data, "HTTP/", 5) == 0)
        kw_buf_reset(headers);
    else
        kw_buf_append(headers, data, size * count);
    return headers->failed ? 0 : size * count;
}

/* Not inherited by programs that are started; never waiting for ever on a peer that has vanished.
 */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    const struct kw_transfer *transfer = arg;
    KW_UNUSED(purpose);
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0 && address->socktype == SOCK_STREAM)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &transfer->unacked_ms,
                         sizeof transfer->unacked_ms);
    return fd;
}

/* libcurl's setters fail for options that it was built without and for want of memory; all results
 * are collected, so that none is missed. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set_ = curl_easy_setopt(handle, option, value);                                   \
        bad = bad == CURLE_OK ? set_ : bad;                                                        \
    } while (0)

static CURLcode set_trust(CURL *handle, const struct kw_web_options *o)
{
    CURLcode bad = CURLE_OK;
    SET(CURLOPT_SSLVERSION, (long)(o->tls12 ? CURL_SSLVERSION_TLSv1_2 : CURL_SSLVERSION_TLSv1_3));
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_S);
    if (o->ca_file != NULL) {
        SET(CURLOPT_CAINFO, o->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* else the system's CAs would be trusted beside it */
    }
    if (o->cert_file != NULL) {
        SET(CURLOPT_SSLCERT, o->cert_file);
        SET(CURLOPT_SSLKEY, o->key_file);
    }
    return bad;
}

static CURLcode set_connection(CURL *handle, struct kw_transfer *transfer)
{
    CURLcode bad = CURLE_OK;
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, (long)PROBE_S);
    SET(CURLOPT_TCP_KEEPINTVL, (long)PROBE_EACH_S);
    SET(CURLOPT_MAXLIFETIME_CONN, (long)LIFETIME_S);
    SET(CURLOPT_MAXAGE_CONN, (long)IDLE_S);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
    SET(CURLOPT_OPENSOCKETDATA, transfer);
    return bad;
}

static CURLcode set_manners(CURL *handle, const struct kw_web_options *o)
{
    CURLcode bad = CURLE_OK;
    SET(CURLOPT_PROTOCOLS_STR, o->plain ? "http,https" : "https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "https"); /* an empty list is refused; none are followed */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* not even that of the environment */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a name that is still being resolved keeps nobody waiting */
    SET(CURLOPT_HTTP_VERSION, (long)(o->http1 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_USERAGENT, "keyward/" KW_VERSION);
    return bad;
}

static bool method_is(const struct kw_web_request *request, const char *method)
{
    return strcmp(request->method, method) == 0;
}

static CURLcode set_request(CURL *handle, const struct kw_web_options *o,
                            const struct kw_web_request *request, struct kw_transfer *transfer)
{
    CURLcode bad = CURLE_OK;
    SET(CURLOPT_URL, request->url);
    if (method_is(request, "HEAD")) {
        SET(CURLOPT_NOBODY, 1L);
    } else if (request->body.len > 0 || method_is(request, "POST")) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, kw_buf_str(&transfer->sent));
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    if (!method_is(request, "HEAD") && !method_is(request, "POST"))
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    /* Many requests at once wait for the first one's handshake to say whether they can share its
     * connection. Without TLS its answer would say so, and that may take long. */
    bool shares = !o->http1 && strncasecmp(request->url, "https:", 6) == 0;
    SET(CURLOPT_PIPEWAIT, shares ? 1L : 0L);
    SET(CURLOPT_FRESH_CONNECT, request->once ? 1L : 0L);
    SET(CURLOPT_HTTPHEADER, &transfer->list[0]);
    return bad;
}

static CURLcode set_answer(CURL *handle, struct kw_transfer *transfer)
{
    CURLcode bad = CURLE_OK;
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->detail);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, &transfer->response.body);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, &transfer->response.headers);
    return bad;
}

static CURLcode set_times(CURL *handle, const struct kw_web_options *o, int64_t left_ms)
{
    CURLcode bad = CURLE_OK;
    int64_t connect_ms = o->connect_timeout_ms;
    SET(CURLOPT_TIMEOUT_MS, (long)left_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ms < left_ms ? connect_ms : left_ms));
    return bad;
}
#undef SET

static KW_ERR set_up(struct kw_transfer *transfer, const struct kw_web *web,
                     const struct kw_web_request *request, int64_t left_ms, struct kw_error *err)
{
    const CURLcode results[] = {
        set_trust(transfer->easy, &web->options),
        set_connection(transfer->easy, transfer),
        set_manners(transfer->easy, &web->options),
        set_request(transfer->easy, &web->options, request, transfer),
        set_answer(transfer->easy, transfer),
        set_times(transfer->easy, &web->options, left_ms),
    };
    for (size_t i = 0; i < KW_COUNT(results); i++)
        if (results[i] != CURLE_OK)
            return kw_fail(err, results[i] == CURLE_OUT_OF_MEMORY ? KW_NO_MEMORY : KW_INTERNAL,
                           "libcurl refuses an option: %s", curl_easy_strerror(results[i]));
    return KW_OK;
}

/* Anything else would end the header line and begin another. */
static KW_ERR check_header(const struct kw_web_header *header, struct kw_error *err)
{
    static const char name_marks[] = "!#$%&'*+-.^_`|~";
    bool fits = header->name[0] != '\0' && strlen(header->value) <= KW_WEB_HEADER_SIZE;
    for (const char *c = header->name; *c != '\0'; c++)
        fits = fits && ((*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z') ||
                        strchr(name_marks, *c) != NULL);
    for (const char *c = header->value; *c != '\0'; c++)
        fits = fits && ((*c >= ' ' && *c <= '~') || *c == '\t');
    return fits ? KW_OK
                : kw_fail(err, KW_BAD_REQUEST,
                          "the value for the header %.40s holds a line break or another character "
                          "that no header has, or is too long",
                          header->name);
}

static KW_ERR write_lines(struct kw_transfer *transfer, const struct kw_web_request *request,
                          struct kw_error *err)
{
    if (request->header_count > KW_WEB_HEADERS_MAX)
        return kw_fail(err, KW_INTERNAL, "a request with more than %d headers", KW_WEB_HEADERS_MAX);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct kw_web_header *header = &request->headers[i];
        KW_TRY(check_header(header, err));
        kw_buf_append_str(&transfer->lines, header->name);
        /* libcurl takes "Name:" for the wish to leave the header out. */
        kw_buf_append_str(&transfer->lines, header->value[0] != '\0' ? ": " : ";");
        kw_buf_append(&transfer->lines, header->value, strlen(header->value) + 1);
    }
    return kw_buf_status(&transfer->lines, err);
}

/* libcurl's own Expect and, unless the request names one, Content-Type are left out. */
static KW_ERR set_headers(struct kw_transfer *transfer, const struct kw_web_request *request,
                          struct kw_error *err)
{
    static char no_expect[] = "Expect:";
    static char no_type[] = "Content-Type:";
    bool typed = false;
    size_t count = 0;
    KW_TRY(write_lines(transfer, request, err));
    char *at = (char *)transfer->lines.data;
    for (size_t i = 0; i < request->header_count; i++, at += strlen(at) + 1) {
        transfer->list[count++].data = at;
        typed = typed || strcasecmp(request->headers[i].name, "Content-Type") == 0;
    }
    transfer->list[count++].data = no_expect;
    if (!typed)
        transfer->list[count++].data = no_type;
    for (size_t i = 0; i + 1 < count; i++)
        transfer->list[i].next = &transfer->list[i + 1];
    return KW_OK;
}

static unsigned unacked_ms(int64_t left_ms)
{
    int64_t ms = left_ms / UNACKED_PART;
    if (ms < UNACKED_LEAST_MS)
        return UNACKED_LEAST_MS;
    return (unsigned)(ms < UNACKED_MOST_MS ? ms : UNACKED_MOST_MS);
}

KW_ERR kw_transfer_new(const struct kw_web *web, const struct kw_web_request *request,
                       int64_t left_ms, struct kw_transfer **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_transfer) transfer = calloc(1, sizeof *transfer);
    if (transfer == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    transfer->lines.secret = true;
    transfer->sent.secret = true;
    transfer->response.body = (struct kw_buf){.secret = true, .max = request->max};
    transfer->response.headers.max = KW_WEB_HEADER_SIZE;
    transfer->unacked_ms = unacked_ms(left_ms);
    KW_TRY(set_headers(transfer, request, err));
    kw_buf_append(&transfer->sent, request->body.data, request->body.len);
    KW_TRY(kw_buf_status(&transfer->sent, err));
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    KW_TRY(set_up(transfer, web, request, left_ms, err));
    *out = transfer;
    transfer = NULL;
    return KW_OK;
}

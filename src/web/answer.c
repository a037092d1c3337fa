/* What came back: read off libcurl's handle, and explained where nothing came. */
#include "web/internal.h"

enum { RETRY_AFTER_MAX_S = 3600 };

/* May the server have got any of the request? TLS must have stood for that. */
static bool reached(CURL *handle)
{
    curl_off_t ready_us = 0;
    long sent = 0;
    curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    curl_easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &sent);
    return ready_us > 0 || sent > 0;
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
        retry_after > 0 && retry_after < RETRY_AFTER_MAX_S ? (int64_t)retry_after * 1000 : 0;
    if (type != NULL)
        snprintf(response->content_type, sizeof response->content_type, "%.*s",
                 (int)strcspn(type, "; \t"), type);
}

/* With HTTP/1.1 an answer that ends where the connection does may have lost its end, and its header
 * too: libcurl takes both for whole. HTTP/2 says itself where an answer ends. */
static bool is_whole(CURL *handle, const struct kw_web_response *response)
{
    struct kw_bytes value;
    long version = 0;
    curl_easy_getinfo(handle, CURLINFO_HTTP_VERSION, &version);
    return version == CURL_HTTP_VERSION_2_0 || response->status == 204 || response->status == 304 ||
           kw_web_response_header(response, "Content-Length", &value) ||
           kw_web_response_header(response, "Transfer-Encoding", &value);
}

void kw_transfer_finish(struct kw_transfer *transfer)
{
    struct kw_web_response *response = &transfer->response;
    response->reached = reached(transfer->easy);
    if (transfer->result != CURLE_OK)
        return;
    read_head(transfer->easy, response);
    if (!is_whole(transfer->easy, response))
        transfer->result = CURLE_PARTIAL_FILE;
}

static struct kw_bytes trimmed(const uint8_t *from, const uint8_t *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
        to--;
    return kw_bytes(from, (size_t)(to - from));
}

bool kw_web_response_header(const struct kw_web_response *response, const char *name,
                            struct kw_bytes *value)
{
    size_t len = strlen(name);
    const uint8_t *at = response->headers.data;
    const uint8_t *end = at + response->headers.len;
    while (at < end) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        if ((size_t)(line_end - at) > len && at[len] == ':' &&
            strncasecmp((const char *)at, name, len) == 0) {
            *value = trimmed(at + len + 1, line_end);
            return true;
        }
        at = line_end < end ? line_end + 1 : end;
    }
    return false;
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static kw_code trust_failure(const struct kw_web_options *o, const char *reason,
                             struct kw_error *err)
{
    const char *who = or_else(o->who, "the server");
    if (strstr(reason, "expired") != NULL)
        return kw_fail(err, KW_BAD_CERTIFICATE,
                       "the certificate of %s has expired (%s): renew it there", who, reason);
    return kw_fail(err, KW_BAD_CERTIFICATE,
                   "the certificate of %s is not trusted (%s): give its CA file (%s)", who, reason,
                   or_else(o->ca_option, "ca_file"));
}

static kw_code unreachable(const struct kw_web_options *o, const char *reason, struct kw_error *err)
{
    return kw_fail(
        err, KW_CONNECT_FAILED, "%s cannot be reached (%s): is it running, and is %s right?",
        or_else(o->who, "the server"), reason, or_else(o->address_option, "its address"));
}

/* What broke off, or could not be taken. */
static kw_code explain_answer(const struct kw_web_options *o, const struct kw_transfer *transfer,
                              struct kw_error *err)
{
    const char *who = or_else(o->who, "the server");
    const char *meaning = curl_easy_strerror(transfer->result);
    switch (transfer->result) {
    case CURLE_WRITE_ERROR:
        if (transfer->response.body.too_large || transfer->response.headers.too_large)
            return kw_fail(err, KW_TOO_LARGE, "the answer of %s is larger than is accepted", who);
        return kw_fail_code(err, KW_NO_MEMORY);
    case CURLE_OUT_OF_MEMORY:
        return kw_fail_code(err, KW_NO_MEMORY);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return kw_fail(err, KW_UNAVAILABLE, "the connection to %s broke: %s", who, meaning);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return kw_fail(err, KW_INTERNAL, "what %s sends is not HTTP: is %s right?", who,
                       or_else(o->address_option, "its address"));
    default:
        return kw_fail(err, KW_INTERNAL, "the request to %s failed: %s", who, meaning);
    }
}

kw_code kw_transfer_explain(const struct kw_web *web, const struct kw_transfer *transfer,
                            struct kw_error *err)
{
    const struct kw_web_options *o = &web->options;
    const char *who = or_else(o->who, "the server");
    const char *reason =
        transfer->detail[0] != '\0' ? transfer->detail : curl_easy_strerror(transfer->result);
    switch (transfer->result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return unreachable(o, reason, err);
    case CURLE_SSL_CONNECT_ERROR:
        return kw_fail(err, KW_CONNECT_FAILED, "no TLS 1.%s connection to %s can be made: %s",
                       o->tls12 ? "2 or 1.3" : "3", who, reason);
    case CURLE_PEER_FAILED_VERIFICATION:
        return trust_failure(o, reason, err);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return kw_fail(err, KW_BAD_CONFIG, "a certificate or key file is refused: %s", reason);
    case CURLE_OPERATION_TIMEDOUT:
        if (!transfer->response.reached)
            return kw_fail(err, KW_CONNECT_FAILED, "%s cannot be reached in time", who);
        return kw_fail(err, KW_TIMEOUT, "the answer of %s did not come in time", who);
    default:
        return explain_answer(o, transfer, err);
    }
}

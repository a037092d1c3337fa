#include "client/web_error.h"

static kw_code trust_failure(struct kw_error *err, const char *reason)
{
    if (strstr(reason, "expired") != NULL)
        return kw_fail(err, KW_BAD_CERTIFICATE,
                       "the server's certificate has expired (%s): renew it there", reason);
    return kw_fail(err, KW_BAD_CERTIFICATE,
                   "the server's certificate is not trusted (%s): give the authority's CA file "
                   "(KEYWARD_CACERT)",
                   reason);
}

kw_code kw_web_explain(CURLcode result, const char *detail, const struct kw_web_response *response,
                       struct kw_error *err)
{
    const char *reason = detail[0] != '\0' ? detail : curl_easy_strerror(result);
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return kw_fail(err, KW_CONNECT_FAILED,
                       "the server cannot be reached (%s): is it running, "
                       "and is KEYWARD_ADDR right?",
                       reason);
    case CURLE_SSL_CONNECT_ERROR:
        return kw_fail(err, KW_CONNECT_FAILED, "no TLS 1.3 connection can be made: %s", reason);
    case CURLE_PEER_FAILED_VERIFICATION:
        return trust_failure(err, reason);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return kw_fail(err, KW_BAD_CONFIG, "a certificate or key file is refused: %s", reason);
    case CURLE_OPERATION_TIMEDOUT:
        if (!response->reached)
            return kw_fail(err, KW_CONNECT_FAILED, "the server cannot be reached in time");
        return kw_fail(err, KW_TIMEOUT, "the server's answer did not come in time");
    case CURLE_WRITE_ERROR:
        if (response->body.too_large)
            return kw_fail(err, KW_TOO_LARGE, "the server's answer is larger than is accepted");
        return kw_fail_code(err, KW_NO_MEMORY);
    case CURLE_OUT_OF_MEMORY:
        return kw_fail_code(err, KW_NO_MEMORY);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return kw_fail(err, KW_UNAVAILABLE, "the connection to the server broke: %s",
                       curl_easy_strerror(result));
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return kw_fail(err, KW_INTERNAL,
                       "what the server sends is not HTTP: is KEYWARD_ADDR right?");
    default:
        return kw_fail(err, KW_INTERNAL, "the request failed: %s", curl_easy_strerror(result));
    }
}

/* One HTTP request at a time, over libcurl: what is trusted, what is refused and how long it may
 * take is decided here and nowhere else.
 *
 * Connections are kept with their handles in a pool and used again. HTTP/1.1; TLS 1.3 unless plain
 * HTTP was allowed (public logs, which are verified by signature). No redirects, no proxy (also not
 * from the environment), no cookies, no compression. Private to client/. Thread-safe. */
#ifndef KW_CLIENT_WEB_H
#define KW_CLIENT_WEB_H

#include "base/bytes.h"

struct kw_web;

/* Texts are copied, the token into secret memory. NULL or "": none; no ca_file: the system's. */
struct kw_web_options {
    const char *token;
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    uint32_t connect_timeout_ms;
    bool plain; /* http:// is accepted, too */
};

/* KW_BAD_CONFIG names a file that cannot be read, or a certificate without its key. */
KW_ERR kw_web_new(const struct kw_web_options *options, struct kw_web **out, struct kw_error *err);
void kw_web_free(struct kw_web *web);
KW_CLEANUP_FREE(kw_web)

/* Checks address and appends it as scheme://host[:port][/path], without a slash at the end. A path
 * is accepted only if with_path. KW_USAGE says what is wrong. */
KW_ERR kw_web_address(const char *address, bool plain, bool with_path, struct kw_buf *out,
                      struct kw_error *err);

struct kw_web_request {
    const char *method; /* GET, POST, DELETE */
    const char *url;
    struct kw_bytes body; /* JSON */
    size_t max;           /* bytes of an answer */
    int64_t deadline_ms;  /* on kw_clock_ms() */
};

struct kw_web_response {
    int status;
    char content_type[64];
    int64_t retry_after_ms; /* 0: the server said nothing of it */
    struct kw_buf body;     /* secret */
    bool reached;           /* out, on failure too: the request may have arrived */
};
void kw_web_response_wipe(struct kw_web_response *response);
KW_CLEANUP_WIPE(kw_web_response)

/* One try. KW_OK: there is an answer, of whatever status. KW_CONNECT_FAILED, KW_BAD_CERTIFICATE
 * (the server's), KW_TIMEOUT, KW_UNAVAILABLE (the connection broke), KW_TOO_LARGE, KW_INTERNAL (not
 * HTTP). Errors name host and reason, never token or body. response must be zero or wiped. */
KW_ERR kw_web_send(struct kw_web *web, const struct kw_web_request *request,
                   struct kw_web_response *response, struct kw_error *err);

/* kw_web_send again and again, with growing, jittered waits, as long as the failure or the answer's
 * error is one that may pass and the deadline has room. repeatable: the request may be done twice;
 * otherwise it is sent again only if it cannot have been acted on. KW_OK: status is 200 to 299; an
 * error answer is a failure with its code. */
KW_ERR kw_web_ask(struct kw_web *web, const struct kw_web_request *request, bool repeatable,
                  struct kw_web_response *response, struct kw_error *err);

#endif

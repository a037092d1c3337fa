/* HTTP(S) requests, for the client and for every provider: what is trusted, what is refused and how
 * long it may take is decided here and nowhere else.
 *
 * A struct kw_web is one way of asking (whom to trust, who one is); many threads ask through it at
 * once, each blocked with its own deadline, while one thread of the process moves all transfers
 * over one pool of connections (libcurl's multi interface). That thread starts with the first
 * request; a forked child starts its own. Connections are used again, within one way of asking
 * only; HTTP/2 where the server offers it. One that has idled for a minute is not used again. A
 * kept connection whose other side has vanished without a word does not take a request's whole
 * time: what is not acknowledged (by TCP, not by an answer) within half of the time of the request
 * that opened it, and at most ten seconds, ends the connection; if nothing had come back, the
 * request goes once over a fresh one (unless it must not arrive twice). No redirects, no proxy
 * (also not from the environment), no cookies, no compression. Request texts and bodies are copied
 * into memory that is wiped, answers' bodies lie in buffers that are wiped. Thread-safe. */
#ifndef KW_WEB_WEB_H
#define KW_WEB_WEB_H

#include "base/bytes.h"

enum {
    KW_WEB_HEADERS_MAX = 16,          /* of a request */
    KW_WEB_HEADER_SIZE = 16384,       /* a request's value; all headers of an answer */
    KW_WEB_CONNECT_TIMEOUT_MS = 5000, /* unless the options say another */
};

struct kw_web;

/* Texts are copied. NULL or "": none; no ca_file: the system's CAs. */
struct kw_web_options {
    const char *ca_file; /* trusted alone, in place of the system's CAs */
    const char *cert_file;
    const char *key_file;
    uint32_t connect_timeout_ms;
    bool tls12; /* TLS 1.2 is accepted, too: public clouds; else 1.3 alone */
    bool plain; /* http:// is accepted, too */
    bool http1; /* HTTP/1.1 alone */
    /* How errors name the other side and the options to look at. Not copied: they live as long.
     * NULL: "the server", "its address", "ca_file". */
    const char *who;
    const char *address_option;
    const char *ca_option;
};

/* KW_BAD_CONFIG names a file that cannot be read, or a certificate without its key. */
KW_ERR kw_web_new(const struct kw_web_options *options, struct kw_web **out, struct kw_error *err);
/* No request of it may be running. */
void kw_web_free(struct kw_web *web);
KW_CLEANUP_FREE(kw_web)

/* Checks address and appends it as scheme://host[:port][/path], without a slash at the end. A path
 * is accepted only if with_path. KW_USAGE says what is wrong. */
KW_ERR kw_web_address(const char *address, bool plain, bool with_path, struct kw_buf *out,
                      struct kw_error *err);

/* As kw_web_address, with a path, for what is configured as a provider's endpoint: https://, and
 * http:// where it does not leave the machine (localhost, 127.x.x.x, [::1]: an agent beside us). */
KW_ERR kw_web_endpoint(const char *address, struct kw_buf *out, struct kw_error *err);

/* A value may be a secret; it is sent as it is and refused (KW_BAD_REQUEST, without repeating it)
 * if it holds anything but visible ASCII, spaces and tabs. */
struct kw_web_header {
    const char *name;
    const char *value;
};

struct kw_web_request {
    const char *method; /* GET, POST, PUT, PATCH, DELETE, LIST, HEAD */
    const char *url;
    const struct kw_web_header *headers; /* Content-Type among them: none is made up */
    size_t header_count;
    struct kw_bytes body;
    size_t max;          /* bytes of an answer's body */
    int64_t deadline_ms; /* on kw_clock_ms() */
    /* Must not arrive twice: over a connection of its own, since one that has been kept may turn
     * out to be closed, and libcurl would then send again what may have been acted on. */
    bool once;
};

struct kw_web_response {
    int status;
    char content_type[64];  /* without parameters */
    int64_t retry_after_ms; /* 0: the server said nothing of it, or more than an hour */
    struct kw_buf headers;  /* as received: kw_web_response_header reads it */
    struct kw_buf body;     /* secret */
    bool reached;           /* out, on failure too: the request may have arrived */
};
#define KW_WEB_RESPONSE_INIT                                                                       \
    {                                                                                              \
        .body = KW_BUF_SECRET                                                                      \
    }
void kw_web_response_wipe(struct kw_web_response *response);
KW_CLEANUP_WIPE(kw_web_response)

/* The value of the answer's header of this name (any case), without spaces around it; its first if
 * there are several. false: there is none. */
bool kw_web_response_header(const struct kw_web_response *response, const char *name,
                            struct kw_bytes *value);

/* One try. KW_OK: there is an answer, of whatever status. KW_CONNECT_FAILED, KW_BAD_CERTIFICATE
 * (the server's), KW_TIMEOUT, KW_UNAVAILABLE (the connection broke), KW_TOO_LARGE, KW_BAD_REQUEST
 * (a header), KW_BAD_CONFIG (a certificate file), KW_INTERNAL (not HTTP). It ends by the deadline.
 * Errors name host and reason, never headers or body. response must be initial or wiped. */
KW_ERR kw_web_send(struct kw_web *web, const struct kw_web_request *request,
                   struct kw_web_response *response, struct kw_error *err);

/* kw_web_send for a provider's operation: a failure is one that a provider may have (provider.h):
 * KW_TIMEOUT, those of memory, and KW_PROVIDER_UNAVAILABLE for all others, with the same text. One
 * try: who routes decides whether another follows, and where. deadline_ms 0: half a minute. */
KW_ERR kw_web_call(struct kw_web *web, const struct kw_web_request *request,
                   struct kw_web_response *response, struct kw_error *err);

/* What an answer that is not 200 to 299 means. KW_OK: it is what was asked for. */
typedef kw_code kw_web_judge(const struct kw_web_response *response, struct kw_error *err);

/* kw_web_call, and an answer that is not 200 to 299 is what judge makes of it. */
KW_ERR kw_web_call_judged(struct kw_web *web, const struct kw_web_request *request,
                          kw_web_judge *judge, struct kw_web_response *response,
                          struct kw_error *err);

/* How to try again. */
struct kw_web_policy {
    /* The request may be done twice; otherwise it is sent again only if it cannot have been acted
     * on. */
    bool repeatable;
    kw_web_judge *judge;
};

/* kw_web_send again and again, with growing, jittered waits, as long as the failure or the answer's
 * error is one that may pass and the deadline has room. KW_OK: status is 200 to 299, or judge takes
 * it; an error answer is a failure with its code. */
KW_ERR kw_web_ask(struct kw_web *web, const struct kw_web_request *request,
                  const struct kw_web_policy *policy, struct kw_web_response *response,
                  struct kw_error *err);

#endif

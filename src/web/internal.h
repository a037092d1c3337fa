/* The parts of the transport. Private to web/. */
#ifndef KW_WEB_INTERNAL_H
#define KW_WEB_INTERNAL_H

#include "web/web.h"

#include <curl/curl.h>
#include <pthread.h>

struct kw_web {
    struct kw_web_options options; /* its files are copies */
};

/* One request on its way. It owns all that libcurl reads and writes, since who asked may go (its
 * deadline passed) before libcurl lets go of it. */
struct kw_transfer {
    CURL *easy;
    char detail[CURL_ERROR_SIZE];
    struct kw_buf lines; /* secret: the request's headers, one terminated text after the other */
    struct kw_buf sent;  /* secret: its body */
    struct curl_slist list[KW_WEB_HEADERS_MAX + 2]; /* libcurl only reads it */
    struct kw_web_response response;
    unsigned unacked_ms; /* for a connection that it opens */
    CURLcode result;
    /* The engine's, under its lock. */
    pthread_cond_t *waiting; /* of who asked; NULL: gone, the engine frees it */
    bool done;
    struct kw_transfer *next;
    struct kw_transfer **link; /* what points to it, among those that run */
};

/* left_ms: what the transfer may take. */
KW_ERR kw_transfer_new(const struct kw_web *web, const struct kw_web_request *request,
                       int64_t left_ms, struct kw_transfer **out, struct kw_error *err);
void kw_transfer_free(struct kw_transfer *transfer);
KW_CLEANUP_FREE(kw_transfer)

/* After it is done: fills in its response and result. */
void kw_transfer_finish(struct kw_transfer *transfer);

/* What a result that is not CURLE_OK means to who asked. */
kw_code kw_transfer_explain(const struct kw_web *web, const struct kw_transfer *transfer,
                            struct kw_error *err);

/* The engine: the process's one thread that moves transfers. It runs from the first transfer until
 * the last user is gone. */
KW_ERR kw_engine_use(struct kw_error *err);
void kw_engine_leave(void);

/* Has *transfer done, within left_ms and a little; then it is done and the caller's again.
 * KW_TIMEOUT: it is the engine's now, and *transfer NULL. KW_NO_MEMORY, KW_UNAVAILABLE: no thread;
 * it was not begun. */
KW_ERR kw_engine_run(struct kw_transfer **transfer, int64_t left_ms, struct kw_error *err);

#endif

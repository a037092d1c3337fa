/* The native API as functions: a request in, a JSON answer out. It knows no sockets; the server
 * calls it for what HTTP brings, the CLI and the library call it directly on an embedded authority,
 * so that both speak one language. Routes, bodies and answers: /openapi.json (src/api/openapi.json
 * is its source).
 *
 * A call is started by kw_api_start and answered exactly once by its done(). Data-plane calls are
 * computed on the caller's thread if their keys are resident and answered when the ledger is
 * durable; what may block runs on the API's own threads (options.threads), or on the caller's if
 * there are none.
 *
 * Errors are answers, too: {"error":{"code","class","message","retryable","request_id"}} with the
 * code's HTTP status. Thread-safe. */
#ifndef KW_API_API_H
#define KW_API_API_H

#include "authority/authority.h"
#include "base/bytes.h"

struct kw_api;

struct kw_api_options {
    struct kw_authority *authority; /* borrowed */
    const char *ledger_dir;         /* borrowed; for /v1/ledger/... */
    unsigned threads;               /* for calls that may block; 0: on the caller's thread */
    size_t queue_max; /* calls waiting for a thread; above it KW_OVERLOADED; 0: 1024 */
    /* May be NULL. Certificates (keyward cert ...): the PKI of the data folder. */
    const struct kw_api_pki *pki;
    const char *currency; /* of amounts; borrowed. NULL: USD */
};

/* What the API needs of a certificate authority, offered by home/. KW_NOT_FOUND if there is none.
 */
struct kw_api_certificate {
    const char *kind; /* client or server */
    const char *name; /* client: ROLE/NAME; server: its host */
    uint32_t days;    /* 0: the default */
};
struct kw_api_pki {
    KW_ERR(*issue)
    (void *arg, const struct kw_api_certificate *wanted, struct kw_buf *cert_pem,
     struct kw_secret *key_pem, struct kw_error *err);
    KW_ERR (*list)(void *arg, struct kw_buf *json_array, struct kw_error *err);
    void *arg;
};

KW_ERR kw_api_new(const struct kw_api_options *options, struct kw_api **out, struct kw_error *err);
/* Waits for calls under way. */
void kw_api_free(struct kw_api *api);
KW_CLEANUP_FREE(kw_api)

struct kw_api_call {
    /* In; texts and body stay valid until done(). */
    const char *method;      /* GET, POST, DELETE */
    const char *path;        /* decoded, no query: /v1/tenants/acme */
    const char *query;       /* raw, or "" */
    struct kw_bytes body;    /* JSON or empty */
    struct kw_caller caller; /* authenticated; justification comes from the body */
    bool more; /* the caller starts others at once, and then calls kw_api_kick: their ledger entries
                  are written together */

    /* Answers, on any thread. The call is the caller's again. */
    void (*done)(struct kw_api_call *call);
    /* May be NULL. Asks that resume(call) be run soon on a thread of the caller's choice (its
     * worker): the ledger's thread has no time to write answers. NULL: resume is run at once. */
    void (*post)(struct kw_api_call *call, void (*resume)(struct kw_api_call *call));
    void *arg;

    /* Out. */
    int status;
    const char *content_type;
    struct kw_buf body_out; /* secret; the caller wipes it */

    void *state; /* private */
};

void kw_api_start(struct kw_api *api, struct kw_api_call *call);

/* After the last of several calls that were started with more. */
void kw_api_kick(struct kw_api *api);

/* Starts and waits. status, content_type and body_out are the answer. */
void kw_api_run(struct kw_api *api, struct kw_api_call *call);

/* Appends an error's answer, for errors that arise before a call is one. request_id may be NULL. */
void kw_api_write_error(struct kw_buf *out, const struct kw_error *err, const char *request_id);

/* The OpenAPI document. */
struct kw_bytes kw_api_openapi(void);

#endif

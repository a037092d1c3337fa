/* Where an authority is: behind an address (HTTPS) or in a data folder of this machine. The
 * library's public functions and the CLI work on this layer and so do not care which.
 *
 *     kw_backend_call, kw_backend_ask  any call of the native API: JSON in, JSON out
 *     kw_backend_generate/unwrap/rewrap  data keys, up to 1,000 a round
 *
 * Sealing and opening itself is done by the caller with envelope/ on the data keys he gets here.
 *
 * Remote: TLS 1.3, connections kept and reused, no redirects, no proxy, answers bounded in size.
 * What fails for a while (kw_code_retryable) is tried again with growing, jittered waits until the
 * deadline has come; a change that the server may have made already is not sent twice. An answer's
 * error keeps the server's code and text.
 *
 * Thread-safe: one backend serves all threads of a process. */
#ifndef KW_CLIENT_BACKEND_H
#define KW_CLIENT_BACKEND_H

#include "base/bytes.h"
#include "base/secret.h"
#include "envelope/wrap.h"

struct kw_backend;
struct kw_home;

/* ---- Making one ---- */

/* NULL and 0 take the default; an empty text means none. Texts are borrowed for the call that makes
 * a backend. */
struct kw_remote_options {
    const char *address;   /* https://host[:port], no path; KW_DEFAULT_ADDRESS */
    const char *token;     /* bearer token, or NULL */
    const char *ca_file;   /* PEM; with it, no other CA is trusted. NULL: the system's */
    const char *cert_file; /* PEM, client certificate, with key_file; or NULL */
    const char *key_file;
    uint32_t connect_timeout_ms; /* 5,000 */
    uint32_t timeout_ms;         /* of a call with all its tries: 30,000 */
};
#define KW_DEFAULT_ADDRESS "https://127.0.0.1:8443"

/* Fills members that are NULL from KEYWARD_ADDR, KEYWARD_TOKEN, KEYWARD_CACERT, KEYWARD_CERT and
 * KEYWARD_KEY. Borrows from the environment. */
void kw_remote_options_environment(struct kw_remote_options *options);

/* Connects at the first call, not now. KW_USAGE for an address, KW_BAD_CONFIG for a file that is
 * refused. */
KW_ERR kw_backend_remote(const struct kw_remote_options *options, struct kw_backend **out,
                         struct kw_error *err);

/* On the authority of an open home, which must outlive the backend. Calls are made as the local
 * administrator. */
KW_ERR kw_backend_home(struct kw_home *home, struct kw_backend **out, struct kw_error *err);

/* Opens the home at dir and keeps it until it is closed. passphrase_file NULL takes
 * KEYWARD_PASSPHRASE_FILE; without one, or with "", the root key must rest without a passphrase.
 * KW_DATA_MISSING, KW_DATA_LOCKED, KW_WRONG_ROOT. */
KW_ERR kw_backend_folder(const char *dir, const char *passphrase_file, struct kw_backend **out,
                         struct kw_error *err);

/* Frees it. The code is that of closing an embedded authority: whether its last checkpoint is out.
 */
KW_ERR kw_backend_close(struct kw_backend *backend, struct kw_error *err);
void kw_backend_free(struct kw_backend *backend); /* as close, for who cannot use the code */
KW_CLEANUP_FREE(kw_backend)

bool kw_backend_is_remote(const struct kw_backend *backend);

/* ---- Calls of the native API ---- */

struct kw_answer {
    int status;            /* 200 to 299 */
    char content_type[64]; /* without parameters: application/json */
    struct kw_buf body;    /* secret: wiped */
};
#define KW_ANSWER_INIT                                                                             \
    {                                                                                              \
        .body = {.secret = true }                                                                  \
    }
void kw_answer_wipe(struct kw_answer *answer);
KW_CLEANUP_WIPE(kw_answer)

struct kw_call {
    const char *method;   /* GET, POST or DELETE */
    const char *path;     /* as it stands in a URL, with its query if it has one */
    struct kw_bytes body; /* JSON, or empty */
    uint32_t timeout_ms;  /* 0: the backend's */
    bool repeatable;      /* may be done twice though it is no GET */
};

/* Names of tenants, regions and ids need no escaping in a path (base/names.h), other values of a
 * query do: see kw_query_add. out must be KW_ANSWER_INIT or wiped.
 * An error answer is a failure: its code and text are those of the API. */
KW_ERR kw_backend_ask(struct kw_backend *backend, const struct kw_call *call, struct kw_answer *out,
                      struct kw_error *err);
/* As kw_backend_ask, with the backend's timeout. */
KW_ERR kw_backend_call(struct kw_backend *backend, const char *method, const char *path,
                       struct kw_bytes body, struct kw_answer *out, struct kw_error *err);

/* Appends "?name=value" or "&name=value" to a path, the value percent-encoded. */
void kw_query_add(struct kw_buf *path, const char *name, const char *value);

/* ---- Data keys ---- */

/* A context in both the forms that are needed: what is bound, and what is sent. */
struct kw_bound_context {
    struct kw_context bound;
    struct kw_buf json; /* object of strings; empty for the empty context */
};
/* entries may be NULL. out must be zero. */
KW_ERR kw_bound_context_make(struct kw_bound_context *out, const struct kw_context_entries *entries,
                             struct kw_error *err);
void kw_bound_context_wipe(struct kw_bound_context *context);
KW_CLEANUP_WIPE(kw_bound_context)

enum { KW_KEY_BATCH_MAX = 1000 };

struct kw_key_item {
    /* generate: tenant and region are needed, data_class NULL is "default". unwrap, rewrap: what
     * must be so, each NULL if anything may be. Borrowed. */
    const char *tenant, *region, *data_class;
    const struct kw_bound_context *context; /* borrowed; never NULL */
    struct kw_wrapped_key head; /* unwrap, rewrap: in; generate, rewrap: out, format a data key's
                                   or the one that came in */
    struct kw_error error;      /* out: code KW_OK, or why this item failed */
};

struct kw_key_batch {
    struct kw_key_item *items; /* count of them, the batch's */
    size_t count;
    const char *justification; /* or NULL; borrowed */
    uint32_t timeout_ms;       /* 0: the backend's */
    uint64_t first_index;      /* out: ledger index of the first item's entry */
    struct kw_secret keys;     /* private: 32 bytes an item */
};

/* Room for count items, zeroed. KW_TOO_LARGE above KW_KEY_BATCH_MAX. */
KW_ERR kw_key_batch_init(struct kw_key_batch *batch, size_t count, struct kw_error *err);
void kw_key_batch_wipe(struct kw_key_batch *batch);
KW_CLEANUP_WIPE(kw_key_batch)

/* KW_OK also if items failed: each has its code. Another code if the whole did; no item is then of
 * use. An item that is alone in its batch and fails fails the whole. */
KW_ERR kw_backend_generate(struct kw_backend *backend, struct kw_key_batch *batch,
                           struct kw_error *err);
KW_ERR kw_backend_unwrap(struct kw_backend *backend, struct kw_key_batch *batch,
                         struct kw_error *err);
KW_ERR kw_backend_rewrap(struct kw_backend *backend, struct kw_key_batch *batch,
                         struct kw_error *err);

/* The data key of item i after generate or unwrap: 32 bytes in secret memory, the batch's. The
 * item's error if it failed. */
KW_ERR kw_key_batch_key(const struct kw_key_batch *batch, size_t i, const uint8_t **out,
                        struct kw_error *err);

#endif

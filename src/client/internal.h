/* What a kind of backend provides. Private to client/; backend.c is the only caller of ops->. */
#ifndef KW_CLIENT_INTERNAL_H
#define KW_CLIENT_INTERNAL_H

#include "client/backend.h"

enum kw_key_op { KW_KEY_GENERATE, KW_KEY_UNWRAP, KW_KEY_REWRAP };

struct kw_backend_ops {
    bool remote;
    /* Fills each item's out members; keys has room for all. */
    KW_ERR(*keys)
    (struct kw_backend *backend, enum kw_key_op op, struct kw_key_batch *batch,
     struct kw_error *err);
    KW_ERR(*call)
    (struct kw_backend *backend, const struct kw_call *call, struct kw_answer *out,
     struct kw_error *err);
    KW_ERR (*close)(struct kw_backend *backend, struct kw_error *err);
};

/* First member of each kind's own structure. */
struct kw_backend {
    const struct kw_backend_ops *ops;
};

/* Turns an error answer ({"error":{...}}, or anything else with a status) into its code and text.
 * Never KW_OK. */
kw_code kw_answer_error(int status, struct kw_bytes body, struct kw_error *err);

/* The bodies of POST /v1/data-keys/... Request: appended to out. Answer: fills batch. */
const char *kw_keys_path(enum kw_key_op op);
KW_ERR kw_keys_request(struct kw_buf *out, enum kw_key_op op, const struct kw_key_batch *batch,
                       struct kw_error *err);
KW_ERR kw_keys_answer(struct kw_bytes body, enum kw_key_op op, struct kw_key_batch *batch,
                      struct kw_error *err);

/* As kw_backend_folder; scheduler: also do, on a thread, what becomes due (a program that stays).
 */
KW_ERR kw_backend_folder_run(const char *dir, const char *passphrase_file, bool scheduler,
                             struct kw_backend **out, struct kw_error *err);

#endif

/* Inside the API: a call under way (a job), the table of routes, and what handlers share. */
#ifndef KW_API_INTERNAL_H
#define KW_API_INTERNAL_H

#include "api/api.h"
#include "api/pool.h"
#include "authority/datakey.h"
#include "json/json.h"
#include "json/write.h"

#include <stdatomic.h>

enum {
    KW_API_ITEMS_MAX = KW_DK_BATCH_MAX,
    KW_API_PLAINTEXT_MAX = 64 * 1024, /* of seal and open */
    KW_API_BODY_MAX = 32 << 20,
    KW_API_JUSTIFICATION_MAX = 1024,
    KW_API_PARAM_SIZE = 128,
    KW_API_PAGE = 100, /* rows of a list, where the caller names no limit */
    KW_API_PAGE_MAX = 1000,
};

struct kw_api {
    struct kw_authority *authority;
    const char *ledger_dir;
    const struct kw_api_pki *pki;
    const char *currency;
    struct kw_pool *pool; /* NULL: blocking calls run where they are started */
    uint8_t empty_context[32];
    atomic_size_t under_way;
};

struct kw_job;

enum kw_route_kind {
    KW_ROUTE_DATA,     /* begins on the caller's thread, answered after the ledger */
    KW_ROUTE_BLOCKING, /* runs on the pool */
    KW_ROUTE_ASKING,   /* as BLOCKING; asks providers, and lasts as long as they do */
    KW_ROUTE_TENANT,   /* as ASKING; the tenant is a member of the body */
    KW_ROUTE_CHECKED,  /* as BLOCKING, and the API itself checks right and scope and records
                          refusals:  for what the authority has no operation of its own for */
    KW_ROUTE_PUBLIC,   /* answered at once, to anybody */
};

struct kw_route {
    const char *method;
    const char *pattern;   /* {name}: one segment; a final *: the rest */
    const char *operation; /* operationId of the document; api.operation of a recorded refusal */
    enum kw_right right;
    enum kw_route_kind kind;
    const char *query; /* names of its parameters, with commas; NULL: none */
    KW_ERR (*handle)(struct kw_job *job, struct kw_error *err);
};

/* The table, ended by a route without method. */
extern const struct kw_route kw_routes[];

struct kw_route_params {
    char value[2][KW_API_PARAM_SIZE]; /* in the order of the pattern */
    size_t count;
    const char *rest; /* what * stands for */
};

/* KW_NOT_FOUND, KW_METHOD_NOT_ALLOWED. */
KW_ERR kw_route_find(const char *method, const char *path, const struct kw_route **out,
                     struct kw_route_params *params, struct kw_error *err);

/* What an item of seal or open carries besides its data key. */
struct kw_payload_part {
    struct kw_secret plaintext; /* empty if there is none */
    size_t plaintext_len;
    struct kw_buf sealed;
};

/* A call under way. Owned by whoever works on it; ends with kw_job_answer or kw_job_fail. */
struct kw_job {
    struct kw_api *api;
    struct kw_api_call *call;
    const struct kw_route *route;
    struct kw_route_params params;
    struct kw_json_doc body;
    struct kw_dk_batch batch; /* data plane */
    struct kw_payload_part part;
    void (*write)(struct kw_job *job); /* data plane: writes the answer of a good batch and ends */
};

/* job.c: ends a job. The job is gone afterwards, and so may the call be. */
void kw_job_answer(struct kw_job *job);
void kw_job_fail(struct kw_job *job, const struct kw_error *err);
/* Runs step on the pool, or here if there is none; fails the job if the pool is full. group is
 * whose calls share a part of it, see pool.h. */
void kw_job_defer(struct kw_job *job, uint64_t group, void (*step)(void *job));
/* A group of this kind (one letter) and name. */
uint64_t kw_job_group(char kind, struct kw_bytes name);
/* Records that the caller was refused, by code and err, and returns code; or the failure to record
 * it. */
KW_ERR kw_job_refuse(const struct kw_job *job, kw_code code, struct kw_error *err);
/* Reads body and justification. KW_BAD_JSON, KW_TOO_LARGE. */
KW_ERR kw_job_read_body(struct kw_job *job, struct kw_error *err);
/* A writer at the start of the answer. */
struct kw_json_writer kw_job_writer(struct kw_job *job);

static inline struct kw_store *kw_job_store(struct kw_job *job)
{
    return kw_authority_store(job->api->authority);
}

/* body.c. A member's name against a literal. */
static inline bool kw_member_is(const struct kw_json *member, const char *name)
{
    return kw_bytes_equal_str(kw_bytes(member->name, member->name_len), name);
}

/* As kw_json_only; the text names the right name that is nearest to the wrong one. */
KW_ERR kw_body_only(const struct kw_json *object, const char *const *names, struct kw_error *err);
KW_ERR kw_body_unknown(const struct kw_json *member, const char *const *names,
                       struct kw_error *err);
/* Its string, which has no NUL. KW_BAD_JSON. */
KW_ERR kw_body_text(const struct kw_json *member, struct kw_bytes *out, struct kw_error *err);

/* query.c: a parameter of the query, decoded; false if it is not there. KW_BAD_REQUEST. */
KW_ERR kw_query_check(const char *query, const char *names, struct kw_error *err);
KW_ERR kw_query_get(const char *query, const char *name, char *out, size_t size, bool *found,
                    struct kw_error *err);
/* A number; out is left as it was if it is not there. */
KW_ERR kw_query_u64(const char *query, const char *name, uint64_t max, uint64_t *out,
                    struct kw_error *err);
/* true or false; the same. query may be NULL. */
KW_ERR kw_query_bool(const char *query, const char *name, bool *out, struct kw_error *err);

/* when.c: days are counted from 1970-01-01, in UTC. */
enum { KW_DAY_SECONDS = 86400, KW_DAY_TEXT_SIZE = 16 };
/* 2026-11-21. KW_BAD_REQUEST. */
KW_ERR kw_day_read(const char *text, int64_t *out, struct kw_error *err);
const char *kw_day_text(int64_t day, char text[KW_DAY_TEXT_SIZE]);
/* A member that is a time (RFC 3339 in UTC) or a day (its first moment); out is left as it was if
 * it is not there. KW_BAD_JSON. */
KW_ERR kw_body_time(const struct kw_json *object, const char *name, int64_t *out_ms,
                    struct kw_error *err);

/* items.c: fills a batch from a body. */
KW_ERR kw_items_generate(struct kw_job *job, struct kw_error *err);
KW_ERR kw_items_wrapped(struct kw_job *job, enum kw_dk_op op, struct kw_error *err);
/* Names and context of one object; names lists all that it may hold. */
KW_ERR kw_item_read(const struct kw_job *job, const struct kw_json *object,
                    const char *const *names, struct kw_dk_item *item, struct kw_error *err);

/* Room for count items; the caller is the call's. */
KW_ERR kw_items_open(struct kw_job *job, enum kw_dk_op op, size_t count, struct kw_error *err);
/* As kw_item_read; tenant and region must be there, the class defaults. */
KW_ERR kw_item_read_spec(const struct kw_job *job, const struct kw_json *object,
                         const char *const *names, struct kw_dk_item *item, struct kw_error *err);
/* An item's failure of its own, found by whoever fills it; the first one counts. */
static inline void kw_item_spoil(struct kw_dk_item *item, kw_code code)
{
    if (item->code == KW_OK)
        item->code = code;
}

/* datakeys.c: hands a filled batch in; write answers it once it is durable. The job is no longer
 * the caller's. */
void kw_data_submit(struct kw_job *job, void (*write)(struct kw_job *job));
/* Writes "receipt". */
void kw_data_receipt(struct kw_job *job, struct kw_json_writer *w);

/* roots.c: billionths of the currency unit, as a decimal number in a string. */
void kw_write_amount(struct kw_json_writer *w, const char *name, uint64_t nano);

/* keys.c: the tenant and the region of the address. KW_BAD_NAME. */
KW_ERR kw_key_names_check(const struct kw_job *job, struct kw_error *err);

/* keyjson.c */
KW_ERR kw_write_key(struct kw_job *job, struct kw_json_writer *w, const char *name,
                    const struct kw_key_row *key, struct kw_error *err);
KW_ERR kw_write_keys(struct kw_job *job, struct kw_json_writer *w, const char *tenant,
                     struct kw_error *err);
/* A tenant's members but its keys; the object is left open. */
void kw_write_tenant_begin(struct kw_json_writer *w, const struct kw_tenant_row *tenant);
/* The whole answer: a tenant with its keys; a key. */
KW_ERR kw_answer_tenant(struct kw_job *job, const char *tenant, struct kw_error *err);
KW_ERR kw_answer_key(struct kw_job *job, const char *tenant, const char *region,
                     struct kw_error *err);

/* Handlers. */
#define KW_API_HANDLERS(X)                                                                         \
    X(generate)                                                                                    \
    X(unwrap)                                                                                      \
    X(rewrap)                                                                                      \
    X(seal)                                                                                        \
    X(open)                                                                                        \
    X(sign)                                                                                        \
    X(status)                                                                                      \
    X(flush)                                                                                       \
    X(openapi)                                                                                     \
    X(tenants_create)                                                                              \
    X(tenants_list)                                                                                \
    X(tenant_get)                                                                                  \
    X(tenant_suspend)                                                                              \
    X(tenant_resume)                                                                               \
    X(tenant_close)                                                                                \
    X(tenant_add_region)                                                                           \
    X(keys_list)                                                                                   \
    X(key_get)                                                                                     \
    X(key_rotate)                                                                                  \
    X(key_disable)                                                                                 \
    X(key_enable)                                                                                  \
    X(key_schedule_destroy)                                                                        \
    X(key_cancel_destroy)                                                                          \
    X(key_import_offer)                                                                            \
    X(key_import)                                                                                  \
    X(key_end_material)                                                                            \
    X(key_attach)                                                                                  \
    X(key_detach)                                                                                  \
    X(providers_list)                                                                              \
    X(provider_check)                                                                              \
    X(costs)                                                                                       \
    X(cache_strict)                                                                                \
    X(token_create)                                                                                \
    X(tokens_list)                                                                                 \
    X(token_revoke)                                                                                \
    X(certificate_issue)                                                                           \
    X(certificates_list)                                                                           \
    X(ledger_checkpoint)                                                                           \
    X(ledger_vkey)                                                                                 \
    X(ledger_tile)                                                                                 \
    X(ledger_proof)                                                                                \
    X(ledger_entry)
#define KW_X(name) KW_ERR kw_handle_##name(struct kw_job *job, struct kw_error *err);
KW_API_HANDLERS(KW_X)
#undef KW_X

#endif

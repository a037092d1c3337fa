/* What a store implements. Only the dispatcher (store.c, rows.c, lists.c) calls these.
 *
 * The dispatcher has checked names, lengths and ranges, holds the writer's place from begin to the
 * end of a transaction, calls the writing operations (begin to destroy) on that thread alone, never
 * nested, and never from within each(). Reading operations come from any thread at any time; inside
 * says that the caller holds the transaction and must see its own writes. Rows are those of
 * store.h, by table. Errors are those of store.h; out is untouched on failure. */
#ifndef KW_STORE_OPS_H
#define KW_STORE_OPS_H

#include "store/store.h"

enum kw_store_table {
    KW_TABLE_TENANTS,
    KW_TABLE_KEYS,
    KW_TABLE_VERSIONS,
    KW_TABLE_COPIES,
    KW_TABLE_TOKENS,
    KW_TABLE_COSTS,
    KW_TABLE_COUNT,
};

/* How rows are looked for, and what stands in the query. Lists are in the order of their key. */
enum kw_store_find {
    KW_FIND_TENANT,           /* text[0] id */
    KW_FIND_TENANTS,          /* text[0] <= id < text[1], limit */
    KW_FIND_KEY,              /* text[0] tenant, text[1] region */
    KW_FIND_KEY_BY_REFERENCE, /* reference */
    KW_FIND_KEYS,             /* text[0] tenant */
    KW_FIND_KEYS_DUE,         /* pending destruction by now_ms; oldest first; limit */
    KW_FIND_KEY_AHEAD,        /* text[0] region: the key that comes limit places after reference */
    KW_FIND_VERSION,          /* reference, version */
    KW_FIND_VERSIONS,         /* reference */
    /* store.h, kw_store_versions_lacking: text[0] region, text[1] provider, text[2] its root key;
     * after (reference, version), of keys up to reference to; limit */
    KW_FIND_VERSIONS_LACKING,
    KW_FIND_VERSIONS_EXPIRED, /* with copies, by now_ms; oldest first; limit */
    KW_FIND_COPIES,           /* reference, version */
    KW_FIND_TOKEN,            /* text[0] id */
    KW_FIND_TOKENS,           /* all */
    KW_FIND_COST,             /* text[0] tenant, text[1] region, text[2] provider; day from */
    KW_FIND_COSTS,            /* of the days from..to */
    KW_FIND_COSTS_OF,         /* text[0] tenant; of the days from..to */
    KW_FIND_COUNT,
};

struct kw_store_query {
    enum kw_store_find find;
    const char *text[3];
    uint64_t reference;
    uint32_t version;
    int64_t now_ms;
    int64_t limit;
    int64_t from, to;
    bool inside; /* by the holder of the transaction */
};

typedef bool kw_store_each(void *arg, const void *row);

struct kw_store_ops {
    const char *name;

    kw_code (*begin)(void *state, struct kw_error *err);
    /* KW_OK: all of it is durable. Else nothing is, and the transaction is over. */
    kw_code (*commit)(void *state, struct kw_error *err);
    void (*rollback)(void *state);
    /* KW_EXISTS; KW_TENANT_NOT_FOUND and so on for a row that it belongs to. Copies replace. */
    kw_code (*add)(void *state, enum kw_store_table table, const void *row, struct kw_error *err);
    /* Sets what store.h says may be set, of the row with row's key; ..._NOT_FOUND. */
    kw_code (*set)(void *state, enum kw_store_table table, const void *row, struct kw_error *err);
    kw_code (*use)(void *state, const struct kw_version_row *added, struct kw_error *err);
    /* Adds to the row with added's key, or makes it. */
    kw_code (*spend)(void *state, const struct kw_cost_row *added, struct kw_error *err);
    kw_code (*destroy)(void *state, uint64_t reference, uint32_t version, uint64_t *destroyed,
                       struct kw_error *err);
    kw_code (*meta_put)(void *state, const char *name, struct kw_bytes value, struct kw_error *err);

    /* each() row by row; no row is KW_OK. */
    kw_code (*find)(void *state, const struct kw_store_query *query, kw_store_each *each, void *arg,
                    struct kw_error *err);
    kw_code (*meta_get)(void *state, const char *name, bool inside, struct kw_buf *out,
                        struct kw_error *err);
    kw_code (*counts)(void *state, bool inside, struct kw_store_counts *out, struct kw_error *err);
    /* By region, provider. */
    kw_code (*census)(void *state, bool inside, kw_store_each *each, void *arg,
                      struct kw_error *err);
    kw_code (*purge)(void *state, struct kw_error *err);
    kw_code (*check)(void *state, struct kw_error *err);
    void (*free)(void *state);
};

/* A store of these operations; state is freed by ops->free, also when this fails. */
KW_ERR kw_store_new(const struct kw_store_ops *ops, void *state, struct kw_store **out,
                    struct kw_error *err);

/* For wrappers, such as the one that makes calls fail in tests: what a store is made of. */
const struct kw_store_ops *kw_store_ops(const struct kw_store *store);
void *kw_store_state(const struct kw_store *store);

/* What a search finds, how large its rows are, and the code that says that there is none. */
enum kw_store_table kw_find_table(enum kw_store_find find);
size_t kw_table_row_size(enum kw_store_table table);
kw_code kw_table_missing(enum kw_store_table table);

#endif

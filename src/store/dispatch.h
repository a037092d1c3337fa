/* Private to the dispatcher: the store itself and its rules. */
#ifndef KW_STORE_DISPATCH_H
#define KW_STORE_DISPATCH_H

#include "store/ops.h"

#include <pthread.h>
#include <stdatomic.h>

struct kw_store {
    const struct kw_store_ops *ops;
    void *state;
    pthread_mutex_t turn_lock;
    pthread_cond_t turn_over;
    _Atomic(const void *) owner; /* whose transaction it is: the address of a thread's own variable;
                                    NULL: nobody's. Changed under turn_lock */
    kw_code doomed;              /* why the transaction can no longer commit; the owner's */
};

/* Does the calling thread hold the transaction? */
bool kw_store_inside(const struct kw_store *store);

/* May the calling thread write now? Reads are only refused from within each(). */
KW_ERR kw_store_may_write(struct kw_store *store, struct kw_error *err);
KW_ERR kw_store_may_read(struct kw_store *store, struct kw_error *err);

/* Passes on the result of a write, and remembers one that spoils the transaction. */
KW_ERR kw_store_written(struct kw_store *store, kw_code code);

/* Runs a query. Rows are checked before each() sees them. */
KW_ERR kw_store_find(struct kw_store *store, struct kw_store_query *query, kw_store_each *each,
                     void *arg, struct kw_error *err);
/* The one row, row_size bytes into out; missing if there is none. */
KW_ERR kw_store_find_one(struct kw_store *store, struct kw_store_query *query, void *out,
                         kw_code missing, struct kw_error *err);

/* Are the row's texts terminated and allowed, its states and numbers in range? check.c */
KW_ERR kw_row_check(enum kw_store_table table, const void *row, struct kw_error *err);
KW_ERR kw_name_check(const char *text, size_t max, const char *what, struct kw_error *err);

#endif

/* A store that fails on purpose: another store behind operations of which one call, or all from it
 * on, fail. What the dispatcher and its callers do then is what tests want to see.
 *
 * Calls are counted from 1 over all operations but rollback and free, in the order in which they
 * are made. A failing call does nothing to the store behind, except that a failing commit rolls
 * back. */
#ifndef KW_TESTS_STORE_FAULTY_H
#define KW_TESTS_STORE_FAULTY_H

#include "store/store.h"

struct kw_faulty {
    struct kw_store *store; /* to be used and freed; frees the store behind too */
    struct kw_faulty_state *state;
};

/* Takes behind over, also on failure. */
KW_ERR kw_faulty_wrap(struct kw_store *behind, struct kw_faulty *out, struct kw_error *err);

/* The nth call from now fails with code; lasting: and all after it. n = 0: none does. Thread-safe.
 */
void kw_faulty_fail(struct kw_faulty *faulty, uint64_t n, kw_code code, bool lasting);

/* Calls since kw_faulty_fail. */
uint64_t kw_faulty_calls(const struct kw_faulty *faulty);

#endif

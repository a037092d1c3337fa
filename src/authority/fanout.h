/* The same work for many things, some of them at a time: calls of providers, which spend their time
 * waiting for the network. The calling thread takes part; the others live for the call. */
#ifndef KW_AUTHORITY_FANOUT_H
#define KW_AUTHORITY_FANOUT_H

#include "base/error.h"

#include <stddef.h>

enum { KW_FANOUT_MAX = 16 };

/* Calls run(arg, i) for i from 0 to count - 1, at most threads (1 to KW_FANOUT_MAX) at once. A
 * failure is the answer, and what has not begun by then is left out; of several failures that of
 * the lowest i. Returns when all that began has ended. Where threads cannot be had it goes on with
 * fewer. run is called by any of the threads; it may hold no lock of the caller's. */
KW_ERR kw_fanout(size_t count, size_t threads,
                 kw_code (*run)(void *arg, size_t i, struct kw_error *err), void *arg,
                 struct kw_error *err);

#endif

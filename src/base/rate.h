/* Rate limits: a token bucket for each of many keys, in bounded memory.
 *
 * A bucket holds at most burst units and refills at per_second. Keys are 64-bit hashes of names;
 * the table keeps the busiest and forgets those whose bucket is (nearly) full again, which is the
 * state of a key that was never seen. Thread-safe. */
#ifndef KW_BASE_RATE_H
#define KW_BASE_RATE_H

#include "base/error.h"

#include <stdint.h>

struct kw_rate;

/* per_second >= 1; burst 0: twice per_second. */
KW_ERR kw_rate_new(uint32_t per_second, uint32_t burst, struct kw_rate **out, struct kw_error *err);
void kw_rate_free(struct kw_rate *rate);
KW_CLEANUP_FREE(kw_rate)

/* Takes cost units of key's bucket, all or nothing; false: too many for now. A cost above burst is
 * let through by a full bucket, which it empties. rate NULL: no limit. */
bool kw_rate_take(struct kw_rate *rate, uint64_t key, uint32_t cost);

/* A key from a name. */
uint64_t kw_rate_key(const char *name);

#endif

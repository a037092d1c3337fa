/* Memory for secrets, and the type that marks them.
 *
 * A struct kw_secret owns bytes that are locked into RAM, left out of core dumps, wiped in a forked
 * child, fenced by inaccessible pages, and overwritten when given back. There is no conversion from
 * or to struct kw_bytes and no way to print one; the only comparison is constant-time.
 *
 * Up to KW_SECRET_SMALL bytes come from shared slabs (tens of nanoseconds); larger ones get a
 * mapping with guard pages of their own. All functions are thread-safe as long as one secret is not
 * changed by two threads at a time. A forked child finds the secrets of its parent zeroed and must
 * not use them; it can make its own. Nothing here ever falls back to ordinary memory: without
 * lockable memory the answer is KW_NO_SECURE_MEMORY (raise RLIMIT_MEMLOCK), unless the process has
 * said by kw_secret_allow_unlocked() that it may run without the lock.
 *
 * NIST SP 800-57 part 1, 5.3.6 and 8.3.4. */
#ifndef KW_BASE_SECRET_H
#define KW_BASE_SECRET_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { KW_SECRET_SMALL = 1024, KW_SECRET_MAX = 1 << 30 };

struct kw_secret {
    uint8_t *data; /* read or write through it in place; never copy out to ordinary memory */
    size_t len;    /* as allocated; not to be changed */
};

#define KW_SECRET_INIT                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

/* secret must be empty (KW_SECRET_INIT or wiped). The new bytes are zero. len >= 1. */
KW_ERR kw_secret_alloc(struct kw_secret *secret, size_t len, struct kw_error *err);

/* As kw_secret_alloc, filled with len bytes from data. The caller wipes its own copy. */
KW_ERR kw_secret_copy(struct kw_secret *secret, const void *data, size_t len, struct kw_error *err);

/* Overwrites, gives back, and leaves it empty. An empty one is left alone. */
void kw_secret_wipe(struct kw_secret *secret);
KW_CLEANUP_WIPE(kw_secret)

/* to receives from's bytes; from is empty afterwards. to must be empty. */
void kw_secret_move(struct kw_secret *to, struct kw_secret *from);

/* Constant-time in the content; lengths are not secret. */
bool kw_secret_equal(const struct kw_secret *a, const struct kw_secret *b);

/* Constant-time comparison of len bytes of anything that an attacker may guess at (tags, token
 * hashes, commitments). */
bool kw_equal_ct(const void *a, const void *b, size_t len);

/* Overwrites len bytes in a way the compiler keeps. For buffers of libraries that are not ours. */
void kw_cleanse(void *data, size_t len);

/* How much secret memory is in use and is mapped, in bytes. */
struct kw_secret_usage {
    size_t used;
    size_t mapped;
};
struct kw_secret_usage kw_secret_usage(void);

/* Permits secrets in memory that could not be locked. Call before the first secret is made. */
void kw_secret_allow_unlocked(void);

/* Hardens the process: no core dumps, not attachable or dumpable, no new privileges, and, where the
 * limit permits, all memory locked (key schedules of the cryptographic library live on the ordinary
 * heap). Returns what could not be had, as a line for the log, or NULL. Call once, at start. */
const char *kw_process_harden(bool lock_all);

#endif

/* Providers: what holds root keys and wraps tenant keys with them. The root never leaves it.
 *
 * A provider is a const table of operations (struct kw_provider_ops, in provider/ops.h) and a state
 * of its own. kw_provider_* functions are the dispatcher, the only callers of the operations: they
 * check conditions before and after, bound the time, count calls, and catch a faulty provider. A
 * key within a provider is named by a text (an ARN, a key URI, for the software root the region).
 *
 * Binding: every wrap takes a context of name/value pairs (tenant, region, key reference, version)
 * that the provider authenticates; unwrap under another context fails with KW_SEAL_BROKEN.
 * Errors: KW_PROVIDER_UNAVAILABLE, KW_TIMEOUT, KW_RATE_LIMITED (retryable), KW_SEAL_BROKEN,
 * KW_FORBIDDEN (the provider's policy), KW_KEY_SUSPENDED, KW_KEY_PENDING, KW_KEY_NOT_FOUND,
 * KW_KEY_DESTROYED, and those of memory and of the cryptographic library. A provider that breaks
 * its contract (nothing or too much given back, plaintext in a copy, another error) is
 * KW_PROVIDER_UNAVAILABLE, so that another can take its place; an answer after the deadline is
 * KW_TIMEOUT and thrown away. Thread-safe; calls may block up to the deadline. */
#ifndef KW_PROVIDER_PROVIDER_H
#define KW_PROVIDER_PROVIDER_H

#include "base/bytes.h"
#include "base/secret.h"

enum {
    KW_PROVIDER_KEY_NAME_MAX = 512,
    KW_PROVIDER_PLAINTEXT_MAX = 4096,
    KW_PROVIDER_WRAPPED_MAX = 6144,
    KW_PROVIDER_PAIRS_MAX = 8,
    KW_PROVIDER_PAIR_TEXT_MAX = 1024, /* of a name or a value */
};

struct kw_provider;

/* At most 8 pairs; the same pairs in the same order on wrap and unwrap. */
struct kw_provider_pair {
    const char *name;
    const char *value;
};

struct kw_provider_call {
    const char *key; /* which root key of the provider */
    const struct kw_provider_pair *context;
    size_t context_count;
    int64_t deadline_ms; /* kw_clock_ms() by which it must have answered; 0: none */
    bool *asked; /* out, may be NULL: set once the provider is asked, not refused before that */
};

/* Wraps plaintext (1..4096 bytes); appends the wrapped copy to out. */
KW_ERR kw_provider_wrap(struct kw_provider *provider, const struct kw_provider_call *call,
                        const struct kw_secret *plaintext, struct kw_buf *out,
                        struct kw_error *err);
/* out must be empty. */
KW_ERR kw_provider_unwrap(struct kw_provider *provider, const struct kw_provider_call *call,
                          struct kw_bytes wrapped, struct kw_secret *out, struct kw_error *err);
/* Can it be reached and does the key work: a cheap call. */
KW_ERR kw_provider_check(struct kw_provider *provider, const char *key, int64_t deadline_ms,
                         struct kw_error *err);
/* Makes the root key unless it is there; where a provider cannot, its owner does: as
 * kw_provider_check. */
KW_ERR kw_provider_create(struct kw_provider *provider, const char *key, int64_t deadline_ms,
                          struct kw_error *err);

const char *kw_provider_name(
    const struct kw_provider *provider); /* as configured: software, aws-eu */
const char *kw_provider_kind(const struct kw_provider *provider); /* software, aws, gcp, ... */

struct kw_provider_stats {
    uint64_t wraps;
    uint64_t unwraps;
    uint64_t failures;
    uint64_t us_total;
};
struct kw_provider_stats kw_provider_stats(const struct kw_provider *provider);

void kw_provider_free(struct kw_provider *provider);
KW_CLEANUP_FREE(kw_provider)

/* The software root: a 32-byte root key of this machine, from which a wrapping key for each region
 * is derived (HKDF-SHA-256, so that regions cannot open each other's copies). The root is copied.
 */
KW_ERR kw_provider_software_new(const char *name, const struct kw_secret *root,
                                struct kw_provider **out, struct kw_error *err);

#endif

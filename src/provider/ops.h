/* What a provider implements. Only the dispatcher (provider.c) calls these.
 *
 * The dispatcher has checked sizes, names and context, gives an empty output, throws it away when
 * the call fails, and judges what comes back. Operations may be called by many threads at once;
 * they end by call->deadline_ms (kw_clock_ms; 0: no deadline). Errors are those of provider.h. */
#ifndef KW_PROVIDER_OPS_H
#define KW_PROVIDER_OPS_H

#include "provider/provider.h"

struct kw_provider_ops {
    const char *kind;
    kw_code (*wrap)(void *state, const struct kw_provider_call *call,
                    const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err);
    kw_code (*unwrap)(void *state, const struct kw_provider_call *call, struct kw_bytes wrapped,
                      struct kw_secret *out, struct kw_error *err);
    kw_code (*check)(void *state, const struct kw_provider_call *call, struct kw_error *err);
    /* Makes the root key, or finds it made; NULL: as check, its owner makes it. */
    kw_code (*create)(void *state, const struct kw_provider_call *call, struct kw_error *err);
    void (*free)(void *state);
};

/* A provider of these operations; name is copied. state is freed by ops->free, also when this
 * fails. */
KW_ERR kw_provider_new(const struct kw_provider_ops *ops, void *state, const char *name,
                       struct kw_provider **out, struct kw_error *err);

/* Appends a text with its length before it (big-endian u16). */
void kw_provider_text_encode(struct kw_buf *out, const char *text);

/* Appends the call's context in one form for each list of pairs: the number of pairs, then name and
 * value of each, encoded as above. */
void kw_provider_context_encode(struct kw_buf *out, const struct kw_provider_call *call);

#endif

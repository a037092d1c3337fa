/* Wrapped copies: their form (azure.h), and what RSA is given to wrap. No input or output. Private
 * to azure/. Thread-safe. */
#ifndef KW_AZURE_COPY_H
#define KW_AZURE_COPY_H

#include "azure/codec.h"

/* What wrapkey is given for this plaintext: it, or a key made for it alone if it is too long, and
 * the context's digest behind. */
KW_ERR kw_azure_value_make(const struct kw_provider_call *call, const struct kw_secret *plaintext,
                           struct kw_secret *out, struct kw_error *err);

/* Appends the copy. value is what was wrapped, wrapped what came of it under key. */
KW_ERR kw_azure_copy_write(const struct kw_azure_key *key, const struct kw_secret *value,
                           struct kw_bytes wrapped, const struct kw_secret *plaintext,
                           struct kw_buf *out, struct kw_error *err);

/* A copy's parts, borrowed from it. */
struct kw_azure_copy {
    struct kw_azure_key key;
    struct kw_bytes wrapped; /* for unwrapkey */
    struct kw_bytes head;    /* before sealed */
    struct kw_bytes sealed;  /* empty: none */
};
/* KW_SEAL_BROKEN: it is no copy, damaged, or not of the key that is called for. */
KW_ERR kw_azure_copy_read(struct kw_bytes copy, const struct kw_azure_key *key,
                          struct kw_azure_copy *out, struct kw_error *err);

/* The plaintext, value being what was unwrapped. KW_SEAL_BROKEN: another context, or altered. */
KW_ERR kw_azure_copy_open(const struct kw_azure_copy *copy, const struct kw_provider_call *call,
                          const struct kw_secret *value, struct kw_secret *out,
                          struct kw_error *err);

#endif

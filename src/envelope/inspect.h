/* What a sealed thing says of itself: never needs a key, and proves nothing. docs/spec/text.md.
 * Thread-safe. */
#ifndef KW_ENVELOPE_INSPECT_H
#define KW_ENVELOPE_INSPECT_H

#include "envelope/record.h"

/* That much of the front of a large envelope or stream is enough; text and records are needed
 * whole. */
enum { KW_INSPECT_FRONT = 4096 };

struct kw_inspection {
    enum kw_format format; /* KW_FORMAT_RECORD: JSON with sealed fields */
    bool is_text;          /* given as kw1. text */
    uint64_t sealed_size;  /* bytes, of a text what it decodes to; record: of the JSON text */
    uint64_t plain_size;   /* bytes of plaintext; data keys and records: 0 */
    struct kw_wrapped_key head[KW_RECORD_HEADS_MAX];
    size_t heads;   /* 1; record: one a class; a field by itself: 0 */
    size_t fields;  /* record: sealed values */
    bool is_signed; /* message */
    uint32_t signing_version;
    size_t head_at; /* where the head begins in the bytes: what a re-wrap replaces; record: 0 */
};

/* front is the first front.len bytes of total. KW_BAD_FORMAT if nothing of ours is recognised,
 * KW_NOT_SEALED for a JSON object without sealed fields, KW_TRUNCATED. */
KW_ERR kw_sealed_inspect(struct kw_inspection *out, struct kw_bytes front, uint64_t total,
                         struct kw_error *err);

/* "envelope", "stream", ... */
const char *kw_format_name(enum kw_format format);

/* The name of a head's suite. */
const char *kw_head_suite_name(const struct kw_wrapped_key *head);

#endif

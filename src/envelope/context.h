/* Context: the string map that a sealed thing is bound to (table, column, row, purpose, ...). It is
 * not stored with it and not secret; who opens must give the same one. docs/spec/envelope.md,
 * Context.
 *
 * Canonical form: the entries in the order of their keys' bytes, each as big-endian u16 length and
 * key, u16 length and value. Keys are unique and not empty; keys and values are UTF-8 without NUL.
 * At most KW_CONTEXT_ENTRIES_MAX entries and KW_CONTEXT_SIZE_MAX bytes of canonical form. No
 * entries is a valid context. Everything refused is KW_BAD_CONTEXT. Thread-safe. */
#ifndef KW_ENVELOPE_CONTEXT_H
#define KW_ENVELOPE_CONTEXT_H

#include "crypto/suite.h"

struct kw_json;

enum { KW_CONTEXT_ENTRIES_MAX = 32, KW_CONTEXT_SIZE_MAX = 4096 };

/* Borrowed strings. */
struct kw_context_entry {
    struct kw_bytes key;
    struct kw_bytes value;
};

/* Entries in the caller's order, to be collected before a context is made of them. */
struct kw_context_entries {
    struct kw_context_entry entry[KW_CONTEXT_ENTRIES_MAX];
    size_t count;
};

/* A context as the formats take it. Make it once and use it for many seals. */
struct kw_context {
    uint8_t digest[KW_HASH_SIZE]; /* SHA-256("keyward context v1" || 0 || canonical form) */
};

/* Borrows key and value. */
KW_ERR kw_context_add(struct kw_context_entries *entries, struct kw_bytes key,
                      struct kw_bytes value, struct kw_error *err);

/* Adds "key=value" of a command line; the first '=' divides. */
KW_ERR kw_context_add_text(struct kw_context_entries *entries, const char *text,
                           struct kw_error *err);

/* Adds the members of a JSON object of strings; NULL adds none. Borrows from the document. */
KW_ERR kw_context_add_json(struct kw_context_entries *entries, const struct kw_json *object,
                           struct kw_error *err);

/* entries may be NULL: the empty context. */
KW_ERR kw_context_make(struct kw_context *out, const struct kw_context_entries *entries,
                       struct kw_error *err);

/* Appends the canonical form. */
KW_ERR kw_context_encode(struct kw_buf *out, const struct kw_context_entries *entries,
                         struct kw_error *err);

/* Reads a canonical form and no other. Borrows from canonical. */
KW_ERR kw_context_decode(struct kw_context_entries *out, struct kw_bytes canonical,
                         struct kw_error *err);

#endif

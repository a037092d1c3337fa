/* JSON (RFC 8259), reading: a document as a tree over one block of memory; libyajl does the lexing.
 *
 * Strict where ambiguity is dangerous: UTF-8 checked, duplicate member names refused (they mean one
 * thing to one parser and another to the next), depth and size bounded, nothing after the value.
 * Strings are decoded, terminated for convenience, and may hold NULs: use len. Each value knows its
 * place in the source text, so that a caller can rewrite a value and keep every other byte.
 *
 * Not thread-safe; a document may be read by several threads at once. */
#ifndef KW_JSON_JSON_H
#define KW_JSON_JSON_H

#include "base/bytes.h"

enum { KW_JSON_MAX_DEPTH = 64 };

enum kw_json_type {
    KW_JSON_NULL,
    KW_JSON_FALSE,
    KW_JSON_TRUE,
    KW_JSON_NUMBER,
    KW_JSON_STRING,
    KW_JSON_ARRAY,
    KW_JSON_OBJECT
};

struct kw_json {
    enum kw_json_type type;
    const char *name; /* member name, decoded and terminated; NULL for others */
    size_t name_len;
    const char *text; /* string: decoded, terminated; number: as written, terminated */
    size_t len;
    size_t start, end; /* source bytes [start, end) of the value itself, quotes included */
    size_t count;      /* array, object: number of children */
    const struct kw_json *first; /* array, object: first child */
    const struct kw_json *next;  /* next sibling */
};

struct kw_json_doc {
    const struct kw_json *root;
    void *memory; /* private */
    bool secret;  /* set before parsing: memory is wiped when freed (bodies with data keys) */
};

#define KW_JSON_DOC_INIT                                                                           \
    {                                                                                              \
        0                                                                                          \
    }

/* Parses all of text. KW_BAD_JSON names the place. doc must be KW_JSON_DOC_INIT or wiped. */
KW_ERR kw_json_parse(struct kw_json_doc *doc, struct kw_bytes text, struct kw_error *err);
void kw_json_doc_wipe(struct kw_json_doc *doc);
KW_CLEANUP_WIPE(kw_json_doc)

/* The member with this name, or NULL (also where object is NULL or not an object). */
const struct kw_json *kw_json_get(const struct kw_json *object, const char *name);

/* Typed members of a request body. A missing or mistyped required one is KW_BAD_JSON naming it; an
 * absent optional one leaves out as it was; null counts as absent. Strings with an embedded NUL are
 * refused. */
KW_ERR kw_json_get_str(const struct kw_json *object, const char *name, bool required,
                       const char **out, struct kw_error *err);
KW_ERR kw_json_get_u64(const struct kw_json *object, const char *name, bool required, uint64_t max,
                       uint64_t *out, struct kw_error *err);
KW_ERR kw_json_get_bool(const struct kw_json *object, const char *name, bool *out,
                        struct kw_error *err);

/* Refuses members that are not in names (NULL-terminated): a misspelt option is an error, not a
 * silent default. */
KW_ERR kw_json_only(const struct kw_json *object, const char *const *names, struct kw_error *err);

#endif

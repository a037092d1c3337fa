/* A compiled path spec, and matching it against a parsed record. Private to envelope/. */
#ifndef KW_ENVELOPE_RECORD_PATH_H
#define KW_ENVELOPE_RECORD_PATH_H

#include "envelope/record.h"

enum kw_step_type { KW_STEP_NAME, KW_STEP_INDEX, KW_STEP_ANY };

struct kw_step {
    enum kw_step_type type;
    size_t name, name_len; /* in kw_fields_spec.names */
    size_t index;
};

struct kw_path {
    struct kw_step *steps;
    size_t count;
    uint8_t cls;      /* index in kw_fields_spec.classes */
    bool class_named; /* the path names its class itself */
};

struct kw_fields_spec {
    struct kw_path paths[KW_FIELDS_PATHS_MAX];
    size_t count;
    char classes[KW_FIELDS_CLASSES_MAX][33];
    uint8_t class_tags[KW_FIELDS_CLASSES_MAX][KW_CLASS_TAG_SIZE];
    size_t class_count;
    struct kw_buf names; /* decoded member names, one after the other */
};

/* Appends a step of a normalised path (RFC 9535 section 2.7). */
void kw_path_add_name(struct kw_buf *out, struct kw_bytes name);
void kw_path_add_index(struct kw_buf *out, size_t index);

/* The path from *start to the end of paths stays; the work goes on with a copy behind it, where
 * *start is then. KW_TOO_LARGE beyond KW_RECORD_PATHS_MAX bytes of them. */
KW_ERR kw_path_keep(struct kw_buf *paths, size_t *start, struct kw_error *err);

/* Called for each value that a path of spec names; paths holds the value's normalised path from at
 * on. */
struct kw_match {
    const struct kw_json *value;
    const struct kw_path *path;
    size_t at, len;
};
typedef kw_code (*kw_match_fn)(void *arg, const struct kw_match *match, struct kw_error *err);
KW_ERR kw_fields_spec_match(const struct kw_fields_spec *spec, const struct kw_json *root,
                            struct kw_buf *paths, kw_match_fn found, void *arg,
                            struct kw_error *err);

/* Adds a field to the record; sorts them by place; refuses overlaps. */
KW_ERR kw_record_add_field(struct kw_record *record, const struct kw_field *field,
                           struct kw_error *err);
KW_ERR kw_record_sort_fields(struct kw_record *record, struct kw_error *err);

/* Forgets the last text, keeps the memory. */
void kw_record_reset(struct kw_record *record);

/* Parses text as the record's next; its root is an object. */
KW_ERR kw_record_parse(struct kw_record *record, const struct kw_fields_spec *spec,
                       struct kw_bytes text, struct kw_error *err);

/* What a value of a record reads as. DAMAGED: it begins like a sealed thing and is none. PLAIN are
 * all others, among them sealed things of other formats, which are not the record's to open. The
 * bytes of a sealed one are appended to out, if that is given. */
enum kw_field_kind { KW_FIELD_PLAIN, KW_FIELD_SEALED, KW_FIELD_DAMAGED };
enum kw_field_kind kw_field_kind(const struct kw_json *value, struct kw_buf *out);

/* Associated data of a field: appends to out after emptying it. */
KW_ERR kw_field_aad(struct kw_buf *out, const struct kw_wrapped_key *head,
                    const struct kw_context *context, struct kw_bytes path, struct kw_error *err);

#endif

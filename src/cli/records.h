/* JSON records, one a line or one JSON text over many lines, worked through in rounds of up to
 * 1,000 data keys: while the authority works on one round, the one before is finished and written
 * and the next is read and parsed.
 *
 * Every byte outside the sealed values, the order, blank lines and the line ends stay as they are.
 * The first bad record ends it; the error names its line. Not thread-safe. */
#ifndef KW_CLI_RECORDS_H
#define KW_CLI_RECORDS_H

#include "cli/data.h"
#include "envelope/record.h"

enum kw_records_act {
    KW_RECORDS_SEAL,
    KW_RECORDS_OPEN,
    KW_RECORDS_REWRAP, /* the heads alone */
    KW_RECORDS_COUNT,  /* only looks: no authority, no output */
};

enum { KW_CONTEXT_FIELDS_MAX = 8, KW_CONTEXT_FIELD_STEPS = 8 };

/* A context entry whose value is a clear field of the record itself: "row=$.id". */
struct kw_context_field {
    struct kw_bytes key;
    struct kw_bytes step[KW_CONTEXT_FIELD_STEPS]; /* member names, outermost first */
    size_t steps;
};
/* Borrows from text. KW_USAGE, KW_BAD_PATH. */
KW_ERR kw_context_field_parse(struct kw_context_field *out, const char *text, struct kw_error *err);

/* Adds the entry that the record has there: a string as it reads, a number, true or false as
 * written. KW_BAD_CONTEXT if there is none or it is one of the record's sealed values. */
KW_ERR kw_context_field_add(struct kw_context_entries *entries,
                            const struct kw_context_field *field, const struct kw_record *record,
                            struct kw_error *err);

struct kw_records_job {
    enum kw_records_act act;
    const struct kw_fields_spec *spec; /* NULL: all sealed values (open, rewrap, count) */
    const struct kw_data_scope *scope; /* expectations when opening; re-wrap: its context alone */
    const struct kw_context_field *context_fields;
    size_t context_field_count;
    bool class_given; /* open: heads of classes that neither the spec nor the scope names refused */
    struct kw_backend *backend; /* COUNT: NULL */
    struct kw_input *input;
    struct kw_output *output;     /* COUNT: NULL */
    struct kw_progress *progress; /* or NULL; counts bytes of input */
    struct kw_census *census; /* or NULL; every head that comes by, and REWRAP: what it became */

    /* Out. */
    uint64_t records, untouched;    /* untouched: without anything to seal, open or count */
    uint64_t fields, keys, changed; /* changed: REWRAP: heads that got another version */
    uint64_t bytes;
};

KW_ERR kw_records_run(struct kw_records_job *job, struct kw_error *err);

#endif

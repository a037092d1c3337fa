/* Records with sealed fields: JSON text in, JSON text out, every byte outside the sealed values
 * kept as it is. docs/spec/fields.md.
 *
 * Two steps, so that a caller can get the data keys of many records in one batch:
 *
 *     kw_record_plan(record, spec, text)      which classes need a data key, one each
 *     kw_record_seal(record, context, keys)   the sealed text
 *
 *     kw_record_read(record, spec, text)      which wrapped data keys must be unwrapped
 *     kw_record_open(record, context, keys)   the text as it was
 *
 * A struct kw_record is used for one text after the other and keeps its memory. Text and spec must
 * outlive the second step. A spec may be shared by threads; a record belongs to one at a time.
 * Plaintext passes through ordinary memory of the caller's buffers; set .secret on them to wipe it.
 */
#ifndef KW_ENVELOPE_RECORD_H
#define KW_ENVELOPE_RECORD_H

#include "envelope/envelope.h"
#include "json/json.h"

#define KW_RECORD_MEMBER "_keyward" /* holds the heads; appended last */

enum {
    KW_FIELDS_PATHS_MAX = 64,
    KW_FIELDS_CLASSES_MAX = 16,
    KW_FIELDS_SPEC_MAX = 16384,
    KW_RECORD_HEADS_MAX = 16,
    KW_RECORD_FIELDS_MAX = 65536,
    KW_RECORD_PATHS_MAX = 16 << 20, /* bytes of the normalised paths of all of them */
    KW_FIELD_OVERHEAD = 2 + KW_NONCE_SIZE + KW_TAG_SIZE, /* before text encoding */
};

/* Which values are sealed, and each one's class: "$.ssn,$.cards[*].number:financial". A path is $
 * and steps .name, ['name'], [index] or [*] (RFC 9535). KW_BAD_PATH says where it is wrong;
 * KW_BAD_NAME for a class. default_class is for paths that name none. */
struct kw_fields_spec;
KW_ERR kw_fields_spec_new(struct kw_fields_spec **out, const char *text, const char *default_class,
                          struct kw_error *err);
void kw_fields_spec_free(struct kw_fields_spec *spec);
KW_CLEANUP_FREE(kw_fields_spec)

/* The classes that the paths name, in order of first use, without repeats. */
size_t kw_fields_spec_classes(const struct kw_fields_spec *spec);
const char *kw_fields_spec_class(const struct kw_fields_spec *spec, size_t index);

/* One value that is to be sealed or opened. */
struct kw_field {
    const struct kw_json *value;
    size_t path, path_len;     /* its normalised path, in kw_record.paths */
    uint8_t key;               /* plan: index of its class; read: index of its head */
    size_t sealed, sealed_len; /* read: the sealed bytes, in kw_record.sealed */
};

struct kw_record {
    struct kw_bytes text;
    struct kw_json_doc doc;
    struct kw_buf paths;
    struct kw_buf sealed;
    struct kw_field *fields; /* in the order of the text */
    size_t count, room;
    size_t keys;                                     /* data keys that the second step takes */
    uint8_t key_of[KW_RECORD_HEADS_MAX];             /* plan: class of the spec; read: head */
    struct kw_wrapped_key head[KW_RECORD_HEADS_MAX]; /* read: all heads of the record */
    size_t heads;
    const struct kw_fields_spec *spec;
    size_t left_sealed; /* read: sealed values that the spec leaves as they are */
};

#define KW_RECORD_INIT                                                                             \
    {                                                                                              \
        .doc = {.secret = true }                                                                   \
    }
void kw_record_wipe(struct kw_record *record);
KW_CLEANUP_WIPE(kw_record)

/* Parses text and finds what spec names. KW_BAD_JSON if it is not a JSON object; KW_ALREADY_SEALED
 * if it has the member KW_RECORD_MEMBER or a value that reads as sealed; KW_BAD_PATH if two paths
 * name one value or a part of another. */
KW_ERR kw_record_plan(struct kw_record *record, const struct kw_fields_spec *spec,
                      struct kw_bytes text, struct kw_error *err);

/* How many data keys kw_record_seal takes (0: nothing matches), and the class of each. */
size_t kw_record_plan_keys(const struct kw_record *record);
const char *kw_record_plan_class(const struct kw_record *record, size_t index);

/* Appends the sealed record to out. keys[i] is a fresh data key for class i of the plan, wrapped
 * under context; it is used up. Without a match the text passes unchanged. */
KW_ERR kw_record_seal(struct kw_record *record, const struct kw_context *context,
                      const struct kw_data_key *keys, struct kw_buf *out, struct kw_error *err);

/* Parses a sealed text. With a spec, what it names is to be opened and must be sealed
 * (KW_NOT_SEALED otherwise), under the path's own class if it names one; other sealed values stay
 * sealed, and the heads with them. Without (NULL), every sealed value is opened. KW_BAD_FORMAT for
 * broken heads. */
KW_ERR kw_record_read(struct kw_record *record, const struct kw_fields_spec *spec,
                      struct kw_bytes text, struct kw_error *err);

/* How many data keys kw_record_open takes, and what each must be unwrapped from. */
size_t kw_record_read_keys(const struct kw_record *record);
const struct kw_wrapped_key *kw_record_read_head(const struct kw_record *record, size_t index);

/* Appends the opened record to out. data_keys[i], 32 bytes in secret memory, is what
 * kw_record_read_head(i) unwrapped to. On failure nothing is appended. */
KW_ERR kw_record_open(struct kw_record *record, const struct kw_context *context,
                      const uint8_t *const *data_keys, struct kw_buf *out, struct kw_error *err);

/* After kw_record_read without a spec: appends the record with heads[0..record->heads) in place of
 * its own, for a re-wrap. They must differ in version and wrap alone (KW_STATE_CONFLICT). */
KW_ERR kw_record_replace_heads(struct kw_record *record, const struct kw_wrapped_key *heads,
                               struct kw_buf *out, struct kw_error *err);

#endif

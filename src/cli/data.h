/* What the data commands share: whose key, under which context; a data key for one thing; counts of
 * what lies under which key. Not thread-safe. */
#ifndef KW_CLI_DATA_H
#define KW_CLI_DATA_H

#include "cli/command.h"
#include "cli/data_io.h"
#include "envelope/inspect.h"

enum { KW_DATA_BLOCK = 1 << 20 }; /* what streams are read and written by: whole chunks */

/* --tenant, --region, --class, --context, --justification. */
struct kw_data_scope {
    const char *tenant, *region, *data_class; /* NULL if not given */
    const char *justification;
    struct kw_context_entries entries;
    struct kw_bound_context context;
};

/* required: tenant and region must be given, and the class has a default. Borrows from in. scope
 * must be zero. */
KW_ERR kw_data_scope_read(struct kw_data_scope *scope, const struct kw_invocation *in,
                          bool required, struct kw_error *err);
void kw_data_scope_wipe(struct kw_data_scope *scope);
KW_CLEANUP_WIPE(kw_data_scope)

/* A fresh data key, or the one that head wraps, checked against what the scope names. batch must be
 * zero; its first item has the head and its first key the key. */
KW_ERR kw_data_key_fresh(struct kw_invocation *in, const struct kw_data_scope *scope,
                         struct kw_key_batch *batch, struct kw_data_key *out, struct kw_error *err);
KW_ERR kw_data_key_of(struct kw_invocation *in, const struct kw_data_scope *scope,
                      const struct kw_wrapped_key *head, struct kw_key_batch *batch,
                      const uint8_t **out, struct kw_error *err);

/* The name of a class tag if it is one of those that every authority has, or NULL. */
const char *kw_class_name_known(const uint8_t tag[KW_CLASS_TAG_SIZE]);

/* "pii", or "tag 01020304". Returns text. */
const char *kw_class_text(const uint8_t tag[KW_CLASS_TAG_SIZE], char text[40]);

/* Seconds since started_us, never 0. */
double kw_data_seconds(int64_t started_us);

/* "5 MiB in 0.1 s (50 MiB/s)"; without the rate where it would mean nothing. Returns text. */
const char *kw_data_pace(uint64_t bytes, double seconds, char text[96]);

/* ---- Census: how many sealed things lie under which version of which key ---- */

struct kw_census_row {
    uint8_t suite;
    uint8_t key_ref[KW_KEY_REF_SIZE];
    uint8_t class_tag[KW_CLASS_TAG_SIZE];
    uint32_t version;
    uint64_t before, after; /* inspection counts in before alone */
};

struct kw_census {
    struct kw_census_row *rows; /* count of them, in the order of first sight until sorted */
    size_t count, room;
    uint32_t *slots; /* hash table of 1 + index */
    size_t slot_count;
};
void kw_census_wipe(struct kw_census *census);
KW_CLEANUP_WIPE(kw_census)

/* The row that a head belongs to, made if it is new; NULL: no memory. Valid until the next call. */
struct kw_census_row *kw_census_row(struct kw_census *census, const struct kw_wrapped_key *head);
/* By key, class and version. Rows are not to be looked up afterwards. */
void kw_census_sort(struct kw_census *census);

#endif

/* Records: JSON objects of which chosen values are sealed and all else stays readable.
 * docs/spec/fields.md.
 *
 * fields names the values, "$.ssn,$.cards[*].number:financial": paths of names, ['names'],
 * [numbers] and
 * [*], each with a data class if it is not the call's. Every byte outside the sealed values is
 * kept; the wrapped data keys, one a record and class, stand in a last member "_keyward".
 *
 * All functions are thread-safe. Errors: those of seal.h, and KW_BAD_PATH (fields), KW_BAD_JSON
 * (the record), KW_ALREADY_SEALED, KW_NOT_SEALED (a value that should be sealed is not). */
#ifndef KEYWARD_FIELDS_H
#define KEYWARD_FIELDS_H

#include <keyward/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A record without a value that fields name passes as it is, without a call to the authority. */
KW_API KW_ERR kw_fields_seal(struct kw_client *client, const struct kw_call_options *options,
                             const char *fields, struct kw_input record, struct kw_output *out,
                             struct kw_error *err);

/* fields NULL: all that is sealed is opened. Otherwise what they name, which must be sealed, and
 * the rest stays as it is. */
KW_API KW_ERR kw_fields_open(struct kw_client *client, const struct kw_call_options *options,
                             const char *fields, struct kw_input record, struct kw_output *out,
                             struct kw_error *err);

/* Many records in few rounds to the authority: up to 1,000 data keys each. in is read; out
 * (KW_OUTPUT_INIT, or of an earlier call) and error are written. error.code is KW_OK, or why this
 * record failed; its out is then as it was. */
struct kw_fields_item {
    struct kw_input in;
    struct kw_output out;
    struct kw_error error;
};

/* KW_OK if every item was done, else the code of the first that was not, with err telling which.
 * All items are tried, unless the authority cannot be reached: those not done then have that error.
 */
KW_API KW_ERR kw_fields_seal_many(struct kw_client *client, const struct kw_call_options *options,
                                  const char *fields, struct kw_fields_item *items, size_t count,
                                  struct kw_error *err);
KW_API KW_ERR kw_fields_open_many(struct kw_client *client, const struct kw_call_options *options,
                                  const char *fields, struct kw_fields_item *items, size_t count,
                                  struct kw_error *err);

#ifdef __cplusplus
}
#endif

#endif

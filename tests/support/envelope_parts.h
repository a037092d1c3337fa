/* Pieces of a command, for envelope_*.c here. */
#ifndef KW_SUPPORT_ENVELOPE_PARTS_H
#define KW_SUPPORT_ENVELOPE_PARTS_H

#include "envelope/fixed.h"
#include "envelope/message.h"
#include "json/write.h"

/* A command being run. */
struct kw_command {
    const struct kw_json *json;
    struct kw_context context;
    struct kw_json_writer *answer;
    struct kw_error *err;
};

typedef kw_code (*kw_command_fn)(const struct kw_command *c);

kw_code kw_command_envelope_seal(const struct kw_command *c);
kw_code kw_command_envelope_open(const struct kw_command *c);
kw_code kw_command_record_seal(const struct kw_command *c);
kw_code kw_command_record_open(const struct kw_command *c);
kw_code kw_command_stream_seal(const struct kw_command *c);
kw_code kw_command_stream_open(const struct kw_command *c);
kw_code kw_command_message_seal(const struct kw_command *c);
kw_code kw_command_message_open(const struct kw_command *c);

/* Members; a missing one aborts. Bytes are given as hex. */
const char *kw_command_str(const struct kw_json *object, const char *name);
uint64_t kw_command_u64(const struct kw_json *object, const char *name);
bool kw_command_flag(const struct kw_json *object, const char *name);
void kw_command_hex(const struct kw_json *object, const char *name, struct kw_buf *out);
void kw_command_secret(const struct kw_json *object, const char *name, struct kw_secret *out);

/* The wrapping key of the command's members tenant_key, suite, tenant, region, class (or cls if it
 * is given), key_ref and version. */
kw_code kw_command_wrapping_key(const struct kw_command *c, const char *cls,
                                struct kw_wrapping_key *out);

/* The data key of object's data_key and wrap_nonce, wrapped under w. */
kw_code kw_command_data_key(const struct kw_command *c, const struct kw_json *object,
                            const struct kw_wrapping_key *w, struct kw_secret *secret,
                            struct kw_data_key *out);

void kw_command_must(bool holds, const char *what);

#endif

/* What goes into calls and comes out of them. */
#ifndef KEYWARD_TYPES_H
#define KEYWARD_TYPES_H

#include <keyward/error.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KW_API __attribute__((visibility("default")))

/* Bytes that are read for the length of a call. data may be NULL if len is 0. */
struct kw_input {
    const void *data;
    size_t len;
};

static inline struct kw_input kw_input_of(const void *data, size_t len)
{
    struct kw_input input;
    input.data = data;
    input.len = len;
    return input;
}

static inline struct kw_input kw_input_text(const char *text)
{
    return kw_input_of(text, strlen(text));
}

/* Bytes that a call gave: len of them, and a NUL behind, which is not counted. Start with
 * KW_OUTPUT_INIT; what an output holds from an earlier call is wiped and replaced, so that one can
 * be used again and again. After a failure it holds what it held before, or, of streams, nothing.
 */
struct kw_output {
    uint8_t *data;
    size_t len;
    size_t capacity; /* the library's */
};
#define KW_OUTPUT_INIT                                                                             \
    {                                                                                              \
        0, 0, 0                                                                                    \
    }

/* Overwrites the bytes and gives them back; the output is then empty. NULL is left alone. */
KW_API void kw_free(struct kw_output *output);

/* An entry of a context: texts, UTF-8. */
struct kw_pair {
    const char *key;
    const char *value;
};

/* Flags of a call, or-ed. */
enum {
    KW_AS_TEXT = 1, /* kw_seal, kw_message_seal: the text form, "kw1." and base64url */
    KW_SIGNED = 2,  /* kw_message_seal: sign it; kw_message_open: it must be signed */
};

/* For whom and as what. Texts are borrowed for the call (for streams: until the first byte is out).
 *
 * Sealing needs tenant and region. Opening needs neither: a sealed thing names its key; but say
 * what you expect, and a value of another tenant that was slipped into a row is refused
 * (KW_NOT_THIS_TENANT, KW_WRONG_CLASS). */
struct kw_call_options {
    size_t size; /* sizeof(struct kw_call_options); set by KW_CALL_OPTIONS_INIT */
    const char *tenant;
    const char *region;
    const char *data_class;        /* NULL: "default" in sealing, any in opening */
    const struct kw_pair *context; /* what the thing is bound to; the same is needed to open it */
    size_t context_count;          /* at most 32 */
    const char *justification;     /* why, for the ledger; or NULL */
    uint32_t timeout_ms;           /* of the call with all its tries; 0: the client's */
    uint32_t flags;
};
#ifdef __cplusplus
#define KW_CALL_OPTIONS_INIT                                                                       \
    {                                                                                              \
        sizeof(struct kw_call_options), 0, 0, 0, 0, 0, 0, 0, 0                                     \
    }
#else
#define KW_CALL_OPTIONS_INIT                                                                       \
    {                                                                                              \
        .size = sizeof(struct kw_call_options)                                                     \
    }
#endif

#ifdef __cplusplus
}
#endif

#endif

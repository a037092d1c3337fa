/* What a sealed thing says of itself: without keys, without an authority, and without proof. */
#ifndef KEYWARD_INSPECT_H
#define KEYWARD_INSPECT_H

#include <keyward/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KW_SEALED_KEYS_MAX = 16 };

/* A wrapped data key: under what it is wrapped. */
struct kw_sealed_key {
    char reference[17]; /* of the tenant key, 16 hex digits */
    char class_tag[9];  /* of the data class, 8 hex digits */
    uint8_t suite;
    uint32_t version;       /* of the tenant key */
    const char *suite_name; /* constant */
};

struct kw_sealed_info {
    size_t size;        /* sizeof(struct kw_sealed_info); set by KW_SEALED_INFO_INIT */
    const char *format; /* "envelope", "record", "field", "stream", "message", "wrapped data key" */
    bool is_text;       /* it came as kw1. text */
    bool is_signed;     /* message */
    uint32_t sign_version; /* of the tenant key that signed */
    uint64_t sealed_size;  /* bytes; of a text what it stands for */
    uint64_t plain_size;   /* bytes of plaintext; records and wrapped data keys: 0 */
    size_t fields;         /* record: how many values are sealed */
    size_t key_count;      /* 1; record: one a class; a field by itself: 0 */
    struct kw_sealed_key key[KW_SEALED_KEYS_MAX];
};
#ifdef __cplusplus
#define KW_SEALED_INFO_INIT                                                                        \
    {                                                                                              \
        sizeof(struct kw_sealed_info), 0, false, false, 0, 0, 0, 0, 0, {}                          \
    }
#else
#define KW_SEALED_INFO_INIT                                                                        \
    {                                                                                              \
        .size = sizeof(struct kw_sealed_info)                                                      \
    }
#endif

/* front is the first front.len bytes of total: 4,096 are enough for envelopes, messages and
 * streams; texts and records are needed whole. KW_BAD_FORMAT if nothing of Keyward is recognised,
 * KW_NOT_SEALED for a JSON object without sealed fields, KW_TRUNCATED. Thread-safe. */
KW_API KW_ERR kw_inspect(struct kw_input front, uint64_t total, struct kw_sealed_info *out,
                         struct kw_error *err);

#ifdef __cplusplus
}
#endif

#endif

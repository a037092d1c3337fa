/* Keys: what is derived from a tenant key, and the wrapped data key that heads every sealed thing.
 * docs/spec/envelope.md. Pure functions; thread-safe. */
#ifndef KW_ENVELOPE_WRAP_H
#define KW_ENVELOPE_WRAP_H

#include "envelope/context.h"

enum {
    KW_KEY_REF_SIZE = 8,
    KW_CLASS_TAG_SIZE = 4,
    KW_WRAPPED_SIZE = KW_KEY_SIZE + KW_TAG_SIZE,
    KW_HEAD_SIZE = 78,
    KW_COMMITMENT_SIZE = 32,
};

/* The first byte of every sealed thing. */
enum kw_format {
    KW_FORMAT_DATA_KEY = 1, /* a wrapped data key by itself, as the authority hands it out */
    KW_FORMAT_ENVELOPE = 2,
    KW_FORMAT_RECORD = 3, /* head of a record's sealed fields */
    KW_FORMAT_FIELD = 4,  /* one sealed value of a record */
    KW_FORMAT_STREAM = 5,
    KW_FORMAT_MESSAGE = 6,
};

/* Whose key: names as base/names.h accepts them. cls NULL where a purpose has no class. */
struct kw_scope {
    const char *tenant;
    const char *region;
    const char *cls;
};

enum kw_purpose {
    KW_PURPOSE_WRAP,       /* the wrapping key of a class */
    KW_PURPOSE_COMMITMENT, /* 32 bytes to pin that a version is this key; no class, no suite */
    KW_PURPOSE_SIGN,       /* Ed25519 seed of the tenant's signing key; no class */
};

/* Derives 32 bytes for the purpose from a version of a tenant key (32 bytes). out must be empty.
 * KW_BAD_NAME for names that are refused. */
KW_ERR kw_tenant_key_derive(struct kw_secret *out, const struct kw_secret *tenant_key,
                            enum kw_purpose purpose, const struct kw_suite *suite,
                            const struct kw_scope *scope, struct kw_error *err);

/* First bytes of SHA-256("keyward class v1" || 0 || name): says which class, in little room. */
void kw_class_tag(uint8_t out[KW_CLASS_TAG_SIZE], const char *class_name);

/* A head, taken apart. Not secret. */
struct kw_wrapped_key {
    uint8_t format; /* enum kw_format */
    uint8_t suite;  /* enum kw_suite_id */
    uint8_t key_ref[KW_KEY_REF_SIZE];
    uint32_t version;
    uint8_t class_tag[KW_CLASS_TAG_SIZE];
    uint8_t nonce[KW_NONCE_SIZE];
    uint8_t wrapped[KW_WRAPPED_SIZE]; /* data key, sealed under the wrapping key */
};

/* KW_BAD_FORMAT if head is not KW_HEAD_SIZE bytes or has no format with a head,
 * KW_UNSUPPORTED_SUITE if its suite is unknown. */
KW_ERR kw_wrapped_key_parse(struct kw_wrapped_key *out, struct kw_bytes head, struct kw_error *err);
void kw_wrapped_key_write(const struct kw_wrapped_key *key, uint8_t out[KW_HEAD_SIZE]);

/* A wrapping key that the caller holds (an authority's cache, a lease), with all that its heads
 * say. */
struct kw_wrapping_key {
    struct kw_secret key; /* KW_PURPOSE_WRAP */
    uint8_t suite;
    uint8_t key_ref[KW_KEY_REF_SIZE];
    uint32_t version;
    uint8_t class_tag[KW_CLASS_TAG_SIZE];
};

/* Wraps data_key (in secret memory) under w with a random nonce. Of out, format is the caller's and
 * is left as it is; it is not bound by the wrap, so that who wraps need not know what is being
 * built. */
KW_ERR kw_data_key_wrap(struct kw_wrapped_key *out, const struct kw_wrapping_key *w,
                        const struct kw_context *context, const uint8_t data_key[KW_KEY_SIZE],
                        struct kw_error *err);

/* data_key lies in secret memory. KW_SEAL_BROKEN if it was altered or belongs to another tenant,
 * region, class, version or context; data_key is then zero. That the head names w is checked too.
 */
KW_ERR kw_data_key_unwrap(uint8_t data_key[KW_KEY_SIZE], const struct kw_wrapping_key *w,
                          const struct kw_wrapped_key *head, const struct kw_context *context,
                          struct kw_error *err);

#endif

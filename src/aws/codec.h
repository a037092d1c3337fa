/* AWS KMS as texts: what its operations are asked with and what their answers say (AWS KMS API
 * Reference, JSON 1.1: POST / with X-Amz-Target). Pure: no I/O, no clock, no signature. Bodies hold
 * keys: write them into secret buffers.
 *
 * Answers are trusted with nothing: what is malformed, or comes from a key or an AWS region other
 * than the one that was asked for, is KW_PROVIDER_UNAVAILABLE. Texts of errors are ours; an
 * answer's own text is never repeated, since a broken server could put a key there. Thread-safe. */
#ifndef KW_AWS_CODEC_H
#define KW_AWS_CODEC_H

#include "provider/provider.h"

enum kw_kms_op {
    KW_KMS_ENCRYPT,
    KW_KMS_DECRYPT,
    KW_KMS_DESCRIBE_KEY,
    KW_KMS_CREATE_KEY,
    KW_KMS_CREATE_ALIAS,
};
const char *kw_kms_target(enum kw_kms_op op); /* TrentService.Encrypt */

enum { KW_KMS_ANSWER_MAX = 16384, KW_KMS_WHO_SIZE = 80 };

/* Whom is asked: for what is checked, and for the texts of errors. */
struct kw_kms_peer {
    char who[KW_KMS_WHO_SIZE]; /* AWS KMS (aws-eu) */
    char region[32];           /* eu-central-1 */
};

/* KW_KEY_NOT_FOUND: the key is an ARN of another service or of another AWS region than the peer's.
 */
KW_ERR kw_kms_key_check(const struct kw_kms_peer *peer, const char *key, struct kw_error *err);

/* The bodies of requests, appended. The call's pairs become the encryption context: a map, so a
 * name that stands there twice, or is not UTF-8, is KW_FORBIDDEN. */
KW_ERR kw_kms_encrypt_write(const struct kw_provider_call *call, const struct kw_secret *plaintext,
                            struct kw_buf *body, struct kw_error *err);
KW_ERR kw_kms_decrypt_write(const struct kw_provider_call *call, struct kw_bytes wrapped,
                            struct kw_buf *body, struct kw_error *err);
/* Of DescribeKey. */
KW_ERR kw_kms_key_write(const char *key, struct kw_buf *body, struct kw_error *err);
/* A symmetric key for encryption. */
KW_ERR kw_kms_create_write(const char *description, struct kw_buf *body, struct kw_error *err);
KW_ERR kw_kms_alias_write(const char *alias, const char *key, struct kw_buf *body,
                          struct kw_error *err);

/* Answers of status 200 to requests for the key. out is appended to, a secret must be empty. */
KW_ERR kw_kms_encrypt_read(const struct kw_kms_peer *peer, const char *key, struct kw_bytes body,
                           struct kw_buf *out, struct kw_error *err);
KW_ERR kw_kms_decrypt_read(const struct kw_kms_peer *peer, const char *key, struct kw_bytes body,
                           struct kw_secret *out, struct kw_error *err);
/* KW_OK: it can encrypt and decrypt. KW_KEY_SUSPENDED (disabled, or without its imported material),
 * KW_KEY_PENDING, KW_FORBIDDEN (it is for signing or the like), KW_PROVIDER_UNAVAILABLE. */
KW_ERR kw_kms_describe_read(const struct kw_kms_peer *peer, const char *key, struct kw_bytes body,
                            struct kw_error *err);
/* Appends the new key's ARN. */
KW_ERR kw_kms_create_read(const struct kw_kms_peer *peer, struct kw_bytes body, struct kw_buf *arn,
                          struct kw_error *err);

/* An answer of any other status. */
struct kw_kms_refusal {
    int status;
    struct kw_bytes type; /* the header x-amzn-errortype; empty: none */
    struct kw_bytes body;
    const char *key; /* that the request was for; "": none */
};

/* What it means: never KW_OK. renew: other credentials may help, so fetch them and ask once more.
 */
kw_code kw_kms_refusal_read(const struct kw_kms_peer *peer, const struct kw_kms_refusal *refusal,
                            bool *renew, struct kw_error *err);

#endif

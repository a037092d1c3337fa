/* AWS credentials (access key, secret, session token) and the texts that they come in. Pure.
 * Secrets lie in secret memory, the texts that hold them in memory that is wiped. Thread-safe. */
#ifndef KW_AWS_KEYS_H
#define KW_AWS_KEYS_H

#include "base/bytes.h"
#include "base/secret.h"

enum { KW_AWS_ID_MAX = 128, KW_AWS_SECRET_MAX = 256, KW_AWS_TOKEN_MAX = 12288 };

struct kw_aws_keys {
    char id[KW_AWS_ID_MAX + 1]; /* the access key id; no secret */
    struct kw_secret secret;
    struct kw_secret token;  /* of a session; empty: none */
    int64_t expires_wall_ms; /* 0: never */
};
#define KW_AWS_KEYS_INIT                                                                           \
    {                                                                                              \
        .expires_wall_ms = 0                                                                       \
    }
void kw_aws_keys_wipe(struct kw_aws_keys *keys);
KW_CLEANUP_WIPE(kw_aws_keys)

/* Checks the three (letters, digits and _ in the id; visible ASCII in the others; token may be
 * empty) and copies them. KW_BAD_FORMAT names the one that is wrong. */
KW_ERR kw_aws_keys_set(struct kw_aws_keys *out, struct kw_bytes id, struct kw_bytes secret,
                       struct kw_bytes token, struct kw_error *err);
KW_ERR kw_aws_keys_copy(struct kw_aws_keys *to, const struct kw_aws_keys *from,
                        struct kw_error *err);

/* In all that follow out must be initial or wiped; KW_BAD_FORMAT says what is wrong. */

/* What container endpoints and the instance metadata service answer: an object with AccessKeyId,
 * SecretAccessKey, Token and Expiration. */
KW_ERR kw_aws_keys_read_json(struct kw_bytes text, struct kw_aws_keys *out, struct kw_error *err);

/* What STS answers to AssumeRoleWithWebIdentity: XML with one Credentials element. */
KW_ERR kw_aws_keys_read_xml(struct kw_bytes text, struct kw_aws_keys *out, struct kw_error *err);

/* The section [profile] of a shared credentials file. */
KW_ERR kw_aws_keys_read_profile(struct kw_bytes text, const char *profile, struct kw_aws_keys *out,
                                struct kw_error *err);

/* The text of the only element of this name (no attributes, no elements or entities within).
 * false: there is none, or it is not that simple. */
bool kw_aws_xml_element(struct kw_bytes text, const char *name, struct kw_bytes *out);

/* 2026-11-21T22:48:40Z, with or without a fraction. */
KW_ERR kw_aws_time_read(struct kw_bytes text, int64_t *wall_ms, struct kw_error *err);

#endif

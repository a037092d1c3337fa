/* AWS Signature Version 4 in its header form: what proves to an AWS service who is asking, and that
 * the request is as it was sent. Pure: no clock, no I/O.
 *
 * Signature = HMAC-SHA-256(signing key, "AWS4-HMAC-SHA256" LF time LF scope LF
 * hex(SHA-256(canonical request))); the signing key is HMAC-SHA-256 of date, region, service and
 * "aws4_request" in turn, from "AWS4" and the secret. Paths are made canonical as all services but
 * S3 want it: dot segments and empty ones go, then each byte but letters, digits and -._~/ is
 * percent-encoded once more. Specification: AWS IAM User Guide, "Create a signed AWS API request".
 * Thread-safe. */
#ifndef KW_AWS_SIGV4_H
#define KW_AWS_SIGV4_H

#include "base/bytes.h"
#include "base/secret.h"

enum { KW_SIGV4_TIME_SIZE = 17, KW_SIGV4_HEADERS_MAX = 32, KW_SIGV4_PAIRS_MAX = 64 };

struct kw_sigv4_header {
    const char *name;
    const char *value;
};

struct kw_sigv4_request {
    const char *method;
    struct kw_bytes path;                  /* as sent, percent-encoded; none means / */
    struct kw_bytes query;                 /* as sent, percent-encoded, without the question mark */
    const struct kw_sigv4_header *headers; /* those to be signed; Host and X-Amz-Date among them */
    size_t header_count;
    struct kw_bytes body;
};

struct kw_sigv4_scope {
    const char *time; /* as kw_sigv4_time writes it, the same as in X-Amz-Date */
    const char *region;
    const char *service;
};

struct kw_sigv4_keys {
    const char *id;
    const struct kw_secret *secret;
};

/* 20150830T123600Z. Returns text. */
const char *kw_sigv4_time(int64_t wall_ms, char text[KW_SIGV4_TIME_SIZE]);

/* Appends the canonical request; it holds a session token if one is signed: use a secret buffer.
 * KW_TOO_LARGE: more headers, or pairs in the query, than are provided for. */
KW_ERR kw_sigv4_canonical(const struct kw_sigv4_request *request, struct kw_buf *out,
                          struct kw_error *err);

/* Appends the value of the Authorization header. */
KW_ERR kw_sigv4_authorization(const struct kw_sigv4_request *request,
                              const struct kw_sigv4_scope *scope, const struct kw_sigv4_keys *keys,
                              struct kw_buf *out, struct kw_error *err);

#endif

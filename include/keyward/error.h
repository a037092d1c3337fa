/* What can go wrong: the codes, their classes, and the record that carries the detail.
 *
 * Functions marked KW_ERR return a kw_code: KW_OK (0), or a code whose class says what kind of
 * failure it is and so what a caller can do about it. On failure outputs are untouched and the
 * struct kw_error, if one was given, says more. Its text never holds key or plaintext bytes.
 *
 * Codes are stable: a number is never reused, a name never changes its meaning. */
#ifndef KEYWARD_ERROR_H
#define KEYWARD_ERROR_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Classes: name, HTTP status, process exit status, SQLSTATE, may the same call succeed later? */
#define KW_CLASSES(X)                                                                              \
    X(NONE, "none", 200, 0, "00000", false)                                                        \
    X(USAGE, "usage", 400, 2, "22023", false)                                                      \
    X(UNAUTHENTICATED, "unauthenticated", 401, 3, "28000", false)                                  \
    X(DENIED, "denied", 403, 4, "42501", false)                                                    \
    X(MISSING, "missing", 404, 5, "02000", false)                                                  \
    X(CONFLICT, "conflict", 409, 6, "55000", false)                                                \
    X(INTEGRITY, "integrity", 422, 7, "22000", false)                                              \
    X(LIMITED, "limited", 429, 8, "53000", true)                                                   \
    X(UNAVAILABLE, "unavailable", 503, 9, "58000", true)                                           \
    X(INTERNAL, "internal", 500, 10, "XX000", false)

/* Codes: number, name, class, HTTP status where it differs from the class's (else 0), message. */
#define KW_CODES(X)                                                                                \
    X(0, OK, "ok", NONE, 0, "no error")                                                            \
    X(100, USAGE, "usage", USAGE, 0, "the command or call is incomplete or wrong")                 \
    X(101, BAD_REQUEST, "bad_request", USAGE, 0, "the request is malformed")                       \
    X(102, BAD_JSON, "bad_json", USAGE, 0, "the text is not the JSON that is expected here")       \
    X(103, BAD_NAME, "bad_name", USAGE, 0, "a name has a character or a length that is refused")   \
    X(104, BAD_CONTEXT, "bad_context", USAGE, 0, "the context is malformed or too large")          \
    X(105, BAD_ENCODING, "bad_encoding", USAGE, 0, "the text is not valid hex or base64")          \
    X(106, BAD_FORMAT, "bad_format", USAGE, 0, "these bytes are not a sealed format of Keyward")   \
    X(107, UNSUPPORTED_SUITE, "unsupported_suite", USAGE, 0, "this suite number is unknown")       \
    X(108, BAD_CONFIG, "bad_config", USAGE, 0, "the configuration is wrong")                       \
    X(109, BAD_PATH, "bad_path", USAGE, 0, "a field path is malformed")                            \
    X(110, TOO_LARGE, "too_large", USAGE, 413, "the input is larger than is accepted here")        \
    X(111, METHOD_NOT_ALLOWED, "method_not_allowed", USAGE, 405, "no such method at this address") \
    X(112, REQUEST_TIMEOUT, "request_timeout", USAGE, 408, "the request took too long to arrive")  \
    X(113, HEADERS_TOO_LARGE, "headers_too_large", USAGE, 431, "the request header is too large")  \
    X(114, UNKNOWN_CLASS, "unknown_class", USAGE, 0, "no such data class is configured")           \
    X(115, UNKNOWN_REGION, "unknown_region", USAGE, 0, "no such region is configured")             \
    X(116, ALREADY_SEALED, "already_sealed", USAGE, 0, "the record is sealed already")             \
    X(200, UNAUTHENTICATED, "unauthenticated", UNAUTHENTICATED, 0, "who is calling is not known")  \
    X(201, TOKEN_EXPIRED, "token_expired", UNAUTHENTICATED, 0, "the token has expired")            \
    X(202, BAD_CERTIFICATE, "bad_certificate", UNAUTHENTICATED, 0, "the certificate is refused")   \
    X(300, FORBIDDEN, "forbidden", DENIED, 0, "the caller's roles do not allow this")              \
    X(301, TENANT_SUSPENDED, "tenant_suspended", DENIED, 0, "the tenant is suspended")             \
    X(302, TENANT_CLOSED, "tenant_closed", DENIED, 0, "the tenant is closed")                      \
    X(303, KEY_SUSPENDED, "key_suspended", DENIED, 0, "the tenant key is disabled")                \
    X(304, KEY_PENDING, "key_pending_destruction", DENIED, 0,                                      \
      "the key's destruction is scheduled")                                                        \
    X(305, KEY_DESTROYED, "key_destroyed", DENIED, 0, "the tenant key has been destroyed")         \
    X(306, VERSION_NOT_ACTIVE, "version_not_active", DENIED, 0, "the version may not protect")     \
    X(307, SUITE_REFUSED, "suite_refused", DENIED, 0, "policy refuses this suite")                 \
    X(308, REGION_WALL, "region_wall", DENIED, 0, "no provider of the region may hold this key")   \
    X(309, NOT_THIS_TENANT, "not_this_tenant", DENIED, 0, "sealed for another tenant or region")   \
    X(310, USAGE_EXHAUSTED, "usage_exhausted", DENIED, 0, "the version has reached its use limit") \
    X(311, WRONG_CLASS, "wrong_class", DENIED, 0, "sealed under another data class")               \
    X(312, HSM_REQUIRED, "hsm_required", DENIED, 0, "this data class needs keys kept in hardware") \
    X(313, CUSTOMER_REFUSED, "customer_key_refused", DENIED, 0,                                    \
      "the customer's own key management refuses: see there")                                      \
    X(314, MATERIAL_EXPIRED, "material_expired", DENIED, 0,                                        \
      "the imported key material has ended: import it again")                                      \
    X(400, NOT_FOUND, "not_found", MISSING, 0, "nothing is here")                                  \
    X(401, TENANT_NOT_FOUND, "tenant_not_found", MISSING, 0, "no such tenant")                     \
    X(402, KEY_NOT_FOUND, "key_not_found", MISSING, 0, "no such tenant key")                       \
    X(403, VERSION_NOT_FOUND, "version_not_found", MISSING, 0, "no such version of the key")       \
    X(404, DATA_MISSING, "data_missing", MISSING, 0, "the data folder is missing or incomplete")   \
    X(405, LEDGER_MISSING, "ledger_missing", MISSING, 0, "the ledger is gone or was rolled back")  \
    X(500, EXISTS, "exists", CONFLICT, 0, "it exists already")                                     \
    X(501, STATE_CONFLICT, "state_conflict", CONFLICT, 0, "its state does not allow this")         \
    X(502, DATA_LOCKED, "data_locked", CONFLICT, 0, "another process holds the data folder")       \
    X(503, ADDRESS_IN_USE, "address_in_use", CONFLICT, 0, "the address is in use")                 \
    X(600, SEAL_BROKEN, "seal_broken", INTEGRITY, 0, "altered, or sealed under another context")   \
    X(601, TRUNCATED, "truncated", INTEGRITY, 0, "the end is missing")                             \
    X(602, NOT_SEALED, "not_sealed", INTEGRITY, 0, "a value that should be sealed is not")         \
    X(603, COMMITMENT, "commitment_mismatch", INTEGRITY, 0, "the key is not the one pinned")       \
    X(604, WRONG_ROOT, "wrong_root_key", INTEGRITY, 0, "the passphrase or root key is wrong")      \
    X(605, STORE_CORRUPT, "store_corrupt", INTEGRITY, 0, "the database is damaged")                \
    X(606, LEDGER_CORRUPT, "ledger_corrupt", INTEGRITY, 0, "the ledger does not verify")           \
    X(607, BAD_SIGNATURE, "bad_signature", INTEGRITY, 0, "the signature does not verify")          \
    X(608, BAD_PROOF, "bad_proof", INTEGRITY, 0, "the proof does not verify")                      \
    X(700, RATE_LIMITED, "rate_limited", LIMITED, 0, "too many requests for now")                  \
    X(701, OVERLOADED, "overloaded", LIMITED, 503, "the server is full for now")                   \
    X(800, UNAVAILABLE, "unavailable", UNAVAILABLE, 0, "not available for now")                    \
    X(801, TIMEOUT, "timeout", UNAVAILABLE, 504, "the answer did not come in time")                \
    X(802, LEDGER_UNAVAILABLE, "ledger_unavailable", UNAVAILABLE, 0,                               \
      "the ledger cannot be written")                                                              \
    X(803, STORE_UNAVAILABLE, "store_unavailable", UNAVAILABLE, 0,                                 \
      "the database is not available")                                                             \
    X(804, PROVIDER_UNAVAILABLE, "provider_unavailable", UNAVAILABLE, 0, "no provider answers")    \
    X(805, CONNECT_FAILED, "connect_failed", UNAVAILABLE, 0, "the server cannot be reached")       \
    X(806, SHUTTING_DOWN, "shutting_down", UNAVAILABLE, 0, "the server is stopping")               \
    X(807, DISK_FULL, "disk_full", UNAVAILABLE, 507, "the disk is full")                           \
    X(808, IO, "io_error", UNAVAILABLE, 0, "reading or writing failed")                            \
    X(809, AGAIN, "again", UNAVAILABLE, 0, "it would have to wait")                                \
    X(810, CUSTOMER_UNAVAILABLE, "customer_unavailable", UNAVAILABLE, 0,                           \
      "the customer's own key management does not answer")                                         \
    X(900, INTERNAL, "internal", INTERNAL, 0, "an error of Keyward itself")                        \
    X(901, NO_MEMORY, "no_memory", INTERNAL, 0, "out of memory")                                   \
    X(902, NO_SECURE_MEMORY, "no_secure_memory", INTERNAL, 0, "memory for secrets cannot be had")  \
    X(903, CRYPTO, "crypto_failed", INTERNAL, 0, "the cryptographic library failed")

typedef enum kw_class {
#define KW_X(id, name, http, exit_status, sqlstate, retryable) KW_CLASS_##id,
    KW_CLASSES(KW_X)
#undef KW_X
} kw_class;

typedef enum kw_code {
#define KW_X(number, id, name, class_id, http, message) KW_##id = (number),
    KW_CODES(KW_X)
#undef KW_X
} kw_code;

#define KW_ERR __attribute__((warn_unused_result)) kw_code

enum { KW_ERROR_TEXT_SIZE = 384 };

/* Caller-owned; no cleanup needed. text is always a terminated string of one line, the code's own
 * message where nothing more is known. */
struct kw_error {
    kw_code code;
    char text[KW_ERROR_TEXT_SIZE];
};

/* Lookups in the table above; any int is accepted, an unknown one reads as KW_INTERNAL.
 * Thread-safe. */
const char *kw_code_name(kw_code code);
const char *kw_code_message(kw_code code);
kw_class kw_code_class(kw_code code);
const char *kw_class_name(kw_class cls);
int kw_code_http_status(kw_code code);
int kw_code_exit_status(kw_code code);
const char *kw_code_sqlstate(kw_code code);
bool kw_code_retryable(kw_code code);

/* The code with this name, or KW_INTERNAL. */
kw_code kw_code_from_name(const char *name);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

/* Access tokens that end (RFC 6750): one is kept, renewed before its end, and fetched once however
 * many wait for it.
 *
 * A token is renewed when a quarter of its life is left, by one caller, while the others go on with
 * the one that there is; if that fails, so does the renewer as long as it lasts. Where there is
 * none, callers wait for the one that fetches, each until its own deadline; they share its failure,
 * unless that is that its own time was over. Thread-safe. */
#ifndef KW_PROVIDER_BEARER_H
#define KW_PROVIDER_BEARER_H

#include "base/secret.h"

struct kw_bearer;

/* What a fetch brings. */
struct kw_bearer_grant {
    struct kw_secret token; /* without a terminating NUL */
    int64_t lifetime_ms;    /* from when it was asked for */
};

/* Fetches a token by deadline_ms (of kw_clock_ms()). grant is empty, and wiped on failure. */
typedef kw_code kw_bearer_fetch(void *arg, int64_t deadline_ms, struct kw_bearer_grant *grant,
                                struct kw_error *err);

/* A token in use: it stays until it is put back, also if another takes its place. */
struct kw_bearer_token;

/* Nothing is fetched yet. arg lives as long as the bearer. */
KW_ERR kw_bearer_new(kw_bearer_fetch *fetch, void *arg, struct kw_bearer **out,
                     struct kw_error *err);
/* No token of it is in use. NULL: nothing is done. */
void kw_bearer_free(struct kw_bearer *bearer);

/* fetch's errors, KW_TIMEOUT, and those of memory. */
KW_ERR kw_bearer_get(struct kw_bearer *bearer, int64_t deadline_ms, struct kw_bearer_token **out,
                     struct kw_error *err);
/* The value of the header Authorization: "Bearer " and the token. */
const char *kw_bearer_header(const struct kw_bearer_token *token);
/* It was refused: the next get fetches another. It is still to be put back. */
void kw_bearer_drop(struct kw_bearer *bearer, const struct kw_bearer_token *token);

void kw_bearer_token_free(struct kw_bearer_token *token); /* puts it back */
KW_CLEANUP_FREE(kw_bearer_token)

#endif

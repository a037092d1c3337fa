/* The credentials that requests are signed with, kept and renewed in time.
 *
 * A source fetches credentials (source.h). This keeps what it fetched last; of many callers who
 * need new ones a single one fetches, while the others use the old ones if those still hold, else
 * wait for it. Renewal begins in the last third of a short life, five minutes before the end of a
 * long one; if it fails the old ones are used on until they expire, and it is tried again ten
 * seconds later. Lifetimes are counted on the clock that never goes back. Thread-safe. */
#ifndef KW_AWS_CREDENTIALS_H
#define KW_AWS_CREDENTIALS_H

#include "aws/keys.h"

/* Where credentials come from. fetch may block up to the deadline; it is called by one thread at a
 * time. Its errors are those of a provider's operation. */
struct kw_aws_source {
    kw_code (*fetch)(void *state, int64_t deadline_ms, struct kw_aws_keys *out,
                     struct kw_error *err);
    void (*free)(void *state);
    void *state;
};

struct kw_aws_credentials;

/* Takes the source over, also on failure. */
KW_ERR kw_aws_credentials_new(const struct kw_aws_source *source, struct kw_aws_credentials **out,
                              struct kw_error *err);
void kw_aws_credentials_free(struct kw_aws_credentials *credentials);
KW_CLEANUP_FREE(kw_aws_credentials)

/* A copy of those that hold now. out must be initial or wiped; number says which these are. Errors
 * are the source's, KW_TIMEOUT, those of memory, and KW_PROVIDER_UNAVAILABLE: what the source gives
 * has expired already. */
KW_ERR kw_aws_credentials_get(struct kw_aws_credentials *credentials, int64_t deadline_ms,
                              struct kw_aws_keys *out, uint64_t *number, struct kw_error *err);

/* AWS does not accept those of this number: others are to be fetched. false: that was done just now
 * (within ten seconds), and these are what came of it. */
bool kw_aws_credentials_refused(struct kw_aws_credentials *credentials, uint64_t number);

#endif

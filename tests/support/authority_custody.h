/* Customers with a KMS of their own, for tests of custody: the usual providers of eu and us, and
 * guests of eu, acme-kms and acme-two for the tenant acme, globex-kms for globex. */
#ifndef KW_TESTS_AUTHORITY_CUSTODY_H
#define KW_TESTS_AUTHORITY_CUSTODY_H

#include "authority/custody.h"
#include "authority_fixture.h"

/* A fixture with them, and the tenants acme and globex in eu. options may be NULL; its places are
 * not looked at. */
struct kw_fixture *kw_custody_open(const struct kw_fixture_options *options);

kw_code kw_custody_attach(struct kw_fixture *f, const char *tenant, const char *provider,
                          const char *key);
kw_code kw_custody_hold(struct kw_fixture *f, const char *tenant, const char *provider,
                        const char *key);
kw_code kw_custody_detach(struct kw_fixture *f, const char *tenant);

/* How many copies of the tenant's key in eu this provider has, under this root key (NULL: any). */
size_t kw_custody_copies(struct kw_fixture *f, const char *tenant, const char *provider,
                         const char *provider_key);
/* Calls of it to wrap and unwrap up to now. */
uint64_t kw_custody_calls(struct kw_fixture *f, const char *provider);

/* Data keys of one request, in eu and the context of kw_fixture_generate's 1. Outcomes go to codes;
 * the request's own is returned. */
struct kw_custody_ask {
    const char *tenant;
    const char *data_class;
};
kw_code kw_custody_generate(struct kw_fixture *f, const struct kw_custody_ask *asks, size_t count,
                            struct kw_fixture_key *keys, kw_code *codes);
/* Unwraps them in one request; a key that is another than that in keys fails the test. */
kw_code kw_custody_unwrap(struct kw_fixture *f, const struct kw_fixture_key *keys, size_t count,
                          kw_code *codes);

/* One data key of the class default in eu, and whether it opens: to another one fails the test. */
struct kw_fixture_key kw_custody_seal(struct kw_fixture *f, const char *tenant);
kw_code kw_custody_reopen(struct kw_fixture *f, const struct kw_fixture_key *key);

/* The version that a wrapped key names. */
uint32_t kw_custody_version(const struct kw_fixture_key *key);

/* Moves the clock on, and the pauses of breakers and the lives of keys with it. */
void kw_custody_later(int64_t ms);

#endif

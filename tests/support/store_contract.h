/* What every store must do: one suite, run over each implementation.
 *
 * fresh opens an empty store, again opens the same one anew after it was freed (NULL where nothing
 * outlives the process). Returns the number of failures, like cmocka's run. */
#ifndef KW_TESTS_STORE_CONTRACT_H
#define KW_TESTS_STORE_CONTRACT_H

#include "store/store.h"

struct kw_store_subject {
    const char *name;
    kw_code (*fresh)(void *arg, struct kw_store **out, struct kw_error *err);
    kw_code (*again)(void *arg, struct kw_store **out, struct kw_error *err);
    void (*clear)(void *arg); /* removes what fresh made */
    void *arg;
};

int kw_store_contract(const struct kw_store_subject *subject);

/* Rows to test with: valid, differing by id, reference and version. */
struct kw_tenant_row kw_test_tenant(const char *id);
struct kw_key_row kw_test_key(uint64_t reference, const char *tenant, const char *region);
struct kw_version_row kw_test_version(uint64_t reference, uint32_t version);
struct kw_copy_row kw_test_copy(uint64_t reference, uint32_t version, const char *provider);
struct kw_token_row kw_test_token(const char *id);
struct kw_cost_row kw_test_cost(int64_t day, const char *tenant, const char *provider);

/* Tenant id with a key in eu, version 1 and a copy of it at the provider "software", in one
 * transaction. */
KW_ERR kw_test_store_fill(struct kw_store *store, const char *id, uint64_t reference,
                          struct kw_error *err);

#endif

/* A whole authority in a temporary folder, for tests: SQLite store, ledger, providers for the
 * regions eu and us, the router, and the authority over them. Every part can be made to fail.
 * Unless a test names its own providers each region has one: software-eu, software-us.
 *
 *     struct kw_fixture *f = kw_fixture_open(NULL);
 *     kw_fixture_tenant(f, "acme", "eu");
 *     ...
 *     kw_fixture_close(f);
 *
 * What goes wrong in here fails the test (cmocka). */
#ifndef KW_TESTS_AUTHORITY_FIXTURE_H
#define KW_TESTS_AUTHORITY_FIXTURE_H

#include "authority/authority.h"
#include "authority/cost.h"
#include "authority/datakey.h"
#include "ledger/io.h"
#include "provider_doubles.h"
#include "store_faulty.h"

enum { KW_FIXTURE_PROVIDERS_MAX = 16 };

/* A place of a provider: a route of a region or, with tenants, a customer's provider there. The
 * provider itself is a scripted one before a software root of its own; of one name there is one, in
 * however many regions. */
struct kw_fixture_place {
    const char *provider; /* its name */
    const char *region;   /* eu or us */
    const char *key;      /* of a route; NULL: the region's name */
    const char *tenants;  /* comma-separated; NULL: a route */
    bool hsm;
    uint64_t price_nano;
};

struct kw_fixture_options {
    bool faulty_store; /* fixture->faulty can then make its calls fail */
    bool background;   /* the scheduler's thread runs */
    uint64_t wraps_limit;
    size_t keyring_bytes;
    struct kw_keyring_age age;
    struct kw_keyring_age attached_age;
    unsigned calls_target;
    unsigned refresh_threads;
    struct kw_authority_budget budget;
    const struct kw_class_rules *classes;
    size_t class_count;
    const struct kw_fixture_place *places; /* NULL: software-eu in eu, software-us in us */
    size_t place_count;
    size_t copies_min; /* of each region */
    enum kw_preference preference;
    int64_t attempt_ms; /* as those of the router */
    int64_t open_ms;
    /* May be NULL: sees every call of every provider, see struct kw_script. */
    void (*seen)(void *arg, const char *provider, const struct kw_provider_call *call);
    void *seen_arg;
    /* May be NULL: what stands between the authority and the software provider of eu. Takes behind
     * over. */
    kw_code (*wrap_provider)(void *arg, struct kw_provider *behind, struct kw_provider **out,
                             struct kw_error *err);
    void *arg;
};

struct kw_fixture {
    char dir[4096];
    char ledger_dir[4200];
    struct kw_fixture_options options;
    struct kw_store *store;
    struct kw_faulty faulty;
    struct kw_script eu; /* what the provider software-eu does and has done */
    struct kw_script us;
    struct kw_script scripts[KW_FIXTURE_PROVIDERS_MAX]; /* of others: kw_fixture_script */
    struct kw_provider *providers[KW_FIXTURE_PROVIDERS_MAX];
    size_t provider_count;
    struct kw_meter *meter; /* anew with each start, as in a process */
    struct kw_router *router;
    struct kw_ledger_io io;
    atomic_bool ledger_fails; /* each write and sync of the ledger fails */
    struct kw_ledger *ledger;
    struct kw_authority *authority;
};

/* NULL: the defaults. */
struct kw_fixture *kw_fixture_open(const struct kw_fixture_options *options);
void kw_fixture_close(struct kw_fixture *f); /* removes the folder */
/* Ends all parts in order and starts them again on the same folder. */
void kw_fixture_restart(struct kw_fixture *f);

/* What the provider of this name does and has done; it stays through a restart. */
struct kw_script *kw_fixture_script(struct kw_fixture *f, const char *provider);

/* A caller with these roles (see kw_roles_parse) and tenants. The texts are borrowed. */
struct kw_caller kw_fixture_caller(const char *roles, const char *tenants);
extern const struct kw_caller kw_fixture_root;

/* A tenant with one key, in region. */
void kw_fixture_tenant(struct kw_fixture *f, const char *id, const char *region);

struct kw_fixture_key {
    uint8_t wrapped[KW_HEAD_SIZE];
    uint8_t plaintext[KW_DK_SIZE];
};

/* One data key of class default, in the context whose digest is 32 times context. The code of batch
 * or item. */
kw_code kw_fixture_generate(struct kw_fixture *f, const char *tenant, const char *region,
                            uint8_t context, struct kw_fixture_key *out);
kw_code kw_fixture_unwrap(struct kw_fixture *f, const struct kw_fixture_key *key, uint8_t context,
                          uint8_t out[KW_DK_SIZE]);
kw_code kw_fixture_rewrap(struct kw_fixture *f, struct kw_fixture_key *key, uint8_t context);

/* Entries in the ledger of this operation and outcome ("" for success, else the code's name, or
 * NULL for both), over all that is durable. */
size_t kw_fixture_entries(struct kw_fixture *f, const char *operation, const char *outcome);

/* By whom a version is wrapped: "alpha=eu beta=eu ", provider and root key of each copy. */
enum { KW_FIXTURE_COPIES_SIZE = 512 };
void kw_fixture_copies(struct kw_fixture *f, const char *tenant, const char *region,
                       uint32_t version, char out[KW_FIXTURE_COPIES_SIZE]);

/* The key's row, its version's row. */
struct kw_key_row kw_fixture_key_row(struct kw_fixture *f, const char *tenant, const char *region);
struct kw_version_row kw_fixture_version_row(struct kw_fixture *f, uint64_t reference,
                                             uint32_t version);

#endif

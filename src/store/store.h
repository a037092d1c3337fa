/* The store: what an authority must remember, behind one table of operations.
 *
 * It holds tenants, tenant keys, their versions, the wrapped copies of each version, bearer-token
 * hashes and a few named values. It never sees key bytes: copies are ciphertext of a provider. Rows
 * are fixed structures with text in fixed arrays, so that they can cross a process boundary as they
 * are.
 *
 * kw_store_* functions are the dispatcher: they check what goes in and what comes out and are the
 * only callers of the operations. Thread-safe. Reads see committed data; those of the thread that
 * holds the transaction see what it wrote. Every row carries a checksum, so damage to a value is
 * found when it is read. Errors: KW_STORE_UNAVAILABLE (busy, cannot open; retryable), KW_DISK_FULL,
 * KW_STORE_CORRUPT (restore a backup; a store that was found damaged is not written to again),
 * KW_BAD_NAME, KW_TOO_LARGE, KW_INTERNAL (a call against these rules), and those named below. */
#ifndef KW_STORE_STORE_H
#define KW_STORE_STORE_H

#include "base/bytes.h"

enum {
    KW_TENANT_MAX = 63,
    KW_REGION_MAX = 16,
    KW_CLASS_MAX = 32,
    KW_PROVIDER_MAX = 32,
    KW_PROVIDER_KEY_MAX = 512,
    KW_COPY_MAX = 6144,   /* bytes of a wrapped copy */
    KW_LABELS_MAX = 2048, /* JSON object */
    KW_PRINCIPAL_MAX = 200,
    KW_SCOPE_MAX = 1024,
};

enum kw_tenant_state {
    KW_TENANT_IS_ACTIVE = 1,
    KW_TENANT_IS_SUSPENDED = 2,
    KW_TENANT_IS_CLOSED = 3
};
enum kw_tier { KW_TIER_STANDARD = 1, KW_TIER_ENTERPRISE = 2, KW_TIER_HYOK = 3 };

/* SP 800-57 part 1, section 7, for a version; for a key as a whole the same words. */
enum kw_key_state {
    KW_KEY_IS_PRE_ACTIVATION = 1,
    KW_KEY_IS_ACTIVE = 2,
    KW_KEY_IS_SUSPENDED = 3,
    KW_KEY_IS_DEACTIVATED = 4, /* opens, never protects */
    KW_KEY_IS_COMPROMISED = 5,
    KW_KEY_IS_PENDING = 6,
    KW_KEY_IS_DESTROYED = 7,
};
const char *kw_key_state_name(enum kw_key_state state);
const char *kw_tenant_state_name(enum kw_tenant_state state);
const char *kw_tier_name(enum kw_tier tier);
KW_ERR kw_tier_from_name(const char *name, enum kw_tier *out, struct kw_error *err);

struct kw_tenant_row {
    char id[KW_TENANT_MAX + 1];
    enum kw_tenant_state state;
    enum kw_tier tier;
    char labels[KW_LABELS_MAX + 1]; /* "{}" if none */
    int64_t created_ms;
    uint64_t epoch;
};

struct kw_key_row {
    uint64_t reference; /* random, unique, never 0 */
    char tenant[KW_TENANT_MAX + 1];
    char region[KW_REGION_MAX + 1];
    enum kw_key_state state;           /* active, suspended, pending destruction, destroyed */
    enum kw_key_state state_before;    /* to go back to when a destruction is cancelled */
    enum kw_tenant_state tenant_state; /* of its tenant, read together with it */
    uint8_t suite;
    char custody[16]; /* managed, imported, attached, held */
    uint32_t current_version;
    int64_t created_ms;
    int64_t destroy_at_ms; /* 0 if no destruction is scheduled */
    uint64_t epoch;
    char provider[KW_PROVIDER_MAX + 1];         /* attached, held: the customer's own; else "" */
    char provider_key[KW_PROVIDER_KEY_MAX + 1]; /* the root key there */
};

struct kw_version_row {
    uint64_t reference;
    uint32_t version; /* from 1 */
    enum kw_key_state state;
    uint8_t commitment[32];
    uint8_t sign_public[32]; /* zeros: it has no signing key, being a batch key of a held key */
    int64_t created_ms;
    int64_t deactivated_ms;
    uint64_t wraps; /* data keys made under it; may lag by what a crash loses, never ahead */
    uint64_t unwraps;
    bool imported;      /* the customer's material, not ours */
    int64_t expires_ms; /* of imported material: its copies are destroyed then; 0: never */
};

struct kw_copy_row {
    uint64_t reference;
    uint32_t version;
    char provider[KW_PROVIDER_MAX + 1];
    char provider_key[KW_PROVIDER_KEY_MAX + 1];
    uint8_t blob[KW_COPY_MAX];
    size_t blob_len;
};

/* What was asked of a provider for one tenant key on one day (UTC), and what it cost. provider ""
 * stands for the keyring: unwraps are then the uses of the key, whether a call was made or not. */
struct kw_cost_row {
    int64_t day; /* since 1970-01-01 */
    char tenant[KW_TENANT_MAX + 1];
    char region[KW_REGION_MAX + 1];
    char provider[KW_PROVIDER_MAX + 1];
    uint64_t wraps, unwraps; /* calls, whatever came of them */
    uint64_t failures;       /* of them */
    uint64_t nano;           /* their price, in billionths of the currency unit */
};

struct kw_token_row {
    char id[33];      /* public part, hex */
    uint8_t hash[32]; /* SHA-256 of the secret part */
    char principal[KW_PRINCIPAL_MAX + 1];
    char roles[128];                /* comma-separated */
    char tenants[KW_SCOPE_MAX + 1]; /* comma-separated ids or *; where it may act */
    int64_t created_ms;
    int64_t expires_ms; /* 0: never */
    bool revoked;
};

struct kw_store;
struct kw_store_ops;

/* Opens the SQLite database at path; create makes it if absent (else KW_DATA_MISSING). Migrations
 * run in one transaction each. A newer schema than we know is KW_BAD_CONFIG. */
KW_ERR kw_store_sqlite_open(const char *path, bool create, struct kw_store **out,
                            struct kw_error *err);
void kw_store_free(struct kw_store *store);
KW_CLEANUP_FREE(kw_store)

/* Named values (authority id, sealed seeds, ledger size). KW_NOT_FOUND. At most 64 KiB each. */
KW_ERR kw_store_meta_get(struct kw_store *store, const char *name, struct kw_buf *out,
                         struct kw_error *err);
KW_ERR kw_store_meta_put(struct kw_store *store, const char *name, struct kw_bytes value,
                         struct kw_error *err);

/* Writes: all of a change in one durable transaction or nothing. Between begin and commit the
 * calling thread alone may write; a write outside a transaction, or a begin within one, is
 * KW_INTERNAL. Begin waits up to five seconds for another thread's transaction
 * (KW_STORE_UNAVAILABLE). After a write that failed with more than a conflict or a missing row, the
 * transaction can only fail to commit. Rollback is by kw_store_rollback (nothing happens without a
 * transaction) or by failing to commit. */
KW_ERR kw_store_begin(struct kw_store *store, struct kw_error *err);
KW_ERR kw_store_commit(struct kw_store *store, struct kw_error *err);
void kw_store_rollback(struct kw_store *store);

KW_ERR kw_store_tenant_add(struct kw_store *store, const struct kw_tenant_row *row,
                           struct kw_error *err); /* KW_EXISTS */
KW_ERR kw_store_tenant_get(struct kw_store *store, const char *id, struct kw_tenant_row *out,
                           struct kw_error *err); /* KW_TENANT_NOT_FOUND */
/* Sets state, tier, labels, epoch; the rest stays as added. Only inside a transaction, like all
 * writes. */
KW_ERR kw_store_tenant_set(struct kw_store *store, const struct kw_tenant_row *row,
                           struct kw_error *err);

KW_ERR kw_store_key_add(struct kw_store *store, const struct kw_key_row *row,
                        struct kw_error *err); /* KW_EXISTS */
KW_ERR kw_store_key_get(struct kw_store *store, const char *tenant, const char *region,
                        struct kw_key_row *out, struct kw_error *err); /* KW_KEY_NOT_FOUND */
KW_ERR kw_store_key_by_reference(struct kw_store *store, uint64_t reference, struct kw_key_row *out,
                                 struct kw_error *err);
/* Sets state, state_before, current_version, destroy_at_ms, epoch, custody, provider and
 * provider_key, of the key with row's reference. */
KW_ERR kw_store_key_set(struct kw_store *store, const struct kw_key_row *row, struct kw_error *err);

/* KW_EXISTS, KW_KEY_NOT_FOUND. The others: KW_VERSION_NOT_FOUND. */
KW_ERR kw_store_version_add(struct kw_store *store, const struct kw_version_row *row,
                            struct kw_error *err);
KW_ERR kw_store_version_get(struct kw_store *store, uint64_t reference, uint32_t version,
                            struct kw_version_row *out, struct kw_error *err);
/* Sets state, deactivated_ms and expires_ms. */
KW_ERR kw_store_version_set(struct kw_store *store, const struct kw_version_row *row,
                            struct kw_error *err);
/* Adds to the usage counters. Many versions in one transaction cost one sync. */
KW_ERR kw_store_version_count(struct kw_store *store, uint64_t reference, uint32_t version,
                              uint64_t wraps, uint64_t unwraps, struct kw_error *err);

KW_ERR kw_store_copy_put(struct kw_store *store, const struct kw_copy_row *row,
                         struct kw_error *err); /* adds or replaces */
/* Deletes every copy of one version (0: of all versions): the destruction of the key. Once
 * committed, the pages that held them are overwritten (SQLite: secure_delete, and the WAL is
 * checkpointed and truncated). A reader in another process can delay that; kw_store_purge tells. */
KW_ERR kw_store_copies_destroy(struct kw_store *store, uint64_t reference, uint32_t version,
                               uint64_t *destroyed, struct kw_error *err);

KW_ERR kw_store_token_add(struct kw_store *store, const struct kw_token_row *row,
                          struct kw_error *err);
KW_ERR kw_store_token_get(struct kw_store *store, const char *id, struct kw_token_row *out,
                          struct kw_error *err); /* KW_NOT_FOUND */
KW_ERR kw_store_token_revoke(struct kw_store *store, const char *id, struct kw_error *err);

/* Makes sure that nothing of destroyed copies is left in the store's files. Commit does it after a
 * destruction; call it before the destruction is recorded as done. KW_STORE_UNAVAILABLE: a reader
 * is in the way, call again. Not inside a transaction. */
KW_ERR kw_store_purge(struct kw_store *store, struct kw_error *err);

/* Reads everything and verifies structure, references and checksums: KW_STORE_CORRUPT with the
 * first finding. Takes time in proportion to the size; for lint, backup and restore. */
KW_ERR kw_store_check(struct kw_store *store, struct kw_error *err);

/* Lists. each() is called row by row and may end the list early by returning false; it must not
 * call the store (KW_INTERNAL). Lists are in the order of their key and start after `after` (NULL:
 * at the start). */
KW_ERR kw_store_tenants(struct kw_store *store, const char *prefix, const char *after, size_t limit,
                        bool (*each)(void *arg, const struct kw_tenant_row *row), void *arg,
                        struct kw_error *err);
KW_ERR kw_store_keys(struct kw_store *store, const char *tenant,
                     bool (*each)(void *arg, const struct kw_key_row *row), void *arg,
                     struct kw_error *err);
KW_ERR kw_store_versions(struct kw_store *store, uint64_t reference,
                         bool (*each)(void *arg, const struct kw_version_row *row), void *arg,
                         struct kw_error *err);
KW_ERR kw_store_copies(struct kw_store *store, uint64_t reference, uint32_t version,
                       bool (*each)(void *arg, const struct kw_copy_row *row), void *arg,
                       struct kw_error *err);
KW_ERR kw_store_tokens(struct kw_store *store,
                       bool (*each)(void *arg, const struct kw_token_row *row), void *arg,
                       struct kw_error *err);
/* Keys whose destruction is due at now_ms, oldest first. */
KW_ERR kw_store_keys_due(struct kw_store *store, int64_t now_ms, size_t limit,
                         bool (*each)(void *arg, const struct kw_key_row *row), void *arg,
                         struct kw_error *err);

/* Versions of the region's managed and imported keys that are not destroyed, nor their keys, and
 * that have copies, but none by this provider under this root key: what a repair has to add. Those
 * that have one by the customer's provider that the key names, and batch keys of a key that was
 * held, are left out. In the store's order of (reference, version), after the place given (0, 0:
 * from the start). Where nothing is lacking all of the region's versions are looked at: some
 * seconds a million. */
struct kw_store_place {
    uint64_t reference;
    uint32_t version;
};
struct kw_store_lack {
    const char *region;
    const char *provider;
    const char *provider_key;
};
KW_ERR kw_store_versions_lacking(struct kw_store *store, const struct kw_store_lack *lack,
                                 const struct kw_store_place *after, size_t limit,
                                 bool (*each)(void *arg, const struct kw_version_row *row),
                                 void *arg, struct kw_error *err);
/* Versions whose material has expired by now_ms and that still have copies, oldest first. */
KW_ERR kw_store_versions_expired(struct kw_store *store, int64_t now_ms, size_t limit,
                                 bool (*each)(void *arg, const struct kw_version_row *row),
                                 void *arg, struct kw_error *err);
/* How many copies each provider has of each region's keys. Reads every copy's key: for reports. */
struct kw_copy_census {
    char region[KW_REGION_MAX + 1];
    char provider[KW_PROVIDER_MAX + 1];
    uint64_t copies;
};
KW_ERR kw_store_copies_census(struct kw_store *store,
                              bool (*each)(void *arg, const struct kw_copy_census *row), void *arg,
                              struct kw_error *err);

/* Adds to the row of its day, tenant, region and provider, or makes it. Inside a transaction. */
KW_ERR kw_store_cost_add(struct kw_store *store, const struct kw_cost_row *added,
                         struct kw_error *err);
/* Rows of the days from..to, both included, of one tenant (NULL: all); by day, tenant, region,
 * provider. */
struct kw_cost_range {
    int64_t from, to;
    const char *tenant;
};
KW_ERR kw_store_costs(struct kw_store *store, const struct kw_cost_range *range,
                      bool (*each)(void *arg, const struct kw_cost_row *row), void *arg,
                      struct kw_error *err);

struct kw_store_counts {
    uint64_t tenants;
    uint64_t keys;
    uint64_t versions;
};
KW_ERR kw_store_counts(struct kw_store *store, struct kw_store_counts *out, struct kw_error *err);

#endif

/* The authority: who may use which key, and the only place where tenant keys are made, unwrapped
 * and destroyed. Everything above it (API, server, CLI) speaks through this header and
 * authority/datakey.h.
 *
 * It joins the store (what is), the providers (root keys), the keyring (unwrapped keys) and the
 * ledger (what was done). The order of a change is always the same: decide, write the ledger entry,
 * make the change durable, drop the key from the keyring, answer. docs/threat-model.md has the
 * invariants.
 *
 * Every operation takes a caller and checks its roles; every operation that is refused, too, is
 * recorded. Errors: those of store.h, ledger.h and provider.h, KW_FORBIDDEN, KW_BAD_NAME, and those
 * named below. All functions are thread-safe; they may block on disk and providers, but for the
 * ones that say otherwise. */
#ifndef KW_AUTHORITY_AUTHORITY_H
#define KW_AUTHORITY_AUTHORITY_H

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/sign.h"
#include "keyring/keyring.h"
#include "ledger/event.h"
#include "ledger/ledger.h"
#include "router/router.h"
#include "store/store.h"

struct kw_authority;

enum { KW_REGIONS_MAX = 32, KW_CLASSES_MAX = 64 };

/* How strictly a data class is protected. */
struct kw_class_rules {
    const char *name;
    struct kw_keyring_age age; /* of an unwrapped tenant key that serves it; 0: the keyring's own */
    bool hsm;                  /* only under keys all of whose copies are kept in hardware */
    uint32_t
        held_batch; /* data keys of one request that share a call of the customer's KMS; 0: 1 */
    int64_t held_keep_ms; /* how long what that call gave may be kept for reading; 0: not at all */
};

struct kw_authority_budget {
    uint64_t month_nano;        /* all providers, all tenants; 0: no limit */
    uint64_t tenant_month_nano; /* of each tenant; 0: no limit */
    unsigned thresholds[8];     /* per cent of them at which an event is raised; ends with 0 */
};

struct kw_authority_options {
    struct kw_store *store;     /* borrowed */
    struct kw_ledger *ledger;   /* borrowed */
    struct kw_router *router;   /* borrowed: its regions and their providers. Its used() must be
                                   kw_meter_used, with the authority's meter */
    struct kw_meter *meter;     /* borrowed; what provider calls cost (authority/cost.h) */
    const char *const *regions; /* copied; each one of the router's */
    size_t region_count;
    const struct kw_class_rules *classes; /* copied; besides default, pii, financial, health,
                                             secret, whose rules they may also set */
    size_t class_count;
    size_t keyring_bytes;
    struct kw_keyring_age age; /* of classes that set none */
    /* Of keys under a customer's own KMS: so soon is a revocation over there obeyed; hard is for a
     * KMS that does not answer. 0: 1 s and 30 s. */
    struct kw_keyring_age attached_age;
    unsigned calls_target; /* provider calls a second above which the keyring keeps keys longer; 0:
                              100 */
    unsigned refresh_threads; /* load keys ahead of time and side by side; 0: none */
    struct kw_authority_budget budget;
    uint32_t window_days; /* of a destruction, where the caller names none; 0: 7 */
    uint64_t wraps_limit; /* of a version; 0: the suite's (SP 800-38D) */
    uint32_t tenant_rate; /* data keys a second under one tenant key; 0: no limit */
    bool background;      /* run the scheduler thread (a server); else call _tick */
    /* May be NULL: the last act of every tick, for housekeeping of the layer above. */
    KW_ERR (*on_tick)(void *arg, struct kw_error *err);
    void *on_tick_arg;
};

KW_ERR kw_authority_new(const struct kw_authority_options *options, struct kw_authority **out,
                        struct kw_error *err);
void kw_authority_free(struct kw_authority *authority); /* stops the scheduler, flushes counters */
KW_CLEANUP_FREE(kw_authority)

/* ---- Callers ----------------------------------------------------------------------------------
 */

/* What a caller may do. Roles are fixed sets of these: see kw_roles_parse. */
enum kw_right {
    KW_RIGHT_USE_KEYS = 1 << 0, /* data keys: generate, unwrap, rewrap; seal, open; sign */
    KW_RIGHT_READ = 1 << 1,     /* tenants, keys, states */
    KW_RIGHT_READ_LEDGER = 1 << 2,
    KW_RIGHT_MANAGE_TENANTS = 1 << 3, /* create, suspend, resume, close */
    KW_RIGHT_MANAGE_KEYS = 1 << 4,    /* rotate, disable, enable, schedule and cancel destruction */
    KW_RIGHT_MANAGE_ACCESS = 1 << 5,  /* tokens, certificates */
};

/* Who asks. Texts are borrowed for the call. */
struct kw_caller {
    const char *principal; /* spiffe://..., token:..., local:... */
    unsigned rights;       /* enum kw_right, or-ed */
    const char *tenants;   /* comma-separated ids, or "*" */
    const char *source;    /* IP address without port, or "local" */
    const char *request_id;
    const char *justification; /* NULL if none was given */
};

/* Comma-separated role names -> rights: root (all), admin (all but using keys), service (use keys,
 * read), auditor (read, read ledger). KW_BAD_NAME for another. */
KW_ERR kw_roles_parse(const char *roles, unsigned *out, struct kw_error *err);

/* Is tenant within the caller's scope? */
bool kw_caller_may_touch(const struct kw_caller *caller, const char *tenant);

/* ---- Tenants ----------------------------------------------------------------------------------
 */

struct kw_tenant_spec {
    const char *id;
    const char *const *regions; /* at least one */
    size_t region_count;
    enum kw_tier tier;  /* 0: standard */
    const char *labels; /* a JSON object, or NULL */
    uint8_t suite;      /* 0: the default */
};

/* The tenant and a tenant key, version 1, in each region. KW_EXISTS, KW_UNKNOWN_REGION. */
KW_ERR kw_authority_tenant_create(struct kw_authority *authority, const struct kw_caller *caller,
                                  const struct kw_tenant_spec *spec, struct kw_error *err);
/* Many at once, in one transaction: all or none. */
KW_ERR kw_authority_tenants_create(struct kw_authority *authority, const struct kw_caller *caller,
                                   const struct kw_tenant_spec *specs, size_t count,
                                   struct kw_error *err);
/* A key in one more region. */
KW_ERR kw_authority_tenant_add_region(struct kw_authority *authority,
                                      const struct kw_caller *caller, const char *tenant,
                                      const char *region, struct kw_error *err);

/* The kill switch and its release. When suspend returns, nothing more is wrapped or unwrapped under
 * any key of the tenant, by any thread. KW_STATE_CONFLICT if the tenant is closed. Idempotent. */
KW_ERR kw_authority_tenant_suspend(struct kw_authority *authority, const struct kw_caller *caller,
                                   const char *tenant, struct kw_error *err);
KW_ERR kw_authority_tenant_resume(struct kw_authority *authority, const struct kw_caller *caller,
                                  const char *tenant, struct kw_error *err);
/* Suspends for good and schedules the destruction of all its keys. */
KW_ERR kw_authority_tenant_close(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *tenant, uint32_t window_days, struct kw_error *err);

KW_ERR kw_authority_tenant_get(struct kw_authority *authority, const struct kw_caller *caller,
                               const char *tenant, struct kw_tenant_row *out, struct kw_error *err);

/* ---- Keys -------------------------------------------------------------------------------------
 */

/* Makes the next version current; the one before is deactivated: it opens, and protects no more. */
KW_ERR kw_authority_key_rotate(struct kw_authority *authority, const struct kw_caller *caller,
                               const char *tenant, const char *region, uint32_t *new_version,
                               struct kw_error *err);
/* As a tenant's suspension, for one key. */
KW_ERR kw_authority_key_disable(struct kw_authority *authority, const struct kw_caller *caller,
                                const char *tenant, const char *region, struct kw_error *err);
KW_ERR kw_authority_key_enable(struct kw_authority *authority, const struct kw_caller *caller,
                               const char *tenant, const char *region, struct kw_error *err);
/* From now on nothing opens; after window_days (7 to 90; 0: the default) the scheduler destroys
 * every copy of every version. Cancelling brings back the state from before. */
KW_ERR kw_authority_key_schedule_destroy(struct kw_authority *authority,
                                         const struct kw_caller *caller, const char *tenant,
                                         const char *region, uint32_t window_days,
                                         int64_t *destroy_at_ms, struct kw_error *err);
KW_ERR kw_authority_key_cancel_destroy(struct kw_authority *authority,
                                       const struct kw_caller *caller, const char *tenant,
                                       const char *region, struct kw_error *err);

KW_ERR kw_authority_key_get(struct kw_authority *authority, const struct kw_caller *caller,
                            const char *tenant, const char *region, struct kw_key_row *out,
                            struct kw_error *err);

/* ---- Signed messages --------------------------------------------------------------------------
 */

/* Texts and bytes are borrowed for the call. */
struct kw_message_signing {
    const char *tenant;
    const char *region;
    uint32_t version;          /* of the tenant key: must be its current one */
    struct kw_bytes statement; /* envelope/message.h */
};

struct kw_message_signature {
    uint8_t signature[KW_SIGNATURE_SIZE];
    uint64_t ledger_index; /* of its entry */
};

/* Signs the statement of a message by the key's signing key; needs KW_RIGHT_USE_KEYS. Nothing but
 * such a statement, about this very key, is ever signed: KW_BAD_FORMAT, KW_NOT_THIS_TENANT,
 * KW_UNKNOWN_CLASS. States stop it as they stop sealing; an older version: KW_VERSION_NOT_ACTIVE.
 * The signature is given out when its ledger entry is durable and the key still live.
 * docs/spec/message.md, Signing. */
KW_ERR kw_authority_message_sign(struct kw_authority *authority, const struct kw_caller *caller,
                                 const struct kw_message_signing *request,
                                 struct kw_message_signature *out, struct kw_error *err);

/* ---- Access tokens ----------------------------------------------------------------------------
 */

enum { KW_TOKEN_TEXT_SIZE = 128 };

/* May this caller make a credential with these roles, for these tenants? Only with rights that it
 * has, and for exactly the tenants that it may act for, unless it may act for all. KW_FORBIDDEN,
 * KW_BAD_NAME. */
KW_ERR kw_authority_grant_check(const struct kw_caller *caller, const char *roles,
                                const char *tenants, struct kw_error *err);

/* A bearer token: kwt_<id>_<secret>. Its text is given out once; the store has only a hash. */
KW_ERR kw_authority_token_create(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *principal, const char *roles, const char *tenants,
                                 int64_t lifetime_ms, struct kw_secret *text,
                                 struct kw_token_row *row, struct kw_error *err);
KW_ERR kw_authority_token_revoke(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *id, struct kw_error *err);
/* Who presents this token? Constant-time in its secret. KW_UNAUTHENTICATED, KW_TOKEN_EXPIRED.
 * Remembered for a second at most; a revocation on this node acts at once. */
KW_ERR kw_authority_token_check(struct kw_authority *authority, struct kw_bytes text,
                                struct kw_token_row *out, struct kw_error *err);

/* ---- What else the layers above need ----------------------------------------------------------
 */

struct kw_store *kw_authority_store(struct kw_authority *authority); /* for lists */
struct kw_ledger *kw_authority_ledger(struct kw_authority *authority);
struct kw_keyring_stats kw_authority_keyring_stats(struct kw_authority *authority);
/* For so long every use of a tenant's keys (NULL: of all) is validated by a provider, which costs a
 * call each; 0 ends it. At most a day. The answer to an anomaly. */
KW_ERR kw_authority_cache_strict(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *tenant, int64_t for_ms, struct kw_error *err);
/* Drops every unwrapped key from memory. */
KW_ERR kw_authority_flush(struct kw_authority *authority, const struct kw_caller *caller,
                          struct kw_error *err);

/* Is this class configured? KW_UNKNOWN_CLASS names the remedy. */
KW_ERR kw_authority_class_check(const struct kw_authority *authority, const char *name,
                                struct kw_error *err);
size_t kw_authority_class_count(const struct kw_authority *authority);
const char *kw_authority_class_at(const struct kw_authority *authority, size_t i);
bool kw_authority_region(const struct kw_authority *authority, const char *name);
size_t kw_authority_region_count(const struct kw_authority *authority);
const char *kw_authority_region_at(const struct kw_authority *authority, size_t i);
struct kw_router *kw_authority_router(struct kw_authority *authority);

/* Records an event of a layer above (a certificate issued, a refused log-in) and waits for it. */
KW_ERR kw_authority_record(struct kw_authority *authority, const struct kw_event *event,
                           struct kw_error *err);

/* One round of the scheduler: due destructions, rotation of versions that have come half-way to
 * their use limit, usage counters, expired keyring entries. With options.background a thread calls
 * it every second. */
KW_ERR kw_authority_tick(struct kw_authority *authority, struct kw_error *err);

struct kw_authority_stats {
    uint64_t generated, unwrapped, rewrapped, refused; /* items */
    uint64_t signed_messages;
    uint64_t destroyed_keys, rotated_keys;
    uint64_t repaired_copies; /* made up for later */
    uint64_t lacking_copies;  /* of the last count: versions without a copy that they should have */
    uint64_t budget_events;
    uint64_t tick_failures;
    kw_code last_tick; /* KW_OK, or why the last round failed */
};
struct kw_authority_stats kw_authority_stats(struct kw_authority *authority);

#endif

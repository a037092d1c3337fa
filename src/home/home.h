/* A home: the data folder of an embedded authority, and everything that runs on it.
 *
 *     DIR/keyward.db   the store          DIR/root.key  the software root (plain or by passphrase)
 *     DIR/ledger/      the log            DIR/tls/      ca.crt, server.{crt,key}, client.{crt,key}
 *     DIR/lock         held while open
 *
 * kw_home_init makes one; kw_home_open locks it, opens its parts in order and joins them to an
 * authority and its API; kw_home_close ends them in reverse, and the published checkpoint then
 * covers all that was done. One process at a time: KW_DATA_LOCKED names the holder and how to reach
 * it.
 *
 * The ledger's signing seed and the CA's private key rest in the store, wrapped by the software
 * root like tenant keys. Not thread-safe; what the accessors give is. */
#ifndef KW_HOME_HOME_H
#define KW_HOME_HOME_H

#include "api/api.h"
#include "authority/authority.h"

struct kw_home;

struct kw_home_init_options {
    const char *dir;
    const struct kw_secret *passphrase; /* NULL: the root key rests as it is, mode 0600 */
    const char *origin;                 /* of the ledger; NULL: keyward.local/<authority id> */
    const char *trust_domain;           /* of SPIFFE ids; NULL: keyward.local */
    const char *const *hosts;           /* besides localhost, 127.0.0.1 and ::1, in the server's
                                           certificate */
    size_t host_count;
};

struct kw_home_facts {
    char authority_id[17];
    char origin[KW_LEDGER_NAME_MAX + 1];
    char trust_domain[256];
};

/* Makes the folder, or takes an empty one, or one where a making broke off. On failure what it made
 * is removed again, but for the folder and its lock. KW_EXISTS if there is a home already. */
KW_ERR kw_home_init(const struct kw_home_init_options *options, struct kw_home_facts *out,
                    struct kw_error *err);

struct kw_home_options {
    const char *dir;
    const struct kw_secret *passphrase; /* NULL if none is known */
    const char *const *regions;         /* NULL: eu, us */
    size_t region_count;
    const char *const *classes;
    size_t class_count;
    size_t keyring_bytes;
    int64_t keyring_ttl_ms;
    int64_t keyring_hard_ttl_ms;
    uint32_t window_days;
    uint32_t publish_interval_ms;
    uint32_t append_deadline_ms;
    uint32_t tenant_rate; /* data keys a second for one tenant key; 0: no limit */
    unsigned api_threads; /* 0: a CLI command; a server has some */
    bool background;      /* run the scheduler */
};

KW_ERR kw_home_open(const struct kw_home_options *options, struct kw_home **out,
                    struct kw_error *err);
/* The code tells whether the last checkpoint was published; all is closed either way. */
KW_ERR kw_home_close(struct kw_home *home, struct kw_error *err);

struct kw_authority *kw_home_authority(struct kw_home *home);
struct kw_api *kw_home_api(struct kw_home *home);
const struct kw_home_facts *kw_home_facts(const struct kw_home *home);
const char *kw_home_dir(const struct kw_home *home);
const char *kw_home_ledger_dir(const struct kw_home *home);

/* Issues the home's own certificate anew, with a fresh key, and replaces its files: which is
 * "server" (the same hosts) or "client" (the same SPIFFE id). A running server takes it up on
 * SIGHUP. not_after_ms may be NULL. */
KW_ERR kw_home_cert_renew(struct kw_home *home, const char *which, int64_t *not_after_ms,
                          struct kw_error *err);

/* Is there a home at dir (initialised, whatever its state)? */
bool kw_home_exists(const char *dir);

#endif

/* A home: the data folder of an embedded authority, and everything that runs on it.
 *
 *     DIR/keyward.db   the store          DIR/root.key  the software root (plain, under a
 * passphrase, or held by a provider) DIR/ledger/      the log            DIR/tls/      ca.crt,
 * server.{crt,key}, client.{crt,key} DIR/lock         held while open
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
#include "config/config.h"

struct kw_home;

struct kw_home_init_options {
    const char *dir;
    const struct kw_secret *passphrase; /* NULL: the root key rests as it is, mode 0600, or is held
                                           by root.provider where config names one */
    const struct kw_config *config;     /* checked; NULL: the defaults */
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
    const struct kw_config *config;     /* checked; read while opening; NULL: the defaults */
    bool serving;                       /* a server: threads for its API and for loading keys */
    bool background;                    /* run the scheduler */
    /* The provider that holds the root key does not answer for now: go on asking (up to a minute)?
     * Called before each further time. NULL: no. */
    bool (*waiting)(void *arg, const char *why);
    void *waiting_arg;
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

/* Has the root key kept otherwise from now on: by the configuration's root.provider, else under the
 * new passphrase, else plain. options say how it opens now; a provider that holds it is asked
 * whatever root.provider says. The key itself stays, so copies of the file from before go on
 * opening this home: destroy them. The home must be closed. */
KW_ERR kw_home_root_rewrap(const struct kw_home_options *options,
                           const struct kw_secret *passphrase, struct kw_error *err);

/* Is there a home at dir (initialised, whatever its state)? */
bool kw_home_exists(const char *dir);

#endif

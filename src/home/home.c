#include "home/home.h"

#include "base/encode.h"
#include "home/options.h"
#include "home/root.h"

#include <unistd.h>

enum {
    API_THREADS = 4,
    API_THREADS_REMOTE = 32, /* most of which wait for providers */
    REFRESH_THREADS_SERVING = 8,
    REFRESH_THREADS = 4
};

static bool has(const char *dir, const char *name)
{
    char path[KW_PATH_SIZE];
    struct kw_error ignored;
    return kw_path_format(path, &ignored, "%s/%s", dir, name) == KW_OK && kw_path_exists(path);
}

bool kw_home_exists(const char *dir)
{
    return has(dir, "keyward.db");
}

static KW_ERR check_there(const char *dir, struct kw_error *err)
{
    if (!kw_path_exists(dir))
        return kw_fail(err, KW_DATA_MISSING,
                       "there is no folder %s: make an authority with 'keyward init --data %s'",
                       dir, dir);
    if (kw_home_exists(dir) || kw_home_unfinished(dir))
        return KW_OK;
    if (has(dir, "root.key") || has(dir, "ledger"))
        return kw_fail(err, KW_DATA_MISSING,
                       "the database %s/keyward.db is gone: put it back, with keyward.db-wal if "
                       "there is one, or restore the last backup",
                       dir);
    return kw_fail(err, KW_DATA_MISSING,
                   "%s holds no authority: make one with 'keyward init --data %s'", dir, dir);
}

/* A server that was killed has its last changes in keyward.db-wal alone. SQLite would open the
 * database without it and say nothing, and suspensions would be forgotten. */
static KW_ERR check_wal(const char *dir, struct kw_error *err)
{
    if (has(dir, "keyward.db-wal"))
        return KW_OK;
    return kw_fail(
        err, KW_DATA_MISSING,
        "the last server was ended while it had %s/keyward.db open, and its last "
        "changes are in keyward.db-wal, which is gone: put it back (or, to go on without "
        "them, remove %s/lock)",
        dir, dir);
}

/* The provider that holds the root key comes before the key, and those that are made from it after.
 */
static KW_ERR open_providers(struct kw_home *home, const struct kw_config *config,
                             const struct kw_home_options *options, struct kw_error *err)
{
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_TRY(kw_home_providers_make(config, &home->providers, err));
    KW_TRY(kw_home_root_open(home, config, options, &root, err));
    KW_TRY(kw_home_providers_add_software(config, &root, &home->providers, err));
    home->root = kw_home_providers_find(&home->providers, "software");
    return KW_OK;
}

KW_ERR kw_home_ready(struct kw_home *home, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    char ready[2];
    KW_TRY(kw_path_format(path, err, "%s/keyward.db", home->dir));
    KW_TRY(kw_store_sqlite_open(path, false, &home->store, err));
    return kw_home_text_get(home->store, "ready", ready, sizeof ready, err);
}

bool kw_home_never_ready(kw_code code)
{
    return code == KW_STORE_CORRUPT || code == KW_DATA_MISSING;
}

/* A store that does not open counts as damaged only where it was once complete. */
static KW_ERR open_store(struct kw_home *home, struct kw_error *err)
{
    bool unfinished = kw_home_unfinished(home->dir);
    kw_code code = kw_home_ready(home, err);
    if (unfinished && kw_home_never_ready(code))
        return kw_fail(err, KW_DATA_MISSING,
                       "%s was never completed (init broke off): run 'keyward init --data %s' "
                       "again",
                       home->dir, home->dir);
    KW_TRY(code);
    if (unfinished)
        kw_home_unfinished_end(home->dir);
    struct kw_home_facts *facts = &home->facts;
    KW_TRY(kw_home_text_get(home->store, "authority_id", facts->authority_id,
                            sizeof facts->authority_id, err));
    KW_TRY(kw_home_text_get(home->store, "origin", facts->origin, sizeof facts->origin, err));
    return kw_home_text_get(home->store, "trust_domain", facts->trust_domain,
                            sizeof facts->trust_domain, err);
}

static KW_ERR open_ledger(struct kw_home *home, const struct kw_config *config,
                          struct kw_error *err)
{
    char size[24];
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    struct kw_ledger_options ledger = {
        .dir = home->ledger_dir,
        .origin = home->facts.origin,
        .seed = &seed,
        .publish_interval_ms = (uint32_t)kw_config_duration_ms(config, "ledger.publish_interval"),
        .append_deadline_ms = (uint32_t)kw_config_duration_ms(config, "ledger.append_deadline")};
    KW_TRY(kw_home_seal_get(home->store, home->root, "ledger_seed", &seed, err));
    KW_TRY(kw_home_text_get(home->store, "ledger_size", size, sizeof size, err));
    if (kw_parse_u64(kw_bytes_str(size), UINT64_MAX, &ledger.size_at_least, err) != KW_OK)
        return kw_fail(err, KW_STORE_CORRUPT,
                       "the database's value ledger_size is no number: restore the last backup");
    home->ledger_size_noted = ledger.size_at_least;
    return kw_ledger_open(&ledger, &home->ledger, err);
}

/* The store remembers how long the ledger has been: one that is shorter was rolled back or
 * replaced. */
static KW_ERR note_ledger_size(void *arg, struct kw_error *err)
{
    struct kw_home *home = arg;
    char text[24];
    uint64_t size = kw_ledger_stats(home->ledger).published_size;
    if (size <= home->ledger_size_noted)
        return KW_OK;
    snprintf(text, sizeof text, "%llu", (unsigned long long)size);
    KW_TRY(kw_store_begin(home->store, err));
    kw_code code = kw_store_meta_put(home->store, "ledger_size", kw_bytes_str(text), err);
    if (code != KW_OK) {
        kw_store_rollback(home->store);
        return code;
    }
    KW_TRY(kw_store_commit(home->store, err));
    home->ledger_size_noted = size;
    return KW_OK;
}

static KW_ERR open_authority(struct kw_home *home, const struct kw_config *config,
                             const struct kw_home_options *options, struct kw_error *err)
{
    struct kw_authority_options authority;
    KW_AUTO_PTR(kw_home_rules) rules = NULL;
    KW_TRY(kw_meter_new(&home->meter, err));
    KW_TRY(kw_home_router_new(config, &home->providers, home->meter, &home->router, err));
    KW_TRY(kw_home_rules_new(config, &rules, &authority, err));
    authority.store = home->store;
    authority.ledger = home->ledger;
    authority.router = home->router;
    authority.meter = home->meter;
    if (kw_home_providers_remote(&home->providers))
        authority.refresh_threads = options->serving ? REFRESH_THREADS_SERVING : REFRESH_THREADS;
    authority.background = options->background;
    authority.on_tick = note_ledger_size;
    authority.on_tick_arg = home;
    return kw_authority_new(&authority, &home->authority, err);
}

static unsigned api_threads(const struct kw_home *home, const struct kw_config *config,
                            const struct kw_home_options *options)
{
    unsigned wanted = (unsigned)kw_config_u64(config, "server.api_threads");
    if (!options->serving)
        return 0;
    if (wanted != 0)
        return wanted;
    return kw_home_providers_remote(&home->providers) ? API_THREADS_REMOTE : API_THREADS;
}

static KW_ERR open_api(struct kw_home *home, const struct kw_config *config,
                       const struct kw_home_options *options, struct kw_error *err)
{
    kw_home_certs_offer(home);
    snprintf(home->currency, sizeof home->currency, "%s", kw_config_str(config, "cost.currency"));
    struct kw_api_options api = {.authority = home->authority,
                                 .ledger_dir = home->ledger_dir,
                                 .threads = api_threads(home, config, options),
                                 .pki = &home->pki,
                                 .currency = home->currency};
    return kw_api_new(&api, &home->api, err);
}

KW_ERR kw_home_open_locked(struct kw_home *home, const struct kw_home_options *options,
                           struct kw_error *err)
{
    bool was_serving = false;
    KW_TRY(check_there(home->dir, err));
    KW_TRY(kw_home_lock(home->dir, &home->lock, &was_serving, err));
    if (was_serving)
        KW_TRY(check_wal(home->dir, err));
    KW_TRY(open_store(home, err));
    if (options->background) {
        KW_TRY(kw_dir_sync(home->dir, err)); /* keyward.db-wal is there before the lock says so */
        kw_home_lock_note(home->lock, true);
    }
    return KW_OK;
}

static KW_ERR open_parts(struct kw_home *home, const struct kw_config *config,
                         const struct kw_home_options *options, struct kw_error *err)
{
    KW_TRY(kw_home_open_locked(home, options, err));
    KW_TRY(open_providers(home, config, options, err));
    KW_TRY(open_ledger(home, config, err));
    KW_TRY(open_authority(home, config, options, err));
    return open_api(home, config, options, err);
}

/* With the defaults where the caller has no configuration. */
static KW_ERR open_configured(struct kw_home *home, const struct kw_home_options *options,
                              struct kw_error *err)
{
    KW_AUTO_PTR(kw_config) defaults = NULL;
    KW_TRY(kw_path_format(home->dir, err, "%s", options->dir));
    KW_TRY(kw_path_format(home->ledger_dir, err, "%s/ledger", options->dir));
    if (options->config == NULL)
        KW_TRY(kw_config_new(&defaults, err));
    return open_parts(home, options->config != NULL ? options->config : defaults, options, err);
}

KW_ERR kw_home_open(const struct kw_home_options *options, struct kw_home **out,
                    struct kw_error *err)
{
    struct kw_home *home = calloc(1, sizeof *home);
    if (home == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    home->lock = -1;
    kw_code code = open_configured(home, options, err);
    if (code != KW_OK) {
        struct kw_error ignored;
        (void)!kw_home_close(home, &ignored);
        return code;
    }
    *out = home;
    return KW_OK;
}

/* What was done before is durable whatever happens here, and who reads the message must not do it
 * again. */
static KW_ERR publish(struct kw_home *home, struct kw_error *err)
{
    struct kw_error why = {0};
    kw_code code = kw_ledger_publish(home->ledger, &why);
    if (code != KW_OK)
        return kw_fail(err, code,
                       "done and recorded, but the checkpoint over it is not published yet (the "
                       "next command tries again): %s",
                       why.text);
    return KW_OK;
}

/* The ledger is published before its size is noted, and both before anything is let go of. */
KW_ERR kw_home_close(struct kw_home *home, struct kw_error *err)
{
    if (home == NULL)
        return KW_OK;
    kw_api_free(home->api);
    kw_authority_free(home->authority);
    kw_router_free(home->router);
    kw_meter_free(home->meter); /* the authority has written what it counted */
    kw_code published = KW_OK;
    if (home->ledger != NULL) {
        published = publish(home, err);
        kw_code noted = published == KW_OK ? note_ledger_size(home, err) : KW_OK;
        kw_code closed = kw_ledger_close(home->ledger, published == KW_OK ? err : NULL);
        published = published != KW_OK ? published : noted != KW_OK ? noted : closed;
    }
    if (home->store != NULL)
        kw_home_lock_note(home->lock, false);
    kw_store_free(home->store);
    kw_home_providers_wipe(&home->providers);
    if (home->lock >= 0)
        close(home->lock);
    free(home);
    return published;
}

struct kw_authority *kw_home_authority(struct kw_home *home)
{
    return home->authority;
}

struct kw_api *kw_home_api(struct kw_home *home)
{
    return home->api;
}

const struct kw_home_facts *kw_home_facts(const struct kw_home *home)
{
    return &home->facts;
}

const char *kw_home_dir(const struct kw_home *home)
{
    return home->dir;
}

const char *kw_home_ledger_dir(const struct kw_home *home)
{
    return home->ledger_dir;
}

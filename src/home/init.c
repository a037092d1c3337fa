/* Making a home. The value "ready" is written last: a folder without it is one whose making was
 * broken off, and nothing has been sealed under it yet. Such a folder is made anew, and what a
 * failed making has left is removed. */
#include "home/internal.h"

#include "base/encode.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "home/root.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

static KW_ERR check_empty(const char *dir, struct kw_error *err)
{
    DIR *open_dir = opendir(dir);
    if (open_dir == NULL)
        return kw_fail_errno(err, errno, "cannot list %s", dir);
    bool other = false;
    for (struct dirent *at = readdir(open_dir); at != NULL; at = readdir(open_dir))
        other =
            other || (strcmp(at->d_name, ".") != 0 && strcmp(at->d_name, "..") != 0 &&
                      strcmp(at->d_name, "lock") != 0 && strcmp(at->d_name, "lost+found") != 0 &&
                      strcmp(at->d_name, "keyward.conf") != 0);
    closedir(open_dir);
    if (!other)
        return KW_OK;
    if (kw_home_exists(dir))
        return kw_fail(err, KW_EXISTS, "%s is an authority already", dir);
    return kw_fail(err, KW_EXISTS, "%s is not empty: name another folder, or remove what is there",
                   dir);
}

static KW_ERR name_it(struct kw_home *home, const struct kw_home_init_options *options,
                      struct kw_error *err)
{
    uint8_t id[8];
    struct kw_home_facts *facts = &home->facts;
    kw_random(id, sizeof id);
    kw_hex_text(facts->authority_id, kw_bytes(id, sizeof id));
    int len = options->origin != NULL
                  ? snprintf(facts->origin, sizeof facts->origin, "%s", options->origin)
                  : snprintf(facts->origin, sizeof facts->origin, "keyward.local/%s",
                             facts->authority_id);
    if (len < 1 || (size_t)len >= sizeof facts->origin || strpbrk(facts->origin, " +\t\n") != NULL)
        return kw_fail(err, KW_BAD_NAME,
                       "the ledger's origin is 1 to %d characters without space or '+'",
                       KW_LEDGER_NAME_MAX);
    const char *domain = options->trust_domain != NULL ? options->trust_domain : "keyward.local";
    len = snprintf(facts->trust_domain, sizeof facts->trust_domain, "%s", domain);
    if (len < 1 || (size_t)len >= sizeof facts->trust_domain)
        return kw_fail(err, KW_BAD_NAME, "the trust domain is 1 to 255 characters");
    return KW_OK;
}

static KW_ERR make_root(struct kw_home *home, const struct kw_home_init_options *options,
                        struct kw_error *err)
{
    KW_AUTO_PTR(kw_config) defaults = NULL;
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    if (options->config == NULL)
        KW_TRY(kw_config_new(&defaults, err));
    const struct kw_config *config = options->config != NULL ? options->config : defaults;
    KW_TRY(kw_home_providers_make(config, &home->providers, err));
    KW_TRY(kw_home_root_make(home, config, options->passphrase, &root, err));
    KW_TRY(kw_home_providers_add_software(config, &root, &home->providers, err));
    home->root = kw_home_providers_find(&home->providers, "software");
    return KW_OK;
}

static KW_ERR make_ledger(struct kw_home *home, const struct kw_secret *seed, struct kw_error *err)
{
    struct kw_ledger_options options = {
        .dir = home->ledger_dir, .origin = home->facts.origin, .seed = seed};
    return kw_ledger_create(&options, err);
}

static KW_ERR put_facts(struct kw_home *home, const struct kw_secret *seed, struct kw_error *err)
{
    const struct kw_home_facts *facts = &home->facts;
    KW_TRY(kw_home_seal_put(home->store, home->root, "ledger_seed", seed, err));
    KW_TRY(kw_store_meta_put(home->store, "authority_id", kw_bytes_str(facts->authority_id), err));
    KW_TRY(kw_store_meta_put(home->store, "origin", kw_bytes_str(facts->origin), err));
    KW_TRY(kw_store_meta_put(home->store, "trust_domain", kw_bytes_str(facts->trust_domain), err));
    return kw_store_meta_put(home->store, "ledger_size", kw_bytes_str("0"), err);
}

static KW_ERR in_transaction(struct kw_home *home, const struct kw_secret *seed,
                             struct kw_error *err)
{
    KW_TRY(kw_store_begin(home->store, err));
    kw_code code = seed != NULL ? put_facts(home, seed, err)
                                : kw_store_meta_put(home->store, "ready", kw_bytes_str("1"), err);
    if (code == KW_OK)
        return kw_store_commit(home->store, err);
    kw_store_rollback(home->store);
    return code;
}

static KW_ERR make_parts(struct kw_home *home, const struct kw_home_init_options *options,
                         struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    KW_TRY(make_root(home, options, err));
    KW_TRY(kw_path_format(path, err, "%s/keyward.db", home->dir));
    KW_TRY(kw_store_sqlite_open(path, true, &home->store, err));
    KW_TRY(kw_random_secret(&seed, KW_SIGN_SEED_SIZE, err));
    KW_TRY(in_transaction(home, &seed, err));
    KW_TRY(make_ledger(home, &seed, err));
    KW_TRY(kw_home_certs_init(home, options, err));
    KW_TRY(kw_dir_sync(home->dir, err));
    return in_transaction(home, NULL, err);
}

static void release(struct kw_home *home)
{
    kw_store_free(home->store);
    kw_home_providers_wipe(&home->providers);
    home->store = NULL;
    home->root = NULL;
}

/* A making that broke off without any word (killed, power cut). */
static KW_ERR clear_unfinished(struct kw_home *home, struct kw_error *err)
{
    kw_code code = kw_home_ready(home, err);
    release(home);
    if (code == KW_OK)
        return kw_fail(err, KW_EXISTS, "%s is an authority already", home->dir);
    return kw_home_never_ready(code) ? kw_home_unfinished_undo(home->dir, err) : code;
}

static KW_ERR make(struct kw_home *home, const struct kw_home_init_options *options,
                   struct kw_error *err)
{
    struct kw_error ignored;
    bool unfinished = kw_home_unfinished(home->dir);
    if (!unfinished)
        KW_TRY(check_empty(home->dir, err)); /* before anything, the lock, is put there */
    KW_TRY(name_it(home, options, err));
    KW_TRY(kw_home_lock(home->dir, &home->lock, NULL, err));
    if (unfinished)
        KW_TRY(clear_unfinished(home, err));
    KW_TRY(check_empty(home->dir, err));
    KW_TRY(kw_home_unfinished_begin(home->dir, err));
    kw_code code = make_parts(home, options, err);
    release(home);
    if (code == KW_OK)
        kw_home_unfinished_end(home->dir);
    else
        (void)!kw_home_unfinished_undo(home->dir, &ignored);
    return code;
}

KW_ERR kw_home_init(const struct kw_home_init_options *options, struct kw_home_facts *out,
                    struct kw_error *err)
{
    struct kw_home home = {.lock = -1};
    KW_TRY(kw_path_format(home.dir, err, "%s", options->dir));
    KW_TRY(kw_path_format(home.ledger_dir, err, "%s/ledger", options->dir));
    KW_TRY(kw_dir_make(home.dir, 0700, err));
    kw_code code = make(&home, options, err);
    if (home.lock >= 0)
        close(home.lock);
    if (code == KW_OK && out != NULL)
        *out = home.facts;
    return code;
}

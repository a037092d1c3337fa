/* Moving the root key from one keeper to another, in a home that nobody has open. */
#include "home/root.h"

static KW_ERR move(struct kw_home *home, const struct kw_home_options *options,
                   const struct kw_secret *passphrase, struct kw_error *err)
{
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    KW_TRY(kw_home_open_locked(home, options, err));
    KW_TRY(kw_home_providers_make(options->config, &home->providers, err));
    KW_TRY(kw_home_root_open(home, NULL, options, &root, err));
    KW_TRY(kw_home_providers_add_software(options->config, &root, &home->providers, err));
    home->root = kw_home_providers_find(&home->providers, "software");
    /* One that is not this home's must not be given a keeper in its name. */
    KW_TRY(kw_home_seal_get(home->store, home->root, "ledger_seed", &seed, err));
    return kw_home_root_move(home, options->config, passphrase, &root, err);
}

KW_ERR kw_home_root_rewrap(const struct kw_home_options *options,
                           const struct kw_secret *passphrase, struct kw_error *err)
{
    struct kw_error ignored;
    struct kw_home *home = calloc(1, sizeof *home);
    if (home == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    home->lock = -1;
    kw_code code = kw_path_format(home->dir, err, "%s", options->dir);
    if (code == KW_OK)
        code = move(home, options, passphrase, err);
    (void)!kw_home_close(home, &ignored); /* no ledger is open, so nothing is left to fail */
    return code;
}

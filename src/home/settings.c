#include "home/settings.h"

#include "base/file.h"
#include "crypto/random.h"
#include "home/options.h"
#include "home/providers.h"
#include "provider/root_text.h"

#include <unistd.h>

KW_ERR kw_home_config_read(struct kw_config *config, const char *dir, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    if (dir == NULL || dir[0] == '\0')
        return KW_OK;
    KW_TRY(kw_path_format(path, err, "%s/keyward.conf", dir));
    return kw_path_exists(path) ? kw_config_file(config, path, err) : KW_OK;
}

KW_ERR kw_home_config_load(const char *dir, struct kw_config **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_config) config = NULL;
    KW_TRY(kw_config_new(&config, err));
    KW_TRY(kw_home_config_read(config, dir, err));
    KW_TRY(kw_config_environment(config, environ, err));
    KW_TRY(kw_config_check(config, err));
    *out = config;
    config = NULL;
    return KW_OK;
}

/* With a root key of the moment, since none is opened. */
KW_ERR kw_home_config_try(const struct kw_config *config, struct kw_error *err)
{
    struct kw_authority_options options;
    KW_AUTO(kw_home_providers) providers = {.count = 0};
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_AUTO_PTR(kw_router) router = NULL;
    KW_AUTO_PTR(kw_home_rules) rules = NULL;
    KW_TRY(kw_random_secret(&root, KW_ROOT_SIZE, err));
    KW_TRY(kw_home_providers_make(config, &providers, err));
    KW_TRY(kw_home_providers_add_software(config, &root, &providers, err));
    KW_TRY(kw_home_router_new(config, &providers, NULL, &router, err));
    return kw_home_rules_new(config, &rules, &options, err);
}

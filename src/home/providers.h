/* From the configuration to providers and the router over them. The configuration is one that
 * kw_config_check has passed. Nothing is contacted; files and modules that settings name are
 * opened, so that what is wrong with them shows at the start. Not thread-safe. */
#ifndef KW_HOME_PROVIDERS_H
#define KW_HOME_PROVIDERS_H

#include "authority/cost.h"
#include "config/config.h"
#include "router/router.h"

enum { KW_HOME_PROVIDERS_MAX = 1280 };

struct kw_home_providers {
    size_t count;
    struct kw_provider *list[KW_HOME_PROVIDERS_MAX];
};
void kw_home_providers_wipe(struct kw_home_providers *providers);
KW_CLEANUP_WIPE(kw_home_providers)

/* All that are configured but those of kind software, which need the root key. */
KW_ERR kw_home_providers_make(const struct kw_config *config, struct kw_home_providers *out,
                              struct kw_error *err);
/* "software", and the others of that kind. */
KW_ERR kw_home_providers_add_software(const struct kw_config *config, const struct kw_secret *root,
                                      struct kw_home_providers *providers, struct kw_error *err);

/* NULL if there is none of this name. */
struct kw_provider *kw_home_providers_find(const struct kw_home_providers *providers,
                                           const char *name);
/* Is there one that is not of this machine's root key? */
bool kw_home_providers_remote(const struct kw_home_providers *providers);

/* used and its argument are the router's: a meter. */
KW_ERR kw_home_router_new(const struct kw_config *config, const struct kw_home_providers *providers,
                          struct kw_meter *meter, struct kw_router **out, struct kw_error *err);

#endif

/* From the configuration to the options of a home. A data folder may hold its own,
 * DIR/keyward.conf, which a server and an embedded use read alike: the regions and classes of an
 * authority are the same for both. */
#ifndef KW_HOME_SETTINGS_H
#define KW_HOME_SETTINGS_H

#include "config/config.h"
#include "home/home.h"

struct kw_home_settings; /* owns the texts that the options borrow */

/* Reads DIR/keyward.conf if there is one. dir may be NULL. */
KW_ERR kw_home_config_read(struct kw_config *config, const char *dir, struct kw_error *err);

/* options->dir is the configuration's data; passphrase, threads and background are left to the
 * caller. */
KW_ERR kw_home_settings_new(const struct kw_config *config, struct kw_home_settings **out,
                            struct kw_home_options *options, struct kw_error *err);
void kw_home_settings_free(struct kw_home_settings *settings);
KW_CLEANUP_FREE(kw_home_settings)

#endif

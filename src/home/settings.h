/* The configuration of a home. A data folder may hold its own, DIR/keyward.conf, which a server and
 * an embedded use read alike: the regions, classes and providers of an authority are the same for
 * both. */
#ifndef KW_HOME_SETTINGS_H
#define KW_HOME_SETTINGS_H

#include "config/config.h"

/* Reads DIR/keyward.conf if there is one. dir may be NULL. */
KW_ERR kw_home_config_read(struct kw_config *config, const char *dir, struct kw_error *err);

/* What an embedded use of the folder goes by: DIR/keyward.conf, then the environment, checked. */
KW_ERR kw_home_config_load(const char *dir, struct kw_config **out, struct kw_error *err);

/* Would a home open with it, as far as can be told without contacting anyone? Makes what opening
 * makes of it: providers (files and modules that they name are read), routes and rules. config has
 * been checked. */
KW_ERR kw_home_config_try(const struct kw_config *config, struct kw_error *err);

#endif

/* Private to config: the parts of kw_config_check. */
#ifndef KW_CONFIG_CHECK_H
#define KW_CONFIG_CHECK_H

#include "config/internal.h"

/* check_provider.c. _setting: is it one that its provider's kind knows? The names of regions have
 * been checked. */
KW_ERR kw_config_check_setting(const struct kw_config *config, const struct kw_setting *setting,
                               struct kw_error *err);
KW_ERR kw_config_check_providers(const struct kw_config *config, struct kw_error *err);

#endif

/* keyward config, and the configuration of the commands that read one as a server would. */
#ifndef KW_CLI_CONFIGURATION_H
#define KW_CLI_CONFIGURATION_H

#include "cli/command.h"
#include "config/config.h"

extern const struct kw_cli_option kw_config_options[]; /* --config, --set */

/* DIR/keyward.conf, --config, the environment and --set, each over the ones before; checked. */
KW_ERR kw_cli_config_load(struct kw_invocation *in, struct kw_config **out, struct kw_error *err);

KW_ERR kw_config_show_run(struct kw_invocation *in, struct kw_error *err);
KW_ERR kw_config_check_run(struct kw_invocation *in, struct kw_error *err);

#endif

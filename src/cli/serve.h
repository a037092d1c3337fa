/* keyward serve. */
#ifndef KW_CLI_SERVE_H
#define KW_CLI_SERVE_H

#include "cli/command.h"

extern const struct kw_cli_option kw_serve_options[];
#define kw_serve_details                                                                           \
    "Reads --config, the environment (KEYWARD_...), then --set. --dev makes a throw-away "         \
    "authority with a\nroot token and removes it at the end. SIGTERM and SIGINT stop gracefully, " \
    "SIGHUP reloads certificates."
KW_ERR kw_serve_run(struct kw_invocation *in, struct kw_error *err);

/* As keyward serve, for a caller that tells people where it listens: announce(arg, port) once it
 * does. */
KW_ERR kw_serve_announced(struct kw_invocation *in, void (*announce)(void *arg, unsigned port),
                          void *arg, struct kw_error *err);

#endif

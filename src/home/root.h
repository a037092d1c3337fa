/* The root key of a home: made, opened and moved, whoever keeps it. Not thread-safe. */
#ifndef KW_HOME_ROOT_H
#define KW_HOME_ROOT_H

#include "home/internal.h"

/* Makes DIR/root.key and gives the key: held by root.provider where the configuration names one,
 * else under the passphrase, else plain. The authority's id is part of what a provider binds. */
KW_ERR kw_home_root_make(const struct kw_home *home, const struct kw_config *config,
                         const struct kw_secret *passphrase, struct kw_secret *out,
                         struct kw_error *err);

/* Opens it as options say; config is what it must agree with, NULL: with nothing. One that a
 * provider holds is asked of that provider, up to 10 s at a time. KW_BAD_CONFIG: root.provider is
 * not what the file says. Else the provider's errors, saying whose they are. */
KW_ERR kw_home_root_open(const struct kw_home *home, const struct kw_config *config,
                         const struct kw_home_options *options, struct kw_secret *out,
                         struct kw_error *err);

/* Writes DIR/root.key anew, as _make would, in place of the one that is there. */
KW_ERR kw_home_root_move(const struct kw_home *home, const struct kw_config *config,
                         const struct kw_secret *passphrase, const struct kw_secret *root,
                         struct kw_error *err);

#endif

/* Which kinds of provider there are: a table from the name in the configuration to a constructor.
 *
 * A new kind: a folder of its own with a constructor (settings in, provider out), and a line in
 * providers.c. Constructors do no input or output but reading the files that settings name; whether
 * the provider can be reached shows in the first call. Thread-safe. */
#ifndef KW_PROVIDERS_PROVIDERS_H
#define KW_PROVIDERS_PROVIDERS_H

#include "provider/settings.h"

/* What the place offers that makes the provider: what is not in its settings. */
struct kw_provider_place {
    const struct kw_secret *software_root; /* NULL: there is no software root */
};

/* KW_BAD_CONFIG: no such kind, or what is wrong with a setting, naming it. */
KW_ERR kw_provider_make(const char *kind, const struct kw_provider_settings *settings,
                        const struct kw_provider_place *place, struct kw_provider **out,
                        struct kw_error *err);

/* The kind with this number, in the order of the documents; NULL after the last. */
const char *kw_provider_kind_at(size_t number);

#endif

/* Private to config. */
#ifndef KW_CONFIG_INTERNAL_H
#define KW_CONFIG_INTERNAL_H

#include "config/config.h"

struct kw_setting {
    char *name;
    char *value;
    char *origin;
    const struct kw_option *option;
    uint64_t number;
    unsigned source; /* which reading set it: one file does not set a name twice */
};

struct kw_config {
    struct kw_setting *settings; /* by name */
    size_t count;
    unsigned source;
};

/* Where a value stands, for errors and the show. */
struct kw_place {
    const char *origin; /* FILE:LINE, KEYWARD_..., --set */
    bool once;          /* a name may be set only once by this source */
};

/* Sets an option by name. */
KW_ERR kw_config_put(struct kw_config *config, const char *name, const char *value,
                     const struct kw_place *place, struct kw_error *err);

/* NULL if it is not set. */
const struct kw_setting *kw_config_find(const struct kw_config *config, const char *name);

#endif

/* From the configuration to the options of an authority. */
#ifndef KW_HOME_OPTIONS_H
#define KW_HOME_OPTIONS_H

#include "authority/authority.h"
#include "config/config.h"

/* Owns the texts and tables that the options borrow. */
struct kw_home_rules;
void kw_home_rules_free(struct kw_home_rules *rules);
KW_CLEANUP_FREE(kw_home_rules)

/* Fills regions, classes, ages, budget and limits; parts, threads and callbacks are left to the
 * caller. */
KW_ERR kw_home_rules_new(const struct kw_config *config, struct kw_home_rules **out,
                         struct kw_authority_options *options, struct kw_error *err);

#endif

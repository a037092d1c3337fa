/* What the configuration says of regions and providers, put together: which sections there are,
 * what kind a provider is, which routes a region has. Thread-safe as reading is. */
#ifndef KW_CONFIG_SECTION_H
#define KW_CONFIG_SECTION_H

#include "config/config.h"

enum { KW_CONFIG_NAME_SIZE = 64, KW_CONFIG_OPTION_SIZE = 320, KW_CONFIG_KEY_SIZE = 2049 };

/* The index-th NAME of sections [section.NAME] of which anything is set, in the order of the names;
 * false if there are fewer. */
bool kw_config_section(const struct kw_config *config, const char *section, size_t index,
                       char out[KW_CONFIG_NAME_SIZE]);

/* The full name of an option: section.NAME.option. NAME is one that kw_config_section gave, or
 * that was checked. */
const char *kw_config_option(char out[KW_CONFIG_OPTION_SIZE], const char *section, const char *name,
                             const char *option);

/* software, aws, ...; "software" is there without a section. "" if there is no such provider, or
 * its kind is not set. Any text is a name. */
const char *kw_config_provider_kind(const struct kw_config *config, const char *name);

/* A customer's: it serves the tenants that it names. */
bool kw_config_provider_is_guest(const struct kw_config *config, const char *name);

/* Can a key come to it: by a region's list, as a customer's, or as the root key's keeper? */
bool kw_config_provider_is_used(const struct kw_config *config, const char *name);

/* The index-th route of a region: a provider, whatever its name, and the root key there: the
 * list's, else the provider's own, else of a software root the region's name, else "". */
struct kw_config_route {
    char provider[KW_OPTION_ITEM_SIZE];
    char key[KW_CONFIG_KEY_SIZE];
};
bool kw_config_route(const struct kw_config *config, const char *region, size_t index,
                     struct kw_config_route *out);

#endif

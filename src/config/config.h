/* The configuration: what each option is set to, and by what.
 *
 * Sources are read in the order of their weight, each over what was there before: the defaults (on
 * _new), a file, the environment, the command line; then kw_config_check looks at the whole. An
 * unknown name, a value of the wrong type or out of range is KW_BAD_CONFIG, with file and line or
 * whatever the place is, and the right name where one is near. After an error the configuration may
 * be half changed: give it up. Reading is thread-safe when nobody changes it.
 * docs/configuration.md.
 *
 * A file is INI: "[server]" and "address = 127.0.0.1:8443" set server.address, "[region.eu]" and
 * "providers = software" set region.eu.providers; lines that begin with # or ; are comments. In the
 * environment server.address is KEYWARD_SERVER_ADDRESS. Options with a "*" are for files and --set.
 */
#ifndef KW_CONFIG_CONFIG_H
#define KW_CONFIG_CONFIG_H

#include "config/option.h"

struct kw_config;

KW_ERR kw_config_new(struct kw_config **out, struct kw_error *err);
void kw_config_free(struct kw_config *config);
KW_CLEANUP_FREE(kw_config)

/* No such file is KW_NOT_FOUND. */
KW_ERR kw_config_file(struct kw_config *config, const char *path, struct kw_error *err);
/* The content of a file; name stands in errors and in the show. */
KW_ERR kw_config_text(struct kw_config *config, struct kw_bytes text, const char *name,
                      struct kw_error *err);
/* Of environ, what begins with KEYWARD_ and is an option. A variable that names a section of ours
 * and no option of it is refused; others are left alone. */
KW_ERR kw_config_environment(struct kw_config *config, char *const *variables,
                             struct kw_error *err);
/* name=value, from --set. Of a name given twice the last holds. */
KW_ERR kw_config_assign(struct kw_config *config, const char *assignment, struct kw_error *err);
/* What concerns several options: names of regions, classes and providers, settings of a provider
 * that its kind does not know, pairs, order of times. */
KW_ERR kw_config_check(const struct kw_config *config, struct kw_error *err);

/* Values. Asking for a name that is not in the table, or as another type, is an error of the
 * program: it aborts. Texts live as long as the configuration is not changed. */
const char *kw_config_str(const struct kw_config *config,
                          const char *name); /* any type; "" if unset */
uint64_t kw_config_u64(const struct kw_config *config,
                       const char *name); /* number; choice: its index */
bool kw_config_bool(const struct kw_config *config, const char *name);
int64_t kw_config_duration_ms(const struct kw_config *config, const char *name);
uint64_t kw_config_size(const struct kw_config *config, const char *name);
uint64_t kw_config_amount_nano(const struct kw_config *config, const char *name);
/* Is it set to anything? Only what has no default may not be. */
bool kw_config_is_set(const struct kw_config *config, const char *name);

/* Where its value comes from: default, FILE:LINE, KEYWARD_..., --set. */
const char *kw_config_origin(const struct kw_config *config, const char *name);

struct kw_config_value {
    const struct kw_option *option;
    const char *name;
    const char *value;
    const char *origin; /* default, FILE:LINE, KEYWARD_..., --set */
};

/* All of them, in the order of their names; options with "*" as far as they are set. */
void kw_config_each(const struct kw_config *config,
                    void (*each)(void *arg, const struct kw_config_value *value), void *arg);

/* The reference page, docs/configuration.md, as it follows from the table. */
void kw_config_reference(struct kw_buf *out);

#endif

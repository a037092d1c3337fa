/* Where AWS credentials come from, chosen by the settings (docs/providers.md). Fetching reads files
 * and variables anew each time, so that what was rotated there is found. Thread-safe. */
#ifndef KW_AWS_SOURCE_H
#define KW_AWS_SOURCE_H

#include "aws/credentials.h"
#include "provider/settings.h"
#include "web/web.h"

/* The source that the settings name, or that the environment offers (credentials = auto).
 * KW_BAD_CONFIG. Nothing is fetched yet. */
KW_ERR kw_aws_source_new(const struct kw_provider_settings *settings, const char *region,
                         struct kw_aws_source *out, struct kw_error *err);

/* The kinds, private to aws/. What the settings lack comes from the environment, by the names that
 * AWS's own tools use. */
KW_ERR kw_aws_keys_source_new(const struct kw_provider_settings *settings,
                              struct kw_aws_source *out, struct kw_error *err);
KW_ERR kw_aws_environment_source_new(const struct kw_provider_settings *settings,
                                     struct kw_aws_source *out, struct kw_error *err);
KW_ERR kw_aws_profile_source_new(const struct kw_provider_settings *settings,
                                 struct kw_aws_source *out, struct kw_error *err);
KW_ERR kw_aws_container_source_new(const struct kw_provider_settings *settings,
                                   struct kw_aws_source *out, struct kw_error *err);
KW_ERR kw_aws_instance_source_new(const struct kw_provider_settings *settings,
                                  struct kw_aws_source *out, struct kw_error *err);
KW_ERR kw_aws_web_identity_source_new(const struct kw_provider_settings *settings,
                                      const char *region, struct kw_aws_source *out,
                                      struct kw_error *err);

/* What they share. */

/* The setting, else the variable of the environment (NULL: none), else NULL; an empty text is none.
 */
const char *kw_aws_setting(const struct kw_provider_settings *settings, const char *option,
                           const char *variable);

/* A copy of a text; NULL stays NULL. KW_NO_MEMORY. */
KW_ERR kw_aws_text_copy(const char *text, char **out, struct kw_error *err);

/* Is this an address that credentials and signed requests may be sent to: https, or http to this
 * machine or to one of plain_hosts (NULL ends the list)? Appends it as kw_web_address does.
 * KW_BAD_CONFIG. */
KW_ERR kw_aws_address(const char *option, const char *address, const char *const *plain_hosts,
                      struct kw_buf *out, struct kw_error *err);

/* The file's content without the white space at its end. KW_PROVIDER_UNAVAILABLE names the file. */
KW_ERR kw_aws_file_read(const char *path, size_t max, struct kw_secret *out, struct kw_error *err);

#endif

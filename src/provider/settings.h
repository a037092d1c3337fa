/* What a provider is configured with: texts by name, as [provider.NAME] of the configuration has
 * them. A constructor takes what it knows, checks it, and copies what it keeps; secrets (tokens,
 * PINs, private keys) come as paths of files or as names of environment variables, never as values.
 * Thread-safe as long as get() is. */
#ifndef KW_PROVIDER_SETTINGS_H
#define KW_PROVIDER_SETTINGS_H

#include "provider/provider.h"

struct kw_provider_settings {
    const char *name; /* of the provider: aws-eu */
    /* The value of an option, or NULL if it is not set. */
    const char *(*get)(void *arg, const char *option);
    void *arg;
};

static inline const char *kw_provider_setting(const struct kw_provider_settings *settings,
                                              const char *option)
{
    return settings->get(settings->arg, option);
}

#endif

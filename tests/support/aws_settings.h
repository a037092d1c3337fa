/* Settings of a provider for tests: name=value texts, up to a NULL. */
#ifndef KW_TESTS_AWS_SETTINGS_H
#define KW_TESTS_AWS_SETTINGS_H

#include "provider/settings.h"

static inline const char *aws_settings_get(void *arg, const char *option)
{
    size_t len = strlen(option);
    for (const char *const *at = arg; *at != NULL; at++)
        if (strncmp(*at, option, len) == 0 && (*at)[len] == '=')
            return *at + len + 1;
    return NULL;
}

/* texts is an array of const char *. */
#define AWS_SETTINGS(texts)                                                                        \
    {                                                                                              \
        .name = "aws-eu", .get = aws_settings_get, .arg = (texts)                                  \
    }

#endif

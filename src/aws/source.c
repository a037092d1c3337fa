#include "aws/source.h"

#include "base/file.h"

const char *kw_aws_setting(const struct kw_provider_settings *settings, const char *option,
                           const char *variable)
{
    const char *value = kw_provider_setting(settings, option);
    if ((value == NULL || value[0] == '\0') && variable != NULL)
        value = getenv(variable);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

KW_ERR kw_aws_text_copy(const char *text, char **out, struct kw_error *err)
{
    if (text == NULL) {
        *out = NULL;
        return KW_OK;
    }
    char *copy = strdup(text);
    if (copy == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    *out = copy;
    return KW_OK;
}

/* Is address, which kw_web_address has written, http at this host? */
static bool is_at(const char *address, const char *host)
{
    static const char scheme[] = "http://";
    size_t len = strlen(host);
    const char *at = address + strlen(scheme);
    return strncmp(address, scheme, strlen(scheme)) == 0 && strncasecmp(at, host, len) == 0 &&
           (at[len] == '\0' || at[len] == ':' || at[len] == '/');
}

KW_ERR kw_aws_address(const char *option, const char *address, const char *const *plain_hosts,
                      struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    struct kw_error why;
    struct kw_error ignored;
    kw_code code = kw_web_endpoint(address, &text, &why);
    if (code != KW_OK && plain_hosts != NULL &&
        kw_web_address(address, true, true, &text, &ignored) == KW_OK)
        for (size_t i = 0; code != KW_OK && plain_hosts[i] != NULL; i++)
            if (is_at(kw_buf_str(&text), plain_hosts[i]))
                code = KW_OK;
    if (code != KW_OK)
        return kw_fail(err, KW_BAD_CONFIG, "%s: %s", option, why.text);
    kw_buf_append(out, text.data, text.len);
    return kw_buf_status(out, err);
}

KW_ERR kw_aws_file_read(const char *path, size_t max, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    struct kw_error why;
    if (kw_file_read_secret(path, max, &text, &why) != KW_OK)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "no AWS credentials: %.200s", why.text);
    size_t len = text.len;
    while (len > 0 && strchr(" \t\r\n", text.data[len - 1]) != NULL)
        len--;
    if (len == 0)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "no AWS credentials: %.200s is empty", path);
    return kw_secret_copy(out, text.data, len, err);
}

/* The choice. Each kind, the settings that show that it is meant, and the variables that offer it;
 * in the order in which AWS's own tools look. */
static const struct kind {
    const char *name;
    const char *options[4];
    const char *variables[2];
} kinds[] = {
    {"keys", {"access_key_id", "secret_access_key_file"}, {NULL}},
    {"environment",
     {"access_key_id_env", "secret_access_key_env", "session_token_env"},
     {"AWS_ACCESS_KEY_ID"}},
    {"web_identity", {"web_identity_token_file", "role_arn"}, {"AWS_WEB_IDENTITY_TOKEN_FILE"}},
    {"profile", {"profile", "credentials_file"}, {"AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"}},
    {"container",
     {"container_endpoint", "container_token_file"},
     {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}},
    {"instance", {"metadata_endpoint"}, {NULL}},
};

static bool is_set(const struct kw_provider_settings *settings, const struct kind *kind)
{
    for (size_t i = 0; i < KW_COUNT(kind->options) && kind->options[i] != NULL; i++)
        if (kw_aws_setting(settings, kind->options[i], NULL) != NULL)
            return true;
    return false;
}

static bool is_offered(const struct kind *kind)
{
    for (size_t i = 0; i < KW_COUNT(kind->variables) && kind->variables[i] != NULL; i++) {
        const char *value = getenv(kind->variables[i]);
        if (value != NULL && value[0] != '\0')
            return true;
    }
    return false;
}

/* Settings count for more than what the environment happens to have. */
static const char *choose(const struct kw_provider_settings *settings)
{
    for (size_t i = 0; i < KW_COUNT(kinds); i++)
        if (is_set(settings, &kinds[i]))
            return kinds[i].name;
    for (size_t i = 0; i < KW_COUNT(kinds); i++)
        if (is_offered(&kinds[i]))
            return kinds[i].name;
    KW_AUTO(kw_buf) file = KW_BUF_INIT;
    const char *home = getenv("HOME");
    kw_buf_printf(&file, "%s/.aws/credentials", home != NULL ? home : "");
    return home != NULL && kw_path_exists(kw_buf_str(&file)) ? "profile" : "instance";
}

KW_ERR kw_aws_source_new(const struct kw_provider_settings *settings, const char *region,
                         struct kw_aws_source *out, struct kw_error *err)
{
    const char *kind = kw_aws_setting(settings, "credentials", NULL);
    if (kind == NULL || strcmp(kind, "auto") == 0)
        kind = choose(settings);
    if (strcmp(kind, "keys") == 0)
        return kw_aws_keys_source_new(settings, out, err);
    if (strcmp(kind, "environment") == 0)
        return kw_aws_environment_source_new(settings, out, err);
    if (strcmp(kind, "profile") == 0)
        return kw_aws_profile_source_new(settings, out, err);
    if (strcmp(kind, "web_identity") == 0)
        return kw_aws_web_identity_source_new(settings, region, out, err);
    if (strcmp(kind, "container") == 0)
        return kw_aws_container_source_new(settings, out, err);
    if (strcmp(kind, "instance") == 0)
        return kw_aws_instance_source_new(settings, out, err);
    return kw_fail(err, KW_BAD_CONFIG,
                   "credentials = %.40s: it is auto, keys, environment, profile, web_identity, "
                   "container or instance",
                   kind);
}

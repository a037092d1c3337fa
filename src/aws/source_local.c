/* Credentials of this machine: files of the operator's, variables, a shared credentials file. */
#include "aws/source.h"

enum { PROFILES_MAX = 256 * 1024, TEXTS = 3 };

/* What the three texts mean depends on the kind: paths (the first the id itself), names of
 * variables, or file and profile. */
struct local {
    char *texts[TEXTS];
};

static void local_free(void *state)
{
    struct local *local = state;
    for (size_t i = 0; i < TEXTS; i++)
        free(local->texts[i]);
    free(local);
}

static kw_code unusable(const char *where, const struct kw_error *why, struct kw_error *err)
{
    if (why->code != KW_BAD_FORMAT)
        return kw_fail(err, why->code, "%s", why->text);
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "no AWS credentials: %.150s: %.200s", where,
                   why->text);
}

static kw_code fetch_keys(void *state, int64_t deadline_ms, struct kw_aws_keys *out,
                          struct kw_error *err)
{
    const struct local *local = state;
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    struct kw_error why;
    KW_UNUSED(deadline_ms);
    KW_TRY(kw_aws_file_read(local->texts[1], 1024, &secret, err));
    if (local->texts[2] != NULL)
        KW_TRY(kw_aws_file_read(local->texts[2], KW_AWS_TOKEN_MAX + 2, &token, err));
    if (kw_aws_keys_set(out, kw_bytes_str(local->texts[0]), kw_bytes(secret.data, secret.len),
                        kw_bytes(token.data, token.len), &why) != KW_OK)
        return unusable(local->texts[1], &why, err);
    return KW_OK;
}

static struct kw_bytes variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? kw_bytes_str(value) : kw_bytes(NULL, 0);
}

static kw_code fetch_environment(void *state, int64_t deadline_ms, struct kw_aws_keys *out,
                                 struct kw_error *err)
{
    const struct local *local = state;
    struct kw_error why;
    KW_UNUSED(deadline_ms);
    if (kw_aws_keys_set(out, variable(local->texts[0]), variable(local->texts[1]),
                        variable(local->texts[2]), &why) != KW_OK)
        return unusable("environment variables", &why, err);
    return KW_OK;
}

static kw_code fetch_profile(void *state, int64_t deadline_ms, struct kw_aws_keys *out,
                             struct kw_error *err)
{
    const struct local *local = state;
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    struct kw_error why;
    KW_UNUSED(deadline_ms);
    KW_TRY(kw_aws_file_read(local->texts[0], PROFILES_MAX, &text, err));
    if (kw_aws_keys_read_profile(kw_bytes(text.data, text.len), local->texts[1], out, &why) !=
        KW_OK)
        return unusable(local->texts[0], &why, err);
    return KW_OK;
}

static KW_ERR make(const char *const texts[TEXTS],
                   kw_code (*fetch)(void *, int64_t, struct kw_aws_keys *, struct kw_error *),
                   struct kw_aws_source *out, struct kw_error *err)
{
    struct local *local = calloc(1, sizeof *local);
    if (local == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    for (size_t i = 0; i < TEXTS; i++) {
        kw_code code = kw_aws_text_copy(texts[i], &local->texts[i], err);
        if (code != KW_OK) {
            local_free(local);
            return code;
        }
    }
    *out = (struct kw_aws_source){.fetch = fetch, .free = local_free, .state = local};
    return KW_OK;
}

KW_ERR kw_aws_keys_source_new(const struct kw_provider_settings *settings,
                              struct kw_aws_source *out, struct kw_error *err)
{
    const char *const texts[TEXTS] = {kw_aws_setting(settings, "access_key_id", NULL),
                                      kw_aws_setting(settings, "secret_access_key_file", NULL),
                                      kw_aws_setting(settings, "session_token_file", NULL)};
    if (texts[0] == NULL || texts[1] == NULL)
        return kw_fail(err, KW_BAD_CONFIG,
                       "access_key_id and secret_access_key_file belong together: set both");
    return make(texts, fetch_keys, out, err);
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

KW_ERR kw_aws_environment_source_new(const struct kw_provider_settings *settings,
                                     struct kw_aws_source *out, struct kw_error *err)
{
    const char *const texts[TEXTS] = {
        or_else(kw_aws_setting(settings, "access_key_id_env", NULL), "AWS_ACCESS_KEY_ID"),
        or_else(kw_aws_setting(settings, "secret_access_key_env", NULL), "AWS_SECRET_ACCESS_KEY"),
        or_else(kw_aws_setting(settings, "session_token_env", NULL), "AWS_SESSION_TOKEN")};
    return make(texts, fetch_environment, out, err);
}

KW_ERR kw_aws_profile_source_new(const struct kw_provider_settings *settings,
                                 struct kw_aws_source *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) usual = KW_BUF_INIT;
    const char *file = kw_aws_setting(settings, "credentials_file", "AWS_SHARED_CREDENTIALS_FILE");
    if (file == NULL) {
        const char *home = getenv("HOME");
        if (home == NULL || home[0] == '\0')
            return kw_fail(err, KW_BAD_CONFIG,
                           "there is no home folder with .aws/credentials: set credentials_file");
        kw_buf_printf(&usual, "%s/.aws/credentials", home);
        file = kw_buf_str(&usual);
    }
    const char *const texts[TEXTS] = {
        file, or_else(kw_aws_setting(settings, "profile", "AWS_PROFILE"), "default"), NULL};
    return make(texts, fetch_profile, out, err);
}

/* Credentials for a token that somebody else signed (a Kubernetes service account's, a CI's): STS
 * AssumeRoleWithWebIdentity (AWS STS API Reference, version 2011-06-15). The request is not signed:
 * the token is the proof. */
#include "aws/source.h"

enum { ANSWER_MAX = 32768, NAME_MAX_LEN = 64, CODE_MAX = 64 };

struct sts {
    struct kw_web *web;
    char *url;
    char *token_file;
    char *role_arn;
    char *session_name;
};

static void sts_free(void *state)
{
    struct sts *sts = state;
    kw_web_free(sts->web);
    free(sts->url);
    free(sts->token_file);
    free(sts->role_arn);
    free(sts->session_name);
    free(sts);
}

static const struct refusal {
    const char *code;
    kw_code means;
    const char *text;
} refusals[] = {
    {"ExpiredTokenException", KW_PROVIDER_UNAVAILABLE, "its token has expired: is it renewed?"},
    {"IDPCommunicationError", KW_PROVIDER_UNAVAILABLE, "STS cannot reach who signed the token"},
    {"Throttling", KW_RATE_LIMITED, "STS throttles"},
    {"InvalidIdentityToken", KW_FORBIDDEN,
     "its token is not accepted: is its issuer a provider "
     "of the account, and its audience right?"},
    {"IDPRejectedClaim", KW_FORBIDDEN, "its token is rejected by who signed it"},
    {"AccessDenied", KW_FORBIDDEN, "the role's trust policy does not let this token in"},
    {"RegionDisabledException", KW_FORBIDDEN, "STS is not activated for this account and region"},
};

/* Own texts alone: an answer could repeat the token. */
static kw_code judge(const struct kw_web_response *response, struct kw_error *err)
{
    struct kw_bytes code;
    bool named = kw_aws_xml_element(kw_buf_bytes(&response->body), "Code", &code);
    for (size_t i = 0; named && i < KW_COUNT(refusals); i++)
        if (kw_bytes_equal_str(code, refusals[i].code))
            return kw_fail(err, refusals[i].means, "no AWS credentials by web identity: %s",
                           refusals[i].text);
    bool passes = response->status == 429 || response->status >= 500;
    return kw_fail(err, passes ? KW_PROVIDER_UNAVAILABLE : KW_FORBIDDEN,
                   "no AWS credentials by web identity: STS answers with status %d: %s",
                   response->status,
                   passes ? "this passes" : "check role_arn and web_identity_token_file");
}

static void append_escaped(struct kw_buf *out, const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = text[i];
        if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
            (c != '\0' && strchr("-._~", c) != NULL))
            kw_buf_append_byte(out, c);
        else
            kw_buf_printf(out, "%%%02X", c);
    }
}

static void append_text(struct kw_buf *out, const char *before, const char *text)
{
    kw_buf_append_str(out, before);
    append_escaped(out, (const uint8_t *)text, strlen(text));
}

static KW_ERR write_form(const struct sts *sts, struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    KW_TRY(kw_aws_file_read(sts->token_file, 20000, &token, err));
    kw_buf_append_str(out, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
    append_text(out, "&RoleArn=", sts->role_arn);
    append_text(out, "&RoleSessionName=", sts->session_name);
    kw_buf_append_str(out, "&WebIdentityToken=");
    append_escaped(out, token.data, token.len);
    return kw_buf_status(out, err);
}

static kw_code fetch_sts(void *state, int64_t deadline_ms, struct kw_aws_keys *out,
                         struct kw_error *err)
{
    static const struct kw_web_header header = {"Content-Type",
                                                "application/x-www-form-urlencoded"};
    const struct sts *sts = state;
    KW_AUTO(kw_buf) form = KW_BUF_SECRET;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    struct kw_error why;
    KW_TRY(write_form(sts, &form, err));
    const struct kw_web_request request = {.method = "POST",
                                           .url = sts->url,
                                           .headers = &header,
                                           .header_count = 1,
                                           .body = kw_buf_bytes(&form),
                                           .max = ANSWER_MAX,
                                           .deadline_ms = deadline_ms};
    KW_TRY(kw_web_call_judged(sts->web, &request, judge, &response, err));
    kw_code code = kw_aws_keys_read_xml(kw_buf_bytes(&response.body), out, &why);
    if (code == KW_BAD_FORMAT)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "no AWS credentials from STS: %s", why.text);
    return code == KW_OK ? KW_OK : kw_fail(err, code, "%s", why.text);
}

/* STS asks for 2 to 64 of these. */
static bool is_session_name(const char *name)
{
    size_t len = strlen(name);
    for (const char *c = name; *c != '\0'; c++)
        if (!((*c >= '0' && *c <= '9') || ((*c | 32) >= 'a' && (*c | 32) <= 'z') ||
              strchr("+=,.@_-", *c) != NULL))
            return false;
    return len >= 2 && len <= NAME_MAX_LEN;
}

static KW_ERR fill(struct sts *sts, const struct kw_provider_settings *settings, const char *url,
                   struct kw_error *err)
{
    const struct kw_web_options options = {
        .who = "AWS STS",
        .address_option = "sts_endpoint",
        .ca_file = kw_aws_setting(settings, "ca_file", NULL),
        .plain = true, /* kw_aws_address has seen to what is reached by it */
        .tls12 = true,
    };
    const char *role = kw_aws_setting(settings, "role_arn", "AWS_ROLE_ARN");
    const char *file =
        kw_aws_setting(settings, "web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *name = kw_aws_setting(settings, "role_session_name", "AWS_ROLE_SESSION_NAME");
    if (role == NULL || file == NULL)
        return kw_fail(err, KW_BAD_CONFIG,
                       "role_arn and web_identity_token_file belong together: set both");
    if (name != NULL && !is_session_name(name))
        return kw_fail(err, KW_BAD_CONFIG,
                       "role_session_name: 2 to 64 letters, digits and +=,.@_- are accepted");
    KW_TRY(kw_web_new(&options, &sts->web, err));
    KW_TRY(kw_aws_text_copy(url, &sts->url, err));
    KW_TRY(kw_aws_text_copy(role, &sts->role_arn, err));
    KW_TRY(kw_aws_text_copy(file, &sts->token_file, err));
    return kw_aws_text_copy(name != NULL ? name : "keyward", &sts->session_name, err);
}

KW_ERR kw_aws_web_identity_source_new(const struct kw_provider_settings *settings,
                                      const char *region, struct kw_aws_source *out,
                                      struct kw_error *err)
{
    KW_AUTO(kw_buf) usual = KW_BUF_INIT;
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    const char *address = kw_aws_setting(settings, "sts_endpoint", NULL);
    if (address == NULL) {
        kw_buf_printf(&usual, "https://sts.%s.amazonaws.com%s", region,
                      strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
        address = kw_buf_str(&usual);
    }
    KW_TRY(kw_aws_address("sts_endpoint", address, NULL, &url, err));
    kw_buf_append_byte(&url, '/');
    struct sts *sts = calloc(1, sizeof *sts);
    if (sts == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = fill(sts, settings, kw_buf_str(&url), err);
    if (code != KW_OK) {
        sts_free(sts);
        return code;
    }
    *out = (struct kw_aws_source){.fetch = fetch_sts, .free = sts_free, .state = sts};
    return KW_OK;
}

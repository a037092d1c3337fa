/* Tokens: the vault's challenge, then client credentials at the authority (RFC 6749 section 4.4).
 */
#include "azure/challenge.h"
#include "azure/internal.h"
#include "base/file.h"

enum { SECRET_FILE_MAX = 1024, URL_SIZE = KW_AZURE_ADDRESS_SIZE + 256 };

static kw_code judge_challenge(const struct kw_web_response *response, struct kw_error *err)
{
    if (response->status == 401)
        return KW_OK;
    return kw_azure_error(response->status, kw_buf_bytes(&response->body), false, err);
}

/* An unauthenticated request is answered by the challenge: 401 and WWW-Authenticate. */
static KW_ERR challenge(struct kw_azure *azure, int64_t deadline_ms, struct kw_azure_challenge *out,
                        struct kw_error *err)
{
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    struct kw_bytes value;
    char url[URL_SIZE];
    snprintf(url, sizeof url, "%s/keys?%s", azure->vault, KW_AZURE_API);
    const struct kw_web_request request = {
        .method = "GET", .url = url, .max = KW_AZURE_ANSWER_MAX, .deadline_ms = deadline_ms};
    KW_TRY(kw_web_call_judged(azure->web, &request, judge_challenge, &response, err));
    if (response.status == 401 && kw_web_response_header(&response, "WWW-Authenticate", &value))
        return kw_azure_challenge_read(value, azure->vault, out, err);
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                   "Azure Key Vault: it answers without asking for a token: is vault right?");
}

static KW_ERR read_secret(const struct kw_azure *azure, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    struct kw_error why;
    if (azure->secret_file == NULL)
        return kw_secret_copy(out, azure->secret.data, azure->secret.len, err);
    kw_code code = kw_file_read_secret(azure->secret_file, SECRET_FILE_MAX, &text, &why);
    if (code == KW_NO_MEMORY || code == KW_NO_SECURE_MEMORY)
        return kw_fail_code(err, code);
    if (code != KW_OK)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "client_secret_file: %.300s", why.text);
    size_t len = text.len;
    while (len > 0 && (text.data[len - 1] == '\n' || text.data[len - 1] == '\r'))
        len--;
    if (len == 0)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "client_secret_file: %.200s is empty",
                       azure->secret_file);
    return kw_secret_copy(out, text.data, len, err);
}

static kw_code judge(const struct kw_web_response *response, struct kw_error *err)
{
    return kw_azure_login_error(response->status, kw_buf_bytes(&response->body), err);
}

static KW_ERR login(struct kw_azure *azure, const struct kw_azure_challenge *to,
                    int64_t deadline_ms, struct kw_bearer_grant *grant, struct kw_error *err)
{
    static const struct kw_web_header form = {"Content-Type", "application/x-www-form-urlencoded"};
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_AUTO(kw_buf) body = KW_BUF_SECRET;
    char url[URL_SIZE];
    snprintf(url, sizeof url, "%s/%s/oauth2/v2.0/token", azure->authority,
             azure->tenant[0] != '\0' ? azure->tenant : to->tenant);
    KW_TRY(read_secret(azure, &secret, err));
    kw_azure_put_login(&body, azure->client_id, &secret, to->scope);
    KW_TRY(kw_buf_status(&body, err));
    const struct kw_web_request request = {.method = "POST",
                                           .url = url,
                                           .headers = &form,
                                           .header_count = 1,
                                           .body = kw_buf_bytes(&body),
                                           .max = KW_AZURE_ANSWER_MAX,
                                           .deadline_ms = deadline_ms};
    KW_TRY(kw_web_call_judged(azure->web, &request, judge, &response, err));
    return kw_azure_get_token(kw_buf_bytes(&response.body), grant, err);
}

kw_code kw_azure_fetch_token(void *arg, int64_t deadline_ms, struct kw_bearer_grant *grant,
                             struct kw_error *err)
{
    struct kw_azure *azure = arg;
    struct kw_azure_challenge to;
    KW_TRY(challenge(azure, deadline_ms, &to, err));
    if (azure->tenant[0] == '\0' && to.tenant[0] == '\0')
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "Azure Key Vault: its challenge names no tenant: set tenant");
    return login(azure, &to, deadline_ms, grant, err);
}

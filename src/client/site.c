#include "client/site.h"

#include "client/internal.h"

enum { TOKEN_MAX = 4096 };

/* A token is one word. */
static KW_ERR set_token(struct kw_site *site, const char *token, struct kw_error *err)
{
    static const char lead[] = "Bearer ";
    if (token == NULL || token[0] == '\0')
        return KW_OK;
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return kw_fail(err, KW_BAD_CONFIG,
                           "the token holds a space or a character that no "
                           "token has: check KEYWARD_TOKEN");
    if (len > TOKEN_MAX)
        return kw_fail(err, KW_BAD_CONFIG, "the token is too long: check KEYWARD_TOKEN");
    KW_TRY(kw_secret_alloc(&site->bearer, sizeof lead + len, err)); /* terminated: it is zeroed */
    memcpy(site->bearer.data, lead, sizeof lead - 1);
    memcpy(site->bearer.data + sizeof lead - 1, token, len);
    return KW_OK;
}

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

KW_ERR kw_site_init(struct kw_site *site, const struct kw_remote_options *access, bool own,
                    bool plain, struct kw_error *err)
{
    const struct kw_web_options options = {
        .ca_file = access->ca_file,
        .cert_file = own ? access->cert_file : NULL,
        .key_file = own ? access->key_file : NULL,
        .connect_timeout_ms = access->connect_timeout_ms,
        .plain = plain,
        .http1 = true, /* all that a Keyward server speaks */
        .address_option = "KEYWARD_ADDR",
        .ca_option = "KEYWARD_CACERT",
    };
    if (own && given(access->cert_file) != given(access->key_file))
        return kw_fail(err, KW_BAD_CONFIG,
                       "a client certificate needs its key and a key its certificate: give both "
                       "(KEYWARD_CERT, KEYWARD_KEY) or none");
    KW_TRY(kw_web_new(&options, &site->web, err));
    kw_code code = set_token(site, own ? access->token : NULL, err);
    if (code != KW_OK)
        kw_site_wipe(site);
    return code;
}

void kw_site_wipe(struct kw_site *site)
{
    kw_web_free(site->web);
    site->web = NULL;
    kw_secret_wipe(&site->bearer);
}

static kw_code judge(const struct kw_web_response *response, struct kw_error *err)
{
    return kw_answer_error(response->status, kw_buf_bytes(&response->body), err);
}

KW_ERR kw_site_ask(struct kw_site *site, const struct kw_web_request *request, bool repeatable,
                   struct kw_web_response *response, struct kw_error *err)
{
    const struct kw_web_policy policy = {.repeatable = repeatable, .judge = judge};
    const struct kw_web_header headers[] = {
        {"Content-Type", "application/json"},
        {"Authorization", (const char *)site->bearer.data},
    };
    struct kw_web_request whole = *request;
    whole.headers = headers;
    whole.header_count = site->bearer.len > 0 ? 2 : 1;
    return kw_web_ask(site->web, &whole, &policy, response, err);
}

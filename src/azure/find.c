/* Asking the vault, and which version of a key may wrap. */
#include "azure/internal.h"

#include "base/clock.h"

enum { BELIEVED_MS = 1000, URL_SIZE = KW_AZURE_ADDRESS_SIZE + 320 };

static kw_code judge(const struct kw_web_response *response, struct kw_error *err)
{
    return kw_azure_error(response->status, kw_buf_bytes(&response->body), false, err);
}

static kw_code judge_unwrap(const struct kw_web_response *response, struct kw_error *err)
{
    return kw_azure_error(response->status, kw_buf_bytes(&response->body), true, err);
}

static KW_ERR ask_with(struct kw_azure *azure, const struct kw_azure_question *question,
                       const struct kw_bearer_token *token, struct kw_web_response *response,
                       struct kw_error *err)
{
    char url[URL_SIZE];
    const struct kw_web_header headers[] = {
        {"Authorization", kw_bearer_header(token)},
        {"Content-Type", "application/json"},
    };
    const struct kw_web_request request = {
        .method = question->method,
        .url = url,
        .headers = headers,
        .header_count = question->body.len > 0 ? 2 : 1,
        .body = question->body,
        .max = KW_AZURE_ANSWER_MAX,
        .deadline_ms = question->deadline_ms,
        .once = question->once,
    };
    snprintf(url, sizeof url, "%s%s", azure->vault, question->path);
    return kw_web_call_judged(azure->web, &request, question->unwrapping ? judge_unwrap : judge,
                              response, err);
}

/* A token that is refused may have been revoked: once more with another. */
KW_ERR kw_azure_ask(struct kw_azure *azure, const struct kw_azure_question *question,
                    struct kw_web_response *response, struct kw_error *err)
{
    struct kw_error why;
    for (int tries = 0; tries < 2; tries++) {
        KW_AUTO_PTR(kw_bearer_token) token = NULL;
        KW_TRY(kw_bearer_get(azure->bearer, question->deadline_ms, &token, err));
        kw_code code = ask_with(azure, question, token, response, &why);
        if (code == KW_OK)
            return KW_OK;
        if (code != KW_UNAUTHENTICATED)
            return kw_fail(err, code, "%s", why.text);
        kw_bearer_drop(azure->bearer, token);
    }
    return kw_fail(err, KW_FORBIDDEN, "%s", why.text);
}

static bool is_entry(const struct kw_azure_known *known, const struct kw_azure_key *key)
{
    return known->asked.name[0] != '\0' && kw_azure_key_same(&known->asked, key) &&
           strcasecmp(known->asked.version, key->version) == 0;
}

static bool recall(struct kw_azure *azure, const struct kw_azure_key *key, struct kw_azure_key *out)
{
    bool found = false;
    pthread_mutex_lock(&azure->lock);
    for (size_t i = 0; i < KW_AZURE_KNOWN && !found; i++) {
        found = is_entry(&azure->known[i], key) && kw_clock_ms() < azure->known[i].until_ms;
        if (found)
            *out = azure->known[i].found;
    }
    pthread_mutex_unlock(&azure->lock);
    return found;
}

/* In the place of what was known of the key, or of what is believed for the least time. */
static void remember(struct kw_azure *azure, const struct kw_azure_key *key,
                     const struct kw_azure_key *found, int64_t until_ms)
{
    pthread_mutex_lock(&azure->lock);
    struct kw_azure_known *to = &azure->known[0];
    for (size_t i = 0; i < KW_AZURE_KNOWN && !is_entry(to, key); i++)
        if (is_entry(&azure->known[i], key) || azure->known[i].until_ms < to->until_ms)
            to = &azure->known[i];
    *to = (struct kw_azure_known){.asked = *key, .found = *found, .until_ms = until_ms};
    pthread_mutex_unlock(&azure->lock);
}

static KW_ERR get_key(struct kw_azure *azure, const struct kw_azure_key *key, int64_t deadline_ms,
                      struct kw_azure_key *out, struct kw_error *err)
{
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    struct kw_azure_question question = {.method = "GET", .deadline_ms = deadline_ms};
    snprintf(question.path, sizeof question.path, "/keys/%s%s%s?%s", key->name,
             key->version[0] != '\0' ? "/" : "", key->version, KW_AZURE_API);
    KW_TRY(kw_azure_ask(azure, &question, &response, err));
    return kw_azure_check_key(kw_buf_bytes(&response.body), key, kw_clock_wall_ms() / 1000, out,
                              err);
}

KW_ERR kw_azure_missing(struct kw_azure *azure, const struct kw_azure_key *key, int64_t deadline_ms,
                        struct kw_error *err)
{
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    struct kw_azure_question question = {.method = "GET", .deadline_ms = deadline_ms};
    snprintf(question.path, sizeof question.path, "/deletedkeys/%s?%s", key->name, KW_AZURE_API);
    struct kw_error why;
    kw_code code = kw_azure_ask(azure, &question, &response, &why);
    if (code != KW_OK && code != KW_KEY_NOT_FOUND && code != KW_FORBIDDEN)
        return kw_fail(err, code, "%s", why.text);
    if (code == KW_OK)
        return kw_fail(err, KW_KEY_PENDING,
                       "the key %s is deleted from Azure Key Vault and can be recovered there",
                       key->name);
    return kw_fail(err, KW_KEY_NOT_FOUND, "Azure Key Vault has no key %s%s%s", key->name,
                   key->version[0] != '\0' ? " of version " : "", key->version);
}

KW_ERR kw_azure_find(struct kw_azure *azure, const struct kw_azure_key *key, int64_t deadline_ms,
                     bool afresh, struct kw_azure_key *out, struct kw_error *err)
{
    struct kw_azure_key found;
    struct kw_error why;
    if (!afresh && recall(azure, key, out))
        return KW_OK;
    int64_t asked_ms = kw_clock_ms();
    kw_code code = get_key(azure, key, deadline_ms, &found, &why);
    if (code != KW_OK)
        remember(azure, key, key, 0);
    if (code == KW_KEY_NOT_FOUND)
        return kw_azure_missing(azure, key, deadline_ms, err);
    if (code != KW_OK)
        return kw_fail(err, code, "%s", why.text);
    remember(azure, key, &found, asked_ms + BELIEVED_MS);
    *out = found;
    return KW_OK;
}

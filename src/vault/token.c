#include "vault/token.h"

#include "base/clock.h"
#include "base/file.h"
#include "vault/codec.h"

#include <pthread.h>
#include <time.h>

/* A failed renewal is tried again after AGAIN_MS; log-ins are at least LOGIN_MS apart, so that a
 * refused token does not become a flood of them. */
enum { AGAIN_MS = 5000, LOGIN_MS = 1000, TOKEN_MAX = 8192 };

struct kw_vault_tokens {
    /* How we come by one; all are copies. Exactly one of file, held and role_id is there at first.
     */
    char *file;
    char *role_id;
    char *secret_id_file;
    char *approle_mount;
    pthread_mutex_t lock; /* of taken, held for moments */
    pthread_cond_t given_back;
    bool taken;             /* one caller has what follows, and may be asking the server */
    struct kw_secret token; /* terminated; empty: none yet */
    uint64_t number;        /* of the token: each new one has the next */
    int64_t renew_at_ms;    /* 0: never */
    int64_t ends_at_ms;     /* 0: never */
    int64_t next_login_ms;
    bool looked_up;
};

static KW_ERR copy_setting(const struct kw_provider_settings *settings, const char *name,
                           char **out, struct kw_error *err)
{
    const char *value = kw_provider_setting(settings, name);
    if (value != NULL && value[0] != '\0' && (*out = strdup(value)) == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    return KW_OK;
}

static void hold(struct kw_vault_tokens *tokens, struct kw_secret *token)
{
    kw_secret_wipe(&tokens->token);
    kw_secret_move(&tokens->token, token);
    tokens->number++;
    tokens->renew_at_ms = tokens->ends_at_ms = 0;
    tokens->looked_up = false;
}

static KW_ERR read_environment(struct kw_vault_tokens *tokens, const char *name,
                               struct kw_error *err)
{
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    const char *value = getenv(name);
    if (value == NULL || value[0] == '\0' || strlen(value) > TOKEN_MAX)
        return kw_fail(err, KW_BAD_CONFIG,
                       "the environment variable %.60s (token_env) holds no token", name);
    KW_TRY(kw_secret_copy(&token, value, strlen(value) + 1, err));
    hold(tokens, &token);
    return KW_OK;
}

static KW_ERR check_ways(const struct kw_vault_tokens *tokens, const char *env,
                         struct kw_error *err)
{
    int ways = (tokens->file != NULL) + (env != NULL) + (tokens->role_id != NULL);
    if (ways != 1)
        return kw_fail(err, KW_BAD_CONFIG, "set one of token_file, token_env and role_id");
    if ((tokens->role_id != NULL) != (tokens->secret_id_file != NULL))
        return kw_fail(err, KW_BAD_CONFIG, "role_id and secret_id_file belong together");
    if (tokens->approle_mount != NULL && !kw_vault_is_mount(tokens->approle_mount))
        return kw_fail(err, KW_BAD_CONFIG, "approle_mount is not the name of a mount");
    return KW_OK;
}

static KW_ERR read_settings(struct kw_vault_tokens *tokens,
                            const struct kw_provider_settings *settings, struct kw_error *err)
{
    const char *env = kw_provider_setting(settings, "token_env");
    KW_TRY(copy_setting(settings, "token_file", &tokens->file, err));
    KW_TRY(copy_setting(settings, "role_id", &tokens->role_id, err));
    KW_TRY(copy_setting(settings, "secret_id_file", &tokens->secret_id_file, err));
    KW_TRY(copy_setting(settings, "approle_mount", &tokens->approle_mount, err));
    KW_TRY(check_ways(tokens, env, err));
    return env != NULL ? read_environment(tokens, env, err) : KW_OK;
}

KW_ERR kw_vault_tokens_new(const struct kw_provider_settings *settings,
                           struct kw_vault_tokens **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_vault_tokens) tokens = calloc(1, sizeof *tokens);
    if (tokens == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_mutex_init(&tokens->lock, NULL);
    pthread_cond_init(&tokens->given_back, NULL);
    KW_TRY(read_settings(tokens, settings, err));
    *out = tokens;
    tokens = NULL;
    return KW_OK;
}

void kw_vault_tokens_free(struct kw_vault_tokens *tokens)
{
    if (tokens == NULL)
        return;
    kw_secret_wipe(&tokens->token);
    pthread_cond_destroy(&tokens->given_back);
    pthread_mutex_destroy(&tokens->lock);
    free(tokens->file);
    free(tokens->role_id);
    free(tokens->secret_id_file);
    free(tokens->approle_mount);
    free(tokens);
}

static void set_times(struct kw_vault_tokens *tokens, const struct kw_vault_lease *lease)
{
    int64_t now = kw_clock_ms();
    int64_t ms = (int64_t)lease->seconds * 1000;
    tokens->looked_up = true;
    tokens->ends_at_ms = ms > 0 ? now + ms : 0;
    tokens->renew_at_ms =
        ms > 0 && (lease->renewable || tokens->role_id != NULL) ? now + ms / 2 : 0;
}

/* ---- By the one caller who has taken it ---- */

static KW_ERR log_in(struct kw_vault_tokens *tokens, const struct kw_vault_site *site,
                     int64_t deadline_ms, struct kw_error *err)
{
    KW_AUTO(kw_secret) secret_id = KW_SECRET_INIT;
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    KW_AUTO(kw_buf) body = KW_BUF_SECRET;
    KW_AUTO(kw_buf) path = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    struct kw_vault_lease lease = {0};
    if (kw_clock_ms() < tokens->next_login_ms)
        return kw_fail(err, KW_FORBIDDEN, "the log-in with role_id was refused a moment ago");
    tokens->next_login_ms = kw_clock_ms() + LOGIN_MS;
    struct kw_error why;
    kw_code code = kw_file_read_word(tokens->secret_id_file, TOKEN_MAX, &secret_id, &why);
    if (code != KW_OK)
        return kw_fail(err, KW_FORBIDDEN, "secret_id_file: %s", why.text);
    kw_vault_put_login(&body, tokens->role_id, &secret_id);
    kw_buf_printf(&path, "/v1/auth/%s/login",
                  tokens->approle_mount != NULL ? tokens->approle_mount : "approle");
    KW_TRY(kw_buf_status(&body, err));
    const struct kw_vault_ask ask = {.method = "POST",
                                     .path = kw_buf_str(&path),
                                     .body = kw_buf_bytes(&body),
                                     .deadline_ms = deadline_ms};
    KW_TRY(kw_vault_site_ask(site, &ask, &response, err));
    if (response.status != 200)
        return kw_vault_error(response.status, kw_buf_bytes(&response.body), err);
    KW_TRY(kw_vault_get_token(kw_buf_bytes(&response.body), &token, &lease, err));
    hold(tokens, &token);
    set_times(tokens, &lease);
    tokens->next_login_ms = 0;
    return KW_OK;
}

/* Asks about the token itself: how long it lives (GET), or that it live longer (POST). */
static KW_ERR ask_self(struct kw_vault_tokens *tokens, const struct kw_vault_site *site, bool renew,
                       int64_t deadline_ms, struct kw_vault_lease *lease)
{
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    const struct kw_vault_ask ask = {
        .method = renew ? "POST" : "GET",
        .path = renew ? "/v1/auth/token/renew-self" : "/v1/auth/token/lookup-self",
        .token = &tokens->token,
        .body = renew ? kw_bytes_str("{}") : kw_bytes(NULL, 0),
        .deadline_ms = deadline_ms,
    };
    KW_TRY(kw_vault_site_ask(site, &ask, &response, NULL));
    struct kw_bytes body = kw_buf_bytes(&response.body);
    if (response.status != 200)
        return kw_vault_error(response.status, body, NULL);
    return renew ? kw_vault_get_token(body, NULL, lease, NULL)
                 : kw_vault_get_lease(body, lease, NULL);
}

static KW_ERR obtain(struct kw_vault_tokens *tokens, const struct kw_vault_site *site,
                     int64_t deadline_ms, struct kw_error *err)
{
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    struct kw_error why;
    if (tokens->role_id != NULL)
        return log_in(tokens, site, deadline_ms, err);
    kw_code code = kw_file_read_word(tokens->file, TOKEN_MAX, &token, &why);
    if (code != KW_OK)
        return kw_fail(err, KW_FORBIDDEN, "token_file: %s", why.text);
    hold(tokens, &token);
    return KW_OK;
}

/* A token that is running out is lived with until it is refused. */
static void prolong(struct kw_vault_tokens *tokens, const struct kw_vault_site *site,
                    int64_t deadline_ms)
{
    struct kw_vault_lease lease = {0};
    bool first = !tokens->looked_up;
    tokens->looked_up = true;
    kw_code code = ask_self(tokens, site, !first, deadline_ms, &lease);
    if (code == KW_OK)
        set_times(tokens, &lease);
    else
        tokens->renew_at_ms = first ? 0 : kw_clock_ms() + AGAIN_MS;
    /* A lease that cannot grow any more (its maximum is reached) is replaced in time. */
    bool short_lived = code != KW_OK || lease.seconds * 1000 < AGAIN_MS;
    if (!first && short_lived && tokens->role_id != NULL)
        (void)!log_in(tokens, site, deadline_ms, NULL);
}

static KW_ERR get(struct kw_vault_tokens *tokens, const struct kw_vault_site *site,
                  int64_t deadline_ms, struct kw_secret *out, struct kw_error *err)
{
    int64_t now = kw_clock_ms();
    bool over = tokens->ends_at_ms != 0 && now >= tokens->ends_at_ms;
    bool replaceable = tokens->file != NULL || tokens->role_id != NULL;
    if (tokens->token.len == 0 || (over && replaceable))
        KW_TRY(obtain(tokens, site, deadline_ms, err));
    if (!tokens->looked_up || (tokens->renew_at_ms != 0 && now >= tokens->renew_at_ms))
        prolong(tokens, site, deadline_ms);
    return kw_secret_copy(out, tokens->token.data, tokens->token.len, err);
}

/* ---- One caller at a time ---- */

static KW_ERR take(struct kw_vault_tokens *tokens, int64_t deadline_ms, struct kw_error *err)
{
    struct timespec until;
    int64_t left_ms = deadline_ms - kw_clock_ms();
    if (left_ms <= 0)
        return kw_fail(err, KW_TIMEOUT, "the time for this call is over");
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + left_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(left_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    int failed = 0;
    pthread_mutex_lock(&tokens->lock);
    while (tokens->taken && failed == 0)
        failed =
            pthread_cond_clockwait(&tokens->given_back, &tokens->lock, CLOCK_MONOTONIC, &until);
    bool got = !tokens->taken;
    tokens->taken = true;
    pthread_mutex_unlock(&tokens->lock);
    return got ? KW_OK : kw_fail(err, KW_TIMEOUT, "no token could be had in time");
}

static void give_back(struct kw_vault_tokens *tokens)
{
    pthread_mutex_lock(&tokens->lock);
    tokens->taken = false;
    pthread_cond_signal(&tokens->given_back);
    pthread_mutex_unlock(&tokens->lock);
}

KW_ERR kw_vault_tokens_get(struct kw_vault_tokens *tokens, const struct kw_vault_site *site,
                           int64_t deadline_ms, struct kw_secret *out, uint64_t *number,
                           struct kw_error *err)
{
    KW_TRY(take(tokens, deadline_ms, err));
    kw_code code = get(tokens, site, deadline_ms, out, err);
    *number = tokens->number;
    give_back(tokens);
    return code;
}

bool kw_vault_tokens_refused(struct kw_vault_tokens *tokens, const struct kw_vault_site *site,
                             int64_t deadline_ms, uint64_t number)
{
    KW_AUTO(kw_secret) before = KW_SECRET_INIT;
    if (take(tokens, deadline_ms, NULL) != KW_OK)
        return false;
    bool other = tokens->number != number;
    if (!other && (tokens->file != NULL || tokens->role_id != NULL) &&
        kw_secret_copy(&before, tokens->token.data, tokens->token.len, NULL) == KW_OK)
        other = obtain(tokens, site, deadline_ms, NULL) == KW_OK &&
                !kw_secret_equal(&before, &tokens->token);
    give_back(tokens);
    return other;
}

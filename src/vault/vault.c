#include "vault/vault.h"

#include "base/clock.h"
#include "provider/ops.h"
#include "vault/codec.h"
#include "vault/token.h"

enum { CALL_MS = 30000 }; /* where the caller sets no deadline */

struct vault {
    struct kw_vault_site site;
    struct kw_vault_tokens *tokens;
    char *mount;
};

/* What is asked of one key: its place in the API, and a body. */
struct act {
    const char *method;
    const char *name; /* encrypt, decrypt, keys */
    struct kw_bytes body;
};

static KW_ERR path_of(const struct vault *vault, const char *name, const char *key,
                      struct kw_buf *out, struct kw_error *err)
{
    if (!kw_vault_is_key_name(key))
        return kw_fail(err, KW_KEY_NOT_FOUND,
                       "%.60s cannot be the name of a Transit key: letters, digits, - _ and . are "
                       "what it has",
                       key);
    kw_buf_printf(out, "/v1/%s/%s/%s", vault->mount, name, key);
    return kw_buf_status(out, err);
}

/* A refused token is replaced and the request repeated, once. */
static KW_ERR ask(struct vault *vault, const struct kw_provider_call *call, const struct act *act,
                  struct kw_web_response *response, struct kw_error *err)
{
    KW_AUTO(kw_buf) path = KW_BUF_INIT;
    int64_t deadline_ms = call->deadline_ms != 0 ? call->deadline_ms : kw_clock_ms() + CALL_MS;
    KW_TRY(path_of(vault, act->name, call->key, &path, err));
    for (bool again = false;; again = true) {
        KW_AUTO(kw_secret) token = KW_SECRET_INIT;
        uint64_t number;
        KW_TRY(kw_vault_tokens_get(vault->tokens, &vault->site, deadline_ms, &token, &number, err));
        const struct kw_vault_ask request = {
            .method = act->method,
            .path = kw_buf_str(&path),
            .token = &token,
            .body = act->body,
            .deadline_ms = deadline_ms,
        };
        kw_web_response_wipe(response);
        KW_TRY(kw_vault_site_ask(&vault->site, &request, response, err));
        if (response->status >= 200 && response->status < 300)
            return KW_OK;
        if (response->status != 403 || again ||
            !kw_vault_tokens_refused(vault->tokens, &vault->site, deadline_ms, number))
            return kw_vault_error(response->status, kw_buf_bytes(&response->body), err);
    }
}

static kw_code vault_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    const struct act act = {.method = "GET", .name = "keys"};
    KW_TRY(ask(state, call, &act, &response, err));
    return kw_vault_check_key(kw_buf_bytes(&response.body), call->key, err);
}

static kw_code vault_create(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    kw_code code = vault_check(state, call, err);
    if (code != KW_KEY_NOT_FOUND || !kw_vault_is_key_name(call->key))
        return code;
    kw_vault_put_create(&body);
    KW_TRY(kw_buf_status(&body, err));
    const struct act act = {.method = "POST", .name = "keys", .body = kw_buf_bytes(&body)};
    KW_TRY(ask(state, call, &act, &response, err));
    return vault_check(state, call, err);
}

static kw_code vault_wrap(void *state, const struct kw_provider_call *call,
                          const struct kw_secret *plaintext, struct kw_buf *out,
                          struct kw_error *err)
{
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_AUTO(kw_buf) body = KW_BUF_SECRET;
    /* Encrypting would make a new key of this name, in place of one that its owner has deleted. */
    KW_TRY(vault_check(state, call, err));
    kw_vault_put_encrypt(&body, call, plaintext);
    KW_TRY(kw_buf_status(&body, err));
    const struct act act = {.method = "POST", .name = "encrypt", .body = kw_buf_bytes(&body)};
    KW_TRY(ask(state, call, &act, &response, err));
    return kw_vault_get_ciphertext(kw_buf_bytes(&response.body), out, err);
}

static kw_code vault_unwrap(void *state, const struct kw_provider_call *call,
                            struct kw_bytes wrapped, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_TRY(kw_vault_put_decrypt(&body, call, wrapped, err));
    KW_TRY(kw_buf_status(&body, err));
    const struct act act = {.method = "POST", .name = "decrypt", .body = kw_buf_bytes(&body)};
    KW_TRY(ask(state, call, &act, &response, err));
    return kw_vault_get_plaintext(kw_buf_bytes(&response.body), out, err);
}

static void vault_free(void *state)
{
    struct vault *vault = state;
    kw_vault_tokens_free(vault->tokens);
    kw_vault_site_wipe(&vault->site);
    free(vault->mount);
    free(vault);
}

static const struct kw_provider_ops ops = {
    .kind = "vault",
    .wrap = vault_wrap,
    .unwrap = vault_unwrap,
    .check = vault_check,
    .create = vault_create,
    .free = vault_free,
};

static KW_ERR set_up(struct vault *vault, const struct kw_provider_settings *settings,
                     struct kw_error *err)
{
    const char *mount = kw_provider_setting(settings, "mount");
    if (mount == NULL)
        mount = "transit";
    if (!kw_vault_is_mount(mount))
        return kw_fail(err, KW_BAD_CONFIG, "mount is not the name of a mount");
    vault->mount = strdup(mount);
    if (vault->mount == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    KW_TRY(kw_vault_site_init(&vault->site, settings, err));
    return kw_vault_tokens_new(settings, &vault->tokens, err);
}

KW_ERR kw_provider_vault_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                             struct kw_error *err)
{
    struct kw_error why;
    struct vault *vault = calloc(1, sizeof *vault);
    if (vault == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = set_up(vault, settings, &why);
    if (code != KW_OK) {
        vault_free(vault);
        return kw_fail(err, code == KW_USAGE ? KW_BAD_CONFIG : code, "provider %s: %s",
                       settings->name, why.text);
    }
    return kw_provider_new(&ops, vault, settings->name, out, err);
}

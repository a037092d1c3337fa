#include "peer/peer.h"

#include "base/file.h"
#include "base/names.h"
#include "peer/codec.h"
#include "provider/ops.h"
#include "web/web.h"

enum { ANSWER_MAX = 65536, TOKEN_MAX = 4096 };

struct peer {
    struct kw_web *web;
    struct kw_buf address; /* https://host:port */
    char *token_file;      /* or NULL */
    char class_name[KW_CLASS_NAME_MAX + 1];
    char who[64];
};

/* "Bearer TOKEN", terminated. */
static KW_ERR read_token(const struct peer *peer, struct kw_secret *out, struct kw_error *err)
{
    static const char lead[] = "Bearer ";
    KW_AUTO(kw_secret) token = KW_SECRET_INIT;
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    struct kw_error why;
    if (kw_file_read_word(peer->token_file, TOKEN_MAX, &token, &why) != KW_OK)
        return kw_fail(err, KW_FORBIDDEN, "token_file: %s", why.text);
    KW_TRY(kw_secret_alloc(&text, sizeof lead - 1 + token.len, err));
    memcpy(text.data, lead, sizeof lead - 1);
    memcpy(text.data + sizeof lead - 1, token.data, token.len);
    kw_secret_move(out, &text);
    return KW_OK;
}

static KW_ERR ask(const struct peer *peer, const char *path, const struct kw_provider_call *call,
                  const struct kw_buf *body, struct kw_web_response *response, struct kw_error *err)
{
    KW_AUTO(kw_secret) bearer = KW_SECRET_INIT;
    KW_AUTO(kw_buf) url = KW_BUF_INIT;
    struct kw_web_header headers[2] = {{"Content-Type", "application/json"}};
    if (peer->token_file != NULL) {
        KW_TRY(read_token(peer, &bearer, err));
        headers[1] = (struct kw_web_header){"Authorization", (const char *)bearer.data};
    }
    kw_buf_append(&url, peer->address.data, peer->address.len);
    kw_buf_append_str(&url, path);
    KW_TRY(kw_buf_status(&url, err));
    const struct kw_web_request request = {
        .method = "POST",
        .url = kw_buf_str(&url),
        .headers = headers,
        .header_count = peer->token_file != NULL ? 2 : 1,
        .body = kw_buf_bytes(body),
        .max = ANSWER_MAX,
        .deadline_ms = call->deadline_ms,
    };
    return kw_web_call(peer->web, &request, response, err);
}

static kw_code peer_wrap(void *state, const struct kw_provider_call *call,
                         const struct kw_secret *plaintext, struct kw_buf *out,
                         struct kw_error *err)
{
    const struct peer *peer = state;
    KW_AUTO(kw_buf) body = KW_BUF_SECRET;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    struct kw_peer_key key;
    KW_TRY(kw_peer_key_parse(&key, call->key, err));
    KW_TRY(kw_peer_put_seal(&body, &key, peer->class_name, call, plaintext, err));
    KW_TRY(ask(peer, "/v1/seal", call, &body, &response, err));
    if (response.status != 200)
        return kw_peer_error(response.status, kw_buf_bytes(&response.body), err);
    return kw_peer_get_envelope(kw_buf_bytes(&response.body), out, err);
}

/* Who may only seal and open can find out no other way whether that works: one byte is sealed. */
static kw_code peer_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    KW_AUTO(kw_secret) probe = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_TRY(kw_secret_alloc(&probe, 1, err));
    return peer_wrap(state, call, &probe, &out, err);
}

/* A copy that was altered may name a key that is not there or not for us, which looks like a right
 * that was taken from us: whether the key that it should be works makes the difference. */
static kw_code judge_refusal(struct peer *peer, const struct kw_provider_call *call,
                             const struct kw_web_response *response, struct kw_error *err)
{
    kw_code code = kw_peer_error(response->status, kw_buf_bytes(&response->body), err);
    if (code != KW_FORBIDDEN && code != KW_KEY_NOT_FOUND)
        return code;
    KW_TRY(peer_check(peer, call, err));
    return kw_fail(err, KW_SEAL_BROKEN, "the copy was altered, or is one of another key");
}

static kw_code peer_unwrap(void *state, const struct kw_provider_call *call,
                           struct kw_bytes wrapped, struct kw_secret *out, struct kw_error *err)
{
    struct peer *peer = state;
    KW_AUTO(kw_buf) body = KW_BUF_INIT;
    KW_AUTO(kw_web_response) response = KW_WEB_RESPONSE_INIT;
    struct kw_peer_key key;
    KW_TRY(kw_peer_key_parse(&key, call->key, err));
    KW_TRY(kw_peer_put_open(&body, &key, peer->class_name, call, wrapped, err));
    KW_TRY(ask(peer, "/v1/open", call, &body, &response, err));
    if (response.status != 200)
        return judge_refusal(peer, call, &response, err);
    return kw_peer_get_plaintext(kw_buf_bytes(&response.body), out, err);
}

static void peer_free(void *state)
{
    struct peer *peer = state;
    kw_web_free(peer->web);
    kw_buf_wipe(&peer->address);
    free(peer->token_file);
    free(peer);
}

static const struct kw_provider_ops ops = {
    .kind = "keyward",
    .wrap = peer_wrap,
    .unwrap = peer_unwrap,
    .check = peer_check,
    .free = peer_free,
};

static KW_ERR read_identity(struct peer *peer, const struct kw_provider_settings *settings,
                            struct kw_error *err)
{
    const char *token_file = kw_provider_setting(settings, "token_file");
    const char *cert_file = kw_provider_setting(settings, "cert_file");
    const char *class_name = kw_provider_setting(settings, "class");
    if ((token_file == NULL) == (cert_file == NULL))
        return kw_fail(err, KW_BAD_CONFIG, "set either cert_file and key_file or token_file");
    if (class_name == NULL)
        class_name = "default";
    KW_TRY(kw_class_name_check(class_name, err));
    memcpy(peer->class_name, class_name, strlen(class_name) + 1);
    if (token_file != NULL && (peer->token_file = strdup(token_file)) == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    return KW_OK;
}

static KW_ERR set_up(struct peer *peer, const struct kw_provider_settings *settings,
                     struct kw_error *err)
{
    const char *address = kw_provider_setting(settings, "address");
    if (address == NULL)
        return kw_fail(err, KW_BAD_CONFIG, "address is not set: it looks like https://host:8443");
    KW_TRY(kw_web_address(address, false, false, &peer->address, err));
    KW_TRY(read_identity(peer, settings, err));
    snprintf(peer->who, sizeof peer->who, "the Keyward of provider %s", settings->name);
    const struct kw_web_options options = {
        .ca_file = kw_provider_setting(settings, "ca_file"),
        .cert_file = kw_provider_setting(settings, "cert_file"),
        .key_file = kw_provider_setting(settings, "key_file"),
        .http1 = true, /* all that a Keyward server speaks */
        .who = peer->who,
    };
    return kw_web_new(&options, &peer->web, err);
}

KW_ERR kw_provider_peer_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                            struct kw_error *err)
{
    struct kw_error why;
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    kw_code code = set_up(peer, settings, &why);
    if (code != KW_OK) {
        peer_free(peer);
        return kw_fail(err, code == KW_NO_MEMORY ? code : KW_BAD_CONFIG, "provider %s: %s",
                       settings->name, why.text);
    }
    return kw_provider_new(&ops, peer, settings->name, out, err);
}

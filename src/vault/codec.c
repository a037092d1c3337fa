#include "vault/codec.h"

#include "base/encode.h"
#include "provider/ops.h"
#include "json/json.h"
#include "json/write.h"

enum { SEGMENT_MAX = 128, VERSION_DIGITS = 9, TOKEN_MAX = 8192, PREFIX = sizeof "vault:v" - 1 };

static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

static bool is_segment(const char *text, size_t len)
{
    return len > 0 && len <= SEGMENT_MAX && text[0] != '.' && strspn(text, word) >= len;
}

bool kw_vault_is_key_name(const char *text)
{
    return is_segment(text, strlen(text));
}

bool kw_vault_is_mount(const char *text)
{
    for (;;) {
        size_t len = strcspn(text, "/");
        if (!is_segment(text, len))
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

/* ---- Requests ---- */

static void put_context(struct kw_json_writer *w, const struct kw_provider_call *call)
{
    KW_AUTO(kw_buf) context = KW_BUF_INIT;
    kw_provider_context_encode(&context, call);
    if (context.failed)
        w->out->failed = true;
    kw_json_base64(w, "associated_data", kw_buf_bytes(&context));
}

void kw_vault_put_encrypt(struct kw_buf *out, const struct kw_provider_call *call,
                          const struct kw_secret *plaintext)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_base64(&w, "plaintext", kw_bytes(plaintext->data, plaintext->len));
    put_context(&w, call);
    kw_json_end(&w);
}

/* vault:v, a number from 1 without leading zeros, a colon, base64 as it must be. Transit itself
 * takes other spellings of the same bytes, which an altered copy could then be. */
static bool is_ciphertext(struct kw_bytes text)
{
    KW_AUTO(kw_buf) bytes = KW_BUF_INIT;
    if (text.len <= PREFIX || memcmp(text.data, "vault:v", PREFIX) != 0)
        return false;
    size_t end = PREFIX;
    while (end < text.len && text.data[end] >= '0' && text.data[end] <= '9')
        end++;
    if (end == PREFIX || end - PREFIX > VERSION_DIGITS || text.data[PREFIX] == '0' ||
        end == text.len || text.data[end] != ':')
        return false;
    struct kw_bytes rest = kw_bytes(text.data + end + 1, text.len - end - 1);
    return rest.len > 0 && kw_base64_decode(&bytes, rest, NULL) == KW_OK;
}

KW_ERR kw_vault_put_decrypt(struct kw_buf *out, const struct kw_provider_call *call,
                            struct kw_bytes wrapped, struct kw_error *err)
{
    if (!is_ciphertext(wrapped))
        return kw_fail(err, KW_SEAL_BROKEN, "this is not a copy of a Transit key");
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_strn(&w, "ciphertext", wrapped);
    put_context(&w, call);
    kw_json_end(&w);
    return KW_OK;
}

void kw_vault_put_create(struct kw_buf *out)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "type", "aes256-gcm96");
    kw_json_end(&w);
}

void kw_vault_put_login(struct kw_buf *out, const char *role_id, const struct kw_secret *secret_id)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "role_id", role_id);
    kw_json_strn(&w, "secret_id", kw_bytes(secret_id->data, strlen((char *)secret_id->data)));
    kw_json_end(&w);
}

/* ---- Answers ---- */

static KW_ERR unexpected(struct kw_error *err, const char *what)
{
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                   "what answers there is not the API of a Vault or OpenBao: %s", what);
}

/* The member part of an answer. */
static KW_ERR parse(struct kw_bytes body, const char *part, struct kw_json_doc *doc,
                    const struct kw_json **out, struct kw_error *err)
{
    struct kw_error why;
    doc->secret = true;
    kw_code code = kw_json_parse(doc, body, &why);
    if (code == KW_NO_MEMORY)
        return kw_fail_code(err, code);
    *out = code == KW_OK ? kw_json_get(doc->root, part) : NULL;
    if (*out == NULL || (*out)->type != KW_JSON_OBJECT)
        return unexpected(err, part);
    return KW_OK;
}

static KW_ERR get_text(const struct kw_json *object, const char *name, const char **out,
                       struct kw_error *err)
{
    if (kw_json_get_str(object, name, true, out, NULL) != KW_OK)
        return unexpected(err, name);
    return KW_OK;
}

KW_ERR kw_vault_get_ciphertext(struct kw_bytes body, struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const struct kw_json *data;
    const char *text = NULL;
    KW_TRY(parse(body, "data", &doc, &data, err));
    KW_TRY(get_text(data, "ciphertext", &text, err));
    if (!is_ciphertext(kw_bytes_str(text)))
        return unexpected(err, "ciphertext");
    kw_buf_append_str(out, text);
    return kw_buf_status(out, err);
}

static size_t decoded_len(const char *text, size_t len)
{
    size_t padding = 0;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    return len / 4 * 3 - padding;
}

KW_ERR kw_vault_get_plaintext(struct kw_bytes body, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    const struct kw_json *data;
    const char *text = NULL;
    KW_TRY(parse(body, "data", &doc, &data, err));
    KW_TRY(get_text(data, "plaintext", &text, err));
    size_t len = strlen(text);
    if (len < 4 || len % 4 != 0 || decoded_len(text, len) > KW_PROVIDER_PLAINTEXT_MAX)
        return unexpected(err, "plaintext");
    KW_TRY(kw_secret_alloc(&plaintext, decoded_len(text, len), err));
    if (kw_base64_decode_exact(plaintext.data, plaintext.len, kw_bytes(text, len), NULL) != KW_OK)
        return unexpected(err, "plaintext");
    kw_secret_move(out, &plaintext);
    return KW_OK;
}

KW_ERR kw_vault_check_key(struct kw_bytes body, const char *key, struct kw_error *err)
{
    static const char *const types[] = {"aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"};
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const struct kw_json *data;
    const char *type = NULL;
    bool derived = false;
    bool deleted = false;
    bool fits = false;
    KW_TRY(parse(body, "data", &doc, &data, err));
    KW_TRY(get_text(data, "type", &type, err));
    if (kw_json_get_bool(data, "derived", &derived, NULL) != KW_OK ||
        kw_json_get_bool(data, "soft_deleted", &deleted, NULL) != KW_OK)
        return unexpected(err, "derived, soft_deleted");
    if (deleted)
        return kw_fail(err, KW_KEY_PENDING,
                       "the Transit key %s is deleted; it can be restored there", key);
    for (size_t i = 0; i < KW_COUNT(types); i++)
        fits = fits || strcmp(type, types[i]) == 0;
    if (!fits || derived)
        return kw_fail(
            err, KW_KEY_NOT_FOUND,
            "the Transit key %s is %s%.40s, which cannot be a root key: make one of type "
            "aes256-gcm96, not derived",
            key, derived ? "a derived " : "of type ", type);
    return KW_OK;
}

static KW_ERR get_seconds(const struct kw_json *object, const char *name,
                          struct kw_vault_lease *lease, struct kw_error *err)
{
    struct kw_vault_lease got = {0};
    if (kw_json_get_u64(object, name, true, INT32_MAX, &got.seconds, NULL) != KW_OK ||
        kw_json_get_bool(object, "renewable", &got.renewable, NULL) != KW_OK)
        return unexpected(err, name);
    *lease = got;
    return KW_OK;
}

KW_ERR kw_vault_get_token(struct kw_bytes body, struct kw_secret *token,
                          struct kw_vault_lease *lease, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const struct kw_json *auth;
    const char *text = NULL;
    KW_TRY(parse(body, "auth", &doc, &auth, err));
    KW_TRY(get_text(auth, "client_token", &text, err));
    size_t len = strlen(text);
    if (len == 0 || len > TOKEN_MAX)
        return unexpected(err, "client_token");
    KW_TRY(get_seconds(auth, "lease_duration", lease, err));
    return token == NULL ? KW_OK : kw_secret_copy(token, text, len + 1, err);
}

KW_ERR kw_vault_get_lease(struct kw_bytes body, struct kw_vault_lease *lease, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const struct kw_json *data;
    KW_TRY(parse(body, "data", &doc, &data, err));
    return get_seconds(data, "ttl", lease, err);
}

/* ---- Errors ---- */

/* What the API says, by words of its first error. */
static const struct {
    const char *words;
    kw_code code;
} meanings[] = {
    {"encryption key not found", KW_KEY_NOT_FOUND},
    {"disallowed by policy (too old)", KW_KEY_SUSPENDED},
    {"soft deleted", KW_KEY_PENDING},
    {"soft-deleted", KW_KEY_PENDING},
    {"invalid ciphertext", KW_SEAL_BROKEN},
    {"message authentication failed", KW_SEAL_BROKEN},
    {"missing ciphertext to decrypt", KW_SEAL_BROKEN},
    {"permission denied", KW_FORBIDDEN},
    {"invalid token", KW_FORBIDDEN},
    {"invalid role", KW_FORBIDDEN},
    {"invalid secret id", KW_FORBIDDEN},
    {"missing client token", KW_FORBIDDEN},
};

static kw_code from_words(const char *text, struct kw_error *err)
{
    for (size_t i = 0; i < KW_COUNT(meanings); i++)
        if (strstr(text, meanings[i].words) != NULL)
            return kw_fail(err, meanings[i].code, "Transit says: %.200s", text);
    return KW_OK;
}

static kw_code from_status(int status, const char *text, struct kw_error *err)
{
    switch (status) {
    case 401:
    case 403:
        return kw_fail(err, KW_FORBIDDEN, "the token is refused: %.200s", text);
    case 404:
        if (text[0] == '\0')
            return kw_fail(err, KW_KEY_NOT_FOUND, "there is no such Transit key");
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "nothing answers there (%.160s): is mount the Transit engine's?", text);
    case 429:
        return kw_fail(err, KW_RATE_LIMITED, "too many requests for now: %.200s", text);
    case 503:
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "it does not work for now: %.200s",
                       text[0] != '\0' ? text : "status 503");
    default:
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "it answers with status %d: %.200s", status,
                       text);
    }
}

kw_code kw_vault_error(int status, struct kw_bytes body, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const char *text = NULL;
    kw_code code = KW_OK;
    if (kw_json_parse(&doc, body, NULL) == KW_OK) {
        const struct kw_json *errors = kw_json_get(doc.root, "errors");
        text = "";
        if (errors == NULL || errors->type != KW_JSON_ARRAY)
            text = NULL;
        else if (errors->first != NULL && errors->first->type == KW_JSON_STRING)
            text = errors->first->text;
    }
    if (text == NULL) /* a proxy's, or another server's: its 404 says nothing about a key */
        return from_status(status, "not an error of the API", err);
    if (status == 400 || status == 403)
        code = from_words(text, err);
    return code != KW_OK ? code : from_status(status, text, err);
}

#include "azure/codec.h"

#include "base/encode.h"
#include "json/json.h"
#include "json/write.h"

/* LIFETIME_MAX_S: tokens for a day are given out to managed identities. */
enum { VALUE_MAX = 1024, TOKEN_MAX = 12288, LIFETIME_MAX_S = 2 * 86400 };

/* ---- Names ---- */

static bool take(const char *text, size_t len, size_t max, char *out)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    if (len == 0 || len > max)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0' || strchr(word, text[i]) == NULL)
            return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

bool kw_azure_key_parse(const char *text, size_t len, struct kw_azure_key *out)
{
    struct kw_azure_key key = {.version = ""};
    const char *slash = memchr(text, '/', len);
    size_t name = slash != NULL ? (size_t)(slash - text) : len;
    if (!take(text, name, KW_AZURE_NAME_MAX, key.name))
        return false;
    if (slash != NULL && !take(slash + 1, len - name - 1, KW_AZURE_VERSION_MAX, key.version))
        return false;
    *out = key;
    return true;
}

bool kw_azure_key_same(const struct kw_azure_key *a, const struct kw_azure_key *b)
{
    return strcasecmp(a->name, b->name) == 0;
}

/* ---- Requests ---- */

static void put_base64url(struct kw_json_writer *w, const char *name, struct kw_bytes bytes)
{
    KW_AUTO(kw_buf) text = KW_BUF_SECRET;
    kw_base64url_encode(&text, bytes);
    if (text.failed)
        w->out->failed = true;
    kw_json_strn(w, name, kw_buf_bytes(&text));
}

void kw_azure_put_value(struct kw_buf *out, struct kw_bytes value)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "alg", "RSA-OAEP-256");
    put_base64url(&w, "value", value);
    kw_json_end(&w);
}

void kw_azure_put_create(struct kw_buf *out, const char *type)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "kty", type);
    kw_json_int(&w, "key_size", 3072);
    kw_json_begin(&w, "key_ops", '[');
    kw_json_str(&w, NULL, "wrapKey");
    kw_json_str(&w, NULL, "unwrapKey");
    kw_json_end(&w);
    kw_json_end(&w);
}

static void put_form(struct kw_buf *out, const char *name, struct kw_bytes value)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    kw_buf_append_str(out, name);
    kw_buf_append_byte(out, '=');
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.data[i];
        if (byte != 0 && strchr(plain, byte) != NULL) {
            kw_buf_append_byte(out, byte);
            continue;
        }
        const uint8_t coded[] = {'%', (uint8_t)hex[byte >> 4], (uint8_t)hex[byte & 15]};
        kw_buf_append(out, coded, sizeof coded);
    }
}

void kw_azure_put_login(struct kw_buf *out, const char *client_id, const struct kw_secret *secret,
                        const char *scope)
{
    kw_buf_append_str(out, "grant_type=client_credentials&");
    put_form(out, "client_id", kw_bytes_str(client_id));
    kw_buf_append_byte(out, '&');
    put_form(out, "client_secret", kw_bytes(secret->data, secret->len));
    kw_buf_append_byte(out, '&');
    put_form(out, "scope", kw_bytes_str(scope));
}

/* ---- Answers ---- */

static kw_code odd(struct kw_error *err, const char *what)
{
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "Azure Key Vault: %s", what);
}

static KW_ERR parse(struct kw_json_doc *doc, struct kw_bytes body, struct kw_error *err)
{
    kw_code code = kw_json_parse(doc, body, NULL);
    if (code == KW_NO_MEMORY)
        return kw_fail_code(err, code);
    if (code != KW_OK || doc->root->type != KW_JSON_OBJECT)
        return odd(err, "its answer is not a JSON object");
    return KW_OK;
}

/* https://HOST/keys/NAME/VERSION */
static bool read_kid(const struct kw_json *object, struct kw_azure_key *out)
{
    const char *text = NULL;
    if (kw_json_get_str(object, "kid", true, &text, NULL) != KW_OK ||
        strncmp(text, "https://", 8) != 0)
        return false;
    text = strchr(text + 8, '/');
    if (text == NULL || strncmp(text, "/keys/", 6) != 0)
        return false;
    return kw_azure_key_parse(text + 6, strlen(text + 6), out) && out->version[0] != '\0';
}

static bool is_version(const struct kw_azure_key *key, const struct kw_azure_key *asked)
{
    return kw_azure_key_same(key, asked) &&
           (asked->version[0] == '\0' || strcasecmp(key->version, asked->version) == 0);
}

KW_ERR kw_azure_get_value(struct kw_bytes body, const struct kw_azure_key *key,
                          struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    KW_AUTO(kw_secret) value = KW_SECRET_INIT;
    struct kw_azure_key answered;
    KW_TRY(parse(&doc, body, err));
    if (!read_kid(doc.root, &answered) || !is_version(&answered, key))
        return odd(err, "another key answered than was asked");
    const struct kw_json *text = kw_json_get(doc.root, "value");
    size_t len = text != NULL && text->type == KW_JSON_STRING ? text->len * 3 / 4 : 0;
    if (len == 0 || len > VALUE_MAX)
        return odd(err, "its answer has no value of a fit size");
    KW_TRY(kw_secret_alloc(&value, len, err));
    if (kw_base64url_decode_exact(value.data, len, kw_bytes(text->text, text->len), NULL) != KW_OK)
        return odd(err, "its answer has no value");
    kw_secret_move(out, &value);
    return KW_OK;
}

static bool may(const struct kw_json *key, const char *operation)
{
    const struct kw_json *ops = kw_json_get(key, "key_ops");
    if (ops == NULL || ops->type != KW_JSON_ARRAY)
        return false;
    for (const struct kw_json *op = ops->first; op != NULL; op = op->next)
        if (op->type == KW_JSON_STRING && strcmp(op->text, operation) == 0)
            return true;
    return false;
}

static KW_ERR check_type(const struct kw_json *key, struct kw_error *err)
{
    const char *type = "";
    if (kw_json_get_str(key, "kty", true, &type, NULL) != KW_OK)
        return odd(err, "its answer is no key");
    if (strcmp(type, "RSA") != 0 && strcmp(type, "RSA-HSM") != 0)
        return kw_fail(err, KW_FORBIDDEN,
                       "the key in Azure Key Vault is of type %.16s: a root key is RSA or RSA-HSM",
                       type);
    if (!may(key, "wrapKey") || !may(key, "unwrapKey"))
        return kw_fail(err, KW_FORBIDDEN,
                       "the key in Azure Key Vault may not wrapKey and unwrapKey: allow both "
                       "operations there");
    return KW_OK;
}

static KW_ERR check_attributes(const struct kw_json *attributes, int64_t now_s,
                               struct kw_error *err)
{
    bool enabled = false;
    uint64_t from = 0;
    uint64_t until = INT64_MAX;
    if (kw_json_get_bool(attributes, "enabled", &enabled, NULL) != KW_OK ||
        kw_json_get_u64(attributes, "nbf", false, INT64_MAX, &from, NULL) != KW_OK ||
        kw_json_get_u64(attributes, "exp", false, INT64_MAX, &until, NULL) != KW_OK)
        return odd(err, "its answer has no attributes of the key");
    if (!enabled)
        return kw_fail(err, KW_KEY_SUSPENDED,
                       "the key in Azure Key Vault is disabled: enable it there");
    if (now_s < (int64_t)from || now_s >= (int64_t)until)
        return kw_fail(
            err, KW_KEY_SUSPENDED,
            "the key in Azure Key Vault is outside the time in which it may wrap: make a "
            "new version there");
    return KW_OK;
}

KW_ERR kw_azure_check_key(struct kw_bytes body, const struct kw_azure_key *key, int64_t now_s,
                          struct kw_azure_key *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    struct kw_azure_key answered;
    KW_TRY(parse(&doc, body, err));
    const struct kw_json *web_key = kw_json_get(doc.root, "key");
    if (!read_kid(web_key, &answered) || !is_version(&answered, key))
        return odd(err, "another key answered than was asked");
    KW_TRY(check_type(web_key, err));
    KW_TRY(check_attributes(kw_json_get(doc.root, "attributes"), now_s, err));
    *out = answered;
    return KW_OK;
}

/* expires_in is a number, and in an older version of the protocol a text. */
static bool read_seconds(const struct kw_json *object, uint64_t *out)
{
    const struct kw_json *value = kw_json_get(object, "expires_in");
    return value != NULL && (value->type == KW_JSON_NUMBER || value->type == KW_JSON_STRING) &&
           kw_parse_u64(kw_bytes(value->text, value->len), LIFETIME_MAX_S, out, NULL) == KW_OK;
}

KW_ERR kw_azure_get_token(struct kw_bytes body, struct kw_bearer_grant *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    const char *token = NULL;
    uint64_t seconds = 0;
    if (kw_json_parse(&doc, body, NULL) != KW_OK ||
        kw_json_get_str(doc.root, "access_token", true, &token, NULL) != KW_OK ||
        token[0] == '\0' || strlen(token) > TOKEN_MAX || !read_seconds(doc.root, &seconds) ||
        seconds == 0)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "Microsoft Entra ID: its answer has no access token");
    KW_TRY(kw_secret_copy(&out->token, token, strlen(token), err));
    out->lifetime_ms = (int64_t)seconds * 1000;
    return KW_OK;
}

#include "peer/codec.h"

#include "base/encode.h"
#include "base/names.h"
#include "json/json.h"
#include "json/write.h"

KW_ERR kw_peer_key_parse(struct kw_peer_key *out, const char *name, struct kw_error *err)
{
    struct kw_peer_key key = {0};
    const char *slash = strchr(name, '/');
    size_t len = slash != NULL ? (size_t)(slash - name) : 0;
    if (slash != NULL && len < sizeof key.tenant && strlen(slash + 1) < sizeof key.region) {
        memcpy(key.tenant, name, len);
        memcpy(key.region, slash + 1, strlen(slash + 1));
    }
    if (kw_tenant_name_check(key.tenant, NULL) != KW_OK ||
        kw_region_name_check(key.region, NULL) != KW_OK)
        return kw_fail(err, KW_KEY_NOT_FOUND,
                       "%.90s names no key of a Keyward: it looks like TENANT/REGION", name);
    *out = key;
    return KW_OK;
}

/* ---- Requests ---- */

/* Names that need no escaping, each once: the map says as much as the list then. */
static KW_ERR check_context(const struct kw_provider_call *call, struct kw_error *err)
{
    static const char marks[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:";
    for (size_t i = 0; i < call->context_count; i++) {
        const char *name = call->context[i].name;
        bool fits = name[strspn(name, marks)] == '\0';
        for (size_t j = 0; j < i; j++)
            fits = fits && strcmp(name, call->context[j].name) != 0;
        if (!fits)
            return kw_fail(err, KW_FORBIDDEN,
                           "a Keyward takes no context named %.60s, or not twice", name);
    }
    return KW_OK;
}

/* What both requests have, left open. */
static struct kw_json_writer begin(struct kw_buf *out, const struct kw_peer_key *key,
                                   const char *class_name, const struct kw_provider_call *call)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "tenant", key->tenant);
    kw_json_str(&w, "region", key->region);
    kw_json_str(&w, "class", class_name);
    kw_json_begin(&w, "context", '{');
    for (size_t i = 0; i < call->context_count; i++)
        kw_json_str(&w, call->context[i].name, call->context[i].value);
    kw_json_end(&w);
    return w;
}

KW_ERR kw_peer_put_seal(struct kw_buf *out, const struct kw_peer_key *key, const char *class_name,
                        const struct kw_provider_call *call, const struct kw_secret *plaintext,
                        struct kw_error *err)
{
    KW_TRY(check_context(call, err));
    struct kw_json_writer w = begin(out, key, class_name, call);
    kw_json_base64(&w, "plaintext", kw_bytes(plaintext->data, plaintext->len));
    kw_json_end(&w);
    return kw_buf_status(out, err);
}

KW_ERR kw_peer_put_open(struct kw_buf *out, const struct kw_peer_key *key, const char *class_name,
                        const struct kw_provider_call *call, struct kw_bytes wrapped,
                        struct kw_error *err)
{
    KW_TRY(check_context(call, err));
    struct kw_json_writer w = begin(out, key, class_name, call);
    kw_json_base64(&w, "envelope", wrapped);
    kw_json_end(&w);
    return kw_buf_status(out, err);
}

/* ---- Answers ---- */

static KW_ERR unexpected(struct kw_error *err, const char *what)
{
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                   "what answers there is not the API of a Keyward: %s", what);
}

static KW_ERR get_text(struct kw_bytes body, const char *name, struct kw_json_doc *doc,
                       const char **out, struct kw_error *err)
{
    doc->secret = true;
    kw_code code = kw_json_parse(doc, body, NULL);
    if (code == KW_NO_MEMORY)
        return kw_fail_code(err, code);
    if (code != KW_OK || kw_json_get_str(doc->root, name, true, out, NULL) != KW_OK)
        return unexpected(err, name);
    return KW_OK;
}

KW_ERR kw_peer_get_envelope(struct kw_bytes body, struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const char *text = NULL;
    KW_TRY(get_text(body, "envelope", &doc, &text, err));
    if (text[0] == '\0' || kw_base64_decode(out, kw_bytes_str(text), NULL) != KW_OK)
        return unexpected(err, "envelope");
    return kw_buf_status(out, err);
}

KW_ERR kw_peer_get_plaintext(struct kw_bytes body, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    const char *text = NULL;
    KW_TRY(get_text(body, "plaintext", &doc, &text, err));
    size_t len = strlen(text);
    if (len < 4 || len % 4 != 0)
        return unexpected(err, "plaintext");
    size_t decoded = len / 4 * 3 - (text[len - 1] == '=') - (text[len - 2] == '=');
    if (decoded > KW_PROVIDER_PLAINTEXT_MAX)
        return unexpected(err, "plaintext");
    KW_TRY(kw_secret_alloc(&plaintext, decoded, err));
    if (kw_base64_decode_exact(plaintext.data, decoded, kw_bytes(text, len), NULL) != KW_OK)
        return unexpected(err, "plaintext");
    kw_secret_move(out, &plaintext);
    return KW_OK;
}

/* ---- Errors ---- */

/* What the other authority's codes are to us, who ask it for a root key. */
static const struct {
    kw_code theirs;
    kw_code ours;
} meanings[] = {
    {KW_RATE_LIMITED, KW_RATE_LIMITED},      {KW_TIMEOUT, KW_TIMEOUT},
    {KW_UNAUTHENTICATED, KW_FORBIDDEN},      {KW_TOKEN_EXPIRED, KW_FORBIDDEN},
    {KW_BAD_CERTIFICATE, KW_FORBIDDEN},      {KW_FORBIDDEN, KW_FORBIDDEN},
    {KW_SUITE_REFUSED, KW_FORBIDDEN},        {KW_REGION_WALL, KW_FORBIDDEN},
    {KW_TENANT_SUSPENDED, KW_KEY_SUSPENDED}, {KW_KEY_SUSPENDED, KW_KEY_SUSPENDED},
    {KW_TENANT_CLOSED, KW_KEY_SUSPENDED},    {KW_VERSION_NOT_ACTIVE, KW_KEY_SUSPENDED},
    {KW_KEY_PENDING, KW_KEY_PENDING},        {KW_KEY_DESTROYED, KW_KEY_DESTROYED},
    {KW_TENANT_NOT_FOUND, KW_KEY_NOT_FOUND}, {KW_KEY_NOT_FOUND, KW_KEY_NOT_FOUND},
    {KW_UNKNOWN_REGION, KW_KEY_NOT_FOUND},   {KW_UNKNOWN_CLASS, KW_KEY_NOT_FOUND},
    {KW_SEAL_BROKEN, KW_SEAL_BROKEN},        {KW_BAD_FORMAT, KW_SEAL_BROKEN},
    {KW_BAD_ENCODING, KW_SEAL_BROKEN},       {KW_TRUNCATED, KW_SEAL_BROKEN},
    {KW_UNSUPPORTED_SUITE, KW_SEAL_BROKEN},  {KW_NOT_THIS_TENANT, KW_SEAL_BROKEN},
    {KW_WRONG_CLASS, KW_SEAL_BROKEN},        {KW_VERSION_NOT_FOUND, KW_SEAL_BROKEN},
};

static kw_code translate(kw_code theirs)
{
    for (size_t i = 0; i < KW_COUNT(meanings); i++)
        if (meanings[i].theirs == theirs)
            return meanings[i].ours;
    return KW_PROVIDER_UNAVAILABLE;
}

kw_code kw_peer_error(int status, struct kw_bytes body, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const char *name = NULL;
    const char *message = NULL;
    const struct kw_json *error = NULL;
    if (kw_json_parse(&doc, body, NULL) == KW_OK)
        error = kw_json_get(doc.root, "error");
    if (error == NULL || kw_json_get_str(error, "code", true, &name, NULL) != KW_OK ||
        kw_json_get_str(error, "message", true, &message, NULL) != KW_OK)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "it answers with status %d and not as a Keyward does", status);
    return kw_fail(err, translate(kw_code_from_name(name)), "the other Keyward says: %.300s",
                   message);
}

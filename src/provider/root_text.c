#include "provider/root_text.h"

#include "base/encode.h"

#define MAGIC  "keyward root key v1: "
#define PLAIN  "plain"
#define SCRYPT "scrypt N="
#define FIXED  " r=8 p=1 salt="
#define HELD   "provider "

void kw_root_text_wipe(struct kw_root_text *text)
{
    kw_secret_wipe(&text->body);
    *text = (struct kw_root_text){0};
}

void kw_root_text_head(char out[KW_ROOT_HEAD_MAX], const struct kw_root_text *text)
{
    char salt[4 * ((KW_ROOT_SALT_SIZE + 2) / 3) + 1];
    switch (text->kind) {
    case KW_ROOT_PLAIN:
        snprintf(out, KW_ROOT_HEAD_MAX, MAGIC PLAIN);
        return;
    case KW_ROOT_PASSPHRASE:
        kw_base64_text(salt, kw_bytes(text->salt, KW_ROOT_SALT_SIZE));
        snprintf(out, KW_ROOT_HEAD_MAX, MAGIC SCRYPT "%lu" FIXED "%s", 1UL << text->log2_n, salt);
        return;
    case KW_ROOT_HELD:
        snprintf(out, KW_ROOT_HEAD_MAX, MAGIC HELD "%s %s", text->provider, text->key);
        return;
    }
}

/* Printable ASCII, so that the line is what it looks like. */
static bool is_key(struct kw_bytes key)
{
    bool fits = key.len >= 1 && key.len <= KW_PROVIDER_KEY_NAME_MAX;
    for (size_t i = 0; fits && i < key.len; i++)
        fits = key.data[i] >= ' ' && key.data[i] <= '~';
    return fits;
}

static bool is_provider(struct kw_bytes name)
{
    bool fits = name.len >= 1 && name.len <= KW_ROOT_PROVIDER_MAX;
    for (size_t i = 0; fits && i < name.len; i++)
        fits = name.data[i] != '\0' &&
               strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", name.data[i]) != NULL;
    return fits;
}

KW_ERR kw_root_text_names(const char *provider, const char *key, struct kw_error *err)
{
    if (!is_provider(kw_bytes_str(provider)))
        return kw_fail(err, KW_BAD_NAME, "'%.60s' is not the name of a provider", provider);
    if (!is_key(kw_bytes_str(key)))
        return kw_fail(err, KW_BAD_NAME, "the root key's name has 1 to %d printable ASCII bytes",
                       KW_PROVIDER_KEY_NAME_MAX);
    return KW_OK;
}

/* Takes prefix off the front of *in. */
static bool skip(struct kw_bytes *in, const char *prefix)
{
    size_t len = strlen(prefix);
    if (in->len < len || memcmp(in->data, prefix, len) != 0)
        return false;
    *in = kw_bytes(in->data + len, in->len - len);
    return true;
}

/* Takes all up to (not including) the first byte end; false if there is none. */
static bool take_until(struct kw_bytes *in, uint8_t end, struct kw_bytes *out)
{
    const uint8_t *at = in->len > 0 ? memchr(in->data, end, in->len) : NULL;
    if (at == NULL)
        return false;
    *out = kw_bytes(in->data, (size_t)(at - in->data));
    *in = kw_bytes(at, in->len - out->len);
    return true;
}

static kw_code malformed(struct kw_error *err, const char *what)
{
    return kw_fail(err, KW_BAD_FORMAT, "this is not a root key file of Keyward: %s", what);
}

static KW_ERR parse_scrypt(struct kw_bytes in, struct kw_root_text *out, struct kw_error *err)
{
    struct kw_bytes number;
    uint64_t n = 0;
    if (!take_until(&in, ' ', &number) || kw_parse_u64(number, UINT32_MAX, &n, NULL) != KW_OK)
        return malformed(err, "scrypt's N is not a number");
    if (n < (1U << KW_ROOT_LOG2_N_LEAST) || n > (1U << KW_ROOT_LOG2_N_MOST) || (n & (n - 1)) != 0)
        return malformed(err, "scrypt's N is not a power of two from 2^14 to 2^20");
    if (!skip(&in, FIXED))
        return malformed(err, "scrypt's r and p are not 8 and 1");
    if (kw_base64_decode_exact(out->salt, sizeof out->salt, in, NULL) != KW_OK)
        return malformed(err, "the salt is not 16 bytes of base64");
    out->kind = KW_ROOT_PASSPHRASE;
    for (out->log2_n = 0; (UINT64_C(1) << out->log2_n) < n;)
        out->log2_n++;
    return KW_OK;
}

static KW_ERR parse_held(struct kw_bytes in, struct kw_root_text *out, struct kw_error *err)
{
    struct kw_bytes name;
    if (!take_until(&in, ' ', &name) || !is_provider(name) || !skip(&in, " ") || !is_key(in))
        return malformed(err, "it does not name a provider and its key");
    memcpy(out->provider, name.data, name.len);
    memcpy(out->key, in.data, in.len);
    out->kind = KW_ROOT_HELD;
    return KW_OK;
}

static KW_ERR parse_head(struct kw_bytes head, struct kw_root_text *out, struct kw_error *err)
{
    out->head = head;
    if (!skip(&head, MAGIC))
        return malformed(err, "its first line does not begin so");
    if (skip(&head, SCRYPT))
        return parse_scrypt(head, out, err);
    if (skip(&head, HELD))
        return parse_held(head, out, err);
    if (!kw_bytes_equal_str(head, PLAIN))
        return malformed(err, "its kind is unknown");
    out->kind = KW_ROOT_PLAIN;
    return KW_OK;
}

/* The second line of a root that a provider holds: base64 of a copy, whatever its length. */
static KW_ERR parse_copy(struct kw_bytes body, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) copy = KW_BUF_INIT;
    if (kw_base64_decode(&copy, body, NULL) != KW_OK || copy.len == 0 ||
        copy.len > KW_PROVIDER_WRAPPED_MAX)
        return malformed(err, "its second line is not base64 of a provider's copy");
    return kw_secret_copy(out, copy.data, copy.len, err);
}

static KW_ERR parse_body(struct kw_bytes body, enum kw_root_kind kind, struct kw_secret *out,
                         struct kw_error *err)
{
    size_t len = kind == KW_ROOT_PLAIN ? KW_ROOT_SIZE : KW_ROOT_SEALED_SIZE;
    if (kind == KW_ROOT_HELD)
        return parse_copy(body, out, err);
    KW_TRY(kw_secret_alloc(out, len, err));
    if (kw_base64_decode_exact(out->data, len, body, NULL) != KW_OK)
        return malformed(err, "its second line is not base64 of the right length");
    return KW_OK;
}

KW_ERR kw_root_text_parse(struct kw_bytes text, struct kw_root_text *out, struct kw_error *err)
{
    struct kw_bytes head;
    struct kw_bytes body;
    KW_AUTO(kw_root_text) parsed = {0};
    if (!take_until(&text, '\n', &head) || !skip(&text, "\n") || !take_until(&text, '\n', &body) ||
        text.len != 1)
        return malformed(err, "it has not two whole lines");
    KW_TRY(parse_head(head, &parsed, err));
    KW_TRY(parse_body(body, parsed.kind, &parsed.body, err));
    *out = parsed;
    parsed.body = (struct kw_secret)KW_SECRET_INIT;
    return KW_OK;
}

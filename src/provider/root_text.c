#include "provider/root_text.h"

#include "base/encode.h"

#define MAGIC  "keyward root key v1: "
#define PLAIN  "plain"
#define SCRYPT "scrypt N="
#define FIXED  " r=8 p=1 salt="

void kw_root_text_wipe(struct kw_root_text *text)
{
    kw_secret_wipe(&text->body);
    *text = (struct kw_root_text){0};
}

void kw_root_text_head(char out[KW_ROOT_TEXT_MAX], enum kw_root_kind kind, unsigned log2_n,
                       const uint8_t salt[KW_ROOT_SALT_SIZE])
{
    char salt_text[4 * ((KW_ROOT_SALT_SIZE + 2) / 3) + 1];
    if (kind == KW_ROOT_PLAIN) {
        snprintf(out, KW_ROOT_TEXT_MAX, MAGIC PLAIN);
        return;
    }
    kw_base64_text(salt_text, kw_bytes(salt, KW_ROOT_SALT_SIZE));
    snprintf(out, KW_ROOT_TEXT_MAX, MAGIC SCRYPT "%lu" FIXED "%s", 1UL << log2_n, salt_text);
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

static KW_ERR parse_head(struct kw_bytes head, struct kw_root_text *out, struct kw_error *err)
{
    out->head = head;
    if (!skip(&head, MAGIC))
        return malformed(err, "its first line does not begin so");
    if (skip(&head, SCRYPT))
        return parse_scrypt(head, out, err);
    if (!kw_bytes_equal_str(head, PLAIN))
        return malformed(err, "its kind is unknown");
    out->kind = KW_ROOT_PLAIN;
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
    size_t len = parsed.kind == KW_ROOT_PLAIN ? KW_ROOT_SIZE : KW_ROOT_SEALED_SIZE;
    KW_TRY(kw_secret_alloc(&parsed.body, len, err));
    if (kw_base64_decode_exact(parsed.body.data, len, body, NULL) != KW_OK)
        return malformed(err, "its second line is not base64 of the right length");
    *out = parsed;
    parsed.body = (struct kw_secret)KW_SECRET_INIT;
    return KW_OK;
}

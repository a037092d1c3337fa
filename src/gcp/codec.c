#include "gcp/codec.h"

#include "base/checksum.h"
#include "base/encode.h"
#include "provider/ops.h"
#include "json/json.h"
#include "json/write.h"

/* ---- Names ---- */

/* A project may carry its domain before it: example.com:billing. */
static bool is_segment(const char *text, size_t len, bool project)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    static const char more[] = "abcdefghijklmnopqrstuvwxyz0123456789-.:";
    return len > 0 && text[0] != '.' && strspn(text, project ? more : word) == len;
}

bool kw_gcp_is_key_name(const char *text)
{
    static const char *const kinds[] = {"projects/", "locations/", "keyRings/", "cryptoKeys/"};
    for (size_t i = 0; i < KW_COUNT(kinds); i++) {
        if (strncmp(text, kinds[i], strlen(kinds[i])) != 0)
            return false;
        text += strlen(kinds[i]);
        size_t len = strcspn(text, "/");
        if (!is_segment(text, len, i == 0))
            return false;
        text += len;
        bool last = i + 1 == KW_COUNT(kinds);
        if (last != (*text == '\0'))
            return false;
        text += last ? 0 : 1;
    }
    return true;
}

/* ---- Requests ---- */

static void put_checked(struct kw_json_writer *w, const char *name, struct kw_bytes bytes)
{
    char checksum_name[64];
    snprintf(checksum_name, sizeof checksum_name, "%sCrc32c", name);
    kw_json_base64(w, name, bytes);
    kw_json_uint(w, checksum_name, kw_checksum(KW_CHECKSUM_INIT, bytes.data, bytes.len));
}

static void put_context(struct kw_json_writer *w, const struct kw_provider_call *call)
{
    KW_AUTO(kw_buf) context = KW_BUF_INIT;
    kw_provider_context_encode(&context, call);
    if (context.failed)
        w->out->failed = true;
    put_checked(w, "additionalAuthenticatedData", kw_buf_bytes(&context));
}

static void put_crypt(struct kw_buf *out, const struct kw_provider_call *call, const char *name,
                      struct kw_bytes text)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    put_checked(&w, name, text);
    put_context(&w, call);
    kw_json_end(&w);
}

void kw_gcp_put_encrypt(struct kw_buf *out, const struct kw_provider_call *call,
                        const struct kw_secret *plaintext)
{
    put_crypt(out, call, "plaintext", kw_bytes(plaintext->data, plaintext->len));
}

void kw_gcp_put_decrypt(struct kw_buf *out, const struct kw_provider_call *call,
                        struct kw_bytes wrapped)
{
    put_crypt(out, call, "ciphertext", wrapped);
}

void kw_gcp_put_create(struct kw_buf *out)
{
    struct kw_json_writer w = kw_json_writer(out);
    kw_json_begin(&w, NULL, '{');
    kw_json_str(&w, "purpose", "ENCRYPT_DECRYPT");
    kw_json_end(&w);
}

/* ---- Answers ---- */

static kw_code odd(struct kw_error *err, const char *what)
{
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "Google Cloud KMS: %s", what);
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

static bool is_text(const struct kw_json *value)
{
    return value != NULL && value->type == KW_JSON_STRING;
}

static bool is_true(const struct kw_json *object, const char *name)
{
    const struct kw_json *value = kw_json_get(object, name);
    return value != NULL && value->type == KW_JSON_TRUE;
}

/* The checksum that came with a text is that of these bytes. */
static bool matches(const struct kw_json *object, const char *name, struct kw_bytes bytes)
{
    const struct kw_json *value = kw_json_get(object, name);
    uint64_t sum = 0;
    return value != NULL && (value->type == KW_JSON_STRING || value->type == KW_JSON_NUMBER) &&
           kw_parse_u64(kw_bytes(value->text, value->len), UINT32_MAX, &sum, NULL) == KW_OK &&
           sum == kw_checksum(KW_CHECKSUM_INIT, bytes.data, bytes.len);
}

static bool is_version_of(const struct kw_json *name, const char *key)
{
    static const char kind[] = "/cryptoKeyVersions/";
    size_t len = strlen(key);
    return is_text(name) && name->len > len + sizeof kind - 1 &&
           memcmp(name->text, key, len) == 0 &&
           memcmp(name->text + len, kind, sizeof kind - 1) == 0;
}

KW_ERR kw_gcp_get_ciphertext(struct kw_bytes body, const char *key, struct kw_buf *out,
                             struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    KW_AUTO(kw_buf) bytes = KW_BUF_INIT;
    KW_TRY(parse(&doc, body, err));
    if (!is_version_of(kw_json_get(doc.root, "name"), key))
        return odd(err, "another key answered than was asked");
    if (!is_true(doc.root, "verifiedPlaintextCrc32c") ||
        !is_true(doc.root, "verifiedAdditionalAuthenticatedDataCrc32c"))
        return odd(err, "the request was damaged on its way (CRC-32C not verified there)");
    const struct kw_json *text = kw_json_get(doc.root, "ciphertext");
    if (!is_text(text) || text->len == 0 ||
        kw_base64_decode(&bytes, kw_bytes(text->text, text->len), NULL) != KW_OK)
        return odd(err, "its answer has no ciphertext");
    if (!matches(doc.root, "ciphertextCrc32c", kw_buf_bytes(&bytes)))
        return odd(err, "the answer was damaged on its way (CRC-32C differs)");
    kw_buf_append(out, bytes.data, bytes.len);
    return kw_buf_status(out, err);
}

/* How many bytes a base64 text of this form holds; 0 if it has no such form. */
static size_t decoded_len(const struct kw_json *text)
{
    if (text->len == 0 || text->len % 4 != 0)
        return 0;
    size_t padding = text->text[text->len - 1] != '='   ? 0
                     : text->text[text->len - 2] != '=' ? 1
                                                        : 2;
    return text->len / 4 * 3 - padding;
}

KW_ERR kw_gcp_get_plaintext(struct kw_bytes body, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    KW_AUTO(kw_secret) bytes = KW_SECRET_INIT;
    KW_TRY(parse(&doc, body, err));
    const struct kw_json *text = kw_json_get(doc.root, "plaintext");
    size_t len = is_text(text) ? decoded_len(text) : 0;
    if (len == 0 || len > KW_PROVIDER_PLAINTEXT_MAX)
        return odd(err, "its answer has no plaintext of a fit size");
    KW_TRY(kw_secret_alloc(&bytes, len, err));
    if (kw_base64_decode_exact(bytes.data, len, kw_bytes(text->text, text->len), NULL) != KW_OK)
        return odd(err, "its answer has no plaintext");
    if (!matches(doc.root, "plaintextCrc32c", kw_bytes(bytes.data, len)))
        return odd(err, "the answer was damaged on its way (CRC-32C differs)");
    kw_secret_move(out, &bytes);
    return KW_OK;
}

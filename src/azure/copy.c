#include "azure/copy.h"

#include "base/checksum.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/suite.h"
#include "provider/ops.h"

/* OAEP with SHA-256 takes 190 bytes under RSA-2048, the least that Key Vault has. */
enum { DIRECT = 1, SEALED = 2, CHECKSUM = 4, DIRECT_MAX = 190 - KW_HASH_SIZE };

/* The key in a value is of one plaintext, so its nonce need not differ. */
static const uint8_t nonce[KW_NONCE_SIZE];

static kw_code broken(struct kw_error *err, const char *how)
{
    return kw_fail(err, KW_SEAL_BROKEN, "%s", how);
}

static bool is_long(const struct kw_secret *plaintext)
{
    return plaintext->len > DIRECT_MAX;
}

static KW_ERR context_digest(const struct kw_provider_call *call, uint8_t out[KW_HASH_SIZE],
                             struct kw_error *err)
{
    KW_AUTO(kw_buf) context = KW_BUF_INIT;
    kw_provider_context_encode(&context, call);
    KW_TRY(kw_buf_status(&context, err));
    kw_sha256_one(out, kw_buf_bytes(&context));
    return KW_OK;
}

KW_ERR kw_azure_value_make(const struct kw_provider_call *call, const struct kw_secret *plaintext,
                           struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) value = KW_SECRET_INIT;
    size_t len = is_long(plaintext) ? KW_KEY_SIZE : plaintext->len;
    KW_TRY(kw_secret_alloc(&value, len + KW_HASH_SIZE, err));
    if (is_long(plaintext))
        kw_random(value.data, len);
    else
        memcpy(value.data, plaintext->data, len);
    KW_TRY(context_digest(call, value.data + len, err));
    kw_secret_move(out, &value);
    return KW_OK;
}

static KW_ERR seal(const uint8_t key[KW_KEY_SIZE], const struct kw_secret *plaintext,
                   struct kw_buf *copy, struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    KW_TRY(kw_suite_get(KW_SUITE_AES256GCM, &suite, err));
    uint8_t *to = kw_buf_reserve(copy, plaintext->len + KW_TAG_SIZE);
    if (to == NULL)
        return kw_buf_status(copy, err);
    KW_TRY(kw_aead_seal(suite, key, nonce, kw_buf_bytes(copy),
                        kw_bytes(plaintext->data, plaintext->len), to, err));
    copy->len += plaintext->len + KW_TAG_SIZE;
    return KW_OK;
}

KW_ERR kw_azure_copy_write(const struct kw_azure_key *key, const struct kw_secret *value,
                           struct kw_bytes wrapped, const struct kw_secret *plaintext,
                           struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) copy = KW_BUF_INIT;
    uint8_t number[4];
    kw_buf_append_byte(&copy, is_long(plaintext) ? SEALED : DIRECT);
    kw_provider_text_encode(&copy, key->name);
    kw_provider_text_encode(&copy, key->version);
    kw_put_u16(number, (uint16_t)wrapped.len);
    kw_buf_append(&copy, number, 2);
    kw_buf_append(&copy, wrapped.data, wrapped.len);
    KW_TRY(kw_buf_status(&copy, err));
    if (is_long(plaintext))
        KW_TRY(seal(value->data, plaintext, &copy, err));
    kw_put_u32(number, kw_checksum(KW_CHECKSUM_INIT, copy.data, copy.len));
    kw_buf_append(&copy, number, CHECKSUM);
    KW_TRY(kw_buf_status(&copy, err));
    kw_buf_append(out, copy.data, copy.len);
    return kw_buf_status(out, err);
}

/* A length (u16) and so many bytes; false: there are not so many. */
static bool take(struct kw_bytes *in, struct kw_bytes *out)
{
    if (in->len < 2 || in->len - 2 < kw_get_u16(in->data))
        return false;
    *out = kw_bytes(in->data + 2, kw_get_u16(in->data));
    *in = kw_bytes(out->data + out->len, in->len - 2 - out->len);
    return true;
}

static bool take_key(struct kw_bytes *in, struct kw_azure_key *out)
{
    struct kw_bytes name;
    struct kw_bytes version;
    char text[KW_AZURE_NAME_MAX + KW_AZURE_VERSION_MAX + 2];
    if (!take(in, &name) || !take(in, &version) || name.len > KW_AZURE_NAME_MAX ||
        version.len > KW_AZURE_VERSION_MAX)
        return false;
    int len = snprintf(text, sizeof text, "%.*s/%.*s", (int)name.len, (const char *)name.data,
                       (int)version.len, (const char *)version.data);
    return (size_t)len == name.len + version.len + 1 && kw_azure_key_parse(text, (size_t)len, out);
}

/* All but the checksum is taken apart; what is left over must be what the format has. */
static bool take_apart(struct kw_bytes copy, struct kw_azure_copy *out)
{
    struct kw_bytes in = kw_bytes(copy.data + 1, copy.len - 1);
    uint8_t format = copy.data[0];
    if (!take_key(&in, &out->key) || !take(&in, &out->wrapped))
        return false;
    out->head = kw_bytes(copy.data, copy.len - in.len);
    out->sealed = in;
    return format == DIRECT ? in.len == 0 : format == SEALED && in.len > KW_TAG_SIZE;
}

KW_ERR kw_azure_copy_read(struct kw_bytes copy, const struct kw_azure_key *key,
                          struct kw_azure_copy *out, struct kw_error *err)
{
    struct kw_azure_copy parts;
    if (copy.len <= CHECKSUM + 1)
        return broken(err, "this is not a copy of a key in Azure Key Vault");
    struct kw_bytes all = kw_bytes(copy.data, copy.len - CHECKSUM);
    if (kw_get_u32(copy.data + all.len) != kw_checksum(KW_CHECKSUM_INIT, all.data, all.len) ||
        !take_apart(all, &parts))
        return broken(err, "this is not a copy of a key in Azure Key Vault, or it is damaged");
    if (!kw_azure_key_same(&parts.key, key))
        return broken(err, "this copy was wrapped under another key of Azure Key Vault");
    *out = parts;
    return KW_OK;
}

static KW_ERR unseal(const struct kw_azure_copy *copy, const struct kw_secret *value,
                     struct kw_secret *out, struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    if (value->len != KW_KEY_SIZE + KW_HASH_SIZE)
        return broken(err, "what Azure Key Vault unwrapped is no key");
    KW_TRY(kw_suite_get(KW_SUITE_AES256GCM, &suite, err));
    KW_TRY(kw_secret_alloc(&plaintext, copy->sealed.len - KW_TAG_SIZE, err));
    KW_TRY(kw_aead_open(suite, value->data, nonce, copy->head, copy->sealed, plaintext.data, err));
    kw_secret_move(out, &plaintext);
    return KW_OK;
}

KW_ERR kw_azure_copy_open(const struct kw_azure_copy *copy, const struct kw_provider_call *call,
                          const struct kw_secret *value, struct kw_secret *out,
                          struct kw_error *err)
{
    uint8_t digest[KW_HASH_SIZE];
    if (value->len <= KW_HASH_SIZE)
        return broken(err, "what Azure Key Vault unwrapped is too short");
    size_t len = value->len - KW_HASH_SIZE;
    KW_TRY(context_digest(call, digest, err));
    if (!kw_equal_ct(value->data + len, digest, sizeof digest))
        return broken(err, "this copy was wrapped under another context");
    if (copy->sealed.len > 0)
        return unseal(copy, value, out, err);
    return kw_secret_copy(out, value->data, len, err);
}

#include "envelope/stream_key.h"

#include "crypto/hash.h"
#include "envelope/payload.h"

static const char protocol[] = "c2sp.org/chunked-encryption@v1+";
static const char domain[] = "keyward stream v1";

#define CHUNKS_MAX (1ULL << 38)

enum { DERIVED_SIZE = KW_KEY_SIZE + KW_NONCE_SIZE + KW_COMMITMENT_SIZE };

/* c2sp.org/chunked-encryption, "Key derivation": prefix || aead || 0x00 || salt || context. */
static KW_ERR make_info(struct kw_buf *info, const struct kw_suite *suite,
                        const struct kw_wrapped_key *head, const struct kw_context *context,
                        const uint8_t *salt, struct kw_error *err)
{
    uint8_t binding[KW_BINDING_SIZE];
    kw_binding_write(binding, KW_FORMAT_STREAM, head, context);
    kw_buf_append_str(info, protocol);
    kw_buf_append_str(info, kw_suite_aead_name(suite));
    kw_buf_append_byte(info, 0);
    kw_buf_append(info, salt, KW_STREAM_SALT_SIZE);
    kw_buf_append(info, domain, sizeof domain - 1);
    kw_buf_append(info, binding, sizeof binding);
    return kw_buf_status(info, err);
}

KW_ERR kw_stream_key_init(struct kw_stream_key *key, const struct kw_wrapped_key *head,
                          const uint8_t data_key[KW_KEY_SIZE], const struct kw_context *context,
                          const uint8_t salt[KW_STREAM_SALT_SIZE], struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    KW_AUTO(kw_buf) info = KW_BUF_INIT;
    KW_AUTO(kw_secret) derived = KW_SECRET_INIT;
    KW_TRY(kw_suite_get(head->suite, &suite, err));
    KW_TRY(make_info(&info, suite, head, context, salt, err));
    KW_TRY(kw_secret_alloc(&derived, DERIVED_SIZE, err));
    KW_TRY(kw_hkdf_expand_sha256(derived.data, DERIVED_SIZE, kw_bytes(data_key, KW_KEY_SIZE),
                                 kw_buf_bytes(&info), err));
    KW_TRY(kw_aead_new(suite, derived.data, &key->aead, err));
    memcpy(key->base_nonce, derived.data + KW_KEY_SIZE, KW_NONCE_SIZE);
    memcpy(key->commitment, derived.data + KW_KEY_SIZE + KW_NONCE_SIZE, KW_COMMITMENT_SIZE);
    return KW_OK;
}

KW_ERR kw_stream_key_check(struct kw_stream_key *key, const struct kw_wrapped_key *head,
                           const uint8_t data_key[KW_KEY_SIZE], const struct kw_context *context,
                           const uint8_t prefix[KW_STREAM_PREFIX_SIZE], struct kw_error *err)
{
    KW_TRY(kw_stream_key_init(key, head, data_key, context, prefix, err));
    if (!kw_equal_ct(key->commitment, prefix + KW_STREAM_SALT_SIZE, KW_COMMITMENT_SIZE))
        return kw_fail(err, KW_SEAL_BROKEN,
                       "the stream's start was altered, or it was sealed under another context");
    return KW_OK;
}

void kw_stream_key_wipe(struct kw_stream_key *key)
{
    kw_aead_free(key->aead);
    kw_cleanse(key, sizeof *key);
}

static KW_ERR chunk_nonce(const struct kw_stream_key *key, uint64_t counter,
                          uint8_t out[KW_NONCE_SIZE], struct kw_error *err)
{
    uint8_t number[8];
    if (counter >= CHUNKS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a stream holds at most 4 PiB");
    kw_put_u64(number, counter);
    memcpy(out, key->base_nonce, KW_NONCE_SIZE);
    for (size_t i = 0; i < sizeof number; i++)
        out[KW_NONCE_SIZE - sizeof number + i] ^= number[i];
    return KW_OK;
}

KW_ERR kw_stream_chunk_seal(struct kw_stream_key *key, uint64_t counter, struct kw_bytes in,
                            uint8_t *out, struct kw_error *err)
{
    uint8_t nonce[KW_NONCE_SIZE];
    KW_TRY(chunk_nonce(key, counter, nonce, err));
    return kw_aead_seal_with(key->aead, nonce, kw_bytes(NULL, 0), in, out, err);
}

KW_ERR kw_stream_chunk_open(struct kw_stream_key *key, uint64_t counter, struct kw_bytes in,
                            uint8_t *out, struct kw_error *err)
{
    uint8_t nonce[KW_NONCE_SIZE];
    KW_TRY(chunk_nonce(key, counter, nonce, err));
    kw_code code = kw_aead_open_with(key->aead, nonce, kw_bytes(NULL, 0), in, out, err);
    if (code == KW_SEAL_BROKEN)
        return kw_fail(err, code, "chunk %llu of the stream was altered, moved or cut off",
                       (unsigned long long)counter);
    return code;
}

uint64_t kw_stream_sealed_size(uint64_t size)
{
    uint64_t chunks = size / KW_STREAM_CHUNK + 1; /* the last one is always short */
    return KW_STREAM_START + size + chunks * KW_TAG_SIZE;
}

KW_ERR kw_stream_plain_size(uint64_t sealed_size, uint64_t *out, struct kw_error *err)
{
    if (sealed_size < KW_STREAM_START + KW_TAG_SIZE)
        return kw_fail(err, KW_TRUNCATED, "the stream is cut off");
    uint64_t body = sealed_size - KW_STREAM_START;
    uint64_t full = body / KW_STREAM_SEALED_CHUNK;
    uint64_t last = body % KW_STREAM_SEALED_CHUNK;
    if (last < KW_TAG_SIZE)
        return kw_fail(err, KW_TRUNCATED, "the stream is cut off: its last chunk is missing");
    *out = full * KW_STREAM_CHUNK + last - KW_TAG_SIZE;
    return KW_OK;
}

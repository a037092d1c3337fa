#include "crypto/random.h"
#include "envelope/fixed.h"
#include "envelope/stream_key.h"

struct kw_stream_sealer {
    struct kw_stream_key key;
    struct kw_wrapped_key head;
    uint8_t salt[KW_STREAM_SALT_SIZE];
    uint64_t counter;
    bool started; /* head, salt and commitment have been written */
    bool ended;   /* or failed: nothing more may be added */
    size_t held;
    uint8_t chunk[KW_STREAM_CHUNK]; /* plaintext of a chunk that is not full yet */
};

KW_ERR kw_stream_sealer_new_fixed(struct kw_stream_sealer **out, const struct kw_data_key *key,
                                  const struct kw_context *context,
                                  const uint8_t salt[KW_STREAM_SALT_SIZE], struct kw_error *err)
{
    KW_AUTO_PTR(kw_stream_sealer) sealer = calloc(1, sizeof *sealer);
    if (sealer == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    sealer->head = key->head;
    sealer->head.format = KW_FORMAT_STREAM;
    memcpy(sealer->salt, salt, KW_STREAM_SALT_SIZE);
    KW_TRY(kw_stream_key_init(&sealer->key, &sealer->head, key->key, context, salt, err));
    *out = sealer;
    sealer = NULL;
    return KW_OK;
}

KW_ERR kw_stream_sealer_new(struct kw_stream_sealer **out, const struct kw_data_key *key,
                            const struct kw_context *context, struct kw_error *err)
{
    uint8_t salt[KW_STREAM_SALT_SIZE];
    kw_random(salt, sizeof salt);
    return kw_stream_sealer_new_fixed(out, key, context, salt, err);
}

static KW_ERR start(struct kw_stream_sealer *sealer, struct kw_buf *out, struct kw_error *err)
{
    uint8_t head[KW_HEAD_SIZE];
    if (sealer->started)
        return KW_OK;
    kw_wrapped_key_write(&sealer->head, head);
    kw_buf_append(out, head, sizeof head);
    kw_buf_append(out, sealer->salt, KW_STREAM_SALT_SIZE);
    kw_buf_append(out, sealer->key.commitment, KW_COMMITMENT_SIZE);
    sealer->started = true;
    return kw_buf_status(out, err);
}

static KW_ERR seal_chunk(struct kw_stream_sealer *sealer, struct kw_bytes plaintext,
                         struct kw_buf *out, struct kw_error *err)
{
    uint8_t *room = kw_buf_reserve(out, plaintext.len + KW_TAG_SIZE);
    if (room == NULL)
        return kw_buf_status(out, err);
    KW_TRY(kw_stream_chunk_seal(&sealer->key, sealer->counter, plaintext, room, err));
    sealer->counter++;
    out->len += plaintext.len + KW_TAG_SIZE;
    return KW_OK;
}

static size_t hold(struct kw_stream_sealer *sealer, struct kw_bytes plaintext)
{
    size_t room = KW_STREAM_CHUNK - sealer->held;
    size_t take = plaintext.len < room ? plaintext.len : room;
    if (take > 0)
        memcpy(sealer->chunk + sealer->held, plaintext.data, take);
    sealer->held += take;
    return take;
}

static KW_ERR add(struct kw_stream_sealer *sealer, struct kw_bytes in, struct kw_buf *out,
                  struct kw_error *err)
{
    KW_TRY(start(sealer, out, err));
    while (in.len > 0) {
        size_t took = KW_STREAM_CHUNK;
        if (sealer->held == 0 && in.len >= KW_STREAM_CHUNK) {
            KW_TRY(seal_chunk(sealer, kw_bytes(in.data, KW_STREAM_CHUNK), out, err));
        } else {
            took = hold(sealer, in);
            if (sealer->held == KW_STREAM_CHUNK) {
                KW_TRY(seal_chunk(sealer, kw_bytes(sealer->chunk, KW_STREAM_CHUNK), out, err));
                sealer->held = 0;
            }
        }
        in = kw_bytes(in.data + took, in.len - took);
    }
    return KW_OK;
}

KW_ERR kw_stream_sealer_add(struct kw_stream_sealer *sealer, struct kw_bytes plaintext,
                            struct kw_buf *out, struct kw_error *err)
{
    if (sealer->ended)
        return kw_fail(err, KW_INTERNAL, "the stream has ended or failed already");
    kw_code code = add(sealer, plaintext, out, err);
    sealer->ended = code != KW_OK;
    return code;
}

KW_ERR kw_stream_sealer_end(struct kw_stream_sealer *sealer, struct kw_buf *out,
                            struct kw_error *err)
{
    if (sealer->ended)
        return kw_fail(err, KW_INTERNAL, "the stream has ended or failed already");
    sealer->ended = true;
    KW_TRY(start(sealer, out, err));
    return seal_chunk(sealer, kw_bytes(sealer->chunk, sealer->held), out, err);
}

void kw_stream_sealer_free(struct kw_stream_sealer *sealer)
{
    if (sealer == NULL)
        return;
    kw_stream_key_wipe(&sealer->key);
    kw_cleanse(sealer, sizeof *sealer);
    free(sealer);
}

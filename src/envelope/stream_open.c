#include "envelope/stream_key.h"

struct kw_stream_opener {
    struct kw_stream_key key;
    struct kw_wrapped_key head;
    struct kw_context context;
    struct kw_secret data_key; /* until salt and commitment have come */
    uint64_t counter;
    bool ready; /* the commitment was checked */
    bool ended; /* or failed: nothing more is taken */
    size_t held;
    uint8_t part[KW_STREAM_SEALED_CHUNK]; /* of a chunk, or of salt and commitment */
};

KW_ERR kw_stream_opener_new(struct kw_stream_opener **out, const struct kw_wrapped_key *head,
                            const uint8_t data_key[KW_KEY_SIZE], const struct kw_context *context,
                            struct kw_error *err)
{
    if (head->format != KW_FORMAT_STREAM)
        return kw_fail(err, KW_BAD_FORMAT, "these bytes are not a stream of Keyward");
    KW_AUTO_PTR(kw_stream_opener) opener = calloc(1, sizeof *opener);
    if (opener == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    opener->head = *head;
    opener->context = *context;
    KW_TRY(kw_secret_copy(&opener->data_key, data_key, KW_KEY_SIZE, err));
    *out = opener;
    opener = NULL;
    return KW_OK;
}

static KW_ERR open_chunk(struct kw_stream_opener *opener, struct kw_bytes sealed,
                         struct kw_buf *out, struct kw_error *err)
{
    uint8_t *room = kw_buf_reserve(out, sealed.len - KW_TAG_SIZE);
    if (room == NULL)
        return kw_buf_status(out, err);
    KW_TRY(kw_stream_chunk_open(&opener->key, opener->counter, sealed, room, err));
    opener->counter++;
    out->len += sealed.len - KW_TAG_SIZE;
    return KW_OK;
}

/* Copies up to want bytes in all; tells how many it took. */
static size_t hold(struct kw_stream_opener *opener, struct kw_bytes sealed, size_t want)
{
    size_t room = want - opener->held;
    size_t take = sealed.len < room ? sealed.len : room;
    memcpy(opener->part + opener->held, sealed.data, take);
    opener->held += take;
    return take;
}

static KW_ERR start(struct kw_stream_opener *opener, struct kw_error *err)
{
    KW_TRY(kw_stream_key_check(&opener->key, &opener->head, opener->data_key.data, &opener->context,
                               opener->part, err));
    kw_secret_wipe(&opener->data_key);
    opener->ready = true;
    opener->held = 0;
    return KW_OK;
}

/* Takes from the front of in as much as one step can use. A full chunk is never the last one, so it
 * can be opened as soon as it is there. */
static KW_ERR step(struct kw_stream_opener *opener, struct kw_bytes in, size_t *took,
                   struct kw_buf *out, struct kw_error *err)
{
    if (!opener->ready) {
        *took = hold(opener, in, KW_STREAM_PREFIX_SIZE);
        return opener->held == KW_STREAM_PREFIX_SIZE ? start(opener, err) : KW_OK;
    }
    if (opener->held == 0 && in.len >= KW_STREAM_SEALED_CHUNK) {
        *took = KW_STREAM_SEALED_CHUNK;
        return open_chunk(opener, kw_bytes(in.data, KW_STREAM_SEALED_CHUNK), out, err);
    }
    *took = hold(opener, in, KW_STREAM_SEALED_CHUNK);
    if (opener->held < KW_STREAM_SEALED_CHUNK)
        return KW_OK;
    opener->held = 0;
    return open_chunk(opener, kw_bytes(opener->part, KW_STREAM_SEALED_CHUNK), out, err);
}

KW_ERR kw_stream_opener_add(struct kw_stream_opener *opener, struct kw_bytes sealed,
                            struct kw_buf *out, struct kw_error *err)
{
    if (opener->ended)
        return kw_fail(err, KW_INTERNAL, "the stream has ended or failed already");
    while (sealed.len > 0) {
        size_t took = 0;
        kw_code code = step(opener, sealed, &took, out, err);
        if (code != KW_OK) {
            opener->ended = true;
            return code;
        }
        sealed = kw_bytes(sealed.data + took, sealed.len - took);
    }
    return KW_OK;
}

KW_ERR kw_stream_opener_end(struct kw_stream_opener *opener, struct kw_buf *out,
                            struct kw_error *err)
{
    if (opener->ended)
        return kw_fail(err, KW_INTERNAL, "the stream has ended or failed already");
    opener->ended = true;
    if (!opener->ready || opener->held < KW_TAG_SIZE)
        return kw_fail(err, KW_TRUNCATED, "the stream is cut off: its last chunk is missing");
    return open_chunk(opener, kw_bytes(opener->part, opener->held), out, err);
}

void kw_stream_opener_free(struct kw_stream_opener *opener)
{
    if (opener == NULL)
        return;
    kw_stream_key_wipe(&opener->key);
    kw_secret_wipe(&opener->data_key);
    free(opener);
}

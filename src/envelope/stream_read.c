#include "envelope/stream_key.h"

struct kw_stream_reader {
    struct kw_stream_key key;
    struct kw_stream_source source;
    uint64_t size;     /* of the plaintext, if the source's size is true */
    bool size_is_sure; /* the last chunk was opened */
    uint8_t sealed[KW_STREAM_SEALED_CHUNK];
    uint8_t plain[KW_STREAM_CHUNK];
};

KW_ERR kw_stream_reader_new(struct kw_stream_reader **out, const struct kw_stream_source *source,
                            const struct kw_wrapped_key *head, const uint8_t data_key[KW_KEY_SIZE],
                            const struct kw_context *context, struct kw_error *err)
{
    uint8_t prefix[KW_STREAM_PREFIX_SIZE];
    if (head->format != KW_FORMAT_STREAM)
        return kw_fail(err, KW_BAD_FORMAT, "these bytes are not a stream of Keyward");
    KW_AUTO_PTR(kw_stream_reader) reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    reader->source = *source;
    KW_TRY(kw_stream_plain_size(source->size, &reader->size, err));
    KW_TRY(source->read(source->arg, KW_HEAD_SIZE, prefix, sizeof prefix, err));
    KW_TRY(kw_stream_key_check(&reader->key, head, data_key, context, prefix, err));
    *out = reader;
    reader = NULL;
    return KW_OK;
}

static uint64_t last_chunk(const struct kw_stream_reader *reader)
{
    return reader->size / KW_STREAM_CHUNK;
}

/* Opens chunk number into reader->plain; len becomes its size. */
static KW_ERR load(struct kw_stream_reader *reader, uint64_t number, size_t *len,
                   struct kw_error *err)
{
    bool last = number == last_chunk(reader);
    size_t sealed_len =
        last ? (size_t)(reader->size % KW_STREAM_CHUNK) + KW_TAG_SIZE : KW_STREAM_SEALED_CHUNK;
    uint64_t offset = KW_STREAM_START + number * KW_STREAM_SEALED_CHUNK;
    KW_TRY(reader->source.read(reader->source.arg, offset, reader->sealed, sealed_len, err));
    KW_TRY(kw_stream_chunk_open(&reader->key, number, kw_bytes(reader->sealed, sealed_len),
                                reader->plain, err));
    reader->size_is_sure = reader->size_is_sure || last;
    *len = sealed_len - KW_TAG_SIZE;
    return KW_OK;
}

KW_ERR kw_stream_reader_size(struct kw_stream_reader *reader, uint64_t *out, struct kw_error *err)
{
    size_t len = 0;
    if (!reader->size_is_sure)
        KW_TRY(load(reader, last_chunk(reader), &len, err));
    *out = reader->size;
    return KW_OK;
}

static KW_ERR read_part(struct kw_stream_reader *reader, uint64_t offset, uint64_t end,
                        struct kw_buf *out, struct kw_error *err)
{
    while (offset < end) {
        size_t len = 0;
        KW_TRY(load(reader, offset / KW_STREAM_CHUNK, &len, err));
        size_t from = (size_t)(offset % KW_STREAM_CHUNK);
        size_t take = len - from;
        if (take > end - offset)
            take = (size_t)(end - offset);
        kw_buf_append(out, reader->plain + from, take);
        offset += take;
    }
    return kw_buf_status(out, err);
}

KW_ERR kw_stream_reader_read(struct kw_stream_reader *reader, uint64_t offset, size_t len,
                             struct kw_buf *out, struct kw_error *err)
{
    uint64_t size = reader->size;
    uint64_t end = len > UINT64_MAX - offset ? UINT64_MAX : offset + len;
    size_t before = out->len;
    if (end > size) { /* the answer says where the end is, so that must be certain */
        KW_TRY(kw_stream_reader_size(reader, &size, err));
        end = size;
    }
    kw_code code = read_part(reader, offset, end, out, err);
    if (code != KW_OK && out->len > before) {
        kw_cleanse(out->data + before, out->len - before);
        out->len = before;
    }
    return code;
}

void kw_stream_reader_free(struct kw_stream_reader *reader)
{
    if (reader == NULL)
        return;
    kw_stream_key_wipe(&reader->key);
    kw_cleanse(reader, sizeof *reader);
    free(reader);
}

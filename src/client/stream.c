/* Streams, piece by piece and through callbacks. */
#include "envelope/stream.h"

#include "client/client.h"

enum { PIECE = 1 << 20 }; /* what the callbacks are asked for */

struct kw_stream {
    struct kw_client *client;
    struct kw_prepared prepared; /* opening: until the head has come */
    struct kw_stream_sealer *sealer;
    struct kw_stream_opener *opener;
    bool over; /* finished or failed */
    size_t held;
    uint8_t head[KW_HEAD_SIZE];
};

void kw_stream_free(struct kw_stream *stream)
{
    if (stream == NULL)
        return;
    kw_prepared_wipe(&stream->prepared);
    kw_stream_sealer_free(stream->sealer);
    kw_stream_opener_free(stream->opener);
    free(stream);
}
KW_CLEANUP_FREE(kw_stream)

static KW_ERR stream_new(struct kw_client *client, const struct kw_call_options *options,
                         struct kw_stream **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_stream) stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    stream->client = client;
    KW_TRY(kw_prepare(&stream->prepared, options, 0, err));
    KW_TRY(kw_prepared_keep(&stream->prepared, err));
    *out = stream;
    stream = NULL;
    return KW_OK;
}

KW_ERR kw_stream_seal_start(struct kw_client *client, const struct kw_call_options *options,
                            struct kw_stream **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_stream) stream = NULL;
    KW_AUTO(kw_key_batch) batch = {0};
    struct kw_data_key key;
    KW_TRY(stream_new(client, options, &stream, err));
    KW_TRY(kw_client_generate(client, &stream->prepared, &batch, &key, err));
    KW_TRY(kw_stream_sealer_new(&stream->sealer, &key, &stream->prepared.context.bound, err));
    *out = stream;
    stream = NULL;
    return KW_OK;
}

KW_ERR kw_stream_open_start(struct kw_client *client, const struct kw_call_options *options,
                            struct kw_stream **out, struct kw_error *err)
{
    return stream_new(client, options, out, err);
}

static KW_ERR start_opener(struct kw_stream *stream, struct kw_error *err)
{
    KW_AUTO(kw_key_batch) batch = {0};
    struct kw_wrapped_key head;
    const uint8_t *key = NULL;
    KW_TRY(kw_wrapped_key_parse(&head, kw_bytes(stream->head, KW_HEAD_SIZE), err));
    if (head.format != KW_FORMAT_STREAM) /* before the authority is asked */
        return kw_fail(err, KW_BAD_FORMAT, "these bytes are not a stream of Keyward");
    KW_TRY(kw_client_unwrap(stream->client, &stream->prepared, &head, &batch, &key, err));
    return kw_stream_opener_new(&stream->opener, &head, key, &stream->prepared.context.bound, err);
}

/* Takes the head from the front of in. */
static KW_ERR take_head(struct kw_stream *stream, struct kw_bytes *in, struct kw_error *err)
{
    size_t room = KW_HEAD_SIZE - stream->held;
    size_t take = in->len < room ? in->len : room;
    if (take > 0)
        memcpy(stream->head + stream->held, in->data, take);
    stream->held += take;
    *in = kw_bytes(in->data + take, in->len - take);
    if (stream->held > 0 && stream->head[0] != KW_FORMAT_STREAM)
        return kw_fail(err, KW_BAD_FORMAT, "these bytes are not a stream of Keyward");
    return stream->held == KW_HEAD_SIZE ? start_opener(stream, err) : KW_OK;
}

static KW_ERR step(struct kw_stream *stream, struct kw_bytes in, struct kw_buf *out,
                   struct kw_error *err)
{
    if (stream->sealer != NULL)
        return kw_stream_sealer_add(stream->sealer, in, out, err);
    if (stream->opener == NULL)
        KW_TRY(take_head(stream, &in, err));
    return stream->opener != NULL ? kw_stream_opener_add(stream->opener, in, out, err) : KW_OK;
}

static KW_ERR end(struct kw_stream *stream, struct kw_buf *out, struct kw_error *err)
{
    if (stream->sealer != NULL)
        return kw_stream_sealer_end(stream->sealer, out, err);
    if (stream->opener == NULL)
        return kw_fail(err, KW_TRUNCATED, "the stream is cut off within its head");
    return kw_stream_opener_end(stream->opener, out, err);
}

/* The output's memory as a buffer, emptied; it stays with the output. */
static struct kw_buf lend(struct kw_output *out)
{
    struct kw_buf buf = {
        .data = out->data, .len = out->len, .capacity = out->capacity, .secret = true};
    kw_buf_reset(&buf);
    return buf;
}

static KW_ERR give_back(struct kw_stream *stream, struct kw_buf *buf, struct kw_output *out,
                        kw_code code, struct kw_error *err)
{
    kw_buf_str(buf);
    if (code == KW_OK)
        code = kw_buf_status(buf, err);
    if (code != KW_OK) {
        stream->over = true;
        kw_buf_reset(buf);
    }
    *out = (struct kw_output){.data = buf->data, .len = buf->len, .capacity = buf->capacity};
    return code;
}

static kw_code refuse(struct kw_error *err)
{
    return kw_fail(err, KW_STATE_CONFLICT, "the stream has ended or has failed before");
}

KW_ERR kw_stream_update(struct kw_stream *stream, struct kw_input in, struct kw_output *out,
                        struct kw_error *err)
{
    if (stream->over)
        return refuse(err);
    struct kw_buf buf = lend(out);
    kw_code code = in.len > 0 ? step(stream, kw_bytes(in.data, in.len), &buf, err) : KW_OK;
    return give_back(stream, &buf, out, code, err);
}

KW_ERR kw_stream_finish(struct kw_stream *stream, struct kw_output *out, struct kw_error *err)
{
    if (stream->over)
        return refuse(err);
    struct kw_buf buf = lend(out);
    kw_code code = end(stream, &buf, err);
    stream->over = true;
    return give_back(stream, &buf, out, code, err);
}

/* ---- Through callbacks ---- */

/* Fills the buffer as far as there is something, so that pieces are large. */
static KW_ERR fill(const struct kw_stream_io *io, uint8_t *buffer, size_t *len,
                   struct kw_error *err)
{
    size_t filled = 0;
    size_t got = 1;
    while (filled < PIECE && got > 0) {
        got = 0;
        KW_TRY(io->read(io->arg, buffer + filled, PIECE - filled, &got, err));
        if (got > PIECE - filled)
            return kw_fail(err, KW_USAGE, "the read callback gave more bytes than there was room");
        filled += got;
    }
    *len = filled;
    return KW_OK;
}

static KW_ERR copy(struct kw_stream *stream, const struct kw_stream_io *io, struct kw_buf *in,
                   struct kw_output *out, struct kw_error *err)
{
    for (;;) {
        size_t len = 0;
        KW_TRY(fill(io, in->data, &len, err));
        bool last = len < PIECE;
        KW_TRY(kw_stream_update(stream, kw_input_of(in->data, len), out, err));
        if (out->len > 0)
            KW_TRY(io->write(io->arg, out->data, out->len, err));
        if (last)
            break;
    }
    KW_TRY(kw_stream_finish(stream, out, err));
    return out->len > 0 ? io->write(io->arg, out->data, out->len, err) : KW_OK;
}

static KW_ERR pump(struct kw_stream *stream, const struct kw_stream_io *io, struct kw_error *err)
{
    KW_AUTO(kw_buf) in = KW_BUF_SECRET;
    struct kw_output out = KW_OUTPUT_INIT;
    if (kw_buf_reserve(&in, PIECE) == NULL)
        return kw_buf_status(&in, err);
    kw_code code = copy(stream, io, &in, &out, err);
    kw_free(&out);
    return code;
}

KW_ERR kw_stream_seal(struct kw_client *client, const struct kw_call_options *options,
                      const struct kw_stream_io *io, struct kw_error *err)
{
    KW_AUTO_PTR(kw_stream) stream = NULL;
    KW_TRY(kw_stream_seal_start(client, options, &stream, err));
    return pump(stream, io, err);
}

KW_ERR kw_stream_open(struct kw_client *client, const struct kw_call_options *options,
                      const struct kw_stream_io *io, struct kw_error *err)
{
    KW_AUTO_PTR(kw_stream) stream = NULL;
    KW_TRY(kw_stream_open_start(client, options, &stream, err));
    return pump(stream, io, err);
}

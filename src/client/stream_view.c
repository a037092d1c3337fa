/* Any part of a sealed stream. */
#include "client/client.h"
#include "envelope/stream.h"

struct kw_stream_view {
    struct kw_stream_place place;
    struct kw_stream_reader *reader;
};

void kw_stream_view_free(struct kw_stream_view *view)
{
    if (view == NULL)
        return;
    kw_stream_reader_free(view->reader);
    free(view);
}
KW_CLEANUP_FREE(kw_stream_view)

static kw_code read_place(void *arg, uint64_t offset, uint8_t *out, size_t len,
                          struct kw_error *err)
{
    const struct kw_stream_place *place = arg;
    return place->read_at(place->arg, offset, out, len, err);
}

static KW_ERR start(struct kw_stream_view *view, struct kw_client *client,
                    const struct kw_prepared *prepared, struct kw_error *err)
{
    KW_AUTO(kw_key_batch) batch = {0};
    uint8_t front[KW_HEAD_SIZE];
    struct kw_wrapped_key head;
    const uint8_t *key = NULL;
    struct kw_stream_source source = {
        .read = read_place, .arg = &view->place, .size = view->place.size};
    if (view->place.size < KW_HEAD_SIZE)
        return kw_fail(err, KW_TRUNCATED, "the stream is cut off within its head");
    KW_TRY(read_place(&view->place, 0, front, sizeof front, err));
    KW_TRY(kw_wrapped_key_parse(&head, kw_bytes(front, sizeof front), err));
    if (head.format != KW_FORMAT_STREAM)
        return kw_fail(err, KW_BAD_FORMAT, "these bytes are not a stream of Keyward");
    KW_TRY(kw_client_unwrap(client, prepared, &head, &batch, &key, err));
    return kw_stream_reader_new(&view->reader, &source, &head, key, &prepared->context.bound, err);
}

KW_ERR kw_stream_view_open(struct kw_client *client, const struct kw_call_options *options,
                           const struct kw_stream_place *place, struct kw_stream_view **out,
                           struct kw_error *err)
{
    KW_AUTO(kw_prepared) prepared = {0};
    KW_TRY(kw_prepare(&prepared, options, 0, err));
    KW_AUTO_PTR(kw_stream_view) view = calloc(1, sizeof *view);
    if (view == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    view->place = *place;
    KW_TRY(start(view, client, &prepared, err));
    *out = view;
    view = NULL;
    return KW_OK;
}

KW_ERR kw_stream_view_size(struct kw_stream_view *view, uint64_t *out, struct kw_error *err)
{
    return kw_stream_reader_size(view->reader, out, err);
}

KW_ERR kw_stream_view_read(struct kw_stream_view *view, uint64_t offset, size_t len,
                           struct kw_output *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) plain = KW_BUF_SECRET;
    KW_TRY(kw_stream_reader_read(view->reader, offset, len, &plain, err));
    return kw_output_take(out, &plain, err);
}

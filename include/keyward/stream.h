/* Streams: files, backups, exports of any size, in constant memory. docs/spec/stream.md.
 *
 * Sealed: 134 bytes at the front, then chunks of 16 KiB of plaintext with 16 bytes more each.
 *
 * A stream or a view belongs to one thread at a time; different ones of one client may be used by
 * different threads. After its first failure a stream refuses everything but kw_stream_free. Free
 * all streams before their client is closed. Errors: those of seal.h. */
#ifndef KEYWARD_STREAM_H
#define KEYWARD_STREAM_H

#include <keyward/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Piece by piece ---- */

struct kw_stream;

/* Starts sealing: gets a data key from the authority. */
KW_API KW_ERR kw_stream_seal_start(struct kw_client *client, const struct kw_call_options *options,
                                   struct kw_stream **out, struct kw_error *err);

/* Starts opening. The data key is unwrapped when the front of the stream has come. options as for
 * kw_open; their texts are copied. */
KW_API KW_ERR kw_stream_open_start(struct kw_client *client, const struct kw_call_options *options,
                                   struct kw_stream **out, struct kw_error *err);

/* Takes the next bytes, as many or few as there are, and replaces out by what is ready, which may
 * be nothing: at most in.len and 32 KiB more. Multiples of 64 KiB are fast.
 *
 * What opening gives is authentic and in its place; that nothing is missing is known only once
 * kw_stream_finish has succeeded. Write it to a temporary place until then. KW_SEAL_BROKEN. */
KW_API KW_ERR kw_stream_update(struct kw_stream *stream, struct kw_input in, struct kw_output *out,
                               struct kw_error *err);

/* The end: replaces out by the last bytes. Sealing without it makes a stream that does not open.
 * KW_TRUNCATED if what was opened has lost its end. */
KW_API KW_ERR kw_stream_finish(struct kw_stream *stream, struct kw_output *out,
                               struct kw_error *err);

/* NULL is left alone. */
KW_API void kw_stream_free(struct kw_stream *stream);

/* ---- All at once, through callbacks ---- */

struct kw_stream_io {
    /* Puts up to size bytes into buffer and says how many in *len; 0 is the end. Any code but KW_OK
     * ends the call with it; err is the callback's to fill. */
    kw_code (*read)(void *arg, void *buffer, size_t size, size_t *len, struct kw_error *err);
    kw_code (*write)(void *arg, const void *data, size_t len, struct kw_error *err);
    void *arg;
};

/* From read to write until the end. Memory: about 2 MiB, whatever the size. */
KW_API KW_ERR kw_stream_seal(struct kw_client *client, const struct kw_call_options *options,
                             const struct kw_stream_io *io, struct kw_error *err);
KW_API KW_ERR kw_stream_open(struct kw_client *client, const struct kw_call_options *options,
                             const struct kw_stream_io *io, struct kw_error *err);

/* ---- Any part of a sealed stream, without the rest ---- */

/* Where the sealed stream is: read_at fills buffer with exactly len bytes from offset, or fails. */
struct kw_stream_place {
    kw_code (*read_at)(void *arg, uint64_t offset, void *buffer, size_t len, struct kw_error *err);
    void *arg;
    uint64_t size; /* bytes of the sealed stream */
};

struct kw_stream_view;

/* Reads the front and unwraps its data key. place is copied, its arg borrowed as long as the view
 * lives. KW_BAD_FORMAT, KW_TRUNCATED. */
KW_API KW_ERR kw_stream_view_open(struct kw_client *client, const struct kw_call_options *options,
                                  const struct kw_stream_place *place, struct kw_stream_view **out,
                                  struct kw_error *err);

/* Bytes of plaintext, made sure of by opening the last chunk. */
KW_API KW_ERR kw_stream_view_size(struct kw_stream_view *view, uint64_t *out, struct kw_error *err);

/* Replaces out by the len bytes of plaintext from offset, or as many as there are up to the end. */
KW_API KW_ERR kw_stream_view_read(struct kw_stream_view *view, uint64_t offset, size_t len,
                                  struct kw_output *out, struct kw_error *err);

/* NULL is left alone. */
KW_API void kw_stream_view_free(struct kw_stream_view *view);

#ifdef __cplusplus
}
#endif

#endif

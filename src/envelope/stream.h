/* Stream: files, backups, exports of any size, in constant memory. docs/spec/stream.md.
 *
 *     head (78, format 5) || salt (24) || commitment (32) || chunks
 *
 * From the salt on it is C2SP chunked encryption v1 (c2sp.org/chunked-encryption): chunks of 16
 * KiB, each with its tag, the last one always shorter, so that a cut-off end is noticed. An object
 * belongs to one thread at a time; after its first failure it refuses everything. */
#ifndef KW_ENVELOPE_STREAM_H
#define KW_ENVELOPE_STREAM_H

#include "envelope/envelope.h"

enum {
    KW_STREAM_SALT_SIZE = 24,
    KW_STREAM_CHUNK = 16384,
    KW_STREAM_SEALED_CHUNK = KW_STREAM_CHUNK + KW_TAG_SIZE,
    KW_STREAM_PREFIX_SIZE = KW_STREAM_SALT_SIZE + KW_COMMITMENT_SIZE,
    KW_STREAM_START = KW_HEAD_SIZE + KW_STREAM_PREFIX_SIZE, /* where the first chunk begins */
};

/* What a plaintext of size bytes becomes, and back. KW_TRUNCATED for a size that no stream has. */
uint64_t kw_stream_sealed_size(uint64_t size);
KW_ERR kw_stream_plain_size(uint64_t sealed_size, uint64_t *out, struct kw_error *err);

/* Sealing: output is appended to out, as much as is ready; the caller writes it away and resets
 * out. Input in multiples of KW_STREAM_CHUNK is not copied. The key is copied, and used up by it.
 */
struct kw_stream_sealer;
KW_ERR kw_stream_sealer_new(struct kw_stream_sealer **out, const struct kw_data_key *key,
                            const struct kw_context *context, struct kw_error *err);
KW_ERR kw_stream_sealer_add(struct kw_stream_sealer *sealer, struct kw_bytes plaintext,
                            struct kw_buf *out, struct kw_error *err);
/* Writes the last chunk. A sealed file without it does not open. */
KW_ERR kw_stream_sealer_end(struct kw_stream_sealer *sealer, struct kw_buf *out,
                            struct kw_error *err);
void kw_stream_sealer_free(struct kw_stream_sealer *sealer);
KW_CLEANUP_FREE(kw_stream_sealer)

/* Opening: head is what kw_wrapped_key_parse made of the first KW_HEAD_SIZE bytes (KW_BAD_FORMAT if
 * its format is another), data_key what it unwrapped to; add() takes what follows the head.
 * Plaintext that add() gives is authentic in its place, but that nothing is missing is known only
 * when end() succeeds: write to a temporary file until then. KW_SEAL_BROKEN, KW_TRUNCATED. */
struct kw_stream_opener;
KW_ERR kw_stream_opener_new(struct kw_stream_opener **out, const struct kw_wrapped_key *head,
                            const uint8_t data_key[KW_KEY_SIZE], const struct kw_context *context,
                            struct kw_error *err);
KW_ERR kw_stream_opener_add(struct kw_stream_opener *opener, struct kw_bytes sealed,
                            struct kw_buf *out, struct kw_error *err);
KW_ERR kw_stream_opener_end(struct kw_stream_opener *opener, struct kw_buf *out,
                            struct kw_error *err);
void kw_stream_opener_free(struct kw_stream_opener *opener);
KW_CLEANUP_FREE(kw_stream_opener)

/* Random access. read() fills out with exactly len bytes at offset of the sealed stream (head
 * included) or fails. size is that of the sealed stream as the caller knows it. */
struct kw_stream_source {
    kw_code (*read)(void *arg, uint64_t offset, uint8_t *out, size_t len, struct kw_error *err);
    void *arg;
    uint64_t size;
};
struct kw_stream_reader;

/* Reads salt and commitment and checks them. */
KW_ERR kw_stream_reader_new(struct kw_stream_reader **out, const struct kw_stream_source *source,
                            const struct kw_wrapped_key *head, const uint8_t data_key[KW_KEY_SIZE],
                            const struct kw_context *context, struct kw_error *err);

/* The plaintext's size, made sure of by opening the last chunk. */
KW_ERR kw_stream_reader_size(struct kw_stream_reader *reader, uint64_t *out, struct kw_error *err);

/* Appends the len bytes at offset, or as many as there are; fewer only after the size has been made
 * sure of. */
KW_ERR kw_stream_reader_read(struct kw_stream_reader *reader, uint64_t offset, size_t len,
                             struct kw_buf *out, struct kw_error *err);
void kw_stream_reader_free(struct kw_stream_reader *reader);
KW_CLEANUP_FREE(kw_stream_reader)

#endif

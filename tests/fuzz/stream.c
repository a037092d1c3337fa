/* Any bytes as what follows a stream's head, in pieces of any size: the pieces do not matter, and
 * random access agrees with reading in order. The first byte chooses the piece; with its top bit
 * set the rest is plaintext that must come back. */
#include "envelope/stream.h"
#include "sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t data_key[KW_KEY_SIZE] = {1, 2, 3};
static const struct kw_wrapped_key head = {.format = KW_FORMAT_STREAM, .suite = KW_SUITE_AES256GCM};

static kw_code open(const struct kw_context *context, struct kw_bytes sealed, size_t piece,
                    struct kw_buf *out)
{
    KW_AUTO_PTR(kw_stream_opener) opener = NULL;
    struct kw_error err;
    require(kw_stream_opener_new(&opener, &head, data_key, context, NULL) == KW_OK);
    for (size_t at = 0; at < sealed.len; at += piece) {
        size_t len = sealed.len - at < piece ? sealed.len - at : piece;
        KW_TRY(kw_stream_opener_add(opener, kw_bytes(sealed.data + at, len), out, &err));
    }
    return kw_stream_opener_end(opener, out, &err);
}

static kw_code read_memory(void *arg, uint64_t offset, uint8_t *out, size_t len,
                           struct kw_error *err)
{
    const struct kw_bytes *sealed = arg; /* without the head */
    if (offset < KW_HEAD_SIZE || offset - KW_HEAD_SIZE + len > sealed->len)
        return kw_fail(err, KW_IO, "outside the stream");
    memcpy(out, sealed->data + offset - KW_HEAD_SIZE, len);
    return KW_OK;
}

static void same_at_random(const struct kw_context *context, struct kw_bytes sealed,
                           const struct kw_buf *plain)
{
    KW_AUTO_PTR(kw_stream_reader) reader = NULL;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_stream_source source = {read_memory, &sealed, KW_HEAD_SIZE + sealed.len};
    struct kw_error err;
    if (kw_stream_reader_new(&reader, &source, &head, data_key, context, &err) != KW_OK ||
        kw_stream_reader_read(reader, 1, SIZE_MAX, &out, &err) != KW_OK) {
        require(plain == NULL);
        return;
    }
    require(plain == NULL || (out.len == (plain->len > 0 ? plain->len - 1 : 0) &&
                              (out.len == 0 || memcmp(out.data, plain->data + 1, out.len) == 0)));
}

static void as_sealed(const struct kw_context *context, struct kw_bytes sealed, size_t piece)
{
    KW_AUTO(kw_buf) a = KW_BUF_INIT;
    KW_AUTO(kw_buf) b = KW_BUF_INIT;
    kw_code code = open(context, sealed, piece, &a);
    require(open(context, sealed, SIZE_MAX / 2, &b) == code);
    require(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
    same_at_random(context, sealed, code == KW_OK ? &a : NULL);
}

static void as_plaintext(const struct kw_context *context, struct kw_bytes plain, size_t piece)
{
    KW_AUTO_PTR(kw_stream_sealer) sealer = NULL;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_data_key key = {.key = data_key, .head = head};
    require(kw_stream_sealer_new(&sealer, &key, context, NULL) == KW_OK);
    for (size_t at = 0; at < plain.len; at += piece) {
        size_t len = plain.len - at < piece ? plain.len - at : piece;
        require(kw_stream_sealer_add(sealer, kw_bytes(plain.data + at, len), &sealed, NULL) ==
                KW_OK);
    }
    require(kw_stream_sealer_end(sealer, &sealed, NULL) == KW_OK);
    struct kw_bytes rest = kw_bytes(sealed.data + KW_HEAD_SIZE, sealed.len - KW_HEAD_SIZE);
    require(open(context, rest, piece, &out) == KW_OK && kw_bytes_equal(kw_buf_bytes(&out), plain));
    as_sealed(context, rest, piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kw_context context;
    if (size == 0)
        return 0;
    size_t piece = (size_t)(data[0] & 0x7f) * 131 + 1;
    fuzz_context(&context);
    if ((data[0] & 0x80) != 0)
        as_plaintext(&context, kw_bytes(data + 1, size - 1), piece);
    else
        as_sealed(&context, kw_bytes(data + 1, size - 1), piece);
    return 0;
}

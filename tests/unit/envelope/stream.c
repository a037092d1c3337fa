/* Streams: sizes around chunks, pieces of any size, random access, and everything that may happen
 * to a file on its way. */
#include "envelope/stream.h"

#include "envelope_scene.h"

enum { LARGEST = 3 * KW_STREAM_CHUNK + 100 };

static void seal(struct kw_buf *out, struct scene *s, const uint8_t *plain, size_t size,
                 size_t piece)
{
    KW_AUTO_PTR(kw_stream_sealer) sealer = NULL;
    scene_new_key(s);
    assert_int_equal(kw_stream_sealer_new(&sealer, &s->key, &s->context, NULL), KW_OK);
    for (size_t at = 0; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        assert_int_equal(kw_stream_sealer_add(sealer, kw_bytes(plain + at, len), out, NULL), KW_OK);
    }
    assert_int_equal(kw_stream_sealer_end(sealer, out, NULL), KW_OK);
    assert_int_equal(kw_stream_sealer_end(sealer, out, NULL), KW_INTERNAL);
    assert_int_equal(out->len, kw_stream_sealed_size(size));
}

static kw_code open(struct kw_buf *out, struct scene *s, struct kw_bytes sealed, size_t piece)
{
    KW_AUTO_PTR(kw_stream_opener) opener = NULL;
    KW_AUTO(kw_secret) data_key = KW_SECRET_INIT;
    struct kw_wrapped_key head;
    struct kw_error err;
    size_t front = sealed.len < KW_HEAD_SIZE ? sealed.len : KW_HEAD_SIZE;
    KW_TRY(kw_wrapped_key_parse(&head, kw_bytes(sealed.data, front), &err));
    assert_int_equal(kw_secret_alloc(&data_key, KW_KEY_SIZE, NULL), KW_OK);
    KW_TRY(kw_data_key_unwrap(data_key.data, &s->w, &head, &s->context, &err));
    KW_TRY(kw_stream_opener_new(&opener, &head, data_key.data, &s->context, &err));
    for (size_t at = KW_HEAD_SIZE; at < sealed.len; at += piece) {
        size_t len = sealed.len - at < piece ? sealed.len - at : piece;
        kw_code code = kw_stream_opener_add(opener, kw_bytes(sealed.data + at, len), out, &err);
        if (code != KW_OK) { /* and it stays so */
            assert_int_equal(kw_stream_opener_end(opener, out, &err), KW_INTERNAL);
            return code;
        }
    }
    return kw_stream_opener_end(opener, out, &err);
}

static void sizes_and_pieces(void **state)
{
    KW_UNUSED(state);
    static const size_t sizes[] = {
        0,      1, KW_STREAM_CHUNK - 1, KW_STREAM_CHUNK, KW_STREAM_CHUNK + 1, 2 * KW_STREAM_CHUNK,
        LARGEST};
    static const size_t pieces[] = {1 << 20, KW_STREAM_CHUNK, KW_STREAM_SEALED_CHUNK, 1000};
    static uint8_t plain[LARGEST];
    kw_random(plain, sizeof plain);
    for (size_t i = 0; i < KW_COUNT(sizes) * KW_COUNT(pieces); i++) {
        size_t size = sizes[i / KW_COUNT(pieces)];
        size_t piece = pieces[i % KW_COUNT(pieces)];
        AUTO_SCENE s;
        scene_init(&s, i % 2 == 0 ? KW_SUITE_AES256GCM : KW_SUITE_CHACHA20POLY1305);
        KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
        KW_AUTO(kw_buf) opened = KW_BUF_INIT;
        seal(&sealed, &s, plain, size, piece);
        assert_int_equal(open(&opened, &s, kw_buf_bytes(&sealed), 7777), KW_OK);
        assert_int_equal(opened.len, size);
        assert_memory_equal(opened.data == NULL ? plain : opened.data, plain, size);
        uint64_t known = 0;
        assert_int_equal(kw_stream_plain_size(sealed.len, &known, NULL), KW_OK);
        assert_int_equal(known, size);
    }
}

/* A sealed stream of four chunks that tests damage. */
struct sealed {
    struct scene s;
    struct kw_buf bytes;
    uint8_t plain[LARGEST];
};

static struct sealed *sealed_new(void)
{
    struct sealed *f = calloc(1, sizeof *f);
    assert_non_null(f);
    scene_init(&f->s, KW_SUITE_AES256GCM);
    kw_random(f->plain, sizeof f->plain);
    seal(&f->bytes, &f->s, f->plain, LARGEST, 1 << 20);
    return f;
}

static void sealed_free(struct sealed *f)
{
    scene_wipe(&f->s);
    kw_buf_wipe(&f->bytes);
    free(f);
}

static void expect(struct sealed *f, struct kw_bytes sealed, kw_code expected)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    assert_int_equal(open(&out, &f->s, sealed, 1 << 20), expected);
    /* What was given before the failure is a true beginning of the plaintext. */
    assert_true(out.len < LARGEST);
    assert_memory_equal(out.data == NULL ? f->plain : out.data, f->plain, out.len);
}

static void cut_off_anywhere(void **state)
{
    KW_UNUSED(state);
    struct sealed *f = sealed_new();
    static const size_t at_chunk[] = {0, 1, 15, 16, 17, 5000, KW_STREAM_SEALED_CHUNK - 1};
    for (size_t len = 0; len < KW_STREAM_START + KW_TAG_SIZE; len++) {
        kw_code code = len < KW_HEAD_SIZE ? KW_BAD_FORMAT : KW_TRUNCATED;
        expect(f, kw_bytes(f->bytes.data, len), code);
    }
    for (size_t chunk = 0; chunk < 3; chunk++) {
        for (size_t i = 0; i < KW_COUNT(at_chunk); i++) {
            size_t len = KW_STREAM_START + chunk * KW_STREAM_SEALED_CHUNK + at_chunk[i];
            expect(f, kw_bytes(f->bytes.data, len),
                   at_chunk[i] < 16 ? KW_TRUNCATED : KW_SEAL_BROKEN);
        }
    }
    expect(f, kw_bytes(f->bytes.data, f->bytes.len - 1), KW_SEAL_BROKEN);
    sealed_free(f);
}

static void chunks_moved(void **state)
{
    KW_UNUSED(state);
    static uint8_t kept[KW_STREAM_SEALED_CHUNK];
    struct sealed *f = sealed_new();
    uint8_t *first = f->bytes.data + KW_STREAM_START;
    uint8_t *second = first + KW_STREAM_SEALED_CHUNK;
    memcpy(kept, first, sizeof kept);
    memcpy(first, second, sizeof kept); /* repeated */
    expect(f, kw_buf_bytes(&f->bytes), KW_SEAL_BROKEN);
    memcpy(second, kept, sizeof kept); /* exchanged */
    expect(f, kw_buf_bytes(&f->bytes), KW_SEAL_BROKEN);
    memcpy(first, kept, sizeof kept);
    memmove(second, second + KW_STREAM_SEALED_CHUNK,
            f->bytes.len - KW_STREAM_START - 2 * (size_t)KW_STREAM_SEALED_CHUNK); /* left out */
    expect(f, kw_bytes(f->bytes.data, f->bytes.len - KW_STREAM_SEALED_CHUNK), KW_SEAL_BROKEN);
    sealed_free(f);
}

static void altered_and_extended(void **state)
{
    KW_UNUSED(state);
    struct sealed *f = sealed_new();
    for (size_t at = 1; at < KW_STREAM_START + 40; at++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        f->bytes.data[at] ^= 0x10;
        kw_code code = open(&out, &f->s, kw_buf_bytes(&f->bytes), 1 << 20);
        assert_true(code == KW_SEAL_BROKEN || code == KW_UNSUPPORTED_SUITE);
        assert_int_equal(out.len, 0);
        f->bytes.data[at] ^= 0x10;
    }
    kw_buf_append(&f->bytes, "more", 4);
    expect(f, kw_buf_bytes(&f->bytes), KW_SEAL_BROKEN);
    f->bytes.len -= 4;
    scene_context(&f->s.context, "row", "18");
    expect(f, kw_buf_bytes(&f->bytes), KW_SEAL_BROKEN);
    sealed_free(f);
}

static kw_code read_memory(void *arg, uint64_t offset, uint8_t *out, size_t len,
                           struct kw_error *err)
{
    const struct kw_buf *bytes = arg;
    if (offset + len > bytes->len)
        return kw_fail(err, KW_IO, "read beyond the end");
    memcpy(out, bytes->data + offset, len);
    return KW_OK;
}

static kw_code reader(struct kw_stream_reader **out, struct sealed *f, uint64_t size)
{
    struct kw_stream_source source = {.read = read_memory, .arg = &f->bytes, .size = size};
    struct kw_wrapped_key head;
    assert_int_equal(kw_wrapped_key_parse(&head, kw_bytes(f->bytes.data, KW_HEAD_SIZE), NULL),
                     KW_OK);
    return kw_stream_reader_new(out, &source, &head, f->s.secret.data, &f->s.context, NULL);
}

static void random_access(void **state)
{
    KW_UNUSED(state);
    static const size_t places[] = {
        0,           1,       KW_STREAM_CHUNK - 1, KW_STREAM_CHUNK, KW_STREAM_CHUNK + 7,
        LARGEST - 1, LARGEST, LARGEST + 5};
    static const size_t lens[] = {0, 1, 100, KW_STREAM_CHUNK, LARGEST, SIZE_MAX};
    struct sealed *f = sealed_new();
    KW_AUTO_PTR(kw_stream_reader) r = NULL;
    assert_int_equal(reader(&r, f, f->bytes.len), KW_OK);
    for (size_t i = 0; i < KW_COUNT(places) * KW_COUNT(lens); i++) {
        size_t at = places[i / KW_COUNT(lens)];
        size_t len = lens[i % KW_COUNT(lens)];
        size_t there = at > LARGEST ? 0 : LARGEST - at;
        size_t want = len < there ? len : there;
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        assert_int_equal(kw_stream_reader_read(r, at, len, &out, NULL), KW_OK);
        assert_int_equal(out.len, want);
        if (want > 0)
            assert_memory_equal(out.data, f->plain + at, want);
    }
    uint64_t size = 0;
    assert_int_equal(kw_stream_reader_size(r, &size, NULL), KW_OK);
    assert_int_equal(size, LARGEST);
    sealed_free(f);
}

static void random_access_does_not_believe_the_size(void **state)
{
    KW_UNUSED(state);
    struct sealed *f = sealed_new();
    uint64_t cut = KW_STREAM_START + KW_STREAM_SEALED_CHUNK + 500;
    KW_AUTO_PTR(kw_stream_reader) r = NULL;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    uint64_t size = 0;
    assert_int_equal(reader(&r, f, KW_STREAM_START + KW_STREAM_SEALED_CHUNK), KW_TRUNCATED);
    assert_int_equal(reader(&r, f, cut), KW_OK);
    assert_int_equal(kw_stream_reader_size(r, &size, NULL), KW_SEAL_BROKEN);
    assert_int_equal(kw_stream_reader_read(r, 0, LARGEST, &out, NULL), KW_SEAL_BROKEN);
    assert_int_equal(kw_stream_reader_read(r, LARGEST, 1, &out, NULL), KW_SEAL_BROKEN);
    assert_int_equal(out.len, 0);
    assert_int_equal(kw_stream_reader_read(r, 5, 100, &out, NULL),
                     KW_OK); /* a whole chunk is authentic */
    assert_memory_equal(out.data, f->plain + 5, 100);
    sealed_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_pieces),
        cmocka_unit_test(cut_off_anywhere),
        cmocka_unit_test(chunks_moved),
        cmocka_unit_test(altered_and_extended),
        cmocka_unit_test(random_access),
        cmocka_unit_test(random_access_does_not_believe_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

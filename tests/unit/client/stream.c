/* The public functions for streams, on an embedded authority. */
#include "client_scene.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_error err;

/* Byte i of the test's plaintext. */
static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 2654435761U >> 13);
}

static uint8_t *plain_new(size_t len)
{
    uint8_t *plain = malloc(len + 1);
    assert_non_null(plain);
    for (size_t i = 0; i < len; i++)
        plain[i] = byte_at(i);
    return plain;
}

/* Runs data through stream in pieces of step bytes; all that comes out is appended to out. */
static kw_code run(struct kw_stream *stream, const uint8_t *data, size_t len, size_t step,
                   struct kw_buf *out)
{
    struct kw_output piece = KW_OUTPUT_INIT;
    kw_code code = KW_OK;
    for (size_t at = 0; at < len && code == KW_OK; at += step) {
        size_t n = len - at < step ? len - at : step;
        code = kw_stream_update(stream, kw_input_of(data + at, n), &piece, &err);
        assert_true(piece.len <= n + 32768);
        kw_buf_append(out, piece.data, piece.len);
    }
    if (code == KW_OK)
        code = kw_stream_finish(stream, &piece, &err);
    kw_buf_append(out, piece.data, piece.len);
    assert_true(code == KW_OK || piece.len == 0);
    kw_free(&piece);
    kw_stream_free(stream);
    return code;
}

static void seal(struct client_scene *s, const uint8_t *plain, size_t len, struct kw_buf *out)
{
    struct kw_stream *stream = NULL;
    assert_int_equal(kw_stream_seal_start(s->client, &s->acme, &stream, &err), KW_OK);
    assert_int_equal(run(stream, plain, len, 65536, out), KW_OK);
}

static kw_code open_in_steps(struct client_scene *s, const struct kw_buf *sealed, size_t step,
                             struct kw_buf *out)
{
    struct kw_stream *stream = NULL;
    assert_int_equal(kw_stream_open_start(s->client, &s->acme, &stream, &err), KW_OK);
    return run(stream, sealed->data, sealed->len, step, out);
}

static void test_pieces(void **state)
{
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 200000};
    static const size_t steps[] = {1, 77, 78, 134, 4096, 16400, 1 << 20};
    struct client_scene s;
    uint8_t *plain = plain_new(200000);
    client_scene_start(&s, *state);
    for (size_t i = 0; i < KW_COUNT(sizes); i++) {
        KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
        seal(&s, plain, sizes[i], &sealed);
        assert_int_equal(sealed.len, 134 + sizes[i] + 16 * (sizes[i] / 16384 + 1));
        for (size_t j = 0; j < KW_COUNT(steps); j++) {
            KW_AUTO(kw_buf) opened = KW_BUF_INIT;
            assert_int_equal(open_in_steps(&s, &sealed, steps[j], &opened), KW_OK);
            assert_true(kw_bytes_equal(kw_buf_bytes(&opened), kw_bytes(plain, sizes[i])));
        }
    }
    free(plain);
    client_scene_stop(&s);
}

static void test_refusals(void **state)
{
    struct client_scene s;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    uint8_t *plain = plain_new(50000);
    client_scene_start(&s, *state);
    seal(&s, plain, 50000, &sealed);
    size_t whole = sealed.len;
    static const size_t cuts[] = {0, 1, 77, 78, 133, 134, 149, 16534, 50000};
    for (size_t i = 0; i < KW_COUNT(cuts); i++) {
        sealed.len = cuts[i];
        assert_int_not_equal(open_in_steps(&s, &sealed, 1000, &out), KW_OK);
    }
    sealed.len = 16534; /* up to the end of a chunk: nothing but the missing end tells */
    assert_int_equal(open_in_steps(&s, &sealed, 1000, &out), KW_TRUNCATED);
    sealed.len = whole;
    sealed.data[30000] ^= 1;
    assert_int_equal(open_in_steps(&s, &sealed, 1000, &out), KW_SEAL_BROKEN);
    sealed.data[30000] ^= 1;
    sealed.data[0] = 2;
    assert_int_equal(open_in_steps(&s, &sealed, 1, &out), KW_BAD_FORMAT);
    sealed.data[0] = 5;
    s.acme.tenant = "globex";
    assert_int_equal(open_in_steps(&s, &sealed, 1000, &out), KW_NOT_THIS_TENANT);
    free(plain);
    client_scene_stop(&s);
}

/* After its end or its first failure a stream does nothing more. */
static void test_over_is_over(void **state)
{
    struct client_scene s;
    struct kw_stream *stream = NULL;
    struct kw_output out = KW_OUTPUT_INIT;
    client_scene_start(&s, *state);
    assert_int_equal(kw_stream_seal_start(s.client, &s.acme, &stream, &err), KW_OK);
    assert_int_equal(kw_stream_finish(stream, &out, &err), KW_OK);
    assert_int_equal(kw_stream_update(stream, kw_input_text("x"), &out, &err), KW_STATE_CONFLICT);
    assert_int_equal(kw_stream_finish(stream, &out, &err), KW_STATE_CONFLICT);
    kw_stream_free(stream);
    assert_int_equal(kw_stream_open_start(s.client, &s.acme, &stream, &err), KW_OK);
    assert_int_equal(kw_stream_update(stream, kw_input_text("x"), &out, &err), KW_BAD_FORMAT);
    assert_int_equal(out.len, 0);
    assert_int_equal(kw_stream_finish(stream, &out, &err), KW_STATE_CONFLICT);
    kw_stream_free(stream);
    kw_stream_free(NULL);
    kw_free(&out);
    client_scene_stop(&s);
}

/* The options' texts may be gone when the head comes. */
static void test_options_are_kept(void **state)
{
    struct client_scene s;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_stream *stream = NULL;
    char tenant[] = "acme";
    char row[] = "7";
    struct kw_pair context[] = {{"row", row}};
    client_scene_start(&s, *state);
    s.acme.context = context;
    s.acme.context_count = 1;
    s.acme.tenant = tenant;
    seal(&s, (const uint8_t *)"hello", 5, &sealed);
    assert_int_equal(kw_stream_open_start(s.client, &s.acme, &stream, &err), KW_OK);
    memset(tenant, 'x', sizeof tenant - 1);
    row[0] = '8';
    assert_int_equal(run(stream, sealed.data, sealed.len, 50, &out), KW_OK);
    assert_true(kw_bytes_equal_str(kw_buf_bytes(&out), "hello"));
    client_scene_stop(&s);
}

/* ---- Callbacks ---- */

struct io {
    const uint8_t *data;
    size_t len, at;
    size_t most; /* a read gives */
    struct kw_buf out;
    kw_code fail;
    bool fail_write;
};

static kw_code read_io(void *arg, void *buffer, size_t size, size_t *len, struct kw_error *error)
{
    struct io *io = arg;
    size_t n = io->len - io->at < size ? io->len - io->at : size;
    n = n < io->most ? n : io->most;
    if (n == 0 && io->fail != KW_OK && !io->fail_write)
        return kw_fail(error, io->fail, "reading failed as asked");
    memcpy(buffer, io->data + io->at, n);
    io->at += n;
    *len = n;
    return KW_OK;
}

static kw_code write_io(void *arg, const void *data, size_t len, struct kw_error *error)
{
    struct io *io = arg;
    if (io->fail_write)
        return kw_fail(error, KW_DISK_FULL, "writing failed as asked");
    kw_buf_append(&io->out, data, len);
    return KW_OK;
}

static void test_callbacks(void **state)
{
    enum { SIZE = 3 << 20 };
    struct client_scene s;
    uint8_t *plain = plain_new(SIZE);
    struct io sealing = {.data = plain, .len = SIZE, .most = 70000};
    client_scene_start(&s, *state);
    struct kw_stream_io io = {.read = read_io, .write = write_io, .arg = &sealing};
    assert_int_equal(kw_stream_seal(s.client, &s.acme, &io, &err), KW_OK);
    struct io opening = {.data = sealing.out.data, .len = sealing.out.len, .most = 1 << 20};
    io.arg = &opening;
    assert_int_equal(kw_stream_open(s.client, &s.acme, &io, &err), KW_OK);
    assert_true(kw_bytes_equal(kw_buf_bytes(&opening.out), kw_bytes(plain, SIZE)));
    struct io bad_read = {.data = plain, .len = 10, .most = 10, .fail = KW_IO};
    io.arg = &bad_read;
    assert_int_equal(kw_stream_seal(s.client, &s.acme, &io, &err), KW_IO);
    assert_string_equal(err.text, "reading failed as asked");
    assert_int_equal(bad_read.out.len, 0);
    struct io bad_write = {.data = plain, .len = 10, .most = 10, .fail_write = true};
    io.arg = &bad_write;
    assert_int_equal(kw_stream_seal(s.client, &s.acme, &io, &err), KW_DISK_FULL);
    kw_buf_wipe(&sealing.out);
    kw_buf_wipe(&opening.out);
    free(plain);
    client_scene_stop(&s);
}

/* ---- Random access ---- */

static kw_code read_at(void *arg, uint64_t offset, void *buffer, size_t len, struct kw_error *error)
{
    const struct kw_buf *sealed = arg;
    if (offset > sealed->len || len > sealed->len - offset)
        return kw_fail(error, KW_IO, "read past the end");
    memcpy(buffer, sealed->data + offset, len);
    return KW_OK;
}

static void test_view(void **state)
{
    struct client_scene s;
    KW_AUTO(kw_buf) sealed = KW_BUF_INIT;
    struct kw_stream_view *view = NULL;
    struct kw_output out = KW_OUTPUT_INIT;
    uint64_t size = 0;
    uint8_t *plain = plain_new(100000);
    client_scene_start(&s, *state);
    seal(&s, plain, 100000, &sealed);
    struct kw_stream_place place = {.read_at = read_at, .arg = &sealed, .size = sealed.len};
    assert_int_equal(kw_stream_view_open(s.client, &s.acme, &place, &view, &err), KW_OK);
    assert_int_equal(kw_stream_view_size(view, &size, &err), KW_OK);
    assert_int_equal(size, 100000);
    for (size_t at = 0; at < 110000; at += 9973) {
        size_t expected = at >= 100000 ? 0 : 100000 - at < 20000 ? 100000 - at : 20000;
        assert_int_equal(kw_stream_view_read(view, at, 20000, &out, &err), KW_OK);
        assert_int_equal(out.len, expected);
        assert_memory_equal(out.data, plain + (expected > 0 ? at : 0), expected);
    }
    sealed.data[60000] ^= 1;
    assert_int_equal(kw_stream_view_read(view, 0, 16384, &out, &err), KW_OK);
    assert_int_equal(kw_stream_view_read(view, 0, 100000, &out, &err), KW_SEAL_BROKEN);
    kw_stream_view_free(view);
    kw_stream_view_free(NULL);
    place.size = 77;
    assert_int_equal(kw_stream_view_open(s.client, &s.acme, &place, &view, &err), KW_TRUNCATED);
    place.size = 0;
    assert_int_equal(kw_stream_view_open(s.client, &s.acme, &place, &view, &err), KW_TRUNCATED);
    kw_free(&out);
    free(plain);
    client_scene_stop(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pieces),           TEST(test_refusals),  TEST(test_over_is_over),
        TEST(test_options_are_kept), TEST(test_callbacks), TEST(test_view),
    };
    return cmocka_run_group_tests_name("client/stream", tests, NULL, NULL);
}

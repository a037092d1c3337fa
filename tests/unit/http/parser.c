/* http/parser: what is accepted, what is refused, and that neither depends on how the bytes were
 * cut. */
#include "http/parser.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { HEADER_LIMIT = 8192, BODY_LIMIT = 1000 };

struct result {
    kw_code code;
    enum kw_http_phase phase;
    size_t used;
};

/* Feeds text in pieces of step bytes, stopping at the end of the request or an error. */
static struct result feed(struct kw_http_parser *parser, const char *text, size_t len, size_t step)
{
    struct result r = {KW_OK, KW_HTTP_PHASE_HEAD, 0};
    while (r.used < len && r.code == KW_OK && parser->phase != KW_HTTP_PHASE_DONE) {
        size_t n = len - r.used < step ? len - r.used : step;
        size_t used = 0;
        /* A copy of its own size: reading past a piece is a fault that the sanitizer sees. */
        char *piece = malloc(n);
        memcpy(piece, text + r.used, n);
        struct kw_error err;
        r.code = kw_http_parser_feed(parser, kw_bytes(piece, n), &used, &err);
        free(piece);
        r.used += used;
        if (r.code == KW_OK && parser->phase != KW_HTTP_PHASE_DONE)
            assert_int_equal(used, n);
    }
    r.phase = parser->phase;
    return r;
}

static struct result parse(struct kw_http_message *m, const char *text, size_t step)
{
    struct kw_http_parser parser;
    kw_http_parser_begin(&parser, m, HEADER_LIMIT, BODY_LIMIT);
    return feed(&parser, text, strlen(text), step);
}

static const size_t steps[] = {1, 2, 3, 7, 64, 100000};

#define HOST "Host: h\r\n"

static const struct good {
    const char *text;
    const char *body;
    const char *path;
    enum kw_http_method method;
} good[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", "", "/", KW_HTTP_GET},
    {"HEAD /a/b HTTP/1.1\r\n" HOST "\r\n", "", "/a/b", KW_HTTP_HEAD},
    {"LIST /v1/x?y=1 HTTP/1.1\r\n" HOST "\r\n", "", "/v1/x", KW_HTTP_LIST},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "", "*", KW_HTTP_OPTIONS},
    {"GET http://h/p HTTP/1.1\r\n" HOST "\r\n", "", "/p", KW_HTTP_GET},
    {"GET https://h?q HTTP/1.1\r\n" HOST "\r\n", "", "/", KW_HTTP_GET},
    {"GET / HTTP/1.0\r\n\r\n", "", "/", KW_HTTP_GET},
    {"POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", "hello", "/p", KW_HTTP_POST},
    {"POST /p HTTP/1.1\r\n" HOST "Content-Length:5 \r\n\r\nhello", "hello", "/p", KW_HTTP_POST},
    {"PUT /p HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "", "/p", KW_HTTP_PUT},
    {"POST /p HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
     "hello", "/p", KW_HTTP_POST},
    {"POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "", "/p",
     KW_HTTP_POST},
    {"DELETE /p HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "", "/p",
     KW_HTTP_DELETE},
    {"PATCH /p HTTP/1.1\r\n" HOST "Empty:\r\nTab:\ta\tb \r\n\r\n", "", "/p", KW_HTTP_PATCH},
};

static void accepts_requests_in_any_pieces(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(good); i++)
        for (size_t k = 0; k < KW_COUNT(steps); k++) {
            KW_AUTO(kw_http_message) m;
            kw_http_message_init(&m);
            struct result r = parse(&m, good[i].text, steps[k]);
            if (r.code != KW_OK || r.phase != KW_HTTP_PHASE_DONE || r.used != strlen(good[i].text))
                fail_msg("%s in pieces of %zu: %s", good[i].text, steps[k], kw_code_name(r.code));
            assert_true(kw_bytes_equal_str(kw_buf_bytes(&m.req.body), good[i].body));
            assert_string_equal(m.req.path, good[i].path);
            assert_int_equal(m.req.method, good[i].method);
        }
}

#define GET     "GET / HTTP/1.1\r\n" HOST
#define POST    "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct bad {
    const char *text;
    kw_code code;
} bad[] = {
    /* Two ways to read where the body ends. */
    {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", KW_BAD_REQUEST},
    {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content-Length: 5, 5\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {POST "Content-Length: -5\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content-Length: +5\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content-Length: 0x5\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content-Length: 5.0\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content-Length: 5 5\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content-Length:\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content-Length: 18446744073709551621\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content-Length : 5\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Content_Length: 5\r\nContent-Length\t: 5\r\n\r\nhello", KW_BAD_REQUEST},
    {POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {POST "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     KW_BAD_REQUEST},
    {POST "Transfer-Encoding:\x0b"
          "chunked\r\n\r\n0\r\n\r\n",
     KW_BAD_REQUEST},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "5;ext=1\r\nhello\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "5;\r\nhello\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "5 \r\nhello\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "+5\r\nhello\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "-5\r\nhello\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "5\nhello\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "5\r\nhello\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "5\r\nhelloXX0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "5\r\nhello\r\n0\r\nX: y\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "\r\nhello\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "ffffffffffffffff1\r\nhello\r\n0\r\n\r\n", KW_BAD_REQUEST},
    {CHUNKED "10000\r\n", KW_OK}, /* too large only once the bytes come: see below */
    /* Lines and fields. */
    {"GET / HTTP/1.1\nHost: h\n\n", KW_BAD_REQUEST},
    {GET "A: b\n\r\n", KW_BAD_REQUEST},
    {GET "A: b\r\n\n", KW_BAD_REQUEST},
    {GET "A: b\rc\r\n\r\n", KW_BAD_REQUEST},
    {GET "A : b\r\n\r\n", KW_BAD_REQUEST},
    {GET "A\t: b\r\n\r\n", KW_BAD_REQUEST},
    {GET " A: b\r\n\r\n", KW_BAD_REQUEST},
    {GET "A: b\r\n c\r\n\r\n", KW_BAD_REQUEST},
    {GET "A: b\r\n\tc\r\n\r\n", KW_BAD_REQUEST},
    {GET ": b\r\n\r\n", KW_BAD_REQUEST},
    {GET "A\r\n\r\n", KW_BAD_REQUEST},
    {GET "A(: b\r\n\r\n", KW_BAD_REQUEST},
    {GET "\xc3\xa4: b\r\n\r\n", KW_BAD_REQUEST},
    {GET "A: b\x01\r\n\r\n", KW_BAD_REQUEST},
    {GET "A: b\x7f\r\n\r\n", KW_BAD_REQUEST},
    {"\r\n" GET "\r\n", KW_BAD_REQUEST},
    {GET "Host: other\r\n\r\n", KW_BAD_REQUEST},
    {"GET / HTTP/1.1\r\nA: b\r\n\r\n", KW_BAD_REQUEST},
    {GET "Authorization: a\r\nAuthorization: b\r\n\r\n", KW_BAD_REQUEST},
    {GET "Expect: miracles\r\n\r\n", KW_BAD_REQUEST},
    /* The request line. */
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", KW_BAD_REQUEST},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET /\r\n\r\n", KW_BAD_REQUEST},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET / HTTP/11\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET / http/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"get / HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", KW_BAD_REQUEST},
    {"DESCRIBE / RTSP/1.0\r\n" HOST "\r\n", KW_METHOD_NOT_ALLOWED},
    {"SOURCE / ICE/1.0\r\n" HOST "\r\n", KW_METHOD_NOT_ALLOWED},
    {"CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n", KW_METHOD_NOT_ALLOWED},
    {"TRACE / HTTP/1.1\r\n" HOST "\r\n", KW_METHOD_NOT_ALLOWED},
    {"PROPFIND / HTTP/1.1\r\n" HOST "\r\n", KW_METHOD_NOT_ALLOWED},
    {"LISTX / HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"LIST  / HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET h/p HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET ftp://h/p HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET /a#b HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET /\xff HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {"GET /a\x01 HTTP/1.1\r\n" HOST "\r\n", KW_BAD_REQUEST},
    {POST "Content-Length: 1001\r\n\r\n", KW_TOO_LARGE},
    {"\x16\x03\x01\x02\n", KW_BAD_REQUEST},
};

static void refuses_what_can_be_read_in_two_ways(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        for (size_t k = 0; k < KW_COUNT(steps); k++) {
            KW_AUTO(kw_http_message) m;
            kw_http_message_init(&m);
            struct result r = parse(&m, bad[i].text, steps[k]);
            if (r.code != bad[i].code)
                fail_msg("case %zu in pieces of %zu: %s instead of %s: %s", i, steps[k],
                         kw_code_name(r.code), kw_code_name(bad[i].code), bad[i].text);
        }
}

/* A NUL at every place of a request: never accepted as part of the head. */
static void refuses_nul_anywhere_in_the_head(void **state)
{
    KW_UNUSED(state);
    static const char text[] = "GET /path?q HTTP/1.1\r\nHost: h\r\nAb: cd\r\n\r\n";
    for (size_t at = 0; at < sizeof text - 1; at++) {
        char copy[sizeof text];
        memcpy(copy, text, sizeof text);
        copy[at] = '\0';
        KW_AUTO(kw_http_message) m;
        kw_http_message_init(&m);
        struct kw_http_parser parser;
        kw_http_parser_begin(&parser, &m, HEADER_LIMIT, BODY_LIMIT);
        struct result r = feed(&parser, copy, sizeof text - 1, 1000);
        assert_true(r.code != KW_OK || r.phase != KW_HTTP_PHASE_DONE);
    }
}

static void gives_texts_and_fields(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_http_message) m;
    kw_http_message_init(&m);
    struct result r = parse(&m,
                            "POST /a%20b?x=1&y=a+b%2Fc&z HTTP/1.1\r\nhOSt: h\r\nX-One:  v 1 \r\n"
                            "traceparent: 00-11-22-01\r\nExpect: 100-Continue\r\n"
                            "Content-Length: 1\r\n\r\n!",
                            5);
    assert_int_equal(r.phase, KW_HTTP_PHASE_DONE);
    assert_string_equal(m.req.path, "/a%20b");
    assert_string_equal(m.req.query, "x=1&y=a+b%2Fc&z");
    assert_string_equal(m.req.method_text, "POST");
    assert_string_equal(kw_http_header(&m.req, "host"), "h");
    assert_string_equal(kw_http_header(&m.req, "x-one"), "v 1");
    assert_string_equal(kw_http_traceparent(&m.req), "00-11-22-01");
    assert_null(kw_http_header(&m.req, "absent"));
    assert_true(m.expects_continue && m.keep_alive && m.http11);
}

static void decodes_paths_and_queries(void **state)
{
    KW_UNUSED(state);
    struct kw_http_request req = {.query = "x=1&y=a+b%2fc&z&x2=3&d=1&d=2&e=%0&f=%00&=4"};
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    assert_int_equal(kw_http_query_get(&req, "y", &out, NULL), KW_OK);
    assert_string_equal(kw_buf_str(&out), "a b/c");
    kw_buf_reset(&out);
    assert_int_equal(kw_http_query_get(&req, "x", &out, NULL), KW_OK);
    assert_string_equal(kw_buf_str(&out), "1");
    kw_buf_reset(&out);
    assert_int_equal(kw_http_query_get(&req, "z", &out, NULL), KW_OK);
    assert_int_equal(out.len, 0);
    assert_int_equal(kw_http_query_get(&req, "w", &out, NULL), KW_NOT_FOUND);
    assert_int_equal(kw_http_query_get(&req, "d", &out, NULL), KW_BAD_REQUEST);
    assert_int_equal(kw_http_query_get(&req, "e", &out, NULL), KW_BAD_REQUEST);
    assert_int_equal(kw_http_query_get(&req, "f", &out, NULL), KW_BAD_REQUEST);
    kw_buf_reset(&out);
    assert_int_equal(kw_http_percent_decode(&out, "/a+%41%7e", NULL), KW_OK);
    assert_string_equal(kw_buf_str(&out), "/a+A~");
    assert_int_equal(kw_http_percent_decode(&out, "%4", NULL), KW_BAD_REQUEST);
    assert_int_equal(kw_http_percent_decode(&out, "%g1", NULL), KW_BAD_REQUEST);
    assert_int_equal(kw_http_percent_decode(&out, "%", NULL), KW_BAD_REQUEST);
}

static void leaves_the_next_request_alone(void **state)
{
    KW_UNUSED(state);
    static const char two[] = POST "Content-Length: 2\r\n\r\nab" GET "\r\n";
    for (size_t k = 0; k < KW_COUNT(steps); k++) {
        KW_AUTO(kw_http_message) m;
        kw_http_message_init(&m);
        struct kw_http_parser parser;
        kw_http_parser_begin(&parser, &m, HEADER_LIMIT, BODY_LIMIT);
        struct result r = feed(&parser, two, sizeof two - 1, steps[k]);
        assert_int_equal(r.phase, KW_HTTP_PHASE_DONE);
        assert_int_equal(r.used, strlen(POST "Content-Length: 2\r\n\r\nab"));
        kw_http_parser_begin(&parser, &m, HEADER_LIMIT, BODY_LIMIT);
        struct result next = feed(&parser, two + r.used, sizeof two - 1 - r.used, steps[k]);
        assert_int_equal(next.phase, KW_HTTP_PHASE_DONE);
        assert_int_equal(m.req.method, KW_HTTP_GET);
        assert_int_equal(m.req.body.len, 0);
    }
}

static struct result parse_generated(struct kw_buf *text)
{
    KW_AUTO(kw_http_message) m;
    kw_http_message_init(&m);
    return parse(&m, kw_buf_str(text), 4096);
}

static void bounds_the_head(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    kw_buf_append_str(&text, GET "A: ");
    while (text.len < HEADER_LIMIT - 4)
        kw_buf_append_byte(&text, 'x');
    kw_buf_append_str(&text, "\r\n\r\n");
    assert_int_equal(parse_generated(&text).phase, KW_HTTP_PHASE_DONE); /* exactly the limit */
    text.len -= 4;
    kw_buf_append_str(&text, "x\r\n\r\n");
    assert_int_equal(parse_generated(&text).code, KW_HEADERS_TOO_LARGE);
    kw_buf_reset(&text);
    kw_buf_append_str(&text, GET);
    for (int i = 1; i < KW_HTTP_MAX_HEADERS; i++)
        kw_buf_printf(&text, "H%d: v\r\n", i);
    size_t most = text.len;
    kw_buf_append_str(&text, "\r\n");
    assert_int_equal(parse_generated(&text).phase, KW_HTTP_PHASE_DONE);
    text.len = most;
    kw_buf_append_str(&text, "One-More: v\r\n\r\n");
    assert_int_equal(parse_generated(&text).code, KW_HEADERS_TOO_LARGE);
}

static void bounds_a_chunked_body(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    kw_buf_append_str(&text, CHUNKED "3e8\r\n");
    for (int i = 0; i < BODY_LIMIT; i++)
        kw_buf_append_byte(&text, 'b');
    size_t full = text.len;
    kw_buf_append_str(&text, "\r\n0\r\n\r\n");
    assert_int_equal(parse_generated(&text).phase, KW_HTTP_PHASE_DONE);
    text.len = full;
    kw_buf_append_str(&text, "\r\n1\r\nb\r\n0\r\n\r\n");
    assert_int_equal(parse_generated(&text).code, KW_TOO_LARGE);
    kw_buf_reset(&text);
    kw_buf_append_str(&text, CHUNKED); /* a size line that never ends */
    for (int i = 0; i < 200000; i++)
        kw_buf_append_byte(&text, '0');
    assert_int_equal(parse_generated(&text).code, KW_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_requests_in_any_pieces),
        cmocka_unit_test(refuses_what_can_be_read_in_two_ways),
        cmocka_unit_test(refuses_nul_anywhere_in_the_head),
        cmocka_unit_test(gives_texts_and_fields),
        cmocka_unit_test(decodes_paths_and_queries),
        cmocka_unit_test(leaves_the_next_request_alone),
        cmocka_unit_test(bounds_the_head),
        cmocka_unit_test(bounds_a_chunked_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

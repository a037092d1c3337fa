/* The HTTP request parser: the first byte chooses how the rest is cut into pieces. Besides not
 * crashing: the pieces don't change what comes out, and what comes out keeps its promises. */
#include "http/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER_LIMIT = 2048, BODY_LIMIT = 4096 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_request(const struct kw_http_message *m)
{
    check(m->req.body.len <= BODY_LIMIT);
    check(m->req.path[0] == '/' || strcmp(m->req.path, "*") == 0);
    check(strpbrk(m->req.path, " \t\r\n#?") == NULL && strpbrk(m->req.query, " \t\r\n#") == NULL);
    check(m->req.field_count <= KW_HTTP_MAX_HEADERS);
    for (size_t i = 0; i < m->req.field_count; i++) {
        const struct kw_http_field *field = &m->req.fields[i];
        check(field->name[0] != '\0' && strpbrk(field->name, " \t\r\n:ABCXYZ") == NULL);
        check(strpbrk(field->value, "\r\n") == NULL);
    }
    check(kw_http_header(&m->req, "content-length") == NULL ||
          kw_http_header(&m->req, "transfer-encoding") == NULL);
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    kw_code ignored = kw_http_percent_decode(&out, m->req.path, NULL);
    ignored = kw_http_query_get(&m->req, "a", &out, NULL);
    KW_UNUSED(ignored);
}

/* Parses every request of the input; returns a sum over what was found. */
static size_t parse(const uint8_t *data, size_t size, size_t step)
{
    KW_AUTO(kw_http_message) m;
    struct kw_http_parser parser;
    size_t sum = 0;
    kw_http_message_init(&m);
    kw_http_parser_begin(&parser, &m, HEADER_LIMIT, BODY_LIMIT);
    for (size_t at = 0; at < size;) {
        size_t n = size - at < step ? size - at : step;
        size_t used = 0;
        if (kw_http_parser_feed(&parser, kw_bytes(data + at, n), &used, NULL) != KW_OK)
            return sum * 31 + 1;
        check(used <= n && (used == n || parser.phase == KW_HTTP_PHASE_DONE));
        at += used;
        if (parser.phase != KW_HTTP_PHASE_DONE)
            continue;
        check_request(&m);
        sum = sum * 31 + m.req.body.len + m.req.field_count * 7 + strlen(m.req.path);
        kw_http_parser_begin(&parser, &m, HEADER_LIMIT, BODY_LIMIT);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = (size_t)data[0] + 1;
    check(parse(data + 1, size - 1, step) == parse(data + 1, size - 1, SIZE_MAX));
    return 0;
}

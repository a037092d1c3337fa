#include "http/parser.h"

#include "http/head.h"

enum { CHUNK_FRAMING = 64 * 1024 }; /* allowed on top of twice the body limit */

static struct kw_http_parser *self(llhttp_t *llhttp)
{
    return llhttp->data;
}

static int stop(llhttp_t *llhttp, const char *why)
{
    self(llhttp)->why = why;
    return HPE_USER;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    self(llhttp)->url = at;
    self(llhttp)->url_len = len;
    return HPE_OK;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct kw_http_parser *parser = self(llhttp);
    struct kw_http_message *m = parser->message;
    if (parser->phase != KW_HTTP_PHASE_HEAD)
        return stop(llhttp, "trailers after a chunked body are not accepted");
    if (m->req.field_count == KW_HTTP_MAX_HEADERS) {
        parser->too_large = true;
        return stop(llhttp, "more than 64 header fields");
    }
    m->fields[m->req.field_count] = (struct kw_http_field){.name = at, .value = at + len};
    parser->name_lens[m->req.field_count] = len;
    parser->value_lens[m->req.field_count] = 0;
    m->req.field_count++;
    return HPE_OK;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct kw_http_parser *parser = self(llhttp);
    if (parser->phase != KW_HTTP_PHASE_HEAD || parser->message->req.field_count == 0)
        return stop(llhttp, "trailers after a chunked body are not accepted");
    if (len == 0)
        return HPE_OK; /* at points at the next line then */
    size_t i = parser->message->req.field_count - 1;
    parser->message->fields[i].value = at;
    parser->value_lens[i] = len;
    return HPE_OK;
}

static int on_head_end(llhttp_t *llhttp)
{
    self(llhttp)->head_ended = true;
    self(llhttp)->message->keep_alive = llhttp_should_keep_alive(llhttp) == 1;
    /* An offer to switch protocols may be ignored (RFC 9110, 7.8); the request is then an ordinary
     * one. */
    llhttp->upgrade = 0;
    return HPE_OK;
}

static int on_chunk_extension(llhttp_t *llhttp, const char *at, size_t len)
{
    KW_UNUSED(at);
    KW_UNUSED(len);
    return stop(llhttp, "chunk extensions are not accepted");
}

static int on_chunk_extension_end(llhttp_t *llhttp)
{
    return stop(llhttp, "chunk extensions are not accepted");
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    struct kw_http_parser *parser = self(llhttp);
    struct kw_buf *body = &parser->message->req.body;
    if (len > parser->body_bytes - body->len) {
        parser->too_large = true;
        return stop(llhttp, "the request body is larger than the limit");
    }
    kw_buf_append(body, at, len);
    return body->failed ? stop(llhttp, NULL) : HPE_OK;
}

static int on_end(llhttp_t *llhttp)
{
    self(llhttp)->phase = KW_HTTP_PHASE_DONE;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head_end,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_name_complete = on_chunk_extension_end,
    .on_body = on_body,
    .on_message_complete = on_end,
};

void kw_http_message_init(struct kw_http_message *message)
{
    *message = (struct kw_http_message){.head.secret = true, .req.body.secret = true};
}

void kw_http_message_wipe(struct kw_http_message *message)
{
    kw_buf_wipe(&message->head);
    kw_buf_wipe(&message->req.body);
}

void kw_http_parser_begin(struct kw_http_parser *parser, struct kw_http_message *message,
                          size_t header_bytes, size_t body_bytes)
{
    kw_buf_reset(&message->head);
    kw_buf_reset(&message->req.body);
    message->req.field_count = 0;
    message->req.fields = message->fields;
    message->req.context = NULL;
    message->expects_continue = false;
    message->http11 = true; /* until known: an error is answered as to an HTTP/1.1 client */
    message->keep_alive = false;
    parser->message = message;
    parser->phase = KW_HTTP_PHASE_HEAD;
    parser->header_bytes = header_bytes;
    parser->body_bytes = body_bytes;
    parser->line_len = parser->lines = parser->body_raw = 0;
    parser->last = 0;
    parser->too_large = parser->head_ended = false;
    parser->why = NULL;
    parser->url = NULL;
    parser->url_len = 0;
    llhttp_init(&parser->llhttp, HTTP_REQUEST, &settings);
    parser->llhttp.data = parser;
}

/* Why llhttp stopped, as an error of ours. */
static kw_code explain(struct kw_http_parser *parser, llhttp_errno_t code, struct kw_error *err)
{
    if (parser->message->req.body.failed)
        return kw_fail_code(err, KW_NO_MEMORY);
    bool in_head = parser->phase == KW_HTTP_PHASE_HEAD;
    if (code == HPE_USER && parser->too_large)
        return kw_fail(err, in_head ? KW_HEADERS_TOO_LARGE : KW_TOO_LARGE, "%s", parser->why);
    if (code == HPE_USER)
        return kw_fail(err, KW_BAD_REQUEST, "%s", parser->why);
    const char *reason = llhttp_get_error_reason(&parser->llhttp);
    return kw_fail(err, KW_BAD_REQUEST, "not a valid HTTP/1.1 request: %s",
                   reason != NULL && reason[0] != '\0' ? reason : llhttp_errno_name(code));
}

static KW_ERR run(struct kw_http_parser *parser, const char *data, size_t len, size_t *used,
                  struct kw_error *err)
{
    llhttp_errno_t code = llhttp_execute(&parser->llhttp, data, len);
    *used = len;
    if (code == HPE_PAUSED && parser->phase == KW_HTTP_PHASE_DONE)
        *used = (size_t)(llhttp_get_error_pos(&parser->llhttp) - data);
    else if (code != HPE_OK)
        return explain(parser, code, err);
    return KW_OK;
}

/* Looks at the lines in data[0..len). *end is where the head ends, 0 if it does not end here. */
static KW_ERR check_lines(struct kw_http_parser *parser, const uint8_t *data, size_t len,
                          size_t *end, struct kw_error *err)
{
    size_t start = 0;
    while (start < len) {
        if (parser->line_len == 0 && parser->lines > 0 &&
            (data[start] == ' ' || data[start] == '\t'))
            return kw_fail(err, KW_BAD_REQUEST, "folded header lines are not accepted");
        const uint8_t *lf = memchr(data + start, '\n', len - start);
        if (lf == NULL)
            break;
        size_t at = (size_t)(lf - data);
        if ((at > 0 ? data[at - 1] : parser->last) != '\r')
            return kw_fail(err, KW_BAD_REQUEST, "a line ends without a carriage return");
        bool is_empty = parser->line_len + (at + 1 - start) == 2;
        if (is_empty && parser->lines == 0)
            return kw_fail(err, KW_BAD_REQUEST, "an empty line comes before the request");
        parser->line_len = 0;
        parser->lines++;
        start = at + 1;
        if (is_empty) {
            *end = start;
            return KW_OK;
        }
    }
    parser->line_len += len - start;
    parser->last = len > 0 ? data[len - 1] : parser->last;
    return KW_OK;
}

static KW_ERR parse_head(struct kw_http_parser *parser, struct kw_error *err)
{
    struct kw_http_message *m = parser->message;
    const char *text = (const char *)m->head.data;
    size_t len = m->head.len;
    size_t skip = 0;
    size_t used = 0;
    bool list = len > 5 && memcmp(text, "LIST ", 5) == 0;
    if (list) {
        KW_TRY(run(parser, "GET", 3, &used, err));
        skip = 4;
    }
    KW_TRY(run(parser, text + skip, len - skip, &used, err));
    if (!parser->head_ended || used != len - skip) /* llhttp and we must agree where it ends */
        return kw_fail(err, KW_BAD_REQUEST, "not a valid HTTP/1.1 request");
    KW_TRY(kw_http_head_finish(parser, list, err));
    if (parser->phase == KW_HTTP_PHASE_HEAD)
        parser->phase = KW_HTTP_PHASE_BODY;
    return KW_OK;
}

static KW_ERR feed_head(struct kw_http_parser *parser, struct kw_bytes data, size_t *used,
                        struct kw_error *err)
{
    struct kw_buf *head = &parser->message->head;
    size_t room = parser->header_bytes - head->len;
    size_t take = data.len < room ? data.len : room;
    size_t end = 0;
    KW_TRY(check_lines(parser, data.data, take, &end, err));
    *used = end > 0 ? end : take;
    kw_buf_append(head, data.data, *used);
    KW_TRY(kw_buf_status(head, err));
    if (end > 0)
        return parse_head(parser, err);
    if (head->len >= parser->header_bytes)
        return kw_fail(err, KW_HEADERS_TOO_LARGE, "the request header is larger than %zu bytes",
                       parser->header_bytes);
    return KW_OK;
}

static KW_ERR feed_body(struct kw_http_parser *parser, struct kw_bytes data, size_t *used,
                        struct kw_error *err)
{
    KW_TRY(run(parser, (const char *)data.data, data.len, used, err));
    parser->body_raw += *used;
    if (parser->body_raw > 2 * parser->body_bytes + CHUNK_FRAMING)
        return kw_fail(err, KW_TOO_LARGE, "the request body is cut into too many small chunks");
    return KW_OK;
}

KW_ERR kw_http_parser_feed(struct kw_http_parser *parser, struct kw_bytes data, size_t *used,
                           struct kw_error *err)
{
    *used = 0;
    if (parser->phase == KW_HTTP_PHASE_HEAD && data.len > 0)
        KW_TRY(feed_head(parser, data, used, err));
    if (parser->phase == KW_HTTP_PHASE_BODY && *used < data.len) {
        size_t more = 0;
        KW_TRY(feed_body(parser, kw_bytes(data.data + *used, data.len - *used), &more, err));
        *used += more;
    }
    return KW_OK;
}

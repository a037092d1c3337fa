#include "http/head.h"

#include "base/encode.h"

static const struct method {
    llhttp_method_t llhttp;
    enum kw_http_method ours;
    const char *text;
} methods[] = {
    {HTTP_GET, KW_HTTP_GET, "GET"},
    {HTTP_HEAD, KW_HTTP_HEAD, "HEAD"},
    {HTTP_POST, KW_HTTP_POST, "POST"},
    {HTTP_PUT, KW_HTTP_PUT, "PUT"},
    {HTTP_PATCH, KW_HTTP_PATCH, "PATCH"},
    {HTTP_DELETE, KW_HTTP_DELETE, "DELETE"},
    {HTTP_OPTIONS, KW_HTTP_OPTIONS, "OPTIONS"},
};

/* Fields that decide something: a second one is an attempt to be read in two ways. */
static const struct {
    const char *name;
    size_t len;
} singletons[] = {
    {"host", 4},           {"content-length", 14}, {"transfer-encoding", 17},
    {"authorization", 13}, {"content-type", 12},   {"expect", 6},
};

/* RFC 9110, 5.6.2: the characters of a token. */
static bool is_token_char(unsigned char c)
{
    static const bool others[256] = {
        ['!'] = true,  ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true,
        ['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
        ['^'] = true,  ['_'] = true, ['`'] = true, ['|'] = true, ['~'] = true,
    };
    return others[c] || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool kw_http_is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_token_char((unsigned char)text[i]))
            return false;
    return len > 0;
}

bool kw_http_is_value(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static KW_ERR finish_method(struct kw_http_parser *parser, bool list, struct kw_error *err)
{
    struct kw_http_request *req = &parser->message->req;
    if (list) {
        req->method = KW_HTTP_LIST;
        req->method_text = "LIST";
        return KW_OK;
    }
    for (size_t i = 0; i < KW_COUNT(methods); i++)
        if (methods[i].llhttp == llhttp_get_method(&parser->llhttp)) {
            req->method = methods[i].ours;
            req->method_text = methods[i].text;
            return KW_OK;
        }
    return kw_fail_code(err, KW_METHOD_NOT_ALLOWED);
}

/* The first line must be METHOD SP target SP HTTP/1.x CRLF to the letter; llhttp is laxer. */
static KW_ERR finish_line(struct kw_http_parser *parser, struct kw_error *err)
{
    struct kw_http_message *m = parser->message;
    const char *line = (const char *)m->head.data;
    const char *end = line + m->head.len;
    const char *url = parser->url;
    size_t method_len = strlen(m->req.method_text);
    if (url != line + method_len + 1 || line[method_len] != ' ')
        return kw_fail(err, KW_BAD_REQUEST, "the request line is malformed");
    const char *version = url + parser->url_len;
    if (end - version < 11 || memcmp(version, " HTTP/1.", 8) != 0 ||
        (version[8] != '0' && version[8] != '1') || memcmp(version + 9, "\r\n", 2) != 0)
        return kw_fail(err, KW_BAD_REQUEST, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    m->http11 = version[8] == '1';
    return KW_OK;
}

/* RFC 9112, 3.2: origin-form; absolute-form, of which the authority is dropped; "*" for OPTIONS.
 * authority-form belongs to CONNECT, which is no method of ours. */
static KW_ERR finish_target(struct kw_http_parser *parser, struct kw_error *err)
{
    struct kw_http_message *m = parser->message;
    char *url = (char *)m->head.data + (parser->url - (const char *)m->head.data);
    url[parser->url_len] = '\0'; /* the space before the version */
    if (strchr(url, '#') != NULL)
        return kw_fail(err, KW_BAD_REQUEST, "a request target has no fragment");
    char *query = strchr(url, '?');
    if (query != NULL)
        *query++ = '\0';
    m->req.query = query != NULL ? query : "";
    m->req.path = url;
    if (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0) {
        const char *path = strchr(strchr(url, ':') + 3, '/');
        m->req.path = path != NULL ? path : "/";
    }
    bool is_star = m->req.method == KW_HTTP_OPTIONS && strcmp(url, "*") == 0;
    if (m->req.path[0] != '/' && !is_star)
        return kw_fail(err, KW_BAD_REQUEST, "the request target is not a path");
    return KW_OK;
}

/* name and value of field i as terminated texts: the colon and the CR behind them make room. */
static KW_ERR finish_field(struct kw_http_parser *parser, size_t i, struct kw_error *err)
{
    struct kw_http_message *m = parser->message;
    char *base = (char *)m->head.data;
    char *name = base + (m->fields[i].name - base);
    char *value = base + (m->fields[i].value - base);
    size_t name_len = parser->name_lens[i];
    size_t value_len = parser->value_lens[i];
    if (!kw_http_is_token(name, name_len))
        return kw_fail(err, KW_BAD_REQUEST, "a header name is malformed");
    while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
        value_len--;
    if (!kw_http_is_value(value, value_len))
        return kw_fail(err, KW_BAD_REQUEST, "a header value has a control character");
    for (size_t k = 0; k < name_len; k++)
        if (name[k] >= 'A' && name[k] <= 'Z')
            name[k] = (char)(name[k] | 0x20);
    name[name_len] = '\0';
    value[value_len] = '\0';
    return KW_OK;
}

static KW_ERR refuse_repeated(const struct kw_http_parser *parser, struct kw_error *err)
{
    const struct kw_http_message *m = parser->message;
    unsigned seen = 0;
    for (size_t i = 0; i < m->req.field_count; i++)
        for (size_t k = 0; k < KW_COUNT(singletons); k++) {
            if (parser->name_lens[i] != singletons[k].len ||
                memcmp(m->fields[i].name, singletons[k].name, singletons[k].len) != 0)
                continue;
            if ((seen & (1U << k)) != 0)
                return kw_fail(err, KW_BAD_REQUEST, "the header %s comes twice",
                               singletons[k].name);
            seen |= 1U << k;
        }
    return KW_OK;
}

static KW_ERR check_framing(struct kw_http_parser *parser, struct kw_error *err)
{
    const struct kw_http_message *m = parser->message;
    const char *length = kw_http_header(&m->req, "content-length");
    const char *encoding = kw_http_header(&m->req, "transfer-encoding");
    if (length != NULL && encoding != NULL)
        return kw_fail(err, KW_BAD_REQUEST, "Content-Length beside Transfer-Encoding");
    if (encoding != NULL && (!m->http11 || strcasecmp(encoding, "chunked") != 0))
        return kw_fail(err, KW_BAD_REQUEST, "the only Transfer-Encoding accepted is chunked");
    if (length == NULL)
        return KW_OK;
    size_t digits = strspn(length, "0123456789");
    if (digits == 0 || digits > 18 || length[digits] != '\0')
        return kw_fail(err, KW_BAD_REQUEST, "Content-Length is not a plain number");
    if (strtoull(length, NULL, 10) > parser->body_bytes)
        return kw_fail(err, KW_TOO_LARGE, "the request body is larger than %zu bytes",
                       parser->body_bytes);
    return KW_OK;
}

static KW_ERR check_meaning(struct kw_http_message *m, struct kw_error *err)
{
    if (m->http11 && kw_http_header(&m->req, "host") == NULL)
        return kw_fail(err, KW_BAD_REQUEST, "the Host header is missing");
    const char *expect = kw_http_header(&m->req, "expect");
    if (expect == NULL || !m->http11) /* RFC 9110, 10.1.1: an HTTP/1.0 client's is ignored */
        return KW_OK;
    if (strcasecmp(expect, "100-continue") != 0)
        return kw_fail(err, KW_BAD_REQUEST, "the only expectation met here is 100-continue");
    m->expects_continue = true;
    return KW_OK;
}

KW_ERR kw_http_head_finish(struct kw_http_parser *parser, bool list, struct kw_error *err)
{
    struct kw_http_message *m = parser->message;
    KW_TRY(finish_method(parser, list, err));
    KW_TRY(finish_line(parser, err));
    KW_TRY(finish_target(parser, err));
    for (size_t i = 0; i < m->req.field_count; i++)
        KW_TRY(finish_field(parser, i, err));
    KW_TRY(refuse_repeated(parser, err));
    KW_TRY(check_framing(parser, err));
    return check_meaning(m, err);
}

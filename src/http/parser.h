/* One HTTP/1.x request out of bytes that arrive in any pieces, without sockets. llhttp does the
 * parsing; this adds what a key server must refuse besides. RFC 9112.
 *
 * The head is gathered whole first (at most header_bytes) and checked line by line as it comes, so
 * llhttp sees it in one piece and every text of the request points into it. Refused: anything but
 * CRLF at the end of a line, an empty line before the request, folded headers, white space in or
 * after a header's name, control characters, more than one space in the request line, any version
 * but 1.0 and 1.1, a missing or second Host, more than one Content-Length or one that is not plain
 * digits, a Transfer-Encoding other than exactly "chunked" or beside a Content-Length, chunk
 * extensions, trailers, a second Authorization, Content-Type or Expect, an Expect other than
 * 100-continue. Methods other than those of http/http.h are refused with KW_METHOD_NOT_ALLOWED.
 *
 * LIST, which llhttp does not know, is recognised by its five first bytes "LIST " and parsed as a
 * GET; the request says KW_HTTP_LIST. Not thread-safe. */
#ifndef KW_HTTP_PARSER_H
#define KW_HTTP_PARSER_H

#include "http/http.h"

#include <llhttp.h>

/* A request and what belongs to it. req comes first: the one is found from the other. */
struct kw_http_message {
    struct kw_http_request req;
    struct kw_buf head; /* secret: it holds bearer tokens */
    struct kw_http_field fields[KW_HTTP_MAX_HEADERS];
    bool http11;
    bool keep_alive;       /* as the client wishes */
    bool expects_continue; /* waits for 100 before it sends the body */
};

enum kw_http_phase { KW_HTTP_PHASE_HEAD, KW_HTTP_PHASE_BODY, KW_HTTP_PHASE_DONE };

struct kw_http_parser {
    llhttp_t llhttp;
    struct kw_http_message *message;
    enum kw_http_phase phase;
    size_t header_bytes; /* limits */
    size_t body_bytes;
    size_t line_len; /* bytes of the line that has begun */
    size_t lines;    /* lines that have ended */
    size_t body_raw; /* bytes taken in the body phase, chunk framing included */
    uint8_t last;    /* byte seen last */
    bool head_ended; /* says llhttp */
    bool too_large;  /* why a callback stopped llhttp */
    const char *why;
    const char *url;
    size_t url_len;
    size_t value_lens[KW_HTTP_MAX_HEADERS];
    size_t name_lens[KW_HTTP_MAX_HEADERS];
};

/* Makes message ready for use, and gives up what it holds. */
void kw_http_message_init(struct kw_http_message *message);
void kw_http_message_wipe(struct kw_http_message *message);
KW_CLEANUP_WIPE(kw_http_message)

/* Begins a request into message, which is emptied (its buffers are kept). */
void kw_http_parser_begin(struct kw_http_parser *parser, struct kw_http_message *message,
                          size_t header_bytes, size_t body_bytes);

/* Takes bytes; *used says how many. It takes all of them unless the request ends before
 * (phase == KW_HTTP_PHASE_DONE): the rest belongs to the next. KW_BAD_REQUEST,
 * KW_HEADERS_TOO_LARGE, KW_TOO_LARGE, KW_METHOD_NOT_ALLOWED, KW_NO_MEMORY: the connection has lost
 * its framing and must be closed after the answer. */
KW_ERR kw_http_parser_feed(struct kw_http_parser *parser, struct kw_bytes data, size_t *used,
                           struct kw_error *err);

#endif

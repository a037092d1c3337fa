/* What makes a head that llhttp has parsed into a request of ours: the rules of http/parser.h that
 * llhttp leaves open, and terminated texts. For parser.c alone. */
#ifndef KW_HTTP_HEAD_H
#define KW_HTTP_HEAD_H

#include "http/parser.h"

/* parser->message->head is complete and the spans are known; list: the method was LIST. Sets the
 * request's method, texts and fields; KW_BAD_REQUEST, KW_METHOD_NOT_ALLOWED, KW_TOO_LARGE. */
KW_ERR kw_http_head_finish(struct kw_http_parser *parser, bool list, struct kw_error *err);

/* May this text stand in a header as a name (a token, RFC 9110, 5.6.2), as a value? */
bool kw_http_is_token(const char *text, size_t len);
bool kw_http_is_value(const char *text, size_t len);

#endif

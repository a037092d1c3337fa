/* Text form of any sealed thing: "kw1." and base64url without padding. docs/spec/text.md.
 * One text for each byte string. Thread-safe. */
#ifndef KW_ENVELOPE_TEXT_H
#define KW_ENVELOPE_TEXT_H

#include "base/bytes.h"

#define KW_TEXT_PREFIX "kw1."
enum { KW_TEXT_PREFIX_SIZE = sizeof KW_TEXT_PREFIX - 1 };

bool kw_text_is(struct kw_bytes text);
void kw_text_encode(struct kw_buf *out, struct kw_bytes sealed);

/* Appends the bytes to out. KW_BAD_FORMAT without the prefix, KW_BAD_ENCODING if the rest is not
 * strict base64url; out is then as it was. */
KW_ERR kw_text_decode(struct kw_buf *out, struct kw_bytes text, struct kw_error *err);

#endif

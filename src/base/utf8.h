/* UTF-8, strictly (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 * Thread-safe. */
#ifndef KW_BASE_UTF8_H
#define KW_BASE_UTF8_H

#include "base/bytes.h"

/* How many bytes the well-formed character at the front of text has, 1 to 4; 0 if there is none. */
size_t kw_utf8_len(struct kw_bytes text);

/* How many bytes from the front are well-formed: text.len if all are. */
size_t kw_utf8_prefix(struct kw_bytes text);

static inline bool kw_utf8_valid(struct kw_bytes text)
{
    return kw_utf8_prefix(text) == text.len;
}

#endif

#include "envelope/text.h"

#include "base/encode.h"

bool kw_text_is(struct kw_bytes text)
{
    return text.len >= KW_TEXT_PREFIX_SIZE &&
           memcmp(text.data, KW_TEXT_PREFIX, KW_TEXT_PREFIX_SIZE) == 0;
}

void kw_text_encode(struct kw_buf *out, struct kw_bytes sealed)
{
    kw_buf_append_str(out, KW_TEXT_PREFIX);
    kw_base64url_encode(out, sealed);
}

KW_ERR kw_text_decode(struct kw_buf *out, struct kw_bytes text, struct kw_error *err)
{
    if (!kw_text_is(text))
        return kw_fail(err, KW_BAD_FORMAT, "the text form begins with \"" KW_TEXT_PREFIX "\"");
    return kw_base64url_decode(
        out, kw_bytes(text.data + KW_TEXT_PREFIX_SIZE, text.len - KW_TEXT_PREFIX_SIZE), err);
}

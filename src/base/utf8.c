#include "base/utf8.h"

/* RFC 3629 section 4: the second byte's range depends on the first, the others are 80..BF. */
size_t kw_utf8_len(struct kw_bytes text)
{
    const uint8_t *p = text.data;
    if (text.len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] < 0xc2 || p[0] > 0xf4 || text.len < len)
        return 0;
    uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

size_t kw_utf8_prefix(struct kw_bytes text)
{
    size_t at = 0;
    while (at < text.len) {
        uint64_t eight;
        if (text.len - at >= sizeof eight) {
            memcpy(&eight, text.data + at, sizeof eight);
            if ((eight & 0x8080808080808080ULL) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        size_t len = kw_utf8_len(kw_bytes(text.data + at, text.len - at));
        if (len == 0)
            return at;
        at += len;
    }
    return at;
}

#include "base/encode.h"

/* Values of the digits are one too high, so that 0 means that a character is none. */
struct alphabet {
    const char *digits;
    const uint8_t *values; /* 256 */
    bool padded;
};

/* The digits in which the two alphabets agree, with their values. */
#define COMMON_DIGITS                                                                              \
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,        \
    ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, \
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23,            \
    ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,            \
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37,            \
    ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,            \
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51,            \
    ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58,            \
    ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62

static const uint8_t standard_values[256] = {COMMON_DIGITS, ['+'] = 63, ['/'] = 64};
static const uint8_t url_values[256] = {COMMON_DIGITS, ['-'] = 63, ['_'] = 64};

static const struct alphabet standard = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", standard_values, true};
static const struct alphabet url = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", url_values, false};

static size_t encoded_len(const struct alphabet *a, size_t len)
{
    size_t rest = len % 3;
    return len / 3 * 4 + (rest == 0 ? 0 : a->padded ? 4 : rest + 1);
}

static void encode(const struct alphabet *a, char *out, const uint8_t *in, size_t len)
{
    const char *d = a->digits;
    for (; len >= 3; len -= 3, in += 3) {
        *out++ = d[in[0] >> 2];
        *out++ = d[(in[0] & 3) << 4 | in[1] >> 4];
        *out++ = d[(in[1] & 15) << 2 | in[2] >> 6];
        *out++ = d[in[2] & 63];
    }
    if (len == 0)
        return;
    uint8_t second = len == 2 ? in[1] : 0;
    *out++ = d[in[0] >> 2];
    *out++ = d[(in[0] & 3) << 4 | second >> 4];
    if (len == 2)
        *out++ = d[(second & 15) << 2];
    else if (a->padded)
        *out++ = '=';
    if (a->padded)
        *out++ = '=';
}

static void append(const struct alphabet *a, struct kw_buf *out, struct kw_bytes in)
{
    size_t len = encoded_len(a, in.len);
    uint8_t *room = kw_buf_reserve(out, len);
    if (room == NULL)
        return;
    encode(a, (char *)room, in.data, in.len);
    out->len += len;
}

void kw_base64_encode(struct kw_buf *out, struct kw_bytes in)
{
    append(&standard, out, in);
}

void kw_base64url_encode(struct kw_buf *out, struct kw_bytes in)
{
    append(&url, out, in);
}

void kw_base64_text(char *out, struct kw_bytes in)
{
    encode(&standard, out, in.data, in.len);
    out[encoded_len(&standard, in.len)] = '\0';
}

static KW_ERR refuse(struct kw_error *err, const char *form)
{
    return kw_fail(err, KW_BAD_ENCODING, "the text is not valid %s", form);
}

/* Without padding: how many bytes text stands for, or KW_BAD_ENCODING where no byte string has it.
 */
static KW_ERR decoded_len(const struct alphabet *a, struct kw_bytes *text, size_t *out,
                          struct kw_error *err)
{
    if (a->padded) {
        if (text->len % 4 != 0)
            return refuse(err, "base64");
        for (int i = 0; i < 2 && text->len > 0 && text->data[text->len - 1] == '='; i++)
            text->len--;
    }
    if (text->len % 4 == 1)
        return refuse(err, "base64");
    *out = text->len / 4 * 3 + (text->len % 4 == 0 ? 0 : text->len % 4 - 1);
    return KW_OK;
}

static int value_of(const struct alphabet *a, uint8_t c)
{
    return a->values[c] - 1;
}

/* Four digits are three bytes; how many digits were taken. What is no digit ends it: the caller
 * comes upon it again. */
static size_t decode_fours(const struct alphabet *a, uint8_t *out, struct kw_bytes text)
{
    size_t at = 0;
    for (; text.len - at >= 4; at += 4, out += 3) {
        const uint8_t *in = text.data + at;
        int value[4];
        for (int i = 0; i < 4; i++)
            value[i] = value_of(a, in[i]);
        if ((value[0] | value[1] | value[2] | value[3]) < 0)
            break;
        uint32_t bits = (uint32_t)value[0] << 18 | (uint32_t)value[1] << 12 |
                        (uint32_t)value[2] << 6 | (uint32_t)value[3];
        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    return at;
}

static KW_ERR decode(const struct alphabet *a, uint8_t *out, struct kw_bytes text,
                     struct kw_error *err)
{
    uint32_t bits = 0;
    int have = 0;
    size_t fours = decode_fours(a, out, text);
    out += fours / 4 * 3;
    for (size_t i = fours; i < text.len; i++) {
        int value = value_of(a, text.data[i]);
        if (value < 0)
            return refuse(err, "base64");
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *out++ = (uint8_t)(bits >> have);
        }
    }
    if ((bits & ((1U << have) - 1)) != 0)
        return refuse(err, "base64");
    return KW_OK;
}

static KW_ERR decode_append(const struct alphabet *a, struct kw_buf *out, struct kw_bytes text,
                            struct kw_error *err)
{
    size_t len = 0;
    if (text.len == 0)
        return KW_OK;
    KW_TRY(decoded_len(a, &text, &len, err));
    uint8_t *room = kw_buf_reserve(out, len);
    if (room == NULL)
        return kw_buf_status(out, err);
    KW_TRY(decode(a, room, text, err));
    out->len += len;
    return KW_OK;
}

static KW_ERR decode_exact(const struct alphabet *a, void *out, size_t len, struct kw_bytes text,
                           struct kw_error *err)
{
    size_t have = 0;
    KW_TRY(decoded_len(a, &text, &have, err));
    if (have != len)
        return kw_fail(err, KW_BAD_ENCODING, "%zu bytes are expected, the text has %zu", len, have);
    return decode(a, out, text, err);
}

KW_ERR kw_base64_decode(struct kw_buf *out, struct kw_bytes text, struct kw_error *err)
{
    return decode_append(&standard, out, text, err);
}

KW_ERR kw_base64url_decode(struct kw_buf *out, struct kw_bytes text, struct kw_error *err)
{
    return decode_append(&url, out, text, err);
}

KW_ERR kw_base64_decode_exact(void *out, size_t len, struct kw_bytes text, struct kw_error *err)
{
    return decode_exact(&standard, out, len, text, err);
}

KW_ERR kw_base64url_decode_exact(void *out, size_t len, struct kw_bytes text, struct kw_error *err)
{
    return decode_exact(&url, out, len, text, err);
}

void kw_hex_text(char *out, struct kw_bytes in)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < in.len; i++) {
        *out++ = digits[in.data[i] >> 4];
        *out++ = digits[in.data[i] & 15];
    }
    *out = '\0';
}

void kw_hex_encode(struct kw_buf *out, struct kw_bytes in)
{
    uint8_t *room = kw_buf_reserve(out, 2 * in.len);
    if (room == NULL)
        return;
    kw_hex_text((char *)room, in); /* a reserve always leaves room for the terminator */
    out->len += 2 * in.len;
}

static int nibble(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static KW_ERR hex_into(uint8_t *out, struct kw_bytes text, struct kw_error *err)
{
    for (size_t i = 0; i < text.len; i += 2) {
        int high = nibble(text.data[i]);
        int low = nibble(text.data[i + 1]);
        if (high < 0 || low < 0)
            return refuse(err, "hex (lower case)");
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return KW_OK;
}

KW_ERR kw_hex_decode(struct kw_buf *out, struct kw_bytes text, struct kw_error *err)
{
    if (text.len % 2 != 0)
        return refuse(err, "hex");
    uint8_t *room = kw_buf_reserve(out, text.len / 2);
    if (room == NULL)
        return kw_buf_status(out, err);
    KW_TRY(hex_into(room, text, err));
    out->len += text.len / 2;
    return KW_OK;
}

KW_ERR kw_hex_decode_exact(void *out, size_t len, struct kw_bytes text, struct kw_error *err)
{
    if (text.len != 2 * len)
        return kw_fail(err, KW_BAD_ENCODING, "%zu hex digits are expected", 2 * len);
    return hex_into(out, text, err);
}

KW_ERR kw_parse_u64(struct kw_bytes text, uint64_t max, uint64_t *out, struct kw_error *err)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 20 || (text.len > 1 && text.data[0] == '0'))
        return kw_fail(err, KW_BAD_ENCODING, "not a whole number");
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9)
            return kw_fail(err, KW_BAD_ENCODING, "not a whole number");
        if (digit > max || value > (max - digit) / 10)
            return kw_fail(err, KW_TOO_LARGE, "the number is larger than %llu",
                           (unsigned long long)max);
        value = value * 10 + digit;
    }
    *out = value;
    return KW_OK;
}

const char *kw_nano_text(uint64_t nano, char text[KW_NANO_TEXT_SIZE])
{
    const uint64_t unit = 1000000000;
    size_t len =
        (size_t)snprintf(text, KW_NANO_TEXT_SIZE, "%llu.%09llu", (unsigned long long)(nano / unit),
                         (unsigned long long)(nano % unit));
    while (text[len - 1] == '0' && text[len - 3] != '.')
        text[--len] = '\0';
    return text;
}

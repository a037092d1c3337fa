#include "json/write.h"

#include "base/encode.h"
#include "base/utf8.h"

enum { DEEPEST = 63 };

struct kw_json_writer kw_json_writer(struct kw_buf *out)
{
    return (struct kw_json_writer){.out = out};
}

/* What stands before a value: a comma after the first of its container, and its name. */
static void lead_in(struct kw_json_writer *w, const char *name)
{
    uint64_t bit = 1ULL << w->depth;
    if ((w->comma & bit) != 0)
        kw_buf_append_byte(w->out, ',');
    w->comma |= bit;
    if (name == NULL)
        return;
    kw_buf_append_byte(w->out, '"');
    kw_buf_append_str(w->out, name);
    kw_buf_append(w->out, "\":", 2);
}

void kw_json_begin(struct kw_json_writer *w, const char *name, char kind)
{
    lead_in(w, name);
    kw_buf_append_byte(w->out, (uint8_t)kind);
    if (w->depth == DEEPEST) { /* no sensible output is left, so none must be taken for it */
        w->out->failed = true;
        return;
    }
    uint64_t bit = 1ULL << ++w->depth;
    w->comma &= ~bit;
    w->array = kind == '[' ? w->array | bit : w->array & ~bit;
}

void kw_json_end(struct kw_json_writer *w)
{
    if (w->depth == 0) {
        w->out->failed = true;
        return;
    }
    bool array = (w->array & (1ULL << w->depth)) != 0;
    w->depth--;
    kw_buf_append_byte(w->out, array ? ']' : '}');
}

/* The letter of the short escape, 'u' for the long one, 0 for characters that stand for themselves.
 */
static const char escape_of[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b',         't',           'n', 'u',
    'f', 'r', 'u', 'u', 'u', 'u', 'u', 'u', 'u',         'u',           'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\',
};

/* Are eight bytes all plain ASCII that needs no escape? Of each byte the highest bit is looked at
 * (Hacker's Delight, 6-1: which byte is zero, or below a number); a false alarm costs only time. */
static bool all_plain(uint64_t eight)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t quote = eight ^ (ones * '"');
    uint64_t backslash = eight ^ (ones * '\\');
    uint64_t found = eight | (eight - ones * ' ') | (quote - ones) | (backslash - ones);
    return (found & (ones << 7)) == 0;
}

/* Length of the run from the front of text that can be copied as it is. */
static size_t plain_run(struct kw_bytes text)
{
    size_t at = 0;
    while (at < text.len) {
        uint64_t eight;
        if (text.len - at >= sizeof eight) {
            memcpy(&eight, text.data + at, sizeof eight);
            if (all_plain(eight)) {
                at += sizeof eight;
                continue;
            }
        }
        uint8_t c = text.data[at];
        if (escape_of[c] != 0)
            break;
        size_t len = c < 0x80 ? 1 : kw_utf8_len(kw_bytes(text.data + at, text.len - at));
        if (len == 0)
            break;
        at += len;
    }
    return at;
}

static void append_escaped(struct kw_buf *out, uint8_t c)
{
    char escape = escape_of[c];
    if (c >= 0x80)
        kw_buf_append_str(out, "\xef\xbf\xbd"); /* U+FFFD */
    else if (escape == 'u')
        kw_buf_printf(out, "\\u%04x", c);
    else
        kw_buf_append(out, (const char[]){'\\', escape}, 2);
}

void kw_json_strn(struct kw_json_writer *w, const char *name, struct kw_bytes text)
{
    lead_in(w, name);
    kw_buf_append_byte(w->out, '"');
    while (text.len > 0) {
        size_t run = plain_run(text);
        kw_buf_append(w->out, text.data, run);
        text = kw_bytes(text.data + run, text.len - run);
        if (text.len == 0)
            break;
        append_escaped(w->out, text.data[0]);
        text = kw_bytes(text.data + 1, text.len - 1);
    }
    kw_buf_append_byte(w->out, '"');
}

void kw_json_str(struct kw_json_writer *w, const char *name, const char *text)
{
    kw_json_strn(w, name, kw_bytes_str(text));
}

static void append_decimal(struct kw_buf *out, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    kw_buf_append(out, digits + at, sizeof digits - at);
}

void kw_json_uint(struct kw_json_writer *w, const char *name, uint64_t value)
{
    lead_in(w, name);
    append_decimal(w->out, value);
}

void kw_json_int(struct kw_json_writer *w, const char *name, int64_t value)
{
    lead_in(w, name);
    if (value < 0)
        kw_buf_append_byte(w->out, '-');
    append_decimal(w->out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void kw_json_bool(struct kw_json_writer *w, const char *name, bool value)
{
    lead_in(w, name);
    kw_buf_append_str(w->out, value ? "true" : "false");
}

void kw_json_null(struct kw_json_writer *w, const char *name)
{
    lead_in(w, name);
    kw_buf_append_str(w->out, "null");
}

void kw_json_base64(struct kw_json_writer *w, const char *name, struct kw_bytes bytes)
{
    lead_in(w, name);
    kw_buf_append_byte(w->out, '"');
    kw_base64_encode(w->out, bytes);
    kw_buf_append_byte(w->out, '"');
}

void kw_json_hex(struct kw_json_writer *w, const char *name, struct kw_bytes bytes)
{
    lead_in(w, name);
    kw_buf_append_byte(w->out, '"');
    kw_hex_encode(w->out, bytes);
    kw_buf_append_byte(w->out, '"');
}

void kw_json_raw(struct kw_json_writer *w, const char *name, struct kw_bytes json)
{
    lead_in(w, name);
    kw_buf_append(w->out, json.data, json.len);
}

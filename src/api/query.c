/* The query of an address: name=value pairs with & between them, percent-encoded. */
#include "api/internal.h"

#include "base/encode.h"

/* Steps through the pairs; false at the end. */
static bool next_pair(const char **query, struct kw_bytes *name, struct kw_bytes *value)
{
    if (**query == '\0')
        return false;
    size_t len = strcspn(*query, "&");
    const char *equals = memchr(*query, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - *query) : len;
    *name = kw_bytes(*query, name_len);
    *value = equals != NULL ? kw_bytes(equals + 1, len - name_len - 1) : kw_bytes("", 0);
    *query += len + ((*query)[len] == '&');
    return true;
}

static bool is_listed(struct kw_bytes name, const char *names)
{
    while (*names != '\0') {
        size_t len = strcspn(names, ",");
        if (kw_bytes_equal(name, kw_bytes(names, len)))
            return true;
        names += len + (names[len] == ',');
    }
    return false;
}

KW_ERR kw_query_check(const char *query, const char *names, struct kw_error *err)
{
    struct kw_bytes name;
    struct kw_bytes value;
    while (next_pair(&query, &name, &value))
        if (!is_listed(name, names != NULL ? names : ""))
            return kw_fail(err, KW_BAD_REQUEST, "the address has an unknown parameter%s%s",
                           names != NULL ? ": it takes " : ": it takes none",
                           names != NULL ? names : "");
    return KW_OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct kw_bytes value, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        int c = value.data[i];
        if (c == '%') {
            bool whole = value.len - i > 2;
            int high = whole ? hex_digit(value.data[i + 1]) : -1;
            int low = whole ? hex_digit(value.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high << 4 | low;
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (c == 0 || n + 1 >= size)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}

KW_ERR kw_query_get(const char *query, const char *name, char *out, size_t size, bool *found,
                    struct kw_error *err)
{
    struct kw_bytes key;
    struct kw_bytes value;
    bool seen = false;
    while (next_pair(&query, &key, &value)) {
        if (!kw_bytes_equal_str(key, name))
            continue;
        if (seen || !decode(value, out, size))
            return kw_fail(err, KW_BAD_REQUEST, "the parameter '%s' is malformed or given twice",
                           name);
        seen = true;
    }
    *found = seen;
    return KW_OK;
}

KW_ERR kw_query_bool(const char *query, const char *name, bool *out, struct kw_error *err)
{
    char text[8] = "";
    bool found = false;
    KW_TRY(kw_query_get(query != NULL ? query : "", name, text, sizeof text, &found, err));
    if (found && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return kw_fail(err, KW_BAD_REQUEST, "the parameter '%s' must be true or false", name);
    if (found)
        *out = text[0] == 't';
    return KW_OK;
}

KW_ERR kw_query_u64(const char *query, const char *name, uint64_t max, uint64_t *out,
                    struct kw_error *err)
{
    char text[24];
    bool found = false;
    KW_TRY(kw_query_get(query, name, text, sizeof text, &found, err));
    if (found && kw_parse_u64(kw_bytes_str(text), max, out, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_REQUEST, "the parameter '%s' must be a number from 0 to %llu",
                       name, (unsigned long long)max);
    return KW_OK;
}

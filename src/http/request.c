#include "http/http.h"

const char *kw_http_header(const struct kw_http_request *req, const char *name)
{
    for (size_t i = 0; i < req->field_count; i++)
        if (strcmp(req->fields[i].name, name) == 0)
            return req->fields[i].value;
    return NULL;
}

const char *kw_http_traceparent(const struct kw_http_request *req)
{
    return kw_http_header(req, "traceparent");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static KW_ERR decode(struct kw_buf *out, const char *text, size_t len, bool plus_is_space,
                     struct kw_error *err)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            kw_buf_append_byte(out, plus_is_space && text[i] == '+' ? ' ' : (uint8_t)text[i]);
            continue;
        }
        bool whole = len - i > 2;
        int high = whole ? hex_digit(text[i + 1]) : -1;
        int low = whole ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return kw_fail(err, KW_BAD_REQUEST, "a percent escape in the address is malformed");
        kw_buf_append_byte(out, (uint8_t)(high * 16 + low));
        i += 2;
    }
    return kw_buf_status(out, err);
}

KW_ERR kw_http_percent_decode(struct kw_buf *out, const char *text, struct kw_error *err)
{
    return decode(out, text, strlen(text), false, err);
}

KW_ERR kw_http_query_get(const struct kw_http_request *req, const char *name, struct kw_buf *out,
                         struct kw_error *err)
{
    const char *found = NULL;
    size_t found_len = 0;
    size_t name_len = strlen(name);
    for (const char *at = req->query; *at != '\0';) {
        size_t len = strcspn(at, "&");
        if (len >= name_len && memcmp(at, name, name_len) == 0 &&
            (len == name_len || at[name_len] == '=')) {
            if (found != NULL)
                return kw_fail(err, KW_BAD_REQUEST, "the query parameter %s comes twice", name);
            found = len == name_len ? at + len : at + name_len + 1;
            found_len = (size_t)(at + len - found);
        }
        at += len + (at[len] == '&' ? 1 : 0);
    }
    if (found == NULL)
        return kw_fail(err, KW_NOT_FOUND, "the query parameter %s is missing", name);
    return decode(out, found, found_len, true, err);
}

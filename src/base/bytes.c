#include "base/bytes.h"

#include "base/secret.h"

#include <stdarg.h>

bool kw_bytes_equal(struct kw_bytes a, struct kw_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool kw_bytes_equal_str(struct kw_bytes a, const char *text)
{
    return kw_bytes_equal(a, kw_bytes_str(text));
}

static size_t maximum(const struct kw_buf *buf)
{
    return buf->max != 0 ? buf->max : KW_BUF_MAX;
}

/* realloc may leave a copy behind; a secret buffer moves by hand and wipes the old place. */
static uint8_t *move(struct kw_buf *buf, size_t capacity)
{
    if (!buf->secret)
        return realloc(buf->data, capacity);
    uint8_t *fresh = malloc(capacity);
    if (fresh == NULL)
        return NULL;
    if (buf->data != NULL) {
        memcpy(fresh, buf->data, buf->len);
        kw_cleanse(buf->data, buf->capacity);
        free(buf->data);
    }
    return fresh;
}

size_t kw_buf_room(const struct kw_buf *buf)
{
    return buf->len < maximum(buf) ? maximum(buf) - buf->len : 0;
}

uint8_t *kw_buf_reserve(struct kw_buf *buf, size_t len)
{
    if (buf->failed)
        return NULL;
    if (len > kw_buf_room(buf)) {
        buf->failed = true;
        buf->too_large = true;
        return NULL;
    }
    size_t need = buf->len + len + 1; /* one for kw_buf_str */
    if (need > buf->capacity) {
        size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
        while (capacity < need)
            capacity *= 2;
        uint8_t *fresh = move(buf, capacity);
        if (fresh == NULL) {
            buf->failed = true;
            return NULL;
        }
        buf->data = fresh;
        buf->capacity = capacity;
    }
    return buf->data + buf->len;
}

void kw_buf_append_slowly(struct kw_buf *buf, const void *data, size_t len)
{
    uint8_t *room = kw_buf_reserve(buf, len);
    if (room == NULL || len == 0)
        return;
    memcpy(room, data, len);
    buf->len += len;
}

void kw_buf_printf(struct kw_buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        uint8_t *room = kw_buf_reserve(buf, (size_t)len);
        if (room != NULL) {
            vsnprintf((char *)room, (size_t)len + 1, format, again);
            buf->len += (size_t)len;
        }
    }
    va_end(again);
}

void kw_buf_consume(struct kw_buf *buf, size_t len)
{
    if (len >= buf->len) {
        kw_buf_reset(buf);
        return;
    }
    size_t rest = buf->len - len;
    memmove(buf->data, buf->data + len, rest);
    if (buf->secret)
        kw_cleanse(buf->data + rest, len);
    buf->len = rest;
}

void kw_buf_reset(struct kw_buf *buf)
{
    if (buf->secret && buf->data != NULL)
        kw_cleanse(buf->data, buf->len);
    buf->len = 0;
    buf->failed = false;
    buf->too_large = false;
}

const char *kw_buf_str(struct kw_buf *buf)
{
    bool failed = buf->failed;
    uint8_t *end = kw_buf_reserve(buf, 0);
    if (failed || end == NULL)
        return "";
    *end = '\0';
    return (const char *)buf->data;
}

KW_ERR kw_buf_status(const struct kw_buf *buf, struct kw_error *err)
{
    if (!buf->failed)
        return KW_OK;
    if (buf->too_large)
        return kw_fail(err, KW_TOO_LARGE, "more than %zu bytes", maximum(buf));
    return kw_fail_code(err, KW_NO_MEMORY);
}

void kw_buf_wipe(struct kw_buf *buf)
{
    if (buf->data != NULL) {
        if (buf->secret)
            kw_cleanse(buf->data, buf->capacity);
        free(buf->data);
    }
    bool secret = buf->secret;
    size_t max = buf->max;
    *buf = (struct kw_buf){.secret = secret, .max = max};
}

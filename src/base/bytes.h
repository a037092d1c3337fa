/* Bytes that are not secret: a borrowed view, and a growing buffer with a hard maximum.
 *
 * struct kw_bytes borrows; it never owns. struct kw_buf owns; a buffer that is marked secret (API
 * bodies that carry data keys) is overwritten before its memory is given back, also when it grows.
 * Once an append has failed (maximum reached or memory out) the buffer stays failed and keeps what
 * it had; a writer may check once, at the end. Not thread-safe. */
#ifndef KW_BASE_BYTES_H
#define KW_BASE_BYTES_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct kw_bytes {
    const uint8_t *data;
    size_t len;
};

static inline struct kw_bytes kw_bytes(const void *data, size_t len)
{
    return (struct kw_bytes){.data = data, .len = len};
}

static inline struct kw_bytes kw_bytes_str(const char *text)
{
    return kw_bytes(text, strlen(text));
}

/* Equality of values that are not secret; see kw_secret_equal for those that are. */
bool kw_bytes_equal(struct kw_bytes a, struct kw_bytes b);
bool kw_bytes_equal_str(struct kw_bytes a, const char *text);

struct kw_buf {
    uint8_t *data;
    size_t len;
    size_t capacity;
    size_t max;     /* hard maximum of len; 0 means KW_BUF_MAX */
    bool secret;    /* wiped before memory is released */
    bool failed;    /* an append has failed */
    bool too_large; /* it failed at the maximum, not for want of memory */
};

enum { KW_BUF_MAX = 1 << 30 };

#define KW_BUF_INIT                                                                                \
    {                                                                                              \
        0                                                                                          \
    }
#define KW_BUF_SECRET                                                                              \
    {                                                                                              \
        .secret = true                                                                             \
    }

/* Where the buffer must grow, has a maximum, or has failed. */
void kw_buf_append_slowly(struct kw_buf *buf, const void *data, size_t len);

/* In line, since answers and ledger entries are made of hundreds of short pieces. */
static inline void kw_buf_append(struct kw_buf *buf, const void *data, size_t len)
{
    bool fits = len < buf->capacity - buf->len && buf->capacity <= KW_BUF_MAX;
    if (!fits || len == 0 || buf->max != 0 || buf->failed) {
        kw_buf_append_slowly(buf, data, len);
        return;
    }
    /* Where there is capacity there is memory. */
    memcpy(buf->data + buf->len, data, len); /* NOLINT(clang-analyzer-core.NonNullParamChecker) */
    buf->len += len;
}

static inline void kw_buf_append_byte(struct kw_buf *buf, uint8_t byte)
{
    kw_buf_append(buf, &byte, 1);
}

static inline void kw_buf_append_str(struct kw_buf *buf, const char *text)
{
    kw_buf_append(buf, text, strlen(text));
}

void kw_buf_printf(struct kw_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for len more bytes, to be written by the caller, who then adds to buf->len; NULL if it
 * failed. */
uint8_t *kw_buf_reserve(struct kw_buf *buf, size_t len);

/* How many bytes it may still take before its maximum. */
size_t kw_buf_room(const struct kw_buf *buf);

/* Drops the first len bytes and moves the rest to the front. */
void kw_buf_consume(struct kw_buf *buf, size_t len);

/* Empties it and keeps the memory (wiped if secret). Also clears failed. */
void kw_buf_reset(struct kw_buf *buf);

/* Terminates the content with a NUL that is not counted, and returns it; "" if it failed. */
const char *kw_buf_str(struct kw_buf *buf);

/* KW_OK, or KW_TOO_LARGE / KW_NO_MEMORY if an append failed. */
KW_ERR kw_buf_status(const struct kw_buf *buf, struct kw_error *err);

static inline struct kw_bytes kw_buf_bytes(const struct kw_buf *buf)
{
    return kw_bytes(buf->data, buf->len);
}

void kw_buf_wipe(struct kw_buf *buf);
KW_CLEANUP_WIPE(kw_buf)

/* Big-endian integers, the byte order of every format of ours. */
static inline void kw_put_u16(uint8_t out[2], uint16_t v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
}
static inline void kw_put_u32(uint8_t out[4], uint32_t v)
{
    kw_put_u16(out, (uint16_t)(v >> 16));
    kw_put_u16(out + 2, (uint16_t)v);
}
static inline void kw_put_u64(uint8_t out[8], uint64_t v)
{
    kw_put_u32(out, (uint32_t)(v >> 32));
    kw_put_u32(out + 4, (uint32_t)v);
}
static inline uint16_t kw_get_u16(const uint8_t in[2])
{
    return (uint16_t)((in[0] << 8) | in[1]);
}
static inline uint32_t kw_get_u32(const uint8_t in[4])
{
    return ((uint32_t)kw_get_u16(in) << 16) | kw_get_u16(in + 2);
}
static inline uint64_t kw_get_u64(const uint8_t in[8])
{
    return ((uint64_t)kw_get_u32(in) << 32) | kw_get_u32(in + 4);
}

#endif

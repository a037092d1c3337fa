/* JSON, writing: appends to a kw_buf; commas are kept track of, output is deterministic and
 * compact.
 *
 *     struct kw_json_writer w = kw_json_writer(buf);
 *     kw_json_begin(&w, NULL, '{');
 *     kw_json_str(&w, "id", tenant);
 *     kw_json_begin(&w, "regions", '[');
 *     kw_json_str(&w, NULL, "eu");
 *     kw_json_end(&w);
 *     kw_json_end(&w);
 *
 * name is the member's name, or NULL within an array or for the outermost value; names must need no
 * escaping. Errors are those of the buffer (kw_buf_status). Invalid UTF-8 in a string is written as
 * U+FFFD. Not thread-safe. */
#ifndef KW_JSON_WRITE_H
#define KW_JSON_WRITE_H

#include "base/bytes.h"

struct kw_json_writer {
    struct kw_buf *out;
    uint64_t comma; /* bit a depth: a value has been written there */
    uint64_t array; /* bit a depth: it is an array */
    unsigned depth;
};

struct kw_json_writer kw_json_writer(struct kw_buf *out);

/* kind is '{' or '['; at most 63 levels. */
void kw_json_begin(struct kw_json_writer *w, const char *name, char kind);
void kw_json_end(struct kw_json_writer *w);

void kw_json_str(struct kw_json_writer *w, const char *name, const char *text);
void kw_json_strn(struct kw_json_writer *w, const char *name, struct kw_bytes text);
void kw_json_int(struct kw_json_writer *w, const char *name, int64_t value);
void kw_json_uint(struct kw_json_writer *w, const char *name, uint64_t value);
void kw_json_bool(struct kw_json_writer *w, const char *name, bool value);
void kw_json_null(struct kw_json_writer *w, const char *name);

/* Strings made of bytes. */
void kw_json_base64(struct kw_json_writer *w, const char *name, struct kw_bytes bytes);
void kw_json_hex(struct kw_json_writer *w, const char *name, struct kw_bytes bytes);

/* A whole value that is JSON already. */
void kw_json_raw(struct kw_json_writer *w, const char *name, struct kw_bytes json);

#endif

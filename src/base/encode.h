/* Hex, base64 (RFC 4648 section 4), base64url without padding (section 5), and decimal numbers.
 *
 * Decoding is strict: one text for each byte string. No white space, no missing or surplus padding,
 * no unused bits set; hex in lower case only. Thread-safe. */
#ifndef KW_BASE_ENCODE_H
#define KW_BASE_ENCODE_H

#include "base/bytes.h"

void kw_hex_encode(struct kw_buf *out, struct kw_bytes in);
void kw_base64_encode(struct kw_buf *out, struct kw_bytes in);
void kw_base64url_encode(struct kw_buf *out, struct kw_bytes in);

/* Append the decoded bytes to out. KW_BAD_ENCODING leaves out as it was. */
KW_ERR kw_hex_decode(struct kw_buf *out, struct kw_bytes text, struct kw_error *err);
KW_ERR kw_base64_decode(struct kw_buf *out, struct kw_bytes text, struct kw_error *err);
KW_ERR kw_base64url_decode(struct kw_buf *out, struct kw_bytes text, struct kw_error *err);

/* Into a place of known size: the text must hold exactly len bytes. For fixed-size values, and,
 * with data in secret memory, for secrets. out is untouched on failure only for wrong lengths. */
KW_ERR kw_hex_decode_exact(void *out, size_t len, struct kw_bytes text, struct kw_error *err);
KW_ERR kw_base64_decode_exact(void *out, size_t len, struct kw_bytes text, struct kw_error *err);
KW_ERR kw_base64url_decode_exact(void *out, size_t len, struct kw_bytes text, struct kw_error *err);

/* Writes the text, terminated, for in.len bytes; out has room for 2*len+1 or 4*ceil(len/3)+1. */
void kw_hex_text(char *out, struct kw_bytes in);
void kw_base64_text(char *out, struct kw_bytes in);

/* A decimal number and nothing else: no sign, no space, no leading zero. */
KW_ERR kw_parse_u64(struct kw_bytes text, uint64_t max, uint64_t *out, struct kw_error *err);

/* An amount in billionths as a decimal number, with two to nine places: 3000 -> "0.000003",
 * 1500000000 -> "1.50". Returns text. */
enum { KW_NANO_TEXT_SIZE = 24 };
const char *kw_nano_text(uint64_t nano, char text[KW_NANO_TEXT_SIZE]);

#endif

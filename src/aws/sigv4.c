#include "aws/sigv4.h"

#include "base/encode.h"
#include "crypto/hash.h"

enum { DATE_LEN = 8, SEGMENTS_MAX = 256 };

static const char algorithm[] = "AWS4-HMAC-SHA256";
static const char terminator[] = "aws4_request";

const char *kw_sigv4_time(int64_t wall_ms, char text[KW_SIGV4_TIME_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    text[0] = '\0';
    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(text, KW_SIGV4_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
        text[0] = '\0';
    return text;
}

static bool is_unreserved(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static void append_encoded(struct kw_buf *out, struct kw_bytes text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (is_unreserved(c)) {
            kw_buf_append_byte(out, c);
        } else {
            const char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            kw_buf_append(out, escape, sizeof escape);
        }
    }
}

/* The part up to the next mark, which is taken off the front of rest. false: rest is used up. */
static bool take_part(struct kw_bytes *rest, char mark, struct kw_bytes *part)
{
    if (rest->data == NULL)
        return false;
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, mark, rest->len) : NULL;
    if (end == NULL) {
        *part = *rest;
        *rest = kw_bytes(NULL, 0);
        return true;
    }
    size_t len = (size_t)(end - rest->data);
    *part = kw_bytes(rest->data, len);
    *rest = kw_bytes(end + 1, rest->len - len - 1);
    return true;
}

static KW_ERR canonical_path(struct kw_bytes path, struct kw_buf *out, struct kw_error *err)
{
    struct kw_bytes kept[SEGMENTS_MAX];
    size_t count = 0;
    bool slash_at_end = path.len > 0 && path.data[path.len - 1] == '/';
    struct kw_bytes part;
    for (struct kw_bytes rest = path; take_part(&rest, '/', &part);) {
        if (part.len == 0 || kw_bytes_equal_str(part, "."))
            continue;
        if (kw_bytes_equal_str(part, "..")) {
            count -= count > 0 ? 1 : 0;
            continue;
        }
        if (count == SEGMENTS_MAX)
            return kw_fail(err, KW_TOO_LARGE, "a path with more than %d parts", SEGMENTS_MAX);
        kept[count++] = part;
    }
    for (size_t i = 0; i < count; i++) {
        kw_buf_append_byte(out, '/');
        append_encoded(out, kept[i]);
    }
    if (count == 0 || slash_at_end)
        kw_buf_append_byte(out, '/');
    kw_buf_append_byte(out, '\n');
    return KW_OK;
}

struct pair {
    struct kw_bytes name;
    struct kw_bytes value;
};

static int compare_bytes(struct kw_bytes a, struct kw_bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a;
    const struct pair *right = b;
    int order = compare_bytes(left->name, right->name);
    return order != 0 ? order : compare_bytes(left->value, right->value);
}

static KW_ERR canonical_query(struct kw_bytes query, struct kw_buf *out, struct kw_error *err)
{
    struct pair pairs[KW_SIGV4_PAIRS_MAX];
    size_t count = 0;
    struct kw_bytes part;
    for (struct kw_bytes rest = query; query.len > 0 && take_part(&rest, '&', &part);) {
        if (count == KW_SIGV4_PAIRS_MAX)
            return kw_fail(err, KW_TOO_LARGE, "a query with more than %d pairs",
                           KW_SIGV4_PAIRS_MAX);
        struct kw_bytes name;
        (void)take_part(&part, '=', &name);
        pairs[count++] = (struct pair){name, part};
    }
    qsort(pairs, count, sizeof pairs[0], compare_pairs);
    for (size_t i = 0; i < count; i++) {
        kw_buf_append_str(out, i > 0 ? "&" : "");
        kw_buf_append(out, pairs[i].name.data, pairs[i].name.len);
        kw_buf_append_byte(out, '=');
        kw_buf_append(out, pairs[i].value.data, pairs[i].value.len);
    }
    kw_buf_append_byte(out, '\n');
    return KW_OK;
}

/* By name, and in the given order where a name stands several times. */
static KW_ERR sort_headers(const struct kw_sigv4_request *request,
                           const struct kw_sigv4_header *sorted[KW_SIGV4_HEADERS_MAX],
                           struct kw_error *err)
{
    if (request->header_count > KW_SIGV4_HEADERS_MAX)
        return kw_fail(err, KW_TOO_LARGE, "more than %d headers to sign", KW_SIGV4_HEADERS_MAX);
    for (size_t i = 0; i < request->header_count; i++) {
        size_t at = i;
        for (; at > 0 && strcasecmp(sorted[at - 1]->name, request->headers[i].name) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &request->headers[i];
    }
    return KW_OK;
}

static void append_lower(struct kw_buf *out, const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        kw_buf_append_byte(out, (uint8_t)(*c >= 'A' && *c <= 'Z' ? *c | 32 : *c));
}

/* Without white space around it, and with one space for each run within. */
static void append_value(struct kw_buf *out, const char *value)
{
    static const char white[] = " \t\n\v\f\r";
    const char *gap = "";
    for (value += strspn(value, white); *value != '\0'; value += strspn(value, white)) {
        size_t len = strcspn(value, white);
        kw_buf_append_str(out, gap);
        kw_buf_append(out, value, len);
        value += len;
        gap = " ";
    }
}

static bool same_name(const struct kw_sigv4_header *const *sorted, size_t i)
{
    return i > 0 && strcasecmp(sorted[i - 1]->name, sorted[i]->name) == 0;
}

static void append_headers(const struct kw_sigv4_header *const *sorted, size_t count,
                           struct kw_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name(sorted, i)) {
            kw_buf_append_byte(out, ',');
        } else {
            kw_buf_append_str(out, i > 0 ? "\n" : "");
            append_lower(out, sorted[i]->name);
            kw_buf_append_byte(out, ':');
        }
        append_value(out, sorted[i]->value);
    }
    kw_buf_append_str(out, count > 0 ? "\n\n" : "\n");
}

static void append_names(const struct kw_sigv4_header *const *sorted, size_t count,
                         struct kw_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name(sorted, i))
            continue;
        kw_buf_append_str(out, i > 0 ? ";" : "");
        append_lower(out, sorted[i]->name);
    }
}

static void append_hash(struct kw_bytes in, struct kw_buf *out)
{
    uint8_t hash[KW_HASH_SIZE];
    kw_sha256_one(hash, in);
    kw_hex_encode(out, kw_bytes(hash, sizeof hash));
}

KW_ERR kw_sigv4_canonical(const struct kw_sigv4_request *request, struct kw_buf *out,
                          struct kw_error *err)
{
    const struct kw_sigv4_header *sorted[KW_SIGV4_HEADERS_MAX];
    KW_TRY(sort_headers(request, sorted, err));
    kw_buf_append_str(out, request->method);
    kw_buf_append_byte(out, '\n');
    KW_TRY(canonical_path(request->path, out, err));
    KW_TRY(canonical_query(request->query, out, err));
    append_headers(sorted, request->header_count, out);
    append_names(sorted, request->header_count, out);
    kw_buf_append_byte(out, '\n');
    append_hash(request->body, out);
    return kw_buf_status(out, err);
}

static void append_scope(const struct kw_sigv4_scope *scope, struct kw_buf *out)
{
    kw_buf_append(out, scope->time, DATE_LEN);
    kw_buf_printf(out, "/%s/%s/%s", scope->region, scope->service, terminator);
}

/* Each step's key is the step before; they take turns in the two halves of one secret. */
static KW_ERR signing_key(const struct kw_sigv4_scope *scope, const struct kw_secret *secret,
                          struct kw_secret *out, struct kw_error *err)
{
    const struct kw_bytes steps[] = {kw_bytes(scope->time, DATE_LEN), kw_bytes_str(scope->region),
                                     kw_bytes_str(scope->service), kw_bytes_str(terminator)};
    KW_AUTO(kw_secret) start = KW_SECRET_INIT;
    KW_AUTO(kw_secret) halves = KW_SECRET_INIT;
    KW_TRY(kw_secret_alloc(&start, 4 + secret->len, err));
    KW_TRY(kw_secret_alloc(&halves, 2 * KW_HASH_SIZE, err));
    memcpy(start.data, "AWS4", 4);
    memcpy(start.data + 4, secret->data, secret->len);
    struct kw_bytes key = kw_bytes(start.data, start.len);
    for (size_t i = 0; i < KW_COUNT(steps); i++) {
        uint8_t *half = halves.data + (i % 2) * KW_HASH_SIZE;
        KW_TRY(kw_hmac_sha256(half, key, steps[i], err));
        key = kw_bytes(half, KW_HASH_SIZE);
    }
    return kw_secret_copy(out, key.data, key.len, err);
}

static KW_ERR append_signature(const struct kw_sigv4_request *request,
                               const struct kw_sigv4_scope *scope, const struct kw_secret *secret,
                               struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_buf) canonical = KW_BUF_SECRET;
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    uint8_t signature[KW_HASH_SIZE];
    KW_TRY(kw_sigv4_canonical(request, &canonical, err));
    kw_buf_printf(&text, "%s\n%s\n", algorithm, scope->time);
    append_scope(scope, &text);
    kw_buf_append_byte(&text, '\n');
    append_hash(kw_buf_bytes(&canonical), &text);
    KW_TRY(kw_buf_status(&text, err));
    KW_TRY(signing_key(scope, secret, &key, err));
    KW_TRY(kw_hmac_sha256(signature, kw_bytes(key.data, key.len), kw_buf_bytes(&text), err));
    kw_hex_encode(out, kw_bytes(signature, sizeof signature));
    return KW_OK;
}

KW_ERR kw_sigv4_authorization(const struct kw_sigv4_request *request,
                              const struct kw_sigv4_scope *scope, const struct kw_sigv4_keys *keys,
                              struct kw_buf *out, struct kw_error *err)
{
    const struct kw_sigv4_header *sorted[KW_SIGV4_HEADERS_MAX];
    KW_AUTO(kw_buf) value = KW_BUF_INIT;
    if (strlen(scope->time) != KW_SIGV4_TIME_SIZE - 1)
        return kw_fail(err, KW_INTERNAL, "a signature's time is malformed");
    KW_TRY(sort_headers(request, sorted, err));
    kw_buf_printf(&value, "%s Credential=%s/", algorithm, keys->id);
    append_scope(scope, &value);
    kw_buf_append_str(&value, ", SignedHeaders=");
    append_names(sorted, request->header_count, &value);
    kw_buf_append_str(&value, ", Signature=");
    KW_TRY(append_signature(request, scope, keys->secret, &value, err));
    KW_TRY(kw_buf_status(&value, err));
    kw_buf_append(out, value.data, value.len);
    return kw_buf_status(out, err);
}

#include "json/json.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "json/arena.h"
#include "json/unique.h"

#include <yajl/yajl_parse.h>

/* Of larger texts the memory grows as it is needed. */
enum { MOST_AT_ONCE = 128 * 1024 };

/* A container whose end has not come yet. */
struct level {
    struct kw_json *container;
    struct kw_json *last_child;
};

struct builder {
    struct kw_json_arena *arena;
    yajl_handle parser;
    struct kw_bytes text;
    struct kw_json *root;
    size_t at; /* end of the last token */
    const char *name;
    size_t name_len;
    unsigned depth;
    struct level levels[KW_JSON_MAX_DEPTH];
    kw_code code; /* why a callback gave up */
    struct kw_error *err;
};

static int give_up(struct builder *b, size_t at, const char *why)
{
    b->code = kw_fail(b->err, KW_BAD_JSON, "not valid JSON at byte %zu: %s", at, why);
    return 0;
}

static int out_of_memory(struct builder *b)
{
    b->code = kw_fail_code(b->err, KW_NO_MEMORY);
    return 0;
}

static bool between_tokens(uint8_t c)
{
    return c == ' ' || c == ',' || c == ':' || c == '\n' || c == '\t' || c == '\r';
}

/* Where the token that the parser reports begins: only white space, ':' and ',' stand between. */
static size_t token_start(const struct builder *b)
{
    size_t at = b->at;
    while (at < b->text.len && between_tokens(b->text.data[at]))
        at++;
    return at;
}

/* The next value, hung into the open container or made the root. NULL: no memory. */
static struct kw_json *add(struct builder *b, enum kw_json_type type)
{
    struct kw_json *value = kw_json_arena_get(b->arena, sizeof *value);
    if (value == NULL) {
        out_of_memory(b);
        return NULL;
    }
    *value = (struct kw_json){
        .type = type, .name = b->name, .name_len = b->name_len, .start = token_start(b)};
    b->name = NULL;
    b->name_len = 0;
    if (b->depth == 0) {
        b->root = value;
        return value;
    }
    struct level *level = &b->levels[b->depth - 1];
    if (level->last_child == NULL)
        level->container->first = value;
    else
        level->last_child->next = value;
    level->last_child = value;
    level->container->count++;
    return value;
}

static int add_fixed(struct builder *b, enum kw_json_type type, size_t len)
{
    struct kw_json *value = add(b, type);
    if (value == NULL)
        return 0;
    value->end = b->at = value->start + len;
    return 1;
}

static char *keep(struct builder *b, const void *text, size_t len)
{
    char *copy = kw_json_arena_get(b->arena, len + 1);
    if (copy == NULL) {
        out_of_memory(b);
        return NULL;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

static int on_null(void *ctx)
{
    return add_fixed(ctx, KW_JSON_NULL, 4);
}

static int on_boolean(void *ctx, int is_true)
{
    return is_true ? add_fixed(ctx, KW_JSON_TRUE, 4) : add_fixed(ctx, KW_JSON_FALSE, 5);
}

static int on_number(void *ctx, const char *text, size_t len)
{
    struct builder *b = ctx;
    struct kw_json *value = add(b, KW_JSON_NUMBER);
    if (value == NULL || (value->text = keep(b, text, len)) == NULL)
        return 0;
    value->len = len;
    value->end = b->at = value->start + len;
    return 1;
}

/* The number that four hex digits stand for; the parser has seen that they are. */
static unsigned hex4(const uint8_t *digits)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = digits[i];
        value = value << 4 | (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
}

/* yajl turns a lone surrogate into '?' or into bytes that are not UTF-8. One text must have one
 * meaning, so an unpaired one is refused. source is the string with its quotes. */
static bool surrogates_paired(struct kw_bytes source)
{
    const uint8_t *p = memchr(source.data, '\\', source.len);
    const uint8_t *end = source.data + source.len;
    while (p != NULL && p < end) {
        bool low = false;
        if (p[1] == 'u') {
            unsigned unit = hex4(p + 2);
            if (unit >= 0xdc00 && unit <= 0xdfff)
                return false;
            if (unit >= 0xd800 && unit <= 0xdbff) {
                low = end - p > 12 && p[6] == '\\' && p[7] == 'u' &&
                      (hex4(p + 8) & ~0x3ffU) == 0xdc00;
                if (!low)
                    return false;
            }
        }
        p += low ? 12 : p[1] == 'u' ? 6 : 2;
        if (p < end)
            p = memchr(p, '\\', (size_t)(end - p));
    }
    return true;
}

/* Ends a string token that began at start and checks it. */
static bool end_string(struct builder *b, size_t start)
{
    b->at = yajl_get_bytes_consumed(b->parser);
    if (surrogates_paired(kw_bytes(b->text.data + start, b->at - start)))
        return true;
    give_up(b, start, "a surrogate stands alone in this string");
    return false;
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    struct builder *b = ctx;
    struct kw_json *value = add(b, KW_JSON_STRING);
    if (value == NULL || !end_string(b, value->start) || (value->text = keep(b, text, len)) == NULL)
        return 0;
    value->len = len;
    value->end = b->at;
    return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
    struct builder *b = ctx;
    if (!end_string(b, token_start(b)) || (b->name = keep(b, text, len)) == NULL)
        return 0;
    b->name_len = len;
    return 1;
}

static int open_container(struct builder *b, enum kw_json_type type)
{
    if (b->depth == KW_JSON_MAX_DEPTH)
        return give_up(b, token_start(b), "it is nested too deeply");
    struct kw_json *value = add(b, type);
    if (value == NULL)
        return 0;
    b->at = value->start + 1;
    b->levels[b->depth++] = (struct level){.container = value};
    return 1;
}

static struct kw_json *close_container(struct builder *b)
{
    struct kw_json *value = b->levels[--b->depth].container;
    value->end = b->at = token_start(b) + 1;
    return value;
}

static int on_end_map(void *ctx)
{
    struct builder *b = ctx;
    struct kw_json *object = close_container(b);
    bool unique = false;
    if (kw_json_unique(object, &unique, b->err) != KW_OK)
        return out_of_memory(b);
    return unique ? 1 : give_up(b, object->start, "this object has the same name twice");
}

static int on_start_map(void *ctx)
{
    return open_container(ctx, KW_JSON_OBJECT);
}

static int on_start_array(void *ctx)
{
    return open_container(ctx, KW_JSON_ARRAY);
}

static int on_end_array(void *ctx)
{
    close_container(ctx);
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end_map,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end_array,
};

/* yajl works in the document's memory too: no call to malloc for its small needs, and decoded text
 * of a secret document is wiped with the rest. A size stands before each block, for realloc. */
static void *parser_malloc(void *ctx, size_t len)
{
    size_t *block = kw_json_arena_get(ctx, len + 16);
    if (block == NULL)
        return NULL;
    block[0] = len;
    return block + 2;
}

static void parser_free(void *ctx, void *block)
{
    KW_UNUSED(ctx);
    KW_UNUSED(block);
}

static void *parser_realloc(void *ctx, void *block, size_t len)
{
    void *fresh = parser_malloc(ctx, len);
    if (fresh == NULL || block == NULL)
        return fresh;
    size_t had = ((size_t *)block)[-2];
    memcpy(fresh, block, had < len ? had : len);
    return fresh;
}

/* yajl's own words, without the line's end (they quote nothing of the text), and where the token
 * begins that it did not like. */
static kw_code refuse(struct builder *b)
{
    if (b->code != KW_OK)
        return b->code;
    unsigned char *why = yajl_get_error(b->parser, 0, NULL, 0);
    if (why == NULL)
        return kw_fail_code(b->err, KW_NO_MEMORY);
    const char *text = (const char *)why;
    return kw_fail(b->err, KW_BAD_JSON, "not valid JSON at byte %zu: %.*s", token_start(b),
                   (int)strcspn(text, "\n"), text);
}

static KW_ERR run(struct builder *b)
{
    yajl_alloc_funcs memory = {parser_malloc, parser_realloc, parser_free, b->arena};
    b->parser = yajl_alloc(&callbacks, &memory, b);
    if (b->parser == NULL)
        return kw_fail_code(b->err, KW_NO_MEMORY);
    yajl_config(b->parser, yajl_dont_validate_strings, 1); /* checked before, and more strictly */
    if (yajl_parse(b->parser, b->text.data, b->text.len) != yajl_status_ok)
        return refuse(b);
    if (yajl_complete_parse(b->parser) != yajl_status_ok || b->root == NULL)
        return refuse(b);
    /* yajl overlooks the beginning of a token after the value, such as a string without its end. */
    size_t rest = token_start(b);
    if (rest != b->text.len)
        return kw_fail(b->err, KW_BAD_JSON, "not valid JSON at byte %zu: trailing garbage", rest);
    return KW_OK;
}

/* yajl takes vertical tab and form feed for white space. RFC 8259 allows them nowhere, in strings
 * neither. Returns where the first stands, or the length. */
static size_t before_odd_space(struct kw_bytes text)
{
    size_t at = text.len;
    for (const char *odd = "\v\f"; *odd != '\0' && at > 0; odd++) {
        const uint8_t *found = memchr(text.data, *odd, at);
        if (found != NULL)
            at = (size_t)(found - text.data);
    }
    return at;
}

KW_ERR kw_json_parse(struct kw_json_doc *doc, struct kw_bytes text, struct kw_error *err)
{
    if (doc->memory != NULL)
        return kw_fail(err, KW_INTERNAL, "a document is parsed over another");
    if (text.len > KW_BUF_MAX)
        return kw_fail(err, KW_TOO_LARGE, "the JSON text is larger than 1 GiB");
    size_t valid = kw_utf8_prefix(text);
    if (valid != text.len)
        return kw_fail(err, KW_BAD_JSON, "not valid JSON at byte %zu: not UTF-8", valid);
    size_t plain = before_odd_space(text);
    if (plain != text.len)
        return kw_fail(err, KW_BAD_JSON, "not valid JSON at byte %zu: a control character", plain);
    /* Room for the parser (about 1 KiB) and, at the density of ordinary records, all values. */
    size_t hint = 2048 + (text.len < MOST_AT_ONCE ? 8 * text.len : 8 * MOST_AT_ONCE);
    struct kw_json_arena *arena = kw_json_arena_new(hint, doc->secret);
    if (arena == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    struct builder b;
    memset(&b, 0, offsetof(struct builder, levels));
    b.arena = arena;
    b.text = text;
    b.code = KW_OK;
    b.err = err;
    kw_code code = run(&b);
    if (code != KW_OK) {
        kw_json_arena_free(arena);
        return code;
    }
    doc->memory = arena;
    doc->root = b.root;
    return KW_OK;
}

void kw_json_doc_wipe(struct kw_json_doc *doc)
{
    kw_json_arena_free(doc->memory);
    *doc = (struct kw_json_doc){.secret = doc->secret};
}

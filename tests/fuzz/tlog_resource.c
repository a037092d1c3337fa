/* Tile paths, tiles and entry bundles as a server may send them: the first line is a path, the rest
 * what each fetch answers. */
#include "tlog/source.h"
#include "tlog/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static kw_code fetch(void *arg, const char *path, size_t max, struct kw_buf *out,
                     struct kw_error *err)
{
    const struct kw_bytes *content = arg;
    KW_UNUSED(path);
    if (content->len > max)
        return kw_fail(err, KW_TOO_LARGE, "too large");
    kw_buf_append(out, content->data, content->len);
    return KW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    struct kw_tlog_tile tile;
    if (end == NULL)
        return 0;
    struct kw_bytes path = kw_bytes(data, (size_t)(end - data));
    struct kw_bytes content = kw_bytes(end + 1, size - path.len - 1);
    if (kw_tlog_tile_parse(path, &tile, NULL) != KW_OK)
        return 0;
    char again[KW_TLOG_PATH_SIZE];
    if (!kw_bytes_equal_str(path, kw_tlog_tile_path(tile, again)))
        abort();
    const struct kw_tlog_source source = {.fetch = fetch, .arg = &content};
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    if (kw_tlog_fetch_tile(&source, tile, &out, NULL) == KW_OK && out.len != content.len)
        abort();
    struct kw_tlog_tile first = {.level = KW_TLOG_ENTRIES, .index = 0, .width = 1};
    kw_buf_reset(&out);
    if (kw_tlog_fetch_tile(&source, first, &out, NULL) == KW_OK && out.len > content.len)
        abort();
    return 0;
}

#include "tlog/tile.h"

#include "base/encode.h"

/* The index in groups of three digits, all but the last after an x: 1234067 is x001/x234/067. */
static size_t put_index(char *out, uint64_t index)
{
    unsigned groups[7];
    size_t count = 0;
    do {
        groups[count++] = (unsigned)(index % 1000);
        index /= 1000;
    } while (index > 0);
    size_t at = 0;
    while (count-- > 0) {
        if (count > 0)
            out[at++] = 'x';
        out[at++] = (char)('0' + groups[count] / 100);
        out[at++] = (char)('0' + groups[count] / 10 % 10);
        out[at++] = (char)('0' + groups[count] % 10);
        if (count > 0)
            out[at++] = '/';
    }
    out[at] = '\0';
    return at;
}

const char *kw_tlog_tile_path(struct kw_tlog_tile tile, char path[KW_TLOG_PATH_SIZE])
{
    int at = tile.level == KW_TLOG_ENTRIES
                 ? snprintf(path, KW_TLOG_PATH_SIZE, "tile/entries/")
                 : snprintf(path, KW_TLOG_PATH_SIZE, "tile/%u/", (unsigned)tile.level & 63);
    size_t end = (size_t)at + put_index(path + at, tile.index);
    if (tile.width != KW_TLOG_TILE_WIDTH)
        snprintf(path + end, KW_TLOG_PATH_SIZE - end, ".p/%u", tile.width & 255);
    return path;
}

static KW_ERR no_tile(struct kw_error *err)
{
    return kw_fail(err, KW_NOT_FOUND, "this path names no tile");
}

static bool take(struct kw_bytes *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text->len < len || memcmp(text->data, prefix, len) != 0)
        return false;
    *text = kw_bytes(text->data + len, text->len - len);
    return true;
}

static bool take_group(struct kw_bytes *text, uint64_t *index)
{
    if (text->len < 3 || *index > UINT64_MAX / 1000 - 1)
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return false;
        *index = *index * 10 + (uint64_t)(text->data[i] - '0');
    }
    *text = kw_bytes(text->data + 3, text->len - 3);
    return true;
}

static bool take_level(struct kw_bytes *text, int *level)
{
    if (take(text, "entries/")) {
        *level = KW_TLOG_ENTRIES;
        return true;
    }
    if (text->len < 2 || text->data[0] < '0' || text->data[0] >= '0' + KW_TLOG_LEVELS ||
        text->data[1] != '/')
        return false;
    *level = text->data[0] - '0';
    *text = kw_bytes(text->data + 2, text->len - 2);
    return true;
}

KW_ERR kw_tlog_tile_parse(struct kw_bytes path, struct kw_tlog_tile *out, struct kw_error *err)
{
    struct kw_tlog_tile tile = {.width = KW_TLOG_TILE_WIDTH};
    struct kw_bytes rest = path;
    char again[KW_TLOG_PATH_SIZE];
    if (path.len >= KW_TLOG_PATH_SIZE || !take(&rest, "tile/") || !take_level(&rest, &tile.level))
        return no_tile(err);
    while (take(&rest, "x"))
        if (!take_group(&rest, &tile.index) || !take(&rest, "/"))
            return no_tile(err);
    if (!take_group(&rest, &tile.index))
        return no_tile(err);
    if (take(&rest, ".p/")) {
        uint64_t width;
        if (kw_parse_u64(rest, KW_TLOG_TILE_WIDTH - 1, &width, NULL) != KW_OK || width == 0)
            return no_tile(err);
        tile.width = (unsigned)width;
        rest.len = 0;
    }
    /* one path for each tile: no leading x000, nothing after the end */
    if (rest.len != 0 || !kw_bytes_equal_str(path, kw_tlog_tile_path(tile, again)))
        return no_tile(err);
    *out = tile;
    return KW_OK;
}

uint64_t kw_tlog_level_size(uint64_t size, int level)
{
    return level <= 0 ? size : size >> (8 * (unsigned)level);
}

unsigned kw_tlog_tile_width(uint64_t size, int level, uint64_t index)
{
    uint64_t hashes = kw_tlog_level_size(size, level);
    uint64_t full = hashes / KW_TLOG_TILE_WIDTH;
    if (index < full)
        return KW_TLOG_TILE_WIDTH;
    return index == full ? (unsigned)(hashes % KW_TLOG_TILE_WIDTH) : 0;
}

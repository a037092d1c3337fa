/* Tile coordinates and paths: c2sp.org/tlog-tiles. */
#include "tlog/tile.h"
#include "tlog/source.h"
#include "tlog_memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void paths(void **state)
{
    KW_UNUSED(state);
    static const struct {
        struct kw_tlog_tile tile;
        const char *path;
    } cases[] = {
        {{0, 0, 256}, "tile/0/000"},
        {{0, 0, 1}, "tile/0/000.p/1"},
        {{1, 999, 255}, "tile/1/999.p/255"},
        {{2, 1000, 256}, "tile/2/x001/000"},
        {{0, 1234067, 256}, "tile/0/x001/x234/067"},
        {{KW_TLOG_ENTRIES, 273, 112}, "tile/entries/273.p/112"},
        {{7, UINT64_MAX / 256, 256}, "tile/7/x072/x057/x594/x037/x927/935"},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        char path[KW_TLOG_PATH_SIZE];
        struct kw_tlog_tile tile;
        assert_string_equal(kw_tlog_tile_path(cases[i].tile, path), cases[i].path);
        assert_int_equal(kw_tlog_tile_parse(kw_bytes_str(path), &tile, NULL), KW_OK);
        assert_int_equal(tile.level, cases[i].tile.level);
        assert_int_equal(tile.index, cases[i].tile.index);
        assert_int_equal(tile.width, cases[i].tile.width);
    }
}

static void paths_that_are_refused(void **state)
{
    KW_UNUSED(state);
    static const char *const bad[] = {
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/8/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/x000",
        "tile/0/001/000",
        "tile/0/x001/",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/1/",
        "tile/0/000/",
        "tile/0/000 ",
        "/tile/0/000",
        "tile//000",
        "tile/0/../000",
        "tile/entries/../../vkey",
        "tile/0/x..",
        "tile/0/.p/1",
        "tile/entries",
        "tile/entries/000.p/1.p/1",
        "tile/data/000",
        "checkpoint",
        "../checkpoint",
        "tile/0/x018/x446/x744/x073/x709/x551/x616",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/999",
    };
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        struct kw_tlog_tile tile;
        struct kw_error err;
        assert_int_equal(kw_tlog_tile_parse(kw_bytes_str(bad[i]), &tile, &err), KW_NOT_FOUND);
    }
    struct kw_tlog_tile tile;
    assert_int_equal(kw_tlog_tile_parse(kw_bytes("tile/0/000\0", 11), &tile, NULL), KW_NOT_FOUND);
}

/* The example of the specification: 70,000 entries. */
static void widths(void **state)
{
    KW_UNUSED(state);
    const uint64_t n = 70000;
    for (uint64_t i = 0; i < 273; i++)
        assert_int_equal(kw_tlog_tile_width(n, 0, i), 256);
    assert_int_equal(kw_tlog_tile_width(n, 0, 273), 112);
    assert_int_equal(kw_tlog_tile_width(n, 0, 274), 0);
    assert_int_equal(kw_tlog_tile_width(n, KW_TLOG_ENTRIES, 273), 112);
    assert_int_equal(kw_tlog_tile_width(n, 1, 0), 256);
    assert_int_equal(kw_tlog_tile_width(n, 1, 1), 17);
    assert_int_equal(kw_tlog_tile_width(n, 1, 2), 0);
    assert_int_equal(kw_tlog_tile_width(n, 2, 0), 1);
    assert_int_equal(kw_tlog_tile_width(n, 3, 0), 0);
    assert_int_equal(kw_tlog_tile_width(256, 0, 0), 256);
    assert_int_equal(kw_tlog_tile_width(256, 0, 1), 0);
    assert_int_equal(kw_tlog_tile_width(256, 1, 0), 1);
}

/* Serves the full tile only, as a log does that has deleted the partial ones. */
static kw_code full_only(void *arg, const char *path, size_t max, struct kw_buf *out,
                         struct kw_error *err)
{
    if (strstr(path, ".p/") != NULL)
        return kw_fail(err, KW_NOT_FOUND, "deleted");
    return memory_log_fetch(arg, path, max, out, err);
}

static void a_replaced_partial_tile_is_cut_from_the_full_one(void **state)
{
    KW_UNUSED(state);
    struct memory_log log;
    memory_log_init(&log, 256);
    const struct kw_tlog_source whole = {memory_log_fetch, &log};
    const struct kw_tlog_source full = {full_only, &log};
    for (int level = KW_TLOG_ENTRIES; level <= 0; level++) {
        KW_AUTO(kw_buf) a = KW_BUF_INIT;
        KW_AUTO(kw_buf) b = KW_BUF_INIT;
        const struct kw_tlog_tile tile = {level, 0, 100};
        assert_int_equal(kw_tlog_fetch_tile(&whole, tile, &a, NULL), KW_OK);
        assert_int_equal(kw_tlog_fetch_tile(&full, tile, &b, NULL), KW_OK);
        assert_true(kw_bytes_equal(kw_buf_bytes(&a), kw_buf_bytes(&b)));
    }
    KW_AUTO(kw_buf) none = KW_BUF_INIT;
    const struct kw_tlog_tile beyond = {0, 1, 100};
    assert_int_equal(kw_tlog_fetch_tile(&full, beyond, &none, NULL), KW_LEDGER_CORRUPT);
    memory_log_wipe(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(paths_that_are_refused),
        cmocka_unit_test(widths),
        cmocka_unit_test(a_replaced_partial_tile_is_cut_from_the_full_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

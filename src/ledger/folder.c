#include "ledger/folder.h"

#include "base/file.h"

bool kw_ledger_path_valid(const char *path)
{
    struct kw_tlog_tile tile;
    return strcmp(path, "checkpoint") == 0 ||
           kw_tlog_tile_parse(kw_bytes_str(path), &tile, NULL) == KW_OK;
}

static KW_ERR fetch(void *arg, const char *path, size_t max, struct kw_buf *out,
                    struct kw_error *err)
{
    const char *dir = arg;
    char full[KW_PATH_SIZE];
    if (!kw_ledger_path_valid(path))
        return kw_fail(err, KW_NOT_FOUND, "a ledger has no such resource");
    KW_TRY(kw_path_format(full, err, "%s/%s", dir, path));
    return kw_file_read(full, max, out, err);
}

struct kw_tlog_source kw_ledger_folder(const char *dir)
{
    union {
        const char *in;
        void *out;
    } pass = {.in = dir};
    return (struct kw_tlog_source){.fetch = fetch, .arg = pass.out};
}

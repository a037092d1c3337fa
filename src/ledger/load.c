/* Reading the published state when a ledger is opened. */
#include "base/file.h"
#include "ledger/folder.h"
#include "ledger/publisher.h"
#include "tlog/bundle.h"

#include <sys/stat.h>

static KW_ERR load_checkpoint(struct kw_publisher *publisher, struct kw_tlog_tree *tree,
                              struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    struct stat st;
    struct kw_error why = {0};
    KW_TRY(kw_path_format(path, err, "%s/checkpoint", publisher->dir));
    kw_code code = kw_file_read(path, KW_NOTE_MAX, &publisher->checkpoint, err);
    if (code == KW_NOT_FOUND || (code == KW_OK && stat(path, &st) != 0))
        return kw_fail(err, KW_LEDGER_MISSING,
                       "the ledger's checkpoint %s is gone: put the folder back from a copy", path);
    KW_TRY(code);
    atomic_store(&publisher->inode, st.st_ino);
    atomic_store(&publisher->inode_next, st.st_ino);
    code =
        kw_tlog_checkpoint_open(kw_buf_bytes(&publisher->checkpoint), publisher->key, tree, &why);
    if (code == KW_BAD_SIGNATURE || code == KW_BAD_ENCODING)
        return kw_fail(err, KW_LEDGER_CORRUPT, "%s does not verify: %s", path, why.text);
    return code == KW_OK ? KW_OK : kw_fail(err, code, "%s", why.text);
}

static KW_ERR load_edge(struct kw_publisher *publisher, uint64_t size, struct kw_error *err)
{
    struct kw_tlog_source folder = kw_ledger_folder(publisher->dir);
    struct kw_tlog_edge *edge = &publisher->published.edge;
    KW_AUTO(kw_buf) content = KW_BUF_INIT;
    edge->size = size;
    for (int level = 0; level < KW_TLOG_LEVELS; level++) {
        struct kw_tlog_tile tile = {
            .level = level,
            .index = kw_tlog_level_size(size, level) / KW_TLOG_TILE_WIDTH,
            .width = kw_tlog_edge_width(edge, level),
        };
        if (tile.width == 0)
            continue;
        kw_buf_reset(&content);
        KW_TRY(kw_tlog_fetch_tile(&folder, tile, &content, err));
        memcpy(edge->hash[level], content.data, content.len);
        if (level != 0)
            continue;
        tile.level = KW_TLOG_ENTRIES;
        KW_TRY(kw_tlog_fetch_tile(&folder, tile, &publisher->published.bundle, err));
    }
    return KW_OK;
}

/* The entries of the partial bundle go into the next tile: they must be those of the tree. */
static KW_ERR check_bundle(const struct kw_publisher *publisher, struct kw_error *err)
{
    const struct kw_tlog_edge *edge = &publisher->published.edge;
    struct kw_bytes rest = kw_buf_bytes(&publisher->published.bundle);
    struct kw_bytes entry;
    for (unsigned i = 0; kw_tlog_bundle_next(&rest, &entry); i++) {
        struct kw_tlog_hash leaf = kw_tlog_leaf(entry);
        if (!kw_tlog_hash_equal(&leaf, &edge->hash[0][i]))
            return kw_fail(
                err, KW_LEDGER_CORRUPT, "entry %llu in %s was altered",
                (unsigned long long)(edge->size / KW_TLOG_TILE_WIDTH * KW_TLOG_TILE_WIDTH + i),
                publisher->dir);
    }
    return KW_OK;
}

KW_ERR kw_publisher_load(struct kw_publisher *publisher, struct kw_error *err)
{
    struct kw_tlog_tree tree;
    KW_TRY(load_checkpoint(publisher, &tree, err));
    KW_TRY(load_edge(publisher, tree.size, err));
    KW_TRY(check_bundle(publisher, err));
    publisher->published.root = kw_tlog_edge_root(&publisher->published.edge);
    if (!kw_tlog_hash_equal(&publisher->published.root, &tree.root))
        return kw_fail(err, KW_LEDGER_CORRUPT,
                       "the tiles in %s do not fit the checkpoint: run keyward ledger verify",
                       publisher->dir);
    return KW_OK;
}

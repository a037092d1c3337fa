/* Where the resources of a log come from: a folder, a server, a bucket, a test's memory. */
#ifndef KW_TLOG_SOURCE_H
#define KW_TLOG_SOURCE_H

#include "tlog/proof.h"
#include "tlog/tile.h"

struct kw_tlog_source {
    /* Appends the resource at path ("checkpoint", "tile/0/000.p/7") to out: KW_NOT_FOUND if there
     * is none, KW_TOO_LARGE if it has more than max bytes, or whatever keeps it from being read. */
    KW_ERR(*fetch)
    (void *arg, const char *path, size_t max, struct kw_buf *out, struct kw_error *err);
    void *arg;
};

/* Appends tile's content. A partial tile that is gone is cut from the full tile that has taken its
 * place. KW_LEDGER_CORRUPT names a tile that is missing or has a wrong length. */
KW_ERR kw_tlog_fetch_tile(const struct kw_tlog_source *source, struct kw_tlog_tile tile,
                          struct kw_buf *out, struct kw_error *err);

/* The length of the first width entries of bundle; KW_LEDGER_CORRUPT, naming path, if it has fewer.
 */
KW_ERR kw_tlog_bundle_cut(struct kw_bytes bundle, unsigned width, const char *path, size_t *out,
                          struct kw_error *err);

/* Calls each for the entries [from, to) of a log of size entries, in order; a failure of each ends
 * it. Does not check them against the tree: see tlog/verify.h. */
typedef KW_ERR kw_tlog_each_entry(void *arg, uint64_t index, struct kw_bytes entry,
                                  struct kw_error *err);
struct kw_tlog_range {
    uint64_t from;
    uint64_t to;
    uint64_t size;
};
KW_ERR kw_tlog_each(const struct kw_tlog_source *source, struct kw_tlog_range range,
                    kw_tlog_each_entry *each, void *arg, struct kw_error *err);

/* The tree of size entries behind source, for proofs. Keeps the tile of each level that was used
 * last. Not thread-safe. */
struct kw_tlog_reader {
    const struct kw_tlog_source *source;
    uint64_t size;
    struct kw_tlog_tile at[KW_TLOG_LEVELS]; /* width 0: none is kept */
    struct kw_buf tile[KW_TLOG_LEVELS];
};
struct kw_tlog_hashes kw_tlog_reader_hashes(struct kw_tlog_reader *reader);
void kw_tlog_reader_wipe(struct kw_tlog_reader *reader);
KW_CLEANUP_WIPE(kw_tlog_reader)

#endif

#include "tlog/edge.h"

unsigned kw_tlog_edge_width(const struct kw_tlog_edge *edge, int level)
{
    return (unsigned)(kw_tlog_level_size(edge->size, level) % KW_TLOG_TILE_WIDTH);
}

KW_ERR kw_tlog_edge_add(struct kw_tlog_edge *edge, const struct kw_tlog_hash *leaf,
                        kw_tlog_full_tile *full, void *arg, struct kw_error *err)
{
    struct kw_tlog_hash hash = *leaf;
    for (int level = 0; level < KW_TLOG_LEVELS; level++) {
        unsigned width = kw_tlog_edge_width(edge, level);
        edge->hash[level][width] = hash;
        if (width + 1 < KW_TLOG_TILE_WIDTH)
            break;
        struct kw_tlog_tile tile = {
            .level = level,
            .index = kw_tlog_level_size(edge->size, level) / KW_TLOG_TILE_WIDTH,
            .width = KW_TLOG_TILE_WIDTH,
        };
        if (full != NULL)
            KW_TRY(full(arg, tile, edge->hash[level], err));
        hash = kw_tlog_subtree(edge->hash[level], KW_TLOG_TILE_WIDTH);
    }
    edge->size++;
    return KW_OK;
}

struct prefix {
    struct kw_tlog_hash root;
    bool some;
};

static void put_left(struct prefix *right, const struct kw_tlog_hash *left)
{
    right->root = right->some ? kw_tlog_node(left, &right->root) : *left;
    right->some = true;
}

/* The full subtrees that make up the tree, from the smallest, at the right, to the largest. */
struct kw_tlog_hash kw_tlog_edge_root(const struct kw_tlog_edge *edge)
{
    struct prefix tree = {0};
    if (edge->size == 0)
        return kw_tlog_empty();
    for (int level = 0; level < KW_TLOG_LEVELS; level++) {
        unsigned width = kw_tlog_edge_width(edge, level);
        for (unsigned part = 1; part < KW_TLOG_TILE_WIDTH; part *= 2) {
            if ((width & part) == 0)
                continue;
            width -= part;
            struct kw_tlog_hash left = kw_tlog_subtree(&edge->hash[level][width], part);
            put_left(&tree, &left);
        }
    }
    return tree.root;
}

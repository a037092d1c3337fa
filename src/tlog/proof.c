#include "tlog/proof.h"

/* The largest power of two that is smaller than n, which is at least 2. */
static uint64_t split(uint64_t n)
{
    return 1ULL << (63 - __builtin_clzll(n - 1));
}

KW_ERR kw_tlog_range_root(const struct kw_tlog_hashes *tree, uint64_t from, uint64_t to,
                          struct kw_tlog_hash *out, struct kw_error *err)
{
    /* Full subtrees from the left, each smaller than the one before; then joined from the right. */
    struct kw_tlog_hash part[64];
    unsigned count = 0;
    while (from < to) {
        unsigned height = 63 - (unsigned)__builtin_clzll(to - from);
        KW_TRY(tree->subtree(tree->arg, height, from >> height, &part[count++], err));
        from += 1ULL << height;
    }
    struct kw_tlog_hash root = part[--count];
    while (count-- > 0)
        root = kw_tlog_node(&part[count], &root);
    *out = root;
    return KW_OK;
}

static KW_ERR add(const struct kw_tlog_hashes *tree, uint64_t from, uint64_t to,
                  struct kw_tlog_proof *proof, struct kw_error *err)
{
    return kw_tlog_range_root(tree, from, to, &proof->hash[proof->count++], err);
}

/* Proofs are found from the root down and listed from the leaf up. */
static void reverse(struct kw_tlog_proof *proof)
{
    for (unsigned i = 0; i < proof->count / 2; i++) {
        struct kw_tlog_hash swap = proof->hash[i];
        proof->hash[i] = proof->hash[proof->count - 1 - i];
        proof->hash[proof->count - 1 - i] = swap;
    }
}

KW_ERR kw_tlog_prove_inclusion(const struct kw_tlog_hashes *tree, uint64_t index, uint64_t size,
                               struct kw_tlog_proof *out, struct kw_error *err)
{
    struct kw_tlog_proof proof = {0};
    uint64_t from = 0;
    uint64_t to = size;
    if (index >= size)
        return kw_fail(err, KW_NOT_FOUND, "entry %llu is not among the %llu of this tree",
                       (unsigned long long)index, (unsigned long long)size);
    while (to - from > 1) {
        uint64_t middle = from + split(to - from);
        if (index < middle) {
            KW_TRY(add(tree, middle, to, &proof, err));
            to = middle;
        } else {
            KW_TRY(add(tree, from, middle, &proof, err));
            from = middle;
        }
    }
    reverse(&proof);
    *out = proof;
    return KW_OK;
}

KW_ERR kw_tlog_prove_consistency(const struct kw_tlog_hashes *tree, uint64_t old, uint64_t size,
                                 struct kw_tlog_proof *out, struct kw_error *err)
{
    struct kw_tlog_proof proof = {0};
    uint64_t from = 0;
    uint64_t to = size;
    if (old > size)
        return kw_fail(err, KW_NOT_FOUND, "a tree of %llu entries cannot extend one of %llu",
                       (unsigned long long)size, (unsigned long long)old);
    if (old == 0 || old == size) {
        *out = proof;
        return KW_OK;
    }
    while (old != to) {
        uint64_t middle = from + split(to - from);
        if (old <= middle) {
            KW_TRY(add(tree, middle, to, &proof, err));
            to = middle;
        } else {
            KW_TRY(add(tree, from, middle, &proof, err));
            from = middle;
        }
    }
    if (from > 0) /* the old tree is no full subtree of the new one, so it must be told */
        KW_TRY(add(tree, from, to, &proof, err));
    reverse(&proof);
    *out = proof;
    return KW_OK;
}

static KW_ERR refuse(struct kw_error *err, const char *what)
{
    return kw_fail(err, KW_BAD_PROOF, "the %s proof does not fit the checkpoint", what);
}

/* Where a node stands among those of its height: its number, and the number of the last one. */
struct place {
    uint64_t node;
    uint64_t last;
};

static void up(struct place *place)
{
    place->node >>= 1;
    place->last >>= 1;
}

/* Is the node a right child here? A last node without a sibling is lifted until it has one. */
static bool is_right(struct place *place)
{
    bool right = (place->node & 1) != 0 || place->node == place->last;
    if (right)
        while ((place->node & 1) == 0 && place->node != 0)
            up(place);
    up(place);
    return right;
}

KW_ERR kw_tlog_check_inclusion(const struct kw_tlog_proof *proof, uint64_t index,
                               const struct kw_tlog_hash *leaf, const struct kw_tlog_tree *tree,
                               struct kw_error *err)
{
    if (index >= tree->size)
        return refuse(err, "inclusion");
    struct place place = {.node = index, .last = tree->size - 1};
    struct kw_tlog_hash root = *leaf;
    for (unsigned i = 0; i < proof->count; i++) {
        if (place.last == 0)
            return refuse(err, "inclusion");
        root = is_right(&place) ? kw_tlog_node(&proof->hash[i], &root)
                                : kw_tlog_node(&root, &proof->hash[i]);
    }
    if (place.last != 0 || !kw_tlog_hash_equal(&root, &tree->root))
        return refuse(err, "inclusion");
    return KW_OK;
}

/* old < tree->size, old->size > 0 */
static bool consistent(const struct kw_tlog_proof *proof, const struct kw_tlog_tree *old,
                       const struct kw_tlog_tree *tree)
{
    struct place place = {.node = old->size - 1, .last = tree->size - 1};
    bool told = (old->size & (old->size - 1)) != 0; /* else the old root itself is the start */
    if (proof->count == 0)
        return false;
    while ((place.node & 1) != 0)
        up(&place);
    struct kw_tlog_hash before = told ? proof->hash[0] : old->root;
    struct kw_tlog_hash after = before;
    for (unsigned i = told ? 1 : 0; i < proof->count; i++) {
        if (place.last == 0)
            return false;
        if (is_right(&place)) {
            before = kw_tlog_node(&proof->hash[i], &before);
            after = kw_tlog_node(&proof->hash[i], &after);
        } else {
            after = kw_tlog_node(&after, &proof->hash[i]);
        }
    }
    return place.last == 0 && kw_tlog_hash_equal(&before, &old->root) &&
           kw_tlog_hash_equal(&after, &tree->root);
}

KW_ERR kw_tlog_check_consistency(const struct kw_tlog_proof *proof, const struct kw_tlog_tree *old,
                                 const struct kw_tlog_tree *tree, struct kw_error *err)
{
    struct kw_tlog_hash empty = kw_tlog_empty();
    bool good;
    if (old->size > tree->size)
        good = false;
    else if (old->size == 0)
        good = proof->count == 0 && kw_tlog_hash_equal(&old->root, &empty);
    else if (old->size == tree->size)
        good = proof->count == 0 && kw_tlog_hash_equal(&old->root, &tree->root);
    else
        good = consistent(proof, old, tree);
    return good ? KW_OK : refuse(err, "consistency");
}

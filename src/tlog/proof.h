/* Inclusion and consistency proofs (RFC 6962 sections 2.1.1 and 2.1.2): making them from a tree
 * whose subtree hashes can be asked for, and checking them (RFC 9162 sections 2.1.3.2 and 2.1.4.2).
 * Thread-safe. */
#ifndef KW_TLOG_PROOF_H
#define KW_TLOG_PROOF_H

#include "tlog/hash.h"

enum { KW_TLOG_PROOF_MAX = 64 };

struct kw_tlog_proof {
    unsigned count;
    struct kw_tlog_hash hash[KW_TLOG_PROOF_MAX];
};

/* A tree that can be asked for the root of the full subtree over the entries
 * [index << height, (index + 1) << height), which exists in it. */
struct kw_tlog_hashes {
    KW_ERR(*subtree)
    (void *arg, unsigned height, uint64_t index, struct kw_tlog_hash *out, struct kw_error *err);
    void *arg;
};

/* The root of the entries [from, to), from being a multiple of the least power of two that is not
 * smaller than to - from; of the whole tree with from = 0. from < to. */
KW_ERR kw_tlog_range_root(const struct kw_tlog_hashes *tree, uint64_t from, uint64_t to,
                          struct kw_tlog_hash *out, struct kw_error *err);

/* Proof that entry index is in the tree of size entries. KW_NOT_FOUND unless index < size. */
KW_ERR kw_tlog_prove_inclusion(const struct kw_tlog_hashes *tree, uint64_t index, uint64_t size,
                               struct kw_tlog_proof *out, struct kw_error *err);

/* Proof that the tree of size entries extends the tree of old entries; empty if old is 0 or size.
 * KW_NOT_FOUND unless old <= size. */
KW_ERR kw_tlog_prove_consistency(const struct kw_tlog_hashes *tree, uint64_t old, uint64_t size,
                                 struct kw_tlog_proof *out, struct kw_error *err);

/* A tree: how many entries, and its root. */
struct kw_tlog_tree {
    uint64_t size;
    struct kw_tlog_hash root;
};

/* KW_BAD_PROOF unless proof shows that leaf is entry index of tree. */
KW_ERR kw_tlog_check_inclusion(const struct kw_tlog_proof *proof, uint64_t index,
                               const struct kw_tlog_hash *leaf, const struct kw_tlog_tree *tree,
                               struct kw_error *err);

/* KW_BAD_PROOF unless proof shows that tree extends old. */
KW_ERR kw_tlog_check_consistency(const struct kw_tlog_proof *proof, const struct kw_tlog_tree *old,
                                 const struct kw_tlog_tree *tree, struct kw_error *err);

#endif

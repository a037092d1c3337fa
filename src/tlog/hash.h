/* RFC 6962 Merkle tree hashing over SHA-256: the hashes of a leaf, of a node and of the empty tree.
 * Thread-safe. RFC 6962 section 2.1. */
#ifndef KW_TLOG_HASH_H
#define KW_TLOG_HASH_H

#include "base/bytes.h"

enum { KW_TLOG_HASH_SIZE = 32 };

/* Nothing but its bytes: an array of hashes is the concatenation of them. */
struct kw_tlog_hash {
    uint8_t bytes[KW_TLOG_HASH_SIZE];
};

/* SHA-256(0x00 || entry) */
struct kw_tlog_hash kw_tlog_leaf(struct kw_bytes entry);

/* SHA-256(0x01 || left || right) */
struct kw_tlog_hash kw_tlog_node(const struct kw_tlog_hash *left, const struct kw_tlog_hash *right);

/* SHA-256 of nothing: the root of a tree without leaves. */
struct kw_tlog_hash kw_tlog_empty(void);

/* The root of the full tree over count hashes, a power of two of at most 256. */
struct kw_tlog_hash kw_tlog_subtree(const struct kw_tlog_hash *hashes, size_t count);

static inline bool kw_tlog_hash_equal(const struct kw_tlog_hash *a, const struct kw_tlog_hash *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

#endif

#include "tlog/hash.h"

#include "crypto/hash.h"

struct kw_tlog_hash kw_tlog_leaf(struct kw_bytes entry)
{
    static const uint8_t prefix = 0x00;
    struct kw_tlog_hash out;
    kw_sha256(out.bytes, (const struct kw_bytes[]){kw_bytes(&prefix, 1), entry}, 2);
    return out;
}

struct kw_tlog_hash kw_tlog_node(const struct kw_tlog_hash *left, const struct kw_tlog_hash *right)
{
    uint8_t text[1 + 2 * KW_TLOG_HASH_SIZE];
    struct kw_tlog_hash out;
    text[0] = 0x01;
    memcpy(text + 1, left, sizeof *left);
    memcpy(text + 1 + sizeof *left, right, sizeof *right);
    kw_sha256_one(out.bytes, kw_bytes(text, sizeof text));
    return out;
}

struct kw_tlog_hash kw_tlog_empty(void)
{
    struct kw_tlog_hash out;
    kw_sha256(out.bytes, NULL, 0);
    return out;
}

struct kw_tlog_hash kw_tlog_subtree(const struct kw_tlog_hash *hashes, size_t count)
{
    struct kw_tlog_hash level[128];
    if (count == 1)
        return hashes[0];
    for (size_t i = 0; i < count / 2; i++)
        level[i] = kw_tlog_node(&hashes[2 * i], &hashes[2 * i + 1]);
    for (count /= 2; count > 1; count /= 2)
        for (size_t i = 0; i < count / 2; i++)
            level[i] = kw_tlog_node(&level[2 * i], &level[2 * i + 1]);
    return level[0];
}

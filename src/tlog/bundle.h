/* Entry bundles: a big-endian u16 length and an entry, repeated (c2sp.org/tlog-tiles). Also the
 * form of entries on their way into the log. Thread-safe. */
#ifndef KW_TLOG_BUNDLE_H
#define KW_TLOG_BUNDLE_H

#include "tlog/hash.h"

/* Takes the first entry off the front of bundle. False at the end, and at an entry that is cut off:
 * bundle->len tells which. */
static inline bool kw_tlog_bundle_next(struct kw_bytes *bundle, struct kw_bytes *entry)
{
    if (bundle->len < 2)
        return false;
    size_t len = kw_get_u16(bundle->data);
    if (len > bundle->len - 2)
        return false;
    *entry = kw_bytes(bundle->data + 2, len);
    *bundle = kw_bytes(bundle->data + 2 + len, bundle->len - 2 - len);
    return true;
}

/* Appends an entry of at most KW_TLOG_ENTRY_MAX bytes. */
static inline void kw_tlog_bundle_add(struct kw_buf *bundle, struct kw_bytes entry)
{
    uint8_t *room = kw_buf_reserve(bundle, 2 + entry.len);
    if (room == NULL)
        return;
    kw_put_u16(room, (uint16_t)entry.len);
    if (entry.len > 0)
        memcpy(room + 2, entry.data, entry.len);
    bundle->len += 2 + entry.len;
}

#endif

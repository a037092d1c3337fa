/* Inside attach: the versions of a key that move to another side, and the copies that they will
 * have there. Batch keys of a held key (kw_version_is_batch) stay where they are. */
#ifndef KW_AUTHORITY_ATTACH_MOVES_H
#define KW_AUTHORITY_ATTACH_MOVES_H

#include "authority/internal.h"

struct kw_move; /* one version */

/* Starts as zeros. */
struct kw_moves {
    struct kw_authority *authority;
    const struct kw_key_row *from, *to;
    struct kw_move *list;
    size_t count, capacity;
    kw_code failed; /* while they are listed */
};
void kw_moves_wipe(struct kw_moves *moves);
KW_CLEANUP_WIPE(kw_moves)

/* Opens every version that is not destroyed where it is, wraps it as to's custody wants, and opens
 * it again from there. Some at a time; key bytes live for one version's turn. Calls providers.
 * KW_STATE_CONFLICT: imported material that has ended. from and to are borrowed. */
KW_ERR kw_moves_make(struct kw_moves *moves, struct kw_authority *authority,
                     const struct kw_key_row *from, const struct kw_key_row *to,
                     struct kw_error *err);
/* Inside the transaction: destroys the copies there were, and puts the new ones in their place.
 * KW_AGAIN: a version is not what it was. */
KW_ERR kw_moves_put(const struct kw_moves *moves, struct kw_authority *authority,
                    uint64_t *destroyed, struct kw_error *err);

#endif

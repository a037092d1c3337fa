/* Checkpoints: the origin, size and root of a log, as the text of a signed note.
 * Thread-safe. c2sp.org/tlog-checkpoint. */
#ifndef KW_TLOG_CHECKPOINT_H
#define KW_TLOG_CHECKPOINT_H

#include "tlog/note.h"
#include "tlog/proof.h"

/* Appends the signed checkpoint of tree; its origin is the key's name. */
KW_ERR kw_tlog_checkpoint_sign(struct kw_buf *out, const struct kw_tlog_tree *tree,
                               const struct kw_note_key *key, const struct kw_secret *seed,
                               struct kw_error *err);

/* The tree that a checkpoint states, if key has signed it and its origin is the key's name. Fails
 * as kw_note_open, and with KW_BAD_ENCODING if the text is no checkpoint. */
KW_ERR kw_tlog_checkpoint_open(struct kw_bytes note, const struct kw_note_key *key,
                               struct kw_tlog_tree *out, struct kw_error *err);

#endif

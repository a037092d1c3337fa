/* Signed notes: a text, a blank line, and lines of signatures; and the keys that make them.
 *
 * Only Ed25519 keys (type 0x01). Signatures of other keys (witnesses) are passed over, as the
 * specification demands. Thread-safe. c2sp.org/signed-note. */
#ifndef KW_TLOG_NOTE_H
#define KW_TLOG_NOTE_H

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/sign.h"

enum {
    KW_NOTE_NAME_MAX = 127,
    KW_NOTE_MAX = 256 * 1024, /* bytes of a whole note */
    KW_NOTE_SIGNATURES_MAX = 64,
};

struct kw_note_key {
    char name[KW_NOTE_NAME_MAX + 1];
    uint32_t id; /* SHA-256(name || 0x0A || 0x01 || public key), the first 4 bytes */
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
};

/* KW_BAD_NAME if the name is empty, too long, or has a space, a control character or a plus. */
KW_ERR kw_note_key_init(struct kw_note_key *out, const char *name,
                        const uint8_t public_key[KW_SIGN_PUBLIC_SIZE], struct kw_error *err);

/* A verification key line, name+hex(id)+base64(0x01 || public key); a last newline is allowed.
 * KW_BAD_ENCODING if it is anything else. */
KW_ERR kw_note_key_parse(struct kw_note_key *out, struct kw_bytes line, struct kw_error *err);
void kw_note_key_format(const struct kw_note_key *key, struct kw_buf *out);

bool kw_note_key_equal(const struct kw_note_key *a, const struct kw_note_key *b);

/* Appends the note of text, which ends in a newline, signed by key, whose seed is seed. */
KW_ERR kw_note_sign(struct kw_buf *out, struct kw_bytes text, const struct kw_note_key *key,
                    const struct kw_secret *seed, struct kw_error *err);

/* The text of note, if key has signed it: KW_BAD_SIGNATURE if it has not, KW_BAD_ENCODING if this
 * is no note. text borrows from note. */
KW_ERR kw_note_open(struct kw_bytes note, const struct kw_note_key *key, struct kw_bytes *text,
                    struct kw_error *err);

#endif

#include "tlog/note.h"

#include "base/encode.h"
#include "base/utf8.h"

static const char dash[] = "\xe2\x80\x94 "; /* U+2014 and a space */

enum { DASH = sizeof dash - 1, ID_SIZE = 4, SIGNATURE_MAX = 16384 };

KW_ERR kw_note_sign(struct kw_buf *out, struct kw_bytes text, const struct kw_note_key *key,
                    const struct kw_secret *seed, struct kw_error *err)
{
    uint8_t signature[ID_SIZE + KW_SIGNATURE_SIZE];
    if (text.len == 0 || text.data[text.len - 1] != '\n')
        return kw_fail(err, KW_INTERNAL, "a note's text must end in a newline");
    kw_put_u32(signature, key->id);
    KW_TRY(kw_sign(seed->data, text, signature + ID_SIZE, err));
    kw_buf_append(out, text.data, text.len);
    kw_buf_printf(out, "\n%s%s ", dash, key->name);
    kw_base64_encode(out, kw_bytes(signature, sizeof signature));
    kw_buf_append_byte(out, '\n');
    return kw_buf_status(out, err);
}

static KW_ERR no_note(struct kw_error *err)
{
    return kw_fail(err, KW_BAD_ENCODING, "this is not a signed note");
}

/* The text and the signature lines: the last blank line divides them. */
static bool divide(struct kw_bytes note, struct kw_bytes *text, struct kw_bytes *lines)
{
    if (note.len > KW_NOTE_MAX || !kw_utf8_valid(note))
        return false;
    for (size_t i = 0; i < note.len; i++)
        if (note.data[i] < ' ' && note.data[i] != '\n')
            return false;
    for (size_t i = note.len; i >= 2; i--) {
        if (note.data[i - 1] != '\n' || note.data[i - 2] != '\n')
            continue;
        *text = kw_bytes(note.data, i - 1);
        *lines = kw_bytes(note.data + i, note.len - i);
        return lines->len > 0;
    }
    return false;
}

struct signature {
    struct kw_bytes name;
    struct kw_bytes base64;
};

static bool next_signature(struct kw_bytes *lines, struct signature *out)
{
    const uint8_t *end = memchr(lines->data, '\n', lines->len);
    if (end == NULL || lines->len < DASH || memcmp(lines->data, dash, DASH) != 0)
        return false;
    const uint8_t *name = lines->data + DASH;
    if (end <= name)
        return false;
    const uint8_t *space = memchr(name, ' ', (size_t)(end - name));
    if (space == NULL || space == name || space + 1 == end)
        return false;
    out->name = kw_bytes(name, (size_t)(space - name));
    out->base64 = kw_bytes(space + 1, (size_t)(end - space) - 1);
    *lines = kw_bytes(end + 1, lines->len - (size_t)(end + 1 - lines->data));
    return true;
}

/* Sets *ours if the signature claims to be by key; fails if it does and is not. */
static KW_ERR check(const struct signature *line, const struct kw_note_key *key,
                    struct kw_bytes text, bool *ours, struct kw_error *err)
{
    KW_AUTO(kw_buf) bytes = {.max = SIGNATURE_MAX};
    if (kw_base64_decode(&bytes, line->base64, NULL) != KW_OK || bytes.len <= ID_SIZE)
        return no_note(err);
    if (kw_get_u32(bytes.data) != key->id || !kw_bytes_equal_str(line->name, key->name))
        return KW_OK;
    if (bytes.len != ID_SIZE + KW_SIGNATURE_SIZE)
        return kw_fail(err, KW_BAD_SIGNATURE, "the signature of %s has a wrong length", key->name);
    if (kw_verify(key->public_key, text, bytes.data + ID_SIZE, NULL) != KW_OK)
        return kw_fail(err, KW_BAD_SIGNATURE, "the signature of %s does not verify", key->name);
    *ours = true;
    return KW_OK;
}

KW_ERR kw_note_open(struct kw_bytes note, const struct kw_note_key *key, struct kw_bytes *text,
                    struct kw_error *err)
{
    struct kw_bytes content;
    struct kw_bytes lines;
    bool signed_by_key = false;
    if (!divide(note, &content, &lines))
        return no_note(err);
    for (unsigned count = 0; lines.len > 0; count++) {
        struct signature line;
        if (count == KW_NOTE_SIGNATURES_MAX || !next_signature(&lines, &line))
            return no_note(err);
        KW_TRY(check(&line, key, content, &signed_by_key, err));
    }
    if (!signed_by_key)
        return kw_fail(err, KW_BAD_SIGNATURE, "the note is not signed by %s+%08x", key->name,
                       key->id);
    *text = content;
    return KW_OK;
}

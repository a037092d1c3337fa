#include "tlog/note.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "crypto/hash.h"

enum { TYPE_ED25519 = 0x01, ID_HEX = 8, ID_SIZE = 4 };

/* Unicode's White_Space beyond ASCII, in UTF-8. */
static const char *const spaces[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
    "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
    "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
    "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
};

static KW_ERR check_name(struct kw_bytes name, struct kw_error *err)
{
    bool good = name.len > 0 && name.len <= KW_NOTE_NAME_MAX && kw_utf8_valid(name);
    for (size_t i = 0; good && i < name.len; i++)
        good = name.data[i] > ' ' && name.data[i] != '+' && name.data[i] != 0x7f;
    for (size_t s = 0; good && s < KW_COUNT(spaces); s++)
        good = memmem(name.data, name.len, spaces[s], strlen(spaces[s])) == NULL;
    if (!good)
        return kw_fail(err, KW_BAD_NAME,
                       "the key name must be 1 to %d bytes of UTF-8 without spaces and '+'",
                       KW_NOTE_NAME_MAX);
    return KW_OK;
}

static uint32_t key_id(struct kw_bytes name, const uint8_t public_key[KW_SIGN_PUBLIC_SIZE])
{
    uint8_t hash[KW_HASH_SIZE];
    const uint8_t middle[] = {'\n', TYPE_ED25519};
    kw_sha256(hash,
              (const struct kw_bytes[]){name, kw_bytes(middle, sizeof middle),
                                        kw_bytes(public_key, KW_SIGN_PUBLIC_SIZE)},
              3);
    return kw_get_u32(hash);
}

static KW_ERR init(struct kw_note_key *out, struct kw_bytes name, const uint8_t *public_key,
                   struct kw_error *err)
{
    KW_TRY(check_name(name, err));
    struct kw_note_key key = {.id = key_id(name, public_key)};
    memcpy(key.name, name.data, name.len);
    memcpy(key.public_key, public_key, sizeof key.public_key);
    *out = key;
    return KW_OK;
}

KW_ERR kw_note_key_init(struct kw_note_key *out, const char *name,
                        const uint8_t public_key[KW_SIGN_PUBLIC_SIZE], struct kw_error *err)
{
    return init(out, kw_bytes_str(name), public_key, err);
}

static KW_ERR no_key(struct kw_error *err)
{
    return kw_fail(err, KW_BAD_ENCODING,
                   "this is not a verification key: it reads name+8 hex digits+base64");
}

KW_ERR kw_note_key_parse(struct kw_note_key *out, struct kw_bytes line, struct kw_error *err)
{
    if (line.len > 0 && line.data[line.len - 1] == '\n')
        line.len--;
    const uint8_t *plus = line.len > 0 ? memchr(line.data, '+', line.len) : NULL;
    if (plus == NULL)
        return no_key(err);
    struct kw_bytes name = kw_bytes(line.data, (size_t)(plus - line.data));
    struct kw_bytes rest = kw_bytes(plus + 1, line.len - name.len - 1);
    if (rest.len <= ID_HEX || rest.data[ID_HEX] != '+')
        return no_key(err);
    uint8_t id[ID_SIZE];
    uint8_t typed[1 + KW_SIGN_PUBLIC_SIZE];
    struct kw_bytes base64 = kw_bytes(rest.data + ID_HEX + 1, rest.len - ID_HEX - 1);
    if (kw_hex_decode_exact(id, sizeof id, kw_bytes(rest.data, ID_HEX), NULL) != KW_OK ||
        kw_base64_decode_exact(typed, sizeof typed, base64, NULL) != KW_OK)
        return no_key(err);
    if (typed[0] != TYPE_ED25519)
        return kw_fail(err, KW_BAD_ENCODING, "only Ed25519 verification keys are known here");
    struct kw_note_key key;
    KW_TRY(init(&key, name, typed + 1, err));
    if (key.id != kw_get_u32(id))
        return kw_fail(err, KW_BAD_ENCODING,
                       "the verification key's number does not fit its name and key");
    *out = key;
    return KW_OK;
}

void kw_note_key_format(const struct kw_note_key *key, struct kw_buf *out)
{
    uint8_t typed[1 + KW_SIGN_PUBLIC_SIZE] = {TYPE_ED25519};
    memcpy(typed + 1, key->public_key, sizeof key->public_key);
    kw_buf_printf(out, "%s+%08x+", key->name, key->id);
    kw_base64_encode(out, kw_bytes(typed, sizeof typed));
}

bool kw_note_key_equal(const struct kw_note_key *a, const struct kw_note_key *b)
{
    return a->id == b->id && strcmp(a->name, b->name) == 0 &&
           memcmp(a->public_key, b->public_key, sizeof a->public_key) == 0;
}

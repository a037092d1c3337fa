#include "tlog/checkpoint.h"

#include "base/encode.h"

KW_ERR kw_tlog_checkpoint_sign(struct kw_buf *out, const struct kw_tlog_tree *tree,
                               const struct kw_note_key *key, const struct kw_secret *seed,
                               struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    kw_buf_printf(&text, "%s\n%llu\n", key->name, (unsigned long long)tree->size);
    kw_base64_encode(&text, kw_bytes(&tree->root, sizeof tree->root));
    kw_buf_append_byte(&text, '\n');
    KW_TRY(kw_buf_status(&text, err));
    return kw_note_sign(out, kw_buf_bytes(&text), key, seed, err);
}

/* A line that is not empty, without its newline. */
static bool take_line(struct kw_bytes *text, struct kw_bytes *line)
{
    const uint8_t *end = text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;
    if (end == NULL || end == text->data)
        return false;
    *line = kw_bytes(text->data, (size_t)(end - text->data));
    *text = kw_bytes(end + 1, text->len - line->len - 1);
    return true;
}

static bool parse(struct kw_bytes text, struct kw_bytes *origin, struct kw_tlog_tree *tree)
{
    struct kw_bytes size;
    struct kw_bytes root;
    struct kw_bytes extension;
    if (!take_line(&text, origin) || !take_line(&text, &size) || !take_line(&text, &root))
        return false;
    while (text.len > 0)
        if (!take_line(&text, &extension))
            return false;
    return kw_parse_u64(size, INT64_MAX, &tree->size, NULL) == KW_OK &&
           kw_base64_decode_exact(&tree->root, sizeof tree->root, root, NULL) == KW_OK;
}

KW_ERR kw_tlog_checkpoint_open(struct kw_bytes note, const struct kw_note_key *key,
                               struct kw_tlog_tree *out, struct kw_error *err)
{
    struct kw_bytes text;
    struct kw_bytes origin;
    struct kw_tlog_tree tree;
    KW_TRY(kw_note_open(note, key, &text, err));
    if (!parse(text, &origin, &tree))
        return kw_fail(err, KW_BAD_ENCODING, "the signed note is not a checkpoint");
    if (!kw_bytes_equal_str(origin, key->name))
        return kw_fail(err, KW_BAD_SIGNATURE, "the checkpoint is of another log than %s",
                       key->name);
    struct kw_tlog_hash empty = kw_tlog_empty();
    if (tree.size == 0 && !kw_tlog_hash_equal(&tree.root, &empty))
        return kw_fail(err, KW_BAD_ENCODING, "the checkpoint of an empty log has a wrong root");
    *out = tree;
    return KW_OK;
}

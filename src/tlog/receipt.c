#include "tlog/receipt.h"

#include "base/encode.h"

static const char first_line[] = "c2sp.org/tlog-proof@v1";

void kw_tlog_receipt_format(const struct kw_tlog_receipt *receipt, struct kw_buf *out)
{
    kw_buf_printf(out, "%s\nindex %llu\n", first_line, (unsigned long long)receipt->index);
    for (unsigned i = 0; i < receipt->proof.count; i++) {
        kw_base64_encode(out, kw_bytes(&receipt->proof.hash[i], KW_TLOG_HASH_SIZE));
        kw_buf_append_byte(out, '\n');
    }
    kw_buf_append_byte(out, '\n');
    kw_buf_append(out, receipt->checkpoint.data, receipt->checkpoint.len);
}

/* A line without its newline; it may be empty. */
static bool take_line(struct kw_bytes *text, struct kw_bytes *line)
{
    const uint8_t *end = text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;
    if (end == NULL)
        return false;
    *line = kw_bytes(text->data, (size_t)(end - text->data));
    *text = kw_bytes(end + 1, text->len - line->len - 1);
    return true;
}

static bool take_word(struct kw_bytes *line, const char *word)
{
    size_t len = strlen(word);
    if (line->len < len || memcmp(line->data, word, len) != 0)
        return false;
    *line = kw_bytes(line->data + len, line->len - len);
    return true;
}

static bool parse_head(struct kw_bytes *text, uint64_t *index)
{
    struct kw_bytes line;
    if (!take_line(text, &line) || !kw_bytes_equal_str(line, first_line) || !take_line(text, &line))
        return false;
    if (take_word(&line, "extra ")) {
        KW_AUTO(kw_buf) extra = {.max = KW_NOTE_MAX};
        if (kw_base64_decode(&extra, line, NULL) != KW_OK || !take_line(text, &line))
            return false;
    }
    return take_word(&line, "index ") && kw_parse_u64(line, INT64_MAX, index, NULL) == KW_OK;
}

static bool parse_proof(struct kw_bytes *text, struct kw_tlog_proof *proof)
{
    struct kw_bytes line;
    while (take_line(text, &line)) {
        if (line.len == 0)
            return true;
        if (proof->count == KW_TLOG_PROOF_MAX ||
            kw_base64_decode_exact(&proof->hash[proof->count], KW_TLOG_HASH_SIZE, line, NULL) !=
                KW_OK)
            return false;
        proof->count++;
    }
    return false;
}

KW_ERR kw_tlog_receipt_parse(struct kw_bytes text, struct kw_tlog_receipt *out,
                             struct kw_error *err)
{
    struct kw_tlog_receipt receipt = {0};
    if (!parse_head(&text, &receipt.index) || !parse_proof(&text, &receipt.proof))
        return kw_fail(err, KW_BAD_ENCODING, "this is not a receipt (%s)", first_line);
    receipt.checkpoint = text;
    *out = receipt;
    return KW_OK;
}

KW_ERR kw_tlog_receipt_check(struct kw_bytes text, const struct kw_note_key *key,
                             struct kw_bytes entry, uint64_t *index, struct kw_tlog_tree *tree,
                             struct kw_error *err)
{
    struct kw_tlog_receipt receipt;
    struct kw_tlog_tree stated;
    struct kw_tlog_hash leaf = kw_tlog_leaf(entry);
    KW_TRY(kw_tlog_receipt_parse(text, &receipt, err));
    KW_TRY(kw_tlog_checkpoint_open(receipt.checkpoint, key, &stated, err));
    KW_TRY(kw_tlog_check_inclusion(&receipt.proof, receipt.index, &leaf, &stated, err));
    if (index != NULL)
        *index = receipt.index;
    if (tree != NULL)
        *tree = stated;
    return KW_OK;
}

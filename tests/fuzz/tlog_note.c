/* Notes, checkpoints and verification keys: no input is taken for signed that is not. */
#include "tlog/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kw_note_key key;
    struct kw_note_key parsed;
    struct kw_bytes text;
    struct kw_tlog_tree tree;
    struct kw_bytes in = kw_bytes(data, size);
    if (key.name[0] == '\0') {
        uint8_t public_key[KW_SIGN_PUBLIC_SIZE] = {1};
        if (kw_note_key_init(&key, "fuzz.example", public_key, NULL) != KW_OK)
            abort();
    }
    /* the inputs' own key: a vkey line, then the note */
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    if (end != NULL &&
        kw_note_key_parse(&parsed, kw_bytes(data, (size_t)(end - data)), NULL) == KW_OK) {
        KW_AUTO(kw_buf) line = KW_BUF_INIT;
        kw_note_key_format(&parsed, &line);
        if (!kw_bytes_equal(kw_buf_bytes(&line), kw_bytes(data, (size_t)(end - data))))
            abort(); /* one text for each key */
        in = kw_bytes(end + 1, size - (size_t)(end + 1 - data));
        if (kw_tlog_checkpoint_open(in, &parsed, &tree, NULL) == KW_OK && tree.size > INT64_MAX)
            abort();
    }
    if (kw_note_open(in, &key, &text, NULL) == KW_OK &&
        (text.len == 0 || text.data[text.len - 1] != '\n'))
        abort();
    return 0;
}

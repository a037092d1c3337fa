/* The text of a root key file, without the file (docs/spec/root-file.md). Thread-safe. */
#ifndef KW_PROVIDER_ROOT_TEXT_H
#define KW_PROVIDER_ROOT_TEXT_H

#include "base/bytes.h"
#include "provider/root_file.h"

enum {
    KW_ROOT_SIZE = 32,
    KW_ROOT_SALT_SIZE = 16,
    KW_ROOT_SEALED_SIZE = 12 + KW_ROOT_SIZE + 16, /* nonce, ciphertext, tag */
    KW_ROOT_LOG2_N = 17,                          /* scrypt N = 2^17 for what we write: 128 MiB */
    KW_ROOT_LOG2_N_LEAST = 14,
    KW_ROOT_LOG2_N_MOST = 20, /* 1 GiB; a file that asks for more is refused */
    KW_ROOT_HEAD_MAX = 640,   /* of the first line, terminated */
    KW_ROOT_TEXT_MAX = KW_ROOT_HEAD_MAX + (KW_PROVIDER_WRAPPED_MAX + 2) / 3 * 4 + 2,
};

struct kw_root_text {
    enum kw_root_kind kind;
    unsigned log2_n; /* of KW_ROOT_PASSPHRASE, like salt */
    uint8_t salt[KW_ROOT_SALT_SIZE];
    char provider[KW_ROOT_PROVIDER_MAX + 1]; /* of KW_ROOT_HELD, like key */
    char key[KW_PROVIDER_KEY_NAME_MAX + 1];
    struct kw_bytes head;  /* the first line without its end: the associated data */
    struct kw_secret body; /* the key, what is sealed, or the provider's copy */
};
void kw_root_text_wipe(struct kw_root_text *text);
KW_CLEANUP_WIPE(kw_root_text)

/* Takes a text apart; out borrows head from it. out must be empty. KW_BAD_FORMAT. */
KW_ERR kw_root_text_parse(struct kw_bytes text, struct kw_root_text *out, struct kw_error *err);

/* Writes the first line without its end, terminated, as text's kind and what belongs to it say. */
void kw_root_text_head(char out[KW_ROOT_HEAD_MAX], const struct kw_root_text *text);

/* Can the names stand in a first line? KW_BAD_NAME. */
KW_ERR kw_root_text_names(const char *provider, const char *key, struct kw_error *err);

#endif

/* Where the software root key rests: a file.
 *
 * The key itself (mode 0600, for a machine whose disk is trusted), the key sealed under a
 * passphrase (scrypt, AES-256-GCM), or a copy of it wrapped by a root key of a provider, which the
 * file names. The text form names what it is and is versioned; TPM and systemd credentials can be
 * added as further kinds. docs/spec/root-file.md. */
#ifndef KW_PROVIDER_ROOT_FILE_H
#define KW_PROVIDER_ROOT_FILE_H

#include "provider/provider.h"

enum { KW_ROOT_PROVIDER_MAX = 32 };
enum kw_root_kind { KW_ROOT_PLAIN = 1, KW_ROOT_PASSPHRASE = 2, KW_ROOT_HELD = 3 };

/* Who holds a root of kind KW_ROOT_HELD, and the copy that it has wrapped. */
struct kw_root_holder {
    char provider[KW_ROOT_PROVIDER_MAX + 1];
    char key[KW_PROVIDER_KEY_NAME_MAX + 1];
    struct kw_buf copy;
};
void kw_root_holder_wipe(struct kw_root_holder *holder);
KW_CLEANUP_WIPE(kw_root_holder)

/* Makes a fresh 32-byte root and its file. passphrase NULL: KW_ROOT_PLAIN. KW_EXISTS. */
KW_ERR kw_root_file_create(const char *path, const struct kw_secret *passphrase,
                           struct kw_secret *out, struct kw_error *err);
/* Writes the file of a root that is there already. Where one lies, it is KW_EXISTS, or replaced: a
 * crash leaves the old one or the new one. */
KW_ERR kw_root_file_put(const char *path, const struct kw_secret *root,
                        const struct kw_secret *passphrase, bool replace, struct kw_error *err);
KW_ERR kw_root_file_put_held(const char *path, const struct kw_root_holder *holder, bool replace,
                             struct kw_error *err);

/* What the file is, without opening it. KW_DATA_MISSING, KW_BAD_FORMAT. */
KW_ERR kw_root_file_kind(const char *path, enum kw_root_kind *out, struct kw_error *err);

/* Reads it. KW_WRONG_ROOT: the passphrase is wrong (or the file was altered). KW_USAGE: it needs a
 * passphrase and passphrase is NULL, or it is of kind KW_ROOT_HELD. Warns nobody: a file that
 * others can read is KW_BAD_CONFIG with the remedy (chmod 600). */
KW_ERR kw_root_file_open(const char *path, const struct kw_secret *passphrase,
                         struct kw_secret *out, struct kw_error *err);

/* Reads who holds it; KW_USAGE if nobody does. */
KW_ERR kw_root_file_holder(const char *path, struct kw_root_holder *out, struct kw_error *err);

/* Reads a passphrase file: the first line without its end; at least 8 bytes. */
KW_ERR kw_passphrase_file_read(const char *path, struct kw_secret *out, struct kw_error *err);

#endif

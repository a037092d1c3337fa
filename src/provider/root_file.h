/* Where the software root key rests: a file.
 *
 * Either the key itself (mode 0600, for a machine whose disk is trusted), or the key sealed under a
 * passphrase (scrypt, AES-256-GCM). The text form names what it is and is versioned; TPM and
 * systemd credentials can be added as further kinds. Never overwrites a file. */
#ifndef KW_PROVIDER_ROOT_FILE_H
#define KW_PROVIDER_ROOT_FILE_H

#include "base/secret.h"

enum kw_root_kind { KW_ROOT_PLAIN = 1, KW_ROOT_PASSPHRASE = 2 };

/* Makes a fresh 32-byte root and its file. passphrase NULL: KW_ROOT_PLAIN. KW_EXISTS. */
KW_ERR kw_root_file_create(const char *path, const struct kw_secret *passphrase,
                           struct kw_secret *out, struct kw_error *err);

/* What the file is, without opening it. KW_DATA_MISSING, KW_BAD_FORMAT. */
KW_ERR kw_root_file_kind(const char *path, enum kw_root_kind *out, struct kw_error *err);

/* Reads it. KW_WRONG_ROOT: the passphrase is wrong (or the file was altered). KW_USAGE: it needs a
 * passphrase and passphrase is NULL. Warns nobody: a file that others can read is KW_BAD_CONFIG
 * with the remedy (chmod 600). */
KW_ERR kw_root_file_open(const char *path, const struct kw_secret *passphrase,
                         struct kw_secret *out, struct kw_error *err);

/* Reads a passphrase file: the first line without its end; at least 8 bytes. */
KW_ERR kw_passphrase_file_read(const char *path, struct kw_secret *out, struct kw_error *err);

#endif

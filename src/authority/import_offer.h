/* The stored half of an import offer: the RSA key's private part, sealed under a random key that
 * the region's providers have wrapped, and by which token it is asked for. It lies in the store as
 * "import/" and the key's reference; a used one is an empty value. */
#ifndef KW_AUTHORITY_IMPORT_OFFER_H
#define KW_AUTHORITY_IMPORT_OFFER_H

#include "authority/internal.h"
#include "crypto/keywrap.h"

enum { KW_OFFER_TRIES = 10 }; /* wrong imports that use it up */

/* A new pair for key, and the stored form of its offer; calls providers. token is its text, 64 hex
 * digits; the offer keeps a hash. */
KW_ERR kw_offer_make(struct kw_authority *authority, const struct kw_key_row *key,
                     const char *token, int64_t expires_ms, struct kw_buf *public_der,
                     struct kw_buf *stored, struct kw_error *err);

/* Reads the key's offer as it is stored. KW_NOT_FOUND: there is none for this token (compared in
 * constant time), it has expired, or it is used up. */
KW_ERR kw_offer_find(struct kw_authority *authority, const struct kw_key_row *key,
                     const char *token, struct kw_buf *stored, struct kw_error *err);

/* The private key of a stored offer; calls providers. KW_STORE_CORRUPT: the offer was altered. */
KW_ERR kw_offer_open(struct kw_authority *authority, const struct kw_key_row *key,
                     struct kw_bytes stored, struct kw_secret *secret, struct kw_error *err);

/* Inside a transaction: puts a new offer in the place of any before; takes one away; counts a wrong
 * import, of which the last takes it away. */
KW_ERR kw_offer_put(struct kw_authority *authority, const struct kw_key_row *key,
                    struct kw_bytes stored, struct kw_error *err);
KW_ERR kw_offer_end(struct kw_authority *authority, const struct kw_key_row *key,
                    struct kw_error *err);
KW_ERR kw_offer_count(struct kw_authority *authority, const struct kw_key_row *key,
                      const char *token, struct kw_error *err);

#endif

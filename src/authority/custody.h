/* Custody: who has a tenant key, and who can take it away.
 *
 *   managed   made here, wrapped by the region's providers.
 *   imported  (BYOK) the customer's material, wrapped by the region's providers. Never given out
 *             again; may end by itself, and then only the same material brings its version back.
 *   attached  made here, wrapped by the customer's own KMS and by nothing else.
 *   held      (HYOK) no key that lasts: each data key, or each batch that the class's rules allow,
 *             has a key of its own, wrapped by the customer's KMS; every use asks the customer.
 *
 * A customer's provider is a guest of the region (router.h): configured with the tenants that it
 * serves. What it refuses is KW_CUSTOMER_REFUSED, what it does not answer KW_CUSTOMER_UNAVAILABLE,
 * so that nobody looks for the cause on the wrong side. Needs KW_RIGHT_MANAGE_KEYS.
 * docs/custody.md. */
#ifndef KW_AUTHORITY_CUSTODY_H
#define KW_AUTHORITY_CUSTODY_H

#include "authority/authority.h"

enum kw_custody { KW_MANAGED = 1, KW_IMPORTED, KW_ATTACHED, KW_HELD };
const char *kw_custody_name(enum kw_custody custody);
/* KW_STORE_CORRUPT for another word. */
KW_ERR kw_custody_from_name(const char *name, enum kw_custody *out, struct kw_error *err);

/* ---- Import -----------------------------------------------------------------------------------
 */

enum { KW_IMPORT_TOKEN_SIZE = 65, KW_IMPORT_MATERIAL = 32 };

/* The key under which the customer wraps the material: RSA of 3072 bits, for this tenant key alone,
 * good for 24 hours and for one import. */
struct kw_import_offer {
    char token[KW_IMPORT_TOKEN_SIZE];
    struct kw_buf public_der; /* SubjectPublicKeyInfo; the caller wipes it */
    int64_t expires_ms;
};
KW_ERR kw_authority_import_offer(struct kw_authority *authority, const struct kw_caller *caller,
                                 const char *tenant, const char *region,
                                 struct kw_import_offer *out, struct kw_error *err);

/* wrapped is CKM_RSA_AES_KEY_WRAP (PKCS #11 3.0, 6.1.7; AWS: RSA_AES_KEY_WRAP_SHA_256): an AES-256
 * key by RSA-OAEP with SHA-256 and MGF1-SHA-256, followed by the 32 bytes of material by AES-KWP
 * (RFC 5649) under it. */
struct kw_import {
    const char *tenant, *region;
    const char *token;
    struct kw_bytes wrapped;
    int64_t expires_ms; /* of the material; 0: never */
};
struct kw_import_result {
    uint32_t version;
    bool again; /* the same material came back to the version that it had */
    uint8_t commitment[32];
};
/* The material becomes the next version of the key, and the key's custody imported. If a version of
 * this key has had the material before (its commitment says so) that one is restored, with the new
 * end, and no other is made. If the key's current version has expired nothing else is accepted
 * (KW_COMMITMENT) until it is back. KW_SEAL_BROKEN: not wrapped under the offered key.
 * KW_NOT_FOUND: no such offer, or it is used up by an import or by ten wrong ones. KW_BAD_FORMAT:
 * not 424 bytes. KW_USAGE: not 32 bytes, all zeros, or an end that is not a minute to ten years
 * away. KW_STATE_CONFLICT: attached or held, for all but material that the key had before, which
 * comes back to where the key is now. */
KW_ERR kw_authority_key_import(struct kw_authority *authority, const struct kw_caller *caller,
                               const struct kw_import *import, struct kw_import_result *out,
                               struct kw_error *err);
/* Ends the imported material now, in whatever state the key is: nothing sealed under it opens until
 * it is imported again. KW_STATE_CONFLICT: there is none. */
KW_ERR kw_authority_key_material_end(struct kw_authority *authority, const struct kw_caller *caller,
                                     const char *tenant, const char *region, struct kw_error *err);

/* ---- Attach and hold --------------------------------------------------------------------------
 */

struct kw_attachment {
    const char *tenant, *region;
    const char *provider; /* a guest of the region, for this tenant */
    const char *key;      /* the customer's root key there */
    bool hold;            /* held rather than attached */
};
/* From now on the customer's KMS has the key: every version moves there (opened here, wrapped
 * there, the copies of our own providers destroyed), and a new version that was never anywhere else
 * protects what comes. Held: what comes has a key for each batch. KW_REGION_WALL: not a guest for
 * this tenant. KW_STATE_CONFLICT: held already, or imported material that has ended. */
KW_ERR kw_authority_key_attach(struct kw_authority *authority, const struct kw_caller *caller,
                               const struct kw_attachment *attachment, uint32_t *version,
                               struct kw_error *err);
/* Back to managed: the same in the other direction. A held key stays held for what was sealed under
 * it (its copies stay with the customer); new versions are ours again. */
KW_ERR kw_authority_key_detach(struct kw_authority *authority, const struct kw_caller *caller,
                               const char *tenant, const char *region, uint32_t *version,
                               struct kw_error *err);

#endif

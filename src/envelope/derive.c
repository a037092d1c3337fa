/* Key derivation: HKDF over length-prefixed parts. */
#include "base/names.h"
#include "crypto/hash.h"
#include "envelope/wrap.h"

static const char *const purposes[] = {
    [KW_PURPOSE_WRAP] = "wrap",
    [KW_PURPOSE_COMMITMENT] = "commitment",
    [KW_PURPOSE_SIGN] = "sign",
};

enum { INFO_MAX = 256 }; /* the longest names need 148 */

static void add_part(uint8_t info[INFO_MAX], size_t *len, struct kw_bytes part)
{
    kw_put_u16(info + *len, (uint16_t)part.len);
    memcpy(info + *len + 2, part.data, part.len);
    *len += 2 + part.len;
}

KW_ERR kw_tenant_key_derive(struct kw_secret *out, const struct kw_secret *tenant_key,
                            enum kw_purpose purpose, const struct kw_suite *suite,
                            const struct kw_scope *scope, struct kw_error *err)
{
    bool classed = purpose == KW_PURPOSE_WRAP;
    /* A commitment pins the version, whichever suites use it. */
    uint8_t suite_id = purpose == KW_PURPOSE_COMMITMENT ? 0 : kw_suite_id(suite);
    if (tenant_key->len != KW_KEY_SIZE)
        return kw_fail(err, KW_INTERNAL, "a tenant key has %d bytes", KW_KEY_SIZE);
    KW_TRY(kw_tenant_name_check(scope->tenant, err));
    KW_TRY(kw_region_name_check(scope->region, err));
    if (classed)
        KW_TRY(kw_class_name_check(scope->cls, err));
    uint8_t info[INFO_MAX];
    size_t len = 0;
    add_part(info, &len, kw_bytes_str("keyward/v1"));
    add_part(info, &len, kw_bytes_str(purposes[purpose]));
    add_part(info, &len, kw_bytes(&suite_id, 1));
    add_part(info, &len, kw_bytes_str(scope->tenant));
    add_part(info, &len, kw_bytes_str(scope->region));
    if (classed)
        add_part(info, &len, kw_bytes_str(scope->cls));
    KW_AUTO(kw_secret) derived = KW_SECRET_INIT;
    KW_TRY(kw_secret_alloc(&derived, KW_KEY_SIZE, err));
    KW_TRY(kw_hkdf_sha256(derived.data, derived.len, kw_bytes(tenant_key->data, tenant_key->len),
                          kw_bytes(NULL, 0), kw_bytes(info, len), err));
    kw_secret_move(out, &derived);
    return KW_OK;
}

void kw_class_tag(uint8_t out[KW_CLASS_TAG_SIZE], const char *class_name)
{
    static const char domain[] = "keyward class v1"; /* hashed with its NUL */
    uint8_t hash[KW_HASH_SIZE];
    struct kw_bytes parts[] = {kw_bytes(domain, sizeof domain), kw_bytes_str(class_name)};
    kw_sha256(hash, parts, KW_COUNT(parts));
    memcpy(out, hash, KW_CLASS_TAG_SIZE);
}

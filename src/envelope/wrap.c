#include "envelope/wrap.h"

#include "crypto/random.h"
#include "envelope/fixed.h"

/* Where each part of a head begins. */
enum {
    AT_FORMAT = 0,
    AT_SUITE = 1,
    AT_KEY_REF = 2,
    AT_VERSION = 10,
    AT_CLASS_TAG = 14,
    AT_NONCE = 18,
    AT_WRAPPED = 30,
};
_Static_assert(AT_WRAPPED + KW_WRAPPED_SIZE == KW_HEAD_SIZE, "the parts fill the head");

static const char domain[] = "keyward wrap v1";
enum {
    DOMAIN_SIZE = sizeof domain - 1,
    AAD_SIZE = DOMAIN_SIZE + 1 + KW_KEY_REF_SIZE + 4 + KW_CLASS_TAG_SIZE + KW_HASH_SIZE,
};

KW_ERR kw_wrapped_key_parse(struct kw_wrapped_key *out, struct kw_bytes head, struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    if (head.len != KW_HEAD_SIZE)
        return kw_fail(err, KW_BAD_FORMAT, "a wrapped data key has %d bytes, these are %zu",
                       KW_HEAD_SIZE, head.len);
    const uint8_t *p = head.data;
    if (p[AT_FORMAT] < KW_FORMAT_DATA_KEY || p[AT_FORMAT] > KW_FORMAT_MESSAGE ||
        p[AT_FORMAT] == KW_FORMAT_FIELD)
        return kw_fail_code(err, KW_BAD_FORMAT);
    KW_TRY(kw_suite_get(p[AT_SUITE], &suite, err));
    out->format = p[AT_FORMAT];
    out->suite = p[AT_SUITE];
    out->version = kw_get_u32(p + AT_VERSION);
    memcpy(out->key_ref, p + AT_KEY_REF, KW_KEY_REF_SIZE);
    memcpy(out->class_tag, p + AT_CLASS_TAG, KW_CLASS_TAG_SIZE);
    memcpy(out->nonce, p + AT_NONCE, KW_NONCE_SIZE);
    memcpy(out->wrapped, p + AT_WRAPPED, KW_WRAPPED_SIZE);
    return KW_OK;
}

void kw_wrapped_key_write(const struct kw_wrapped_key *key, uint8_t out[KW_HEAD_SIZE])
{
    out[AT_FORMAT] = key->format;
    out[AT_SUITE] = key->suite;
    kw_put_u32(out + AT_VERSION, key->version);
    memcpy(out + AT_KEY_REF, key->key_ref, KW_KEY_REF_SIZE);
    memcpy(out + AT_CLASS_TAG, key->class_tag, KW_CLASS_TAG_SIZE);
    memcpy(out + AT_NONCE, key->nonce, KW_NONCE_SIZE);
    memcpy(out + AT_WRAPPED, key->wrapped, KW_WRAPPED_SIZE);
}

static struct kw_bytes wrap_aad(uint8_t out[AAD_SIZE], const struct kw_wrapping_key *w,
                                const struct kw_context *context)
{
    uint8_t *p = out;
    memcpy(p, domain, DOMAIN_SIZE);
    p += DOMAIN_SIZE;
    *p++ = w->suite;
    memcpy(p, w->key_ref, KW_KEY_REF_SIZE);
    p += KW_KEY_REF_SIZE;
    kw_put_u32(p, w->version);
    p += 4;
    memcpy(p, w->class_tag, KW_CLASS_TAG_SIZE);
    p += KW_CLASS_TAG_SIZE;
    memcpy(p, context->digest, KW_HASH_SIZE);
    return kw_bytes(out, AAD_SIZE);
}

static KW_ERR check_wrapping_key(const struct kw_wrapping_key *w, const struct kw_suite **suite,
                                 struct kw_error *err)
{
    if (w->key.len != KW_KEY_SIZE)
        return kw_fail(err, KW_INTERNAL, "a wrapping key has %d bytes", KW_KEY_SIZE);
    return kw_suite_get(w->suite, suite, err);
}

KW_ERR kw_data_key_wrap_fixed(struct kw_wrapped_key *out, const struct kw_wrapping_key *w,
                              const struct kw_context *context, const uint8_t data_key[KW_KEY_SIZE],
                              const uint8_t nonce[KW_NONCE_SIZE], struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    uint8_t aad[AAD_SIZE];
    uint8_t wrapped[KW_WRAPPED_SIZE];
    KW_TRY(check_wrapping_key(w, &suite, err));
    KW_TRY(kw_aead_seal(suite, w->key.data, nonce, wrap_aad(aad, w, context),
                        kw_bytes(data_key, KW_KEY_SIZE), wrapped, err));
    out->suite = w->suite;
    out->version = w->version;
    memcpy(out->key_ref, w->key_ref, KW_KEY_REF_SIZE);
    memcpy(out->class_tag, w->class_tag, KW_CLASS_TAG_SIZE);
    memcpy(out->nonce, nonce, KW_NONCE_SIZE);
    memcpy(out->wrapped, wrapped, KW_WRAPPED_SIZE);
    return KW_OK;
}

KW_ERR kw_data_key_wrap(struct kw_wrapped_key *out, const struct kw_wrapping_key *w,
                        const struct kw_context *context, const uint8_t data_key[KW_KEY_SIZE],
                        struct kw_error *err)
{
    uint8_t nonce[KW_NONCE_SIZE];
    kw_random(nonce, sizeof nonce);
    return kw_data_key_wrap_fixed(out, w, context, data_key, nonce, err);
}

/* The head says which key opens it; another is a caller's mix-up or a swap, and never tried. */
static bool names(const struct kw_wrapped_key *head, const struct kw_wrapping_key *w)
{
    return head->suite == w->suite && head->version == w->version &&
           memcmp(head->key_ref, w->key_ref, KW_KEY_REF_SIZE) == 0 &&
           memcmp(head->class_tag, w->class_tag, KW_CLASS_TAG_SIZE) == 0;
}

KW_ERR kw_data_key_unwrap(uint8_t data_key[KW_KEY_SIZE], const struct kw_wrapping_key *w,
                          const struct kw_wrapped_key *head, const struct kw_context *context,
                          struct kw_error *err)
{
    const struct kw_suite *suite = NULL;
    uint8_t aad[AAD_SIZE];
    KW_TRY(check_wrapping_key(w, &suite, err));
    if (!names(head, w)) {
        kw_cleanse(data_key, KW_KEY_SIZE);
        return kw_fail(err, KW_SEAL_BROKEN,
                       "sealed under another key, version, class or suite than the one given");
    }
    kw_code code = kw_aead_open(suite, w->key.data, head->nonce, wrap_aad(aad, w, context),
                                kw_bytes(head->wrapped, KW_WRAPPED_SIZE), data_key, err);
    if (code == KW_SEAL_BROKEN)
        return kw_fail(err, code, "altered, or sealed under another tenant, region or context");
    return code;
}

#include "crypto/context.h"

/* Suite 1 has hardware everywhere we deploy; suite 2 is for machines without AES instructions. The
 * nonce limit of both is that of random 96-bit nonces; text limits: SP 800-38D 5.2.1.1, RFC
 * 8439 2.8. */
const struct kw_suite kw_suites[KW_SUITE_COUNT] = {
    {
        .id = KW_SUITE_AES256GCM,
        .index = 0,
        .state = KW_SUITE_STATE_CURRENT,
        .name = "AES-256-GCM, HKDF-SHA-256, Ed25519",
        .aead_name = "AEAD_AES_256_GCM",
        .openssl_name = "AES-256-GCM",
        .nonce_limit = UINT64_C(1) << 32,
        .text_limit = (UINT64_C(1) << 36) - 32,
    },
    {
        .id = KW_SUITE_CHACHA20POLY1305,
        .index = 1,
        .state = KW_SUITE_STATE_ACCEPTED,
        .name = "ChaCha20-Poly1305, HKDF-SHA-256, Ed25519",
        .aead_name = "AEAD_CHACHA20_POLY1305",
        .openssl_name = "ChaCha20-Poly1305",
        .nonce_limit = UINT64_C(1) << 32,
        .text_limit = (UINT64_C(1) << 38) - 64,
    },
};

KW_ERR kw_suite_get(uint8_t id, const struct kw_suite **out, struct kw_error *err)
{
    for (size_t i = 0; i < KW_SUITE_COUNT; i++) {
        if (kw_suites[i].id == id) {
            *out = &kw_suites[i];
            return KW_OK;
        }
    }
    return kw_fail(err, KW_UNSUPPORTED_SUITE, "suite %u is unknown to this version", id);
}

const struct kw_suite *kw_suite_default(void)
{
    return &kw_suites[0];
}

uint8_t kw_suite_id(const struct kw_suite *suite)
{
    return suite->id;
}

const char *kw_suite_name(const struct kw_suite *suite)
{
    return suite->name;
}

enum kw_suite_state kw_suite_state(const struct kw_suite *suite)
{
    return suite->state;
}

const char *kw_suite_aead_name(const struct kw_suite *suite)
{
    return suite->aead_name;
}

uint64_t kw_suite_nonce_limit(const struct kw_suite *suite)
{
    return suite->nonce_limit;
}

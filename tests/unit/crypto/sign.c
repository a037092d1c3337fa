/* Ed25519: what verifies, and that nothing else does. */
#include "crypto/sign.h"

#include "crypto/random.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct signer {
    struct kw_secret seed;
    uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
};

static void signer_init(struct signer *s)
{
    *s = (struct signer){.seed = KW_SECRET_INIT};
    assert_int_equal(kw_random_secret(&s->seed, KW_SIGN_SEED_SIZE, NULL), KW_OK);
    assert_int_equal(kw_sign_public(s->seed.data, s->public_key, NULL), KW_OK);
}

static void texts_of_any_length_verify(void **state)
{
    KW_UNUSED(state);
    struct signer s;
    static uint8_t text[5000];
    static const size_t lengths[] = {0, 1, 64, 5000};
    uint8_t signature[KW_SIGNATURE_SIZE];
    signer_init(&s);
    kw_random(text, sizeof text);
    for (size_t i = 0; i < KW_COUNT(lengths); i++) {
        struct kw_bytes in = kw_bytes(text, lengths[i]);
        assert_int_equal(kw_sign(s.seed.data, in, signature, NULL), KW_OK);
        assert_int_equal(kw_verify(s.public_key, in, signature, NULL), KW_OK);
    }
    kw_secret_wipe(&s.seed);
}

/* Ed25519 is deterministic (RFC 8032 5.1.6): no randomness that could fail or repeat. */
static void the_same_text_has_the_same_signature(void **state)
{
    KW_UNUSED(state);
    struct signer s;
    uint8_t a[KW_SIGNATURE_SIZE];
    uint8_t b[KW_SIGNATURE_SIZE];
    signer_init(&s);
    assert_int_equal(kw_sign(s.seed.data, kw_bytes_str("text"), a, NULL), KW_OK);
    assert_int_equal(kw_sign(s.seed.data, kw_bytes_str("text"), b, NULL), KW_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(kw_sign(s.seed.data, kw_bytes_str("Text"), b, NULL), KW_OK);
    assert_memory_not_equal(a, b, sizeof a);
    kw_secret_wipe(&s.seed);
}

static void every_flipped_bit_is_refused(void **state)
{
    KW_UNUSED(state);
    struct signer s;
    struct {
        uint8_t public_key[KW_SIGN_PUBLIC_SIZE];
        uint8_t text[8];
        uint8_t signature[KW_SIGNATURE_SIZE];
    } all = {.text = "message"};
    struct kw_bytes text = kw_bytes(all.text, sizeof all.text);
    signer_init(&s);
    memcpy(all.public_key, s.public_key, sizeof all.public_key);
    assert_int_equal(kw_sign(s.seed.data, text, all.signature, NULL), KW_OK);
    uint8_t *bytes = (uint8_t *)&all;
    for (size_t bit = 0; bit < 8 * sizeof all; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(kw_verify(all.public_key, text, all.signature, NULL), KW_BAD_SIGNATURE);
        assert_true(ERR_peek_error() == 0);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(kw_verify(all.public_key, text, all.signature, NULL), KW_OK);
    kw_secret_wipe(&s.seed);
}

static void another_key_is_refused(void **state)
{
    KW_UNUSED(state);
    struct signer a;
    struct signer b;
    uint8_t signature[KW_SIGNATURE_SIZE];
    signer_init(&a);
    signer_init(&b);
    assert_memory_not_equal(a.public_key, b.public_key, KW_SIGN_PUBLIC_SIZE);
    assert_int_equal(kw_sign(a.seed.data, kw_bytes_str("text"), signature, NULL), KW_OK);
    assert_int_equal(kw_verify(b.public_key, kw_bytes_str("text"), signature, NULL),
                     KW_BAD_SIGNATURE);
    kw_secret_wipe(&a.seed);
    kw_secret_wipe(&b.seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_any_length_verify),
        cmocka_unit_test(the_same_text_has_the_same_signature),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(another_key_is_refused),
    };
    return cmocka_run_group_tests_name("sign", tests, NULL, NULL);
}

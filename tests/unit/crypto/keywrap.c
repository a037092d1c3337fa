/* AES-KWP, and the two steps by which a customer's key comes: round trips, and that nothing altered
 * opens or tells why not. vectors.aes_kwp and vectors.key_import hold it against others. */
#include "memory.h"
#include "sanitized.h"

#include "crypto/keywrap.h"
#include "crypto/random.h"
#include "crypto/suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;

/* ---- KWP --------------------------------------------------------------------------------------
 */

static void kwp_round_trip(size_t len)
{
    KW_AUTO(kw_secret) kek = KW_SECRET_INIT;
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_secret) back = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    assert_int_equal(kw_random_secret(&kek, KW_KEY_SIZE, &err), KW_OK);
    assert_int_equal(kw_random_secret(&in, len, &err), KW_OK);
    kw_buf_append_str(&out, "before");
    assert_int_equal(kw_kwp_wrap(&kek, &in, &out, &err), KW_OK);
    assert_int_equal(out.len, 6 + (len + 7) / 8 * 8 + 8);
    assert_int_equal(kw_kwp_unwrap(&kek, kw_bytes(out.data + 6, out.len - 6), &back, &err), KW_OK);
    assert_true(kw_secret_equal(&in, &back));
}

static void every_length_wraps_and_comes_back(void **state)
{
    KW_UNUSED(state);
    for (size_t len = 1; len <= 72; len++)
        kwp_round_trip(len);
    kwp_round_trip(KW_KWP_MAX);
}

static void lengths_that_cannot_be_are_refused(void **state)
{
    KW_UNUSED(state);
    static const size_t lengths[] = {0, 1, 8, 15, 17, 23, KW_KWP_MAX + 16};
    static uint8_t bytes[KW_KWP_MAX + 16];
    KW_AUTO(kw_secret) kek = KW_SECRET_INIT;
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_secret) back = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    assert_int_equal(kw_random_secret(&kek, KW_KEY_SIZE, &err), KW_OK);
    for (size_t i = 0; i < KW_COUNT(lengths); i++)
        assert_int_equal(kw_kwp_unwrap(&kek, kw_bytes(bytes, lengths[i]), &back, &err),
                         KW_SEAL_BROKEN);
    assert_int_equal(kw_kwp_wrap(&kek, &in, &out, &err), KW_TOO_LARGE); /* nothing at all */
    assert_int_equal(kw_secret_alloc(&in, KW_KWP_MAX + 1, &err), KW_OK);
    assert_int_equal(kw_kwp_wrap(&kek, &in, &out, &err), KW_TOO_LARGE);
    assert_int_equal(out.len, 0);
}

static void a_key_of_another_size_is_an_error_of_ours(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) kek = KW_SECRET_INIT;
    KW_AUTO(kw_secret) back = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    uint8_t bytes[40] = {0};
    assert_int_equal(kw_random_secret(&kek, 16, &err), KW_OK);
    assert_int_equal(kw_kwp_wrap(&kek, &kek, &out, &err), KW_INTERNAL);
    assert_int_equal(kw_kwp_unwrap(&kek, kw_bytes(bytes, 40), &back, &err), KW_INTERNAL);
}

static void neither_key_is_left_in_memory(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("memory cannot be searched");
    KW_AUTO(kw_secret) kek = KW_SECRET_INIT;
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_secret) back = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    uint8_t mask[KW_KEY_SIZE];
    uint8_t needle[KW_KEY_SIZE];
    assert_int_equal(kw_random_secret(&kek, KW_KEY_SIZE, &err), KW_OK);
    assert_int_equal(kw_random_secret(&in, KW_KEY_SIZE, &err), KW_OK);
    assert_int_equal(kw_kwp_wrap(&kek, &in, &out, &err), KW_OK);
    assert_int_equal(kw_kwp_unwrap(&kek, kw_buf_bytes(&out), &back, &err), KW_OK);
    const struct kw_secret *keys[] = {&kek, &in};
    for (size_t k = 0; k < KW_COUNT(keys); k++) {
        kw_random(mask, sizeof mask);
        for (size_t i = 0; i < KW_KEY_SIZE; i++)
            needle[i] = (uint8_t)(keys[k]->data[i] ^ mask[i]);
        assert_int_equal(kw_memory_count(KW_MEMORY_ORDINARY, needle, mask, KW_KEY_SIZE), 0);
        assert_true(kw_memory_count(KW_MEMORY_SECRET, needle, mask, KW_KEY_SIZE) > 0);
    }
}

/* ---- RSA and KWP ------------------------------------------------------------------------------
 */

struct pair {
    struct kw_secret secret;
    struct kw_buf public_der;
};

static int make_pair(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    *state = pair;
    return pair != NULL && kw_rsa_pair_make(&pair->secret, &pair->public_der, &err) == KW_OK ? 0
                                                                                             : -1;
}

static int wipe_pair(void **state)
{
    struct pair *pair = *state;
    kw_secret_wipe(&pair->secret);
    kw_buf_wipe(&pair->public_der);
    free(pair);
    return 0;
}

static void wrap(const struct pair *pair, size_t len, struct kw_secret *in, struct kw_buf *out)
{
    assert_int_equal(kw_random_secret(in, len, &err), KW_OK);
    assert_int_equal(kw_rsa_aes_wrap(kw_buf_bytes(&pair->public_der), in, out, &err), KW_OK);
}

static void what_is_wrapped_comes_back(void **state)
{
    static const size_t lengths[] = {1, 16, 31, 32, 33, 512, KW_KWP_MAX};
    const struct pair *pair = *state;
    for (size_t i = 0; i < KW_COUNT(lengths); i++) {
        KW_AUTO(kw_secret) in = KW_SECRET_INIT;
        KW_AUTO(kw_secret) back = KW_SECRET_INIT;
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        wrap(pair, lengths[i], &in, &out);
        assert_true(lengths[i] != 32 || out.len == KW_RSA_AES_WRAPPED_32);
        assert_int_equal(kw_rsa_aes_unwrap(&pair->secret, kw_buf_bytes(&out), &back, &err), KW_OK);
        assert_true(kw_secret_equal(&in, &back));
    }
}

static void expect(const struct pair *pair, struct kw_bytes in, kw_code code)
{
    KW_AUTO(kw_secret) back = KW_SECRET_INIT;
    struct kw_error why = {0};
    assert_int_equal(kw_rsa_aes_unwrap(&pair->secret, in, &back, &why), code);
    if (code == KW_SEAL_BROKEN)
        assert_string_equal(why.text, kw_code_message(KW_SEAL_BROKEN));
    assert_null(back.data);
}

/* In the first part or the second: the answers cannot be told apart. */
static void no_altered_byte_opens(void **state)
{
    const struct pair *pair = *state;
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    wrap(pair, 32, &in, &out);
    for (size_t i = 0; i < out.len; i++) {
        uint8_t bit = (uint8_t)(1 << (i % 8));
        out.data[i] ^= bit;
        expect(pair, kw_buf_bytes(&out), KW_SEAL_BROKEN);
        out.data[i] ^= bit;
    }
}

static void no_other_length_opens(void **state)
{
    const struct pair *pair = *state;
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    wrap(pair, 32, &in, &out);
    for (size_t len = 0; len < out.len; len++) {
        bool possible = len >= KW_RSA_SIZE + 16 && len % 8 == 0;
        expect(pair, kw_bytes(out.data, len), possible ? KW_SEAL_BROKEN : KW_BAD_FORMAT);
    }
    kw_buf_append_str(&out, "1");
    expect(pair, kw_buf_bytes(&out), KW_BAD_FORMAT);
    kw_buf_append_str(&out, "2345678");
    expect(pair, kw_buf_bytes(&out), KW_SEAL_BROKEN);
}

static void another_pair_opens_nothing(void **state)
{
    const struct pair *pair = *state;
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    void *other = NULL;
    assert_int_equal(make_pair(&other), 0);
    wrap(other, 32, &in, &out);
    expect(pair, kw_buf_bytes(&out), KW_SEAL_BROKEN);
    wipe_pair(&other);
}

/* A key of 16 bytes in the first part is none of ours, however well it opens the second. */
static void the_key_between_has_32_bytes(void **state)
{
    const struct pair *pair = *state;
    KW_AUTO(kw_secret) shorter = KW_SECRET_INIT;
    KW_AUTO(kw_secret) kek = KW_SECRET_INIT;
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    assert_int_equal(kw_random_secret(&in, 32, &err), KW_OK);
    assert_int_equal(kw_random_secret(&kek, 32, &err), KW_OK);
    assert_int_equal(kw_secret_copy(&shorter, kek.data, 16, &err), KW_OK);
    assert_int_equal(kw_rsa_oaep_encrypt(kw_buf_bytes(&pair->public_der), &shorter, &out, &err),
                     KW_OK);
    assert_int_equal(kw_kwp_wrap(&kek, &in, &out, &err), KW_OK);
    expect(pair, kw_buf_bytes(&out), KW_SEAL_BROKEN);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, make_pair, wipe_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_wraps_and_comes_back),
        cmocka_unit_test(lengths_that_cannot_be_are_refused),
        cmocka_unit_test(a_key_of_another_size_is_an_error_of_ours),
        cmocka_unit_test(neither_key_is_left_in_memory),
        WITH_PAIR(what_is_wrapped_comes_back),
        WITH_PAIR(no_altered_byte_opens),
        WITH_PAIR(no_other_length_opens),
        WITH_PAIR(another_pair_opens_nothing),
        WITH_PAIR(the_key_between_has_32_bytes),
    };
    kw_secret_allow_unlocked();
    return cmocka_run_group_tests_name("keywrap", tests, NULL, NULL);
}

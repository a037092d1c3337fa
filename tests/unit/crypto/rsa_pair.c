/* RSA pairs of our own: what is encrypted under one opens by it alone, every failure looks the
 * same, and no private number is left in ordinary memory. vectors.rsa_oaep holds it against others.
 */
#include "memory.h"
#include "sanitized.h"

#include "crypto/random.h"
#include "crypto/rsa.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;
static struct kw_secret secret;
static struct kw_buf public_der;

static int make_pair(void **state)
{
    KW_UNUSED(state);
    return kw_rsa_pair_make(&secret, &public_der, &err) == KW_OK ? 0 : -1;
}

static int wipe_pair(void **state)
{
    KW_UNUSED(state);
    kw_secret_wipe(&secret);
    kw_buf_wipe(&public_der);
    return 0;
}

static void pairs_are_3072_bits_and_differ(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) other = KW_SECRET_INIT;
    KW_AUTO(kw_buf) other_der = KW_BUF_INIT;
    const uint8_t *at = public_der.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)public_der.len);
    assert_non_null(key);
    assert_int_equal(EVP_PKEY_get_bits(key), 3072);
    EVP_PKEY_free(key);
    assert_int_equal(secret.len, KW_RSA_SECRET_SIZE);
    /* The modulus stands in the public key as it stands in the private one. */
    assert_non_null(memmem(public_der.data, public_der.len, secret.data, KW_RSA_SIZE));
    assert_int_equal(kw_rsa_pair_make(&other, &other_der, &err), KW_OK);
    assert_memory_not_equal(other.data, secret.data, KW_RSA_SIZE);
}

static void round_trip(size_t len)
{
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_secret) back = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    kw_buf_append_str(&out, "before"); /* is appended to */
    assert_int_equal(kw_random_secret(&in, len, &err), KW_OK);
    assert_int_equal(kw_rsa_oaep_encrypt(kw_buf_bytes(&public_der), &in, &out, &err), KW_OK);
    assert_int_equal(out.len, 6 + KW_RSA_SIZE);
    assert_int_equal(kw_rsa_oaep_decrypt(&secret, kw_bytes(out.data + 6, KW_RSA_SIZE), &back, &err),
                     KW_OK);
    assert_true(kw_secret_equal(&in, &back));
}

static void what_is_encrypted_opens(void **state)
{
    KW_UNUSED(state);
    round_trip(1);
    round_trip(32);
    round_trip(KW_RSA_SIZE - 66);
}

static void too_much_is_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    assert_int_equal(kw_random_secret(&in, KW_RSA_SIZE - 65, &err), KW_OK);
    assert_int_equal(kw_rsa_oaep_encrypt(kw_buf_bytes(&public_der), &in, &out, &err), KW_TOO_LARGE);
    assert_int_equal(out.len, 0);
}

static void expect_broken(const struct kw_secret *with, struct kw_bytes in)
{
    KW_AUTO(kw_secret) back = KW_SECRET_INIT;
    struct kw_error why = {0};
    assert_int_equal(kw_rsa_oaep_decrypt(with, in, &back, &why), KW_SEAL_BROKEN);
    assert_string_equal(why.text, kw_code_message(KW_SEAL_BROKEN));
    assert_null(back.data);
}

/* Altered, under another key, too short, too long, larger than the modulus, nothing: one answer. */
static void failures_all_look_the_same(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    KW_AUTO(kw_secret) other = KW_SECRET_INIT;
    KW_AUTO(kw_buf) other_der = KW_BUF_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    assert_int_equal(kw_random_secret(&in, 32, &err), KW_OK);
    assert_int_equal(kw_rsa_oaep_encrypt(kw_buf_bytes(&public_der), &in, &out, &err), KW_OK);
    for (size_t i = 0; i < out.len; i += 31) {
        out.data[i] ^= 1;
        expect_broken(&secret, kw_buf_bytes(&out));
        out.data[i] ^= 1;
    }
    assert_int_equal(kw_rsa_pair_make(&other, &other_der, &err), KW_OK);
    expect_broken(&other, kw_buf_bytes(&out));
    expect_broken(&secret, kw_bytes(out.data, out.len - 1));
    expect_broken(&secret, kw_bytes(out.data, 0));
    kw_buf_append_byte(&out, 0);
    expect_broken(&secret, kw_buf_bytes(&out));
    memset(out.data, 0xff, KW_RSA_SIZE);
    expect_broken(&secret, kw_bytes(out.data, KW_RSA_SIZE));
}

static void pem_and_back(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) pem = KW_BUF_INIT;
    KW_AUTO(kw_buf) der = KW_BUF_INIT;
    assert_int_equal(kw_rsa_public_to_pem(kw_buf_bytes(&public_der), &pem, &err), KW_OK);
    assert_non_null(strstr(kw_buf_str(&pem), "-----BEGIN PUBLIC KEY-----\n"));
    assert_int_equal(kw_rsa_public_from_pem(kw_buf_bytes(&pem), &der, &err), KW_OK);
    assert_true(kw_bytes_equal(kw_buf_bytes(&der), kw_buf_bytes(&public_der)));
}

static void refuse(struct kw_bytes der)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_AUTO(kw_secret) in = KW_SECRET_INIT;
    assert_int_equal(kw_random_secret(&in, 32, &err), KW_OK);
    assert_int_equal(kw_rsa_oaep_encrypt(der, &in, &out, &err), KW_BAD_FORMAT);
    assert_int_equal(kw_rsa_public_to_pem(der, &out, &err), KW_BAD_FORMAT);
    assert_non_null(strstr(err.text, "RSA"));
    assert_int_equal(out.len, 0);
}

static void other_public_keys_are_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) longer = KW_BUF_INIT;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    EVP_PKEY *keys[] = {EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024),
                        EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    for (size_t i = 0; i < KW_COUNT(keys); i++) {
        uint8_t *der = NULL;
        int len = i2d_PUBKEY(keys[i], &der);
        assert_true(len > 0);
        refuse(kw_bytes(der, (size_t)len));
        OPENSSL_free(der);
        EVP_PKEY_free(keys[i]);
    }
    refuse(kw_bytes(public_der.data, public_der.len - 1));
    kw_buf_append(&longer, public_der.data, public_der.len);
    kw_buf_append_byte(&longer, 0);
    refuse(kw_buf_bytes(&longer));
    refuse(kw_bytes(NULL, 0));
    static const char locked[] = "-----BEGIN PUBLIC KEY-----\n"
                                 "Proc-Type: 4,ENCRYPTED\n"
                                 "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                                 "AAAAAAAAAAAAAAAAAAAAAA==\n"
                                 "-----END PUBLIC KEY-----\n";
    assert_int_equal(kw_rsa_public_from_pem(kw_bytes_str(locked), &out, &err), KW_BAD_FORMAT);
    assert_int_equal(kw_rsa_public_from_pem(kw_bytes_str("-----BEGIN PUBLIC KEY-----"), &out, &err),
                     KW_BAD_FORMAT);
}

static void a_private_key_of_no_size_is_an_error_of_ours(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) cut = KW_SECRET_INIT;
    KW_AUTO(kw_secret) out = KW_SECRET_INIT;
    assert_int_equal(kw_secret_copy(&cut, secret.data, 257, &err), KW_OK);
    assert_int_equal(kw_rsa_oaep_decrypt(&cut, kw_bytes(secret.data, KW_RSA_SIZE), &out, &err),
                     KW_INTERNAL);
}

/* ---- Memory -----------------------------------------------------------------------------------
 */

enum { PIECE = 32 };

/* The middle of the private exponent, as it was written, and as numbers lie in memory. */
static size_t left_behind(void)
{
    uint8_t needle[PIECE];
    uint8_t mask[PIECE];
    const uint8_t *piece = secret.data + KW_RSA_SIZE + 128;
    size_t found = 0;
    for (int backwards = 0; backwards < 2; backwards++) {
        kw_random(mask, sizeof mask);
        for (size_t i = 0; i < PIECE; i++)
            needle[i] = (uint8_t)(piece[backwards ? PIECE - 1 - i : i] ^ mask[i]);
        found += kw_memory_count(KW_MEMORY_ORDINARY, needle, mask, PIECE);
    }
    return found;
}

static void no_private_number_is_left_in_memory(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("memory cannot be searched");
    assert_int_equal(left_behind(), 0);
    round_trip(32);
    assert_int_equal(left_behind(), 0);
    uint8_t *copy = malloc(PIECE); /* so that the search does find one */
    assert_non_null(copy);
    memcpy(copy, secret.data + KW_RSA_SIZE + 128, PIECE);
    assert_true(left_behind() > 0);
    kw_cleanse(copy, PIECE);
    free(copy);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, make_pair, wipe_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PAIR(pairs_are_3072_bits_and_differ),
        WITH_PAIR(what_is_encrypted_opens),
        WITH_PAIR(too_much_is_refused),
        WITH_PAIR(failures_all_look_the_same),
        WITH_PAIR(pem_and_back),
        WITH_PAIR(other_public_keys_are_refused),
        WITH_PAIR(a_private_key_of_no_size_is_an_error_of_ours),
        WITH_PAIR(no_private_number_is_left_in_memory),
    };
    kw_secret_allow_unlocked();
    return cmocka_run_group_tests_name("rsa_pair", tests, NULL, NULL);
}

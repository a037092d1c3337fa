/* Hashes and derivations against each other; vectors.* holds them against published values. */
#include "crypto/hash.h"

#include "crypto/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void parts_are_one_text(void **state)
{
    KW_UNUSED(state);
    uint8_t text[200];
    uint8_t whole[KW_HASH_SIZE];
    uint8_t split[KW_HASH_SIZE];
    kw_random(text, sizeof text);
    kw_sha256_one(whole, kw_bytes(text, sizeof text));
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        struct kw_bytes parts[] = {kw_bytes(text, cut), kw_bytes(NULL, 0),
                                   kw_bytes(text + cut, sizeof text - cut)};
        kw_sha256(split, parts, 3);
        assert_memory_equal(whole, split, KW_HASH_SIZE);
    }
    kw_sha256(split, NULL, 0);
    kw_sha256_one(whole, kw_bytes("", 0));
    assert_memory_equal(whole, split, KW_HASH_SIZE);
}

/* A stream may live while other hashes run on the thread. */
static void streams_are_apart(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_PTR(kw_sha256_stream) a = NULL;
    KW_AUTO_PTR(kw_sha256_stream) b = NULL;
    uint8_t want[KW_HASH_SIZE];
    uint8_t got[KW_HASH_SIZE];
    assert_int_equal(kw_sha256_stream_new(&a, NULL), KW_OK);
    assert_int_equal(kw_sha256_stream_new(&b, NULL), KW_OK);
    kw_sha256_stream_add(a, kw_bytes_str("one "));
    kw_sha256_stream_add(b, kw_bytes_str("other"));
    kw_sha256_one(got, kw_bytes_str("between"));
    kw_sha256_stream_add(a, kw_bytes_str("text"));
    kw_sha256_stream_end(a, got);
    kw_sha256_one(want, kw_bytes_str("one text"));
    assert_memory_equal(got, want, KW_HASH_SIZE);
    kw_sha256_stream_end(b, got);
    kw_sha256_one(want, kw_bytes_str("other"));
    assert_memory_equal(got, want, KW_HASH_SIZE);
    kw_sha256_stream_free(NULL);
}

static void hkdf_is_extract_and_expand(void **state)
{
    KW_UNUSED(state);
    uint8_t extracted[KW_HASH_SIZE];
    uint8_t whole[200];
    uint8_t expanded[200];
    struct kw_bytes key = kw_bytes_str("input key");
    struct kw_bytes salt = kw_bytes_str("salt");
    struct kw_bytes info = kw_bytes_str("info");
    assert_int_equal(kw_hmac_sha256(extracted, salt, key, NULL), KW_OK);
    for (size_t len = 0; len <= sizeof whole; len++) {
        memset(whole, 0xee, sizeof whole);
        assert_int_equal(kw_hkdf_sha256(whole, len, key, salt, info, NULL), KW_OK);
        assert_int_equal(
            kw_hkdf_expand_sha256(expanded, len, kw_bytes(extracted, KW_HASH_SIZE), info, NULL),
            KW_OK);
        assert_memory_equal(whole, expanded, len);
        for (size_t i = len; i < sizeof whole; i++)
            assert_int_equal(whole[i], 0xee);
    }
}

static void hkdf_knows_its_end(void **state)
{
    KW_UNUSED(state);
    static uint8_t out[255 * 32 + 1];
    struct kw_bytes none = kw_bytes(NULL, 0);
    struct kw_bytes key = kw_bytes_str("0123456789abcdef0123456789abcdef");
    assert_int_equal(kw_hkdf_sha256(out, sizeof out - 1, key, none, none, NULL), KW_OK);
    assert_int_not_equal(out[sizeof out - 2] | out[sizeof out - 3] | out[sizeof out - 4], 0);
    assert_int_equal(kw_hkdf_sha256(out, sizeof out, key, none, none, NULL), KW_TOO_LARGE);
    assert_int_equal(kw_hkdf_expand_sha256(out, sizeof out, key, none, NULL), KW_TOO_LARGE);
}

static void any_input_changes_the_output(void **state)
{
    KW_UNUSED(state);
    static const char *const inputs[][3] = {{"k", "s", "i"}, {"K", "s", "i"}, {"k", "S", "i"},
                                            {"k", "s", "I"}, {"k", "si", ""}, {"ks", "", "i"}};
    uint8_t out[KW_COUNT(inputs)][32];
    for (size_t i = 0; i < KW_COUNT(inputs); i++) {
        assert_int_equal(kw_hkdf_sha256(out[i], 32, kw_bytes_str(inputs[i][0]),
                                        kw_bytes_str(inputs[i][1]), kw_bytes_str(inputs[i][2]),
                                        NULL),
                         KW_OK);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(out[i], out[j], 32);
    }
}

static void scrypt_wants_a_cost_in_range(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) passphrase = KW_SECRET_INIT;
    struct kw_bytes salt = kw_bytes_str("salt");
    uint8_t a[32];
    uint8_t b[32];
    struct kw_error err;
    assert_int_equal(kw_secret_copy(&passphrase, "secret", 6, NULL), KW_OK);
    assert_int_equal(kw_scrypt(a, 32, &passphrase, salt, 0, &err), KW_BAD_FORMAT);
    assert_int_equal(kw_scrypt(a, 32, &passphrase, salt, 21, &err), KW_BAD_FORMAT);
    assert_int_equal(kw_scrypt(a, 32, &passphrase, salt, 10, &err), KW_OK);
    assert_int_equal(kw_scrypt(b, 32, &passphrase, salt, 11, &err), KW_OK);
    assert_memory_not_equal(a, b, 32);
    assert_int_equal(kw_scrypt(b, 32, &passphrase, kw_bytes(NULL, 0), 10, &err), KW_OK);
    assert_memory_not_equal(a, b, 32);
}

/* The library's own 32 MiB limit must not be in the way of what the header allows. */
static void scrypt_may_take_more_than_the_default(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) passphrase = KW_SECRET_INIT;
    uint8_t out[32];
    assert_int_equal(kw_secret_copy(&passphrase, "secret", 6, NULL), KW_OK);
    assert_int_equal(kw_scrypt(out, 32, &passphrase, kw_bytes_str("salt"), 16, NULL), KW_OK);
}

static void *hash_in_a_thread(void *arg)
{
    uint8_t first[KW_HASH_SIZE];
    uint8_t again[KW_HASH_SIZE];
    kw_sha256_one(first, kw_bytes_str("text"));
    for (int i = 0; i < 2000; i++) {
        kw_sha256_one(again, kw_bytes_str("text"));
        if (memcmp(first, again, KW_HASH_SIZE) != 0)
            return arg;
        if (kw_hmac_sha256(again, kw_bytes_str("k"), kw_bytes_str("t"), NULL) != KW_OK)
            return arg;
    }
    return NULL;
}

static void threads_do_not_mix(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_in_a_thread, (void *)state), 0);
    for (size_t i = 0; i < KW_COUNT(threads); i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_one_text),
        cmocka_unit_test(streams_are_apart),
        cmocka_unit_test(hkdf_is_extract_and_expand),
        cmocka_unit_test(hkdf_knows_its_end),
        cmocka_unit_test(any_input_changes_the_output),
        cmocka_unit_test(scrypt_wants_a_cost_in_range),
        cmocka_unit_test(scrypt_may_take_more_than_the_default),
        cmocka_unit_test(threads_do_not_mix),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}

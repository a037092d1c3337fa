/* Sealing and opening, both suites: what comes back, what is refused, and what it costs in memory.
 */
#include "crypto/suite.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

static const uint8_t key[KW_KEY_SIZE] = {1, 2, 3};
static const uint8_t nonce[KW_NONCE_SIZE] = {4, 5, 6};
static const uint8_t ids[] = {KW_SUITE_AES256GCM, KW_SUITE_CHACHA20POLY1305};

static const struct kw_suite *suite_of(uint8_t id)
{
    const struct kw_suite *suite = NULL;
    assert_int_equal(kw_suite_get(id, &suite, NULL), KW_OK);
    return suite;
}

/* What the library has allocated, counted from before its first call. */
static atomic_long allocations;
static atomic_long alive;

static void *counted_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    atomic_fetch_add(&allocations, 1);
    atomic_fetch_add(&alive, 1);
    return malloc(size);
}

static void *counted_realloc(void *p, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    atomic_fetch_add(&allocations, 1);
    if (p == NULL)
        atomic_fetch_add(&alive, 1);
    return realloc(p, size);
}

static void counted_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    if (p != NULL)
        atomic_fetch_sub(&alive, 1);
    free(p);
}

static void the_table_of_suites(void **state)
{
    KW_UNUSED(state);
    for (unsigned id = 0; id < 256; id++) {
        const struct kw_suite *suite = NULL;
        struct kw_error err;
        kw_code code = kw_suite_get((uint8_t)id, &suite, &err);
        if (id != 1 && id != 2) {
            assert_int_equal(code, KW_UNSUPPORTED_SUITE);
            assert_null(suite);
            continue;
        }
        assert_int_equal(code, KW_OK);
        assert_int_equal(kw_suite_id(suite), id);
        assert_true(kw_suite_nonce_limit(suite) == UINT64_C(1) << 32);
    }
    assert_int_equal(kw_suite_id(kw_suite_default()), KW_SUITE_AES256GCM);
    assert_int_equal(kw_suite_state(kw_suite_default()), KW_SUITE_STATE_CURRENT);
    assert_int_equal(kw_suite_state(suite_of(2)), KW_SUITE_STATE_ACCEPTED);
    assert_string_equal(kw_suite_aead_name(suite_of(1)), "AEAD_AES_256_GCM");
    assert_string_equal(kw_suite_aead_name(suite_of(2)), "AEAD_CHACHA20_POLY1305");
    assert_non_null(strstr(kw_suite_name(suite_of(2)), "ChaCha20-Poly1305"));
}

static void round_trip(const struct kw_suite *suite, const uint8_t *text, size_t len)
{
    uint8_t sealed[300 + KW_TAG_SIZE];
    uint8_t back[300];
    uint8_t place[300 + KW_TAG_SIZE];
    struct kw_bytes aad = kw_bytes("context", len % 8);
    assert_int_equal(kw_aead_seal(suite, key, nonce, aad, kw_bytes(text, len), sealed, NULL),
                     KW_OK);
    struct kw_bytes whole = kw_bytes(sealed, len + KW_TAG_SIZE);
    assert_int_equal(kw_aead_open(suite, key, nonce, aad, whole, back, NULL), KW_OK);
    assert_memory_equal(back, text, len);
    memcpy(place, text, len);
    assert_int_equal(kw_aead_seal(suite, key, nonce, aad, kw_bytes(place, len), place, NULL),
                     KW_OK);
    assert_memory_equal(place, sealed, len + KW_TAG_SIZE);
    whole.data = place;
    assert_int_equal(kw_aead_open(suite, key, nonce, aad, whole, place, NULL), KW_OK);
    assert_memory_equal(place, text, len);
}

static void every_length_comes_back(void **state)
{
    KW_UNUSED(state);
    uint8_t text[300];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 31);
    for (size_t s = 0; s < KW_COUNT(ids); s++) {
        for (size_t len = 0; len <= sizeof text; len++)
            round_trip(suite_of(ids[s]), text, len);
    }
}

struct sealed {
    uint8_t key[KW_KEY_SIZE];
    uint8_t nonce[KW_NONCE_SIZE];
    uint8_t aad[9];
    uint8_t text[21 + KW_TAG_SIZE];
};

static kw_code open_it(const struct kw_suite *suite, const struct sealed *s)
{
    uint8_t out[21];
    memset(out, 0x77, sizeof out);
    kw_code code = kw_aead_open(suite, s->key, s->nonce, kw_bytes(s->aad, sizeof s->aad),
                                kw_bytes(s->text, sizeof s->text), out, NULL);
    for (size_t i = 0; code != KW_OK && i < sizeof out; i++)
        assert_int_equal(out[i], 0);
    return code;
}

/* Key, nonce, associated data, ciphertext and tag: each bit of each. */
static void every_flipped_bit_is_refused(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(ids); i++) {
        const struct kw_suite *suite = suite_of(ids[i]);
        struct sealed s = {.key = {9}, .nonce = {8}, .aad = "aad aad"};
        assert_int_equal(kw_aead_seal(suite, s.key, s.nonce, kw_bytes(s.aad, sizeof s.aad),
                                      kw_bytes_str("twenty-one characters"), s.text, NULL),
                         KW_OK);
        uint8_t *bytes = (uint8_t *)&s;
        for (size_t bit = 0; bit < 8 * sizeof s; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(open_it(suite, &s), KW_SEAL_BROKEN);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_int_equal(open_it(suite, &s), KW_OK);
    }
}

static void other_lengths_are_refused(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(ids); i++) {
        const struct kw_suite *suite = suite_of(ids[i]);
        uint8_t sealed[64] = {0};
        uint8_t out[64];
        struct kw_bytes none = kw_bytes(NULL, 0);
        assert_int_equal(
            kw_aead_seal(suite, key, nonce, none, kw_bytes_str("twenty"), sealed, NULL), KW_OK);
        for (size_t len = 0; len <= sizeof sealed; len++) {
            kw_code code = kw_aead_open(suite, key, nonce, none, kw_bytes(sealed, len), out, NULL);
            assert_int_equal(code, len == 6 + KW_TAG_SIZE ? KW_OK : KW_SEAL_BROKEN);
        }
    }
}

/* A suite's text does not open under the other one. */
static void suites_are_apart(void **state)
{
    KW_UNUSED(state);
    uint8_t sealed[32];
    uint8_t out[32];
    struct kw_bytes none = kw_bytes(NULL, 0);
    assert_int_equal(
        kw_aead_seal(suite_of(1), key, nonce, none, kw_bytes_str("text"), sealed, NULL), KW_OK);
    assert_int_equal(kw_aead_open(suite_of(2), key, nonce, none, kw_bytes(sealed, 20), out, NULL),
                     KW_SEAL_BROKEN);
}

static void a_kept_key_agrees_and_survives_a_refusal(void **state)
{
    KW_UNUSED(state);
    for (size_t s = 0; s < KW_COUNT(ids); s++) {
        KW_AUTO_PTR(kw_aead) aead = NULL;
        assert_int_equal(kw_aead_new(suite_of(ids[s]), key, &aead, NULL), KW_OK);
        for (uint8_t i = 0; i < 100; i++) {
            uint8_t n[KW_NONCE_SIZE] = {i};
            uint8_t once[64];
            uint8_t kept[64];
            uint8_t text[40] = {i, 7};
            struct kw_bytes aad = kw_bytes(text, i % 3);
            struct kw_bytes in = kw_bytes(text, sizeof text);
            assert_int_equal(kw_aead_seal(suite_of(ids[s]), key, n, aad, in, once, NULL), KW_OK);
            assert_int_equal(kw_aead_seal_with(aead, n, aad, in, kept, NULL), KW_OK);
            assert_memory_equal(once, kept, sizeof text + KW_TAG_SIZE);
            struct kw_bytes sealed = kw_bytes(kept, sizeof text + KW_TAG_SIZE);
            kept[i % sealed.len] ^= 1;
            assert_int_equal(kw_aead_open_with(aead, n, aad, sealed, once, NULL), KW_SEAL_BROKEN);
            kept[i % sealed.len] ^= 1;
            assert_int_equal(kw_aead_open_with(aead, n, aad, sealed, once, NULL), KW_OK);
            assert_memory_equal(once, text, sizeof text);
        }
    }
    kw_aead_free(NULL);
}

/* TLS on the same thread reads this queue to learn how its own calls went. */
static void refusals_leave_no_error_behind(void **state)
{
    KW_UNUSED(state);
    for (size_t s = 0; s < KW_COUNT(ids); s++) {
        uint8_t sealed[32] = {0};
        uint8_t out[32];
        assert_int_equal(kw_aead_open(suite_of(ids[s]), key, nonce, kw_bytes(NULL, 0),
                                      kw_bytes(sealed, sizeof sealed), out, NULL),
                         KW_SEAL_BROKEN);
        assert_true(ERR_peek_error() == 0);
    }
}

static void use_all_suites(size_t times)
{
    uint8_t text[100] = {0};
    uint8_t sealed[100 + KW_TAG_SIZE];
    for (size_t i = 0; i < times; i++) {
        const struct kw_suite *suite = NULL;
        if (kw_suite_get(ids[i % 2], &suite, NULL) != KW_OK ||
            kw_aead_seal(suite, key, nonce, kw_bytes("a", 1), kw_bytes(text, i % 100), sealed,
                         NULL) != KW_OK ||
            kw_aead_open(suite, key, nonce, kw_bytes("a", 1),
                         kw_bytes(sealed, i % 100 + KW_TAG_SIZE), text, NULL) != KW_OK)
            abort();
    }
}

static void nothing_is_allocated_after_the_first_call(void **state)
{
    KW_UNUSED(state);
    use_all_suites(2);
    long before = atomic_load(&allocations);
    assert_true(before > 0);
    use_all_suites(1000);
    assert_int_equal(atomic_load(&allocations) - before, 0);
}

static void *a_thread(void *arg)
{
    use_all_suites(200);
    return arg;
}

static void run_threads(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, a_thread, NULL), 0);
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* The library itself may keep something of the first threads, but not of each. */
static void threads_give_everything_back(void **state)
{
    KW_UNUSED(state);
    run_threads();
    long before = atomic_load(&alive);
    for (int i = 0; i < 5; i++)
        run_threads();
    assert_int_equal(atomic_load(&alive) - before, 0);
}

int main(void)
{
    if (CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_suites),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(other_lengths_are_refused),
        cmocka_unit_test(suites_are_apart),
        cmocka_unit_test(a_kept_key_agrees_and_survives_a_refusal),
        cmocka_unit_test(refusals_leave_no_error_behind),
        cmocka_unit_test(nothing_is_allocated_after_the_first_call),
        cmocka_unit_test(threads_give_everything_back),
    };
    return cmocka_run_group_tests_name("aead", tests, NULL, NULL);
}

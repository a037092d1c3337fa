/* No key is left in ordinary memory: HMAC and HKDF see to it themselves, an AEAD when it is told
 * to. The key stands in secret memory alone, and the search has it in two parts. */
#include "memory.h"
#include "sanitized.h"

#include "crypto/hash.h"
#include "crypto/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_secret key;
static uint8_t needle[KW_KEY_SIZE];
static uint8_t mask[KW_KEY_SIZE];

static int make_key(void **state)
{
    KW_UNUSED(state);
    if (kw_secret_alloc(&key, KW_KEY_SIZE, NULL) != KW_OK)
        return -1;
    kw_random(needle, sizeof needle);
    kw_random(mask, sizeof mask);
    for (size_t i = 0; i < KW_KEY_SIZE; i++)
        key.data[i] = (uint8_t)(needle[i] ^ mask[i]);
    return 0;
}

static int wipe_key(void **state)
{
    KW_UNUSED(state);
    kw_secret_wipe(&key);
    return 0;
}

static size_t copies(enum kw_memory kind)
{
    return kw_memory_count(kind, needle, mask, KW_KEY_SIZE);
}

static void hmac_and_hkdf_leave_no_key(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("memory cannot be searched");
    KW_AUTO(kw_secret) out = KW_SECRET_INIT;
    assert_int_equal(kw_secret_alloc(&out, KW_KEY_SIZE, NULL), KW_OK);
    struct kw_bytes in = kw_bytes(key.data, key.len);
    struct kw_bytes info = kw_bytes_str("info");
    assert_int_equal(copies(KW_MEMORY_SECRET), 1);
    assert_int_equal(kw_hkdf_sha256(out.data, out.len, in, info, info, NULL), KW_OK);
    assert_int_equal(copies(KW_MEMORY_ORDINARY), 0);
    assert_int_equal(kw_hkdf_expand_sha256(out.data, out.len, in, info, NULL), KW_OK);
    assert_int_equal(copies(KW_MEMORY_ORDINARY), 0);
    assert_int_equal(kw_hmac_sha256(out.data, in, info, NULL), KW_OK);
    assert_int_equal(copies(KW_MEMORY_ORDINARY), 0);
}

static void an_aead_forgets(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("memory cannot be searched");
    static const uint8_t nonce[KW_NONCE_SIZE];
    for (uint8_t id = 1; id <= 2; id++) {
        const struct kw_suite *suite = NULL;
        uint8_t sealed[4 + KW_TAG_SIZE];
        assert_int_equal(kw_suite_get(id, &suite, NULL), KW_OK);
        assert_int_equal(kw_aead_seal(suite, key.data, nonce, kw_bytes(NULL, 0),
                                      kw_bytes_str("text"), sealed, NULL),
                         KW_OK);
        kw_aead_forget();
        assert_int_equal(copies(KW_MEMORY_ORDINARY), 0);
    }
}

/* A kept key is gone with its context. */
static void a_freed_aead_leaves_no_key(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("memory cannot be searched");
    for (uint8_t id = 1; id <= 2; id++) {
        const struct kw_suite *suite = NULL;
        struct kw_aead *aead = NULL;
        assert_int_equal(kw_suite_get(id, &suite, NULL), KW_OK);
        assert_int_equal(kw_aead_new(suite, key.data, &aead, NULL), KW_OK);
        assert_true(copies(KW_MEMORY_ORDINARY) > 0); /* so the search does find one */
        kw_aead_free(aead);
        assert_int_equal(copies(KW_MEMORY_ORDINARY), 0);
    }
}

#define WITH_KEY(test) cmocka_unit_test_setup_teardown(test, make_key, wipe_key)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KEY(hmac_and_hkdf_leave_no_key),
        WITH_KEY(an_aead_forgets),
        WITH_KEY(a_freed_aead_leaves_no_key),
    };
    kw_aead_forget(); /* before a thread has anything to forget */
    return cmocka_run_group_tests_name("forget", tests, NULL, NULL);
}

/* What the dispatcher makes of providers that break their contract, are slow, or fail. */
#include "base/clock.h"
#include "provider_doubles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;
static const struct kw_provider_call plain_call = {.key = "eu"};

struct outcome {
    kw_code wrap;
    kw_code unwrap;
};

/* One wrap and one unwrap; whatever happens, outputs are as they were on failure. */
static struct outcome try_both(struct kw_provider *provider, const struct kw_provider_call *call)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    struct outcome outcome;
    assert_int_equal(kw_secret_alloc(&plaintext, 32, &err), KW_OK);
    memset(plaintext.data, 0x5a, plaintext.len);
    kw_buf_append_str(&wrapped, "as it was");
    outcome.wrap = kw_provider_wrap(provider, call, &plaintext, &wrapped, &err);
    if (outcome.wrap != KW_OK) {
        assert_int_equal(wrapped.len, 9);
        assert_int_equal(err.code, outcome.wrap);
    }
    static const uint8_t copy[64] = {1, 2, 3};
    outcome.unwrap = kw_provider_unwrap(provider, call, kw_bytes(copy, sizeof copy), &got, &err);
    if (outcome.unwrap != KW_OK) {
        assert_null(got.data);
        assert_int_equal(err.code, outcome.unwrap);
    }
    return outcome;
}

static void bad_providers_are_caught(void **state)
{
    KW_UNUSED(state);
    static const struct {
        enum kw_bad how;
        kw_code want;
        const char *said;
    } ways[] = {
        {KW_BAD_EMPTY, KW_PROVIDER_UNAVAILABLE, "misbehaves"},
        {KW_BAD_PLAIN, KW_PROVIDER_UNAVAILABLE, "misbehaves"},
        {KW_BAD_LARGE, KW_PROVIDER_UNAVAILABLE, "misbehaves"},
        {KW_BAD_TOUCHED, KW_PROVIDER_UNAVAILABLE, "provider"},
        {KW_BAD_CODE, KW_PROVIDER_UNAVAILABLE, "misbehaves"},
        {KW_BAD_SILENT, KW_KEY_NOT_FOUND, "no such tenant key"},
    };
    for (size_t i = 0; i < KW_COUNT(ways); i++) {
        struct kw_provider *provider;
        assert_int_equal(kw_provider_bad_new(ways[i].how, &provider, &err), KW_OK);
        struct outcome outcome = try_both(provider, &plain_call);
        assert_int_equal(outcome.wrap, ways[i].want);
        assert_int_equal(outcome.unwrap, ways[i].want);
        assert_non_null(strstr(err.text, ways[i].said));
        assert_int_equal(kw_provider_stats(provider).failures, 2);
        kw_provider_free(provider);
    }
}

static struct kw_provider *scripted(struct kw_script *script)
{
    struct kw_provider *behind;
    struct kw_provider *front;
    assert_int_equal(kw_provider_test_new("behind", 1, &behind, &err), KW_OK);
    assert_int_equal(kw_provider_scripted_new("front", behind, script, &front, &err), KW_OK);
    return front;
}

static void late_answers_are_thrown_away(void **state)
{
    KW_UNUSED(state);
    struct kw_script script = {0};
    struct kw_provider *provider = scripted(&script);
    struct kw_provider_call call = plain_call;
    call.deadline_ms = kw_clock_ms() + 60000;
    struct outcome in_time = try_both(provider, &call);
    assert_int_equal(in_time.wrap, KW_OK);
    atomic_store(&script.skip_ms, 120000); /* the answer comes, but two minutes later */
    assert_int_equal(try_both(provider, &call).wrap, KW_TIMEOUT);
    assert_int_equal(atomic_load(&script.wraps), 2);
    assert_int_equal(atomic_load(&script.unwraps), 1); /* after the deadline it is not even asked */
    kw_clock_test_offset(0);
    kw_provider_free(provider);
}

static void errors_are_passed_on(void **state)
{
    KW_UNUSED(state);
    static const kw_code codes[] = {KW_PROVIDER_UNAVAILABLE, KW_TIMEOUT,       KW_RATE_LIMITED,
                                    KW_SEAL_BROKEN,          KW_FORBIDDEN,     KW_KEY_SUSPENDED,
                                    KW_KEY_PENDING,          KW_KEY_NOT_FOUND, KW_KEY_DESTROYED};
    struct kw_script script = {0};
    struct kw_provider *provider = scripted(&script);
    for (size_t i = 0; i < KW_COUNT(codes); i++) {
        atomic_store(&script.fail_with, (int)codes[i]);
        assert_int_equal(try_both(provider, &plain_call).wrap, codes[i]);
        assert_int_equal(kw_provider_check(provider, "eu", 0, &err), codes[i]);
        assert_string_equal(err.text, "the script says so");
    }
    atomic_store(&script.fail_with, KW_OK);
    atomic_store(&script.fail_first, 1);
    assert_int_equal(kw_provider_check(provider, "eu", 0, &err), KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(kw_provider_check(provider, "eu", 0, &err), KW_OK);
    kw_provider_free(provider);
}

static void names_are_checked(void **state)
{
    KW_UNUSED(state);
    struct kw_provider *provider = NULL;
    assert_int_equal(kw_provider_test_new("", 1, &provider, &err), KW_BAD_NAME);
    assert_int_equal(kw_provider_test_new("a-name-of-more-than-32-characters", 1, &provider, &err),
                     KW_BAD_NAME);
    KW_AUTO(kw_secret) shorter = KW_SECRET_INIT;
    assert_int_equal(kw_secret_alloc(&shorter, 31, &err), KW_OK);
    assert_int_equal(kw_provider_software_new("software", &shorter, &provider, &err),
                     KW_WRONG_ROOT);
    assert_null(provider);
    kw_provider_free(NULL);
}

/* More root keys than are cached, each with its own wrapping key. */
static void any_number_of_keys_works(void **state)
{
    KW_UNUSED(state);
    struct kw_provider *provider;
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    assert_int_equal(kw_provider_test_new("software", 1, &provider, &err), KW_OK);
    assert_int_equal(kw_secret_alloc(&plaintext, 32, &err), KW_OK);
    for (int i = 0; i < 200; i++) {
        char name[16];
        char next[16];
        KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
        KW_AUTO(kw_secret) got = KW_SECRET_INIT;
        snprintf(name, sizeof name, "k%d", i % 100);
        snprintf(next, sizeof next, "k%d", i % 100 + 1);
        struct kw_provider_call call = {.key = name};
        assert_int_equal(kw_provider_wrap(provider, &call, &plaintext, &wrapped, &err), KW_OK);
        call.key = next;
        assert_int_equal(kw_provider_unwrap(provider, &call, kw_buf_bytes(&wrapped), &got, &err),
                         KW_SEAL_BROKEN);
        call.key = name;
        assert_int_equal(kw_provider_unwrap(provider, &call, kw_buf_bytes(&wrapped), &got, &err),
                         KW_OK);
    }
    kw_provider_free(provider);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_providers_are_caught), cmocka_unit_test(late_answers_are_thrown_away),
        cmocka_unit_test(errors_are_passed_on),     cmocka_unit_test(names_are_checked),
        cmocka_unit_test(any_number_of_keys_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

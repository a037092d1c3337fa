/* Settings, PINs and keys: what is refused, and that it is said why. */
#include "pkcs11_softhsm.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <p11-kit/pkcs11.h>

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))
#define says(text_)       assert_non_null(strstr(err.text, (text_)))

static struct kw_error err;

static KW_ERR check(const struct kw_softhsm_options *options, const char *key)
{
    KW_AUTO_PTR(kw_provider) provider = NULL;
    ok(kw_softhsm_provider(options, &provider, &err));
    return kw_provider_check(provider, key, 0, &err);
}

static KW_ERR create(const struct kw_softhsm_options *options, const char *key)
{
    KW_AUTO_PTR(kw_provider) provider = NULL;
    ok(kw_softhsm_provider(options, &provider, &err));
    return kw_provider_create(provider, key, 0, &err);
}

static void refuse(const struct kw_softhsm_options *options, const char *why)
{
    struct kw_provider *provider = NULL;
    fails(KW_BAD_CONFIG, kw_softhsm_provider(options, &provider, &err));
    assert_null(provider);
    says("provider hsm");
    says(why);
}

static void wrong_settings_are_refused(void **state)
{
    KW_UNUSED(state);
    const struct kw_softhsm_options good = kw_softhsm_options(false);
    static const char *const sessions[] = {"0", "65", "-1", "many", ""};
    struct kw_softhsm_options options = good;
    options.module = NULL;
    refuse(&options, "set module");
    options.module = "";
    refuse(&options, "module");
    options = good;
    options.token = NULL;
    refuse(&options, "token");
    options.slot = "1";
    options.token = "too";
    refuse(&options, "slot");
    options = good;
    options.token = "a label of more than thirty-two bytes";
    refuse(&options, "token");
    options = good;
    options.pin_env = "KW_TEST_PIN";
    refuse(&options, "not both");
    options = good;
    options.iv = "theirs";
    refuse(&options, "iv is");
    options = good;
    for (size_t i = 0; i < KW_COUNT(sessions); i++) {
        options.sessions = sessions[i];
        refuse(&options, "sessions");
    }
    options = good;
    options.token = NULL;
    options.slot = "first";
    refuse(&options, "slot");
}

static void wrong_modules_are_refused(void **state)
{
    KW_UNUSED(state);
    struct kw_softhsm_options options = kw_softhsm_options(false);
    options.module = "/nowhere/libhsm.so";
    refuse(&options, "/nowhere/libhsm.so");
    options.module = "libm.so.6"; /* a library, but no module */
    refuse(&options, "no PKCS#11 module");
    options.module = kw_softhsm_file("module", "text");
    refuse(&options, "does not load");
}

static void tokens_are_found_by_label_or_slot(void **state)
{
    KW_UNUSED(state);
    struct kw_softhsm_options options = kw_softhsm_options(false);
    ok(check(&options, "eu"));
    options.token = "keywar";
    fails(KW_PROVIDER_UNAVAILABLE, check(&options, "eu"));
    says("token keywar");
    options.token = "other";
    fails(KW_KEY_NOT_FOUND, check(&options, "eu"));
    options.token = NULL;
    options.slot = kw_softhsm_slot();
    ok(check(&options, "eu"));
    options.slot = "4000000000";
    fails(KW_PROVIDER_UNAVAILABLE, check(&options, "eu"));
}

static void a_wrong_pin_is_tried_once(void **state)
{
    KW_UNUSED(state);
    struct kw_softhsm_options options = kw_softhsm_options(true);
    struct kw_faulty *faults = kw_softhsm_faults();
    KW_AUTO_PTR(kw_provider) provider = NULL;
    options.pin_file = kw_softhsm_file("other-pin", "wrong-horse-22\n");
    ok(kw_softhsm_provider(&options, &provider, &err));
    for (int i = 0; i < 10; i++) {
        fails(KW_FORBIDDEN, kw_provider_check(provider, "eu", 0, &err));
        says("PIN");
        assert_null(strstr(err.text, "wrong-horse"));
    }
    assert_int_equal(atomic_load(&faults->calls[KW_FAULTY_LOGIN]), 1);
    (void)kw_softhsm_file("other-pin", KW_SOFTHSM_PIN "\r\n");
    ok(kw_provider_check(provider, "eu", 0, &err));
    assert_int_equal(atomic_load(&faults->calls[KW_FAULTY_LOGIN]), 2);
    ok(kw_provider_check(provider, "eu", 0, &err)); /* logged in once, for all that follows */
    assert_int_equal(atomic_load(&faults->calls[KW_FAULTY_LOGIN]), 2);
}

static void pins_that_are_missing_are_asked_for(void **state)
{
    KW_UNUSED(state);
    char large[300];
    struct kw_softhsm_options options = kw_softhsm_options(false);
    options.pin_file = NULL;
    fails(KW_FORBIDDEN, check(&options, "eu"));
    says("set pin_file or pin_env");
    options.pin_file = "/nowhere/pin";
    fails(KW_FORBIDDEN, check(&options, "eu"));
    says("/nowhere/pin");
    options.pin_file = kw_softhsm_file("empty-pin", "\n");
    fails(KW_FORBIDDEN, check(&options, "eu"));
    memset(large, '1', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    options.pin_file = kw_softhsm_file("large-pin", large);
    fails(KW_FORBIDDEN, check(&options, "eu"));
    options.pin_file = NULL;
    options.pin_env = "KW_TEST_PIN";
    unsetenv("KW_TEST_PIN");
    fails(KW_FORBIDDEN, check(&options, "eu"));
    says("KW_TEST_PIN");
    setenv("KW_TEST_PIN", KW_SOFTHSM_PIN, 1);
    ok(check(&options, "eu"));
}

static void what_the_token_says_of_the_pin_is_forbidden(void **state)
{
    KW_UNUSED(state);
    static const unsigned long says_so[] = {CKR_PIN_LOCKED, CKR_PIN_EXPIRED, CKR_PIN_LEN_RANGE,
                                            CKR_USER_PIN_NOT_INITIALIZED};
    const struct kw_softhsm_options options = kw_softhsm_options(true);
    for (size_t i = 0; i < KW_COUNT(says_so); i++) {
        (void)kw_softhsm_faults();
        kw_softhsm_fail(KW_FAULTY_LOGIN, 0, 1, says_so[i]);
        fails(KW_FORBIDDEN, check(&options, "eu"));
        says("PIN");
    }
}

/* Not even with the right one: who knows which it is. */
static void the_last_try_is_not_taken(void **state)
{
    KW_UNUSED(state);
    const struct kw_softhsm_options options = kw_softhsm_options(true);
    struct kw_faulty *faults = kw_softhsm_faults();
    atomic_store(&faults->set, CKF_USER_PIN_FINAL_TRY);
    fails(KW_FORBIDDEN, check(&options, "eu"));
    says("log in once");
    atomic_store(&faults->set, CKF_USER_PIN_LOCKED);
    fails(KW_FORBIDDEN, check(&options, "eu"));
    says("unlock");
    assert_int_equal(atomic_load(&faults->calls[KW_FAULTY_LOGIN]), 0);
    atomic_store(&faults->set, 0);
    ok(check(&options, "eu"));
}

static void keys_that_could_leave_are_refused(void **state)
{
    KW_UNUSED(state);
    static const struct {
        struct kw_softhsm_key key;
        const char *why;
    } rows[] = {
        {{.label = "bad", .bytes = 32, .extractable = true}, "taken out"},
        {{.label = "bad", .bytes = 32, .insensitive = true}, "taken out"},
        {{.label = "bad", .bytes = 32, .insensitive = true, .extractable = true}, "taken out"},
        {{.label = "bad", .bytes = 16}, "AES-256"},
        {{.label = "bad", .bytes = 32, .generic = true}, "AES-256"},
    };
    const struct kw_softhsm_options options = kw_softhsm_options(false);
    for (size_t i = 0; i < KW_COUNT(rows); i++) {
        kw_softhsm_key_make(&rows[i].key);
        fails(KW_FORBIDDEN, check(&options, "bad"));
        says(rows[i].why);
        fails(KW_FORBIDDEN, create(&options, "bad"));
        kw_softhsm_keys_destroy("bad");
    }
}

static void keys_of_one_label_are_refused(void **state)
{
    KW_UNUSED(state);
    const struct kw_softhsm_options options = kw_softhsm_options(false);
    kw_softhsm_key_make(&(struct kw_softhsm_key){.label = "twin", .bytes = 32});
    ok(check(&options, "twin"));
    kw_softhsm_key_make(&(struct kw_softhsm_key){.label = "twin", .bytes = 32});
    fails(KW_FORBIDDEN, check(&options, "twin"));
    says("more than one");
    kw_softhsm_keys_destroy("twin");
}

static void keys_that_may_not_encrypt_are_suspended(void **state)
{
    KW_UNUSED(state);
    const struct kw_softhsm_options options = kw_softhsm_options(false);
    kw_softhsm_key_make(
        &(struct kw_softhsm_key){.label = "disabled", .bytes = 32, .no_encrypt = true});
    fails(KW_KEY_SUSPENDED, check(&options, "disabled"));
    kw_softhsm_keys_destroy("disabled");
}

static KW_ERR trip(struct kw_provider *provider, struct kw_buf *wrapped, struct kw_secret *got)
{
    const struct kw_provider_call call = {.key = "mortal"};
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    ok(kw_secret_copy(&plaintext, "0123456789abcdef", 16, &err));
    if (wrapped->len == 0)
        KW_TRY(kw_provider_wrap(provider, &call, &plaintext, wrapped, &err));
    return kw_provider_unwrap(provider, &call, kw_buf_bytes(wrapped), got, &err);
}

/* The kill switch in the customer's hand: from the next call on, and for good. */
static void a_key_that_is_removed_is_gone_at_once(void **state)
{
    KW_UNUSED(state);
    const struct kw_softhsm_options options = kw_softhsm_options(false);
    KW_AUTO_PTR(kw_provider) provider = NULL;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_AUTO(kw_buf) later = KW_BUF_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_AUTO(kw_secret) none = KW_SECRET_INIT;
    kw_softhsm_key_make(&(struct kw_softhsm_key){.label = "mortal", .bytes = 32});
    ok(kw_softhsm_provider(&options, &provider, &err));
    ok(trip(provider, &wrapped, &got));
    kw_softhsm_keys_destroy("mortal");
    fails(KW_KEY_NOT_FOUND, trip(provider, &wrapped, &none));
    fails(KW_KEY_NOT_FOUND, trip(provider, &later, &none));
    says("mortal");
    kw_softhsm_key_make(&(struct kw_softhsm_key){.label = "mortal", .bytes = 32});
    fails(KW_SEAL_BROKEN, trip(provider, &wrapped, &none));
    ok(trip(provider, &later, &none));
    kw_softhsm_keys_destroy("mortal");
}

static void keys_are_made_once_and_locked_in(void **state)
{
    KW_UNUSED(state);
    const struct kw_softhsm_options options = kw_softhsm_options(true);
    struct kw_faulty *faults = kw_softhsm_faults();
    fails(KW_KEY_NOT_FOUND, check(&options, "made"));
    ok(create(&options, "made"));
    assert_true(kw_softhsm_key_is_locked_in("made"));
    ok(create(&options, "made"));
    assert_int_equal(atomic_load(&faults->calls[KW_FAULTY_GENERATE_KEY]), 1);
    ok(check(&options, "made"));
    kw_softhsm_keys_destroy("made");
}

static void tokens_that_make_no_keys_say_so(void **state)
{
    KW_UNUSED(state);
    const struct kw_softhsm_options options = kw_softhsm_options(true);
    (void)kw_softhsm_faults();
    kw_softhsm_fail(KW_FAULTY_GENERATE_KEY, 0, 1, CKR_TOKEN_WRITE_PROTECTED);
    fails(KW_FORBIDDEN, create(&options, "made"));
    kw_softhsm_fail(KW_FAULTY_MECHANISM_INFO, 0, 1, CKR_MECHANISM_INVALID);
    fails(KW_PROVIDER_UNAVAILABLE, create(&options, "made"));
    says("AES-GCM");
    kw_softhsm_fail(KW_FAULTY_MECHANISM_INFO, 0, 1, CKR_MECHANISM_INVALID);
    fails(KW_PROVIDER_UNAVAILABLE, check(&options, "eu"));
    kw_softhsm_fail(KW_FAULTY_GENERATE_KEY, 0, 1, CKR_SESSION_HANDLE_INVALID); /* is tried again */
    ok(create(&options, "made"));
    kw_softhsm_keys_destroy("made");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_settings_are_refused),
        cmocka_unit_test(wrong_modules_are_refused),
        cmocka_unit_test(tokens_are_found_by_label_or_slot),
        cmocka_unit_test(a_wrong_pin_is_tried_once),
        cmocka_unit_test(pins_that_are_missing_are_asked_for),
        cmocka_unit_test(what_the_token_says_of_the_pin_is_forbidden),
        cmocka_unit_test(the_last_try_is_not_taken),
        cmocka_unit_test(keys_that_could_leave_are_refused),
        cmocka_unit_test(keys_of_one_label_are_refused),
        cmocka_unit_test(keys_that_may_not_encrypt_are_suspended),
        cmocka_unit_test(a_key_that_is_removed_is_gone_at_once),
        cmocka_unit_test(keys_are_made_once_and_locked_in),
        cmocka_unit_test(tokens_that_make_no_keys_say_so),
    };
    if (!kw_softhsm_start())
        return KW_SOFTHSM_SKIPPED;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kw_softhsm_stop();
    return failed;
}

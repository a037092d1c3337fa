/* What the provider makes of a module that fails: what can be had again is, the rest maps to our
 * errors. */
#include "pkcs11_softhsm.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>
#include <p11-kit/pkcs11.h>

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

static struct kw_error err;
static struct kw_faulty *faults;

static int open_one(void **state)
{
    struct kw_softhsm_options options = kw_softhsm_options(true);
    options.sessions = "1"; /* so that the same session meets the fault */
    faults = kw_softhsm_faults();
    return kw_softhsm_provider(&options, (struct kw_provider **)state, &err) == KW_OK ? 0 : -1;
}

static int close_one(void **state)
{
    (void)kw_softhsm_faults();
    kw_provider_free(*state);
    return 0;
}

static const struct kw_provider_pair pair = {"tenant", "acme"};

static KW_ERR wrap(struct kw_provider *provider, struct kw_buf *out)
{
    const struct kw_provider_call call = {.key = "eu", .context = &pair, .context_count = 1};
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    ok(kw_secret_copy(&plaintext, "0123456789abcdef0123456789abcdef", 32, &err));
    return kw_provider_wrap(provider, &call, &plaintext, out, &err);
}

static KW_ERR unwrap(struct kw_provider *provider, const struct kw_buf *wrapped)
{
    const struct kw_provider_call call = {.key = "eu", .context = &pair, .context_count = 1};
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_TRY(kw_provider_unwrap(provider, &call, kw_buf_bytes(wrapped), &got, &err));
    assert_memory_equal(got.data, "0123456789abcdef0123456789abcdef", 32);
    return KW_OK;
}

static KW_ERR round_trip(struct kw_provider *provider)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_TRY(wrap(provider, &wrapped));
    return unwrap(provider, &wrapped);
}

static const unsigned long lost[] = {
    CKR_SESSION_HANDLE_INVALID,    CKR_SESSION_CLOSED,           CKR_DEVICE_REMOVED,
    CKR_TOKEN_NOT_PRESENT,         CKR_TOKEN_NOT_RECOGNIZED,     CKR_SLOT_ID_INVALID,
    CKR_USER_NOT_LOGGED_IN,        CKR_CRYPTOKI_NOT_INITIALIZED, CKR_OPERATION_ACTIVE,
    CKR_OPERATION_NOT_INITIALIZED, CKR_KEY_HANDLE_INVALID,       CKR_OBJECT_HANDLE_INVALID,
};

/* Once and twice in a row, at each place where a fresh provider calls the module. */
static void what_is_lost_is_had_again(void **state)
{
    static const enum kw_faulty_call calls[] = {
        KW_FAULTY_OPEN_SESSION, KW_FAULTY_SESSION_INFO, KW_FAULTY_TOKEN_INFO,
        KW_FAULTY_LOGIN,        KW_FAULTY_FIND_INIT,    KW_FAULTY_FIND,
        KW_FAULTY_FIND_FINAL,   KW_FAULTY_ATTRIBUTES,   KW_FAULTY_ENCRYPT_INIT,
        KW_FAULTY_ENCRYPT,      KW_FAULTY_DECRYPT_INIT, KW_FAULTY_DECRYPT,
    };
    for (size_t i = 0; i < KW_COUNT(calls); i++)
        for (size_t j = 0; j < KW_COUNT(lost); j++)
            for (uint64_t times = 1; times <= 2; times++) {
                if (calls[i] == KW_FAULTY_TOKEN_INFO)
                    continue; /* in a search, a slot that fails is another's: see below */
                close_one(state);
                assert_int_equal(open_one(state), 0);
                kw_softhsm_fail(calls[i], 0, times, lost[j]);
                ok(round_trip(*state));
                assert_int_equal(atomic_load(&faults->times), 0);
                assert_int_equal(kw_provider_stats(*state).failures, 0);
            }
}

/* The same in a session that has worked before. */
static void warm_sessions_recover(void **state)
{
    static const enum kw_faulty_call calls[] = {KW_FAULTY_ENCRYPT_INIT, KW_FAULTY_ENCRYPT,
                                                KW_FAULTY_DECRYPT_INIT, KW_FAULTY_DECRYPT};
    ok(round_trip(*state));
    for (size_t i = 0; i < KW_COUNT(calls); i++)
        for (size_t j = 0; j < KW_COUNT(lost); j++)
            for (uint64_t skip = 0; skip <= 1; skip++) {
                kw_softhsm_fail(calls[i], calls[i] < KW_FAULTY_DECRYPT_INIT ? 0 : skip, 1, lost[j]);
                ok(round_trip(*state));
                assert_int_equal(atomic_load(&faults->times), 0);
            }
    kw_softhsm_fail(KW_FAULTY_TOKEN_INFO, 0, 0, CKR_OK);
}

/* A fault that stays is told as what it is, and is over when it is over. */
static void lasting_faults_are_mapped(void **state)
{
    static const struct {
        unsigned long rv;
        kw_code code;
    } rows[] = {
        {CKR_SESSION_HANDLE_INVALID, KW_PROVIDER_UNAVAILABLE},
        {CKR_DEVICE_REMOVED, KW_PROVIDER_UNAVAILABLE},
        {CKR_DEVICE_ERROR, KW_PROVIDER_UNAVAILABLE},
        {CKR_DEVICE_MEMORY, KW_PROVIDER_UNAVAILABLE},
        {CKR_HOST_MEMORY, KW_PROVIDER_UNAVAILABLE},
        {CKR_FUNCTION_FAILED, KW_PROVIDER_UNAVAILABLE},
        {CKR_GENERAL_ERROR, KW_PROVIDER_UNAVAILABLE},
        {CKR_VENDOR_DEFINED + 7, KW_PROVIDER_UNAVAILABLE},
        {0x7777, KW_PROVIDER_UNAVAILABLE},
        {CKR_MECHANISM_INVALID, KW_PROVIDER_UNAVAILABLE},
        {CKR_MECHANISM_PARAM_INVALID, KW_PROVIDER_UNAVAILABLE},
        {CKR_USER_NOT_LOGGED_IN, KW_FORBIDDEN},
        {CKR_FUNCTION_REJECTED, KW_FORBIDDEN},
        {CKR_KEY_FUNCTION_NOT_PERMITTED, KW_KEY_SUSPENDED},
        {CKR_KEY_HANDLE_INVALID, KW_KEY_NOT_FOUND},
        {0x201 /* CKR_TOKEN_RESOURCE_EXCEEDED */, KW_RATE_LIMITED},
    };
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_AUTO(kw_buf) none = KW_BUF_INIT;
    ok(wrap(*state, &wrapped));
    for (size_t i = 0; i < KW_COUNT(rows); i++) {
        kw_softhsm_fail(KW_FAULTY_ENCRYPT_INIT, 0, UINT32_MAX, rows[i].rv);
        fails(rows[i].code, wrap(*state, &none));
        assert_int_equal(err.code, rows[i].code);
        kw_softhsm_fail(KW_FAULTY_DECRYPT_INIT, 0, UINT32_MAX, rows[i].rv);
        fails(rows[i].code, unwrap(*state, &wrapped));
        kw_softhsm_fail(KW_FAULTY_NONE, 0, 0, CKR_OK);
        ok(unwrap(*state, &wrapped));
    }
    assert_int_equal(none.len, 0);
}

/* The names that modules have for a wrong tag, and the vague ones, which are tried again first. */
static void broken_copies_and_broken_modules_are_told_apart(void **state)
{
    static const unsigned long names[] = {CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE,
                                          CKR_SIGNATURE_INVALID,
                                          0x42 /* CKR_AEAD_DECRYPT_FAILED */};
    static const unsigned long vague[] = {CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_DATA_INVALID,
                                          CKR_VENDOR_DEFINED + 1};
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    ok(wrap(*state, &wrapped));
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        kw_softhsm_fail(KW_FAULTY_DECRYPT, 0, 1, names[i]);
        fails(KW_SEAL_BROKEN, unwrap(*state, &wrapped));
    }
    for (size_t i = 0; i < KW_COUNT(vague); i++) {
        kw_softhsm_fail(KW_FAULTY_DECRYPT, 0, 1, vague[i]); /* a hiccup */
        ok(unwrap(*state, &wrapped));
        kw_softhsm_fail(KW_FAULTY_DECRYPT, 0, 2, vague[i]); /* of this copy only */
        fails(KW_SEAL_BROKEN, unwrap(*state, &wrapped));
        kw_softhsm_fail(KW_FAULTY_DECRYPT, 0, 3, vague[i]); /* of all */
        fails(KW_PROVIDER_UNAVAILABLE, unwrap(*state, &wrapped));
        ok(unwrap(*state, &wrapped));
    }
}

static void a_token_that_is_away_comes_back(void **state)
{
    kw_softhsm_fail(KW_FAULTY_TOKEN_INFO, 0, UINT32_MAX, CKR_TOKEN_NOT_PRESENT);
    fails(KW_PROVIDER_UNAVAILABLE, round_trip(*state));
    assert_non_null(strstr(err.text, "plugged in"));
    kw_softhsm_fail(KW_FAULTY_SLOT_LIST, 0, UINT32_MAX, CKR_DEVICE_ERROR);
    fails(KW_PROVIDER_UNAVAILABLE, round_trip(*state));
    kw_softhsm_fail(KW_FAULTY_INITIALIZE, 0, UINT32_MAX, CKR_DEVICE_ERROR);
    kw_softhsm_fail(KW_FAULTY_NONE, 0, 0, CKR_OK);
    ok(round_trip(*state));
}

static void a_module_that_does_not_start_is_started_later(void **state)
{
    kw_softhsm_fail(KW_FAULTY_INITIALIZE, 0, 2, CKR_DEVICE_ERROR);
    fails(KW_PROVIDER_UNAVAILABLE, round_trip(*state));
    fails(KW_PROVIDER_UNAVAILABLE, round_trip(*state));
    ok(round_trip(*state));
}

/* Modules look for tokens when they are initialised, and many never again. */
static void a_token_that_its_module_gave_up_comes_back(void **state)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    ok(wrap(*state, &wrapped));
    kw_softhsm_take_away(true);
    fails(KW_PROVIDER_UNAVAILABLE, kw_provider_check(*state, "eu", 0, &err));
    kw_softhsm_take_away(false);
    for (int tries = 0; tries < 1000 && unwrap(*state, &wrapped) != KW_OK; tries++)
        usleep(20000);
    ok(unwrap(*state, &wrapped));
    ok(round_trip(*state));
}

/* An administrator's tool, or another library of the process. */
static void what_others_end_is_begun_again(void **state)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    ok(wrap(*state, &wrapped));
    kw_softhsm_close_all_sessions();
    ok(unwrap(*state, &wrapped));
    kw_softhsm_log_out();
    ok(unwrap(*state, &wrapped));
    kw_softhsm_finalize();
    ok(unwrap(*state, &wrapped));
    kw_softhsm_close_all_sessions();
    ok(kw_provider_check(*state, "eu", 0, &err));
    assert_int_equal(kw_provider_stats(*state).failures, 0);
}

/* Private keys are not seen then, which must never be told as a key that is gone. */
static void a_lost_log_in_is_no_missing_key(void **state)
{
    for (int times = 1; times <= 2; times++) {
        close_one(state);
        assert_int_equal(open_one(state), 0);
        atomic_store(&faults->log_out, times);
        ok(round_trip(*state));
    }
    close_one(state);
    assert_int_equal(open_one(state), 0);
    atomic_store(&faults->log_out, 1000);
    fails(KW_FORBIDDEN, round_trip(*state));
}

static void a_module_that_hides_its_iv_is_caught(void **state)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    atomic_store(&faults->iv, KW_FAULTY_IV_HIDDEN);
    fails(KW_PROVIDER_UNAVAILABLE, wrap(*state, &wrapped));
    assert_int_equal(wrapped.len, 0);
    /* Nor if the module says so clearly that it is the copy. */
    kw_softhsm_fail(KW_FAULTY_DECRYPT, 0, 1, CKR_ENCRYPTED_DATA_INVALID);
    fails(KW_PROVIDER_UNAVAILABLE, wrap(*state, &wrapped));
    assert_non_null(strstr(err.text, "cannot open what it encrypted"));
    assert_int_equal(wrapped.len, 0);
    atomic_store(&faults->iv, KW_FAULTY_IV_WRITTEN); /* and refuses ours */
    fails(KW_PROVIDER_UNAVAILABLE, wrap(*state, &wrapped));
    assert_non_null(strstr(err.text, "iv = module"));
    atomic_store(&faults->iv, KW_FAULTY_IV_APPENDED); /* found without being told */
    ok(round_trip(*state));
}

/* With zeros as the IV for all, two copies would give their plaintexts away. */
static void zeros_are_no_iv(void **state)
{
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    struct kw_softhsm_options options = kw_softhsm_options(true);
    options.iv = "module";
    close_one(state);
    ok(kw_softhsm_provider(&options, (struct kw_provider **)state, &err));
    fails(KW_PROVIDER_UNAVAILABLE, wrap(*state, &wrapped));
    assert_non_null(strstr(err.text, "iv = ours"));
    assert_int_equal(wrapped.len, 0);
}

static void wrong_lengths_are_caught(void **state)
{
    static const int off[] = {-1, 1, 11, 15, 32, 33, 1 << 20};
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_AUTO(kw_buf) none = KW_BUF_INIT;
    ok(wrap(*state, &wrapped));
    for (size_t i = 0; i < KW_COUNT(off); i++) {
        atomic_store(&faults->longer, off[i]);
        fails(KW_PROVIDER_UNAVAILABLE, wrap(*state, &none));
        fails(KW_PROVIDER_UNAVAILABLE, unwrap(*state, &wrapped));
    }
    assert_int_equal(none.len, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_lost_is_had_again),
        TEST(warm_sessions_recover),
        TEST(lasting_faults_are_mapped),
        TEST(broken_copies_and_broken_modules_are_told_apart),
        TEST(a_token_that_is_away_comes_back),
        TEST(a_module_that_does_not_start_is_started_later),
        TEST(a_token_that_its_module_gave_up_comes_back),
        TEST(what_others_end_is_begun_again),
        TEST(a_lost_log_in_is_no_missing_key),
        TEST(a_module_that_hides_its_iv_is_caught),
        TEST(zeros_are_no_iv),
        TEST(wrong_lengths_are_caught),
    };
    if (!kw_softhsm_start())
        return KW_SOFTHSM_SKIPPED;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kw_softhsm_stop();
    return failed;
}

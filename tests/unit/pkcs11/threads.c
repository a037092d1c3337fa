/* Many threads, modules that hang, deadlines, forks. */
#include "pkcs11_softhsm.h"

#include "base/clock.h"
#include "child.h"
#include "sanitized.h"
#include "scratch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <p11-kit/pkcs11.h>

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

static struct kw_error err;

/* Once the threads that hung in the test before have ended too: they hold the log-in until then. */
static struct kw_provider *open_with(const char *sessions)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct kw_provider *provider = NULL;
    while (!kw_softhsm_is_finalized())
        nanosleep(&pause, NULL);
    struct kw_softhsm_options options = kw_softhsm_options(true);
    options.sessions = sessions;
    (void)kw_softhsm_faults();
    ok(kw_softhsm_provider(&options, &provider, &err));
    return provider;
}

static KW_ERR check_within(struct kw_provider *provider, int64_t ms)
{
    return kw_provider_check(provider, "eu", kw_clock_ms() + ms, &err);
}

static void wait_until(_Atomic uint64_t *counter, uint64_t value)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    while (atomic_load(counter) != value)
        nanosleep(&pause, NULL);
}

/* The provider comes back to life by itself as soon as the module does. */
static void until_it_works(struct kw_provider *provider)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    while (kw_provider_check(provider, "eu", 0, &err) != KW_OK)
        nanosleep(&pause, NULL);
}

static void a_hanging_module_does_not_hang_the_caller(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_PTR(kw_provider) provider = open_with("2");
    struct kw_faulty *faults = kw_softhsm_faults();
    ok(check_within(provider, 60000));
    atomic_store(&faults->hang, 1);
    kw_softhsm_fail(KW_FAULTY_ENCRYPT, 0, UINT32_MAX, CKR_OK);
    fails(KW_TIMEOUT, check_within(provider, 50));
    fails(KW_TIMEOUT, check_within(provider, 50));
    wait_until(&faults->hanging, 2);
    /* Both threads are in there: no more go in, and nobody waits for what cannot come. */
    for (int i = 0; i < 20; i++) {
        fails(KW_PROVIDER_UNAVAILABLE, check_within(provider, 600000));
        assert_non_null(strstr(err.text, "hang"));
    }
    assert_int_equal(atomic_load(&faults->hanging), 2);
    atomic_store(&faults->hang, 0);
    kw_softhsm_fail(KW_FAULTY_NONE, 0, 0, CKR_OK);
    until_it_works(provider);
}

static void every_step_may_hang(void **state)
{
    KW_UNUSED(state);
    static const enum kw_faulty_call calls[] = {
        KW_FAULTY_INITIALIZE,   KW_FAULTY_SLOT_LIST,  KW_FAULTY_TOKEN_INFO,
        KW_FAULTY_OPEN_SESSION, KW_FAULTY_LOGIN,      KW_FAULTY_SESSION_INFO,
        KW_FAULTY_FIND_INIT,    KW_FAULTY_ATTRIBUTES, KW_FAULTY_DECRYPT_INIT};
    for (size_t i = 0; i < KW_COUNT(calls); i++) {
        KW_AUTO_PTR(kw_provider) provider = open_with("3");
        struct kw_faulty *faults = kw_softhsm_faults();
        atomic_store(&faults->hang, 1);
        kw_softhsm_fail(calls[i], 0, UINT32_MAX, CKR_OK);
        fails(KW_TIMEOUT, check_within(provider, 20));
        atomic_store(&faults->hang, 0);
        until_it_works(provider);
        wait_until(&faults->hanging, 0);
    }
}

/* One that waits for a thread gives up in time, and its place in the queue. */
static void *check_slowly(void *provider)
{
    return kw_provider_check(provider, "eu", 0, NULL) == KW_OK ? NULL : provider;
}

static void a_queue_keeps_deadlines(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_PTR(kw_provider) provider = open_with("1");
    struct kw_faulty *faults = kw_softhsm_faults();
    pthread_t slow;
    void *failed;
    atomic_store(&faults->hang, 1);
    kw_softhsm_fail(KW_FAULTY_ENCRYPT, 0, 1, CKR_OK);
    assert_int_equal(pthread_create(&slow, NULL, check_slowly, provider), 0);
    wait_until(&faults->hanging, 1);
    for (int i = 0; i < 5; i++)
        fails(KW_TIMEOUT, check_within(provider, 10));
    assert_int_equal(atomic_load(&faults->calls[KW_FAULTY_ENCRYPT]), 1);
    atomic_store(&faults->hang, 0);
    pthread_join(slow, &failed); /* had no deadline, and was answered */
    assert_null(failed);
    ok(check_within(provider, 60000));
}

/* Frees while calls hang; what is left ends itself when the module answers. */
static void a_provider_can_be_freed_while_its_module_hangs(void **state)
{
    KW_UNUSED(state);
    struct kw_provider *provider = open_with("2");
    struct kw_faulty *faults = kw_softhsm_faults();
    ok(check_within(provider, 60000));
    atomic_store(&faults->hang, 1);
    kw_softhsm_fail(KW_FAULTY_DECRYPT, 0, UINT32_MAX, CKR_OK);
    fails(KW_TIMEOUT, check_within(provider, 50));
    kw_provider_free(provider);
    assert_int_equal(atomic_load(&faults->hanging), 1);
    /* Another over the same module works meanwhile: hanging calls do not finalise it. */
    kw_softhsm_fail(KW_FAULTY_NONE, 0, 0, CKR_OK);
    KW_AUTO_PTR(kw_provider) another = NULL;
    const struct kw_softhsm_options options = kw_softhsm_options(true);
    ok(kw_softhsm_provider(&options, &another, &err));
    ok(check_within(another, 60000));
    atomic_store(&faults->hang, 0);
    wait_until(&faults->hanging, 0);
    ok(check_within(another, 60000));
}

enum { THREADS = 6, ROUNDS = 40 };

static KW_ERR round_trip(struct kw_provider *provider, unsigned number)
{
    const struct kw_provider_call call = {.key = number % 2 == 0 ? "eu" : "us"};
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_secret) got = KW_SECRET_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    KW_TRY(kw_secret_alloc(&plaintext, 32, NULL));
    memset(plaintext.data, (int)number, plaintext.len);
    KW_TRY(kw_provider_wrap(provider, &call, &plaintext, &wrapped, NULL));
    KW_TRY(kw_provider_unwrap(provider, &call, kw_buf_bytes(&wrapped), &got, NULL));
    return kw_secret_equal(&plaintext, &got) ? KW_OK : KW_INTERNAL;
}

struct crowd {
    struct kw_provider *provider;
    _Atomic uint64_t wrong;
    _Atomic uint64_t repeated; /* by the caller, after an error that says so */
    _Atomic uint64_t running;
};

static void *round_trips(void *arg)
{
    struct crowd *crowd = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        kw_code code = round_trip(crowd->provider, i);
        for (; kw_code_retryable(code); code = round_trip(crowd->provider, i))
            atomic_fetch_add(&crowd->repeated, 1);
        if (code != KW_OK)
            atomic_fetch_add(&crowd->wrong, 1);
    }
    atomic_fetch_sub(&crowd->running, 1);
    return NULL;
}

static void start(struct crowd *crowd, pthread_t threads[THREADS])
{
    atomic_store(&crowd->running, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, round_trips, crowd), 0);
}

static void join(pthread_t threads[THREADS])
{
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* More callers than sessions, one log-in, no call lost. */
static void threads_share_sessions_and_one_log_in(void **state)
{
    KW_UNUSED(state);
    pthread_t threads[THREADS];
    struct crowd crowd = {.provider = open_with("3")};
    struct kw_faulty *faults = kw_softhsm_faults();
    start(&crowd, threads);
    join(threads);
    assert_int_equal(atomic_load(&crowd.wrong), 0);
    assert_int_equal(atomic_load(&crowd.repeated), 0);
    assert_int_equal(atomic_load(&faults->calls[KW_FAULTY_LOGIN]), 1);
    assert_true(atomic_load(&faults->calls[KW_FAULTY_OPEN_SESSION]) <= 3);
    kw_provider_free(crowd.provider);
}

/* Sessions vanish under load: no call ends with an error that lasts. (One that meets the fault in
 * each of its attempts may end with one that says: again.) */
static void sessions_lost_under_load_do_no_harm(void **state)
{
    KW_UNUSED(state);
    const struct timespec pause = {.tv_nsec = 3000000};
    pthread_t threads[THREADS];
    struct crowd crowd = {.provider = open_with("4")};
    static const enum kw_faulty_call calls[] = {KW_FAULTY_ENCRYPT_INIT, KW_FAULTY_ENCRYPT,
                                                KW_FAULTY_DECRYPT};
    unsigned times = 0;
    start(&crowd, threads);
    while (atomic_load(&crowd.running) > 0) {
        kw_softhsm_fail(calls[times % KW_COUNT(calls)], 0, 1, CKR_SESSION_HANDLE_INVALID);
        nanosleep(&pause, NULL);
        times++;
    }
    join(threads);
    kw_provider_free(crowd.provider);
    assert_int_equal(atomic_load(&crowd.wrong), 0);
}

static int use_in_child(void *provider)
{
    if (kw_provider_check(provider, "eu", 0, &err) != KW_PROVIDER_UNAVAILABLE ||
        strstr(err.text, "forked") == NULL)
        return 1;
    kw_provider_free(provider); /* must neither wait nor finalise */
    const struct kw_softhsm_options options = kw_softhsm_options(true);
    struct kw_provider *own = NULL;
    if (kw_softhsm_provider(&options, &own, &err) != KW_OK)
        return 2;
    return kw_provider_check(own, "eu", kw_clock_ms() + 60000, &err) == KW_OK ? 0 : 3;
}

static void a_forked_child_makes_its_own(void **state)
{
    KW_UNUSED(state);
    KW_SKIP_IF_SANITIZED("threads in the child of a process with threads");
    KW_AUTO_PTR(kw_provider) provider = open_with("2");
    ok(check_within(provider, 60000));
    assert_int_equal(kw_child_exit(kw_in_child(use_in_child, provider)), 0);
    ok(check_within(provider, 60000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hanging_module_does_not_hang_the_caller),
        cmocka_unit_test(every_step_may_hang),
        cmocka_unit_test(a_queue_keeps_deadlines),
        cmocka_unit_test(a_provider_can_be_freed_while_its_module_hangs),
        cmocka_unit_test(threads_share_sessions_and_one_log_in),
        cmocka_unit_test(sessions_lost_under_load_do_no_harm),
        cmocka_unit_test(a_forked_child_makes_its_own),
    };
    if (!kw_softhsm_start())
        return KW_SOFTHSM_SKIPPED;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kw_softhsm_stop();
    return failed;
}

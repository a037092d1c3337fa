/* Access tokens: fetched once, renewed early, replaced when refused, and failures shared. */
#include "provider/bearer.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { HOUR_MS = 3600000, THREADS = 8 };

/* Where tokens come from: T1, T2, ... */
static struct {
    _Atomic int fetches;
    _Atomic int fail_with;
    _Atomic int64_t lifetime_ms;
    _Atomic bool held; /* a fetch waits until it is let go */
} source;

static struct kw_error err;
static struct kw_bearer *bearer;

static kw_code fetch(void *arg, int64_t deadline_ms, struct kw_bearer_grant *grant,
                     struct kw_error *why)
{
    char text[16];
    KW_UNUSED(arg);
    int number = atomic_fetch_add(&source.fetches, 1) + 1;
    while (atomic_load(&source.held)) {
        if (kw_clock_ms() >= deadline_ms)
            return kw_fail_code(why, KW_TIMEOUT);
        usleep(1000);
    }
    if (atomic_load(&source.fail_with) != KW_OK)
        return kw_fail(why, (kw_code)atomic_load(&source.fail_with), "as told");
    snprintf(text, sizeof text, "T%d", number);
    grant->lifetime_ms = atomic_load(&source.lifetime_ms);
    return kw_secret_copy(&grant->token, text, strlen(text), why);
}

static int open_it(void **state)
{
    KW_UNUSED(state);
    atomic_store(&source.fetches, 0);
    atomic_store(&source.fail_with, KW_OK);
    atomic_store(&source.lifetime_ms, HOUR_MS);
    atomic_store(&source.held, false);
    return kw_bearer_new(fetch, NULL, &bearer, &err) == KW_OK ? 0 : -1;
}

static int close_it(void **state)
{
    KW_UNUSED(state);
    kw_bearer_free(bearer);
    kw_clock_test_offset(0);
    return 0;
}

static void expect(const char *header)
{
    KW_AUTO_PTR(kw_bearer_token) token = NULL;
    assert_int_equal(kw_bearer_get(bearer, 0, &token, &err), KW_OK);
    assert_string_equal(kw_bearer_header(token), header);
}

static void one_is_kept(void **state)
{
    KW_UNUSED(state);
    for (int i = 0; i < 10; i++)
        expect("Bearer T1");
    assert_int_equal(source.fetches, 1);
}

static void it_is_renewed_early(void **state)
{
    KW_UNUSED(state);
    expect("Bearer T1");
    kw_clock_test_offset(HOUR_MS / 4 * 3 - 1000);
    expect("Bearer T1");
    kw_clock_test_offset(HOUR_MS / 4 * 3 + 1000);
    expect("Bearer T2");
    assert_int_equal(source.fetches, 2);
}

static void a_failed_renewal_leaves_the_old(void **state)
{
    KW_UNUSED(state);
    expect("Bearer T1");
    atomic_store(&source.fail_with, KW_PROVIDER_UNAVAILABLE);
    kw_clock_test_offset(HOUR_MS / 4 * 3 + 1000);
    for (int i = 0; i < 5; i++)
        expect("Bearer T1");
    assert_int_equal(source.fetches, 2); /* and not tried at each call */
    kw_clock_test_offset(HOUR_MS / 4 * 3 + 12000);
    expect("Bearer T1");
    assert_int_equal(source.fetches, 3);
}

static void one_that_ended_is_not_used(void **state)
{
    struct kw_bearer_token *token = NULL;
    KW_UNUSED(state);
    expect("Bearer T1");
    atomic_store(&source.fail_with, KW_PROVIDER_UNAVAILABLE);
    kw_clock_test_offset(HOUR_MS - 5000); /* too short to arrive alive */
    assert_int_equal(kw_bearer_get(bearer, 0, &token, &err), KW_PROVIDER_UNAVAILABLE);
    assert_string_equal(err.text, "as told");
    assert_null(token);
}

static void one_that_was_refused_is_replaced(void **state)
{
    KW_AUTO_PTR(kw_bearer_token) first = NULL;
    KW_UNUSED(state);
    assert_int_equal(kw_bearer_get(bearer, 0, &first, &err), KW_OK);
    kw_bearer_drop(bearer, first);
    expect("Bearer T2");
    kw_bearer_drop(bearer, first); /* by another who still had it: T2 stays */
    expect("Bearer T2");
    assert_string_equal(kw_bearer_header(first), "Bearer T1"); /* in use until it is put back */
}

static void an_empty_life_is_no_token(void **state)
{
    struct kw_bearer_token *token = NULL;
    KW_UNUSED(state);
    atomic_store(&source.lifetime_ms, 0);
    assert_int_equal(kw_bearer_get(bearer, 0, &token, &err), KW_PROVIDER_UNAVAILABLE);
    assert_null(token);
}

struct waiter {
    pthread_t thread;
    int64_t deadline_ms;
    kw_code code;
};

static void *wait_for_one(void *arg)
{
    struct waiter *waiter = arg;
    KW_AUTO_PTR(kw_bearer_token) token = NULL;
    waiter->code = kw_bearer_get(bearer, waiter->deadline_ms, &token, NULL);
    return NULL;
}

/* All wait while one fetches. */
static void start_all(struct waiter waiters[THREADS])
{
    atomic_store(&source.held, true);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_one, &waiters[i]), 0);
    while (atomic_load(&source.fetches) == 0)
        usleep(1000);
    usleep(20000);
}

static void end_all(struct waiter waiters[THREADS])
{
    atomic_store(&source.held, false);
    for (int i = 0; i < THREADS; i++)
        pthread_join(waiters[i].thread, NULL);
}

static void all_wait_for_one_fetch(void **state)
{
    struct waiter waiters[THREADS] = {0};
    KW_UNUSED(state);
    start_all(waiters);
    end_all(waiters);
    assert_int_equal(source.fetches, 1);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(waiters[i].code, KW_OK);
}

/* Who comes after the failure tries anew; who waited for it does not. */
static void all_share_a_failure(void **state)
{
    struct waiter waiters[THREADS] = {0};
    KW_UNUSED(state);
    atomic_store(&source.fail_with, KW_FORBIDDEN);
    start_all(waiters);
    end_all(waiters);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(waiters[i].code, KW_FORBIDDEN);
    atomic_store(&source.fail_with, KW_OK);
    KW_AUTO_PTR(kw_bearer_token) token = NULL;
    assert_int_equal(kw_bearer_get(bearer, 0, &token, &err), KW_OK);
}

/* Whose time is over goes; the fetch of one whose time was short is not the others' end. */
static void each_has_its_own_deadline(void **state)
{
    struct waiter brief = {.deadline_ms = kw_clock_ms() + 100};
    struct waiter patient = {.deadline_ms = 0};
    KW_UNUSED(state);
    atomic_store(&source.held, true);
    assert_int_equal(pthread_create(&brief.thread, NULL, wait_for_one, &brief), 0);
    while (atomic_load(&source.fetches) == 0)
        usleep(1000);
    assert_int_equal(pthread_create(&patient.thread, NULL, wait_for_one, &patient), 0);
    pthread_join(brief.thread, NULL);
    assert_int_equal(brief.code, KW_TIMEOUT);
    while (atomic_load(&source.fetches) == 1)
        usleep(1000);
    struct waiter late = {.deadline_ms = kw_clock_ms() + 50};
    wait_for_one(&late);
    assert_int_equal(late.code, KW_TIMEOUT);
    atomic_store(&source.held, false);
    pthread_join(patient.thread, NULL);
    assert_int_equal(patient.code, KW_OK);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_it, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_is_kept),
        TEST(it_is_renewed_early),
        TEST(a_failed_renewal_leaves_the_old),
        TEST(one_that_ended_is_not_used),
        TEST(one_that_was_refused_is_replaced),
        TEST(an_empty_life_is_no_token),
        TEST(all_wait_for_one_fetch),
        TEST(all_share_a_failure),
        TEST(each_has_its_own_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Keeping and renewing credentials: when they are fetched, by whom, and what a failure means. */
#include "aws/credentials.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static struct kw_error err;

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

/* A source of the test's: numbers its credentials. */
struct made {
    _Atomic int fetches;
    _Atomic int freed;
    _Atomic int64_t life_ms; /* 0: they never expire */
    _Atomic int fail_with;
    _Atomic int slow_ms;
    _Atomic int64_t deadline_ms; /* of the last fetch */
};

static kw_code fetch(void *state, int64_t deadline_ms, struct kw_aws_keys *out,
                     struct kw_error *why)
{
    struct made *made = state;
    char id[32];
    int number = atomic_fetch_add(&made->fetches, 1) + 1;
    atomic_store(&made->deadline_ms, deadline_ms);
    usleep((useconds_t)atomic_load(&made->slow_ms) * 1000);
    kw_code code = (kw_code)atomic_load(&made->fail_with);
    if (code != KW_OK)
        return kw_fail(why, code, "fetch %d failed", number);
    snprintf(id, sizeof id, "ID%d", number);
    KW_TRY(kw_aws_keys_set(out, kw_bytes_str(id), kw_bytes_str("s"), kw_bytes_str("t"), why));
    int64_t life_ms = atomic_load(&made->life_ms);
    out->expires_wall_ms = life_ms != 0 ? kw_clock_wall_ms() + life_ms : 0;
    return KW_OK;
}

static void let_go(void *state)
{
    atomic_fetch_add(&((struct made *)state)->freed, 1);
}

static struct kw_aws_credentials *keep(struct made *made)
{
    struct kw_aws_credentials *kept = NULL;
    const struct kw_aws_source source = {.fetch = fetch, .free = let_go, .state = made};
    ok(kw_aws_credentials_new(&source, &kept, &err));
    return kept;
}

static int64_t in_ms(int64_t ms)
{
    return kw_clock_ms() + ms;
}

/* The number of those that are handed out. */
static uint64_t get(struct kw_aws_credentials *kept, const char *id)
{
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    uint64_t number = 0;
    ok(kw_aws_credentials_get(kept, in_ms(10000), &keys, &number, &err));
    assert_string_equal(keys.id, id);
    assert_int_equal(keys.secret.len, 1);
    return number;
}

static kw_code try_get(struct kw_aws_credentials *kept, int64_t within_ms)
{
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    uint64_t number;
    return kw_aws_credentials_get(kept, in_ms(within_ms), &keys, &number, &err);
}

static int unshift(void **state)
{
    KW_UNUSED(state);
    kw_clock_test_offset(0);
    return 0;
}

static void they_are_fetched_once(void **state)
{
    struct made made = {0};
    KW_UNUSED(state);
    struct kw_aws_credentials *kept = keep(&made);
    assert_int_equal(made.fetches, 0);
    assert_int_equal(get(kept, "ID1"), get(kept, "ID1"));
    kw_clock_test_offset(INT64_C(1000) * 86400 * 3650);
    get(kept, "ID1");
    assert_int_equal(made.fetches, 1);
    kw_aws_credentials_free(kept);
    assert_int_equal(made.freed, 1);
}

static void they_are_renewed_before_they_end(void **state)
{
    struct made made = {.life_ms = 3600 * 1000};
    KW_UNUSED(state);
    struct kw_aws_credentials *kept = keep(&made);
    get(kept, "ID1");
    kw_clock_test_offset(54 * 60 * 1000);
    get(kept, "ID1");
    kw_clock_test_offset(55 * 60 * 1000 + 1000);
    get(kept, "ID2");
    get(kept, "ID2");
    assert_int_equal(made.fetches, 2);
    kw_aws_credentials_free(kept);
}

static void a_failed_renewal_is_survived(void **state)
{
    struct made made = {.life_ms = 3600 * 1000};
    KW_UNUSED(state);
    struct kw_aws_credentials *kept = keep(&made);
    get(kept, "ID1");
    made.fail_with = KW_PROVIDER_UNAVAILABLE;
    kw_clock_test_offset(56 * 60 * 1000);
    int64_t latest = in_ms(10000);
    get(kept, "ID1");
    assert_true(made.deadline_ms < latest); /* with time left for the request itself */
    get(kept, "ID1");
    assert_int_equal(made.fetches, 2); /* not again at once */
    kw_clock_test_offset(56 * 60 * 1000 + 11000);
    get(kept, "ID1");
    assert_int_equal(made.fetches, 3);
    kw_clock_test_offset(60 * 60 * 1000 + 1000); /* now they have ended */
    fails(KW_PROVIDER_UNAVAILABLE, try_get(kept, 1000));
    assert_string_equal(err.text, "fetch 4 failed");
    made.fail_with = KW_OK;
    get(kept, "ID5");
    kw_aws_credentials_free(kept);
}

static void expired_ones_are_not_used(void **state)
{
    struct made made = {.life_ms = -1000};
    KW_UNUSED(state);
    struct kw_aws_credentials *kept = keep(&made);
    fails(KW_PROVIDER_UNAVAILABLE, try_get(kept, 1000));
    assert_non_null(strstr(err.text, "clock"));
    kw_aws_credentials_free(kept);
}

static void refused_ones_are_replaced_once(void **state)
{
    struct made made = {0};
    KW_UNUSED(state);
    struct kw_aws_credentials *kept = keep(&made);
    uint64_t first = get(kept, "ID1");
    assert_true(kw_aws_credentials_refused(kept, first));
    assert_true(kw_aws_credentials_refused(kept, first)); /* another who had them, too */
    uint64_t second = get(kept, "ID2");
    assert_true(kw_aws_credentials_refused(kept, first)); /* there are others by now */
    assert_false(kw_aws_credentials_refused(kept, second));
    get(kept, "ID2");
    kw_clock_test_offset(11000);
    assert_true(kw_aws_credentials_refused(kept, second));
    made.fail_with = KW_FORBIDDEN;
    fails(KW_FORBIDDEN, try_get(kept, 1000)); /* what AWS refuses is not used in want of better */
    made.fail_with = KW_OK;
    get(kept, "ID4");
    assert_int_equal(made.fetches, 4);
    kw_aws_credentials_free(kept);
}

enum { THREADS = 8 };

struct together {
    struct kw_aws_credentials *kept;
    int64_t within_ms;
    _Atomic int codes[1024];
};

static void *ask(void *arg)
{
    struct together *together = arg;
    KW_AUTO(kw_aws_keys) keys = KW_AWS_KEYS_INIT;
    uint64_t number;
    kw_code code =
        kw_aws_credentials_get(together->kept, in_ms(together->within_ms), &keys, &number, NULL);
    atomic_fetch_add(&together->codes[code], 1);
    return NULL;
}

static void ask_together(struct together *together)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, together), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void one_fetches_for_all(void **state)
{
    struct made made = {.slow_ms = 100};
    struct together together = {.within_ms = 10000};
    KW_UNUSED(state);
    together.kept = keep(&made);
    ask_together(&together);
    assert_int_equal(together.codes[KW_OK], THREADS);
    assert_int_equal(made.fetches, 1);
    kw_aws_credentials_free(together.kept);
}

static void waiters_share_a_failure(void **state)
{
    struct made made = {.slow_ms = 300, .fail_with = KW_FORBIDDEN};
    struct together together = {.within_ms = 10000};
    KW_UNUSED(state);
    together.kept = keep(&made);
    ask_together(&together);
    assert_int_equal(together.codes[KW_FORBIDDEN], THREADS);
    assert_true(made.fetches < THREADS);
    kw_aws_credentials_free(together.kept);
}

/* Someone asks, and is in the middle of fetching when this returns. */
static pthread_t ask_until_it_fetches(struct together *together, struct made *made)
{
    pthread_t first;
    together->kept = keep(made);
    assert_int_equal(pthread_create(&first, NULL, ask, together), 0);
    while (made->fetches == 0)
        usleep(1000);
    return first;
}

static void waiters_have_deadlines_of_their_own(void **state)
{
    struct made made = {.slow_ms = 400};
    struct together together = {.within_ms = 10000};
    KW_UNUSED(state);
    pthread_t first = ask_until_it_fetches(&together, &made);
    fails(KW_TIMEOUT, try_get(together.kept, 30));
    pthread_join(first, NULL);
    assert_int_equal(together.codes[KW_OK], 1);
    assert_int_equal(made.fetches, 1);
    kw_aws_credentials_free(together.kept);
}

/* The one who fetches had less time than those who wait: they try themselves. */
static void anothers_timeout_is_not_mine(void **state)
{
    struct made made = {.slow_ms = 200, .fail_with = KW_TIMEOUT};
    struct together together = {.within_ms = 10000};
    KW_UNUSED(state);
    pthread_t first = ask_until_it_fetches(&together, &made);
    pthread_t second;
    assert_int_equal(pthread_create(&second, NULL, ask, &together), 0);
    pthread_join(first, NULL);
    made.fail_with = KW_OK;
    pthread_join(second, NULL);
    assert_int_equal(together.codes[KW_TIMEOUT] + together.codes[KW_OK], 2);
    assert_int_equal(made.fetches, 2);
    kw_aws_credentials_free(together.kept);
}

#define TEST(function) cmocka_unit_test_teardown(function, unshift)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_are_fetched_once),          TEST(they_are_renewed_before_they_end),
        TEST(a_failed_renewal_is_survived),   TEST(expired_ones_are_not_used),
        TEST(refused_ones_are_replaced_once), TEST(one_fetches_for_all),
        TEST(waiters_share_a_failure),        TEST(waiters_have_deadlines_of_their_own),
        TEST(anothers_timeout_is_not_mine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

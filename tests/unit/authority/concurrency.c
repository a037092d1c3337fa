/* Many threads at one key: one provider call for all, no key after a suspension, no failure through
 * a rotation. */
#include "authority_fixture.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct kw_fixture *f;

static int setup(void **state)
{
    KW_UNUSED(state);
    f = kw_fixture_open(NULL);
    kw_fixture_tenant(f, "acme", "eu");
    kw_fixture_tenant(f, "globex", "us");
    return 0;
}

static int teardown(void **state)
{
    KW_UNUSED(state);
    kw_fixture_close(f);
    return 0;
}

/* ---- Single flight ----------------------------------------------------------------------------
 */

enum { CROWD = 60, EACH = 50 };

static struct kw_fixture_key sealed;
static pthread_barrier_t start;

static void fill(struct kw_dk_batch *batch, const struct kw_fixture_key *key)
{
    batch->caller = kw_fixture_root;
    for (size_t i = 0; i < batch->count; i++) {
        memset(batch->items[i].context_digest, 1, sizeof batch->items[i].context_digest);
        memcpy(batch->items[i].wrapped, key->wrapped, sizeof key->wrapped);
    }
}

/* Returns how many of its items came out right. */
static void *unwrap_many(void *arg)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    uintptr_t good = 0;
    KW_UNUSED(arg);
    if (kw_dk_batch_init(&batch, KW_DK_UNWRAP, EACH, NULL) != KW_OK)
        return NULL;
    fill(&batch, &sealed);
    pthread_barrier_wait(&start);
    if (kw_dk_run(f->authority, &batch, NULL) != KW_OK)
        return NULL;
    for (size_t i = 0; i < EACH; i++) {
        const uint8_t *key = NULL;
        good += kw_dk_key(&batch, i, &key, NULL) == KW_OK &&
                memcmp(key, sealed.plaintext, KW_DK_SIZE) == 0;
    }
    return (void *)good;
}

/* 3,000 items at once, none of the keys resident, the provider slow. */
static void test_single_flight(void **state)
{
    pthread_t threads[CROWD];
    uintptr_t good = 0;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &sealed), KW_OK);
    assert_int_equal(kw_authority_flush(f->authority, &kw_fixture_root, NULL), KW_OK);
    uint64_t before = f->eu.unwraps;
    f->eu.delay_ms = 50;
    pthread_barrier_init(&start, NULL, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, unwrap_many, NULL), 0);
    for (size_t i = 0; i < CROWD; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        good += (uintptr_t)result;
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(good, CROWD * EACH);
    assert_int_equal(f->eu.unwraps, before + 1);
    assert_int_equal(kw_fixture_entries(f, "UnwrapDataKey", ""), CROWD * EACH);
}

/* ---- Suspension under load --------------------------------------------------------------------
 */

static atomic_bool suspended; /* set when suspend has returned */
static atomic_bool ended;
static atomic_uint released, refused, late, odd, globex_failed;

static kw_code unwrap_once(const struct kw_fixture_key *key, bool *was_suspended)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    const uint8_t *out = NULL;
    kw_code code = kw_dk_batch_init(&batch, KW_DK_UNWRAP, 1, NULL);
    if (code != KW_OK)
        return code;
    fill(&batch, key);
    code = kw_dk_run(f->authority, &batch, NULL);
    /* From here on a key that comes out is one that was released after the suspension. */
    *was_suspended = atomic_load(&suspended);
    return code != KW_OK ? code : kw_dk_key(&batch, 0, &out, NULL);
}

static void *hammer(void *arg)
{
    const struct kw_fixture_key *key = arg;
    while (!atomic_load(&ended)) {
        bool was_suspended = false;
        kw_code code = unwrap_once(key, &was_suspended);
        if (code == KW_OK)
            atomic_fetch_add(was_suspended ? &late : &released, 1);
        else if (code == KW_TENANT_SUSPENDED)
            atomic_fetch_add(&refused, 1);
        else
            atomic_fetch_add(&odd, 1);
    }
    return NULL;
}

static void *hammer_globex(void *arg)
{
    while (!atomic_load(&ended)) {
        bool ignored = false;
        if (unwrap_once(arg, &ignored) != KW_OK)
            atomic_fetch_add(&globex_failed, 1);
    }
    return NULL;
}

static void test_suspension_under_load(void **state)
{
    static struct kw_fixture_key acme, globex;
    pthread_t threads[6];
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &acme), KW_OK);
    assert_int_equal(kw_fixture_generate(f, "globex", "us", 1, &globex), KW_OK);
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i == 0 ? hammer_globex : hammer,
                                        i == 0 ? &globex : &acme),
                         0);
    for (int round = 0; round < 20; round++) {
        usleep(5000);
        assert_int_equal(kw_authority_tenant_suspend(f->authority, &kw_fixture_root, "acme", NULL),
                         KW_OK);
        atomic_store(&suspended, true);
        usleep(5000);
        atomic_store(&suspended, false);
        assert_int_equal(kw_authority_tenant_resume(f->authority, &kw_fixture_root, "acme", NULL),
                         KW_OK);
    }
    atomic_store(&ended, true);
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(late, 0);
    assert_int_equal(odd, 0);
    assert_int_equal(globex_failed, 0);
    assert_true(released > 0);
    assert_true(refused > 0);
}

/* ---- Between record and release ---------------------------------------------------------------
 */

/* The entry was durable and the key computed, but the caller had not taken it yet. */
static void suspended_before_release(kw_code (*revoke)(void), kw_code expected)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    const uint8_t *out = NULL;
    struct kw_fixture_key key;
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    assert_int_equal(kw_dk_batch_init(&batch, KW_DK_UNWRAP, 1, NULL), KW_OK);
    fill(&batch, &key);
    assert_int_equal(kw_dk_run(f->authority, &batch, NULL), KW_OK);
    assert_int_equal(revoke(), KW_OK);
    assert_int_equal(kw_dk_key(&batch, 0, &out, NULL), expected);
    assert_true(expected == KW_OK || out == NULL);
}

static kw_code suspend(void)
{
    return kw_authority_tenant_suspend(f->authority, &kw_fixture_root, "acme", NULL);
}

static kw_code disable(void)
{
    return kw_authority_key_disable(f->authority, &kw_fixture_root, "acme", "eu", NULL);
}

static kw_code schedule(void)
{
    return kw_authority_key_schedule_destroy(f->authority, &kw_fixture_root, "acme", "eu", 7, NULL,
                                             NULL);
}

static kw_code close_tenant(void)
{
    return kw_authority_tenant_close(f->authority, &kw_fixture_root, "acme", 7, NULL);
}

static kw_code rotate(void)
{
    return kw_authority_key_rotate(f->authority, &kw_fixture_root, "acme", "eu", NULL, NULL);
}

static kw_code flush(void)
{
    return kw_authority_flush(f->authority, &kw_fixture_root, NULL);
}

static void test_suspend_before_release(void **state)
{
    KW_UNUSED(state);
    suspended_before_release(suspend, KW_TENANT_SUSPENDED);
}

static void test_disable_before_release(void **state)
{
    KW_UNUSED(state);
    suspended_before_release(disable, KW_KEY_SUSPENDED);
}

static void test_schedule_before_release(void **state)
{
    KW_UNUSED(state);
    suspended_before_release(schedule, KW_KEY_PENDING);
}

static void test_close_before_release(void **state)
{
    KW_UNUSED(state);
    suspended_before_release(close_tenant, KW_TENANT_CLOSED);
}

static void test_rotate_before_release(void **state)
{
    KW_UNUSED(state);
    suspended_before_release(rotate, KW_OK);
}

static void test_flush_before_release(void **state)
{
    KW_UNUSED(state);
    suspended_before_release(flush, KW_UNAVAILABLE);
}

/* ---- Rotation under load ----------------------------------------------------------------------
 */

static atomic_uint worked, failed;

static void *use_and_use(void *arg)
{
    KW_UNUSED(arg);
    while (!atomic_load(&ended)) {
        struct kw_fixture_key key;
        uint8_t out[KW_DK_SIZE];
        bool good = kw_fixture_generate(f, "acme", "eu", 1, &key) == KW_OK &&
                    kw_fixture_unwrap(f, &key, 1, out) == KW_OK &&
                    memcmp(out, key.plaintext, sizeof out) == 0 &&
                    kw_fixture_rewrap(f, &key, 1) == KW_OK &&
                    kw_fixture_unwrap(f, &key, 1, out) == KW_OK;
        atomic_fetch_add(good ? &worked : &failed, 1);
    }
    return NULL;
}

static void test_rotation_under_load(void **state)
{
    pthread_t threads[4];
    uint32_t version = 0;
    KW_UNUSED(state);
    atomic_store(&ended, false);
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_and_use, NULL), 0);
    for (uint32_t round = 2; round < 32; round++) {
        assert_int_equal(
            kw_authority_key_rotate(f->authority, &kw_fixture_root, "acme", "eu", &version, NULL),
            KW_OK);
        assert_int_equal(version, round);
        usleep(1000);
    }
    atomic_store(&ended, true);
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(failed, 0);
    assert_true(worked > 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_single_flight),           T(test_suspension_under_load),
        T(test_suspend_before_release),  T(test_disable_before_release),
        T(test_schedule_before_release), T(test_close_before_release),
        T(test_rotate_before_release),   T(test_flush_before_release),
        T(test_rotation_under_load),
    };
    return cmocka_run_group_tests_name("authority concurrency", tests, NULL, NULL);
}

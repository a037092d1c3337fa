/* Providers that are slow, and changes that meet: nobody else waits, and each version is there
 * once.
 */
#include "authority_copies_scene.h"

#include <pthread.h>
#include <unistd.h>

struct count {
    size_t versions, active;
};

static bool see_version(void *arg, const struct kw_version_row *row)
{
    struct count *count = arg;
    count->versions++;
    count->active += row->state == KW_KEY_IS_ACTIVE;
    return true;
}

static struct count count_of(const char *tenant)
{
    struct count count = {.versions = 0};
    uint64_t reference = kw_fixture_key_row(f, tenant, "eu").reference;
    assert_int_equal(kw_store_versions(f->store, reference, see_version, &count, &err), KW_OK);
    return count;
}

/* ---- A slow provider --------------------------------------------------------------------------
 */

static atomic_bool done;

static void *create_slowly(void *arg)
{
    struct kw_tenant_spec spec = {
        .id = "slow", .regions = (const char *const[]){"eu"}, .region_count = 1};
    kw_code code = kw_authority_tenant_create(f->authority, root, &spec, NULL);
    KW_UNUSED(arg);
    atomic_store(&done, true);
    return (void *)(uintptr_t)code;
}

static void *rotate_slowly(void *arg)
{
    kw_code code = kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL);
    KW_UNUSED(arg);
    atomic_store(&done, true);
    return (void *)(uintptr_t)code;
}

/* While the provider holds the call nobody else's changes or uses wait for it. */
static void others_go_on(void *(*slow)(void *arg))
{
    pthread_t thread;
    void *result = NULL;
    struct kw_fixture_key warm, cold;
    kw_fixture_tenant(f, "globex", "us");
    kw_fixture_tenant(f, "initech", "eu");
    assert_int_equal(kw_fixture_generate(f, "globex", "us", 1, &cold), KW_OK);
    assert_int_equal(kw_authority_flush(f->authority, root, &err), KW_OK);
    assert_int_equal(kw_fixture_generate(f, "initech", "eu", 1, &warm), KW_OK);
    atomic_store(&done, false);
    atomic_store(&alpha->hold, true);
    assert_int_equal(pthread_create(&thread, NULL, slow, NULL), 0);
    while (atomic_load(&alpha->inside) == 0)
        usleep(200);
    uint8_t out[KW_DK_SIZE];
    assert_int_equal(kw_fixture_unwrap(f, &warm, 1, out), KW_OK);
    assert_int_equal(kw_fixture_unwrap(f, &cold, 1, out), KW_OK);
    assert_int_equal(kw_authority_tenant_suspend(f->authority, root, "initech", &err), KW_OK);
    assert_int_equal(kw_fixture_unwrap(f, &warm, 1, out), KW_TENANT_SUSPENDED);
    assert_false(atomic_load(&done));
    atomic_store(&alpha->hold, false);
    pthread_join(thread, &result);
    assert_int_equal((uintptr_t)result, KW_OK);
}

static void test_creation_holds_nobody_up(void **state)
{
    KW_UNUSED(state);
    others_go_on(create_slowly);
    assert_copies("slow", 1, "alpha=eu beta=eu ");
}

static void test_rotation_holds_nobody_up(void **state)
{
    KW_UNUSED(state);
    others_go_on(rotate_slowly);
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").current_version, 2);
}

/* All of a batch, by several threads, or none of it. */
static void test_batch_is_made_side_by_side(void **state)
{
    enum { MANY = 40 };
    static const char *const regions[] = {"eu", "us"};
    struct kw_tenant_spec specs[MANY];
    char names[MANY][16];
    KW_UNUSED(state);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "many-%zu", i);
        specs[i] = (struct kw_tenant_spec){.id = names[i], .regions = regions, .region_count = 2};
    }
    assert_int_equal(kw_authority_tenants_create(f->authority, root, specs, MANY, &err), KW_OK);
    for (size_t i = 0; i < MANY; i++)
        assert_copies(names[i], 1, "alpha=eu beta=eu ");
    assert_int_equal(kw_fixture_entries(f, "CreateTenant", ""), 2 * MANY + 1);
    specs[MANY - 1].id = "another";
    assert_int_equal(kw_authority_tenants_create(f->authority, root, specs, MANY, &err), KW_EXISTS);
    for (size_t i = 0; i < MANY; i++)
        names[i][0] = 'n';
    alpha->fail_with = beta->fail_with = KW_FORBIDDEN;
    assert_int_equal(kw_authority_tenants_create(f->authority, root, specs, MANY, &err),
                     KW_FORBIDDEN);
    struct kw_store_counts counts;
    assert_int_equal(kw_store_counts(f->store, &counts, &err), KW_OK);
    assert_int_equal(counts.tenants, MANY + 1);
    assert_int_equal(counts.versions, 2 * MANY + 1);
}

/* What can be refused is refused before a provider is asked. */
static void test_refusals_ask_nobody(void **state)
{
    struct kw_caller reader = kw_fixture_caller("auditor", "*");
    struct kw_tenant_spec twice = {
        .id = "acme", .regions = (const char *const[]){"eu"}, .region_count = 1};
    struct kw_tenant_spec nowhere = {
        .id = "new", .regions = (const char *const[]){"eu", "mars"}, .region_count = 2};
    KW_UNUSED(state);
    uint64_t before = alpha->wraps;
    struct kw_authority *a = f->authority;
    assert_int_equal(kw_authority_tenant_create(a, root, &twice, &err), KW_EXISTS);
    assert_int_equal(kw_authority_tenant_create(a, root, &nowhere, &err), KW_UNKNOWN_REGION);
    assert_int_equal(kw_authority_tenant_create(a, &reader, &nowhere, &err), KW_FORBIDDEN);
    assert_int_equal(kw_authority_tenant_add_region(a, root, "acme", "eu", &err), KW_EXISTS);
    assert_int_equal(kw_authority_key_rotate(a, &reader, "acme", "eu", NULL, &err), KW_FORBIDDEN);
    assert_int_equal(kw_authority_tenant_suspend(a, root, "acme", &err), KW_OK);
    assert_int_equal(rotate(), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_authority_tenant_close(a, root, "acme", 7, &err), KW_OK);
    assert_int_equal(kw_authority_tenant_add_region(a, root, "acme", "us", &err), KW_TENANT_CLOSED);
    assert_int_equal(alpha->wraps, before);
}

/* ---- Changes that meet ------------------------------------------------------------------------
 */

static kw_code rotate_inside(void)
{
    return kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL);
}

/* The version that was made has a number that is taken now: it is made again. */
static void test_rotation_meets_rotation(void **state)
{
    uint32_t version = 0;
    KW_UNUSED(state);
    meet = rotate_inside;
    atomic_store(&meetings, 1);
    assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", &version, &err),
                     KW_OK);
    assert_int_equal(met, KW_OK);
    assert_int_equal(version, 3);
    struct count count = count_of("acme");
    assert_int_equal(count.versions, 3);
    assert_int_equal(count.active, 1);
    assert_copies("acme", 3, "alpha=eu beta=eu ");
    assert_int_equal(kw_fixture_entries(f, "RotateKey", ""), 2);
    assert_int_equal(kw_fixture_entries(f, "RotateKey", NULL), 2);
}

static void test_rotation_gives_up(void **state)
{
    KW_UNUSED(state);
    meet = rotate_inside;
    atomic_store(&meetings, 100);
    assert_int_equal(rotate(), KW_UNAVAILABLE);
    atomic_store(&meetings, 0);
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").current_version, 6);
    assert_int_equal(count_of("acme").versions, 6);
    assert_int_equal(kw_fixture_entries(f, "RotateKey", "unavailable"), 1);
}

static void test_rotation_meets_suspension(void **state)
{
    KW_UNUSED(state);
    meet = suspend;
    atomic_store(&meetings, 1);
    assert_int_equal(rotate(), KW_TENANT_SUSPENDED);
    assert_int_equal(met, KW_OK);
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").current_version, 1);
    assert_int_equal(count_of("acme").versions, 1);
}

static void *rotate_often(void *arg)
{
    uintptr_t good = 0;
    KW_UNUSED(arg);
    for (int i = 0; i < 20; i++)
        good += kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL) == KW_OK;
    return (void *)good;
}

static void test_rotations_side_by_side(void **state)
{
    pthread_t threads[4];
    uintptr_t good = 0;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, rotate_often, NULL), 0);
    for (size_t i = 0; i < KW_COUNT(threads); i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        good += (uintptr_t)result;
    }
    uint32_t current = kw_fixture_key_row(f, "acme", "eu").current_version;
    assert_true(good >= 20);
    assert_int_equal(current, good + 1);
    for (uint32_t v = 1; v <= current; v++)
        assert_copies("acme", v, "alpha=eu beta=eu ");
    struct count count = count_of("acme");
    assert_int_equal(count.versions, current);
    assert_int_equal(count.active, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_creation_holds_nobody_up),   T(test_rotation_holds_nobody_up),
        T(test_batch_is_made_side_by_side), T(test_refusals_ask_nobody),
        T(test_rotation_meets_rotation),    T(test_rotation_gives_up),
        T(test_rotation_meets_suspension),  T(test_rotations_side_by_side),
    };
    return cmocka_run_group_tests_name("authority providers", tests, NULL, NULL);
}

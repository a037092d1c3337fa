/* How long unwrapped keys serve: by class, under pressure, through an outage, and loaded
 * ahead of time. */
#include "authority_warm_scene.h"

#include "authority/pace.h"

#include <unistd.h>

static const struct kw_class_rules rules[] = {
    {.name = "secret", .age = {.ttl_ms = 2000, .hard_ttl_ms = 4000}},
    {.name = "health", .hsm = true},
    {.name = "bulk", .age = {.ttl_ms = 20000}},
};
static const struct kw_fixture_place places[] = {
    {.provider = "software-eu", .region = "eu"},
    {.provider = "software-us", .region = "us", .hsm = true},
};

static void open_with(unsigned calls_target, unsigned refresh_threads)
{
    struct kw_fixture_options options = {
        .age = {.ttl_ms = 10000, .hard_ttl_ms = 60000},
        .classes = rules,
        .class_count = KW_COUNT(rules),
        .places = places,
        .place_count = KW_COUNT(places),
        .calls_target = calls_target,
        .refresh_threads = refresh_threads,
    };
    warm_open(&options);
}

static int setup(void **state)
{
    KW_UNUSED(state);
    open_with(0, 0);
    return 0;
}

/* One data key of a class; the code of its item. */
static kw_code of_class(enum kw_dk_op op, const char *tenant, const char *region,
                        const char *data_class, uint8_t wrapped[KW_HEAD_SIZE])
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    assert_int_equal(kw_dk_batch_init(&batch, op, 1, NULL), KW_OK);
    struct kw_dk_item *item = &batch.items[0];
    batch.caller = kw_fixture_root;
    memset(item->context_digest, 1, sizeof item->context_digest);
    snprintf(item->tenant, sizeof item->tenant, "%s", tenant);
    snprintf(item->region, sizeof item->region, "%s", region);
    snprintf(item->data_class, sizeof item->data_class, "%s", data_class);
    if (op != KW_DK_GENERATE)
        memcpy(item->wrapped, wrapped, KW_HEAD_SIZE);
    assert_int_equal(kw_dk_run(f->authority, &batch, NULL), KW_OK);
    if (wrapped != NULL)
        memcpy(wrapped, item->wrapped, KW_HEAD_SIZE);
    return kw_dk_outcome(&batch, 0, NULL);
}

/* ---- Classes ----------------------------------------------------------------------------------
 */

static void test_age_by_class(void **state)
{
    uint8_t wrapped[KW_HEAD_SIZE];
    KW_UNUSED(state);
    assert_int_equal(of_class(KW_DK_GENERATE, "acme", "eu", "secret", wrapped), KW_OK);
    uint64_t before = f->eu.unwraps;
    kw_clock_test_offset(3000);
    assert_int_equal(unwrap(1), KW_OK); /* class default */
    assert_int_equal(f->eu.unwraps, before);
    assert_int_equal(of_class(KW_DK_UNWRAP, "acme", "eu", "secret", wrapped), KW_OK);
    assert_int_equal(f->eu.unwraps, before + 1);
    kw_clock_test_offset(14500);
    assert_int_equal(of_class(KW_DK_GENERATE, "acme", "eu", "bulk", NULL), KW_OK);
    assert_int_equal(f->eu.unwraps, before + 1);
    assert_int_equal(of_class(KW_DK_GENERATE, "acme", "eu", "default", NULL), KW_OK);
    assert_int_equal(f->eu.unwraps, before + 2);
}

/* One batch, one key, two classes: what is fresh for one may not be for the other. */
static void test_classes_of_one_batch(void **state)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    KW_UNUSED(state);
    kw_clock_test_offset(3000);
    uint64_t before = f->eu.unwraps;
    assert_int_equal(kw_dk_batch_init(&batch, KW_DK_GENERATE, 6, NULL), KW_OK);
    batch.caller = kw_fixture_root;
    for (size_t i = 0; i < batch.count; i++) {
        snprintf(batch.items[i].tenant, sizeof batch.items[i].tenant, "acme");
        snprintf(batch.items[i].region, sizeof batch.items[i].region, "eu");
        snprintf(batch.items[i].data_class, sizeof batch.items[i].data_class, "%s",
                 i % 2 == 0 ? "default" : "secret");
    }
    assert_int_equal(kw_dk_run(f->authority, &batch, NULL), KW_OK);
    for (size_t i = 0; i < batch.count; i++)
        assert_int_equal(kw_dk_outcome(&batch, i, NULL), KW_OK);
    assert_int_equal(f->eu.unwraps, before + 1);
}

static void test_hsm_required(void **state)
{
    uint8_t hard[KW_HEAD_SIZE];
    uint64_t before = kw_authority_stats(f->authority).refused;
    KW_UNUSED(state);
    assert_int_equal(of_class(KW_DK_GENERATE, "acme", "eu", "health", NULL), KW_HSM_REQUIRED);
    assert_int_equal(of_class(KW_DK_GENERATE, "globex", "us", "health", hard), KW_OK);
    assert_int_equal(of_class(KW_DK_UNWRAP, "globex", "us", "health", hard), KW_OK);
    assert_int_equal(of_class(KW_DK_REWRAP, "globex", "us", "health", hard), KW_OK);
    assert_int_equal(kw_authority_stats(f->authority).refused, before + 1);
    assert_int_equal(kw_fixture_entries(f, "GenerateDataKey", "hsm_required"), 1);
}

/* What was sealed while a class did not want hardware opens no more under a key in software. */
static void test_hsm_required_later(void **state)
{
    static const struct kw_class_rules pii = {.name = "pii", .hsm = true};
    uint8_t soft[KW_HEAD_SIZE];
    KW_UNUSED(state);
    assert_int_equal(of_class(KW_DK_GENERATE, "acme", "eu", "pii", soft), KW_OK);
    f->options.classes = &pii;
    f->options.class_count = 1;
    kw_fixture_restart(f);
    assert_int_equal(of_class(KW_DK_UNWRAP, "acme", "eu", "pii", soft), KW_HSM_REQUIRED);
    assert_int_equal(of_class(KW_DK_REWRAP, "acme", "eu", "pii", soft), KW_HSM_REQUIRED);
}

/* ---- Pressure ---------------------------------------------------------------------------------
 */

static void test_load_law(void **state)
{
    unsigned load = 0;
    KW_UNUSED(state);
    assert_int_equal(kw_pace_load(0, 100, 100, 1000), 0);
    assert_int_equal(kw_pace_load(0, 150, 100, 1000), 50);
    assert_int_equal(kw_pace_load(0, 1000000, 100, 1000), 100); /* no jump */
    assert_int_equal(kw_pace_load(500, 0, 100, 1000), 480);
    assert_int_equal(kw_pace_load(10, 0, 100, 1000), 0);
    assert_int_equal(kw_pace_load(950, UINT64_MAX, 1, 3600000), 1000);
    assert_int_equal(kw_pace_load(500, 200, 100, -5), 500);
    for (int i = 0; i < 10; i++)
        load = kw_pace_load(load, 200, 100, 1000);
    assert_int_equal(load, 1000);
}

/* Many calls: keys serve longer, up to the hard maximum; few: it falls again. */
static void test_growth_under_load(void **state)
{
    uint64_t before = 0;
    KW_UNUSED(state);
    kw_fixture_close(f);
    open_with(1, 0);
    tick();
    for (int second = 1; second <= 40; second++) {
        kw_clock_test_offset(1000 * second);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(kw_authority_flush(f->authority, &kw_fixture_root, NULL), KW_OK);
            assert_int_equal(unwrap(1), KW_OK);
        }
        tick();
    }
    assert_int_equal(kw_authority_keyring_stats(f->authority).pressure, 1000);
    before = f->eu.unwraps;
    kw_clock_test_offset(40000 + 50000); /* five times the ttl */
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(f->eu.unwraps, before);
    kw_clock_test_offset(40000 + 61000); /* past the hard maximum */
    assert_int_equal(unwrap(1), KW_OK);
    assert_int_equal(f->eu.unwraps, before + 1);
    for (int i = 1; i <= 20; i++) {
        kw_clock_test_offset(101000 + 5000 * i);
        tick();
    }
    assert_int_equal(kw_authority_keyring_stats(f->authority).pressure, 0);
}

static void test_growth_in_trouble(void **state)
{
    KW_UNUSED(state);
    f->eu.fail_with = KW_PROVIDER_UNAVAILABLE;
    kw_clock_test_offset(11000);
    assert_int_equal(unwrap(1), KW_OK); /* the old entry outlives its ttl */
    tick();
    assert_true(kw_authority_keyring_stats(f->authority).pressure > 0);
}

/* ---- Outages ----------------------------------------------------------------------------------
 */

/* All providers down, the ring warm: it serves until the hard maximum, then says clearly that it is
 * for now, and is well again without a restart. */
static void test_outage(void **state)
{
    KW_UNUSED(state);
    f->eu.fail_with = KW_PROVIDER_UNAVAILABLE;
    for (int64_t at_ms = 5000; at_ms < 60000; at_ms += 5000) {
        kw_clock_test_offset(at_ms);
        assert_int_equal(unwrap(1), KW_OK);
    }
    assert_true(kw_authority_keyring_stats(f->authority).outlived > 0);
    kw_clock_test_offset(62000);
    kw_code code = unwrap(1);
    assert_int_equal(code, KW_PROVIDER_UNAVAILABLE);
    assert_true(kw_code_retryable(code));
    f->eu.fail_with = KW_OK;
    kw_clock_test_offset(62000 + 60000); /* whatever the breaker's pause is */
    assert_int_equal(unwrap(1), KW_OK);
}

static void test_final_refusal_drops(void **state)
{
    uint8_t wrapped[KW_HEAD_SIZE];
    KW_UNUSED(state);
    assert_int_equal(of_class(KW_DK_GENERATE, "acme", "eu", "secret", wrapped), KW_OK);
    f->eu.fail_with = KW_FORBIDDEN;
    kw_clock_test_offset(3000);
    assert_int_equal(unwrap(1), KW_OK); /* nobody has asked yet */
    assert_int_not_equal(of_class(KW_DK_UNWRAP, "acme", "eu", "secret", wrapped), KW_OK);
    assert_int_not_equal(unwrap(1), KW_OK);
}

/* ---- Ahead of time ----------------------------------------------------------------------------
 */

/* The provider takes its time, and no use waits for it: each finds the key in memory, which is what
 * a batch that may not block shows. */
static void on_done(struct kw_dk_batch *batch)
{
    atomic_store((atomic_bool *)batch->arg, true);
}

static void unwrap_without_waiting(void)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    atomic_bool done = false;
    assert_int_equal(kw_dk_batch_init(&batch, KW_DK_UNWRAP, 1, NULL), KW_OK);
    batch.caller = kw_fixture_root;
    batch.done = on_done;
    batch.arg = &done;
    memset(batch.items[0].context_digest, 1, sizeof batch.items[0].context_digest);
    memcpy(batch.items[0].wrapped, key.wrapped, sizeof key.wrapped);
    assert_int_equal(kw_dk_submit(f->authority, &batch, false, NULL), KW_OK);
    while (!atomic_load(&done))
        usleep(100);
    assert_int_equal(kw_dk_outcome(&batch, 0, NULL), KW_OK);
}

static void test_refresh_ahead(void **state)
{
    KW_UNUSED(state);
    kw_fixture_close(f);
    open_with(0, 2);
    assert_int_equal(unwrap(1), KW_OK);
    uint64_t before = f->eu.unwraps;
    f->eu.delay_ms = 30;
    for (int64_t round = 1; round <= 10; round++) {
        kw_clock_test_offset(6000 * round); /* past half, before the end */
        unwrap_without_waiting();
        while (f->eu.unwraps < before + (uint64_t)round ||
               kw_authority_keyring_stats(f->authority).refreshes < (uint64_t)round || f->eu.inside)
            usleep(500);
        usleep(2000);
        unwrap_without_waiting();
    }
    assert_int_equal(kw_authority_keyring_stats(f->authority).refreshes, 10);
    assert_int_equal(f->eu.unwraps, before + 10);
}

/* Stopped with work in the queue and a load under way. */
static void test_refresh_stops(void **state)
{
    KW_UNUSED(state);
    kw_fixture_close(f);
    open_with(0, 3);
    f->eu.delay_ms = 50;
    for (uint64_t i = 1; i < 3000; i++)
        kw_refresh_wanted(f->authority, i, 1);
    kw_clock_test_offset(6000);
    assert_int_equal(unwrap(1), KW_OK);
    kw_fixture_restart(f);
    assert_int_equal(unwrap(1), KW_OK);
}

static void test_too_many_refresh_threads(void **state)
{
    struct kw_authority *authority = NULL;
    struct kw_authority_options options = {.store = f->store,
                                           .ledger = f->ledger,
                                           .router = f->router,
                                           .regions = (const char *const[]){"eu"},
                                           .region_count = 1,
                                           .refresh_threads = 1000};
    KW_UNUSED(state);
    assert_int_equal(kw_authority_new(&options, &authority, NULL), KW_BAD_CONFIG);
    assert_null(authority);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_age_by_class),
        T(test_classes_of_one_batch),
        T(test_hsm_required),
        T(test_hsm_required_later),
        T(test_load_law),
        T(test_growth_under_load),
        T(test_growth_in_trouble),
        T(test_outage),
        T(test_final_refusal_drops),
        T(test_refresh_ahead),
        T(test_refresh_stops),
        T(test_too_many_refresh_threads),
    };
    return cmocka_run_group_tests_name("authority pace", tests, NULL, NULL);
}

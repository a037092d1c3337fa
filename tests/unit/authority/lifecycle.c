/* A key's life over time: rotation, destruction after its window, cancelling, wear, restarts; and
 * providers that give the wrong key or none. */
#include "authority_fixture.h"

#include "base/clock.h"
#include "crypto/random.h"
#include "provider/ops.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const int64_t day_ms = 24LL * 3600 * 1000;
static struct kw_fixture *f;
static const struct kw_caller *const root = &kw_fixture_root;

static int teardown(void **state)
{
    KW_UNUSED(state);
    kw_clock_test_offset(0);
    kw_fixture_close(f);
    return 0;
}

static void open_with(const struct kw_fixture_options *options)
{
    f = kw_fixture_open(options);
    kw_fixture_tenant(f, "acme", "eu");
}

static int setup(void **state)
{
    KW_UNUSED(state);
    open_with(NULL);
    return 0;
}

static void tick(void)
{
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
}

static void opens(const struct kw_fixture_key *key, kw_code expected)
{
    uint8_t out[KW_DK_SIZE] = {0};
    assert_int_equal(kw_fixture_unwrap(f, key, 1, out), expected);
    if (expected == KW_OK)
        assert_memory_equal(out, key->plaintext, sizeof out);
}

/* ---- Rotation ---------------------------------------------------------------------------------
 */

static void test_old_versions_open(void **state)
{
    struct kw_fixture_key keys[4];
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(keys); i++) {
        uint32_t version = 0;
        assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &keys[i]), KW_OK);
        assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", &version, NULL),
                         KW_OK);
        assert_int_equal(version, i + 2);
    }
    kw_fixture_restart(f);
    for (size_t i = 0; i < KW_COUNT(keys); i++)
        opens(&keys[i], KW_OK);
    struct kw_key_row row = kw_fixture_key_row(f, "acme", "eu");
    assert_int_equal(row.current_version, 5);
    struct kw_version_row first = kw_fixture_version_row(f, row.reference, 1);
    assert_int_equal(first.state, KW_KEY_IS_DEACTIVATED);
    assert_true(first.deactivated_ms >= first.created_ms);
    assert_int_equal(kw_fixture_version_row(f, row.reference, 5).state, KW_KEY_IS_ACTIVE);
    assert_int_equal(kw_authority_stats(f->authority).rotated_keys, 0); /* since the restart */
}

static void test_rewrap_moves_to_current(void **state)
{
    struct kw_fixture_key key;
    struct kw_wrapped_key head;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    key.wrapped[0] = KW_FORMAT_ENVELOPE; /* the head of something sealed, not a bare data key */
    assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL), KW_OK);
    assert_int_equal(kw_fixture_rewrap(f, &key, 1), KW_OK);
    assert_int_equal(kw_wrapped_key_parse(&head, kw_bytes(key.wrapped, KW_HEAD_SIZE), NULL), KW_OK);
    assert_int_equal(head.version, 2);
    assert_int_equal(head.format, KW_FORMAT_ENVELOPE);
    opens(&key, KW_OK);
    assert_int_equal(kw_fixture_rewrap(f, &key, 2), KW_SEAL_BROKEN);
}

/* ---- Destruction ------------------------------------------------------------------------------
 */

static bool count_copy(void *arg, const struct kw_copy_row *row)
{
    KW_UNUSED(row);
    ++*(size_t *)arg;
    return true;
}

static size_t copies(void)
{
    size_t count = 0;
    uint64_t reference = kw_fixture_key_row(f, "acme", "eu").reference;
    assert_int_equal(kw_store_copies(f->store, reference, 1, count_copy, &count, NULL), KW_OK);
    return count;
}

static void test_destroyed_after_window(void **state)
{
    struct kw_fixture_key key;
    int64_t at_ms = 0;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    assert_int_equal(
        kw_authority_key_schedule_destroy(f->authority, root, "acme", "eu", 7, &at_ms, NULL),
        KW_OK);
    assert_true(at_ms >= kw_clock_wall_ms() + 7 * day_ms - 10000);
    opens(&key, KW_KEY_PENDING);
    kw_clock_test_offset(7 * day_ms - 60000);
    tick();
    assert_int_equal(copies(), 1);
    kw_clock_test_offset(7 * day_ms + 1000);
    tick();
    assert_int_equal(copies(), 0);
    opens(&key, KW_KEY_DESTROYED);
    assert_int_equal(kw_authority_stats(f->authority).destroyed_keys, 1);
    assert_int_equal(kw_fixture_entries(f, "DestroyKey", ""), 1);
    kw_fixture_restart(f);
    opens(&key, KW_KEY_DESTROYED);
    assert_int_equal(
        kw_fixture_version_row(f, kw_fixture_key_row(f, "acme", "eu").reference, 1).state,
        KW_KEY_IS_DESTROYED);
    tick();
    assert_int_equal(kw_fixture_entries(f, "DestroyKey", NULL), 1);
}

/* Due, but the scheduler has not come by yet. */
static void test_cancelled_at_the_last_second(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    assert_int_equal(
        kw_authority_key_schedule_destroy(f->authority, root, "acme", "eu", 7, NULL, NULL), KW_OK);
    kw_clock_test_offset(7 * day_ms + 1000);
    assert_int_equal(kw_authority_key_cancel_destroy(f->authority, root, "acme", "eu", NULL),
                     KW_OK);
    tick();
    opens(&key, KW_OK);
    assert_int_equal(copies(), 1);
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").destroy_at_ms, 0);
}

/* Cancelling brings back what was before. */
static void test_cancel_keeps_disabled(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_authority_key_disable(f->authority, root, "acme", "eu", NULL), KW_OK);
    assert_int_equal(
        kw_authority_key_schedule_destroy(f->authority, root, "acme", "eu", 0, NULL, NULL), KW_OK);
    assert_int_equal(kw_authority_key_cancel_destroy(f->authority, root, "acme", "eu", NULL),
                     KW_OK);
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").state, KW_KEY_IS_SUSPENDED);
}

static void test_window_bounds(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(
        kw_authority_key_schedule_destroy(f->authority, root, "acme", "eu", 6, NULL, NULL),
        KW_USAGE);
    assert_int_equal(
        kw_authority_key_schedule_destroy(f->authority, root, "acme", "eu", 91, NULL, NULL),
        KW_USAGE);
    assert_int_equal(kw_authority_tenant_close(f->authority, root, "acme", 1, NULL), KW_USAGE);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
}

static void test_closing_destroys_all(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_authority_tenant_add_region(f->authority, root, "acme", "us", NULL), KW_OK);
    assert_int_equal(kw_fixture_generate(f, "acme", "us", 1, &key), KW_OK);
    assert_int_equal(kw_authority_tenant_close(f->authority, root, "acme", 7, NULL), KW_OK);
    opens(&key, KW_TENANT_CLOSED);
    kw_clock_test_offset(7 * day_ms + 1000);
    tick();
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").state, KW_KEY_IS_DESTROYED);
    assert_int_equal(kw_fixture_key_row(f, "acme", "us").state, KW_KEY_IS_DESTROYED);
    opens(&key, KW_KEY_DESTROYED);
}

/* ---- Wear -------------------------------------------------------------------------------------
 */

static int setup_tiny_limit(void **state)
{
    const struct kw_fixture_options options = {.wraps_limit = 20};
    KW_UNUSED(state);
    open_with(&options);
    return 0;
}

static void generate(unsigned count, kw_code expected)
{
    struct kw_fixture_key key;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), expected);
}

/* Half-way to the limit the scheduler rotates, and nobody notices. */
static void test_rotated_early(void **state)
{
    KW_UNUSED(state);
    generate(9, KW_OK);
    tick();
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").current_version, 1);
    generate(1, KW_OK);
    tick();
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").current_version, 2);
    tick();
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").current_version, 2);
    assert_int_equal(kw_authority_stats(f->authority).rotated_keys, 1);
    assert_int_equal(kw_fixture_entries(f, "RotateKey", ""), 1);
    generate(5, KW_OK);
}

/* Without a scheduler the limit holds, also over flushes and restarts. */
static void test_limit_holds(void **state)
{
    KW_UNUSED(state);
    generate(7, KW_OK);
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
    generate(7, KW_OK);
    kw_fixture_restart(f);
    generate(6, KW_OK);
    generate(3, KW_USAGE_EXHAUSTED);
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
    generate(1, KW_USAGE_EXHAUSTED);
    assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL), KW_OK);
    generate(1, KW_OK);
}

static void test_counters_are_kept(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    for (int i = 0; i < 3; i++)
        opens(&key, KW_OK);
    tick();
    struct kw_version_row row =
        kw_fixture_version_row(f, kw_fixture_key_row(f, "acme", "eu").reference, 1);
    assert_int_equal(row.wraps, 1);
    assert_int_equal(row.unwraps, 3);
    opens(&key, KW_OK);
    kw_fixture_restart(f); /* what no tick has written is written at the end */
    row = kw_fixture_version_row(f, row.reference, 1);
    assert_int_equal(row.unwraps, 4);
}

/* ---- Providers --------------------------------------------------------------------------------
 */

static void test_provider_away(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    f->eu.fail_with = KW_PROVIDER_UNAVAILABLE;
    opens(&key, KW_OK); /* resident */
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
    opens(&key, KW_PROVIDER_UNAVAILABLE);
    struct kw_tenant_spec spec = {
        .id = "new", .regions = (const char *const[]){"eu"}, .region_count = 1};
    assert_int_equal(kw_authority_tenant_create(f->authority, root, &spec, NULL),
                     KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL),
                     KW_PROVIDER_UNAVAILABLE);
    struct kw_tenant_row row;
    assert_int_equal(kw_store_tenant_get(f->store, "new", &row, NULL), KW_TENANT_NOT_FOUND);
    assert_int_equal(kw_fixture_key_row(f, "acme", "eu").current_version, 1);
    f->eu.fail_with = KW_OK;
    kw_clock_test_offset(2000); /* the breaker's pause is over */
    opens(&key, KW_OK);
}

/* A provider that answers with a key of its own choosing. */
static atomic_bool swapping;

struct swapper {
    struct kw_provider *behind;
};

static kw_code swap_wrap(void *state, const struct kw_provider_call *call,
                         const struct kw_secret *plaintext, struct kw_buf *out,
                         struct kw_error *err)
{
    return kw_provider_wrap(((struct swapper *)state)->behind, call, plaintext, out, err);
}

static kw_code swap_unwrap(void *state, const struct kw_provider_call *call,
                           struct kw_bytes wrapped, struct kw_secret *out, struct kw_error *err)
{
    if (atomic_load(&swapping))
        return kw_random_secret(out, KW_KEY_SIZE, err);
    return kw_provider_unwrap(((struct swapper *)state)->behind, call, wrapped, out, err);
}

static kw_code swap_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    return kw_provider_check(((struct swapper *)state)->behind, call->key, call->deadline_ms, err);
}

static void swap_free(void *state)
{
    kw_provider_free(((struct swapper *)state)->behind);
    free(state);
}

static kw_code swapper_new(void *arg, struct kw_provider *behind, struct kw_provider **out,
                           struct kw_error *err)
{
    static const struct kw_provider_ops ops = {.kind = "test",
                                               .wrap = swap_wrap,
                                               .unwrap = swap_unwrap,
                                               .check = swap_check,
                                               .free = swap_free};
    struct swapper *state = calloc(1, sizeof *state);
    KW_UNUSED(arg);
    assert_non_null(state);
    state->behind = behind;
    return kw_provider_new(&ops, state, "software", out, err);
}

static int setup_swapper(void **state)
{
    const struct kw_fixture_options options = {.wrap_provider = swapper_new};
    KW_UNUSED(state);
    atomic_store(&swapping, false);
    open_with(&options);
    return 0;
}

/* One reference never means two keys: the commitment says so before anything is opened by it. */
static void test_other_key_is_noticed(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
    atomic_store(&swapping, true);
    opens(&key, KW_COMMITMENT);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &(struct kw_fixture_key){{0}, {0}}),
                     KW_COMMITMENT);
    assert_int_equal(kw_fixture_entries(f, "UnwrapDataKey", "commitment_mismatch"), 1);
    atomic_store(&swapping, false);
    opens(&key, KW_OK);
}

/* A copy that another region's provider made is not even tried: the wall. */
static void test_region_wall(void **state)
{
    struct kw_fixture_key key;
    struct kw_copy_row copy = {.version = 1, .blob_len = 64};
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    copy.reference = kw_fixture_key_row(f, "acme", "eu").reference;
    uint64_t destroyed = 0;
    snprintf(copy.provider, sizeof copy.provider, "software-us");
    snprintf(copy.provider_key, sizeof copy.provider_key, "us");
    assert_int_equal(kw_store_begin(f->store, NULL), KW_OK);
    assert_int_equal(kw_store_copies_destroy(f->store, copy.reference, 1, &destroyed, NULL), KW_OK);
    assert_int_equal(kw_store_copy_put(f->store, &copy, NULL), KW_OK);
    assert_int_equal(kw_store_commit(f->store, NULL), KW_OK);
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
    uint64_t before = f->us.unwraps;
    opens(&key, KW_REGION_WALL);
    assert_int_equal(f->us.unwraps, before);
}

/* A tenant's key of one region never touches the other region's provider. */
static void test_regions_are_apart(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL), KW_OK);
    kw_fixture_restart(f);
    opens(&key, KW_OK);
    assert_int_equal(f->us.wraps, 0);
    assert_int_equal(f->us.unwraps, 0);
    assert_int_equal(kw_fixture_generate(f, "acme", "us", 1, &key), KW_KEY_NOT_FOUND);
    assert_int_equal(kw_fixture_generate(f, "nobody", "eu", 1, &key), KW_TENANT_NOT_FOUND);
}

int main(void)
{
#define WITH(name, up) cmocka_unit_test_setup_teardown(name, up, teardown)
#define T(name)        WITH(name, setup)
    const struct CMUnitTest tests[] = {
        T(test_old_versions_open),
        T(test_rewrap_moves_to_current),
        T(test_destroyed_after_window),
        T(test_cancelled_at_the_last_second),
        T(test_cancel_keeps_disabled),
        T(test_window_bounds),
        T(test_closing_destroys_all),
        WITH(test_rotated_early, setup_tiny_limit),
        WITH(test_limit_holds, setup_tiny_limit),
        T(test_counters_are_kept),
        T(test_provider_away),
        WITH(test_other_key_is_noticed, setup_swapper),
        T(test_region_wall),
        T(test_regions_are_apart),
    };
    return cmocka_run_group_tests_name("authority lifecycle", tests, NULL, NULL);
}

/* Held keys through their life: what they do not do, how they come and go, and where their batch
 * keys stay. */
#include "authority_held_scene.h"

/* ---- What a held key does not do --------------------------------------------------------------
 */

static void test_not_with_a_held_key(void **state)
{
    uint8_t statement[1] = {0};
    struct kw_message_signature signature;
    KW_UNUSED(state);
    kw_custody_seal(f, "acme");
    assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL),
                     KW_STATE_CONFLICT);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_STATE_CONFLICT);
    assert_int_equal(kw_custody_hold(f, "acme", "acme-two", "k"), KW_STATE_CONFLICT);
    struct kw_message_signing signing = {.tenant = "acme",
                                         .region = "eu",
                                         .version = key_row().current_version,
                                         .statement = kw_bytes(statement, sizeof statement)};
    assert_int_equal(kw_authority_message_sign(f->authority, root, &signing, &signature, NULL),
                     KW_STATE_CONFLICT);
}

/* ---- Before and after -------------------------------------------------------------------------
 */

static void test_hold_and_detach(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_custody_detach(f, "acme"), KW_OK);
    struct kw_fixture_key managed = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_hold(f, "acme", "acme-kms", "k"), KW_OK);
    assert_int_equal(kw_custody_copies(f, "acme", "software-eu", NULL), 0);
    uint64_t unwraps = customer->unwraps;
    assert_int_equal(kw_custody_reopen(f, &managed), KW_OK); /* asks as well, each time */
    assert_int_equal(kw_custody_reopen(f, &managed), KW_OK);
    assert_int_equal(customer->unwraps, unwraps + 2);
    struct kw_fixture_key held = kw_custody_seal(f, "acme");
    uint32_t last = key_row().current_version;

    assert_int_equal(kw_custody_detach(f, "acme"), KW_OK);
    assert_string_equal(key_row().custody, "managed");
    assert_true(key_row().current_version > last);
    struct kw_fixture_key after = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_version(&after), key_row().current_version);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "k"), 1); /* the batch stays */
    assert_int_equal(kw_custody_reopen(f, &held), KW_OK);
    customer->fail_with = KW_KEY_DESTROYED;
    assert_int_equal(kw_custody_reopen(f, &held), KW_CUSTOMER_REFUSED);
    assert_int_equal(kw_custody_reopen(f, &managed), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &after), KW_OK);
    assert_int_equal(kw_fixture_rewrap(f, &held, 1), KW_CUSTOMER_REFUSED);
    customer->fail_with = KW_OK;
    assert_int_equal(kw_fixture_rewrap(f, &held, 1), KW_OK);
    customer->fail_with = KW_KEY_DESTROYED;
    assert_int_equal(kw_custody_reopen(f, &held), KW_OK);
}

/* What missing copies are made up for does not reach what the customer holds. */
static void test_repair_leaves_batches_alone(void **state)
{
    KW_UNUSED(state);
    generate(asks, MANY);
    assert_int_equal(kw_custody_detach(f, "acme"), KW_OK);
    uint64_t calls = kw_custody_calls(f, "acme-kms");
    for (int i = 0; i < 5; i++) {
        kw_custody_later(700000);
        assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    }
    assert_int_equal(kw_custody_calls(f, "acme-kms"), calls);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "k"), MANY);
    assert_int_equal(kw_authority_stats(f->authority).lacking_copies, 0);
}

/* Batches of the time at one KMS stay there while the key goes on to another. */
static void test_batches_stay_when_the_key_moves(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key held = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_detach(f, "acme"), KW_OK);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-two", "k2"), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &held), KW_OK);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "k"), 1);
    uint64_t calls = customer->unwraps;
    assert_int_equal(kw_custody_reopen(f, &held), KW_OK); /* held all the same */
    assert_int_equal(customer->unwraps, calls + 1);
    customer->fail_with = KW_FORBIDDEN;
    assert_int_equal(kw_custody_reopen(f, &held), KW_CUSTOMER_REFUSED);
    struct kw_fixture_key attached = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_reopen(f, &attached), KW_OK);
    customer->fail_with = KW_OK;
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k3"), KW_OK);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "k"), 1);
    assert_int_equal(kw_custody_reopen(f, &held), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &attached), KW_OK);
}

static void test_rewrap_makes_new_batches(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key key = kw_custody_seal(f, "acme");
    uint32_t old = kw_custody_version(&key);
    uint64_t calls = kw_custody_calls(f, "acme-kms");
    assert_int_equal(kw_fixture_rewrap(f, &key, 1), KW_OK);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), calls + 2);
    assert_int_not_equal(kw_custody_version(&key), old);
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
}

static void test_destruction(void **state)
{
    int64_t at_ms = 0;
    KW_UNUSED(state);
    generate(asks, MANY);
    customer->fail_with = KW_FORBIDDEN; /* leaves gaps, too */
    assert_int_equal(kw_custody_generate(f, asks, 1, &keys[1], codes), KW_OK);
    customer->fail_with = KW_OK;
    uint64_t calls = kw_custody_calls(f, "acme-kms");
    assert_int_equal(
        kw_authority_key_schedule_destroy(f->authority, root, "acme", "eu", 7, &at_ms, NULL),
        KW_OK);
    assert_int_equal(kw_custody_reopen(f, &keys[0]), KW_KEY_PENDING);
    kw_custody_later(at_ms - kw_clock_wall_ms() - 1000);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    assert_int_equal(key_row().state, KW_KEY_IS_PENDING);
    kw_fixture_restart(f); /* a leap of the clock while it runs would be waited for */
    kw_custody_later(2000);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    assert_int_equal(key_row().state, KW_KEY_IS_DESTROYED);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", NULL), 0);
    assert_int_equal(
        kw_fixture_version_row(f, key_row().reference, kw_custody_version(&keys[0])).state,
        KW_KEY_IS_DESTROYED);
    assert_int_equal(kw_custody_reopen(f, &keys[0]), KW_KEY_DESTROYED);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), calls);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_not_with_a_held_key),         TEST(test_hold_and_detach),
        TEST(test_repair_leaves_batches_alone), TEST(test_batches_stay_when_the_key_moves),
        TEST(test_rewrap_makes_new_batches),    TEST(test_destruction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

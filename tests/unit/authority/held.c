/* Held keys: each data key, or few, has a key of its own at the customer's KMS, which is asked each
 * time and whose no counts at once. */
#include "authority_held_scene.h"

static void open_all(size_t count)
{
    assert_int_equal(kw_custody_unwrap(f, keys, count, codes), KW_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(codes[i], KW_OK);
}

/* ---- Batch keys -------------------------------------------------------------------------------
 */

static void test_each_data_key_has_its_own(void **state)
{
    KW_UNUSED(state);
    struct kw_key_row before = key_row();
    assert_string_equal(before.custody, "held");
    uint64_t ours = kw_custody_calls(f, "software-eu");
    uint64_t wraps = customer->wraps;
    uint64_t unwraps = customer->unwraps;
    generate(asks, MANY);
    assert_int_equal(customer->wraps, wraps + MANY);
    assert_int_equal(customer->unwraps, unwraps);
    for (size_t i = 0; i < MANY; i++) {
        uint32_t version = kw_custody_version(&keys[i]);
        assert_true(version > before.current_version);
        for (size_t other = 0; other < i; other++)
            assert_int_not_equal(version, kw_custody_version(&keys[other]));
        struct kw_version_row row = kw_fixture_version_row(f, before.reference, version);
        assert_int_equal(row.state, KW_KEY_IS_DEACTIVATED);
        assert_true(row.deactivated_ms > 0);
        for (size_t b = 0; b < sizeof row.sign_public; b++)
            assert_int_equal(row.sign_public[b], 0);
    }
    assert_int_equal(key_row().current_version, before.current_version + MANY);
    assert_int_equal(key_row().epoch, before.epoch);
    assert_int_equal(kw_custody_copies(f, "acme", "software-eu", NULL), 0);
    open_all(MANY);
    assert_int_equal(customer->unwraps, unwraps + MANY);
    open_all(MANY); /* nothing was kept */
    assert_int_equal(customer->unwraps, unwraps + 2 * (uint64_t)MANY);
    assert_int_equal(kw_custody_calls(f, "software-eu"), ours);
    kw_fixture_restart(f);
    open_all(MANY);
}

static void test_batches_of_a_class(void **state)
{
    const struct kw_custody_ask mixed[MANY] = {
        {"acme", "pii"},    {"acme", "health"}, {"acme", "pii"},     {"acme", "pii"},
        {"acme", "health"}, {"acme", "pii"},    {"acme", "default"}, {"acme", "pii"},
        {"acme", "health"}, {"acme", "pii"}};
    KW_UNUSED(state);
    uint64_t wraps = customer->wraps;
    generate(mixed, MANY);
    /* 6 of pii by 4, 3 of health by 1000, 1 of default by 1. */
    assert_int_equal(customer->wraps, wraps + 2 + 1 + 1);
    assert_int_equal(kw_custody_version(&keys[1]), kw_custody_version(&keys[8]));
    assert_int_equal(kw_custody_version(&keys[0]), kw_custody_version(&keys[5]));
    assert_int_not_equal(kw_custody_version(&keys[0]), kw_custody_version(&keys[7]));
    assert_int_not_equal(kw_custody_version(&keys[0]), kw_custody_version(&keys[1]));
    open_all(MANY);
    generate(mixed, MANY); /* another request has others */
    assert_int_equal(customer->wraps, wraps + 2 * (2 + 1 + 1));
}

static void test_kept_for_reading_only(void **state)
{
    const struct kw_custody_ask health[] = {{"acme", "health"}, {"acme", "health"}};
    KW_UNUSED(state);
    generate(health, 2);
    uint64_t wraps = customer->wraps;
    uint64_t unwraps = customer->unwraps;
    kw_custody_later(4000);
    open_all(2);
    assert_int_equal(customer->unwraps, unwraps);
    kw_custody_later(2000);
    open_all(2);
    assert_int_equal(customer->unwraps, unwraps + 1);
    struct kw_fixture_key first = keys[0];
    generate(health, 2); /* never used to seal again */
    assert_int_equal(customer->wraps, wraps + 1);
    assert_int_not_equal(kw_custody_version(&first), kw_custody_version(&keys[0]));
    customer->fail_with = KW_FORBIDDEN;
    kw_custody_later(6000);
    assert_int_equal(kw_custody_reopen(f, &first), KW_CUSTOMER_REFUSED);
}

/* What cannot wait is told so before anything is asked of anybody. */
static void test_needs_to_wait(void **state)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    KW_UNUSED(state);
    kw_custody_seal(f, "acme");
    struct kw_key_row before = key_row();
    uint64_t calls = kw_custody_calls(f, "acme-kms");
    assert_int_equal(kw_dk_batch_init(&batch, KW_DK_GENERATE, 1, NULL), KW_OK);
    batch.caller = kw_fixture_root;
    snprintf(batch.items[0].tenant, sizeof batch.items[0].tenant, "acme");
    snprintf(batch.items[0].region, sizeof batch.items[0].region, "eu");
    snprintf(batch.items[0].data_class, sizeof batch.items[0].data_class, "default");
    assert_int_equal(kw_dk_submit(f->authority, &batch, false, NULL), KW_AGAIN);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), calls);
    assert_int_equal(key_row().current_version, before.current_version);
}

/* ---- The customer says no ---------------------------------------------------------------------
 */

static void test_no_counts_at_once(void **state)
{
    struct kw_fixture_key none;
    KW_UNUSED(state);
    struct kw_fixture_key key = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
    customer->fail_with = KW_KEY_SUSPENDED;
    assert_int_equal(kw_custody_reopen(f, &key), KW_CUSTOMER_REFUSED);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &none), KW_CUSTOMER_REFUSED);
    customer->fail_with = KW_OK;
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
    kw_custody_seal(f, "acme");
    customer->fail_with = KW_PROVIDER_UNAVAILABLE;
    assert_int_equal(kw_custody_reopen(f, &key), KW_CUSTOMER_UNAVAILABLE);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &none), KW_CUSTOMER_UNAVAILABLE);
    customer->fail_with = KW_OK;
    kw_custody_later(31000);
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
    kw_custody_seal(f, "acme");
    assert_int_equal(kw_fixture_entries(f, "GenerateDataKey", "customer_key_refused"), 1);
    assert_int_equal(kw_fixture_entries(f, "GenerateDataKey", "customer_unavailable"), 1);
}

static atomic_uint wraps_seen;

/* From the third wrap on they are refused; as they are made side by side, so may those before. */
static void refuse_third(void *arg, const char *provider, const struct kw_provider_call *call)
{
    struct kw_script *script = arg;
    KW_UNUSED(provider);
    KW_UNUSED(call);
    if (atomic_fetch_add(&wraps_seen, 1) + 1 >= 3)
        script->fail_with = KW_FORBIDDEN;
}

static void test_items_fail_alone(void **state)
{
    struct kw_custody_ask mixed[MANY];
    size_t refused = 0;
    KW_UNUSED(state);
    for (size_t i = 0; i < MANY; i++)
        mixed[i] = (struct kw_custody_ask){i % 2 == 0 ? "acme" : "globex", "default"};
    customer->fail_with = KW_FORBIDDEN;
    assert_int_equal(kw_custody_generate(f, mixed, MANY, keys, codes), KW_OK);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(codes[i], i % 2 == 0 ? KW_CUSTOMER_REFUSED : KW_OK);

    customer->fail_with = KW_OK;
    atomic_store(&wraps_seen, 0);
    customer->seen_arg = customer;
    customer->seen = refuse_third;
    assert_int_equal(kw_custody_generate(f, asks, MANY, keys, codes), KW_OK);
    customer->seen = NULL;
    customer->fail_with = KW_OK;
    for (size_t i = 0; i < MANY; i++) {
        assert_true(codes[i] == KW_OK || codes[i] == KW_CUSTOMER_REFUSED);
        refused += codes[i] != KW_OK;
    }
    assert_true(refused >= MANY - 2);
    for (size_t i = 0; i < MANY; i++)
        if (codes[i] == KW_OK)
            assert_int_equal(kw_custody_reopen(f, &keys[i]), KW_OK);
}

/* Numbers of versions are not used up by trying again. */
static void test_numbers_are_used_again(void **state)
{
    KW_UNUSED(state);
    uint32_t before = key_row().current_version;
    customer->fail_with = KW_FORBIDDEN;
    for (int i = 0; i < 20; i++)
        assert_int_equal(kw_custody_generate(f, asks, MANY, keys, codes), KW_OK);
    assert_int_equal(key_row().current_version, before + MANY);
    customer->fail_with = KW_OK;
    generate(asks, MANY);
    open_all(MANY);
    assert_int_equal(key_row().current_version, before + MANY);
    generate(asks, 1);
    assert_int_equal(kw_custody_version(&keys[0]), before + MANY + 1);
}

/* ---- Our own brakes ---------------------------------------------------------------------------
 */

static void test_states_ask_nobody(void **state)
{
    struct kw_fixture_key none;
    KW_UNUSED(state);
    struct kw_fixture_key key = kw_custody_seal(f, "acme");
    uint64_t calls = kw_custody_calls(f, "acme-kms");
    assert_int_equal(kw_authority_tenant_suspend(f->authority, root, "acme", NULL), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &key), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &none), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_authority_tenant_resume(f->authority, root, "acme", NULL), KW_OK);
    assert_int_equal(kw_authority_key_disable(f->authority, root, "acme", "eu", NULL), KW_OK);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &none), KW_KEY_SUSPENDED);
    assert_int_equal(kw_authority_key_enable(f->authority, root, "acme", "eu", NULL), KW_OK);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), calls);
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
}

/* Something that is done, and answered, while the customer's KMS wraps a batch key. */
static _Atomic(void (*)(void)) meanwhile;

static void do_meanwhile(void *arg, const char *provider, const struct kw_provider_call *call)
{
    void (*act)(void) = atomic_exchange(&meanwhile, NULL);
    KW_UNUSED(arg);
    KW_UNUSED(provider);
    KW_UNUSED(call);
    if (act != NULL)
        act();
}

static kw_code generate_and(void (*act)(void), struct kw_fixture_key *key)
{
    atomic_store(&meanwhile, act);
    customer->seen = do_meanwhile;
    kw_code code = kw_fixture_generate(f, "acme", "eu", 1, key);
    assert_true(atomic_load(&meanwhile) == NULL);
    customer->seen = NULL;
    return code;
}

static void suspend(void)
{
    assert_int_equal(kw_authority_tenant_suspend(f->authority, root, "acme", NULL), KW_OK);
}

static void detach(void)
{
    assert_int_equal(kw_custody_detach(f, "acme"), KW_OK);
}

static void move_on(void)
{
    detach();
    assert_int_equal(kw_custody_hold(f, "acme", "acme-two", "k2"), KW_OK);
}

static void test_suspended_while_it_wraps(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    uint32_t before = key_row().current_version;
    assert_int_equal(generate_and(suspend, &key), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_authority_tenant_resume(f->authority, root, "acme", NULL), KW_OK);
    key = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_version(&key), before + 1); /* none was written before */
}

/* The data key is made where the key is now. */
static void test_moved_while_it_wraps(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    struct kw_script *two = kw_fixture_script(f, "acme-two");
    assert_int_equal(generate_and(move_on, &key), KW_OK);
    customer->fail_with = KW_FORBIDDEN;
    uint64_t unwraps = two->unwraps;
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
    assert_int_equal(two->unwraps, unwraps + 1);
    customer->fail_with = KW_OK;
    detach();
    assert_int_equal(kw_custody_hold(f, "acme", "acme-kms", "k"), KW_OK);
    assert_int_equal(generate_and(detach, &key), KW_OK);
    customer->fail_with = KW_FORBIDDEN;
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
}

/* Each call of the store in turn: no data key under a batch key that is not there. */
static void test_each_store_call_fails(void **state)
{
    const struct kw_fixture_options options = {.faulty_store = true};
    unsigned n = 1;
    KW_UNUSED(state);
    kw_fixture_close(f);
    f = kw_custody_open(&options);
    assert_int_equal(kw_custody_hold(f, "acme", "acme-kms", "k"), KW_OK);
    for (;; n++) {
        struct kw_fixture_key key;
        kw_faulty_fail(&f->faulty, n, KW_STORE_UNAVAILABLE, false);
        kw_code code = kw_fixture_generate(f, "acme", "eu", 1, &key);
        bool all = kw_faulty_calls(&f->faulty) < n;
        kw_faulty_fail(&f->faulty, 0, KW_OK, false);
        if (code == KW_OK)
            assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
        else
            assert_int_equal(code, KW_STORE_UNAVAILABLE);
        if (all)
            break;
    }
    assert_true(n > 8);
}

static void test_ledger_first(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    atomic_store(&f->ledger_fails, true);
    assert_int_not_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
}

static void test_hardware(void **state)
{
    const struct kw_custody_ask secret[] = {{"acme", "secret"}, {"acme", "default"}};
    KW_UNUSED(state);
    uint64_t wraps = customer->wraps;
    assert_int_equal(kw_custody_generate(f, secret, 2, keys, codes), KW_OK);
    assert_int_equal(codes[0], KW_HSM_REQUIRED);
    assert_int_equal(codes[1], KW_OK);
    assert_int_equal(customer->wraps, wraps + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_each_data_key_has_its_own),
        TEST(test_batches_of_a_class),
        TEST(test_kept_for_reading_only),
        TEST(test_needs_to_wait),
        TEST(test_no_counts_at_once),
        TEST(test_items_fail_alone),
        TEST(test_numbers_are_used_again),
        TEST(test_states_ask_nobody),
        TEST(test_suspended_while_it_wraps),
        TEST(test_moved_while_it_wraps),
        TEST(test_each_store_call_fails),
        TEST(test_ledger_first),
        TEST(test_hardware),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

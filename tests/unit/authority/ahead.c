/* The loads of a batch: side by side, once for each key, and no less checked than one by one. */
#include "authority_scene.h"

enum { TENANTS = 64 };

static struct kw_fixture_key keys[TENANTS];
static _Atomic uint64_t most_inside;

static void name_of(unsigned i, char name[16])
{
    snprintf(name, 16, "t%u", i);
}

/* The script counts who is inside before it tells. */
static void seen(void *arg, const char *provider, const struct kw_provider_call *call)
{
    KW_UNUSED(arg);
    KW_UNUSED(provider);
    KW_UNUSED(call);
    uint64_t inside = f->eu.inside;
    uint64_t most = most_inside;
    while (inside > most && !atomic_compare_exchange_weak(&most_inside, &most, inside))
        continue;
}

static int setup(void **state)
{
    struct kw_fixture_options options = {.seen = seen};
    KW_UNUSED(state);
    f = kw_fixture_open(&options);
    for (unsigned i = 0; i < TENANTS; i++) {
        char name[16];
        name_of(i, name);
        kw_fixture_tenant(f, name, "eu");
        assert_int_equal(kw_fixture_generate(f, name, "eu", 1, &keys[i]), KW_OK);
    }
    assert_int_equal(kw_authority_flush(f->authority, &kw_fixture_root, NULL), KW_OK);
    most_inside = 0;
    f->eu.delay_ms = 20;
    return 0;
}

/* Items of all tenants in turn. */
static void open_batch(struct kw_dk_batch *batch, enum kw_dk_op op, size_t count)
{
    assert_int_equal(kw_dk_batch_init(batch, op, count, NULL), KW_OK);
    batch->caller = kw_fixture_root;
    for (size_t i = 0; i < count; i++) {
        struct kw_dk_item *item = &batch->items[i];
        memset(item->context_digest, 1, sizeof item->context_digest);
        memcpy(item->wrapped, keys[i % TENANTS].wrapped, sizeof item->wrapped);
        if (op != KW_DK_GENERATE)
            continue;
        memset(item->wrapped, 0, sizeof item->wrapped);
        name_of((unsigned)i % TENANTS, item->tenant);
        snprintf(item->region, sizeof item->region, "eu");
        snprintf(item->data_class, sizeof item->data_class, "default");
    }
}

static void run_good(enum kw_dk_op op, uint64_t calls)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    uint64_t before = f->eu.unwraps;
    open_batch(&batch, op, 1000);
    assert_int_equal(kw_dk_run(f->authority, &batch, NULL), KW_OK);
    for (size_t i = 0; i < batch.count; i++)
        assert_int_equal(kw_dk_outcome(&batch, i, NULL), KW_OK);
    assert_int_equal(f->eu.unwraps - before, calls);
    for (size_t i = 0; op == KW_DK_UNWRAP && i < batch.count; i++) {
        const uint8_t *key = NULL;
        assert_int_equal(kw_dk_key(&batch, i, &key, NULL), KW_OK);
        assert_memory_equal(key, keys[i % TENANTS].plaintext, KW_DK_SIZE);
    }
}

static void test_unwraps(void **state)
{
    KW_UNUSED(state);
    run_good(KW_DK_UNWRAP, TENANTS);
    assert_true(most_inside > 4); /* at once */
    run_good(KW_DK_UNWRAP, 0);
}

static void test_generates(void **state)
{
    KW_UNUSED(state);
    run_good(KW_DK_GENERATE, TENANTS);
    assert_true(most_inside > 4);
}

/* Old and new versions. */
static void test_rewraps(void **state)
{
    KW_UNUSED(state);
    f->eu.delay_ms = 0;
    for (unsigned i = 0; i < TENANTS; i++) {
        char name[16];
        uint32_t version = 0;
        name_of(i, name);
        assert_int_equal(
            kw_authority_key_rotate(f->authority, &kw_fixture_root, name, "eu", &version, NULL),
            KW_OK);
    }
    f->eu.delay_ms = 20;
    run_good(KW_DK_REWRAP, 2 * TENANTS);
    assert_true(most_inside > 4);
}

/* Each failure is its items' alone, and is met once, not once an item. */
static void test_failures(void **state)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    KW_UNUSED(state);
    for (unsigned i = 0; i < TENANTS; i += 2) {
        char name[16];
        name_of(i, name);
        assert_int_equal(kw_authority_tenant_suspend(f->authority, &kw_fixture_root, name, NULL),
                         KW_OK);
    }
    uint64_t loads = kw_authority_keyring_stats(f->authority).loads;
    open_batch(&batch, KW_DK_UNWRAP, 1000);
    assert_int_equal(kw_dk_run(f->authority, &batch, NULL), KW_OK);
    for (size_t i = 0; i < batch.count; i++)
        assert_int_equal(kw_dk_outcome(&batch, i, NULL), i % 2 == 0 ? KW_TENANT_SUSPENDED : KW_OK);
    assert_int_equal(kw_authority_keyring_stats(f->authority).loads - loads, TENANTS);
}

/* Whose scope is one tenant has nobody else's key loaded, nor learns what has become of it. */
static void test_scope(void **state)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    struct kw_caller own = kw_fixture_caller("service", "t3");
    KW_UNUSED(state);
    uint64_t before = f->eu.unwraps;
    open_batch(&batch, KW_DK_UNWRAP, 1000);
    batch.caller = own;
    batch.items[0].wrapped[5] ^= 1; /* a key that is not there */
    assert_int_equal(kw_dk_run(f->authority, &batch, NULL), KW_OK);
    for (size_t i = 0; i < batch.count; i++)
        assert_int_equal(kw_dk_outcome(&batch, i, NULL), i % TENANTS == 3 ? KW_OK : KW_FORBIDDEN);
    assert_int_equal(f->eu.unwraps - before, 1);
}

static void test_no_right(void **state)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    KW_UNUSED(state);
    uint64_t before = f->eu.unwraps;
    open_batch(&batch, KW_DK_UNWRAP, 100);
    batch.caller = kw_fixture_caller("auditor", "*");
    assert_int_equal(kw_dk_run(f->authority, &batch, NULL), KW_OK);
    assert_int_equal(kw_dk_outcome(&batch, 0, NULL), KW_FORBIDDEN);
    assert_int_equal(f->eu.unwraps, before);
}

/* Names that lead nowhere. */
static void test_unknown_names(void **state)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    KW_UNUSED(state);
    open_batch(&batch, KW_DK_GENERATE, 100);
    snprintf(batch.items[1].tenant, sizeof batch.items[1].tenant, "nobody");
    snprintf(batch.items[2].region, sizeof batch.items[2].region, "us");
    snprintf(batch.items[3].data_class, sizeof batch.items[3].data_class, "nothing");
    assert_int_equal(kw_dk_run(f->authority, &batch, NULL), KW_OK);
    assert_int_equal(kw_dk_outcome(&batch, 0, NULL), KW_OK);
    assert_int_equal(kw_dk_outcome(&batch, 1, NULL), KW_TENANT_NOT_FOUND);
    assert_int_equal(kw_dk_outcome(&batch, 2, NULL), KW_KEY_NOT_FOUND);
    assert_int_equal(kw_dk_outcome(&batch, 3, NULL), KW_UNKNOWN_CLASS);
    assert_int_equal(kw_dk_outcome(&batch, 99, NULL), KW_OK);
}

/* Every provider call of the batch is one for each key also where nothing is kept. */
static void test_strict_batch(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_authority_cache_strict(f->authority, &kw_fixture_root, NULL, 60000, NULL),
                     KW_OK);
    run_good(KW_DK_UNWRAP, TENANTS);
    run_good(KW_DK_UNWRAP, TENANTS);
    run_good(KW_DK_GENERATE, TENANTS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_unwraps), T(test_generates), T(test_rewraps),       T(test_failures),
        T(test_scope),   T(test_no_right),  T(test_unknown_names), T(test_strict_batch),
    };
    return cmocka_run_group_tests_name("authority ahead", tests, NULL, NULL);
}

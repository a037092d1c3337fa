/* What callers who may act for some tenants only learn of others, and can do to them: nothing. */
#include "authority_scene.h"

static struct kw_fixture_key foreign;

static int setup(void **state)
{
    KW_UNUSED(state);
    f = kw_fixture_open(NULL);
    kw_fixture_tenant(f, "acme", "eu");
    kw_fixture_tenant(f, "globex", "eu");
    assert_int_equal(kw_fixture_generate(f, "globex", "eu", 1, &foreign), KW_OK);
    return 0;
}

static kw_code submit(enum kw_dk_op op, const uint8_t *wrapped)
{
    KW_AUTO(kw_dk_batch) batch = {.op = op};
    assert_int_equal(kw_dk_batch_init(&batch, op, 1, NULL), KW_OK);
    batch.caller = kw_fixture_caller("service", "acme");
    memset(batch.items[0].context_digest, 1, sizeof batch.items[0].context_digest);
    memcpy(batch.items[0].wrapped, wrapped, KW_HEAD_SIZE);
    assert_int_equal(kw_dk_run(f->authority, &batch, NULL), KW_OK);
    return kw_dk_outcome(&batch, 0, NULL);
}

static void refused_alike(const uint8_t *wrapped)
{
    assert_int_equal(submit(KW_DK_UNWRAP, wrapped), KW_FORBIDDEN);
    assert_int_equal(submit(KW_DK_REWRAP, wrapped), KW_FORBIDDEN);
}

/* Whatever has become of a foreign key, and where there is none: the same answer. */
static void test_foreign_keys_look_alike(void **state)
{
    struct kw_fixture_key absent = foreign;
    struct kw_fixture_key later = foreign;
    KW_UNUSED(state);
    absent.wrapped[2] ^= 1; /* in the key's reference */
    later.wrapped[13] = 9;  /* in the version */
    refused_alike(foreign.wrapped);
    refused_alike(absent.wrapped);
    refused_alike(later.wrapped);
    assert_int_equal(kw_authority_key_disable(f->authority, root, "globex", "eu", NULL), KW_OK);
    refused_alike(foreign.wrapped);
    assert_int_equal(kw_authority_tenant_suspend(f->authority, root, "globex", NULL), KW_OK);
    refused_alike(foreign.wrapped);
    assert_int_equal(kw_authority_tenant_close(f->authority, root, "globex", 7, NULL), KW_OK);
    refused_alike(foreign.wrapped);
    refused_alike(absent.wrapped);
}

/* Nor is a foreign key unwrapped for the asking, which costs its tenant and drives others out. */
static void test_foreign_keys_are_not_loaded(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
    uint64_t before = kw_authority_keyring_stats(f->authority).loads;
    refused_alike(foreign.wrapped);
    assert_int_equal(kw_authority_keyring_stats(f->authority).loads, before);
    assert_int_equal(kw_fixture_entries(f, "UnwrapDataKey", "forbidden"), 1);
}

/* One's own keys still say what is the matter with them. */
static void test_own_keys_say_more(void **state)
{
    struct kw_fixture_key own;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &own), KW_OK);
    assert_int_equal(submit(KW_DK_UNWRAP, own.wrapped), KW_OK);
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
    assert_int_equal(submit(KW_DK_UNWRAP, own.wrapped), KW_OK);
    own.wrapped[13] = 9;
    assert_int_equal(submit(KW_DK_UNWRAP, own.wrapped), KW_VERSION_NOT_FOUND);
    own.wrapped[13] = 1;
    assert_int_equal(kw_authority_tenant_suspend(f->authority, root, "acme", NULL), KW_OK);
    assert_int_equal(submit(KW_DK_UNWRAP, own.wrapped), KW_TENANT_SUSPENDED);
}

/* To flush is to stop every tenant for a moment. */
static void test_flush_needs_all(void **state)
{
    struct kw_caller narrow = kw_fixture_caller("admin", "acme");
    struct kw_caller wide = kw_fixture_caller("admin", "*");
    KW_UNUSED(state);
    assert_int_equal(kw_authority_keyring_stats(f->authority).entries, 1);
    assert_int_equal(kw_authority_flush(f->authority, &narrow, NULL), KW_FORBIDDEN);
    assert_int_equal(kw_authority_keyring_stats(f->authority).entries, 1);
    assert_int_equal(kw_fixture_entries(f, "FlushKeyring", "forbidden"), 1);
    assert_int_equal(kw_authority_flush(f->authority, &wide, NULL), KW_OK);
    assert_int_equal(kw_authority_keyring_stats(f->authority).entries, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_foreign_keys_look_alike),
        T(test_foreign_keys_are_not_loaded),
        T(test_own_keys_say_more),
        T(test_flush_needs_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

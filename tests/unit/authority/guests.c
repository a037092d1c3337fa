/* Tenant keys that a customer's provider holds: nobody else is asked, and what fails there is told
 * under the customer's name. */
#include "authority_copies_scene.h"

/* The version moves to the customer's provider, as an attachment does it. */
static void move_to_customer(const char *custody)
{
    KW_AUTO(kw_secret) material = KW_SECRET_INIT;
    KW_AUTO(kw_fresh_version) moved = {.copies = NULL};
    struct kw_key_row key = kw_fixture_key_row(f, "acme", "eu");
    struct kw_version_row version = kw_fixture_version_row(f, key.reference, 1);
    uint64_t destroyed = 0;
    assert_int_equal(kw_version_open(f->authority, &key, &version, &material, &err), KW_OK);
    snprintf(key.custody, sizeof key.custody, "%s", custody);
    snprintf(key.provider, sizeof key.provider, "acme-kms");
    snprintf(key.provider_key, sizeof key.provider_key, "root-7");
    assert_int_equal(kw_version_wrap(f->authority, &key, 1, &material, NULL, NULL, &moved, &err),
                     KW_OK);
    assert_int_equal(kw_store_begin(f->store, &err), KW_OK);
    assert_int_equal(kw_store_copies_destroy(f->store, key.reference, 1, &destroyed, &err), KW_OK);
    assert_int_equal(kw_version_put_copies(f->authority, &moved, &err), KW_OK);
    assert_int_equal(kw_store_key_set(f->store, &key, &err), KW_OK);
    assert_int_equal(kw_store_commit(f->store, &err), KW_OK);
}

static void test_customer_has_the_key(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    move_to_customer("attached");
    uint64_t ours = alpha->wraps + alpha->unwraps + beta->wraps + beta->unwraps;
    opens(&key, KW_OK);
    struct kw_keyring_facts facts = load(1, KW_OK);
    assert_false(facts.held);
    assert_int_equal(facts.ttl_max_ms, 1000);
    assert_int_equal(facts.hard_ttl_max_ms, 30000);
    assert_int_equal(rotate(), KW_OK);
    assert_copies("acme", 2, "acme-kms=root-7 ");
    tick_after(3600 * 1000); /* no copy of ours is missed */
    assert_copies("acme", 2, "acme-kms=root-7 ");
    assert_int_equal(alpha->wraps + alpha->unwraps + beta->wraps + beta->unwraps, ours);
}

static void test_customers_side_is_named(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    move_to_customer("attached");
    static const kw_code final[] = {KW_FORBIDDEN, KW_KEY_SUSPENDED, KW_KEY_NOT_FOUND,
                                    KW_KEY_DESTROYED};
    for (size_t i = 0; i < KW_COUNT(final); i++) {
        guest->fail_with = (int) final[i];
        load(1, KW_CUSTOMER_REFUSED);
        assert_non_null(strstr(err.text, "the customer's side, provider acme-kms, refuses"));
        opens(&key, KW_CUSTOMER_REFUSED);
        assert_int_equal(rotate(), KW_CUSTOMER_REFUSED);
    }
    guest->fail_with = KW_SEAL_BROKEN;
    load(1, KW_SEAL_BROKEN);
    guest->fail_with = KW_PROVIDER_UNAVAILABLE;
    load(1, KW_CUSTOMER_UNAVAILABLE);
    assert_non_null(strstr(err.text, "the customer's side, provider acme-kms, does not answer"));
    assert_int_equal(kw_fixture_entries(f, "UnwrapDataKey", "customer_key_refused"), 4);
}

/* Who rotates what is not ours. */
static void set_custody(const char *custody)
{
    struct kw_key_row key = kw_fixture_key_row(f, "acme", "eu");
    snprintf(key.custody, sizeof key.custody, "%s", custody);
    assert_int_equal(kw_store_begin(f->store, &err), KW_OK);
    assert_int_equal(kw_store_key_set(f->store, &key, &err), KW_OK);
    assert_int_equal(kw_store_commit(f->store, &err), KW_OK);
}

static void test_rotation_is_the_customers(void **state)
{
    KW_UNUSED(state);
    uint64_t before = alpha->wraps + guest->wraps;
    set_custody("imported");
    assert_int_equal(rotate(), KW_STATE_CONFLICT);
    assert_non_null(strstr(err.text, "import new material"));
    set_custody("managed");
    move_to_customer("held");
    before = alpha->wraps + guest->wraps;
    assert_int_equal(rotate(), KW_STATE_CONFLICT);
    assert_non_null(strstr(err.text, "at the customer's KMS"));
    assert_int_equal(alpha->wraps + guest->wraps, before);
    assert_true(load(1, KW_OK).held);
}

/* A provider that is no guest of this tenant is not asked, whatever the row says. */
static void test_guest_of_another(void **state)
{
    KW_AUTO(kw_fresh_version) fresh = {.copies = NULL};
    KW_UNUSED(state);
    kw_fixture_tenant(f, "globex", "eu");
    struct kw_key_row key = kw_fixture_key_row(f, "globex", "eu");
    snprintf(key.provider, sizeof key.provider, "acme-kms");
    snprintf(key.provider_key, sizeof key.provider_key, "root-7");
    assert_int_equal(kw_version_prepare(f->authority, &key, 2, NULL, &fresh, &err), KW_REGION_WALL);
    assert_int_equal(guest->wraps, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_customer_has_the_key),
        T(test_customers_side_is_named),
        T(test_rotation_is_the_customers),
        T(test_guest_of_another),
    };
    return cmocka_run_group_tests_name("authority guests", tests, NULL, NULL);
}

/* Who may import, in which states of the key, and what that means for a key that a customer's KMS
 * has. */
#include "authority_import_scene.h"

#include "authority/internal.h"

/* ---- Who and when -----------------------------------------------------------------------------
 */

static void only_who_manages_keys_may(void **state)
{
    KW_UNUSED(state);
    static const struct {
        const char *roles, *tenants;
        kw_code code;
    } callers[] = {{"service", "*", KW_FORBIDDEN},
                   {"auditor", "acme", KW_FORBIDDEN},
                   {"admin", "other", KW_FORBIDDEN},
                   {"admin", "acme", KW_OK}};
    for (size_t i = 0; i < KW_COUNT(callers); i++) {
        struct kw_caller caller = kw_fixture_caller(callers[i].roles, callers[i].tenants);
        struct kw_import_offer offer = {.expires_ms = 0};
        struct kw_import_result result;
        struct kw_import import = {.tenant = "acme", .region = "eu", .token = "00"};
        assert_int_equal(
            kw_authority_import_offer(f->authority, &caller, "acme", "eu", &offer, NULL),
            callers[i].code);
        assert_int_equal(kw_authority_key_import(f->authority, &caller, &import, &result, NULL),
                         callers[i].code == KW_OK ? KW_NOT_FOUND : KW_FORBIDDEN);
        assert_int_equal(kw_authority_key_material_end(f->authority, &caller, "acme", "eu", NULL),
                         callers[i].code == KW_OK ? KW_STATE_CONFLICT : KW_FORBIDDEN);
        kw_buf_wipe(&offer.public_der);
    }
    assert_int_equal(kw_fixture_entries(f, "OfferKeyImport", "forbidden"), 3);
    assert_int_equal(kw_fixture_entries(f, "ImportKeyMaterial", "forbidden"), 3);
    assert_int_equal(kw_fixture_entries(f, "EndKeyMaterial", "forbidden"), 3);
}

static void expect_states(kw_code code)
{
    struct kw_import_offer offer;
    assert_int_equal(kw_import_ask(f, "acme", &offer), code);
    assert_int_equal(kw_import_send(f, "acme", "00", kw_bytes(NULL, 0), 0, NULL, NULL), code);
}

/* But an end takes only away, and is always possible. */
static void a_key_that_may_not_be_used_takes_nothing(void **state)
{
    KW_UNUSED(state);
    struct kw_authority *a = f->authority;
    import_seed(1, 0);
    struct kw_fixture_key key = generate();
    assert_int_equal(kw_authority_key_disable(a, root, "acme", "eu", NULL), KW_OK);
    expect_states(KW_KEY_SUSPENDED);
    assert_int_equal(kw_authority_key_enable(a, root, "acme", "eu", NULL), KW_OK);
    assert_int_equal(kw_authority_key_schedule_destroy(a, root, "acme", "eu", 7, NULL, NULL),
                     KW_OK);
    expect_states(KW_KEY_PENDING);
    assert_int_equal(kw_authority_key_cancel_destroy(a, root, "acme", "eu", NULL), KW_OK);
    assert_int_equal(kw_authority_tenant_suspend(a, root, "acme", NULL), KW_OK);
    expect_states(KW_TENANT_SUSPENDED);
    assert_int_equal(end_material(), KW_OK);
    assert_int_equal(kw_authority_tenant_resume(a, root, "acme", NULL), KW_OK);
    expect_refused(&key, KW_MATERIAL_EXPIRED);
    struct kw_import_offer offer;
    assert_int_equal(kw_import_ask(f, "nobody", &offer), KW_KEY_NOT_FOUND);
}

/* The customer's material is not replaced by a key of ours. */
static void an_imported_key_is_not_rotated_by_us(void **state)
{
    KW_UNUSED(state);
    import_seed(1, 0);
    assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL),
                     KW_STATE_CONFLICT);
    assert_int_equal(import_seed(2, 0).version, 3);
}

/* Who imports what we made would put an end to it by a date. */
static void a_key_made_here_is_no_material(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) ours = KW_SECRET_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    struct kw_import_offer offer;
    struct kw_key_row key = key_row();
    struct kw_version_row version = kw_fixture_version_row(f, key.reference, 1);
    assert_int_equal(kw_version_open(f->authority, &key, &version, &ours, NULL), KW_OK);
    assert_int_equal(kw_import_ask(f, "acme", &offer), KW_OK);
    kw_import_wrap(&offer, ours.data, ours.len, &wrapped);
    assert_int_equal(kw_import_send(f, "acme", offer.token, kw_buf_bytes(&wrapped), 0, NULL, NULL),
                     KW_STATE_CONFLICT);
    kw_buf_wipe(&offer.public_der);
}

/* ---- With a customer's KMS --------------------------------------------------------------------
 */

static kw_code attach(void)
{
    const struct kw_attachment to = {
        .tenant = "acme", .region = "eu", .provider = "acme-kms", .key = "root"};
    return kw_authority_key_attach(f->authority, root, &to, NULL, NULL);
}

static void an_attached_key_takes_no_new_material(void **state)
{
    KW_UNUSED(state);
    struct kw_import_offer offer;
    assert_int_equal(attach(), KW_OK);
    assert_int_equal(kw_import_ask(f, "acme", &offer), KW_STATE_CONFLICT);
}

static bool see_provider(void *arg, const struct kw_copy_row *row)
{
    snprintf(arg, KW_PROVIDER_MAX + 1, "%s", row->provider);
    return true;
}

/* What was imported before comes back to where the key is now, and to nobody else; else it could
 * never be detached. */
static void material_comes_back_to_the_customers_side(void **state)
{
    KW_UNUSED(state);
    char provider[KW_PROVIDER_MAX + 1] = "";
    import_seed(1, 0);
    struct kw_fixture_key key = generate();
    assert_int_equal(attach(), KW_OK);
    assert_int_equal(end_material(), KW_OK);
    expect_refused(&key, KW_MATERIAL_EXPIRED);
    assert_int_equal(kw_authority_key_detach(f->authority, root, "acme", "eu", NULL, NULL),
                     KW_STATE_CONFLICT);
    assert_int_equal(kw_import_whole(f, "acme", 2, 0, NULL), KW_STATE_CONFLICT);
    struct kw_import_result result = import_seed(1, 0);
    assert_true(result.again);
    assert_int_equal(result.version, 2);
    expect_opens(&key);
    assert_int_equal(kw_import_copies(f, reference(), 2), 1);
    assert_int_equal(kw_store_copies(f->store, reference(), 2, see_provider, provider, NULL),
                     KW_OK);
    assert_string_equal(provider, "acme-kms");
    assert_string_equal(key_row().custody, "attached");
    assert_int_equal(kw_authority_key_detach(f->authority, root, "acme", "eu", NULL, NULL), KW_OK);
    expect_opens(&key);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(only_who_manages_keys_may),
        WITH_FIXTURE(a_key_that_may_not_be_used_takes_nothing),
        WITH_FIXTURE(an_imported_key_is_not_rotated_by_us),
        WITH_FIXTURE(a_key_made_here_is_no_material),
        WITH_FIXTURE(an_attached_key_takes_no_new_material),
        WITH_FIXTURE(material_comes_back_to_the_customers_side),
    };
    return cmocka_run_group_tests_name("import_rules", tests, NULL, NULL);
}

/* The customer's own material: offered for, imported, used, ended and brought back. */
#include "authority_import_scene.h"

#include "authority/internal.h"
#include "base/encode.h"

static const int64_t hour_ms = 3600LL * 1000;

/* ---- The life of it ---------------------------------------------------------------------------
 */

static void material_becomes_the_next_version(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key before = generate();
    struct kw_import_result result = import_seed(1, 0);
    struct kw_key_row key = key_row();
    struct kw_version_row version = kw_fixture_version_row(f, key.reference, 2);
    assert_int_equal(result.version, 2);
    assert_false(result.again);
    assert_memory_equal(result.commitment, version.commitment, sizeof version.commitment);
    assert_string_equal(key.custody, "imported");
    assert_int_equal(key.current_version, 2);
    assert_true(version.imported);
    assert_int_equal(version.expires_ms, 0);
    assert_int_equal(kw_fixture_version_row(f, key.reference, 1).state, KW_KEY_IS_DEACTIVATED);
    assert_int_equal(kw_import_copies(f, key.reference, 2), 2); /* one by each provider of eu */
    struct kw_fixture_key after = generate();
    kw_fixture_restart(f);
    expect_opens(&before);
    expect_opens(&after);
    assert_int_equal(kw_fixture_entries(f, "OfferKeyImport", ""), 1);
    assert_int_equal(kw_fixture_entries(f, "ImportKeyMaterial", ""), 1);
}

/* The bytes that were imported are the tenant key itself, none derived from them. */
static void the_key_is_the_material(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) opened = KW_SECRET_INIT;
    uint8_t material[KW_IMPORT_MATERIAL];
    import_seed(1, 0);
    struct kw_key_row key = key_row();
    struct kw_version_row version = kw_fixture_version_row(f, key.reference, 2);
    assert_int_equal(kw_version_open(f->authority, &key, &version, &opened, NULL), KW_OK);
    kw_import_material(1, material);
    assert_int_equal(opened.len, sizeof material);
    assert_memory_equal(opened.data, material, sizeof material);
}

static void what_has_ended_opens_nothing_until_it_is_back(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key old = generate();
    struct kw_fixture_key key;
    import_seed(1, 0);
    struct kw_fixture_key mine = generate();
    assert_int_equal(end_material(), KW_OK);
    expect_refused(&mine, KW_MATERIAL_EXPIRED);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_MATERIAL_EXPIRED);
    expect_opens(&old); /* it was never sealed under the material */
    kw_fixture_restart(f);
    expect_refused(&mine, KW_MATERIAL_EXPIRED);
    assert_int_equal(kw_import_copies(f, reference(), 2), 0);
    assert_int_equal(kw_fixture_entries(f, "EndKeyMaterial", ""), 1);
    assert_int_equal(end_material(), KW_STATE_CONFLICT); /* there is nothing left to end */

    assert_int_equal(kw_import_whole(f, "acme", 2, 0, NULL), KW_COMMITMENT);
    struct kw_import_result result = import_seed(1, 0);
    assert_true(result.again);
    assert_int_equal(result.version, 2);
    assert_int_equal(kw_import_copies(f, reference(), 2), 2);
    expect_opens(&mine);
    mine = generate();
    assert_int_equal(import_seed(2, 0).version, 3); /* now another may follow */
    expect_opens(&mine);
}

static void another_material_is_told_which_is_expected(void **state)
{
    KW_UNUSED(state);
    struct kw_import_offer offer;
    struct kw_error err;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    uint8_t material[KW_IMPORT_MATERIAL];
    char expected[65];
    struct kw_import_result result = import_seed(1, 0);
    kw_hex_text(expected, kw_bytes(result.commitment, sizeof result.commitment));
    assert_int_equal(end_material(), KW_OK);
    kw_import_material(2, material);
    assert_int_equal(kw_import_ask(f, "acme", &offer), KW_OK);
    kw_import_wrap(&offer, material, sizeof material, &wrapped);
    assert_int_equal(kw_import_send(f, "acme", offer.token, kw_buf_bytes(&wrapped), 0, NULL, &err),
                     KW_COMMITMENT);
    assert_non_null(strstr(err.text, expected));
    /* The offer is still good for the right one. */
    kw_buf_reset(&wrapped);
    kw_import_material(1, material);
    kw_import_wrap(&offer, material, sizeof material, &wrapped);
    assert_int_equal(kw_import_send(f, "acme", offer.token, kw_buf_bytes(&wrapped), 0, NULL, NULL),
                     KW_OK);
    kw_buf_wipe(&offer.public_der);
}

/* An older version's material can end and come back by itself, with none of the others touched. */
static void older_material_comes_back_to_its_version(void **state)
{
    KW_UNUSED(state);
    int64_t soon = kw_clock_wall_ms() + hour_ms;
    assert_int_equal(import_seed(1, soon).version, 2);
    struct kw_fixture_key first = generate();
    assert_int_equal(import_seed(2, 0).version, 3);
    struct kw_fixture_key second = generate();
    kw_clock_test_offset(hour_ms + 1000);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    expect_refused(&first, KW_MATERIAL_EXPIRED);
    expect_opens(&second);
    struct kw_import_result result = import_seed(1, 0);
    assert_true(result.again);
    assert_int_equal(result.version, 2);
    expect_opens(&first);
    struct kw_key_row key = key_row();
    assert_int_equal(key.current_version, 3);
    assert_int_equal(kw_fixture_version_row(f, key.reference, 2).state, KW_KEY_IS_DEACTIVATED);
}

/* ---- Its date ---------------------------------------------------------------------------------
 */

static void material_ends_on_its_date(void **state)
{
    KW_UNUSED(state);
    import_seed(1, kw_clock_wall_ms() + hour_ms);
    struct kw_fixture_key key = generate();
    kw_clock_test_offset(hour_ms - 10000);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    expect_opens(&key);
    assert_int_equal(kw_import_copies(f, reference(), 2), 2);
    kw_clock_test_offset(hour_ms + 1000);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    assert_int_equal(kw_import_copies(f, reference(), 2), 0);
    assert_int_equal(kw_import_copies(f, reference(), 1), 2);
    expect_refused(&key, KW_MATERIAL_EXPIRED);
    assert_int_equal(kw_fixture_entries(f, "ExpireKeyMaterial", ""), 1);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    assert_int_equal(kw_fixture_entries(f, "ExpireKeyMaterial", NULL), 1); /* once */

    struct kw_import_result result = import_seed(1, kw_clock_wall_ms() + hour_ms);
    assert_true(result.again);
    expect_opens(&key);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    expect_opens(&key);
}

/* The date holds where no round has come yet. */
static void expired_material_is_refused_before_the_round(void **state)
{
    KW_UNUSED(state);
    import_seed(1, kw_clock_wall_ms() + hour_ms);
    struct kw_fixture_key key = generate();
    kw_clock_test_offset(hour_ms + 1000);
    expect_refused(&key, KW_MATERIAL_EXPIRED);
}

static void live_material_gets_a_new_date(void **state)
{
    KW_UNUSED(state);
    import_seed(1, kw_clock_wall_ms() + hour_ms);
    struct kw_fixture_key key = generate();
    struct kw_import_result result = import_seed(1, 0);
    assert_true(result.again);
    assert_int_equal(result.version, 2);
    kw_clock_test_offset(2 * hour_ms);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    expect_opens(&key);
    assert_int_equal(kw_fixture_entries(f, "ExpireKeyMaterial", NULL), 0);
}

/* A clock that is set ahead by mistake destroys nothing, though it has what it makes expire
 * refused; put right, all opens again. */
static void a_clock_that_leaps_destroys_nothing(void **state)
{
    KW_UNUSED(state);
    import_seed(1, kw_clock_wall_ms() + 4 * hour_ms);
    struct kw_fixture_key key = generate();
    f->authority->due_clock.running_ms += 5 * hour_ms; /* as if that time had not passed */
    kw_clock_test_offset(5 * hour_ms);
    struct kw_error err;
    assert_int_equal(kw_authority_tick(f->authority, &err), KW_UNAVAILABLE);
    assert_non_null(strstr(err.text, "clock"));
    assert_int_equal(kw_import_copies(f, reference(), 2), 2);
    expect_refused(&key, KW_MATERIAL_EXPIRED);
    f->authority->due_clock.running_ms -= 5 * hour_ms;
    kw_clock_test_offset(0);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    expect_opens(&key);
}

static void dates_that_cannot_be_are_refused(void **state)
{
    KW_UNUSED(state);
    struct kw_import_offer offer;
    KW_AUTO(kw_buf) wrapped = KW_BUF_INIT;
    uint8_t material[KW_IMPORT_MATERIAL];
    int64_t now_ms = kw_clock_wall_ms();
    const int64_t bad[] = {
        -1, 1, now_ms - 1000, now_ms + 59000, now_ms + 11 * 366 * 24 * hour_ms, INT64_MAX};
    kw_import_material(1, material);
    assert_int_equal(kw_import_ask(f, "acme", &offer), KW_OK);
    kw_import_wrap(&offer, material, sizeof material, &wrapped);
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(
            kw_import_send(f, "acme", offer.token, kw_buf_bytes(&wrapped), bad[i], NULL, NULL),
            KW_USAGE);
    assert_int_equal(kw_import_send(f, "acme", offer.token, kw_buf_bytes(&wrapped),
                                    kw_clock_wall_ms() + 3650 * 24 * hour_ms, NULL, NULL),
                     KW_OK);
    kw_buf_wipe(&offer.public_der);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(material_becomes_the_next_version),
        WITH_FIXTURE(the_key_is_the_material),
        WITH_FIXTURE(what_has_ended_opens_nothing_until_it_is_back),
        WITH_FIXTURE(another_material_is_told_which_is_expected),
        WITH_FIXTURE(older_material_comes_back_to_its_version),
        WITH_FIXTURE(material_ends_on_its_date),
        WITH_FIXTURE(expired_material_is_refused_before_the_round),
        WITH_FIXTURE(live_material_gets_a_new_date),
        WITH_FIXTURE(a_clock_that_leaps_destroys_nothing),
        WITH_FIXTURE(dates_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}

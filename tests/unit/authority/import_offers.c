/* Offers: for which key, how long and how often each is good, which bytes it takes, and how it is
 * stored. */
#include "authority_offer_scene.h"

#include "authority/import_offer.h"

static const int64_t hour_ms = 3600LL * 1000;

static int setup(void **state)
{
    KW_UNUSED(state);
    offer_open(NULL);
    kw_fixture_tenant(f, "other", "eu");
    return 0;
}

/* ---- Tokens -----------------------------------------------------------------------------------
 */

static void a_token_is_good_for_its_key_and_once(void **state)
{
    KW_UNUSED(state);
    struct kw_import_offer newer;
    char wrong[KW_IMPORT_TOKEN_SIZE];
    struct kw_bytes bytes = kw_buf_bytes(&wrapped);
    memcpy(wrong, offer.token, sizeof wrong);
    wrong[63] = wrong[63] == '0' ? '1' : '0';
    assert_int_equal(strlen(offer.token), KW_IMPORT_TOKEN_SIZE - 1);
    assert_int_equal(kw_import_send(f, "acme", wrong, bytes, 0, NULL, NULL), KW_NOT_FOUND);
    assert_int_equal(kw_import_send(f, "acme", "", bytes, 0, NULL, NULL), KW_NOT_FOUND);
    assert_int_equal(kw_import_send(f, "other", offer.token, bytes, 0, NULL, NULL), KW_NOT_FOUND);
    assert_int_equal(kw_import_ask(f, "other", &newer), KW_OK); /* it has one of its own now */
    assert_int_equal(kw_import_send(f, "other", offer.token, bytes, 0, NULL, NULL), KW_NOT_FOUND);
    assert_int_equal(kw_import_send(f, "other", newer.token, bytes, 0, NULL, NULL), KW_SEAL_BROKEN);
    kw_buf_wipe(&newer.public_der);
    expect_nothing_imported();
    assert_int_equal(send(), KW_OK);
    assert_int_equal(send(), KW_NOT_FOUND); /* a replay */
    kw_fixture_restart(f);
    assert_int_equal(send(), KW_NOT_FOUND);
    assert_int_equal(key_row().current_version, 2);
}

/* An offer for the key of one region says nothing about that of another. */
static void a_token_is_good_for_its_region(void **state)
{
    KW_UNUSED(state);
    struct kw_import_result result;
    struct kw_import import = {
        .tenant = "acme", .region = "us", .token = offer.token, .wrapped = kw_buf_bytes(&wrapped)};
    assert_int_equal(kw_authority_tenant_add_region(f->authority, root, "acme", "us", NULL), KW_OK);
    assert_int_equal(kw_authority_key_import(f->authority, root, &import, &result, NULL),
                     KW_NOT_FOUND);
}

static void a_new_offer_takes_the_place_of_the_one_before(void **state)
{
    KW_UNUSED(state);
    struct kw_import_offer newer;
    assert_int_equal(kw_import_ask(f, "acme", &newer), KW_OK);
    assert_int_equal(send(), KW_NOT_FOUND);
    assert_int_equal(kw_import_send(f, "acme", newer.token, kw_buf_bytes(&wrapped), 0, NULL, NULL),
                     KW_SEAL_BROKEN);
    kw_buf_wipe(&newer.public_der);
    expect_nothing_imported();
}

static void an_offer_ends_after_a_day(void **state)
{
    KW_UNUSED(state);
    kw_clock_test_offset(24 * hour_ms);
    assert_int_equal(send(), KW_NOT_FOUND);
    expect_nothing_imported();
    kw_clock_test_offset(24 * hour_ms - 60000);
    assert_int_equal(send(), KW_OK);
}

static void an_offer_outlives_a_restart(void **state)
{
    KW_UNUSED(state);
    kw_fixture_restart(f);
    assert_int_equal(send(), KW_OK);
}

/* ---- Bytes ------------------------------------------------------------------------------------
 */

static kw_code send_bytes(struct kw_bytes bytes)
{
    return kw_import_send(f, "acme", offer.token, bytes, 0, NULL, NULL);
}

/* That no altered byte opens is unit.crypto.keywrap's to show, for every one. */
static void wrong_bytes_do_not_use_the_offer_up_but_ten_do(void **state)
{
    KW_UNUSED(state);
    struct kw_error err;
    for (size_t i = 1; i < KW_OFFER_TRIES; i++) {
        size_t at = i * 43;
        wrapped.data[at] ^= 0x10;
        assert_int_equal(
            kw_import_send(f, "acme", offer.token, kw_buf_bytes(&wrapped), 0, NULL, &err),
            KW_SEAL_BROKEN);
        /* One text, whatever is wrong with them. */
        assert_string_equal(err.text, "this is no material that was wrapped under the public key "
                                      "of this offer: wrap it by RSA_AES_KEY_WRAP_SHA_256");
        wrapped.data[at] ^= 0x10;
    }
    expect_nothing_imported();
    wrapped.data[7] ^= 1;
    assert_int_equal(send(), KW_SEAL_BROKEN);
    wrapped.data[7] ^= 1;
    assert_int_equal(send(), KW_NOT_FOUND);
    expect_nothing_imported();
    assert_int_equal(kw_fixture_entries(f, "ImportKeyMaterial", "seal_broken"), KW_OFFER_TRIES);
}

static void nine_wrong_ones_leave_room_for_the_right_one(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 1; i < KW_OFFER_TRIES; i++) {
        wrapped.data[400] ^= 1;
        assert_int_equal(send(), KW_SEAL_BROKEN);
        wrapped.data[400] ^= 1;
    }
    assert_int_equal(send(), KW_OK);
}

/* Who sends half a file has not guessed at anything. */
static void wrong_lengths_are_told_and_not_counted(void **state)
{
    KW_UNUSED(state);
    struct kw_error err;
    const size_t lengths[] = {0, 1, 40, 384, 416, 423};
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < KW_COUNT(lengths); i++)
            assert_int_equal(send_bytes(kw_bytes(wrapped.data, lengths[i])), KW_BAD_FORMAT);
    kw_buf_append_byte(&wrapped, 0);
    assert_int_equal(kw_import_send(f, "acme", offer.token, kw_buf_bytes(&wrapped), 0, NULL, &err),
                     KW_BAD_FORMAT);
    assert_non_null(strstr(err.text, "425"));
    assert_int_equal(send_bytes(kw_bytes(wrapped.data, wrapped.len - 1)), KW_OK);
}

static void material_of_another_kind_is_refused(void **state)
{
    KW_UNUSED(state);
    static const uint8_t zeros[KW_IMPORT_MATERIAL];
    static const size_t lengths[] = {16, 24, 25, 31, 33, 64};
    uint8_t material[64] = {1, 2, 3};
    for (size_t i = 0; i < KW_COUNT(lengths); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        kw_import_wrap(&offer, material, lengths[i], &out);
        bool same = out.len == wrapped.len;
        assert_int_equal(send_bytes(kw_buf_bytes(&out)), same ? KW_USAGE : KW_BAD_FORMAT);
    }
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    kw_import_wrap(&offer, zeros, sizeof zeros, &out);
    assert_int_equal(send_bytes(kw_buf_bytes(&out)), KW_USAGE);
    expect_nothing_imported();
    assert_int_equal(send(), KW_OK);
}

/* ---- The stored offer -------------------------------------------------------------------------
 */

/* The name of the entry that has the offer for the tenant's key in eu. */
static const char *stored_as(const char *tenant)
{
    static char name[32];
    snprintf(name, sizeof name, "import/%016llx",
             (unsigned long long)kw_fixture_key_row(f, tenant, "eu").reference);
    return name;
}

static void put_meta(const char *name, struct kw_bytes value)
{
    assert_int_equal(kw_store_begin(f->store, NULL), KW_OK);
    assert_int_equal(kw_store_meta_put(f->store, name, value, NULL), KW_OK);
    assert_int_equal(kw_store_commit(f->store, NULL), KW_OK);
}

/* Whatever is done to it in the store: it never leads to another answer than a refusal, and what is
 * put back works. The count of wrong imports alone is not sealed. */
static void an_altered_offer_is_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) stored = KW_BUF_INIT;
    assert_int_equal(kw_store_meta_get(f->store, stored_as("acme"), &stored, NULL), KW_OK);
    for (size_t i = 0; i < stored.len; i += i < 48 ? 1 : 13) {
        if (i == 1)
            continue;
        stored.data[i] ^= 0x41;
        put_meta(stored_as("acme"), kw_buf_bytes(&stored));
        assert_int_not_equal(send(), KW_OK);
        stored.data[i] ^= 0x41;
    }
    for (size_t len = 0; len < stored.len; len += 97) {
        put_meta(stored_as("acme"), kw_bytes(stored.data, len));
        assert_int_not_equal(send(), KW_OK);
    }
    expect_nothing_imported();
    put_meta(stored_as("acme"), kw_buf_bytes(&stored));
    assert_int_equal(send(), KW_OK);
}

/* Nor can the offer of one key be put in the place of another's. */
static void an_offer_is_bound_to_its_key(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) stored = KW_BUF_INIT;
    assert_int_equal(kw_store_meta_get(f->store, stored_as("acme"), &stored, NULL), KW_OK);
    put_meta(stored_as("other"), kw_buf_bytes(&stored));
    assert_int_equal(kw_import_send(f, "other", offer.token, kw_buf_bytes(&wrapped), 0, NULL, NULL),
                     KW_STORE_CORRUPT);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, offer_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(a_token_is_good_for_its_key_and_once),
        WITH_FIXTURE(a_token_is_good_for_its_region),
        WITH_FIXTURE(a_new_offer_takes_the_place_of_the_one_before),
        WITH_FIXTURE(an_offer_ends_after_a_day),
        WITH_FIXTURE(an_offer_outlives_a_restart),
        WITH_FIXTURE(wrong_bytes_do_not_use_the_offer_up_but_ten_do),
        WITH_FIXTURE(nine_wrong_ones_leave_room_for_the_right_one),
        WITH_FIXTURE(wrong_lengths_are_told_and_not_counted),
        WITH_FIXTURE(material_of_another_kind_is_refused),
        WITH_FIXTURE(an_altered_offer_is_refused),
        WITH_FIXTURE(an_offer_is_bound_to_its_key),
    };
    return cmocka_run_group_tests_name("import_offers", tests, NULL, NULL);
}

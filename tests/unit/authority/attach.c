/* Keys under a customer's own KMS: they go there as a whole or not at all, nothing of them stays
 * with us, and the customer's no is obeyed. */
#include "authority_attach_scene.h"

#include "base/file.h"

#include <unistd.h>

/* ---- Attaching --------------------------------------------------------------------------------
 */

static void test_attach_moves_everything(void **state)
{
    uint32_t version = 0;
    struct kw_attachment to = {
        .tenant = "acme", .region = "eu", .provider = "acme-kms", .key = "alias/acme"};
    KW_UNUSED(state);
    struct kw_fixture_key first = kw_custody_seal(f, "acme");
    rotate("acme");
    struct kw_fixture_key second = kw_custody_seal(f, "acme");
    assert_int_equal(kw_authority_key_attach(f->authority, root, &to, &version, NULL), KW_OK);
    assert_int_equal(version, 3);
    struct kw_key_row key = key_row();
    assert_string_equal(key.custody, "attached");
    assert_string_equal(key.provider, "acme-kms");
    assert_string_equal(key.provider_key, "alias/acme");
    assert_int_equal(key.current_version, 3);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "alias/acme"), 3);
    assert_int_equal(kw_custody_copies(f, "acme", "software-eu", NULL), 0);
    assert_int_equal(kw_fixture_version_row(f, key.reference, 2).state, KW_KEY_IS_DEACTIVATED);
    assert_int_equal(kw_fixture_entries(f, "AttachKey", ""), 1);

    uint64_t ours = kw_custody_calls(f, "software-eu");
    flush();
    assert_int_equal(kw_custody_reopen(f, &first), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &second), KW_OK);
    struct kw_fixture_key third = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_version(&third), 3);
    assert_int_equal(kw_custody_calls(f, "software-eu"), ours);
    kw_fixture_restart(f);
    assert_int_equal(kw_custody_reopen(f, &first), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &third), KW_OK);
    assert_int_equal(kw_custody_calls(f, "software-eu"), ours);
}

static bool copy_out(void *arg, const struct kw_copy_row *row)
{
    *(struct kw_copy_row *)arg = *row;
    return true;
}

static bool file_has(const char *name, const struct kw_copy_row *copy)
{
    KW_AUTO(kw_buf) content = KW_BUF_INIT;
    char path[4300];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    if (access(path, F_OK) != 0)
        return false;
    assert_int_equal(kw_file_read(path, 64 << 20, &content, NULL), KW_OK);
    return memmem(content.data, content.len, copy->blob, copy->blob_len) != NULL;
}

/* Not even in the database's files. */
static void test_our_copies_are_gone(void **state)
{
    static struct kw_copy_row before;
    KW_UNUSED(state);
    uint64_t reference = key_row().reference;
    assert_int_equal(kw_store_copies(f->store, reference, 1, copy_out, &before, NULL), KW_OK);
    assert_string_equal(before.provider, "software-eu");
    assert_true(file_has("keyward.db", &before) || file_has("keyward.db-wal", &before));
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    assert_int_equal(kw_store_purge(f->store, NULL), KW_OK);
    assert_false(file_has("keyward.db", &before));
    assert_false(file_has("keyward.db-wal", &before));
}

static void test_many_versions(void **state)
{
    enum { VERSIONS = 120 };
    static struct kw_fixture_key keys[VERSIONS];
    kw_code codes[VERSIONS];
    KW_UNUSED(state);
    for (size_t i = 0; i < VERSIONS; i++) {
        if (i > 0)
            rotate("acme");
        keys[i] = kw_custody_seal(f, "acme");
    }
    uint64_t calls = kw_custody_calls(f, "acme-kms");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), calls + 2 * (VERSIONS + 1));
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "k"), VERSIONS + 1);
    assert_int_equal(kw_custody_copies(f, "acme", "software-eu", NULL), 0);
    flush();
    assert_int_equal(kw_custody_unwrap(f, keys, VERSIONS, codes), KW_OK);
    for (size_t i = 0; i < VERSIONS; i++)
        assert_int_equal(codes[i], KW_OK);
}

static void test_rotation_asks_the_customer_alone(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    uint64_t ours = kw_custody_calls(f, "software-eu");
    rotate("acme");
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "k"), 3);
    assert_int_equal(kw_custody_calls(f, "software-eu"), ours);
    kw_fixture_script(f, "acme-kms")->fail_with = KW_FORBIDDEN;
    assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL),
                     KW_CUSTOMER_REFUSED);
    assert_int_equal(key_row().current_version, 3);
}

/* ---- The wall ---------------------------------------------------------------------------------
 */

static void test_wall(void **state)
{
    static const char *const foreign[] = {"globex-kms", "software-us", "software-eu", "nobody"};
    KW_UNUSED(state);
    uint64_t ours = kw_custody_calls(f, "software-eu");
    for (size_t i = 0; i < KW_COUNT(foreign); i++) {
        assert_int_equal(kw_custody_attach(f, "acme", foreign[i], "k"), KW_REGION_WALL);
        assert_int_equal(kw_custody_hold(f, "acme", foreign[i], "k"), KW_REGION_WALL);
    }
    assert_int_equal(kw_custody_attach(f, "globex", "acme-kms", "k"), KW_REGION_WALL);
    assert_int_equal(kw_custody_calls(f, "globex-kms"), 0);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), 0);
    assert_int_equal(kw_custody_calls(f, "software-us"), 0);
    assert_int_equal(kw_custody_calls(f, "software-eu"), ours);
    assert_string_equal(key_row().custody, "managed");
    assert_int_equal(kw_fixture_entries(f, "AttachKey", "region_wall"), 9);
}

/* A copy that was put into another tenant's row names a guest that is not that tenant's. */
static void test_copy_of_another_tenant(void **state)
{
    static struct kw_copy_row copy;
    KW_UNUSED(state);
    struct kw_fixture_key key = kw_custody_seal(f, "globex");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    assert_int_equal(kw_store_copies(f->store, key_row().reference, 1, copy_out, &copy, NULL),
                     KW_OK);
    copy.reference = kw_fixture_key_row(f, "globex", "eu").reference;
    uint64_t gone = 0;
    assert_int_equal(kw_store_begin(f->store, NULL), KW_OK);
    assert_int_equal(kw_store_copies_destroy(f->store, copy.reference, 1, &gone, NULL), KW_OK);
    assert_int_equal(kw_store_copy_put(f->store, &copy, NULL), KW_OK);
    assert_int_equal(kw_store_commit(f->store, NULL), KW_OK);
    uint64_t calls = kw_custody_calls(f, "acme-kms");
    flush();
    assert_int_equal(kw_custody_reopen(f, &key), KW_REGION_WALL);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), calls);
}

static void test_rights(void **state)
{
    struct kw_attachment to = {
        .tenant = "acme", .region = "eu", .provider = "acme-kms", .key = "k"};
    struct kw_caller service = kw_fixture_caller("service", "*");
    struct kw_caller foreign = kw_fixture_caller("admin", "globex");
    struct kw_caller admin = kw_fixture_caller("admin", "acme");
    KW_UNUSED(state);
    assert_int_equal(kw_authority_key_attach(f->authority, &service, &to, NULL, NULL),
                     KW_FORBIDDEN);
    assert_int_equal(kw_authority_key_attach(f->authority, &foreign, &to, NULL, NULL),
                     KW_FORBIDDEN);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), 0);
    assert_int_equal(kw_authority_key_attach(f->authority, &admin, &to, NULL, NULL), KW_OK);
    assert_int_equal(kw_authority_key_detach(f->authority, &service, "acme", "eu", NULL, NULL),
                     KW_FORBIDDEN);
    assert_int_equal(kw_authority_key_detach(f->authority, &foreign, "acme", "eu", NULL, NULL),
                     KW_FORBIDDEN);
    assert_string_equal(key_row().custody, "attached");
}

static void test_names_and_states(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_custody_attach(f, "acme", "", "k"), KW_BAD_NAME);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", ""), KW_BAD_NAME);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "a key"), KW_BAD_NAME);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", NULL), KW_BAD_NAME);
    assert_int_equal(kw_custody_attach(f, "nobody", "acme-kms", "k"), KW_KEY_NOT_FOUND);
    assert_int_equal(kw_custody_detach(f, "acme"), KW_STATE_CONFLICT);
    assert_int_equal(kw_authority_tenant_suspend(f->authority, root, "acme", NULL), KW_OK);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_authority_tenant_resume(f->authority, root, "acme", NULL), KW_OK);
    assert_int_equal(kw_authority_key_disable(f->authority, root, "acme", "eu", NULL), KW_OK);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_KEY_SUSPENDED);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), 0);
}

/* ---- The customer says no ---------------------------------------------------------------------
 */

static void refuse_with(const char *provider, kw_code code)
{
    kw_fixture_script(f, provider)->fail_with = code;
}

static void test_no_is_obeyed_in_use(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    struct kw_fixture_key key = kw_custody_seal(f, "acme");
    for (int i = 0; i < 30; i++) {
        assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
        kw_custody_later(100);
    }
    refuse_with("acme-kms", KW_KEY_SUSPENDED);
    size_t after = 0;
    for (int ms = 0; ms < 3000; ms += 100) {
        kw_code code = kw_custody_reopen(f, &key);
        assert_true(code == KW_OK || code == KW_CUSTOMER_REFUSED);
        after += code == KW_OK;
        if (ms >= 1000)
            assert_int_equal(code, KW_CUSTOMER_REFUSED);
        kw_custody_later(100);
    }
    assert_true(after <= 10);
    struct kw_fixture_key none;
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &none), KW_CUSTOMER_REFUSED);
    assert_int_not_equal(kw_fixture_entries(f, "UnwrapDataKey", "customer_key_refused"), 0);
    struct kw_fixture_key other = kw_custody_seal(f, "globex"); /* nobody else feels it */
    assert_int_equal(kw_custody_reopen(f, &other), KW_OK);
    refuse_with("acme-kms", KW_OK);
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
    kw_custody_seal(f, "acme");
}

static void test_silence_ends_later(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    struct kw_fixture_key key = kw_custody_seal(f, "acme");
    refuse_with("acme-kms", KW_PROVIDER_UNAVAILABLE);
    for (int s = 0; s < 28; s += 4) {
        assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
        kw_custody_later(4000);
    }
    kw_custody_later(3000);
    assert_int_equal(kw_custody_reopen(f, &key), KW_CUSTOMER_UNAVAILABLE);
    refuse_with("acme-kms", KW_OK);
    kw_custody_later(31000); /* its breaker lets a call through again */
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
}

static void test_our_brakes_ask_nobody(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    struct kw_fixture_key key = kw_custody_seal(f, "acme");
    refuse_with("acme-kms", KW_PROVIDER_UNAVAILABLE);
    uint64_t calls = kw_custody_calls(f, "acme-kms");
    assert_int_equal(kw_authority_tenant_suspend(f->authority, root, "acme", NULL), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &key), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), calls);
    refuse_with("acme-kms", KW_OK);
    assert_int_equal(kw_authority_tenant_resume(f->authority, root, "acme", NULL), KW_OK);
    kw_custody_later(31000);
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
}

/* ---- Moving on, and back ----------------------------------------------------------------------
 */

static void test_move_on(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key first = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "old"), KW_OK);
    struct kw_fixture_key second = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "new"), KW_OK);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "old"), 0);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "new"), 3);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-two", "k"), KW_OK);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", NULL), 0);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-two", "k"), 4);
    refuse_with("acme-kms", KW_KEY_DESTROYED);
    flush();
    assert_int_equal(kw_custody_reopen(f, &first), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &second), KW_OK);
}

static void test_detach(void **state)
{
    uint32_t version = 0;
    KW_UNUSED(state);
    struct kw_fixture_key first = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    struct kw_fixture_key second = kw_custody_seal(f, "acme");
    refuse_with("acme-kms", KW_FORBIDDEN);
    assert_int_equal(kw_custody_detach(f, "acme"), KW_CUSTOMER_REFUSED);
    assert_string_equal(key_row().custody, "attached");
    refuse_with("acme-kms", KW_OK);
    assert_int_equal(kw_authority_key_detach(f->authority, root, "acme", "eu", &version, NULL),
                     KW_OK);
    assert_int_equal(version, 3);
    struct kw_key_row key = key_row();
    assert_string_equal(key.custody, "managed");
    assert_string_equal(key.provider, "");
    assert_string_equal(key.provider_key, "");
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", NULL), 0);
    assert_int_equal(kw_custody_copies(f, "acme", "software-eu", "eu"), 3);
    refuse_with("acme-kms", KW_FORBIDDEN);
    flush();
    assert_int_equal(kw_custody_reopen(f, &first), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &second), KW_OK);
    assert_int_equal(kw_fixture_entries(f, "DetachKey", ""), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_attach_moves_everything),
        TEST(test_our_copies_are_gone),
        TEST(test_many_versions),
        TEST(test_rotation_asks_the_customer_alone),
        TEST(test_wall),
        TEST(test_copy_of_another_tenant),
        TEST(test_rights),
        TEST(test_names_and_states),
        TEST(test_no_is_obeyed_in_use),
        TEST(test_silence_ends_later),
        TEST(test_our_brakes_ask_nobody),
        TEST(test_move_on),
        TEST(test_detach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

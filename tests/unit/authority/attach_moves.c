/* A key that moves to a customer's KMS, or back, while something fails or somebody uses it: it
 * moves whole or not at all, and nobody notices. */
#include "authority_attach_scene.h"

#include <pthread.h>

/* ---- Failures ---------------------------------------------------------------------------------
 */

static atomic_uint fail_at, call_number;
static atomic_int fail_code;

/* Makes the fail_at-th call of any provider, and all after it, fail. */
static void see(void *arg, const char *provider, const struct kw_provider_call *call)
{
    KW_UNUSED(call);
    unsigned number = atomic_fetch_add(&call_number, 1) + 1;
    unsigned at = atomic_load(&fail_at);
    if (at != 0 && number >= at)
        atomic_store(&kw_fixture_script(arg, provider)->fail_with, atomic_load(&fail_code));
}

static void fail_from(unsigned at, kw_code code)
{
    static const char *const names[] = {"software-eu", "acme-kms", "acme-two"};
    atomic_store(&call_number, 0);
    atomic_store(&fail_at, at);
    atomic_store(&fail_code, (int)code);
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        struct kw_script *script = kw_fixture_script(f, names[i]);
        script->seen = at != 0 ? see : NULL;
        script->seen_arg = f;
        script->fail_with = KW_OK;
    }
}

/* Calls refuse from the first on, from the second on, and so forth, ours and theirs: all is as it
 * was. A new version is wrapped and opened; each old one opened, wrapped and opened. */
static void try_each_failure(kw_code (*move)(void), const char *custody, const char *at)
{
    struct kw_key_row before = key_row();
    size_t copies = kw_custody_copies(f, "acme", at, NULL);
    unsigned n = 1;
    for (;; n++) {
        fail_from(n, KW_FORBIDDEN);
        kw_code code = move();
        fail_from(0, KW_OK);
        if (code == KW_OK)
            break;
        assert_true(code == KW_FORBIDDEN || code == KW_CUSTOMER_REFUSED);
        struct kw_key_row after = key_row();
        assert_memory_equal(&before, &after, sizeof before);
        assert_int_equal(kw_custody_copies(f, "acme", at, NULL), copies);
    }
    assert_int_equal(n, 2 + 3 * copies + 1);
    assert_string_equal(key_row().custody, custody);
    assert_int_equal(kw_custody_copies(f, "acme", at, NULL), 0);
}

static kw_code move_there(void)
{
    return kw_custody_attach(f, "acme", "acme-kms", "k");
}

static kw_code move_on(void)
{
    return kw_custody_attach(f, "acme", "acme-two", "k2");
}

static kw_code move_back(void)
{
    return kw_custody_detach(f, "acme");
}

static void test_each_call_fails(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key first = kw_custody_seal(f, "acme");
    rotate("acme");
    struct kw_fixture_key second = kw_custody_seal(f, "acme");
    try_each_failure(move_there, "attached", "software-eu");
    try_each_failure(move_on, "attached", "acme-kms");
    try_each_failure(move_back, "managed", "acme-two");
    flush();
    assert_int_equal(kw_custody_reopen(f, &first), KW_OK);
    assert_int_equal(kw_custody_reopen(f, &second), KW_OK);
    kw_custody_seal(f, "acme");
}

static kw_code hold(void)
{
    return kw_custody_hold(f, "acme", "acme-two", "k");
}

/* The store's calls one after the other, the commit among them. */
static void try_each_store_failure(kw_code (*move)(void), const char *custody)
{
    struct kw_key_row before = key_row();
    size_t ours = kw_custody_copies(f, "acme", "software-eu", NULL);
    size_t theirs = kw_custody_copies(f, "acme", "acme-kms", NULL);
    for (unsigned n = 1;; n++) {
        kw_faulty_fail(&f->faulty, n, KW_STORE_UNAVAILABLE, false);
        kw_code code = move();
        kw_faulty_fail(&f->faulty, 0, KW_OK, false);
        if (code == KW_OK)
            break;
        assert_int_equal(code, KW_STORE_UNAVAILABLE);
        struct kw_key_row after = key_row();
        assert_memory_equal(&before, &after, sizeof before);
        assert_int_equal(kw_custody_copies(f, "acme", "software-eu", NULL), ours);
        assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", NULL), theirs);
    }
    assert_string_equal(key_row().custody, custody);
}

static void test_each_store_call_fails(void **state)
{
    const struct kw_fixture_options faulty = {.faulty_store = true};
    KW_UNUSED(state);
    kw_fixture_close(f);
    f = kw_custody_open(&faulty);
    struct kw_fixture_key key = kw_custody_seal(f, "acme");
    rotate("acme");
    try_each_store_failure(move_there, "attached");
    try_each_store_failure(move_back, "managed");
    try_each_store_failure(hold, "held");
    flush();
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
}

/* The ledger first: what it cannot write does not happen. */
static void test_without_a_ledger(void **state)
{
    KW_UNUSED(state);
    struct kw_key_row before = key_row();
    atomic_store(&f->ledger_fails, true);
    assert_int_not_equal(move_there(), KW_OK);
    struct kw_key_row after = key_row();
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(kw_custody_copies(f, "acme", "software-eu", NULL), 1);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", NULL), 0);
}

static void test_sides_are_named(void **state)
{
    struct kw_attachment to = {
        .tenant = "acme", .region = "eu", .provider = "acme-kms", .key = "k"};
    struct kw_error err;
    KW_UNUSED(state);
    fail_from(1, KW_KEY_SUSPENDED);
    assert_int_equal(kw_authority_key_attach(f->authority, root, &to, NULL, &err),
                     KW_CUSTOMER_REFUSED);
    assert_non_null(strstr(err.text, "customer's side"));
    assert_non_null(strstr(err.text, "acme-kms"));
    fail_from(1, KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(kw_authority_key_attach(f->authority, root, &to, NULL, &err),
                     KW_CUSTOMER_UNAVAILABLE);
    assert_non_null(strstr(err.text, "customer's side"));
    fail_from(0, KW_OK);
}

/* ---- While it is used ------------------------------------------------------------------------
 */

static atomic_bool acted;

/* The key goes back to us while the customer's KMS is asked for it, which then says no. */
static void detach_and_refuse(void *arg, const char *provider, const struct kw_provider_call *call)
{
    KW_UNUSED(arg);
    KW_UNUSED(provider);
    KW_UNUSED(call);
    if (atomic_exchange(&acted, true))
        return;
    assert_int_equal(kw_custody_detach(f, "acme"), KW_OK);
    kw_fixture_script(f, "acme-kms")->fail_with = KW_KEY_NOT_FOUND;
}

static void test_moves_while_it_is_loaded(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key key = kw_custody_seal(f, "acme");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    atomic_store(&acted, false);
    kw_fixture_script(f, "acme-kms")->seen = detach_and_refuse;
    assert_int_equal(kw_custody_reopen(f, &key), KW_OK);
    assert_true(atomic_load(&acted));
}

static atomic_bool ended;
static atomic_uint failed, done;

static void *use(void *arg)
{
    const struct kw_fixture_key *key = arg;
    while (!atomic_load(&ended)) {
        struct kw_fixture_key fresh;
        kw_code code = kw_fixture_generate(f, "acme", "eu", 1, &fresh);
        uint8_t out[KW_DK_SIZE];
        if (code == KW_OK)
            code = kw_fixture_unwrap(f, &fresh, 1, out);
        if (code == KW_OK)
            code = kw_fixture_unwrap(f, key, 1, out);
        if (code != KW_OK)
            print_error("while it moved: %s\n", kw_code_name(code));
        atomic_fetch_add(code == KW_OK ? &done : &failed, 1);
    }
    return NULL;
}

/* No request fails because its key is moving, whichever way. */
static void test_moves_under_load(void **state)
{
    pthread_t threads[4];
    KW_UNUSED(state);
    struct kw_fixture_key key = kw_custody_seal(f, "acme");
    atomic_store(&ended, false);
    atomic_store(&failed, 0);
    atomic_store(&done, 0);
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, &key), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
        assert_int_equal(kw_custody_attach(f, "acme", "acme-two", "k"), KW_OK);
        assert_int_equal(kw_custody_detach(f, "acme"), KW_OK);
        assert_int_equal(kw_custody_hold(f, "acme", "acme-kms", "k"), KW_OK);
        assert_int_equal(kw_custody_detach(f, "acme"), KW_OK);
    }
    atomic_store(&ended, true);
    for (size_t i = 0; i < KW_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(failed, 0);
    assert_true(done > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_each_call_fails),          TEST(test_each_store_call_fails),
        TEST(test_without_a_ledger),         TEST(test_sides_are_named),
        TEST(test_moves_while_it_is_loaded), TEST(test_moves_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Imports while stores, ledgers and providers fail, or several at once; and that neither the
 * material nor the key it came under is left anywhere. */
#include "authority_offer_scene.h"

#include "authority/import_offer.h"
#include "base/encode.h"

#include <pthread.h>

static int setup(void **state)
{
    KW_UNUSED(state);
    return offer_open(NULL);
}

static int setup_faulty(void **state)
{
    KW_UNUSED(state);
    return offer_open(&(const struct kw_fixture_options){.faulty_store = true});
}

/* ---- What fails underneath --------------------------------------------------------------------
 */

/* Each call of the store fails in turn: imported, or nothing has happened and the offer is good. */
static void each_store_call_fails(void **state)
{
    KW_UNUSED(state);
    uint64_t n = 1;
    for (;; n++) {
        kw_faulty_fail(&f->faulty, n, KW_STORE_UNAVAILABLE, false);
        kw_code code = send();
        bool through = kw_faulty_calls(&f->faulty) < n;
        kw_faulty_fail(&f->faulty, 0, KW_OK, false);
        if (code == KW_OK)
            break;
        assert_int_equal(code, KW_STORE_UNAVAILABLE);
        assert_false(through);
        expect_nothing_imported();
    }
    assert_true(n > 8);
    assert_int_equal(key_row().current_version, 2);
    assert_int_equal(send(), KW_NOT_FOUND);
}

/* The same for bringing back what has ended, and for the end itself: all copies or none. */
static void each_store_call_fails_of_an_end_and_a_return(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(send(), KW_OK);
    uint64_t reference = key_row().reference;
    kw_code code = KW_STORE_UNAVAILABLE;
    for (uint64_t n = 1; code != KW_OK; n++) {
        kw_faulty_fail(&f->faulty, n, KW_STORE_UNAVAILABLE, false);
        code = kw_authority_key_material_end(f->authority, root, "acme", "eu", NULL);
        kw_faulty_fail(&f->faulty, 0, KW_OK, false);
        assert_int_equal(kw_import_copies(f, reference, 2), code == KW_OK ? 0 : 1);
    }
    offer_anew();
    code = KW_STORE_UNAVAILABLE;
    for (uint64_t n = 1; code != KW_OK; n++) {
        kw_faulty_fail(&f->faulty, n, KW_STORE_UNAVAILABLE, false);
        code = send();
        kw_faulty_fail(&f->faulty, 0, KW_OK, false);
        assert_int_equal(kw_import_copies(f, reference, 2), code == KW_OK ? 1 : 0);
    }
}

static void nothing_happens_without_the_ledger(void **state)
{
    KW_UNUSED(state);
    struct kw_import_offer unused;
    atomic_store(&f->ledger_fails, true);
    assert_int_equal(kw_code_class(send()), KW_CLASS_UNAVAILABLE);
    expect_nothing_imported();
    assert_int_equal(kw_code_class(kw_import_ask(f, "acme", &unused)), KW_CLASS_UNAVAILABLE);
    assert_null(unused.public_der.data);
    atomic_store(&f->ledger_fails, false);
    assert_int_equal(send(), KW_OK);
}

/* The provider answers once, for the offer, and then no more, for the new version: what is left is
 * the offer, and no version. */
static void fail_second(void *arg, const char *provider, const struct kw_provider_call *call)
{
    struct kw_script *script = arg;
    KW_UNUSED(provider);
    KW_UNUSED(call);
    if (atomic_load(&script->unwraps) > 0 && atomic_load(&script->wraps) > 0)
        atomic_store(&script->fail_with, KW_KEY_NOT_FOUND);
}

static void providers_that_fail_leave_the_offer(void **state)
{
    KW_UNUSED(state);
    atomic_store(&f->eu.fail_with, KW_KEY_NOT_FOUND);
    assert_int_not_equal(send(), KW_OK);
    expect_nothing_imported();
    atomic_store(&f->eu.fail_with, KW_OK);
    atomic_store(&f->eu.wraps, 0);
    atomic_store(&f->eu.unwraps, 0);
    f->eu.seen_arg = &f->eu;
    f->eu.seen = fail_second;
    assert_int_not_equal(send(), KW_OK);
    assert_int_equal(atomic_load(&f->eu.unwraps), 1);
    assert_true(atomic_load(&f->eu.wraps) >= 1);
    expect_nothing_imported();
    f->eu.seen = NULL;
    atomic_store(&f->eu.fail_with, KW_OK);
    assert_int_equal(send(), KW_OK);
    assert_int_equal(key_row().current_version, 2);
}

/* The key is rotated while the provider wraps the material for the version that was next: it
 * becomes the one after that. */
static void rotate_once(void *arg, const char *provider, const struct kw_provider_call *call)
{
    bool *done = arg;
    KW_UNUSED(provider);
    KW_UNUSED(call);
    if (*done || atomic_load(&f->eu.unwraps) == 0)
        return;
    *done = true;
    assert_int_equal(kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL), KW_OK);
}

static void a_key_that_changes_meanwhile_is_asked_for_again(void **state)
{
    KW_UNUSED(state);
    struct kw_import_result result;
    bool done = false;
    atomic_store(&f->eu.unwraps, 0);
    f->eu.seen_arg = &done;
    f->eu.seen = rotate_once;
    assert_int_equal(
        kw_import_send(f, "acme", offer.token, kw_buf_bytes(&wrapped), 0, &result, NULL), KW_OK);
    f->eu.seen = NULL;
    assert_true(done);
    assert_int_equal(result.version, 3);
    struct kw_key_row key = key_row();
    assert_int_equal(key.current_version, 3);
    assert_true(kw_fixture_version_row(f, key.reference, 3).imported);
    assert_false(kw_fixture_version_row(f, key.reference, 2).imported);
    assert_int_equal(kw_fixture_version_row(f, key.reference, 2).state, KW_KEY_IS_DEACTIVATED);
    assert_int_equal(kw_fixture_entries(f, "ImportKeyMaterial", ""), 1);
}

/* What the provider is asked for the offer names the key and the purpose, so that neither can stand
 * for a version of the key nor the other way round. */
static void see_purpose(void *arg, const char *provider, const struct kw_provider_call *call)
{
    KW_UNUSED(provider);
    for (size_t i = 0; i < call->context_count; i++)
        if (strcmp(call->context[i].name, "keyward:purpose") == 0 &&
            strcmp(call->context[i].value, "import") == 0)
            ++*(int *)arg;
}

static void an_offer_is_wrapped_for_its_purpose(void **state)
{
    KW_UNUSED(state);
    struct kw_import_offer another;
    int seen = 0;
    f->eu.seen_arg = &seen;
    f->eu.seen = see_purpose;
    assert_int_equal(kw_import_ask(f, "acme", &another), KW_OK);
    f->eu.seen = NULL;
    assert_int_equal(seen, 1);
    kw_buf_wipe(&another.public_der);
}

/* ---- Several at once --------------------------------------------------------------------------
 */

enum { THREADS = 4 };

static void *send_once(void *arg)
{
    *(kw_code *)arg = send();
    return NULL;
}

static void one_of_several_imports_wins(void **state)
{
    KW_UNUSED(state);
    pthread_t threads[THREADS];
    kw_code codes[THREADS];
    size_t good = 0;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_once, &codes[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        good += codes[i] == KW_OK;
        assert_true(codes[i] == KW_OK || codes[i] == KW_NOT_FOUND);
    }
    assert_int_equal(good, 1);
    assert_int_equal(key_row().current_version, 2);
}

static void *end_and_retry(void *arg)
{
    KW_UNUSED(arg);
    for (int i = 0; i < 20; i++) {
        kw_code code = kw_authority_key_material_end(f->authority, root, "acme", "eu", NULL);
        if (code != KW_OK && code != KW_STATE_CONFLICT)
            return f; /* any other */
    }
    return NULL;
}

/* While material is ended, data keys are made or refused for that reason, and none after. */
static void an_end_among_uses(void **state)
{
    KW_UNUSED(state);
    pthread_t thread;
    void *wrong = NULL;
    struct kw_fixture_key key;
    assert_int_equal(send(), KW_OK);
    assert_int_equal(pthread_create(&thread, NULL, end_and_retry, NULL), 0);
    for (int i = 0; i < 50; i++) {
        kw_code code = kw_fixture_generate(f, "acme", "eu", 1, &key);
        assert_true(code == KW_OK || code == KW_MATERIAL_EXPIRED);
    }
    pthread_join(thread, &wrong);
    assert_null(wrong);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_MATERIAL_EXPIRED);
}

/* ---- What is left -----------------------------------------------------------------------------
 */

static bool keep_blob(void *arg, const struct kw_copy_row *row)
{
    kw_buf_append(arg, row->blob, row->blob_len);
    return false;
}

static size_t found(const void *data, size_t len)
{
    return kw_import_search(f->dir, kw_bytes(data, len));
}

static void read_private(struct kw_secret *secret)
{
    KW_AUTO(kw_buf) stored = KW_BUF_INIT;
    struct kw_key_row key = key_row();
    assert_int_equal(kw_offer_find(f->authority, &key, offer.token, &stored, NULL), KW_OK);
    assert_int_equal(kw_offer_open(f->authority, &key, kw_buf_bytes(&stored), secret, NULL), KW_OK);
}

/* Store, write-ahead log and ledger, while all is open. The token, too, is a secret of the
 * customer.
 */
static void no_secret_is_in_any_file(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    KW_AUTO(kw_buf) token = KW_BUF_INIT;
    uint8_t material[KW_IMPORT_MATERIAL];
    struct kw_fixture_key key;
    kw_import_material(1, material);
    read_private(&secret);
    assert_int_equal(kw_hex_decode(&token, kw_bytes_str(offer.token), NULL), KW_OK);
    wrapped.data[400] ^= 1;
    assert_int_equal(send(), KW_SEAL_BROKEN);
    wrapped.data[400] ^= 1;
    assert_int_equal(send(), KW_OK);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    assert_int_equal(found(material, sizeof material), 0);
    assert_int_equal(found(secret.data + KW_RSA_SIZE, 48), 0); /* the private exponent's head */
    assert_int_equal(found(token.data, token.len), 0);
    assert_true(found("ImportKeyMaterial", 17) > 0); /* so that the search does find */
}

/* Of a used offer, and of ended material, nothing is left in the store's files. */
static void what_is_used_up_or_ended_is_overwritten(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) stored = KW_BUF_INIT;
    KW_AUTO(kw_buf) blob = KW_BUF_INIT;
    struct kw_key_row key = key_row();
    assert_int_equal(kw_offer_find(f->authority, &key, offer.token, &stored, NULL), KW_OK);
    assert_true(found(stored.data + 64, 64) > 0);
    assert_int_equal(send(), KW_OK);
    assert_int_equal(kw_store_copies(f->store, key.reference, 2, keep_blob, &blob, NULL), KW_OK);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    assert_int_equal(found(stored.data + 64, 64), 0);
    assert_true(found(blob.data, blob.len) > 0);
    assert_int_equal(kw_authority_key_material_end(f->authority, root, "acme", "eu", NULL), KW_OK);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    assert_int_equal(found(blob.data, blob.len), 0);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, offer_close)
#define WITH_FAULTY(test)  cmocka_unit_test_setup_teardown(test, setup_faulty, offer_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAULTY(each_store_call_fails),
        WITH_FAULTY(each_store_call_fails_of_an_end_and_a_return),
        WITH_FIXTURE(nothing_happens_without_the_ledger),
        WITH_FIXTURE(providers_that_fail_leave_the_offer),
        WITH_FIXTURE(a_key_that_changes_meanwhile_is_asked_for_again),
        WITH_FIXTURE(an_offer_is_wrapped_for_its_purpose),
        WITH_FIXTURE(one_of_several_imports_wins),
        WITH_FIXTURE(an_end_among_uses),
        WITH_FIXTURE(no_secret_is_in_any_file),
        WITH_FIXTURE(what_is_used_up_or_ended_is_overwritten),
    };
    return cmocka_run_group_tests_name("import_faults", tests, NULL, NULL);
}

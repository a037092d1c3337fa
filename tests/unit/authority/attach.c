/* Keys under a customer's own KMS: they go there as a whole or not at all, nothing of them stays
 * with us, and the customer's no is obeyed. */
#include "authority_custody.h"

#include "base/file.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct kw_fixture *f;
static const struct kw_caller *const root = &kw_fixture_root;

static int setup(void **state)
{
    KW_UNUSED(state);
    const struct kw_fixture_options options = {.attempt_ms = 500, .open_ms = 100};
    f = kw_custody_open(&options);
    return 0;
}

static int teardown(void **state)
{
    KW_UNUSED(state);
    kw_fixture_close(f);
    return 0;
}

static void rotate(const char *tenant)
{
    assert_int_equal(kw_authority_key_rotate(f->authority, root, tenant, "eu", NULL, NULL), KW_OK);
}

static struct kw_fixture_key seal(const char *tenant)
{
    struct kw_fixture_key key;
    assert_int_equal(kw_fixture_generate(f, tenant, "eu", 1, &key), KW_OK);
    return key;
}

static kw_code open_key(const struct kw_fixture_key *key)
{
    uint8_t out[KW_DK_SIZE];
    kw_code code = kw_fixture_unwrap(f, key, 1, out);
    if (code == KW_OK)
        assert_memory_equal(out, key->plaintext, sizeof out);
    return code;
}

static void flush(void)
{
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
}

static struct kw_key_row key_row(void)
{
    return kw_fixture_key_row(f, "acme", "eu");
}

/* ---- Attaching --------------------------------------------------------------------------------
 */

static void test_attach_moves_everything(void **state)
{
    uint32_t version = 0;
    struct kw_attachment to = {
        .tenant = "acme", .region = "eu", .provider = "acme-kms", .key = "alias/acme"};
    KW_UNUSED(state);
    struct kw_fixture_key first = seal("acme");
    rotate("acme");
    struct kw_fixture_key second = seal("acme");
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
    assert_int_equal(open_key(&first), KW_OK);
    assert_int_equal(open_key(&second), KW_OK);
    struct kw_fixture_key third = seal("acme");
    assert_int_equal(kw_custody_version(&third), 3);
    assert_int_equal(kw_custody_calls(f, "software-eu"), ours);
    kw_fixture_restart(f);
    assert_int_equal(open_key(&first), KW_OK);
    assert_int_equal(open_key(&third), KW_OK);
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
        keys[i] = seal("acme");
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
    struct kw_fixture_key key = seal("globex");
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
    assert_int_equal(open_key(&key), KW_REGION_WALL);
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
    struct kw_fixture_key first = seal("acme");
    rotate("acme");
    struct kw_fixture_key second = seal("acme");
    try_each_failure(move_there, "attached", "software-eu");
    try_each_failure(move_on, "attached", "acme-kms");
    try_each_failure(move_back, "managed", "acme-two");
    flush();
    assert_int_equal(open_key(&first), KW_OK);
    assert_int_equal(open_key(&second), KW_OK);
    seal("acme");
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
    struct kw_fixture_key key = seal("acme");
    rotate("acme");
    try_each_store_failure(move_there, "attached");
    try_each_store_failure(move_back, "managed");
    try_each_store_failure(hold, "held");
    flush();
    assert_int_equal(open_key(&key), KW_OK);
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
    struct kw_fixture_key key = seal("acme");
    for (int i = 0; i < 30; i++) {
        assert_int_equal(open_key(&key), KW_OK);
        kw_custody_later(100);
    }
    refuse_with("acme-kms", KW_KEY_SUSPENDED);
    size_t after = 0;
    for (int ms = 0; ms < 3000; ms += 100) {
        kw_code code = open_key(&key);
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
    struct kw_fixture_key other = seal("globex"); /* nobody else feels it */
    assert_int_equal(open_key(&other), KW_OK);
    refuse_with("acme-kms", KW_OK);
    assert_int_equal(open_key(&key), KW_OK);
    seal("acme");
}

static void test_silence_ends_later(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    struct kw_fixture_key key = seal("acme");
    refuse_with("acme-kms", KW_PROVIDER_UNAVAILABLE);
    for (int s = 0; s < 28; s += 4) {
        assert_int_equal(open_key(&key), KW_OK);
        kw_custody_later(4000);
    }
    kw_custody_later(3000);
    assert_int_equal(open_key(&key), KW_CUSTOMER_UNAVAILABLE);
    refuse_with("acme-kms", KW_OK);
    kw_custody_later(31000); /* its breaker lets a call through again */
    assert_int_equal(open_key(&key), KW_OK);
}

static void test_our_brakes_ask_nobody(void **state)
{
    KW_UNUSED(state);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    struct kw_fixture_key key = seal("acme");
    refuse_with("acme-kms", KW_PROVIDER_UNAVAILABLE);
    uint64_t calls = kw_custody_calls(f, "acme-kms");
    assert_int_equal(kw_authority_tenant_suspend(f->authority, root, "acme", NULL), KW_OK);
    assert_int_equal(open_key(&key), KW_TENANT_SUSPENDED);
    assert_int_equal(kw_custody_calls(f, "acme-kms"), calls);
    refuse_with("acme-kms", KW_OK);
    assert_int_equal(kw_authority_tenant_resume(f->authority, root, "acme", NULL), KW_OK);
    kw_custody_later(31000);
    assert_int_equal(open_key(&key), KW_OK);
}

/* ---- Moving on, and back ----------------------------------------------------------------------
 */

static void test_move_on(void **state)
{
    KW_UNUSED(state);
    struct kw_fixture_key first = seal("acme");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "old"), KW_OK);
    struct kw_fixture_key second = seal("acme");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "new"), KW_OK);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "old"), 0);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", "new"), 3);
    assert_int_equal(kw_custody_attach(f, "acme", "acme-two", "k"), KW_OK);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-kms", NULL), 0);
    assert_int_equal(kw_custody_copies(f, "acme", "acme-two", "k"), 4);
    refuse_with("acme-kms", KW_KEY_DESTROYED);
    flush();
    assert_int_equal(open_key(&first), KW_OK);
    assert_int_equal(open_key(&second), KW_OK);
}

static void test_detach(void **state)
{
    uint32_t version = 0;
    KW_UNUSED(state);
    struct kw_fixture_key first = seal("acme");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    struct kw_fixture_key second = seal("acme");
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
    assert_int_equal(open_key(&first), KW_OK);
    assert_int_equal(open_key(&second), KW_OK);
    assert_int_equal(kw_fixture_entries(f, "DetachKey", ""), 1);
}

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
    struct kw_fixture_key key = seal("acme");
    assert_int_equal(kw_custody_attach(f, "acme", "acme-kms", "k"), KW_OK);
    atomic_store(&acted, false);
    kw_fixture_script(f, "acme-kms")->seen = detach_and_refuse;
    assert_int_equal(open_key(&key), KW_OK);
    assert_true(atomic_load(&acted));
}

/* ---- All the while ----------------------------------------------------------------------------
 */

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
    struct kw_fixture_key key = seal("acme");
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
        TEST(test_attach_moves_everything),
        TEST(test_our_copies_are_gone),
        TEST(test_many_versions),
        TEST(test_rotation_asks_the_customer_alone),
        TEST(test_wall),
        TEST(test_copy_of_another_tenant),
        TEST(test_rights),
        TEST(test_names_and_states),
        TEST(test_each_call_fails),
        TEST(test_each_store_call_fails),
        TEST(test_without_a_ledger),
        TEST(test_sides_are_named),
        TEST(test_no_is_obeyed_in_use),
        TEST(test_silence_ends_later),
        TEST(test_our_brakes_ask_nobody),
        TEST(test_move_on),
        TEST(test_detach),
        TEST(test_moves_while_it_is_loaded),
        TEST(test_moves_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "store_contract.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ok(call)          assert_int_equal((call), KW_OK)
#define fails(code, call) assert_int_equal((call), (code))

static const struct kw_store_subject *subject;
static struct kw_error err;

static int open_fresh(void **state)
{
    return subject->fresh(subject->arg, (struct kw_store **)state, &err) == KW_OK ? 0 : -1;
}

static int close_and_clear(void **state)
{
    kw_store_free(*state);
    subject->clear(subject->arg);
    return 0;
}

static void fill(struct kw_store *store, const char *id, uint64_t reference)
{
    ok(kw_test_store_fill(store, id, reference, &err));
}

static void meta_values_are_kept(void **state)
{
    struct kw_store *store = *state;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    fails(KW_NOT_FOUND, kw_store_meta_get(store, "id", &out, &err));
    ok(kw_store_begin(store, &err));
    ok(kw_store_meta_put(store, "id", kw_bytes("\0\1\2", 3), &err));
    ok(kw_store_meta_put(store, "empty", kw_bytes(NULL, 0), &err));
    ok(kw_store_meta_put(store, "id", kw_bytes("\0new", 4), &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_meta_get(store, "id", &out, &err));
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "\0new", 4);
    ok(kw_store_meta_get(store, "empty", &out, &err));
    assert_int_equal(out.len, 4); /* appended, and empty */
}

static void meta_values_are_bounded(void **state)
{
    struct kw_store *store = *state;
    static const uint8_t large[64 * 1024 + 1] = {0};
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    ok(kw_store_begin(store, &err));
    fails(KW_TOO_LARGE, kw_store_meta_put(store, "id", kw_bytes(large, sizeof large), &err));
    fails(KW_BAD_NAME, kw_store_meta_put(store, "", kw_bytes("x", 1), &err));
    ok(kw_store_meta_put(store, "id", kw_bytes(large, sizeof large - 1), &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_meta_get(store, "id", &out, &err));
    assert_int_equal(out.len, sizeof large - 1);
}

static void writing_needs_a_transaction(void **state)
{
    struct kw_store *store = *state;
    struct kw_tenant_row tenant = kw_test_tenant("acme");
    uint64_t destroyed = 99;
    fails(KW_INTERNAL, kw_store_tenant_add(store, &tenant, &err));
    fails(KW_INTERNAL, kw_store_tenant_set(store, &tenant, &err));
    fails(KW_INTERNAL, kw_store_meta_put(store, "id", kw_bytes("x", 1), &err));
    fails(KW_INTERNAL, kw_store_version_count(store, 1, 1, 1, 1, &err));
    fails(KW_INTERNAL, kw_store_copies_destroy(store, 1, 1, &destroyed, &err));
    fails(KW_INTERNAL, kw_store_token_revoke(store, "ab", &err));
    fails(KW_INTERNAL, kw_store_commit(store, &err));
    assert_int_equal(destroyed, 99);
    kw_store_rollback(store); /* nothing happens */
    ok(kw_store_begin(store, &err));
    fails(KW_INTERNAL, kw_store_begin(store, &err));
    fails(KW_INTERNAL, kw_store_purge(store, &err));
    ok(kw_store_tenant_add(store, &tenant, &err));
    ok(kw_store_commit(store, &err));
    fails(KW_INTERNAL, kw_store_tenant_set(store, &tenant, &err));
}

static void rollback_takes_all_away(void **state)
{
    struct kw_store *store = *state;
    struct kw_tenant_row tenant = kw_test_tenant("acme");
    ok(kw_store_begin(store, &err));
    ok(kw_store_tenant_add(store, &tenant, &err));
    ok(kw_store_meta_put(store, "id", kw_bytes("x", 1), &err));
    ok(kw_store_tenant_get(store, "acme", &tenant, &err)); /* the writer sees it */
    kw_store_rollback(store);
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    fails(KW_TENANT_NOT_FOUND, kw_store_tenant_get(store, "acme", &tenant, &err));
    fails(KW_NOT_FOUND, kw_store_meta_get(store, "id", &out, &err));
}

static void *look_for_acme(void *store)
{
    struct kw_tenant_row row;
    return kw_store_tenant_get(store, "acme", &row, NULL) == KW_OK ? store : NULL;
}

static void others_see_only_what_is_committed(void **state)
{
    struct kw_store *store = *state;
    struct kw_tenant_row tenant = kw_test_tenant("acme");
    pthread_t thread;
    void *seen;
    ok(kw_store_begin(store, &err));
    ok(kw_store_tenant_add(store, &tenant, &err));
    assert_int_equal(pthread_create(&thread, NULL, look_for_acme, store), 0);
    pthread_join(thread, &seen);
    assert_null(seen);
    ok(kw_store_commit(store, &err));
    assert_non_null(look_for_acme(store));
}

static void tenants_are_kept(void **state)
{
    struct kw_store *store = *state;
    struct kw_tenant_row row = kw_test_tenant("acme");
    struct kw_tenant_row got;
    fails(KW_TENANT_NOT_FOUND, kw_store_tenant_get(store, "acme", &got, &err));
    ok(kw_store_begin(store, &err));
    fails(KW_TENANT_NOT_FOUND, kw_store_tenant_set(store, &row, &err));
    ok(kw_store_tenant_add(store, &row, &err));
    fails(KW_EXISTS, kw_store_tenant_add(store, &row, &err));
    row.created_ms = 5; /* stays as added */
    row.state = KW_TENANT_IS_SUSPENDED;
    row.tier = KW_TIER_HYOK;
    row.epoch = UINT64_MAX;
    memset(row.labels, 'x', KW_LABELS_MAX);
    row.labels[0] = '{';
    ok(kw_store_tenant_set(store, &row, &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_tenant_get(store, "acme", &got, &err));
    assert_int_equal(got.created_ms, 1700000000123);
    assert_int_equal(got.state, KW_TENANT_IS_SUSPENDED);
    assert_int_equal(got.tier, KW_TIER_HYOK);
    assert_true(got.epoch == UINT64_MAX);
    assert_string_equal(got.labels, row.labels);
}

static void bad_rows_are_refused(void **state)
{
    struct kw_store *store = *state;
    struct kw_tenant_row row = kw_test_tenant("");
    struct kw_key_row key = kw_test_key(0, "acme", "eu");
    struct kw_copy_row copy = kw_test_copy(1, 1, "software");
    ok(kw_store_begin(store, &err));
    fails(KW_BAD_NAME, kw_store_tenant_add(store, &row, &err));
    row = kw_test_tenant("ac me");
    fails(KW_BAD_NAME, kw_store_tenant_add(store, &row, &err));
    memset(row.id, 'a', sizeof row.id); /* no end */
    fails(KW_BAD_NAME, kw_store_tenant_add(store, &row, &err));
    row = kw_test_tenant("acme");
    row.state = (enum kw_tenant_state)4;
    fails(KW_INTERNAL, kw_store_tenant_add(store, &row, &err));
    row = kw_test_tenant("acme");
    memset(row.labels, '{', sizeof row.labels);
    fails(KW_TOO_LARGE, kw_store_tenant_add(store, &row, &err));
    fails(KW_INTERNAL, kw_store_key_add(store, &key, &err));
    copy.blob_len = KW_COPY_MAX + 1;
    fails(KW_TOO_LARGE, kw_store_copy_put(store, &copy, &err));
    copy.blob_len = 0;
    fails(KW_TOO_LARGE, kw_store_copy_put(store, &copy, &err));
    row = kw_test_tenant("acme"); /* a refused row does not spoil the transaction */
    ok(kw_store_tenant_add(store, &row, &err));
    ok(kw_store_commit(store, &err));
}

static void keys_are_kept(void **state)
{
    struct kw_store *store = *state;
    const uint64_t reference = 0xfedcba9876543210; /* above INT64_MAX */
    fill(store, "acme", reference);
    struct kw_key_row key;
    struct kw_key_row same;
    ok(kw_store_key_get(store, "acme", "eu", &key, &err));
    ok(kw_store_key_by_reference(store, reference, &same, &err));
    assert_memory_equal(&key, &same, sizeof key);
    assert_true(key.reference == reference);
    assert_int_equal(key.tenant_state, KW_TENANT_IS_ACTIVE);
    assert_int_equal(key.epoch, 7);
    assert_string_equal(key.custody, "managed");
    fails(KW_KEY_NOT_FOUND, kw_store_key_get(store, "acme", "us", &key, &err));
    fails(KW_KEY_NOT_FOUND, kw_store_key_by_reference(store, 1, &key, &err));
    assert_memory_equal(&key, &same, sizeof key); /* untouched on failure */
}

static void keys_are_set(void **state)
{
    struct kw_store *store = *state;
    fill(store, "acme", 11);
    struct kw_tenant_row tenant = kw_test_tenant("acme");
    struct kw_key_row key = kw_test_key(11, "other", "us"); /* tenant and region stay */
    struct kw_key_row lost = kw_test_key(12, "acme", "us");
    key.state = KW_KEY_IS_PENDING;
    key.state_before = KW_KEY_IS_SUSPENDED;
    key.current_version = UINT32_MAX;
    key.destroy_at_ms = 1800000000000;
    key.suite = 9;
    tenant.state = KW_TENANT_IS_CLOSED;
    ok(kw_store_begin(store, &err));
    ok(kw_store_key_set(store, &key, &err));
    fails(KW_KEY_NOT_FOUND, kw_store_key_set(store, &lost, &err));
    ok(kw_store_tenant_set(store, &tenant, &err));
    ok(kw_store_commit(store, &err));
    struct kw_key_row got;
    ok(kw_store_key_get(store, "acme", "eu", &got, &err));
    assert_int_equal(got.state, KW_KEY_IS_PENDING);
    assert_int_equal(got.state_before, KW_KEY_IS_SUSPENDED);
    assert_int_equal(got.destroy_at_ms, 1800000000000);
    assert_int_equal(got.tenant_state, KW_TENANT_IS_CLOSED);
    assert_true(got.current_version == UINT32_MAX);
    assert_int_equal(got.suite, 1);
}

static void rows_belong_to_others(void **state)
{
    struct kw_store *store = *state;
    fill(store, "acme", 11);
    const struct kw_key_row orphan = kw_test_key(5, "nobody", "eu");
    const struct kw_key_row second = kw_test_key(5, "acme", "eu");
    const struct kw_key_row same = kw_test_key(11, "acme", "us");
    const struct kw_version_row version = kw_test_version(5, 1);
    const struct kw_version_row again = kw_test_version(11, 1);
    const struct kw_copy_row copy = kw_test_copy(11, 2, "software");
    ok(kw_store_begin(store, &err));
    fails(KW_TENANT_NOT_FOUND, kw_store_key_add(store, &orphan, &err));
    fails(KW_EXISTS, kw_store_key_add(store, &second, &err));
    fails(KW_EXISTS, kw_store_key_add(store, &same, &err));
    fails(KW_KEY_NOT_FOUND, kw_store_version_add(store, &version, &err));
    fails(KW_EXISTS, kw_store_version_add(store, &again, &err));
    fails(KW_VERSION_NOT_FOUND, kw_store_copy_put(store, &copy, &err));
    ok(kw_store_commit(store, &err));
}

static void uses_are_counted(void **state)
{
    struct kw_store *store = *state;
    fill(store, "acme", 11);
    struct kw_version_row row = kw_test_version(11, 1);
    row.wraps = 12345; /* counters are only added to */
    row.state = KW_KEY_IS_DEACTIVATED;
    row.deactivated_ms = 99;
    ok(kw_store_begin(store, &err));
    ok(kw_store_version_count(store, 11, 1, 5, 7, &err));
    ok(kw_store_version_set(store, &row, &err));
    ok(kw_store_version_count(store, 11, 1, 1ull << 40, 0, &err));
    fails(KW_VERSION_NOT_FOUND, kw_store_version_count(store, 11, 2, 1, 1, &err));
    ok(kw_store_commit(store, &err));
    struct kw_version_row got;
    ok(kw_store_version_get(store, 11, 1, &got, &err));
    assert_true(got.wraps == (1ull << 40) + 5);
    assert_int_equal(got.unwraps, 7);
    assert_int_equal(got.state, KW_KEY_IS_DEACTIVATED);
    assert_int_equal(got.deactivated_ms, 99);
    assert_memory_equal(got.commitment, row.commitment, sizeof got.commitment);
    fails(KW_VERSION_NOT_FOUND, kw_store_version_get(store, 11, 2, &got, &err));
}

struct copies {
    struct kw_copy_row rows[8];
    size_t count;
};

static bool take_copy(void *arg, const struct kw_copy_row *row)
{
    struct copies *copies = arg;
    copies->rows[copies->count++] = *row;
    return true;
}

static void copies_are_replaced(void **state)
{
    struct kw_store *store = *state;
    fill(store, "acme", 11);
    struct kw_copy_row aws = kw_test_copy(11, 1, "aws-eu");
    struct kw_copy_row software = kw_test_copy(11, 1, "software");
    aws.blob_len = KW_COPY_MAX;
    memset(aws.blob, 0xee, sizeof aws.blob);
    snprintf(software.provider_key, sizeof software.provider_key, "other");
    software.blob_len = 1;
    ok(kw_store_begin(store, &err));
    ok(kw_store_copy_put(store, &software, &err));
    ok(kw_store_copy_put(store, &aws, &err));
    ok(kw_store_commit(store, &err));
    static struct copies got;
    got.count = 0;
    ok(kw_store_copies(store, 11, 1, take_copy, &got, &err));
    assert_int_equal(got.count, 2);
    assert_string_equal(got.rows[0].provider, "aws-eu");
    assert_int_equal(got.rows[0].blob_len, KW_COPY_MAX);
    assert_memory_equal(got.rows[0].blob, aws.blob, KW_COPY_MAX);
    assert_string_equal(got.rows[1].provider_key, "other");
    assert_int_equal(got.rows[1].blob_len, 1);
}

static size_t copies_of(struct kw_store *store, uint32_t version)
{
    static struct copies got;
    got.count = 0;
    ok(kw_store_copies(store, 11, version, take_copy, &got, &err));
    return got.count;
}

static void copies_are_destroyed(void **state)
{
    struct kw_store *store = *state;
    fill(store, "acme", 11);
    fill(store, "globex", 12);
    uint64_t destroyed = 0;
    ok(kw_store_begin(store, &err));
    for (uint32_t version = 2; version <= 4; version++) {
        struct kw_version_row row = kw_test_version(11, version);
        struct kw_copy_row copy = kw_test_copy(11, version, "software");
        ok(kw_store_version_add(store, &row, &err));
        ok(kw_store_copy_put(store, &copy, &err));
    }
    ok(kw_store_copies_destroy(store, 11, 2, &destroyed, &err));
    assert_int_equal(destroyed, 1);
    ok(kw_store_commit(store, &err));
    assert_int_equal(copies_of(store, 2), 0);
    assert_int_equal(copies_of(store, 3), 1);
    ok(kw_store_begin(store, &err));
    ok(kw_store_copies_destroy(store, 11, 0, &destroyed, &err));
    assert_int_equal(destroyed, 3);
    ok(kw_store_commit(store, &err));
    assert_int_equal(copies_of(store, 1) + copies_of(store, 3) + copies_of(store, 4), 0);
    static struct copies other;
    other.count = 0;
    ok(kw_store_copies(store, 12, 1, take_copy, &other, &err));
    assert_int_equal(other.count, 1);
    ok(kw_store_purge(store, &err));
}

static struct kw_token_row token(const char *id)
{
    struct kw_token_row row = {.principal = "spiffe://example/billing",
                               .roles = "seal,open",
                               .tenants = "acme,globex",
                               .created_ms = 1,
                               .expires_ms = 2};
    snprintf(row.id, sizeof row.id, "%s", id);
    memset(row.hash, 0x5c, sizeof row.hash);
    return row;
}

static void tokens_are_kept(void **state)
{
    struct kw_store *store = *state;
    const struct kw_token_row row = token("00112233");
    struct kw_token_row got;
    ok(kw_store_begin(store, &err));
    fails(KW_NOT_FOUND, kw_store_token_revoke(store, "00112233", &err));
    ok(kw_store_token_add(store, &row, &err));
    fails(KW_EXISTS, kw_store_token_add(store, &row, &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_token_get(store, "00112233", &got, &err));
    assert_memory_equal(got.hash, row.hash, sizeof row.hash);
    assert_string_equal(got.tenants, "acme,globex");
    assert_false(got.revoked);
    ok(kw_store_begin(store, &err));
    ok(kw_store_token_revoke(store, "00112233", &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_token_get(store, "00112233", &got, &err));
    assert_true(got.revoked);
    assert_string_equal(got.principal, row.principal);
    fails(KW_NOT_FOUND, kw_store_token_get(store, "00112234", &got, &err));
}

/* Collects ids of a list as "a b c ". */
struct ids {
    char text[512];
    size_t stop_after;
};

static bool note(struct ids *ids, const char *id)
{
    size_t len = strlen(ids->text);
    snprintf(ids->text + len, sizeof ids->text - len, "%s ", id);
    return ids->stop_after == 0 || --ids->stop_after > 0;
}

static bool note_tenant(void *arg, const struct kw_tenant_row *row)
{
    return note(arg, row->id);
}

static bool note_key(void *arg, const struct kw_key_row *row)
{
    char name[16];
    snprintf(name, sizeof name, "%llu", (unsigned long long)row->reference);
    return note(arg, name);
}

static bool note_version(void *arg, const struct kw_version_row *row)
{
    char name[16];
    snprintf(name, sizeof name, "%u", row->version);
    return note(arg, name);
}

static bool note_token(void *arg, const struct kw_token_row *row)
{
    return note(arg, row->id);
}

static void expect_tenants(struct kw_store *store, const char *prefix, const char *after,
                           size_t limit, const char *want)
{
    struct ids ids = {.stop_after = 0};
    ok(kw_store_tenants(store, prefix, after, limit, note_tenant, &ids, &err));
    assert_string_equal(ids.text, want);
}

static void tenants_are_listed(void **state)
{
    struct kw_store *store = *state;
    const char *const ids[] = {"b", "a-2", "a", "a.1", "ab", "c~", "a-10"};
    for (size_t i = 0; i < KW_COUNT(ids); i++)
        fill(store, ids[i], 100 + i);
    expect_tenants(store, NULL, NULL, SIZE_MAX, "a a-10 a-2 a.1 ab b c~ ");
    expect_tenants(store, "a", NULL, 100, "a a-10 a-2 a.1 ab ");
    expect_tenants(store, "a-", NULL, 100, "a-10 a-2 ");
    expect_tenants(store, "", "a-2", 2, "a.1 ab ");
    expect_tenants(store, "a", "a.1", 100, "ab ");
    expect_tenants(store, "b", "a", 100, "b ");
    expect_tenants(store, "a", "b", 100, "");
    expect_tenants(store, "c~", NULL, 100, "c~ ");
    expect_tenants(store, "zz", NULL, 100, "");
    expect_tenants(store, NULL, NULL, 0, "");
    struct ids two = {.stop_after = 2};
    ok(kw_store_tenants(store, NULL, NULL, 100, note_tenant, &two, &err));
    assert_string_equal(two.text, "a a-10 ");
}

static void the_rest_is_listed(void **state)
{
    struct kw_store *store = *state;
    const struct kw_key_row us = kw_test_key(3, "acme", "us");
    const struct kw_key_row ap = kw_test_key(4, "acme", "ap");
    fill(store, "acme", 11);
    fill(store, "globex", 12);
    ok(kw_store_begin(store, &err));
    ok(kw_store_key_add(store, &us, &err));
    ok(kw_store_key_add(store, &ap, &err));
    for (uint32_t version = 12; version > 1; version--) {
        struct kw_version_row row = kw_test_version(11, version);
        ok(kw_store_version_add(store, &row, &err));
    }
    struct kw_token_row second = token("bb");
    struct kw_token_row first = token("aa");
    ok(kw_store_token_add(store, &second, &err));
    ok(kw_store_token_add(store, &first, &err));
    ok(kw_store_commit(store, &err));
    struct ids keys = {.stop_after = 0};
    struct ids versions = {.stop_after = 0};
    struct ids tokens = {.stop_after = 0};
    ok(kw_store_keys(store, "acme", note_key, &keys, &err));
    ok(kw_store_versions(store, 11, note_version, &versions, &err));
    ok(kw_store_tokens(store, note_token, &tokens, &err));
    assert_string_equal(keys.text, "4 11 3 ");
    assert_string_equal(versions.text, "1 2 3 4 5 6 7 8 9 10 11 12 ");
    assert_string_equal(tokens.text, "aa bb ");
}

static void due_keys_are_listed(void **state)
{
    struct kw_store *store = *state;
    static const struct {
        const char *tenant;
        uint64_t reference;
        enum kw_key_state state;
        int64_t at;
    } keys[] = {{"a", 1, KW_KEY_IS_PENDING, 3000},
                {"b", 2, KW_KEY_IS_ACTIVE, 0},
                {"c", 3, KW_KEY_IS_PENDING, 1000},
                {"d", 4, KW_KEY_IS_DESTROYED, 500},
                {"e", 5, KW_KEY_IS_PENDING, 2000}};
    for (size_t i = 0; i < KW_COUNT(keys); i++) {
        fill(store, keys[i].tenant, keys[i].reference);
        struct kw_key_row row = kw_test_key(keys[i].reference, keys[i].tenant, "eu");
        row.state = keys[i].state;
        row.destroy_at_ms = keys[i].at;
        ok(kw_store_begin(store, &err));
        ok(kw_store_key_set(store, &row, &err));
        ok(kw_store_commit(store, &err));
    }
    struct ids none = {.stop_after = 0};
    struct ids two = {.stop_after = 0};
    struct ids first = {.stop_after = 0};
    ok(kw_store_keys_due(store, 999, 100, note_key, &none, &err));
    ok(kw_store_keys_due(store, 2000, 100, note_key, &two, &err));
    ok(kw_store_keys_due(store, 9000, 1, note_key, &first, &err));
    assert_string_equal(none.text, "");
    assert_string_equal(two.text, "3 5 ");
    assert_string_equal(first.text, "3 ");
}

static bool call_back(void *arg, const struct kw_tenant_row *row)
{
    struct kw_tenant_row copy = *row;
    fails(KW_INTERNAL, kw_store_tenant_get(arg, "acme", &copy, &err));
    fails(KW_INTERNAL, kw_store_begin(arg, &err));
    return true;
}

static void a_list_may_not_call_back(void **state)
{
    struct kw_store *store = *state;
    fill(store, "acme", 11);
    ok(kw_store_tenants(store, NULL, NULL, 10, call_back, store, &err));
    struct kw_tenant_row row;
    ok(kw_store_tenant_get(store, "acme", &row, &err));
}

static void everything_is_counted_and_checked(void **state)
{
    struct kw_store *store = *state;
    struct kw_store_counts counts;
    ok(kw_store_counts(store, &counts, &err));
    assert_int_equal(counts.tenants + counts.keys + counts.versions, 0);
    fill(store, "acme", 11);
    fill(store, "globex", 12);
    ok(kw_store_counts(store, &counts, &err));
    assert_int_equal(counts.tenants, 2);
    assert_int_equal(counts.keys, 2);
    assert_int_equal(counts.versions, 2);
    ok(kw_store_check(store, &err));
}

static void what_is_committed_outlives_closing(void **state)
{
    fill(*state, "acme", 11);
    struct kw_tenant_row row = kw_test_tenant("half");
    ok(kw_store_begin(*state, &err));
    ok(kw_store_tenant_add(*state, &row, &err));
    kw_store_free(*state); /* rolls back */
    *state = NULL;
    ok(subject->again(subject->arg, (struct kw_store **)state, &err));
    ok(kw_store_tenant_get(*state, "acme", &row, &err));
    assert_string_equal(row.labels, "{\"plan\":\"gold\"}");
    fails(KW_TENANT_NOT_FOUND, kw_store_tenant_get(*state, "half", &row, &err));
    ok(kw_store_check(*state, &err));
}

enum { WRITERS = 4, ROUNDS = 25 };

static void *write_and_read(void *arg)
{
    struct kw_store *store = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct kw_version_row row;
        if (kw_store_begin(store, NULL) != KW_OK ||
            kw_store_version_count(store, 11, 1, 1, 2, NULL) != KW_OK ||
            kw_store_commit(store, NULL) != KW_OK ||
            kw_store_version_get(store, 11, 1, &row, NULL) != KW_OK || row.unwraps != 2 * row.wraps)
            return store;
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    fill(*state, "acme", 11);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_and_read, *state), 0);
    for (int i = 0; i < WRITERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    struct kw_version_row row;
    ok(kw_store_version_get(*state, 11, 1, &row, &err));
    assert_int_equal(row.wraps, WRITERS * ROUNDS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fresh, close_and_clear)

int kw_store_contract(const struct kw_store_subject *which)
{
    subject = which;
    const struct CMUnitTest tests[] = {
        TEST(meta_values_are_kept),
        TEST(meta_values_are_bounded),
        TEST(writing_needs_a_transaction),
        TEST(rollback_takes_all_away),
        TEST(others_see_only_what_is_committed),
        TEST(tenants_are_kept),
        TEST(bad_rows_are_refused),
        TEST(keys_are_kept),
        TEST(keys_are_set),
        TEST(rows_belong_to_others),
        TEST(uses_are_counted),
        TEST(copies_are_replaced),
        TEST(copies_are_destroyed),
        TEST(tokens_are_kept),
        TEST(tenants_are_listed),
        TEST(the_rest_is_listed),
        TEST(due_keys_are_listed),
        TEST(a_list_may_not_call_back),
        TEST(everything_is_counted_and_checked),
        TEST(threads_share_it),
        TEST(what_is_committed_outlives_closing), /* the last: only where something does */
    };
    size_t count = KW_COUNT(tests) - (which->again == NULL ? 1 : 0);
    return _cmocka_run_group_tests(which->name, tests, count, NULL, NULL);
}

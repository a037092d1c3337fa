#include "store_contract_internal.h"

void tenants_are_kept(void **state)
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

void bad_rows_are_refused(void **state)
{
    struct kw_store *store = *state;
    struct kw_tenant_row row = kw_test_tenant("");
    struct kw_key_row key = kw_test_key(0, "acme", "eu");
    struct kw_copy_row copy = kw_test_copy(1, 1, "software");
    struct kw_version_row version = kw_test_version(1, 1);
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
    key = kw_test_key(1, "acme", "eu");
    memset(key.provider_key, 'k', sizeof key.provider_key); /* no end */
    fails(KW_BAD_NAME, kw_store_key_add(store, &key, &err));
    version.expires_ms = -1;
    fails(KW_INTERNAL, kw_store_version_add(store, &version, &err));
    copy.blob_len = 0;
    fails(KW_TOO_LARGE, kw_store_copy_put(store, &copy, &err));
    row = kw_test_tenant("acme"); /* a refused row does not spoil the transaction */
    ok(kw_store_tenant_add(store, &row, &err));
    ok(kw_store_commit(store, &err));
}

void keys_are_kept(void **state)
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

void keys_are_set(void **state)
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
    snprintf(key.custody, sizeof key.custody, "attached");
    snprintf(key.provider, sizeof key.provider, "acme-kms");
    memset(key.provider_key, 'k', KW_PROVIDER_KEY_MAX);
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
    assert_string_equal(got.custody, "attached");
    assert_string_equal(got.provider, "acme-kms");
    assert_string_equal(got.provider_key, key.provider_key);
}

void versions_are_set(void **state)
{
    struct kw_store *store = *state;
    fill(store, "acme", 11);
    struct kw_version_row first = kw_test_version(11, 1);
    struct kw_version_row second = kw_test_version(11, 2);
    struct kw_version_row got;
    second.imported = true;
    second.expires_ms = 1800000000000;
    first.imported = true; /* stays as added */
    ok(kw_store_begin(store, &err));
    ok(kw_store_version_add(store, &second, &err));
    ok(kw_store_version_set(store, &first, &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_version_get(store, 11, 2, &got, &err));
    assert_memory_equal(&got, &second, sizeof got);
    ok(kw_store_version_get(store, 11, 1, &got, &err));
    assert_false(got.imported);
    second.imported = false;
    second.expires_ms = INT64_MAX;
    second.deactivated_ms = 5;
    second.created_ms = 6;
    ok(kw_store_begin(store, &err));
    ok(kw_store_version_set(store, &second, &err));
    ok(kw_store_version_count(store, 11, 2, 1, 2, &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_version_get(store, 11, 2, &got, &err));
    assert_true(got.imported);
    assert_true(got.expires_ms == INT64_MAX);
    assert_int_equal(got.deactivated_ms, 5);
    assert_int_equal(got.created_ms, 1700000000789);
    assert_int_equal(got.unwraps, 2);
}

void rows_belong_to_others(void **state)
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

void uses_are_counted(void **state)
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

void copies_are_replaced(void **state)
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

void copies_are_destroyed(void **state)
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

void tokens_are_kept(void **state)
{
    struct kw_store *store = *state;
    const struct kw_token_row row = kw_test_token("00112233");
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

#include "store_contract_internal.h"

#include <pthread.h>

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

void tenants_are_listed(void **state)
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

void the_rest_is_listed(void **state)
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
    struct kw_token_row second = kw_test_token("bb");
    struct kw_token_row first = kw_test_token("aa");
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

void due_keys_are_listed(void **state)
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

void a_list_may_not_call_back(void **state)
{
    struct kw_store *store = *state;
    fill(store, "acme", 11);
    ok(kw_store_tenants(store, NULL, NULL, 10, call_back, store, &err));
    struct kw_tenant_row row;
    ok(kw_store_tenant_get(store, "acme", &row, &err));
}

void everything_is_counted_and_checked(void **state)
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

#include "store_contract_internal.h"

/* What a search gave, as "reference.version reference.version ". */
struct places {
    char text[2048];
    struct kw_store_place last;
    size_t count;
    size_t stop_after;
};

static bool note_place(void *arg, const struct kw_version_row *row)
{
    struct places *places = arg;
    size_t len = strlen(places->text);
    if (len + 32 < sizeof places->text)
        snprintf(places->text + len, sizeof places->text - len, "%llu.%u ",
                 (unsigned long long)row->reference, row->version);
    places->last = (struct kw_store_place){row->reference, row->version};
    return ++places->count != places->stop_after;
}

static const struct kw_store_lack aws = {"eu", "aws", "arn:1"};

static void lacking_are(struct kw_store *store, const struct kw_store_lack *lack, const char *want)
{
    struct places places = {.count = 0};
    const struct kw_store_place start = {0, 0};
    ok(kw_store_versions_lacking(store, lack, &start, SIZE_MAX, note_place, &places, &err));
    assert_string_equal(places.text, want);
}

static void put_copy(struct kw_store *store, uint64_t reference, uint32_t version,
                     const char *provider, const char *key)
{
    struct kw_copy_row copy = kw_test_copy(reference, version, provider);
    snprintf(copy.provider_key, sizeof copy.provider_key, "%s", key);
    ok(kw_store_copy_put(store, &copy, &err));
}

static void add_version(struct kw_store *store, uint64_t reference, uint32_t version)
{
    const struct kw_version_row row = kw_test_version(reference, version);
    ok(kw_store_version_add(store, &row, &err));
}

static void set_key(struct kw_store *store, uint64_t reference, const char *custody,
                    const char *provider, enum kw_key_state key_state)
{
    struct kw_key_row row = kw_test_key(reference, "x", "eu");
    row.state = key_state;
    snprintf(row.custody, sizeof row.custody, "%s", custody);
    snprintf(row.provider, sizeof row.provider, "%s", provider);
    ok(kw_store_key_set(store, &row, &err));
}

void lacking_versions_are_found(void **state)
{
    struct kw_store *store = *state;
    const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g"};
    for (size_t i = 0; i < KW_COUNT(ids); i++)
        fill(store, ids[i], 1 + i);
    struct kw_version_row gone = kw_test_version(2, 1);
    struct kw_version_row batch = kw_test_version(1, 4);
    gone.state = KW_KEY_IS_DESTROYED;
    uint64_t destroyed;
    const struct kw_key_row us = kw_test_key(9, "a", "us");
    ok(kw_store_begin(store, &err));
    put_copy(store, 1, 1, "aws", "arn:1"); /* has it */
    add_version(store, 1, 2);              /* has no copy at all: nothing to repair from */
    add_version(store, 1, 3);
    memset(batch.sign_public, 0, sizeof batch.sign_public); /* a batch key: the customer's */
    ok(kw_store_version_add(store, &batch, &err));
    put_copy(store, 1, 4, "software", "eu");
    put_copy(store, 1, 3, "software", "eu");
    put_copy(store, 1, 3, "aws", "arn:0");        /* under another root key */
    ok(kw_store_version_set(store, &gone, &err)); /* 2.1 */
    set_key(store, 3, "imported", "", KW_KEY_IS_PENDING);
    set_key(store, 4, "attached", "kms-d", KW_KEY_IS_ACTIVE);
    set_key(store, 5, "held", "kms-e", KW_KEY_IS_ACTIVE);
    set_key(store, 6, "managed", "", KW_KEY_IS_DESTROYED);
    ok(kw_store_copies_destroy(store, 7, 1, &destroyed, &err));
    ok(kw_store_key_add(store, &us, &err));
    add_version(store, 9, 1);
    put_copy(store, 9, 1, "software", "us");
    ok(kw_store_commit(store, &err));
    lacking_are(store, &aws, "1.3 3.1 ");
    lacking_are(store, &(struct kw_store_lack){"us", "aws", "arn:1"}, "9.1 ");
    lacking_are(store, &(struct kw_store_lack){"ap", "aws", "arn:1"}, "");
    lacking_are(store, &(struct kw_store_lack){"eu", "aws", "arn:0"}, "1.1 3.1 ");
    lacking_are(store, &(struct kw_store_lack){"eu", "software", "eu"}, "");
    ok(kw_store_begin(store, &err));
    put_copy(store, 3, 1, "aws", "arn:1");
    set_key(store, 5, "managed", "kms-e", KW_KEY_IS_ACTIVE); /* was held, and is ours again */
    add_version(store, 5, 2);
    put_copy(store, 5, 2, "kms-e", "theirs");
    lacking_are(store, &aws, "1.3 5.1 "); /* the writer sees it */
    ok(kw_store_commit(store, &err));
    lacking_are(store, &aws, "1.3 5.1 ");
    const struct kw_store_place start = {0, 0};
    fails(KW_BAD_NAME, kw_store_versions_lacking(store, &(struct kw_store_lack){"eu", "", "k"},
                                                 &start, 1, note_place, NULL, &err));
}

enum { MANY = 5000 }; /* more than one slice of a search */

static uint64_t scattered(uint64_t i)
{
    return (i + 1) * 0x9e3779b97f4a7c15; /* half of them above INT64_MAX */
}

static void fill_many(struct kw_store *store)
{
    ok(kw_store_begin(store, &err));
    for (uint64_t i = 0; i < MANY; i++) {
        char id[32];
        snprintf(id, sizeof id, "t%llu", (unsigned long long)i);
        const struct kw_tenant_row tenant = kw_test_tenant(id);
        const struct kw_key_row key = kw_test_key(scattered(i), id, "eu");
        ok(kw_store_tenant_add(store, &tenant, &err));
        ok(kw_store_key_add(store, &key, &err));
        for (uint32_t version = 1; version <= 2; version++) {
            add_version(store, scattered(i), version);
            put_copy(store, scattered(i), version, "software", "eu");
            if (i % 5 != 0)
                put_copy(store, scattered(i), version, "aws", "arn:1");
        }
    }
    ok(kw_store_commit(store, &err));
}

/* Pages of a prime length, each beginning behind the one before, give every lacking version once
 * and end. */
void lacking_versions_come_by_pages(void **state)
{
    struct kw_store *store = *state;
    static struct places page;
    struct kw_store_place after = {0, 0};
    size_t found = 0;
    fill_many(store);
    for (;;) {
        page = (struct places){.count = 0};
        ok(kw_store_versions_lacking(store, &aws, &after, 7, note_place, &page, &err));
        assert_true(page.count <= 7);
        found += page.count;
        if (page.count == 0)
            break;
        assert_true((int64_t)page.last.reference > (int64_t)after.reference || found <= 7 ||
                    (page.last.reference == after.reference && page.last.version > after.version));
        after = page.last;
    }
    assert_int_equal(found, MANY / 5 * 2);
    page = (struct places){.stop_after = 3};
    after = (struct kw_store_place){0, 0};
    ok(kw_store_versions_lacking(store, &aws, &after, SIZE_MAX, note_place, &page, &err));
    assert_int_equal(page.count, 3);
    ok(kw_store_versions_lacking(store, &aws, &after, 0, note_place, &page, &err));
    assert_int_equal(page.count, 3);
}

static void expired_are(struct kw_store *store, int64_t now_ms, size_t limit, const char *want)
{
    struct places places = {.count = 0};
    ok(kw_store_versions_expired(store, now_ms, limit, note_place, &places, &err));
    assert_string_equal(places.text, want);
}

void expired_versions_are_found(void **state)
{
    struct kw_store *store = *state;
    static const int64_t ends[] = {3000, 0, 1000, 2000, 2000};
    const char *const ids[] = {"a", "b", "c", "d", "e"};
    uint64_t destroyed;
    for (size_t i = 0; i < KW_COUNT(ids); i++) {
        fill(store, ids[i], 1 + i);
        struct kw_version_row row = kw_test_version(1 + i, 1);
        row.expires_ms = ends[i];
        ok(kw_store_begin(store, &err));
        ok(kw_store_version_set(store, &row, &err));
        ok(kw_store_commit(store, &err));
    }
    expired_are(store, 999, 100, "");
    expired_are(store, 2000, 100, "3.1 4.1 5.1 ");
    expired_are(store, INT64_MAX, 2, "3.1 4.1 ");
    ok(kw_store_begin(store, &err));
    ok(kw_store_copies_destroy(store, 3, 1, &destroyed, &err));
    ok(kw_store_commit(store, &err));
    expired_are(store, INT64_MAX, 100, "4.1 5.1 1.1 ");
}

static bool note_census(void *arg, const struct kw_copy_census *row)
{
    char *text = arg;
    size_t len = strlen(text);
    snprintf(text + len, 256 - len, "%s/%s=%llu ", row->region, row->provider,
             (unsigned long long)row->copies);
    return strlen(text) < 200;
}

static bool census_calls_back(void *arg, const struct kw_copy_census *row)
{
    KW_UNUSED(row);
    struct kw_store_counts counts;
    fails(KW_INTERNAL, kw_store_counts(arg, &counts, &err));
    return false;
}

void copies_are_counted(void **state)
{
    struct kw_store *store = *state;
    char text[256] = "";
    ok(kw_store_copies_census(store, note_census, text, &err));
    assert_string_equal(text, "");
    fill(store, "a", 1);
    fill(store, "b", 2);
    fill(store, "c", 3);
    uint64_t destroyed;
    const struct kw_key_row ap = kw_test_key(9, "a", "ap");
    ok(kw_store_begin(store, &err));
    put_copy(store, 2, 1, "aws", "arn:1");
    ok(kw_store_key_add(store, &ap, &err));
    add_version(store, 9, 1);
    put_copy(store, 9, 1, "software", "ap");
    put_copy(store, 9, 1, "software", "ap2"); /* in its place */
    ok(kw_store_copies_destroy(store, 3, 1, &destroyed, &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_copies_census(store, note_census, text, &err));
    assert_string_equal(text, "ap/software=1 eu/aws=1 eu/software=2 ");
    ok(kw_store_copies_census(store, census_calls_back, store, &err));
    ok(kw_store_check(store, &err));
}

struct costs {
    struct kw_cost_row rows[32];
    size_t count;
};

static bool take_cost(void *arg, const struct kw_cost_row *row)
{
    struct costs *costs = arg;
    costs->rows[costs->count++] = *row;
    return costs->count < KW_COUNT(costs->rows);
}

static void add_cost(struct kw_store *store, const struct kw_cost_row *row)
{
    ok(kw_store_begin(store, &err));
    ok(kw_store_cost_add(store, row, &err));
    ok(kw_store_commit(store, &err));
}

void costs_are_added_up(void **state)
{
    struct kw_store *store = *state;
    struct kw_cost_row row = kw_test_cost(20000, "acme", "aws");
    struct costs got = {.count = 0};
    const struct kw_cost_range all = {0, INT64_MAX, NULL};
    add_cost(store, &row);
    row.nano = 5;
    row.failures = 0;
    ok(kw_store_begin(store, &err));
    ok(kw_store_cost_add(store, &row, &err));
    ok(kw_store_cost_add(store, &row, &err));
    ok(kw_store_commit(store, &err));
    ok(kw_store_begin(store, &err));
    ok(kw_store_cost_add(store, &row, &err));
    kw_store_rollback(store);
    ok(kw_store_costs(store, &all, take_cost, &got, &err));
    assert_int_equal(got.count, 1);
    assert_string_equal(got.rows[0].tenant, "acme");
    assert_string_equal(got.rows[0].region, "eu");
    assert_string_equal(got.rows[0].provider, "aws");
    assert_int_equal(got.rows[0].day, 20000);
    assert_int_equal(got.rows[0].wraps, 9);
    assert_int_equal(got.rows[0].unwraps, 12);
    assert_int_equal(got.rows[0].failures, 1);
    assert_int_equal(got.rows[0].nano, 21010);
    row.nano = UINT64_MAX; /* a sum ends there */
    add_cost(store, &row);
    add_cost(store, &row);
    got.count = 0;
    ok(kw_store_costs(store, &all, take_cost, &got, &err));
    assert_true(got.rows[0].nano == UINT64_MAX);
    assert_int_equal(got.rows[0].wraps, 15);
    ok(kw_store_check(store, &err));
}

static void costs_are(struct kw_store *store, const struct kw_cost_range *range, const char *want)
{
    struct costs got = {.count = 0};
    char text[512] = "";
    ok(kw_store_costs(store, range, take_cost, &got, &err));
    for (size_t i = 0; i < got.count; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%lld:%s/%s ", (long long)got.rows[i].day,
                 got.rows[i].tenant, got.rows[i].provider);
    }
    assert_string_equal(text, want);
}

void costs_are_listed(void **state)
{
    struct kw_store *store = *state;
    static const struct {
        int64_t day;
        const char *tenant, *provider;
    } rows[] = {{7, "b", "aws"}, {7, "a", "gcp"}, {7, "a", "aws"}, {8, "a", ""},
                {6, "a", "aws"}, {8, "", "aws"},  {9, "b", "gcp"}};
    costs_are(store, &(struct kw_cost_range){0, 100, NULL}, "");
    for (size_t i = 0; i < KW_COUNT(rows); i++) {
        const struct kw_cost_row row = kw_test_cost(rows[i].day, rows[i].tenant, rows[i].provider);
        add_cost(store, &row);
    }
    costs_are(store, &(struct kw_cost_range){7, 8, NULL}, "7:a/aws 7:a/gcp 7:b/aws 8:/aws 8:a/ ");
    costs_are(store, &(struct kw_cost_range){0, 100, "a"}, "6:a/aws 7:a/aws 7:a/gcp 8:a/ ");
    costs_are(store, &(struct kw_cost_range){7, 7, "b"}, "7:b/aws ");
    costs_are(store, &(struct kw_cost_range){0, 100, ""}, "8:/aws ");
    costs_are(store, &(struct kw_cost_range){0, 100, "nobody"}, "");
    costs_are(store, &(struct kw_cost_range){8, 7, NULL}, "");
}

void bad_costs_are_refused(void **state)
{
    struct kw_store *store = *state;
    struct kw_cost_row row = kw_test_cost(-1, "acme", "aws");
    struct costs got = {.count = 0};
    ok(kw_store_begin(store, &err));
    fails(KW_INTERNAL, kw_store_cost_add(store, &row, &err));
    row = kw_test_cost(1, "ac me", "aws");
    fails(KW_BAD_NAME, kw_store_cost_add(store, &row, &err));
    row = kw_test_cost(1, "acme", "aws");
    row.region[0] = '\0';
    fails(KW_BAD_NAME, kw_store_cost_add(store, &row, &err));
    row = kw_test_cost(1, "acme", "aws");
    memset(row.provider, 'p', sizeof row.provider); /* no end */
    fails(KW_BAD_NAME, kw_store_cost_add(store, &row, &err));
    ok(kw_store_commit(store, &err));
    fails(KW_BAD_NAME,
          kw_store_costs(store, &(struct kw_cost_range){0, 1, "a b"}, take_cost, &got, &err));
    assert_int_equal(got.count, 0);
}

/* Everything that can fail underneath does, at every place in turn: a change happens whole or not
 * at all, and the ledger never says too little. */
#include "authority_scene.h"

#include <time.h>

static const int64_t day_ms = 24LL * 3600 * 1000;

static int setup(void **state)
{
    const struct kw_fixture_options options = {.faulty_store = true};
    KW_UNUSED(state);
    f = kw_fixture_open(&options);
    kw_fixture_tenant(f, "acme", "eu");
    return 0;
}

/* ---- All that the store holds, as text --------------------------------------------------------
 */

struct snapshot {
    struct kw_buf text;
    struct kw_key_row keys[16];
    size_t key_count;
};

static bool see_tenant(void *arg, const struct kw_tenant_row *row)
{
    kw_buf_printf(&((struct snapshot *)arg)->text, "tenant %s %d %d %llu\n", row->id, row->state,
                  row->tier, (unsigned long long)row->epoch);
    return true;
}

static bool see_key(void *arg, const struct kw_key_row *row)
{
    struct snapshot *s = arg;
    kw_buf_printf(&s->text, "key %s %s %d %d %u %lld %llu\n", row->tenant, row->region, row->state,
                  row->state_before, row->current_version, (long long)row->destroy_at_ms,
                  (unsigned long long)row->epoch);
    s->keys[s->key_count++] = *row;
    return s->key_count < KW_COUNT(s->keys);
}

static bool see_version(void *arg, const struct kw_version_row *row)
{
    kw_buf_printf(&((struct snapshot *)arg)->text, "version %u %d %lld\n", row->version, row->state,
                  (long long)row->deactivated_ms);
    return true;
}

static bool see_copy(void *arg, const struct kw_copy_row *row)
{
    kw_buf_printf(&((struct snapshot *)arg)->text, "copy %s %zu\n", row->provider, row->blob_len);
    return true;
}

static bool see_token(void *arg, const struct kw_token_row *row)
{
    kw_buf_printf(&((struct snapshot *)arg)->text, "token %s %d\n", row->id, row->revoked);
    return true;
}

static char *snapshot(void)
{
    struct snapshot s = {.key_count = 0};
    kw_faulty_fail(&f->faulty, 0, KW_OK, false);
    assert_int_equal(kw_store_tenants(f->store, NULL, NULL, 100, see_tenant, &s, NULL), KW_OK);
    assert_int_equal(kw_store_keys(f->store, "acme", see_key, &s, NULL), KW_OK);
    for (size_t i = 0; i < s.key_count; i++) {
        uint64_t reference = s.keys[i].reference;
        assert_int_equal(kw_store_versions(f->store, reference, see_version, &s, NULL), KW_OK);
        for (uint32_t v = 1; v <= s.keys[i].current_version; v++)
            assert_int_equal(kw_store_copies(f->store, reference, v, see_copy, &s, NULL), KW_OK);
    }
    assert_int_equal(kw_store_tokens(f->store, see_token, &s, NULL), KW_OK);
    char *text = strdup(kw_buf_str(&s.text));
    kw_buf_wipe(&s.text);
    assert_non_null(text);
    return text;
}

/* ---- The changes ------------------------------------------------------------------------------
 */

static char token_id[33];

static kw_code create(void)
{
    struct kw_tenant_spec spec = {
        .id = "new", .regions = (const char *const[]){"eu", "us"}, .region_count = 2};
    return kw_authority_tenant_create(f->authority, root, &spec, NULL);
}

static kw_code add_region(void)
{
    return kw_authority_tenant_add_region(f->authority, root, "acme", "us", NULL);
}

static kw_code suspend(void)
{
    return kw_authority_tenant_suspend(f->authority, root, "acme", NULL);
}

static kw_code resume(void)
{
    return kw_authority_tenant_resume(f->authority, root, "acme", NULL);
}

static kw_code close_tenant(void)
{
    return kw_authority_tenant_close(f->authority, root, "acme", 7, NULL);
}

static kw_code rotate(void)
{
    return kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, NULL);
}

static kw_code disable(void)
{
    return kw_authority_key_disable(f->authority, root, "acme", "eu", NULL);
}

static kw_code enable(void)
{
    return kw_authority_key_enable(f->authority, root, "acme", "eu", NULL);
}

static kw_code schedule(void)
{
    return kw_authority_key_schedule_destroy(f->authority, root, "acme", "eu", 7, NULL, NULL);
}

static kw_code cancel(void)
{
    return kw_authority_key_cancel_destroy(f->authority, root, "acme", "eu", NULL);
}

/* What may fail once the key is destroyed (overwriting its pages) is tried again by the next tick.
 */
static kw_code destroy(void)
{
    uint64_t before = kw_authority_stats(f->authority).destroyed_keys;
    kw_clock_test_offset(8 * day_ms);
    kw_code code = kw_authority_tick(f->authority, NULL);
    return kw_authority_stats(f->authority).destroyed_keys > before ? KW_OK : code;
}

static kw_code token_create(void)
{
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    struct kw_token_row row;
    kw_code code =
        kw_authority_token_create(f->authority, root, "app", "service", "*", 0, &text, &row, NULL);
    if (code == KW_OK)
        snprintf(token_id, sizeof token_id, "%s", row.id);
    return code;
}

static kw_code token_revoke(void)
{
    return kw_authority_token_revoke(f->authority, root, token_id, NULL);
}

struct change {
    const char *operation;
    kw_code (*perform)(void);
    kw_code (*prepare)(void); /* may be NULL */
};

static const struct change changes[] = {
    {"CreateTenant", create, NULL},
    {"CreateKey", add_region, NULL},
    {"SuspendTenant", suspend, NULL},
    {"ResumeTenant", resume, suspend},
    {"CloseTenant", close_tenant, NULL},
    {"RotateKey", rotate, NULL},
    {"DisableKey", disable, NULL},
    {"EnableKey", enable, disable},
    {"ScheduleKeyDestruction", schedule, NULL},
    {"CancelKeyDestruction", cancel, schedule},
    {"DestroyKey", destroy, schedule},
    {"CreateToken", token_create, NULL},
    {"RevokeToken", token_revoke, token_create},
};

static void renew(void)
{
    kw_clock_test_offset(0);
    kw_fixture_close(f);
    setup(NULL);
}

/* ---- The store --------------------------------------------------------------------------------
 */

/* The nth call of the store fails: nothing has changed, nor after a restart. Returns true when the
 * change has come through, since fewer calls than n are made. */
static bool fail_nth(const struct change *change, uint64_t n, kw_code with)
{
    char *before = snapshot();
    kw_faulty_fail(&f->faulty, n, with, false);
    kw_code code = change->perform();
    bool through = kw_faulty_calls(&f->faulty) < n;
    char *after = snapshot();
    if (code == KW_OK)
        assert_string_not_equal(before, after);
    else
        assert_string_equal(before, after);
    if (through)
        assert_int_equal(code, KW_OK);
    free(before);
    free(after);
    return through || code == KW_OK;
}

static void test_each_store_call(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(changes); i++) {
        if (changes[i].prepare != NULL)
            assert_int_equal(changes[i].prepare(), KW_OK);
        uint64_t n = 1;
        while (!fail_nth(&changes[i], n, KW_STORE_UNAVAILABLE))
            n++;
        assert_true(n > 1);
        assert_true(kw_fixture_entries(f, changes[i].operation, "") >= 1);
        renew();
    }
}

/* What failed is on record; where the failure came after the change's own entry (the commit), both
 * are: the ledger may say too much, never too little. */
static void test_failed_commit_is_told(void **state)
{
    size_t both = 0;
    KW_UNUSED(state);
    for (uint64_t n = 1;; n++) {
        size_t said = kw_fixture_entries(f, "SuspendTenant", "");
        size_t failed = kw_fixture_entries(f, "SuspendTenant", "disk_full");
        if (fail_nth(&changes[2], n, KW_DISK_FULL))
            break;
        both += kw_fixture_entries(f, "SuspendTenant", "") > said;
        assert_int_equal(kw_fixture_entries(f, "SuspendTenant", "disk_full"), failed + 1);
    }
    assert_int_equal(both, 1);
}

static void test_lasting_store_failure(void **state)
{
    struct kw_fixture_key key, other;
    uint8_t out[KW_DK_SIZE];
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    kw_faulty_fail(&f->faulty, 1, KW_STORE_UNAVAILABLE, true);
    for (size_t i = 0; i < KW_COUNT(changes); i++)
        if (changes[i].perform != token_revoke && changes[i].perform != destroy)
            assert_int_equal(changes[i].perform(), KW_STORE_UNAVAILABLE);
    assert_int_equal(kw_fixture_unwrap(f, &key, 1, out), KW_OK); /* resident */
    assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
    assert_int_equal(kw_fixture_unwrap(f, &key, 1, out), KW_STORE_UNAVAILABLE);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &other), KW_STORE_UNAVAILABLE);
    kw_faulty_fail(&f->faulty, 0, KW_OK, false);
    assert_int_equal(kw_fixture_unwrap(f, &key, 1, out), KW_OK);
    assert_memory_equal(out, key.plaintext, sizeof out);
}

/* The uses of a second in which the store was away are written later. */
static void test_counters_survive_failure(void **state)
{
    struct kw_fixture_key key;
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    kw_faulty_fail(&f->faulty, 1, KW_STORE_UNAVAILABLE, true);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_STORE_UNAVAILABLE);
    assert_int_equal(kw_authority_stats(f->authority).last_tick, KW_STORE_UNAVAILABLE);
    kw_faulty_fail(&f->faulty, 0, KW_OK, false);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    uint64_t reference = kw_fixture_key_row(f, "acme", "eu").reference;
    assert_int_equal(kw_fixture_version_row(f, reference, 1).wraps, 1);
}

/* Calls of the store that one round makes. */
static uint64_t calls_of_tick(void)
{
    uint64_t before = kw_faulty_calls(&f->faulty);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    return kw_faulty_calls(&f->faulty) - before;
}

/* To the second of a month: the days after it are of the same one. */
static int64_t to_early_in_a_month(void)
{
    for (int64_t ahead_ms = 0;; ahead_ms += day_ms) {
        time_t then = (time_t)((kw_clock_wall_ms() + ahead_ms) / 1000);
        struct tm tm;
        if (gmtime_r(&then, &tm)->tm_mday == 2)
            return ahead_ms;
    }
}

/* The pages of destroyed copies could not be overwritten: that is not forgotten. The round that
 * does it also looks for copies that are missing, and is held against another that does. Both have
 * no costs to write and no month to begin. */
static void test_purge_is_tried_again(void **state)
{
    KW_UNUSED(state);
    int64_t ahead_ms = to_early_in_a_month();
    kw_clock_test_offset(ahead_ms);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_OK);
    assert_int_equal(schedule(), KW_OK);
    kw_clock_test_offset(ahead_ms + 8 * day_ms);
    uint64_t n = 1;
    do {
        kw_faulty_fail(&f->faulty, n++, KW_STORE_UNAVAILABLE, true);
        assert_int_equal(kw_authority_tick(f->authority, NULL), KW_STORE_UNAVAILABLE);
    } while (kw_authority_stats(f->authority).destroyed_keys == 0);
    assert_int_equal(kw_authority_tick(f->authority, NULL), KW_STORE_UNAVAILABLE);
    kw_faulty_fail(&f->faulty, 0, KW_OK, false);
    uint64_t with_purge = calls_of_tick();
    kw_clock_test_offset(ahead_ms + 9 * day_ms);
    assert_int_equal(calls_of_tick(), with_purge - 1);
}

/* ---- The ledger -------------------------------------------------------------------------------
 */

static void test_no_change_without_ledger(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(changes); i++) {
        if (changes[i].prepare != NULL)
            assert_int_equal(changes[i].prepare(), KW_OK);
        char *before = snapshot();
        atomic_store(&f->ledger_fails, true);
        kw_code code = changes[i].perform();
        assert_int_equal(kw_code_class(code), KW_CLASS_UNAVAILABLE);
        char *after = snapshot();
        assert_string_equal(before, after);
        atomic_store(&f->ledger_fails, false);
        free(before);
        free(after);
        renew();
    }
}

/* No key leaves, and none lies about in the batch. */
static void test_no_key_without_ledger(void **state)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    static const uint8_t zeros[KW_DK_SIZE];
    const uint8_t *out = NULL;
    struct kw_fixture_key key;
    uint8_t opened[KW_DK_SIZE];
    KW_UNUSED(state);
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &key), KW_OK);
    atomic_store(&f->ledger_fails, true);
    assert_int_equal(kw_dk_batch_init(&batch, KW_DK_UNWRAP, 1, NULL), KW_OK);
    batch.caller = *root;
    memset(batch.items[0].context_digest, 1, 32);
    memcpy(batch.items[0].wrapped, key.wrapped, KW_HEAD_SIZE);
    kw_code code = kw_dk_run(f->authority, &batch, NULL);
    assert_int_equal(kw_code_class(code), KW_CLASS_UNAVAILABLE);
    assert_true(kw_code_retryable(code));
    assert_int_not_equal(kw_dk_key(&batch, 0, &out, NULL), KW_OK);
    assert_null(out);
    assert_memory_equal(batch.keys.data, zeros, sizeof zeros);
    atomic_store(&f->ledger_fails, false);
    assert_int_equal(kw_fixture_unwrap(f, &key, 1, opened), KW_OK);
    assert_memory_equal(opened, key.plaintext, sizeof opened);
}

/* Asked before it is recorded, or without having been handed in at all. */
static void test_no_key_before_the_record(void **state)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    const uint8_t *out = NULL;
    KW_UNUSED(state);
    assert_int_equal(kw_dk_batch_init(&batch, KW_DK_GENERATE, 1, NULL), KW_OK);
    assert_int_equal(kw_dk_key(&batch, 0, &out, NULL), KW_INTERNAL);
    assert_null(out);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_each_store_call),       T(test_failed_commit_is_told),
        T(test_lasting_store_failure), T(test_counters_survive_failure),
        T(test_purge_is_tried_again),  T(test_no_change_without_ledger),
        T(test_no_key_without_ledger), T(test_no_key_before_the_record),
    };
    return cmocka_run_group_tests_name("authority faults", tests, NULL, NULL);
}

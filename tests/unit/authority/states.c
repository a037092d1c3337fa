/* Every state of tenant and key against every operation, and every state of a version against the
 * data plane. The expectations are written out here, not computed by the code under test. */
#include "authority_scene.h"

static struct kw_fixture_key sealed;

static int setup(void **state)
{
    KW_UNUSED(state);
    f = kw_fixture_open(NULL);
    kw_fixture_tenant(f, "acme", "eu");
    assert_int_equal(kw_fixture_generate(f, "acme", "eu", 1, &sealed), KW_OK);
    return 0;
}

/* ---- Tenant and key ---------------------------------------------------------------------------
 */

enum operation {
    GENERATE,
    UNWRAP,
    REWRAP,
    ROTATE,
    DISABLE,
    ENABLE,
    SCHEDULE,
    CANCEL,
    SUSPEND,
    RESUME,
    CLOSE,
    OPERATIONS
};

static const char *const operation_names[OPERATIONS] = {"generate", "unwrap", "rewrap",   "rotate",
                                                        "disable",  "enable", "schedule", "cancel",
                                                        "suspend",  "resume", "close"};

static void force(enum kw_tenant_state tenant_state, enum kw_key_state key_state)
{
    struct kw_tenant_row tenant;
    struct kw_key_row key = kw_fixture_key_row(f, "acme", "eu");
    assert_int_equal(kw_store_tenant_get(f->store, "acme", &tenant, NULL), KW_OK);
    tenant.state = tenant_state;
    key.state = key_state;
    key.state_before = KW_KEY_IS_ACTIVE;
    key.destroy_at_ms = key_state == KW_KEY_IS_PENDING ? INT64_MAX / 2 : 0;
    assert_int_equal(kw_store_begin(f->store, NULL), KW_OK);
    assert_int_equal(kw_store_tenant_set(f->store, &tenant, NULL), KW_OK);
    assert_int_equal(kw_store_key_set(f->store, &key, NULL), KW_OK);
    assert_int_equal(kw_store_commit(f->store, NULL), KW_OK);
    assert_int_equal(kw_authority_flush(f->authority, &kw_fixture_root, NULL), KW_OK);
}

static kw_code use_key(enum operation operation)
{
    struct kw_fixture_key key = sealed;
    uint8_t out[KW_DK_SIZE];
    if (operation == GENERATE)
        return kw_fixture_generate(f, "acme", "eu", 1, &key);
    if (operation == UNWRAP)
        return kw_fixture_unwrap(f, &key, 1, out);
    return kw_fixture_rewrap(f, &key, 1);
}

static kw_code perform(enum operation operation)
{
    struct kw_authority *a = f->authority;
    switch (operation) {
    case ROTATE:
        return kw_authority_key_rotate(a, root, "acme", "eu", NULL, NULL);
    case DISABLE:
        return kw_authority_key_disable(a, root, "acme", "eu", NULL);
    case ENABLE:
        return kw_authority_key_enable(a, root, "acme", "eu", NULL);
    case SCHEDULE:
        return kw_authority_key_schedule_destroy(a, root, "acme", "eu", 0, NULL, NULL);
    case CANCEL:
        return kw_authority_key_cancel_destroy(a, root, "acme", "eu", NULL);
    case SUSPEND:
        return kw_authority_tenant_suspend(a, root, "acme", NULL);
    case RESUME:
        return kw_authority_tenant_resume(a, root, "acme", NULL);
    case CLOSE:
        return kw_authority_tenant_close(a, root, "acme", 0, NULL);
    default:
        return use_key(operation);
    }
}

/* One row for each pair of states: the data plane and rotation (which make use of the key), then
 * disable and enable and schedule, cancel, and the tenant's three. */
static const struct {
    enum kw_tenant_state tenant;
    enum kw_key_state key;
    kw_code use;
    kw_code change;
    kw_code cancel;
    kw_code tenant_change;
} table[] = {
    {KW_TENANT_IS_ACTIVE, KW_KEY_IS_ACTIVE, KW_OK, KW_OK, KW_STATE_CONFLICT, KW_OK},
    {KW_TENANT_IS_ACTIVE, KW_KEY_IS_SUSPENDED, KW_KEY_SUSPENDED, KW_OK, KW_STATE_CONFLICT, KW_OK},
    {KW_TENANT_IS_ACTIVE, KW_KEY_IS_PENDING, KW_KEY_PENDING, KW_STATE_CONFLICT, KW_OK, KW_OK},
    {KW_TENANT_IS_ACTIVE, KW_KEY_IS_DESTROYED, KW_KEY_DESTROYED, KW_STATE_CONFLICT,
     KW_STATE_CONFLICT, KW_OK},
    {KW_TENANT_IS_SUSPENDED, KW_KEY_IS_ACTIVE, KW_TENANT_SUSPENDED, KW_OK, KW_STATE_CONFLICT,
     KW_OK},
    {KW_TENANT_IS_SUSPENDED, KW_KEY_IS_SUSPENDED, KW_TENANT_SUSPENDED, KW_OK, KW_STATE_CONFLICT,
     KW_OK},
    {KW_TENANT_IS_SUSPENDED, KW_KEY_IS_PENDING, KW_TENANT_SUSPENDED, KW_STATE_CONFLICT, KW_OK,
     KW_OK},
    {KW_TENANT_IS_SUSPENDED, KW_KEY_IS_DESTROYED, KW_KEY_DESTROYED, KW_STATE_CONFLICT,
     KW_STATE_CONFLICT, KW_OK},
    {KW_TENANT_IS_CLOSED, KW_KEY_IS_ACTIVE, KW_TENANT_CLOSED, KW_OK, KW_STATE_CONFLICT,
     KW_TENANT_CLOSED},
    {KW_TENANT_IS_CLOSED, KW_KEY_IS_SUSPENDED, KW_TENANT_CLOSED, KW_OK, KW_STATE_CONFLICT,
     KW_TENANT_CLOSED},
    {KW_TENANT_IS_CLOSED, KW_KEY_IS_PENDING, KW_TENANT_CLOSED, KW_STATE_CONFLICT, KW_OK,
     KW_TENANT_CLOSED},
    {KW_TENANT_IS_CLOSED, KW_KEY_IS_DESTROYED, KW_KEY_DESTROYED, KW_STATE_CONFLICT,
     KW_STATE_CONFLICT, KW_TENANT_CLOSED},
};

static kw_code expected(size_t row, enum operation operation)
{
    if (operation <= ROTATE)
        return table[row].use;
    if (operation <= SCHEDULE)
        return table[row].change;
    return operation == CANCEL ? table[row].cancel : table[row].tenant_change;
}

static void test_tenant_and_key(void **state)
{
    KW_UNUSED(state);
    for (size_t row = 0; row < KW_COUNT(table); row++) {
        for (enum operation operation = 0; operation < OPERATIONS; operation++) {
            force(table[row].tenant, table[row].key);
            kw_code code = perform(operation);
            if (code != expected(row, operation))
                print_error("tenant %s, key %s: %s gave %s\n",
                            kw_tenant_state_name(table[row].tenant),
                            kw_key_state_name(table[row].key), operation_names[operation],
                            kw_code_name(code));
            assert_int_equal(code, expected(row, operation));
        }
    }
}

/* A refusal is in the ledger as such, with the operation's name. */
static void test_refusals_are_recorded(void **state)
{
    static const char *const names[OPERATIONS] = {"GenerateDataKey",
                                                  "UnwrapDataKey",
                                                  "RewrapDataKey",
                                                  "RotateKey",
                                                  "DisableKey",
                                                  "EnableKey",
                                                  "ScheduleKeyDestruction",
                                                  "CancelKeyDestruction",
                                                  "SuspendTenant",
                                                  "ResumeTenant",
                                                  "CloseTenant"};
    KW_UNUSED(state);
    for (enum operation operation = 0; operation < OPERATIONS; operation++) {
        force(KW_TENANT_IS_CLOSED, KW_KEY_IS_DESTROYED);
        kw_code code = perform(operation);
        assert_int_not_equal(code, KW_OK);
        assert_int_equal(kw_fixture_entries(f, names[operation], kw_code_name(code)), 1);
    }
}

/* ---- Versions ---------------------------------------------------------------------------------
 */

static const struct {
    enum kw_key_state version;
    kw_code generate, unwrap, rewrap;
} version_table[] = {
    {KW_KEY_IS_PRE_ACTIVATION, KW_VERSION_NOT_ACTIVE, KW_VERSION_NOT_ACTIVE, KW_VERSION_NOT_ACTIVE},
    {KW_KEY_IS_ACTIVE, KW_OK, KW_OK, KW_OK},
    {KW_KEY_IS_SUSPENDED, KW_KEY_SUSPENDED, KW_KEY_SUSPENDED, KW_KEY_SUSPENDED},
    {KW_KEY_IS_DEACTIVATED, KW_VERSION_NOT_ACTIVE, KW_OK, KW_VERSION_NOT_ACTIVE},
    {KW_KEY_IS_COMPROMISED, KW_VERSION_NOT_ACTIVE, KW_OK, KW_VERSION_NOT_ACTIVE},
    {KW_KEY_IS_PENDING, KW_KEY_PENDING, KW_KEY_PENDING, KW_KEY_PENDING},
    {KW_KEY_IS_DESTROYED, KW_KEY_DESTROYED, KW_KEY_DESTROYED, KW_KEY_DESTROYED},
};

static void force_version(uint32_t number, enum kw_key_state wanted)
{
    struct kw_key_row key = kw_fixture_key_row(f, "acme", "eu");
    struct kw_version_row version = kw_fixture_version_row(f, key.reference, number);
    version.state = wanted;
    assert_int_equal(kw_store_begin(f->store, NULL), KW_OK);
    assert_int_equal(kw_store_version_set(f->store, &version, NULL), KW_OK);
    assert_int_equal(kw_store_commit(f->store, NULL), KW_OK);
    assert_int_equal(kw_authority_flush(f->authority, &kw_fixture_root, NULL), KW_OK);
}

static void test_versions(void **state)
{
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(version_table); i++) {
        force_version(1, version_table[i].version);
        assert_int_equal(use_key(GENERATE), version_table[i].generate);
        assert_int_equal(use_key(UNWRAP), version_table[i].unwrap);
        assert_int_equal(use_key(REWRAP), version_table[i].rewrap);
    }
}

/* What a compromised version protected is rescued by a re-wrap to the next. */
static void test_rewrap_from_compromised(void **state)
{
    struct kw_fixture_key key = sealed;
    uint8_t out[KW_DK_SIZE];
    KW_UNUSED(state);
    assert_int_equal(perform(ROTATE), KW_OK);
    force_version(1, KW_KEY_IS_COMPROMISED);
    assert_int_equal(kw_fixture_rewrap(f, &key, 1), KW_OK);
    assert_memory_not_equal(key.wrapped, sealed.wrapped, sizeof key.wrapped);
    force_version(1, KW_KEY_IS_DESTROYED);
    assert_int_equal(kw_fixture_unwrap(f, &key, 1, out), KW_OK);
    assert_memory_equal(out, sealed.plaintext, sizeof out);
    assert_int_equal(use_key(UNWRAP), KW_KEY_DESTROYED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_tenant_and_key),
        T(test_refusals_are_recorded),
        T(test_versions),
        T(test_rewrap_from_compromised),
    };
    return cmocka_run_group_tests_name("authority states", tests, NULL, NULL);
}

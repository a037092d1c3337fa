/* Who may hand out which rights: nobody more than they have. The expectations are written out here.
 */
#include "authority_scene.h"

#include "ledger/reader.h"

static int setup(void **state)
{
    KW_UNUSED(state);
    f = kw_fixture_open(NULL);
    return 0;
}

static kw_code create(const struct kw_caller *maker, const char *principal, const char *roles,
                      const char *tenants)
{
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    return kw_authority_token_create(f->authority, maker, principal, roles, tenants, 60000, &text,
                                     NULL, NULL);
}

/* An admin who could make a root or service token for itself would be able to use keys. */
static void test_matrix(void **state)
{
    static const char *const grants[] = {"root",          "admin",           "service",
                                         "auditor",       "admin,service",   "admin,auditor",
                                         "service,admin", "auditor,service", "admin,root"};
    static const struct {
        const char *maker;
        const char *may; /* one letter a grant: y, n */
    } rows[] = {
        {"root", "yyyyyyyyy"},
        {"admin", "nynynynnn"},
        {"service", "nnnnnnnnn"},
        {"auditor", "nnnnnnnnn"},
        {"service,auditor", "nnnnnnnnn"},
        {"admin,auditor", "nynynynnn"},
        {"admin,service", "yyyyyyyyy"},
    };
    size_t refused = 0;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(rows); i++) {
        struct kw_caller maker = kw_fixture_caller(rows[i].maker, "*");
        for (size_t g = 0; g < KW_COUNT(grants); g++) {
            bool may = rows[i].may[g] == 'y';
            if (create(&maker, "app", grants[g], "*") != (may ? KW_OK : KW_FORBIDDEN))
                fail_msg("%s makes a token with %s", rows[i].maker, grants[g]);
            refused += !may;
        }
    }
    assert_int_equal(kw_fixture_entries(f, "CreateToken", "forbidden"), refused);
}

static void test_reach(void **state)
{
    struct kw_caller narrow = kw_fixture_caller("admin", "acme");
    KW_UNUSED(state);
    assert_int_equal(create(&narrow, "app", "admin", "acme"), KW_OK);
    assert_int_equal(create(&narrow, "app", "admin", "*"), KW_FORBIDDEN);
    assert_int_equal(create(&narrow, "app", "admin", "acme,globex"), KW_FORBIDDEN);
    assert_int_equal(create(&narrow, "app", "admin", "globex"), KW_FORBIDDEN);
    assert_int_equal(create(&narrow, "app", "service", "acme"), KW_FORBIDDEN);
}

/* The record says who may now do what, where, and until when. */
static void test_recorded(void **state)
{
    KW_AUTO(kw_buf) entry = KW_BUF_INIT;
    char expires[64];
    char time[KW_TIME_TEXT_SIZE];
    KW_AUTO(kw_secret) text = KW_SECRET_INIT;
    struct kw_token_row row;
    KW_UNUSED(state);
    assert_int_equal(kw_authority_token_create(f->authority, &kw_fixture_root, "bill/x@eu",
                                               "service", "acme,globex", 60000, &text, &row, NULL),
                     KW_OK);
    uint64_t last = kw_ledger_stats(f->ledger).size - 1;
    assert_int_equal(kw_ledger_entry(f->ledger, last, &entry, NULL), KW_OK);
    const char *written = kw_buf_str(&entry);
    snprintf(expires, sizeof expires, "\"expires_at\":\"%s\"", kw_time_text(row.expires_ms, time));
    assert_non_null(strstr(written, row.id));
    assert_non_null(strstr(written, "\"principal\":\"bill/x@eu\""));
    assert_non_null(strstr(written, "\"roles\":\"service\""));
    assert_non_null(strstr(written, "\"tenants\":\"acme,globex\""));
    assert_non_null(strstr(written, expires));
}

/* A name that a terminal or a log could take for more than a name. */
static void test_principal_names(void **state)
{
    static const char *const bad[] = {"a\nb", "a\x1b[2J", "\x7f", "a\xc2\x9b", "a\xff", "\xc3"};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(create(&kw_fixture_root, bad[i], "service", "*"), KW_BAD_NAME);
    assert_int_equal(create(&kw_fixture_root, "bureau-7/app@eu", "service", "*"), KW_OK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_matrix), T(test_reach), T(test_recorded),
                                       T(test_principal_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

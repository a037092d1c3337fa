/* Tenants and keys over the API: what each call answers, and what it refuses. */
#include "api_scene.h"

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 2, NULL);
    return 0;
}

static void create(const char *id, const char *region)
{
    struct kw_asked *asked =
        kw_ask(a, root, "POST", "/v1/tenants", "{\"id\":\"%s\",\"regions\":[\"%s\"]}", id, region);
    assert_int_equal(asked->status, 201);
    kw_asked_free(asked);
}

static void text_is(const char *path, const char *member, const char *expected)
{
    struct kw_asked *asked = kw_ask(a, root, "GET", path, NULL);
    assert_int_equal(asked->status, 200);
    assert_string_equal(kw_text_at(asked, member), expected);
    kw_asked_free(asked);
}

/* ---- Tenants ----------------------------------------------------------------------------------
 */

static void check_key(const struct kw_asked *asked)
{
    assert_string_equal(kw_text_at(asked, "keys.0.tenant"), "acme");
    assert_string_equal(kw_text_at(asked, "keys.0.region"), "eu");
    assert_int_equal(strlen(kw_text_at(asked, "keys.0.reference")), 16);
    assert_string_equal(kw_text_at(asked, "keys.0.state"), "active");
    assert_string_equal(kw_text_at(asked, "keys.0.custody"), "managed");
    assert_string_equal(kw_text_at(asked, "keys.0.suite"), "1");
    assert_string_equal(kw_text_at(asked, "keys.0.current_version"), "1");
    assert_int_equal(strlen(kw_text_at(asked, "keys.0.created_at")), 24);
    assert_null(kw_at(asked, "keys.0.destroy_at"));
    assert_string_equal(kw_text_at(asked, "keys.0.versions.0.version"), "1");
    assert_string_equal(kw_text_at(asked, "keys.0.versions.0.state"), "active");
    assert_int_equal(strlen(kw_text_at(asked, "keys.0.versions.0.commitment")), 64);
    assert_int_equal(strlen(kw_text_at(asked, "keys.0.versions.0.sign_public")), 44);
    assert_string_equal(kw_text_at(asked, "keys.0.versions.0.copies.0.provider"), "software-eu");
    assert_string_equal(kw_text_at(asked, "keys.0.versions.0.copies.0.provider_key"), "eu");
    assert_null(kw_at(asked, "keys.0.versions.0.deactivated_at"));
}

static void test_create_and_get(void **state)
{
    KW_UNUSED(state);
    struct kw_asked *made =
        kw_ask(a, root, "POST", "/v1/tenants",
               "{\"id\":\"acme\",\"regions\":[\"eu\",\"us\"],\"tier\":\"enterprise\","
               "\"labels\":{\"plan\":\"gold \\\"1\\\"\"},\"justification\":\"sold\"}");
    assert_int_equal(made->status, 201);
    assert_string_equal(kw_text_at(made, "id"), "acme");
    assert_string_equal(kw_text_at(made, "state"), "active");
    assert_string_equal(kw_text_at(made, "tier"), "enterprise");
    assert_string_equal(kw_text_at(made, "labels.plan"), "gold \"1\"");
    assert_string_equal(kw_text_at(made, "epoch"), "1");
    assert_int_equal(kw_at(made, "keys")->count, 2);
    check_key(made);
    struct kw_asked *got = kw_ask(a, root, "GET", "/v1/tenants/acme", NULL);
    assert_true(kw_bytes_equal(kw_buf_bytes(&made->body), kw_buf_bytes(&got->body)));
    kw_asked_free(made);
    kw_asked_free(got);
}

static void create_fails(const char *body, int status, const char *code)
{
    kw_expect(a, root, "POST", "/v1/tenants", body, status, code);
}

static void test_create_refused(void **state)
{
    KW_UNUSED(state);
    create("acme", "eu");
    create_fails("{\"id\":\"acme\",\"regions\":[\"eu\"]}", 409, "exists");
    create_fails("{\"id\":\"b\",\"regions\":[\"mars\"]}", 400, "unknown_region");
    create_fails("{\"id\":\"B\",\"regions\":[\"eu\"]}", 400, "bad_name");
    create_fails("{\"id\":\"../b\",\"regions\":[\"eu\"]}", 400, "bad_name");
    create_fails("{\"id\":\"b\",\"regions\":[\"EU\"]}", 400, "bad_name");
    create_fails("{\"id\":\"b\",\"regions\":[]}", 400, "bad_json");
    create_fails("{\"id\":\"b\",\"regions\":\"eu\"}", 400, "bad_json");
    create_fails("{\"id\":\"b\",\"regions\":[1]}", 400, "bad_json");
    create_fails("{\"id\":\"b\",\"regions\":[\"e\\u0000u\"]}", 400, "bad_json");
    create_fails("{\"id\":\"b\",\"regions\":[\"eu\",\"eu\"]}", 409, "exists");
    create_fails("{\"regions\":[\"eu\"]}", 400, "bad_json");
    create_fails("{\"id\":\"b\",\"regions\":[\"eu\"],\"labels\":[]}", 400, "bad_json");
    create_fails("{\"id\":\"b\",\"regions\":[\"eu\"],\"labels\":{\"a\":1}}", 400, "bad_json");
    create_fails("{\"id\":\"b\",\"regions\":[\"eu\"],\"labels\":{\"\\\"\":\"\"}}", 400, "bad_json");
    create_fails("{\"id\":\"b\",\"regions\":[\"eu\"],\"tier\":\"gold\"}", 400, "usage");
    create_fails("[]", 400, "bad_json");
    create_fails("", 400, "bad_json");
    kw_expect(a, root, "GET", "/v1/tenants/b", NULL, 404, "tenant_not_found");
    kw_expect(a, root, "GET", "/v1/tenants/B", NULL, 400, "bad_name");
}

static void test_labels_too_large(void **state)
{
    char body[4096] = "{\"id\":\"b\",\"regions\":[\"eu\"],\"labels\":{\"a\":\"";
    KW_UNUSED(state);
    size_t len = strlen(body);
    memset(body + len, 'x', 2048);
    snprintf(body + len + 2048, 8, "\"}}");
    create_fails(body, 413, "too_large");
}

/* Many at once: all or none. */
static void test_create_many(void **state)
{
    KW_UNUSED(state);
    struct kw_asked *asked =
        kw_ask(a, root, "POST", "/v1/tenants",
               "{\"tenants\":[{\"id\":\"a\",\"regions\":[\"eu\"],\"labels\":{\"n\":\"1\"}},"
               "{\"id\":\"b\",\"regions\":[\"us\"]}]}");
    assert_int_equal(asked->status, 201);
    assert_string_equal(kw_text_at(asked, "created"), "2");
    kw_asked_free(asked);
    text_is("/v1/tenants/a", "labels.n", "1");
    create_fails("{\"tenants\":[{\"id\":\"c\",\"regions\":[\"eu\"]},"
                 "{\"id\":\"a\",\"regions\":[\"eu\"]}]}",
                 409, "exists");
    kw_expect(a, root, "GET", "/v1/tenants/c", NULL, 404, "tenant_not_found");
    create_fails("{\"tenants\":[]}", 400, "bad_json");
    create_fails("{\"tenants\":[7]}", 400, "bad_json");
    create_fails("{\"tenants\":[{\"id\":\"d\",\"regions\":[\"eu\"]}],\"id\":\"e\"}", 400,
                 "bad_json");
}

/* Pages, walked to the end. Returns how many tenants there were. */
static size_t walk(const struct kw_caller *caller, const char *query)
{
    char path[256];
    char cursor[80] = "";
    size_t count = 0;
    for (;;) {
        snprintf(path, sizeof path, "/v1/tenants?%s%s%s", query,
                 cursor[0] != '\0' ? "&cursor=" : "", cursor);
        struct kw_asked *asked = kw_ask(a, caller, "GET", path, NULL);
        assert_int_equal(asked->status, 200);
        count += kw_at(asked, "tenants")->count;
        assert_null(kw_at(asked, "tenants.0.keys"));
        bool more = kw_at(asked, "next_cursor") != NULL;
        if (more)
            snprintf(cursor, sizeof cursor, "%s", kw_text_at(asked, "next_cursor"));
        kw_asked_free(asked);
        if (!more)
            return count;
    }
}

static void test_list(void **state)
{
    struct kw_caller some = kw_fixture_caller("auditor", "t-03,zzz,t-01,acme,t-01,BAD");
    KW_UNUSED(state);
    create("acme", "eu");
    for (int i = 0; i < 7; i++) {
        char id[16];
        snprintf(id, sizeof id, "t-%02d", i);
        create(id, "eu");
    }
    assert_int_equal(walk(root, ""), 8);
    assert_int_equal(walk(root, "limit=3"), 8);
    assert_int_equal(walk(root, "limit=8"), 8);
    assert_int_equal(walk(root, "prefix=t-&limit=2"), 7);
    assert_int_equal(walk(root, "prefix=t%2D"), 7);
    assert_int_equal(walk(root, "prefix=none"), 0);
    assert_int_equal(walk(&some, ""), 3);
    assert_int_equal(walk(&some, "limit=1"), 3);
    assert_int_equal(walk(&some, "prefix=t-&limit=1"), 2);
}

static void test_bad_queries(void **state)
{
    static const char *const bad[] = {
        "limit=0",  "limit=1001", "limit=x",    "limit=",     "limit=1&limit=2", "other=1",
        "prefix=%", "prefix=%4",  "prefix=%zz", "prefix=%00", "cursor=%e4%b",    "limit=-1"};
    char path[128];
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        snprintf(path, sizeof path, "/v1/tenants?%s", bad[i]);
        kw_expect(a, root, "GET", path, NULL, 400, "bad_request");
    }
    kw_expect(a, root, "GET", "/v1/status?x=1", NULL, 400, "bad_request");
}

static void test_states(void **state)
{
    KW_UNUSED(state);
    create("acme", "eu");
    kw_expect(a, root, "POST", "/v1/tenants/acme/suspend", "{\"justification\":\"unpaid\"}", 200,
              NULL);
    text_is("/v1/tenants/acme", "state", "suspended");
    text_is("/v1/tenants/acme", "epoch", "2");
    kw_expect(a, root, "POST", "/v1/tenants/acme/suspend", "", 200, NULL);
    kw_expect(a, root, "POST", "/v1/tenants/acme/resume", "{}", 200, NULL);
    text_is("/v1/tenants/acme", "state", "active");
    kw_expect(a, root, "POST", "/v1/tenants/acme/close", "{\"window_days\":3}", 400, "usage");
    struct kw_asked *closed =
        kw_ask(a, root, "POST", "/v1/tenants/acme/close", "{\"window_days\":30}");
    assert_int_equal(closed->status, 200);
    assert_string_equal(kw_text_at(closed, "state"), "closed");
    assert_string_equal(kw_text_at(closed, "keys.0.state"), "pending_destruction");
    assert_int_equal(strlen(kw_text_at(closed, "keys.0.destroy_at")), 24);
    kw_asked_free(closed);
    kw_expect(a, root, "POST", "/v1/tenants/acme/resume", "", 403, "tenant_closed");
    kw_expect(a, root, "POST", "/v1/tenants/acme/close", "", 403, "tenant_closed");
    kw_expect(a, root, "POST", "/v1/tenants/acme/regions", "{\"region\":\"us\"}", 403,
              "tenant_closed");
    kw_expect(a, root, "POST", "/v1/tenants/nobody/suspend", "", 404, "tenant_not_found");
}

/* ---- Keys -------------------------------------------------------------------------------------
 */

static void test_regions(void **state)
{
    KW_UNUSED(state);
    create("acme", "eu");
    struct kw_asked *asked =
        kw_ask(a, root, "POST", "/v1/tenants/acme/regions", "{\"region\":\"us\"}");
    assert_int_equal(asked->status, 200);
    assert_int_equal(kw_at(asked, "keys")->count, 2);
    kw_asked_free(asked);
    text_is("/v1/tenants/acme/keys", "keys.1.region", "us");
    text_is("/v1/tenants/acme/keys/us", "versions.0.copies.0.provider", "software-us");
    kw_expect(a, root, "POST", "/v1/tenants/acme/regions", "{\"region\":\"us\"}", 409, "exists");
    kw_expect(a, root, "POST", "/v1/tenants/acme/regions", "{\"region\":\"mars\"}", 400,
              "unknown_region");
    kw_expect(a, root, "POST", "/v1/tenants/acme/regions", "{}", 400, "bad_json");
    kw_expect(a, root, "GET", "/v1/tenants/acme/keys/mars", NULL, 404, "key_not_found");
    kw_expect(a, root, "GET", "/v1/tenants/acme/keys/MARS", NULL, 400, "bad_name");
    kw_expect(a, root, "GET", "/v1/tenants/nobody/keys", NULL, 404, "tenant_not_found");
}

static void test_rotate(void **state)
{
    KW_UNUSED(state);
    create("acme", "eu");
    struct kw_asked *asked = kw_ask(a, root, "POST", "/v1/tenants/acme/keys/eu/rotate", "{}");
    assert_int_equal(asked->status, 200);
    assert_string_equal(kw_text_at(asked, "current_version"), "2");
    assert_string_equal(kw_text_at(asked, "versions.0.state"), "deactivated");
    assert_int_equal(strlen(kw_text_at(asked, "versions.0.deactivated_at")), 24);
    assert_string_equal(kw_text_at(asked, "versions.1.state"), "active");
    assert_string_not_equal(kw_text_at(asked, "versions.0.commitment"),
                            kw_text_at(asked, "versions.1.commitment"));
    kw_asked_free(asked);
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/us/rotate", "{}", 404, "key_not_found");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/rotate", "{\"now\":1}", 400, "bad_json");
}

static void test_key_states(void **state)
{
    KW_UNUSED(state);
    create("acme", "eu");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/disable", "", 200, NULL);
    text_is("/v1/tenants/acme/keys/eu", "state", "suspended");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/rotate", "", 403, "key_suspended");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/enable", "", 200, NULL);
    text_is("/v1/tenants/acme/keys/eu", "state", "active");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/schedule-destroy", "{\"window_days\":100}",
              400, "usage");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/schedule-destroy",
              "{\"window_days\":\"7\"}", 400, "bad_json");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/schedule-destroy", "", 200, NULL);
    text_is("/v1/tenants/acme/keys/eu", "state", "pending_destruction");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/disable", "", 409, "state_conflict");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/cancel-destroy", "", 200, NULL);
    text_is("/v1/tenants/acme/keys/eu", "state", "active");
    kw_expect(a, root, "POST", "/v1/tenants/acme/keys/eu/cancel-destroy", "", 409,
              "state_conflict");
}

/* ---- Status and flush -------------------------------------------------------------------------
 */

static void test_status(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    create("acme", "eu");
    kw_ask_key(a, wrapped, plaintext);
    struct kw_asked *asked = kw_ask(a, root, "GET", "/v1/status", NULL);
    assert_int_equal(asked->status, 200);
    assert_string_equal(kw_text_at(asked, "version"), KW_VERSION);
    assert_string_equal(kw_text_at(asked, "tenants"), "1");
    assert_string_equal(kw_text_at(asked, "keys"), "1");
    assert_string_equal(kw_text_at(asked, "versions"), "1");
    assert_string_equal(kw_text_at(asked, "ledger.size"), "2");
    assert_string_equal(kw_text_at(asked, "ledger.state"), "ok");
    assert_string_equal(kw_text_at(asked, "keyring.entries"), "1");
    assert_string_equal(kw_text_at(asked, "data_keys.generated"), "1");
    assert_string_equal(kw_text_at(asked, "regions.0.name"), "eu");
    assert_string_equal(kw_text_at(asked, "regions.0.providers.0"), "software-eu");
    assert_string_equal(kw_text_at(asked, "classes.0"), "default");
    kw_asked_free(asked);
    asked = kw_ask(a, root, "POST", "/v1/flush", "{}");
    assert_string_equal(kw_text_at(asked, "flushed"), "1");
    kw_asked_free(asked);
    text_is("/v1/status", "keyring.entries", "0");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_create_and_get), T(test_create_refused), T(test_labels_too_large),
        T(test_create_many),    T(test_list),           T(test_bad_queries),
        T(test_states),         T(test_regions),        T(test_rotate),
        T(test_key_states),     T(test_status),
    };
    return cmocka_run_group_tests_name("api tenants", tests, NULL, NULL);
}

/* The data plane through a key's states, with parts failing underneath, and over threads. */
#include "api_scene.h"

#include <sched.h>

static int setup(void **state)
{
    KW_UNUSED(state);
    a = kw_api_fixture_open(NULL, 2, NULL);
    kw_fixture_tenant(a->f, "acme", "eu");
    kw_fixture_tenant(a->f, "globex", "us");
    return 0;
}

/* Unwraps one item with these further members; the error's code, or "" and the plaintext. */
static void unwrap(const char *wrapped, const char *more, int status, const char *expected)
{
    struct kw_asked *asked = kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/unwrap",
                                    "{\"items\":[{\"wrapped\":\"%s\"%s}]}", wrapped, more);
    if (asked->status != status)
        print_error("%.*s\n", (int)asked->body.len, (const char *)asked->body.data);
    assert_int_equal(asked->status, status);
    assert_string_equal(kw_text_at(asked, status == 200 ? "items.0.plaintext" : "error.code"),
                        expected);
    kw_asked_free(asked);
}

static const char row1[] = ",\"context\":{\"row\":\"1\"}";

/* ---- States -----------------------------------------------------------------------------------
 */

static void generate(const char *tenant, const char *region, int status, const char *code)
{
    char body[128];
    snprintf(body, sizeof body, "{\"tenant\":\"%s\",\"region\":\"%s\"}", tenant, region);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/data-keys/generate", body, status, code);
}

static void test_suspended_between(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/suspend", "", 200, NULL);
    unwrap(wrapped, row1, 403, "tenant_suspended");
    generate("acme", "eu", 403, "tenant_suspended");
    generate("globex", "us", 200, NULL);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/resume", "", 200, NULL);
    unwrap(wrapped, row1, 200, plaintext);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/keys/eu/disable", "", 200, NULL);
    unwrap(wrapped, row1, 403, "key_suspended");
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/keys/eu/enable", "", 200, NULL);
    unwrap(wrapped, row1, 200, plaintext);
}

static void rewrap(char wrapped[128], const char *version)
{
    struct kw_asked *asked =
        kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/rewrap",
               "{\"items\":[{\"wrapped\":\"%s\",\"context\":{\"row\":\"1\"}}]}", wrapped);
    assert_int_equal(asked->status, 200);
    assert_string_equal(kw_text_at(asked, "items.0.version"), version);
    assert_null(kw_at(asked, "items.0.plaintext"));
    assert_string_not_equal(kw_text_at(asked, "items.0.wrapped"), wrapped);
    snprintf(wrapped, 128, "%s", kw_text_at(asked, "items.0.wrapped"));
    kw_asked_free(asked);
}

static void test_rotate_unwrap_rewrap(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/keys/eu/rotate", "{}", 200, NULL);
    unwrap(wrapped, row1, 200, plaintext);
    rewrap(wrapped, "2");
    unwrap(wrapped, row1, 200, plaintext);
    assert_int_equal(kw_fixture_entries(a->f, "RewrapDataKey", ""), 1);
}

static void test_destroyed(void **state)
{
    char wrapped[128], plaintext[64];
    const int64_t day_ms = 24LL * 3600 * 1000;
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/keys/eu/schedule-destroy",
              "{\"window_days\":7}", 200, NULL);
    unwrap(wrapped, row1, 403, "key_pending_destruction");
    kw_clock_test_offset(7 * day_ms - 1000);
    assert_int_equal(kw_authority_tick(a->f->authority, NULL), KW_OK);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/keys/eu/cancel-destroy", "", 200,
              NULL);
    unwrap(wrapped, row1, 200, plaintext);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/keys/eu/schedule-destroy", "{}", 200,
              NULL);
    kw_clock_test_offset(14 * day_ms + 1000);
    assert_int_equal(kw_authority_tick(a->f->authority, NULL), KW_OK);
    unwrap(wrapped, row1, 403, "key_destroyed");
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants/acme/keys/eu/cancel-destroy", "", 409,
              "state_conflict");
}

/* ---- What fails underneath --------------------------------------------------------------------
 */

/* Neither a data key nor anything else of the batch is in the answer. */
static void test_ledger_away(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    atomic_store(&a->f->ledger_fails, true);
    struct kw_asked *asked = kw_ask(a, &kw_fixture_root, "POST", "/v1/data-keys/unwrap",
                                    "{\"items\":[{\"wrapped\":\"%s\",\"context\":{\"row\":\"1\"}},"
                                    "{\"wrapped\":\"%s\",\"context\":{\"row\":\"1\"}}]}",
                                    wrapped, wrapped);
    assert_true(asked->status >= 500);
    assert_int_equal(kw_at(asked, "error.retryable")->type, KW_JSON_TRUE);
    assert_string_equal(kw_text_at(asked, "error.class"), "unavailable");
    assert_null(memmem(asked->body.data, asked->body.len, plaintext, strlen(plaintext)));
    assert_null(kw_at(asked, "items"));
    kw_asked_free(asked);
    atomic_store(&a->f->ledger_fails, false);
    unwrap(wrapped, row1, 200, plaintext);
}

static void test_provider_away(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/flush", "", 200, NULL);
    a->f->eu.fail_with = KW_PROVIDER_UNAVAILABLE;
    unwrap(wrapped, row1, 503, "provider_unavailable");
    a->f->eu.fail_with = KW_OK;
    kw_clock_test_offset(2000); /* the breaker's pause is over */
    unwrap(wrapped, row1, 200, plaintext);
    kw_clock_test_offset(0);
}

/* ---- Threads ----------------------------------------------------------------------------------
 */

static atomic_uint answered;
static atomic_uint posted;

static void count_answer(struct kw_api_call *call)
{
    atomic_fetch_add(&answered, call->status == 200 ? 1 : 1000);
}

static void post_at_once(struct kw_api_call *call, void (*resume)(struct kw_api_call *call))
{
    atomic_fetch_add(&posted, 1);
    resume(call);
}

/* The resident key's call is answered through post(); so is one whose key had to be loaded first.
 */
static void test_post(void **state)
{
    static struct kw_api_call calls[2];
    char wrapped[128], plaintext[64], body[512];
    KW_UNUSED(state);
    kw_ask_key(a, wrapped, plaintext);
    snprintf(body, sizeof body, "{\"items\":[{\"wrapped\":\"%s\",\"context\":{\"row\":\"1\"}}]}",
             wrapped);
    for (unsigned i = 0; i < 2; i++) {
        calls[i] = (struct kw_api_call){.method = "POST",
                                        .path = "/v1/data-keys/unwrap",
                                        .query = "",
                                        .body = kw_bytes_str(body),
                                        .caller = kw_fixture_root,
                                        .done = count_answer,
                                        .post = post_at_once};
        kw_api_start(a->api, &calls[i]);
        while (atomic_load(&answered) < i + 1)
            sched_yield();
        assert_int_equal(calls[i].status, 200);
        kw_buf_wipe(&calls[i].body_out);
        assert_int_equal(kw_authority_flush(a->f->authority, &kw_fixture_root, NULL), KW_OK);
    }
    assert_int_equal(answered, 2);
    assert_int_equal(posted, 2);
}

/* Calls that must wait fill the queue; the next one is told so. The API's end waits for all. */
static void test_queue_is_bounded(void **state)
{
    enum { CALLS = 6 };
    static struct kw_api_call calls[CALLS];
    struct kw_api *api = NULL;
    struct kw_api_options options = {.authority = a->f->authority, .threads = 1, .queue_max = 2};
    unsigned overloaded = 0;
    KW_UNUSED(state);
    assert_int_equal(kw_api_new(&options, &api, NULL), KW_OK);
    assert_int_equal(kw_authority_flush(a->f->authority, &kw_fixture_root, NULL), KW_OK);
    atomic_store(&answered, 0);
    a->f->eu.delay_ms = 100;
    for (size_t i = 0; i < CALLS; i++) {
        calls[i] = (struct kw_api_call){.method = "POST",
                                        .path = "/v1/tenants/acme/keys/eu/rotate",
                                        .caller = kw_fixture_root,
                                        .done = count_answer};
        kw_api_start(api, &calls[i]);
    }
    kw_api_free(api);
    for (size_t i = 0; i < CALLS; i++) {
        overloaded += calls[i].status == 503;
        assert_true(calls[i].status == 503 || calls[i].status == 200);
        kw_buf_wipe(&calls[i].body_out);
    }
    assert_true(overloaded >= 3);
    assert_int_equal(answered, (CALLS - overloaded) + 1000 * overloaded);
}

/* Without threads of its own the API does everything on the caller's. */
static void test_without_threads(void **state)
{
    char wrapped[128], plaintext[64];
    KW_UNUSED(state);
    kw_api_fixture_close(a);
    a = kw_api_fixture_open(NULL, 0, NULL);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/tenants", "{\"id\":\"acme\",\"regions\":[\"eu\"]}",
              201, NULL);
    kw_ask_key(a, wrapped, plaintext);
    kw_expect(a, &kw_fixture_root, "POST", "/v1/flush", "", 200, NULL);
    unwrap(wrapped, row1, 200, plaintext);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_suspended_between), T(test_rotate_unwrap_rewrap), T(test_destroyed),
        T(test_ledger_away),       T(test_provider_away),        T(test_post),
        T(test_queue_is_bounded),  T(test_without_threads),
    };
    return cmocka_run_group_tests_name("api datakeys over time", tests, NULL, NULL);
}

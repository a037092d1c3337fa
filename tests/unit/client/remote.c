/* client: what a server may do to it, and what it makes of that. The server is a double that
 * follows a script (tests/support/client_double.py). */
#include "client_double.h"

#include "base/clock.h"
#include "base/file.h"
#include "client/backend.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define SCRIPT KW_SOURCE_DIR "/tests/support/client_double.py"
#define TOKEN  "kwt_canary_of_the_token"

struct scene {
    struct client_double server;
    struct kw_remote_options options;
    struct kw_backend *backend;
    struct kw_bound_context context;
    struct kw_error err;
};

static void begin_as(struct scene *s, void **state, const char *mode, const char *steps)
{
    *s = (struct scene){0};
    client_double_start(&s->server, SCRIPT, *state, mode, steps);
    s->options = client_double_options(&s->server);
    assert_int_equal(kw_bound_context_make(&s->context, NULL, &s->err), KW_OK);
}

static void connect_to(struct scene *s)
{
    assert_int_equal(kw_backend_remote(&s->options, &s->backend, &s->err), KW_OK);
}

static void begin(struct scene *s, void **state, const char *steps)
{
    begin_as(s, state, "tls", steps);
    connect_to(s);
}

static void end(struct scene *s)
{
    assert_null(strstr(s->err.text, TOKEN));
    assert_null(strchr(s->err.text, '\n'));
    kw_backend_free(s->backend);
    kw_bound_context_wipe(&s->context);
    client_double_stop(&s->server);
}

static kw_code generate(struct scene *s, struct kw_key_batch *batch, size_t count)
{
    kw_code code = kw_key_batch_init(batch, count, &s->err);
    for (size_t i = 0; i < batch->count; i++) {
        batch->items[i].tenant = "acme";
        batch->items[i].region = "eu";
        batch->items[i].context = &s->context;
    }
    return code == KW_OK ? kw_backend_generate(s->backend, batch, &s->err) : code;
}

static kw_code generate_one(struct scene *s)
{
    KW_AUTO(kw_key_batch) batch = {0};
    return generate(s, &batch, 1);
}

static kw_code post(struct scene *s)
{
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    return kw_backend_call(s->backend, "POST", "/v1/tenants/acme/keys/eu/rotate",
                           kw_bytes_str("{}"), &answer, &s->err);
}

static kw_code get(struct scene *s)
{
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    return kw_backend_call(s->backend, "GET", "/v1/status", kw_bytes(NULL, 0), &answer, &s->err);
}

static void test_keys_and_calls(void **state)
{
    struct scene s;
    KW_AUTO(kw_key_batch) made = {0};
    KW_AUTO(kw_key_batch) back = {0};
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    const uint8_t *key = NULL;
    const uint8_t *again = NULL;
    begin(&s, state, "ok");
    assert_int_equal(generate(&s, &made, 3), KW_OK);
    assert_int_equal(made.first_index, 41);
    assert_int_equal(kw_key_batch_init(&back, 3, &s.err), KW_OK);
    for (size_t i = 0; i < 3; i++) {
        back.items[i].head = made.items[i].head;
        back.items[i].context = &s.context;
    }
    assert_int_equal(kw_backend_unwrap(s.backend, &back, &s.err), KW_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(made.items[i].head.version, 3);
        assert_int_equal(kw_key_batch_key(&made, i, &key, &s.err), KW_OK);
        assert_int_equal(kw_key_batch_key(&back, i, &again, &s.err), KW_OK);
        assert_memory_equal(key, again, 32);
    }
    assert_int_equal(kw_backend_rewrap(s.backend, &back, &s.err), KW_OK);
    assert_int_equal(
        kw_backend_call(s.backend, "GET", "/v1/status", kw_bytes(NULL, 0), &answer, &s.err), KW_OK);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.content_type, "application/json");
    assert_true(kw_bytes_equal_str(kw_buf_bytes(&answer.body), "{\"ok\":true}"));
    end(&s);
}

/* All requests of one thread go over one connection, each with its token. */
static void test_connection_is_reused(void **state)
{
    struct scene s;
    begin(&s, state, "ok");
    for (int i = 0; i < 5; i++)
        assert_int_equal(i % 2 == 0 ? generate_one(&s) : get(&s), KW_OK);
    char *log = client_double_log(&s.server);
    const char *line = log;
    for (int i = 0; i < 5; i++) {
        assert_memory_equal(line, "1 ", 2);
        assert_non_null(strstr(line, "Bearer " TOKEN));
        line = strchr(line, '\n') + 1;
    }
    assert_int_equal(*line, '\0');
    free(log);
    end(&s);
}

/* What the server says is wrong keeps its code and its text; what may pass is tried again. */
static void test_errors_keep_their_code(void **state)
{
    struct scene s;
    begin(&s, state,
          "error:403:tenant_suspended error:404:tenant_not_found error:401:token_expired "
          "error:500:internal error:418:no_such_code");
    assert_int_equal(generate_one(&s), KW_TENANT_SUSPENDED);
    assert_string_equal(s.err.text, "the double says tenant_suspended");
    assert_int_equal(generate_one(&s), KW_TENANT_NOT_FOUND);
    assert_int_equal(get(&s), KW_TOKEN_EXPIRED);
    assert_int_equal(get(&s), KW_INTERNAL);
    assert_non_null(strstr(s.err.text, "request r1"));
    assert_int_equal(get(&s), KW_INTERNAL);
    assert_int_equal(client_double_requests(&s.server), 5);
    end(&s);
}

static void test_retries_what_may_pass(void **state)
{
    struct scene s;
    begin(&s, state,
          "error:503:ledger_unavailable reset error:429:rate_limited cut half-headers ok");
    assert_int_equal(generate_one(&s), KW_OK);
    assert_int_equal(client_double_requests(&s.server), 6);
    end(&s);
}

static void test_gives_up(void **state)
{
    struct scene s;
    begin(&s, state, "error:503:ledger_unavailable");
    assert_int_equal(generate_one(&s), KW_LEDGER_UNAVAILABLE);
    assert_int_equal(client_double_requests(&s.server), 8);
    end(&s);
}

/* No time for the wait that the server asks for: the answer comes at once, and is the server's. */
static void test_deadline_bounds_retries(void **state)
{
    struct scene s;
    begin_as(&s, state, "tls", "error:503:overloaded:3000");
    s.options.timeout_ms = 5000;
    connect_to(&s);
    assert_int_equal(generate_one(&s), KW_OVERLOADED);
    assert_int_equal(client_double_requests(&s.server), 1);
    end(&s);
}

/* A change is not sent twice if the server may have made it, and is if it was refused at the door.
 */
static void test_changes_are_not_repeated(void **state)
{
    struct scene s;
    begin(&s, state,
          "reset cut error:503:store_unavailable error:503:overloaded "
          "error:429:rate_limited ok");
    assert_int_equal(post(&s), KW_UNAVAILABLE);
    assert_int_equal(post(&s), KW_UNAVAILABLE);
    assert_int_equal(post(&s), KW_STORE_UNAVAILABLE);
    assert_int_equal(client_double_requests(&s.server), 3);
    assert_int_equal(post(&s), KW_OK);
    assert_int_equal(client_double_requests(&s.server), 6);
    end(&s);
}

static void test_redirects_are_not_followed(void **state)
{
    struct scene s;
    begin(&s, state, "redirect");
    assert_int_equal(get(&s), KW_BAD_REQUEST);
    assert_non_null(strstr(s.err.text, "redirect"));
    assert_int_equal(client_double_requests(&s.server), 1);
    end(&s);
}

static void test_answers_that_are_wrong(void **state)
{
    static const char steps[] =
        "short-key bad-head too-few wrong-class not-json no-code html:200 garbage";
    struct scene s;
    begin(&s, state, steps);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(generate_one(&s), KW_INTERNAL);
        assert_int_equal(client_double_requests(&s.server), i + 1);
    }
    end(&s);
}

static void test_answers_of_others(void **state)
{
    struct scene s;
    begin(&s, state, "html:404 html:401 html:400 html:500");
    assert_int_equal(get(&s), KW_NOT_FOUND);
    assert_int_equal(get(&s), KW_UNAUTHENTICATED);
    assert_int_equal(get(&s), KW_BAD_REQUEST);
    assert_int_equal(get(&s), KW_INTERNAL);
    end(&s);
}

static void test_items_fail_alone(void **state)
{
    struct scene s;
    KW_AUTO(kw_key_batch) batch = {0};
    const uint8_t *key = NULL;
    begin(&s, state, "item-error");
    assert_int_equal(generate(&s, &batch, 2), KW_OK);
    assert_int_equal(kw_key_batch_key(&batch, 0, &key, &s.err), KW_KEY_SUSPENDED);
    assert_string_equal(s.err.text, "the double suspends item 0");
    assert_null(key);
    assert_int_equal(kw_key_batch_key(&batch, 1, &key, &s.err), KW_OK);
    assert_int_equal(generate_one(&s), KW_KEY_SUSPENDED);
    end(&s);
}

static void test_huge_answer(void **state)
{
    struct scene s;
    begin(&s, state, "huge");
    assert_int_equal(generate_one(&s), KW_TOO_LARGE);
    assert_int_equal(client_double_requests(&s.server), 1);
    end(&s);
}

static void test_slow_answers_time_out(void **state)
{
    struct scene s;
    begin_as(&s, state, "tls", "slow stall");
    s.options.timeout_ms = 300;
    connect_to(&s);
    assert_int_equal(generate_one(&s), KW_TIMEOUT);
    assert_int_equal(generate_one(&s), KW_TIMEOUT);
    assert_int_equal(client_double_requests(&s.server), 2);
    end(&s);
}

static void test_wrong_ca(void **state)
{
    struct scene s;
    begin_as(&s, state, "tls", "ok");
    s.options.ca_file = s.server.other_ca;
    connect_to(&s);
    assert_int_equal(generate_one(&s), KW_BAD_CERTIFICATE);
    assert_non_null(strstr(s.err.text, "KEYWARD_CACERT"));
    assert_int_equal(client_double_requests(&s.server), 0);
    end(&s);
}

static void test_old_tls_is_refused(void **state)
{
    struct scene s;
    begin_as(&s, state, "tls12", "ok");
    connect_to(&s);
    assert_int_equal(generate_one(&s), KW_CONNECT_FAILED);
    assert_int_equal(client_double_requests(&s.server), 0);
    end(&s);
}

static void test_client_certificate(void **state)
{
    struct scene s;
    begin_as(&s, state, "mutual", "ok");
    s.options.cert_file = s.server.cert;
    s.options.key_file = s.server.key;
    s.options.token = NULL;
    connect_to(&s);
    assert_int_equal(generate_one(&s), KW_OK);
    char *log = client_double_log(&s.server);
    assert_non_null(strstr(log, "generate -\n"));
    free(log);
    kw_backend_free(s.backend);
    s.options.cert_file = s.options.key_file = NULL;
    connect_to(&s);
    assert_int_not_equal(generate_one(&s), KW_OK);
    assert_int_equal(client_double_requests(&s.server), 1);
    end(&s);
}

static void test_nobody_there(void **state)
{
    struct scene s;
    begin(&s, state, "ok");
    client_double_stop(&s.server);
    assert_int_equal(post(&s), KW_CONNECT_FAILED);
    assert_non_null(strstr(s.err.text, "KEYWARD_ADDR"));
    kw_backend_free(s.backend);
    kw_bound_context_wipe(&s.context);
}

/* The environment's proxy would see where data keys come from, and could be anybody's. */
static void test_no_proxy(void **state)
{
    struct scene s;
    setenv("https_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    begin(&s, state, "ok");
    assert_int_equal(generate_one(&s), KW_OK);
    unsetenv("https_proxy");
    unsetenv("ALL_PROXY");
    end(&s);
}

static kw_code refused(const struct kw_remote_options *options, struct kw_error *err)
{
    struct kw_backend *backend = NULL;
    kw_code code = kw_backend_remote(options, &backend, err);
    kw_backend_free(backend);
    return code;
}

static void test_bad_options(void **state)
{
    static const char *const addresses[] = {
        "http://127.0.0.1:8443", "ftp://127.0.0.1",         "127.0.0.1:8443", "",
        "https://u:p@127.0.0.1", "https://127.0.0.1/v1",    "https://",       "https://h:99999",
        "https://127.0.0.1?x=y", "https://127.0.0.1:8443#x"};
    struct kw_error err;
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(addresses); i++)
        assert_int_equal(refused(&(struct kw_remote_options){.address = addresses[i]}, &err),
                         KW_USAGE);
    assert_int_equal(refused(&(struct kw_remote_options){.ca_file = "/nowhere/ca.pem"}, &err),
                     KW_BAD_CONFIG);
    assert_int_equal(refused(&(struct kw_remote_options){.cert_file = "/etc/hostname"}, &err),
                     KW_BAD_CONFIG);
    assert_int_equal(refused(&(struct kw_remote_options){.token = TOKEN "\r\nX-Evil: 1"}, &err),
                     KW_BAD_CONFIG);
    assert_null(strstr(err.text, TOKEN));
    assert_int_equal(refused(&(struct kw_remote_options){.token = "", .ca_file = ""}, &err), KW_OK);
}

static void test_bad_calls(void **state)
{
    static const char *const paths[] = {"v1/status",    "/v1/../x", "/v1//x",
                                        "/v1/a b",      "/v1/%2e",  "/v1/x\r\nHost: y",
                                        "/v1/\xc3\xa4", "/v1/x#y",  ""};
    struct scene s;
    KW_AUTO(kw_answer) answer = KW_ANSWER_INIT;
    KW_AUTO(kw_key_batch) batch = {0};
    begin(&s, state, "ok");
    for (size_t i = 0; i < KW_COUNT(paths); i++)
        assert_int_equal(
            kw_backend_call(s.backend, "GET", paths[i], kw_bytes(NULL, 0), &answer, &s.err),
            KW_BAD_REQUEST);
    assert_int_equal(kw_backend_call(s.backend, "PUT", "/v1/x", kw_bytes(NULL, 0), &answer, &s.err),
                     KW_METHOD_NOT_ALLOWED);
    assert_int_equal(kw_key_batch_init(&batch, 1, &s.err), KW_OK);
    batch.items[0].context = &s.context;
    assert_int_equal(kw_backend_generate(s.backend, &batch, &s.err), KW_USAGE);
    batch.items[0].tenant = "Not A Name";
    batch.items[0].region = "eu";
    assert_int_equal(kw_backend_generate(s.backend, &batch, &s.err), KW_BAD_NAME);
    assert_int_equal(client_double_requests(&s.server), 0);
    end(&s);
}

static void test_query(void **state)
{
    KW_AUTO(kw_buf) path = KW_BUF_INIT;
    KW_UNUSED(state);
    kw_buf_append_str(&path, "/v1/tenants");
    kw_query_add(&path, "prefix", "a b&c=/\xc3\xa4");
    kw_query_add(&path, "limit", "10");
    assert_string_equal(kw_buf_str(&path), "/v1/tenants?prefix=a%20b%26c%3D%2F%C3%A4&limit=10");
}

static void test_environment(void **state)
{
    struct kw_remote_options options = {.token = "mine"};
    KW_UNUSED(state);
    setenv("KEYWARD_ADDR", "https://env:1", 1);
    setenv("KEYWARD_TOKEN", "theirs", 1);
    unsetenv("KEYWARD_CACERT");
    kw_remote_options_environment(&options);
    assert_string_equal(options.address, "https://env:1");
    assert_string_equal(options.token, "mine");
    assert_null(options.ca_file);
    unsetenv("KEYWARD_ADDR");
    unsetenv("KEYWARD_TOKEN");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keys_and_calls),
        TEST(test_connection_is_reused),
        TEST(test_errors_keep_their_code),
        TEST(test_retries_what_may_pass),
        TEST(test_gives_up),
        TEST(test_deadline_bounds_retries),
        TEST(test_changes_are_not_repeated),
        TEST(test_redirects_are_not_followed),
        TEST(test_answers_that_are_wrong),
        TEST(test_answers_of_others),
        TEST(test_items_fail_alone),
        TEST(test_huge_answer),
        TEST(test_slow_answers_time_out),
        TEST(test_wrong_ca),
        TEST(test_old_tls_is_refused),
        TEST(test_client_certificate),
        TEST(test_nobody_there),
        TEST(test_no_proxy),
        TEST(test_bad_options),
        TEST(test_bad_calls),
        TEST(test_query),
        TEST(test_environment),
    };
    return cmocka_run_group_tests_name("client/remote", tests, NULL, NULL);
}

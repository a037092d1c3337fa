/* A log behind a URL, as a verifier reads it. */
#include "client/log_url.h"

#include "client_double.h"

#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SCRIPT KW_SOURCE_DIR "/tests/support/client_double.py"
#define TOKEN  "kwt_canary_of_the_token"

struct scene {
    struct client_double server;
    struct kw_remote_options options;
    struct kw_error err;
};

static void test_log_url(void **state)
{
    struct scene s;
    KW_AUTO_PTR(kw_log_url) log = NULL;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    client_double_start(&s.server, SCRIPT, *state, "tls", "ok ok error:404:not_found ok");
    s.options = client_double_options(&s.server);
    client_double_answer(&s.server, "the log's bytes");
    assert_int_equal(kw_log_url_open(s.server.address, &s.options, &log, &s.err), KW_OK);
    struct kw_tlog_source source = kw_log_url_source(log);
    assert_int_equal(source.fetch(source.arg, "tile/0/000", 8192, &out, &s.err), KW_OK);
    assert_true(kw_bytes_equal_str(kw_buf_bytes(&out), "the log's bytes"));
    assert_int_equal(source.fetch(source.arg, "tile/0/001", 8192, &out, &s.err), KW_NOT_FOUND);
    assert_int_equal(source.fetch(source.arg, "tile/0/002", 4, &out, &s.err), KW_TOO_LARGE);
    char *lines = client_double_log(&s.server);
    assert_non_null(strstr(lines, "GET /v1/ledger/checkpoint Bearer " TOKEN));
    assert_non_null(strstr(lines, "GET /v1/ledger/tile/0/000 Bearer " TOKEN));
    free(lines);
    client_double_stop(&s.server);
}

/* Another's log, over plain HTTP, at its root: found, and shown no token. */
static void test_log_url_of_others(void **state)
{
    struct scene s;
    KW_AUTO_PTR(kw_log_url) log = NULL;
    client_double_start(&s.server, SCRIPT, *state, "plain", "error:404:not_found ok");
    s.options = client_double_options(&s.server);
    s.options.address = "https://127.0.0.1:1";
    assert_int_equal(kw_log_url_open(s.server.address, &s.options, &log, &s.err), KW_OK);
    char *lines = client_double_log(&s.server);
    assert_non_null(strstr(lines, "GET /checkpoint -\n"));
    assert_null(strstr(lines, TOKEN));
    free(lines);
    client_double_stop(&s.server);
}

/* None there, or none that can be reached. */
static void test_no_log(void **state)
{
    struct scene s;
    struct kw_log_url *log = NULL;
    client_double_start(&s.server, SCRIPT, *state, "tls", "error:404:not_found");
    s.options = client_double_options(&s.server);
    assert_int_equal(kw_log_url_open(s.server.address, &s.options, &log, &s.err), KW_NOT_FOUND);
    assert_int_equal(client_double_requests(&s.server), 2);
    assert_int_equal(kw_log_url_open("not a URL", &s.options, &log, &s.err), KW_USAGE);
    s.options.ca_file = s.server.other_ca;
    assert_int_equal(kw_log_url_open(s.server.address, &s.options, &log, &s.err),
                     KW_BAD_CERTIFICATE);
    assert_null(log);
    client_double_stop(&s.server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_log_url),
        TEST(test_log_url_of_others),
        TEST(test_no_log),
    };
    return cmocka_run_group_tests_name("client/log_url", tests, NULL, NULL);
}

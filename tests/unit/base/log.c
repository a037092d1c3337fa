/* Log lines: one JSON object each, whatever the values hold and however long they are. */
#include "base/log.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_fds[2];
static char line[8192];

static int make_pipe(void **state)
{
    (void)state;
    if (pipe(pipe_fds) != 0)
        return -1;
    kw_log_configure(KW_LOG_INFO, pipe_fds[1]);
    return 0;
}

static int close_pipe(void **state)
{
    (void)state;
    kw_log_configure(KW_LOG_INFO, 2);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* What was written since the last call, after the time, which it checks the form of. */
static const char *logged(void)
{
    ssize_t len = read(pipe_fds[0], line, sizeof line - 1);
    assert_true(len > 0);
    line[len] = '\0';
    assert_memory_equal(line, "{\"time\":\"2", 10);
    assert_memory_equal(line + 32, "Z\",", 3);
    return line + 35;
}

static void a_line(void **state)
{
    (void)state;
    kw_log(KW_LOG_WARN, "listening", KW_LOG_STR("address", "127.0.0.1:8443"),
           KW_LOG_INT("workers", -2));
    assert_string_equal(logged(), "\"level\":\"warn\",\"event\":\"listening\","
                                  "\"address\":\"127.0.0.1:8443\",\"workers\":-2}\n");
}

static void values_cannot_forge(void **state)
{
    (void)state;
    kw_log(KW_LOG_INFO, "x", KW_LOG_STR("v", "a\"}\n{\"level\":\"\\\x01\x7f"));
    assert_string_equal(logged(), "\"level\":\"info\",\"event\":\"x\",\"v\":\"a\\u0022}\\u000a{"
                                  "\\u0022level\\u0022:\\u0022\\u005c\\u0001\\u007f\"}\n");
}

static void values_are_utf8(void **state)
{
    (void)state;
    kw_log(KW_LOG_INFO, "x",
           KW_LOG_STR("v", "\xc3\xa4\xe2\x82\xac \xff\xc3 \xc2\x9b \xed\xa0\x80"));
    assert_string_equal(logged(), "\"level\":\"info\",\"event\":\"x\",\"v\":\"\xc3\xa4\xe2\x82\xac "
                                  "\\ufffd\\ufffd \\u009b \\ufffd\\ufffd\\ufffd\"}\n");
}

static void levels_filter(void **state)
{
    (void)state;
    assert_false(kw_log_wanted(KW_LOG_DEBUG));
    assert_true(kw_log_wanted(KW_LOG_INFO));
    kw_log(KW_LOG_DEBUG, "not this", KW_LOG_INT("a", 1));
    kw_log(KW_LOG_ERROR, "this", KW_LOG_INT("a", INT64_MIN));
    assert_string_equal(logged(),
                        "\"level\":\"error\",\"event\":\"this\",\"a\":-9223372036854775808}\n");
}

/* Quotes balanced, nothing empty between punctuation, one newline at the end. */
static void assert_whole(const char *text)
{
    bool quoted = false;
    char before = ',';
    size_t len = strlen(text);
    assert_int_equal(text[len - 1], '\n');
    assert_int_equal(text[len - 2], '}');
    for (size_t i = 0; i + 1 < len; i++) {
        char c = text[i];
        assert_true((unsigned char)c >= 0x20);
        if (c == '"')
            quoted = !quoted;
        if (!quoted && (c == ',' || c == '}'))
            assert_true(before == '"' || before == 'e' || (before >= '0' && before <= '9'));
        before = c;
    }
    assert_false(quoted);
}

/* Every length around the limit, plain and escaped: always JSON, and cut lines say that they are.
 */
static void cut_lines_are_json(void **state)
{
    (void)state;
    static char value[4096];
    static const char fill[] = {'v', '\n', '\xff'};
    for (size_t f = 0; f < sizeof fill; f++) {
        for (size_t len = 200; len < 2200; len++) {
            memset(value, fill[f], len);
            value[len] = '\0';
            kw_log(KW_LOG_INFO, "x", KW_LOG_STR("v", value), KW_LOG_INT("n", 123456789),
                   KW_LOG_STR("m", "last"));
            const char *text = logged();
            assert_whole(text);
            bool cut = strstr(text, ",\"cut\":true}\n") != NULL;
            assert_int_equal(cut, strstr(text, "\"m\":\"last\"}\n") == NULL);
        }
    }
}

static void an_endless_event_is_cut_too(void **state)
{
    (void)state;
    static char event[5000];
    memset(event, 'e', sizeof event - 1);
    kw_log(KW_LOG_INFO, event, KW_LOG_INT("n", 1));
    const char *text = logged();
    assert_whole(text);
    assert_non_null(strstr(text, "\"cut\":true"));
}

static void a_closed_descriptor_stops_nobody(void **state)
{
    (void)state;
    kw_log_configure(KW_LOG_INFO, 987654);
    kw_log(KW_LOG_INFO, "lost", KW_LOG_INT("n", 1));
    kw_log_configure(KW_LOG_INFO, pipe_fds[1]);
    kw_log(KW_LOG_INFO, "next", KW_LOG_INT("n", 2));
    assert_non_null(strstr(logged(), "\"event\":\"next\""));
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, make_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PIPE(a_line),
        WITH_PIPE(values_cannot_forge),
        WITH_PIPE(values_are_utf8),
        WITH_PIPE(levels_filter),
        WITH_PIPE(cut_lines_are_json),
        WITH_PIPE(an_endless_event_is_cut_too),
        WITH_PIPE(a_closed_descriptor_stops_nobody),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

/* The table of options and the reading of values. */
#include "config/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kw_error err;

static void the_table_is_sound(void **state)
{
    KW_UNUSED(state);
    size_t count;
    const struct kw_option *options = kw_options(&count);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        const struct kw_option *option = &options[i];
        uint64_t number;
        if (i > 0 && strcmp(options[i - 1].name, option->name) >= 0)
            fail_msg("%s is not in its place", option->name);
        if (kw_option_parse(option, option->fallback, &number, &err) != KW_OK)
            fail_msg("the default of %s: %s", option->name, err.text);
        size_t len = strlen(option->help);
        if (len < 20 || option->help[len - 1] != '.' || strchr(option->help, '|') != NULL)
            fail_msg("%s lacks its sentence", option->name);
        assert_true(option->min <= option->max);
        assert_true((option->type == KW_OPTION_CHOICE) == (option->choices != NULL));
    }
}

static void names_are_found(void **state)
{
    KW_UNUSED(state);
    assert_string_equal(kw_option_find("server.address")->name, "server.address");
    assert_string_equal(kw_option_find("region.eu.providers")->name, "region.*.providers");
    static const char *const wrong[] = {"",
                                        "server",
                                        "server.address.x",
                                        "Server.address",
                                        "region..providers",
                                        "region.providers",
                                        "region.*.providers",
                                        "region.a.b.providers",
                                        "region.eu.provider"};
    for (size_t i = 0; i < KW_COUNT(wrong); i++)
        assert_null(kw_option_find(wrong[i]));
}

static void near_names_are_suggested(void **state)
{
    KW_UNUSED(state);
    assert_string_equal(kw_option_nearest("server.adress"), "server.address");
    assert_string_equal(kw_option_nearest("address"), "server.address");
    assert_string_equal(kw_option_nearest("log_level"), "log.level");
    assert_string_equal(kw_option_nearest("region"), "regions");
    assert_string_equal(kw_option_nearest("region.eu.provider"), "region.*.providers");
    assert_null(kw_option_nearest("colour"));
    assert_null(kw_option_nearest("a-name-that-is-longer-than-any-in-the-table-and-so-is-not-near-"
                                  "to-any-of-them-at-all"));
}

static void expect(const char *name, const char *value, kw_code want, uint64_t number)
{
    uint64_t got = 12345;
    const struct kw_option *option = kw_option_find(name);
    assert_non_null(option);
    if (kw_option_parse(option, value, &got, &err) != want)
        fail_msg("%s = %s", name, value);
    assert_true(got == (want == KW_OK ? number : 12345));
}

static void values_are_read(void **state)
{
    KW_UNUSED(state);
    expect("keyring.hard_ttl", "0", KW_OK, 0);
    expect("keyring.ttl", "1500ms", KW_OK, 1500);
    expect("keyring.ttl", "30s", KW_OK, 30000);
    expect("keyring.ttl", "5m", KW_OK, 300000);
    expect("keyring.ttl", "24h", KW_OK, 86400000);
    expect("keyring.ttl", "1d", KW_OK, 86400000);
    expect("keyring.bytes", "1048576", KW_OK, 1048576);
    expect("keyring.bytes", "2GiB", KW_OK, 2147483648);
    expect("server.max_body", "64KiB", KW_OK, 65536);
    expect("memory.allow_unlocked", "yes", KW_OK, 1);
    expect("memory.allow_unlocked", "off", KW_OK, 0);
    expect("log.level", "warn", KW_OK, 2);
    expect("server.address", "localhost:0", KW_OK, 0);
    expect("server.address", "[::1]:8443", KW_OK, 8443);
    expect("regions", "eu, us ,ap", KW_OK, 3);
    expect("classes", "", KW_OK, 0);
    expect("data", "/var/lib/key ward", KW_OK, 0);
    expect("server.workers", "1024", KW_OK, 1024);
}

static void wrong_values_are_refused(void **state)
{
    KW_UNUSED(state);
    static const struct {
        const char *name;
        const char *value;
    } wrong[] = {
        {"keyring.ttl", "30"},
        {"keyring.ttl", "30 s"},
        {"keyring.ttl", "s"},
        {"keyring.ttl", "-1s"},
        {"keyring.ttl", "030s"},
        {"keyring.ttl", "25h"},
        {"keyring.ttl", "18446744073709551615d"},
        {"keyring.ttl", "99999999999999999999s"},
        {"keyring.ttl", ""},
        {"keyring.bytes", "64MB"},
        {"keyring.bytes", "1023KiB"},
        {"keyring.bytes", "65GiB"},
        {"memory.allow_unlocked", "True"},
        {"memory.allow_unlocked", "1"},
        {"log.level", "trace"},
        {"log.level", "debug,info"},
        {"server.address", "8443"},
        {"server.address", ":8443"},
        {"server.address", "::1:8443"},
        {"server.address", "localhost:65536"},
        {"server.address", "localhost:"},
        {"regions", "eu,,us"},
        {"regions", "eu,eu"},
        {"regions", "eu,"},
        {"regions", "e u"},
        {"server.workers", "1025"},
        {"server.workers", "0x10"},
        {"server.workers", "1.5"},
        {"server.max_connections", "0"},
        {"data", "a\nb"},
    };
    for (size_t i = 0; i < KW_COUNT(wrong); i++)
        expect(wrong[i].name, wrong[i].value, KW_BAD_CONFIG, 0);
}

static void ranges_are_written_as_people_do(void **state)
{
    KW_UNUSED(state);
    char range[KW_OPTION_RANGE_SIZE];
    kw_option_range(kw_option_find("keyring.bytes"), range);
    assert_string_equal(range, "1MiB to 64GiB");
    kw_option_range(kw_option_find("server.header_timeout"), range);
    assert_string_equal(range, "100ms to 1h");
    kw_option_range(kw_option_find("server.workers"), range);
    assert_string_equal(range, "0 to 1024");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(near_names_are_suggested),
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(ranges_are_written_as_people_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

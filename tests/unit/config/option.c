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
    const struct kw_option *option = NULL;
    const char *before = "";
    size_t count = 0;
    for (; (option = kw_option_at(count)) != NULL; count++) {
        uint64_t number;
        if (strcmp(before, option->name) >= 0)
            fail_msg("%s is not in its place", option->name);
        before = option->name;
        if (kw_option_parse(option, option->fallback, &number, &err) != KW_OK)
            fail_msg("the default of %s: %s", option->name, err.text);
        size_t len = strlen(option->help);
        if (len < 20 || option->help[len - 1] != '.' || strchr(option->help, '|') != NULL)
            fail_msg("%s lacks its sentence", option->name);
        assert_true(option->min <= option->max);
        assert_true((option->type == KW_OPTION_CHOICE) == (option->choices != NULL));
        if (kw_provider_option_kinds(option) != NULL)
            assert_memory_equal(option->name, "provider.*.", 11);
    }
    assert_true(count > 90);
}

/* Each kind that a setting names is one that provider.NAME.kind can be. */
static void kinds_are_known(void **state)
{
    KW_UNUSED(state);
    const struct kw_option *kind = kw_option_find("provider.x.kind");
    const struct kw_option *option = NULL;
    char word[KW_OPTION_ITEM_SIZE];
    uint64_t number;
    for (size_t i = 0; (option = kw_provider_option_at(i)) != NULL; i++) {
        const char *kinds = kw_provider_option_kinds(option);
        for (size_t k = 0; kinds != NULL && kw_list_item(kinds, k, word); k++) {
            assert_int_equal(kw_option_parse(kind, word, &number, &err), KW_OK);
            assert_true(kw_provider_option_fits(option, word));
        }
        assert_int_equal(kw_provider_option_fits(option, "software"), kinds == NULL);
    }
    KW_AUTO(kw_buf) list = KW_BUF_INIT;
    kw_provider_option_list("keyward", &list);
    assert_string_equal(kw_buf_str(&list),
                        "address, ca_file, cert_file, class, key_file, token_file");
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
    assert_string_equal(kw_option_nearest("provider.aws-eu.endpiont"), "provider.*.endpoint");
    assert_string_equal(kw_option_nearest("class.pii.tll"), "class.*.ttl");
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
    expect("region.eu.providers", "software", KW_OK, 1);
    expect("region.eu.providers", "a=k, b = c=d ,c", KW_OK, 3);
    expect("cost.budget", "", KW_OK, 0);
    expect("cost.budget", "0", KW_OK, 0);
    expect("cost.budget", "250", KW_OK, UINT64_C(250000000000));
    expect("cost.budget", "0.000000001", KW_OK, 1);
    expect("cost.budget", "1.5", KW_OK, 1500000000);
    expect("cost.budget", "1000000000.000000000", KW_OK, UINT64_C(1000000000000000000));
    expect("provider.a.price", "0.000003", KW_OK, 3000);
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
        {"region.eu.providers", ""},
        {"region.eu.providers", "a,"},
        {"region.eu.providers", "a="},
        {"region.eu.providers", "=k"},
        {"region.eu.providers", "a=k,b,a"},
        {"cost.budget", "1."},
        {"cost.budget", ".5"},
        {"cost.budget", "1.0000000001"},
        {"cost.budget", "1,5"},
        {"cost.budget", "-1"},
        {"cost.budget", "1e3"},
        {"cost.budget", "1000000000.000000001"},
        {"cost.budget", "99999999999999999999"},
        {"provider.a.kind", "awz"},
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

static void words_of_a_list(void **state)
{
    KW_UNUSED(state);
    assert_true(kw_list_has("eu, us", "us"));
    assert_true(kw_list_has("eu, us", "eu"));
    assert_false(kw_list_has("eu, us", "u"));
    assert_false(kw_list_has("eu, us", "eu, us"));
    assert_false(kw_list_has("", "eu"));
    assert_false(kw_list_has("eu", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_a_list),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(kinds_are_known),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(near_names_are_suggested),
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(ranges_are_written_as_people_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* providers: kinds and their settings. No server is asked. */
#include "providers/providers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SETTINGS_MAX = 6 };

static struct kw_error err;

struct given {
    const char *kind;
    const char *settings[SETTINGS_MAX]; /* NAME=VALUE */
    const char *words;                  /* of the error; NULL: it is made */
};

static const char *get(void *arg, const char *option)
{
    const struct given *given = arg;
    size_t len = strlen(option);
    for (size_t i = 0; i < SETTINGS_MAX && given->settings[i] != NULL; i++)
        if (strncmp(given->settings[i], option, len) == 0 && given->settings[i][len] == '=')
            return given->settings[i] + len + 1;
    return NULL;
}

static void make(const struct given *given, const struct kw_provider_place *place)
{
    struct given copy = *given;
    const struct kw_provider_settings settings = {.name = "p-eu", .get = get, .arg = &copy};
    KW_AUTO_PTR(kw_provider) provider = NULL;
    kw_code code = kw_provider_make(given->kind, &settings, place, &provider, &err);
    if (given->words == NULL) {
        assert_int_equal(code, KW_OK);
        assert_string_equal(kw_provider_kind(provider), given->kind);
        assert_string_equal(kw_provider_name(provider), "p-eu");
        return;
    }
    assert_int_equal(code, KW_BAD_CONFIG);
    assert_null(provider);
    assert_non_null(strstr(err.text, "provider p-eu"));
    assert_non_null(strstr(err.text, given->words));
}

/* Each says which setting is wrong, of which provider. */
static void settings_are_checked(void **state)
{
    static const struct given cases[] = {
        {"none-such", {NULL}, "no kind"},
        {"", {NULL}, "no kind"},
        {"software", {NULL}, "software root"},
        {"vault", {NULL}, "address"},
        {"vault", {"address=ftp://h", "token_file=/t"}, "https"},
        {"vault", {"address=http://example.com", "token_file=/t"}, "https"},
        {"vault", {"address=https://h"}, "token_file"},
        {"vault", {"address=https://h", "token_file=/t", "token_env=T"}, "one of"},
        {"vault", {"address=https://h", "token_env=KW_TEST_NOT_SET"}, "KW_TEST_NOT_SET"},
        {"vault", {"address=https://h", "role_id=r"}, "secret_id_file"},
        {"vault",
         {"address=https://h", "role_id=r", "secret_id_file=/s", "approle_mount=../x"},
         "approle_mount"},
        {"vault", {"address=https://h", "token_file=/t", "mount=a/../b"}, "mount"},
        {"vault", {"address=https://h", "token_file=/t", "ca_file=/nowhere"}, "/nowhere"},
        {"vault", {"address=https://h:8200", "token_file=/t", "mount=a/b", "namespace=n"}, NULL},
        {"vault", {"address=http://127.0.0.1:8200", "role_id=r", "secret_id_file=/s"}, NULL},
        {"keyward", {NULL}, "address"},
        {"keyward", {"address=https://h"}, "token_file"},
        {"keyward", {"address=https://h", "token_file=/t", "cert_file=/c"}, "either"},
        {"keyward", {"address=https://h", "cert_file=/c"}, "certificate"},
        {"keyward", {"address=http://127.0.0.1", "token_file=/t"}, "https"},
        {"keyward", {"address=https://h", "token_file=/t", "class=A B"}, "class"},
        {"keyward", {"address=https://h", "token_file=/t", "class=roots"}, NULL},
    };
    const struct kw_provider_place place = {0};
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(cases); i++)
        make(&cases[i], &place);
}

static void software(void **state)
{
    static const struct given given = {"software", {NULL}, NULL};
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_UNUSED(state);
    assert_int_equal(kw_secret_alloc(&root, 32, &err), KW_OK);
    make(&given, &(struct kw_provider_place){.software_root = &root});
}

static void the_table(void **state)
{
    size_t count = 0;
    KW_UNUSED(state);
    while (kw_provider_kind_at(count) != NULL)
        for (size_t i = count++; i > 0; i--)
            assert_string_not_equal(kw_provider_kind_at(i), kw_provider_kind_at(i - 1));
    assert_true(count >= 3);
    assert_string_equal(kw_provider_kind_at(0), "software");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(software),
        cmocka_unit_test(the_table),
    };
    return cmocka_run_group_tests_name("providers", tests, NULL, NULL);
}

/* Path specs: what is accepted, what is refused, and the classes they name. */
#include "envelope/record.h"

#include "envelope_scene.h"

static void specs(void **state)
{
    KW_UNUSED(state);
    static const char *const good[] = {"$.a",
                                       "$['a']",
                                       "$[\"a\"]",
                                       "$.a.b[0]['c d'][*].*",
                                       " $.a , $.b:health\n",
                                       "$.a-b._c9",
                                       "$['it\\'s']",
                                       "$[0]",
                                       "$['']",
                                       "$.\xc3\xa9",
                                       "$['$.a:b,c']:pii"};
    static const char *const bad[] = {"",
                                      "$",
                                      "a",
                                      ".a",
                                      "$.",
                                      "$..a",
                                      "$a",
                                      "$.a,",
                                      ",$.a",
                                      "$.a $.b",
                                      "$.a:",
                                      "$.a:UP",
                                      "$.a:x:y",
                                      "$.a[",
                                      "$.a[1",
                                      "$.a[01]",
                                      "$.a[-1]",
                                      "$.a[1:2]",
                                      "$.a[?@.b]",
                                      "$['a",
                                      "$['a'",
                                      "$['\\x']",
                                      "$[a]",
                                      "$.1a",
                                      "$.a[9999999999]",
                                      "$._keyward",
                                      "$['_keyward']",
                                      "$['_keyward'][0]",
                                      "$['a\nb']"};
    struct kw_error err;
    for (size_t i = 0; i < KW_COUNT(good); i++) {
        KW_AUTO_PTR(kw_fields_spec) spec = NULL;
        if (kw_fields_spec_new(&spec, good[i], "pii", &err) != KW_OK)
            fail_msg("refused: %s: %s", good[i], err.text);
    }
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        struct kw_fields_spec *spec = NULL;
        kw_code code = kw_fields_spec_new(&spec, bad[i], "pii", &err);
        if (code != KW_BAD_PATH && code != KW_BAD_NAME)
            fail_msg("accepted: %s", bad[i]);
        assert_null(spec);
    }
    struct kw_fields_spec *spec = NULL;
    assert_int_equal(kw_fields_spec_new(&spec, "$.a", "Pii", &err), KW_BAD_NAME);
}

static void classes(void **state)
{
    KW_UNUSED(state);
    KW_AUTO_PTR(kw_fields_spec) spec = NULL;
    assert_int_equal(kw_fields_spec_new(&spec, "$.a:health,$.b,$.c:health,$.d:pii", "pii", NULL),
                     KW_OK);
    assert_int_equal(kw_fields_spec_classes(spec), 2);
    assert_string_equal(kw_fields_spec_class(spec, 0), "health");
    assert_string_equal(kw_fields_spec_class(spec, 1), "pii");
}

static void limits(void **state)
{
    KW_UNUSED(state);
    struct kw_error err;
    for (int count = KW_FIELDS_PATHS_MAX; count <= KW_FIELDS_PATHS_MAX + 1; count++) {
        KW_AUTO(kw_buf) text = KW_BUF_INIT;
        KW_AUTO_PTR(kw_fields_spec) spec = NULL;
        for (int i = 0; i < count; i++)
            kw_buf_printf(&text, "%s$.m%d", i == 0 ? "" : ",", i);
        assert_int_equal(kw_fields_spec_new(&spec, kw_buf_str(&text), "pii", &err),
                         count <= KW_FIELDS_PATHS_MAX ? KW_OK : KW_BAD_PATH);
    }
    KW_AUTO(kw_buf) deep = KW_BUF_INIT;
    KW_AUTO(kw_buf) many = KW_BUF_INIT;
    struct kw_fields_spec *none = NULL;
    kw_buf_append_str(&deep, "$");
    for (int i = 0; i <= KW_JSON_MAX_DEPTH; i++)
        kw_buf_append_str(&deep, "[0]");
    assert_int_equal(kw_fields_spec_new(&none, kw_buf_str(&deep), "pii", &err), KW_BAD_PATH);
    for (int i = 0; i <= KW_FIELDS_CLASSES_MAX; i++)
        kw_buf_printf(&many, "%s$.m%d:c%d", i == 0 ? "" : ",", i, i);
    assert_int_equal(kw_fields_spec_new(&none, kw_buf_str(&many), "pii", &err), KW_BAD_PATH);
    KW_AUTO(kw_buf) name = KW_BUF_INIT;
    kw_buf_append_str(&name, "$.");
    for (int i = 0; i < KW_FIELDS_SPEC_MAX; i++)
        kw_buf_append_byte(&name, 'a');
    assert_int_equal(kw_fields_spec_new(&none, kw_buf_str(&name), "pii", &err), KW_BAD_PATH);
    assert_int_equal(kw_fields_spec_new(&none, "$.\xff", "pii", &err), KW_BAD_PATH);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs),
        cmocka_unit_test(classes),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

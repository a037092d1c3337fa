/* Reading JSON: what is accepted, what is refused, and that every value knows its place. */
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static kw_code parse(struct kw_json_doc *doc, const char *text)
{
    struct kw_error err;
    return kw_json_parse(doc, kw_bytes_str(text), &err);
}

static void every_type_and_place(void **state)
{
    KW_UNUSED(state);
    const char *text = " { \"a\" : [ 1 , -2.50e+3,\"x\\ny\" ] ,\"b\":{}, \"c\":null,\"d\":true ,"
                       "\"e\":false, \"\\u00e9\\ud83d\\ude00\":\"\" } ";
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    assert_int_equal(parse(&doc, text), KW_OK);
    assert_int_equal(doc.root->type, KW_JSON_OBJECT);
    assert_int_equal(doc.root->count, 6);
    assert_int_equal(doc.root->start, 1);
    assert_int_equal(doc.root->end, strlen(text) - 1);
    const struct kw_json *a = kw_json_get(doc.root, "a");
    assert_int_equal(a->count, 3);
    assert_string_equal(a->first->text, "1");
    assert_string_equal(a->first->next->text, "-2.50e+3");
    assert_string_equal(a->first->next->next->text, "x\ny");
    assert_int_equal(kw_json_get(doc.root, "b")->type, KW_JSON_OBJECT);
    assert_null(kw_json_get(doc.root, "b")->first);
    assert_int_equal(kw_json_get(doc.root, "c")->type, KW_JSON_NULL);
    assert_int_equal(kw_json_get(doc.root, "d")->type, KW_JSON_TRUE);
    assert_int_equal(kw_json_get(doc.root, "e")->type, KW_JSON_FALSE);
    assert_int_equal(kw_json_get(doc.root, "\xc3\xa9\xf0\x9f\x98\x80")->len, 0);
    assert_null(kw_json_get(doc.root, "f"));
}

static void check_slice(const char *text, const struct kw_json *value, const char *slice)
{
    assert_int_equal(value->end - value->start, strlen(slice));
    assert_memory_equal(text + value->start, slice, strlen(slice));
}

static void slices_are_the_source(void **state)
{
    KW_UNUSED(state);
    const char *text =
        "{\"k\\\"1\":\r\n\t\"v\\u0041\" ,\"n\" :0.1e-7,\"l\":[true , false,null,[ ]]}";
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    assert_int_equal(parse(&doc, text), KW_OK);
    check_slice(text, doc.root, text);
    check_slice(text, kw_json_get(doc.root, "k\"1"), "\"v\\u0041\"");
    check_slice(text, kw_json_get(doc.root, "n"), "0.1e-7");
    const struct kw_json *list = kw_json_get(doc.root, "l");
    check_slice(text, list, "[true , false,null,[ ]]");
    check_slice(text, list->first, "true");
    check_slice(text, list->first->next, "false");
    check_slice(text, list->first->next->next, "null");
    check_slice(text, list->first->next->next->next, "[ ]");
}

static void scalars_at_the_top(void **state)
{
    KW_UNUSED(state);
    static const char *const texts[] = {"0",    "-1.5E9", "\"\"", "\"a\"",
                                        "true", "false",  "null", "[]"};
    for (size_t i = 0; i < KW_COUNT(texts); i++) {
        char padded[32];
        snprintf(padded, sizeof padded, "\n %s\t ", texts[i]);
        KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
        assert_int_equal(parse(&doc, padded), KW_OK);
        check_slice(padded, doc.root, texts[i]);
        KW_AUTO(kw_json_doc) bare = KW_JSON_DOC_INIT;
        assert_int_equal(parse(&bare, texts[i]), KW_OK);
        check_slice(texts[i], bare.root, texts[i]);
    }
}

static void refused(void **state)
{
    KW_UNUSED(state);
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "[",
                                        "\"",
                                        "\"a",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{\"a\":1",
                                        "[1",
                                        "tru",
                                        "nul",
                                        "-",
                                        "1.",
                                        "1e",
                                        "01",
                                        "[01]",
                                        "+1",
                                        "0 \"a",
                                        "{} \"a",
                                        "[] tru",
                                        "\f1",
                                        "[1\v]",
                                        "{\"a\"\v:1}",
                                        ".5",
                                        "0x1",
                                        "NaN",
                                        "Infinity",
                                        "[1,]",
                                        "{\"a\":1,}",
                                        "[,1]",
                                        "{,}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "[1 2]",
                                        "{\"a\" 1}",
                                        "{\"a\":1 \"b\":2}",
                                        "1 2",
                                        "{} {}",
                                        "[]x",
                                        "null,",
                                        "/* c */ 1",
                                        "1 // c",
                                        "[1 /* c */]",
                                        "\"\t\"",
                                        "\"\x01\"",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "{\"a\":1,\"a\":2}",
                                        "{\"a\":1,\"b\":2,\"\\u0061\":3}",
                                        "{1:2}",
                                        "{null:2}",
                                        "]",
                                        "}",
                                        ":",
                                        ",",
                                        "\xef\xbb\xbf{}",
                                        "TRUE",
                                        "{\"a\":{\"b\":1,\"b\":1}}"};
    for (size_t i = 0; i < KW_COUNT(texts); i++) {
        struct kw_json_doc doc = KW_JSON_DOC_INIT;
        if (parse(&doc, texts[i]) != KW_BAD_JSON)
            fail_msg("accepted: %s", texts[i]);
        assert_null(doc.root);
        assert_null(doc.memory);
    }
}

static void unicode_is_strict(void **state)
{
    KW_UNUSED(state);
    static const char *const bad[] = {"\"\x80\"",
                                      "\"\xc0\x80\"",
                                      "\"\xc1\xbf\"",
                                      "\"\xe0\x9f\xbf\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xed\xbf\xbf\"",
                                      "\"\xf0\x8f\xbf\xbf\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\"\xf5\x80\x80\x80\"",
                                      "\"\xc3\"",
                                      "\"\xe2\x82\"",
                                      "\"\xff\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800x\"",
                                      "\"\\ud800\\n\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\ud800\\ud800\"",
                                      "\"\\udc00\\ud800\"",
                                      "\"a\\ud83d\\ude00\\ud83d\"",
                                      "\"\\uD83D\\uD83D\\uDE00\"",
                                      "{\"\\udead\":1}",
                                      "\"12345678\x80\"",
                                      "\"\\\\\\ud800\\\\\""};
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        struct kw_json_doc doc = KW_JSON_DOC_INIT;
        if (parse(&doc, bad[i]) != KW_BAD_JSON)
            fail_msg("accepted: case %zu %s", i, bad[i]);
    }
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    const char *good =
        "[\"\\ud83d\\ude00\",\"\\\\ud800\",\"\\\\\\uD83D\\uDE00\\\\\",\"\xf4\x8f\xbf\xbf\","
        "\"\xef\xbf\xbf\"]";
    assert_int_equal(parse(&doc, good), KW_OK);
    assert_string_equal(doc.root->first->text, "\xf0\x9f\x98\x80");
    assert_string_equal(doc.root->first->next->text, "\\ud800");
    assert_string_equal(doc.root->first->next->next->text, "\\\xf0\x9f\x98\x80\\");
}

static void nul_within_a_string(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    assert_int_equal(parse(&doc, "{\"a\":\"x\\u0000y\"}"), KW_OK);
    const struct kw_json *a = kw_json_get(doc.root, "a");
    assert_int_equal(a->len, 3);
    assert_memory_equal(a->text, "x\0y", 4);
    const char *out = "before";
    struct kw_error err;
    assert_int_equal(kw_json_get_str(doc.root, "a", true, &out, &err), KW_BAD_JSON);
    assert_string_equal(out, "before");
    KW_AUTO(kw_json_doc) raw = KW_JSON_DOC_INIT;
    assert_int_equal(kw_json_parse(&raw, kw_bytes("\"a\0b\"", 5), &err), KW_BAD_JSON);
}

static void depth_is_bounded(void **state)
{
    KW_UNUSED(state);
    char text[2 * (KW_JSON_MAX_DEPTH + 1) + 1];
    for (int depth = KW_JSON_MAX_DEPTH; depth <= KW_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
        assert_int_equal(parse(&doc, text), depth <= KW_JSON_MAX_DEPTH ? KW_OK : KW_BAD_JSON);
    }
}

/* {"m0":0,...} with count members; the last is named again if repeat. */
static void large_object(struct kw_buf *out, int count, bool repeat)
{
    kw_buf_append_byte(out, '{');
    for (int i = 0; i < count; i++)
        kw_buf_printf(out, "%s\"m%d\":%d", i == 0 ? "" : ",", i, i);
    if (repeat)
        kw_buf_printf(out, ",\"m%d\":0", count - 1);
    kw_buf_append_byte(out, '}');
}

static void duplicates_in_objects_of_every_size(void **state)
{
    KW_UNUSED(state);
    static const int counts[] = {1, 2, 15, 16, 17, 100, 20000};
    for (size_t i = 0; i < KW_COUNT(counts); i++) {
        KW_AUTO(kw_buf) text = KW_BUF_INIT;
        large_object(&text, counts[i], false);
        KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
        assert_int_equal(kw_json_parse(&doc, kw_buf_bytes(&text), NULL), KW_OK);
        assert_int_equal(doc.root->count, counts[i]);
        kw_buf_reset(&text);
        large_object(&text, counts[i], true);
        KW_AUTO(kw_json_doc) twice = KW_JSON_DOC_INIT;
        assert_int_equal(kw_json_parse(&twice, kw_buf_bytes(&text), NULL), KW_BAD_JSON);
    }
}

static void errors_name_the_place_and_quote_nothing(void **state)
{
    KW_UNUSED(state);
    struct kw_json_doc doc = KW_JSON_DOC_INIT;
    struct kw_error err;
    assert_int_equal(kw_json_parse(&doc, kw_bytes_str("{\"secret\":\"canary\" x}"), &err),
                     KW_BAD_JSON);
    assert_non_null(strstr(err.text, "byte 19"));
    assert_null(strstr(err.text, "canary"));
    assert_null(strchr(err.text, '\n'));
}

static void members_by_type(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    assert_int_equal(
        parse(&doc, "{\"s\":\"text\",\"n\":42,\"neg\":-1,\"f\":1.0,\"b\":true,\"z\":null}"), KW_OK);
    struct kw_error err;
    const char *s = NULL;
    uint64_t n = 7;
    bool b = false;
    assert_int_equal(kw_json_get_str(doc.root, "s", true, &s, &err), KW_OK);
    assert_string_equal(s, "text");
    assert_int_equal(kw_json_get_u64(doc.root, "n", true, 42, &n, &err), KW_OK);
    assert_int_equal(n, 42);
    assert_int_equal(kw_json_get_bool(doc.root, "b", &b, &err), KW_OK);
    assert_true(b);
    n = 7;
    assert_int_equal(kw_json_get_u64(doc.root, "n", true, 41, &n, &err), KW_BAD_JSON);
    assert_int_equal(kw_json_get_u64(doc.root, "neg", true, 42, &n, &err), KW_BAD_JSON);
    assert_int_equal(kw_json_get_u64(doc.root, "f", true, 42, &n, &err), KW_BAD_JSON);
    assert_int_equal(kw_json_get_u64(doc.root, "s", true, 42, &n, &err), KW_BAD_JSON);
    assert_int_equal(kw_json_get_str(doc.root, "n", true, &s, &err), KW_BAD_JSON);
    assert_int_equal(kw_json_get_bool(doc.root, "s", &b, &err), KW_BAD_JSON);
    assert_int_equal(kw_json_get_str(doc.root, "none", true, &s, &err), KW_BAD_JSON);
    assert_non_null(strstr(err.text, "\"none\""));
    assert_int_equal(kw_json_get_str(doc.root, "z", true, &s, &err), KW_BAD_JSON);
    assert_int_equal(kw_json_get_u64(doc.root, "none", false, 42, &n, &err), KW_OK);
    assert_int_equal(n, 7);
    assert_int_equal(kw_json_get_str(NULL, "s", false, &s, &err), KW_BAD_JSON);
}

static void unknown_members_are_refused(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    assert_int_equal(parse(&doc, "{\"a\":1,\"b\":2}"), KW_OK);
    struct kw_error err;
    assert_int_equal(kw_json_only(doc.root, (const char *const[]){"b", "a", "c", NULL}, &err),
                     KW_OK);
    assert_int_equal(kw_json_only(doc.root, (const char *const[]){"a", NULL}, &err), KW_BAD_JSON);
    assert_non_null(strstr(err.text, "\"b\""));
    assert_int_equal(kw_json_only(doc.root->first, (const char *const[]){NULL}, &err), KW_BAD_JSON);
}

static void a_secret_document_parses_alike(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    large_object(&text, 500, false);
    KW_AUTO(kw_json_doc) doc = {.secret = true};
    assert_int_equal(kw_json_parse(&doc, kw_buf_bytes(&text), NULL), KW_OK);
    assert_int_equal(doc.root->count, 500);
    struct kw_error err;
    assert_int_equal(kw_json_parse(&doc, kw_buf_bytes(&text), &err), KW_INTERNAL);
    kw_json_doc_wipe(&doc);
    assert_true(doc.secret);
    assert_null(doc.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_place),
        cmocka_unit_test(slices_are_the_source),
        cmocka_unit_test(scalars_at_the_top),
        cmocka_unit_test(refused),
        cmocka_unit_test(unicode_is_strict),
        cmocka_unit_test(nul_within_a_string),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(duplicates_in_objects_of_every_size),
        cmocka_unit_test(errors_name_the_place_and_quote_nothing),
        cmocka_unit_test(members_by_type),
        cmocka_unit_test(unknown_members_are_refused),
        cmocka_unit_test(a_secret_document_parses_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Contexts: one canonical form and one digest for a map, and what is no context. */
#include "envelope/context.h"

#include "envelope_scene.h"
#include "json/json.h"

static void add(struct kw_context_entries *e, const char *key, const char *value)
{
    assert_int_equal(kw_context_add(e, kw_bytes_str(key), kw_bytes_str(value), NULL), KW_OK);
}

static void order_does_not_matter(void **state)
{
    KW_UNUSED(state);
    struct kw_context_entries forward = {.count = 0};
    struct kw_context_entries backward = {.count = 0};
    struct kw_context a;
    struct kw_context b;
    static const char *const keys[] = {"a", "aa", "ab", "b", "\xc3\xa9"};
    for (size_t i = 0; i < KW_COUNT(keys); i++) {
        add(&forward, keys[i], keys[i]);
        add(&backward, keys[KW_COUNT(keys) - 1 - i], keys[KW_COUNT(keys) - 1 - i]);
    }
    assert_int_equal(kw_context_make(&a, &forward, NULL), KW_OK);
    assert_int_equal(kw_context_make(&b, &backward, NULL), KW_OK);
    assert_memory_equal(a.digest, b.digest, sizeof a.digest);
    KW_AUTO(kw_buf) form = KW_BUF_INIT;
    assert_int_equal(kw_context_encode(&form, &backward, NULL), KW_OK);
    struct kw_context_entries read;
    assert_int_equal(kw_context_decode(&read, kw_buf_bytes(&form), NULL), KW_OK);
    assert_int_equal(read.count, KW_COUNT(keys));
    for (size_t i = 0; i < KW_COUNT(keys); i++)
        assert_true(kw_bytes_equal_str(read.entry[i].key, keys[i]));
}

static void digests_differ_where_maps_do(void **state)
{
    KW_UNUSED(state);
    static const char *const maps[][2] = {
        {"a", "b"}, {"a", "bc"}, {"ab", "c"}, {"b", "a"}, {"a", ""}};
    struct kw_context seen[KW_COUNT(maps) + 1];
    assert_int_equal(kw_context_make(&seen[KW_COUNT(maps)], NULL, NULL), KW_OK);
    for (size_t i = 0; i < KW_COUNT(maps); i++)
        scene_context(&seen[i], maps[i][0], maps[i][1]);
    for (size_t i = 0; i < KW_COUNT(seen); i++) {
        for (size_t k = i + 1; k < KW_COUNT(seen); k++)
            assert_memory_not_equal(seen[i].digest, seen[k].digest, KW_HASH_SIZE);
    }
}

static void refused(void **state)
{
    KW_UNUSED(state);
    struct kw_context_entries e = {.count = 0};
    struct kw_context context;
    struct kw_error err;
    assert_int_equal(kw_context_add(&e, kw_bytes_str(""), kw_bytes_str("v"), &err), KW_BAD_CONTEXT);
    assert_int_equal(kw_context_add(&e, kw_bytes("a\0b", 3), kw_bytes_str("v"), &err),
                     KW_BAD_CONTEXT);
    assert_int_equal(kw_context_add(&e, kw_bytes_str("k"), kw_bytes("\0", 1), &err),
                     KW_BAD_CONTEXT);
    assert_int_equal(kw_context_add(&e, kw_bytes_str("\xff"), kw_bytes_str("v"), &err),
                     KW_BAD_CONTEXT);
    assert_int_equal(kw_context_add(&e, kw_bytes_str("k"), kw_bytes_str("\xc0\x80"), &err),
                     KW_BAD_CONTEXT);
    assert_int_equal(kw_context_add_text(&e, "no divider", &err), KW_BAD_CONTEXT);
    assert_int_equal(kw_context_add_text(&e, "=v", &err), KW_BAD_CONTEXT);
    assert_int_equal(e.count, 0);
    add(&e, "a", "1");
    add(&e, "b", "1");
    add(&e, "a", "2");
    assert_int_equal(kw_context_make(&context, &e, &err), KW_BAD_CONTEXT);
    assert_non_null(strstr(err.text, "twice"));
}

static void limits(void **state)
{
    KW_UNUSED(state);
    static char large[KW_CONTEXT_SIZE_MAX + 2];
    struct kw_context_entries e = {.count = 0};
    struct kw_context context;
    memset(large, 'x', sizeof large - 1);
    large[KW_CONTEXT_SIZE_MAX - 5] = '\0'; /* with "k" and two lengths: exactly the maximum */
    add(&e, "k", large);
    assert_int_equal(kw_context_make(&context, &e, NULL), KW_OK);
    add(&e, "l", "");
    assert_int_equal(kw_context_make(&context, &e, NULL), KW_BAD_CONTEXT);
    large[KW_CONTEXT_SIZE_MAX - 5] = 'x';
    assert_int_equal(kw_context_add(&e, kw_bytes_str("m"), kw_bytes_str(large), NULL),
                     KW_BAD_CONTEXT);
    static const char names[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef";
    e.count = 0;
    for (int i = 0; i < KW_CONTEXT_ENTRIES_MAX; i++)
        assert_int_equal(kw_context_add(&e, kw_bytes(names + i, 1), kw_bytes_str("v"), NULL),
                         KW_OK);
    assert_int_equal(kw_context_make(&context, &e, NULL), KW_OK);
    assert_int_equal(kw_context_add(&e, kw_bytes_str("zz"), kw_bytes_str("v"), NULL),
                     KW_BAD_CONTEXT);
}

static void encoded_forms_that_are_refused(void **state)
{
    KW_UNUSED(state);
    static const struct kw_bytes forms[] = {
        {(const uint8_t *)"\0\1", 2},                 /* cut off in the key */
        {(const uint8_t *)"\0\1a", 3},                /* no value */
        {(const uint8_t *)"\0\1a\0\2x", 6},           /* cut off in the value */
        {(const uint8_t *)"\0\0\0\0", 4},             /* an empty key */
        {(const uint8_t *)"\0\1b\0\0\0\1a\0\0", 10},  /* not in order */
        {(const uint8_t *)"\0\1a\0\0\0\1a\0\1x", 11}, /* twice */
        {(const uint8_t *)"\0\1a\0\0\0", 6},          /* a byte too many */
    };
    for (size_t i = 0; i < KW_COUNT(forms); i++) {
        struct kw_context_entries e;
        struct kw_error err;
        assert_int_equal(kw_context_decode(&e, forms[i], &err), KW_BAD_CONTEXT);
    }
}

static void from_text_and_json(void **state)
{
    KW_UNUSED(state);
    struct kw_context_entries text = {.count = 0};
    struct kw_context_entries json = {.count = 0};
    struct kw_context a;
    struct kw_context b;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    assert_int_equal(kw_context_add_text(&text, "k=v=w", NULL), KW_OK);
    assert_int_equal(kw_context_add_text(&text, "e=", NULL), KW_OK);
    assert_int_equal(
        kw_json_parse(&doc, kw_bytes_str("{\"c\":{\"e\":\"\",\"k\":\"v=w\"},\"n\":{\"x\":1}}"),
                      NULL),
        KW_OK);
    assert_int_equal(kw_context_add_json(&json, kw_json_get(doc.root, "c"), NULL), KW_OK);
    assert_int_equal(kw_context_add_json(&json, NULL, NULL), KW_OK);
    assert_int_equal(kw_context_make(&a, &text, NULL), KW_OK);
    assert_int_equal(kw_context_make(&b, &json, NULL), KW_OK);
    assert_memory_equal(a.digest, b.digest, KW_HASH_SIZE);
    assert_int_equal(kw_context_add_json(&json, kw_json_get(doc.root, "n"), NULL), KW_BAD_CONTEXT);
    assert_int_equal(kw_context_add_json(&json, doc.root->first->first, NULL), KW_BAD_CONTEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(digests_differ_where_maps_do),
        cmocka_unit_test(refused),
        cmocka_unit_test(limits),
        cmocka_unit_test(encoded_forms_that_are_refused),
        cmocka_unit_test(from_text_and_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

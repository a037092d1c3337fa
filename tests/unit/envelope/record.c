/* Records: chosen values sealed, every other byte kept, and what is refused on the way back. */
#include "envelope/record.h"

#include "envelope_scene.h"

/* Seals and opens with wrapping keys made for each class as it is asked for. */
struct vault {
    struct scene s;
    struct kw_fields_spec *spec;
    struct kw_record record;
    struct kw_buf sealed;
    struct kw_buf opened;
};

static void vault_init(struct vault *v, const char *spec)
{
    *v = (struct vault){.record = KW_RECORD_INIT};
    scene_init(&v->s, KW_SUITE_AES256GCM);
    if (spec != NULL)
        assert_int_equal(kw_fields_spec_new(&v->spec, spec, "pii", NULL), KW_OK);
}

static void vault_wipe(struct vault *v)
{
    scene_wipe(&v->s);
    kw_fields_spec_free(v->spec);
    kw_record_wipe(&v->record);
    kw_buf_wipe(&v->sealed);
    kw_buf_wipe(&v->opened);
}

#define AUTO_VAULT __attribute__((cleanup(vault_wipe))) struct vault

static void class_key(const struct vault *v, const char *cls, struct kw_wrapping_key *w)
{
    struct kw_scope scope = {"acme", "eu", cls};
    scene_wrapping_key(w, &v->s.tenant_key, &scope, KW_SUITE_AES256GCM);
}

static kw_code seal(struct vault *v, const char *text, struct kw_buf *out)
{
    struct kw_data_key keys[KW_FIELDS_CLASSES_MAX];
    struct kw_secret secrets[KW_FIELDS_CLASSES_MAX] = {0};
    struct kw_error err;
    KW_TRY(kw_record_plan(&v->record, v->spec, kw_bytes_str(text), &err));
    size_t count = kw_record_plan_keys(&v->record);
    for (size_t i = 0; i < count; i++) {
        struct kw_wrapping_key w;
        class_key(v, kw_record_plan_class(&v->record, i), &w);
        assert_int_equal(kw_random_secret(&secrets[i], KW_KEY_SIZE, NULL), KW_OK);
        keys[i].key = secrets[i].data;
        assert_int_equal(kw_data_key_wrap(&keys[i].head, &w, &v->s.context, secrets[i].data, NULL),
                         KW_OK);
        kw_secret_wipe(&w.key);
    }
    kw_code code = kw_record_seal(&v->record, &v->s.context, keys, out, &err);
    for (size_t i = 0; i < count; i++)
        kw_secret_wipe(&secrets[i]);
    return code;
}

static kw_code unwrap_any(const struct vault *v, const struct kw_wrapped_key *head, uint8_t *out)
{
    static const char *const classes[] = {"pii", "health", "financial"};
    for (size_t i = 0; i < KW_COUNT(classes); i++) {
        struct kw_wrapping_key w;
        class_key(v, classes[i], &w);
        bool it_is = memcmp(w.class_tag, head->class_tag, KW_CLASS_TAG_SIZE) == 0;
        kw_code code = it_is ? kw_data_key_unwrap(out, &w, head, &v->s.context, NULL) : KW_OK;
        kw_secret_wipe(&w.key);
        if (it_is)
            return code;
    }
    return KW_UNKNOWN_CLASS;
}

static kw_code open(struct vault *v, const struct kw_fields_spec *spec, struct kw_bytes text,
                    struct kw_buf *out)
{
    const uint8_t *keys[KW_RECORD_HEADS_MAX];
    struct kw_secret secret = KW_SECRET_INIT;
    struct kw_error err = {.code = KW_OK};
    KW_TRY(kw_record_read(&v->record, spec, text, &err));
    assert_int_equal(kw_secret_alloc(&secret, (size_t)KW_RECORD_HEADS_MAX * KW_KEY_SIZE, NULL),
                     KW_OK);
    kw_code code = KW_OK;
    for (size_t i = 0; i < kw_record_read_keys(&v->record) && code == KW_OK; i++) {
        uint8_t *key = secret.data + i * KW_KEY_SIZE;
        code = unwrap_any(v, kw_record_read_head(&v->record, i), key);
        keys[i] = key;
    }
    if (code == KW_OK)
        code = kw_record_open(&v->record, &v->s.context, keys, out, &err);
    kw_secret_wipe(&secret);
    return code;
}

static const char *const records[] = {
    "{\"ssn\":\"123\",\"cards\":[{\"number\":4111111111111111},{\"number\":-1.50e+3}],\"x\":null}",
    " {\t\"ssn\" : [ 1 ,\n{\"a\":\"\\u00e9\\n\"} ] , \"a\":true } \r\n",
    "{\"cards\":{\"visa\":{\"number\":\"\xc3\xa9\"}}}",
    "{\"ssn\":\"kw1.\\u0041 quoted \\\"text\\\"\"}",
    "{\"ssn\":{}}",
};

static void bytes_outside_stay_and_inside_return(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.ssn, $.cards[*].number:financial");
    for (size_t i = 0; i < KW_COUNT(records); i++) {
        kw_buf_reset(&v.sealed);
        assert_int_equal(seal(&v, records[i], &v.sealed), KW_OK);
        assert_null(strstr(kw_buf_str(&v.sealed), "123"));
        assert_null(strstr(kw_buf_str(&v.sealed), "4111"));
        assert_non_null(strstr(kw_buf_str(&v.sealed), "\"_keyward\":"));
        for (int with_spec = 0; with_spec < 2; with_spec++) {
            kw_buf_reset(&v.opened);
            assert_int_equal(
                open(&v, with_spec ? v.spec : NULL, kw_buf_bytes(&v.sealed), &v.opened), KW_OK);
            assert_string_equal(kw_buf_str(&v.opened), records[i]);
        }
    }
}

static void a_field_costs_at_most_33_bytes(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.a");
    assert_true(KW_FIELD_OVERHEAD <= 33);
    assert_int_equal(seal(&v, "{\"a\":\"123456789012345678\"}", &v.sealed), KW_OK);
    const char *value = strstr(kw_buf_str(&v.sealed), "kw1.") + 4;
    size_t len = strcspn(value, "\"");
    assert_int_equal(len,
                     (20 + KW_FIELD_OVERHEAD) * 8 / 6 + ((20 + KW_FIELD_OVERHEAD) * 8 % 6 != 0));
}

static void nothing_matches(void **state)
{
    KW_UNUSED(state);
    static const char *const plain[] = {"{}", "{\"other\":1}", "{\"cards\":[]}", "{\"cards\":7}",
                                        "{\"a\":\"kw1.user text\"}"};
    AUTO_VAULT v;
    vault_init(&v, "$.ssn,$.cards[*].number");
    for (size_t i = 0; i < KW_COUNT(plain); i++) {
        kw_buf_reset(&v.sealed);
        kw_buf_reset(&v.opened);
        assert_int_equal(seal(&v, plain[i], &v.sealed), KW_OK);
        assert_string_equal(kw_buf_str(&v.sealed), plain[i]);
        assert_int_equal(open(&v, v.spec, kw_buf_bytes(&v.sealed), &v.opened), KW_OK);
        assert_string_equal(kw_buf_str(&v.opened), plain[i]);
    }
}

static void classes_have_keys_of_their_own_and_open_apart(void **state)
{
    KW_UNUSED(state);
    const char *text = "{\"a\":1,\"b\":[2,3],\"c\":4}";
    AUTO_VAULT v;
    vault_init(&v, "$.b[*]:health,$.a,$.c:health");
    assert_int_equal(seal(&v, text, &v.sealed), KW_OK);
    assert_int_equal(kw_record_plan_keys(&v.record), 2);
    assert_string_equal(kw_record_plan_class(&v.record, 0), "pii");
    assert_string_equal(kw_record_plan_class(&v.record, 1), "health");
    KW_AUTO_PTR(kw_fields_spec) only_a = NULL;
    assert_int_equal(kw_fields_spec_new(&only_a, "$.a", "pii", NULL), KW_OK);
    KW_AUTO(kw_buf) part = KW_BUF_INIT;
    assert_int_equal(open(&v, only_a, kw_buf_bytes(&v.sealed), &part), KW_OK);
    assert_int_equal(kw_record_read_keys(&v.record), 1); /* the key of health was not asked for */
    assert_non_null(strstr(kw_buf_str(&part), "{\"a\":1,\"b\":[\"kw1."));
    assert_non_null(strstr(kw_buf_str(&part), "_keyward"));
    KW_AUTO_PTR(kw_fields_spec) rest = NULL;
    assert_int_equal(kw_fields_spec_new(&rest, "$.b[*],$.c", "pii", NULL), KW_OK);
    assert_int_equal(open(&v, rest, kw_buf_bytes(&part), &v.opened), KW_OK);
    assert_string_equal(kw_buf_str(&v.opened), text);
}

/* Opens text, with the vault's spec and without; both must be refused by code. */
static void expect(struct vault *v, const char *text, kw_code with_spec, kw_code without)
{
    size_t before = v->opened.len;
    assert_int_equal(open(v, v->spec, kw_bytes_str(text), &v->opened), with_spec);
    assert_int_equal(open(v, NULL, kw_bytes_str(text), &v->opened), without);
    assert_int_equal(v->opened.len, before);
}

static void replace(struct kw_buf *out, const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    assert_non_null(at);
    kw_buf_reset(out);
    kw_buf_printf(out, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    kw_buf_str(out);
}

/* The n-th sealed text of sealed, as a string of its own. */
static char *sealed_text(const struct kw_buf *sealed, int n)
{
    const char *at = (const char *)sealed->data;
    for (; n > 0; n--)
        at = strstr(at, "kw1.") + 4;
    at = strstr(at, "kw1.");
    return strndup(at, strcspn(at, "\""));
}

static void values_cannot_be_moved_or_replaced(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.list[*],$.other");
    assert_int_equal(seal(&v, "{\"list\":[1,2],\"other\":3}", &v.sealed), KW_OK);
    const char *sealed = kw_buf_str(&v.sealed);
    char *first = sealed_text(&v.sealed, 0);
    char *second = sealed_text(&v.sealed, 1);
    KW_AUTO(kw_buf) bad = KW_BUF_INIT;
    replace(&bad, sealed, first, second); /* another element */
    expect(&v, kw_buf_str(&bad), KW_SEAL_BROKEN, KW_SEAL_BROKEN);
    replace(&bad, sealed, "list", "lost"); /* another name: no concern of the spec's, so it stays */
    assert_int_equal(open(&v, NULL, kw_buf_bytes(&bad), &v.opened), KW_SEAL_BROKEN);
    assert_int_equal(open(&v, v.spec, kw_buf_bytes(&bad), &v.opened), KW_OK);
    assert_non_null(strstr(kw_buf_str(&v.opened), "{\"lost\":[\"kw1."));
    assert_non_null(strstr(kw_buf_str(&v.opened), "\"other\":3,\"_keyward\":"));
    free(first);
    free(second);
}

static void plaintext_is_no_downgrade(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.a,$.b");
    assert_int_equal(seal(&v, "{\"a\":1,\"b\":2}", &v.sealed), KW_OK);
    char *first = sealed_text(&v.sealed, 0);
    KW_AUTO(kw_buf) bad = KW_BUF_INIT;
    replace(&bad, kw_buf_str(&v.sealed), first, "forged");
    assert_int_equal(open(&v, v.spec, kw_buf_bytes(&bad), &v.opened), KW_NOT_SEALED);
    assert_int_equal(open(&v, v.spec, kw_bytes_str("{\"a\":\"forged\"}"), &v.opened),
                     KW_NOT_SEALED);
    assert_int_equal(v.opened.len, 0);
    free(first);
}

static void broken_heads(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.a");
    assert_int_equal(seal(&v, "{\"a\":1}", &v.sealed), KW_OK);
    const char *sealed = kw_buf_str(&v.sealed);
    char *field = sealed_text(&v.sealed, 0);
    char *head = sealed_text(&v.sealed, 1);
    KW_AUTO(kw_buf) bad = KW_BUF_INIT;
    replace(&bad, sealed, "_keyward", "_keywart");
    expect(&v, kw_buf_str(&bad), KW_SEAL_BROKEN, KW_SEAL_BROKEN);
    replace(&bad, sealed, head, field);
    expect(&v, kw_buf_str(&bad), KW_BAD_FORMAT, KW_BAD_FORMAT);
    replace(&bad, sealed, head, "kw1.");
    expect(&v, kw_buf_str(&bad), KW_BAD_FORMAT, KW_BAD_FORMAT);
    replace(&bad, sealed, head, "");
    expect(&v, kw_buf_str(&bad), KW_BAD_FORMAT, KW_BAD_FORMAT);
    head[5] = head[5] == 'B' ? 'C' : 'B';
    replace(&bad, sealed, head + 6, "");
    expect(&v, kw_buf_str(&bad), KW_BAD_FORMAT, KW_BAD_FORMAT);
    expect(&v, "{\"a\":1,\"_keyward\":[]}", KW_BAD_FORMAT, KW_BAD_FORMAT);
    expect(&v, "{\"a\":1,\"_keyward\":7}", KW_BAD_FORMAT, KW_BAD_FORMAT);
    replace(&bad, sealed, field, "kw1.AAAA"); /* begins like a sealed value and is none */
    expect(&v, kw_buf_str(&bad), KW_NOT_SEALED, KW_SEAL_BROKEN);
    replace(&bad, sealed, field, "gone"); /* a head without its values */
    assert_int_equal(open(&v, NULL, kw_buf_bytes(&bad), &v.opened), KW_SEAL_BROKEN);
    free(field);
    free(head);
}

static void every_character_of_a_value_counts(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.a");
    assert_int_equal(seal(&v, "{\"a\":\"secret\"}", &v.sealed), KW_OK);
    size_t from = (size_t)(strstr(kw_buf_str(&v.sealed), "kw1.") - (const char *)v.sealed.data);
    for (size_t at = from; v.sealed.data[at] != '"'; at++) {
        uint8_t kept = v.sealed.data[at];
        v.sealed.data[at] = kept == 'A' ? 'B' : 'A';
        kw_code code = open(&v, v.spec, kw_buf_bytes(&v.sealed), &v.opened);
        if (code != KW_SEAL_BROKEN && code != KW_NOT_SEALED)
            fail_msg("character %zu: %s", at - from, kw_code_name(code));
        v.sealed.data[at] = kept;
    }
    assert_int_equal(v.opened.len, 0);
}

static void another_context_or_class(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.a");
    assert_int_equal(seal(&v, "{\"a\":1}", &v.sealed), KW_OK);
    KW_AUTO_PTR(kw_fields_spec) health = NULL;
    assert_int_equal(kw_fields_spec_new(&health, "$.a:health", "pii", NULL), KW_OK);
    assert_int_equal(open(&v, health, kw_buf_bytes(&v.sealed), &v.opened), KW_SEAL_BROKEN);
    scene_context(&v.s.context, "row", "18");
    assert_int_equal(open(&v, v.spec, kw_buf_bytes(&v.sealed), &v.opened), KW_SEAL_BROKEN);
}

/* A store that sorts members and writes white space of its own, as jsonb does. */
static void members_may_be_put_in_another_order(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.a");
    assert_int_equal(seal(&v, "{\"a\":1,\"b\":2}", &v.sealed), KW_OK);
    char *field = sealed_text(&v.sealed, 0);
    char *head = sealed_text(&v.sealed, 1);
    static const char *const forms[][2] = {
        {"{\"_keyward\": \"%1$s\", \"a\": \"%2$s\", \"b\": 2}", "{ \"a\": 1, \"b\": 2}"},
        {"{\"b\": 2, \"_keyward\": \"%1$s\", \"a\": \"%2$s\"}", "{\"b\": 2, \"a\": 1}"},
        {"{ \"\\u005fkeyward\" : \"%1$s\" , \"a\" : \"%2$s\" }", "{  \"a\" : 1 }"},
        {"{\"a\": \"%2$s\", \"_keyward\": \"%1$s\"}", "{\"a\": 1}"}};
    for (size_t i = 0; i < KW_COUNT(forms); i++) {
        KW_AUTO(kw_buf) text = KW_BUF_INIT;
        KW_AUTO(kw_buf) opened = KW_BUF_INIT;
        const char *form = forms[i][0];
        for (const char *at = form; *at != '\0'; at++) {
            if (*at != '%') {
                kw_buf_append_byte(&text, (uint8_t)*at);
                continue;
            }
            kw_buf_append_str(&text, at[1] == '1' ? head : field);
            at += 3;
        }
        assert_int_equal(open(&v, v.spec, kw_buf_bytes(&text), &opened), KW_OK);
        assert_string_equal(kw_buf_str(&opened), forms[i][1]);
    }
    free(field);
    free(head);
}

static void sealed_records_are_not_sealed_again(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.a");
    assert_int_equal(seal(&v, "{\"a\":1,\"b\":2}", &v.sealed), KW_OK);
    assert_int_equal(seal(&v, kw_buf_str(&v.sealed), &v.opened), KW_ALREADY_SEALED);
    KW_AUTO(kw_buf) bare = KW_BUF_INIT;
    char *field = sealed_text(&v.sealed, 0);
    kw_buf_printf(&bare, "{\"b\":[\"%s\"]}", field);
    assert_int_equal(seal(&v, kw_buf_str(&bare), &v.opened), KW_ALREADY_SEALED);
    assert_int_equal(v.opened.len, 0);
    free(field);
}

static void not_a_record(void **state)
{
    KW_UNUSED(state);
    static const char *const texts[] = {"", "[]", "1", "\"a\"", "{\"a\":1", "{\"a\":1,\"a\":2}"};
    AUTO_VAULT v;
    vault_init(&v, "$.a");
    for (size_t i = 0; i < KW_COUNT(texts); i++) {
        assert_int_equal(seal(&v, texts[i], &v.sealed), KW_BAD_JSON);
        expect(&v, texts[i], KW_BAD_JSON, KW_BAD_JSON);
    }
}

static void overlapping_paths(void **state)
{
    KW_UNUSED(state);
    static const char *const specs_that_overlap[] = {
        "$.a,$.a", "$.a,$['a']", "$.a,$.a.b", "$.a.b,$.a", "$.*,$.a", "$.a[*],$.a.b:health"};
    for (size_t i = 0; i < KW_COUNT(specs_that_overlap); i++) {
        AUTO_VAULT v;
        vault_init(&v, specs_that_overlap[i]);
        assert_int_equal(seal(&v, "{\"a\":{\"b\":1}}", &v.sealed), KW_BAD_PATH);
    }
}

static void heads_are_replaced_and_nothing_else(void **state)
{
    KW_UNUSED(state);
    const char *text = "{\"a\":1,\"b\":2}";
    AUTO_VAULT v;
    vault_init(&v, "$.a,$.b:health");
    assert_int_equal(seal(&v, text, &v.sealed), KW_OK);
    assert_int_equal(kw_record_read(&v.record, NULL, kw_buf_bytes(&v.sealed), NULL), KW_OK);
    struct kw_wrapped_key heads[2];
    uint8_t key[KW_KEY_SIZE];
    for (size_t i = 0; i < 2; i++) {
        struct kw_wrapping_key w;
        heads[i] = v.record.head[i];
        class_key(&v, i == 0 ? "pii" : "health", &w);
        assert_int_equal(kw_data_key_unwrap(key, &w, &heads[i], &v.s.context, NULL), KW_OK);
        assert_int_equal(kw_data_key_wrap(&heads[i], &w, &v.s.context, key, NULL), KW_OK);
        kw_secret_wipe(&w.key);
    }
    KW_AUTO(kw_buf) renewed = KW_BUF_INIT;
    assert_int_equal(kw_record_replace_heads(&v.record, heads, &renewed, NULL), KW_OK);
    assert_int_equal(renewed.len, v.sealed.len);
    assert_memory_not_equal(renewed.data, v.sealed.data, renewed.len);
    assert_int_equal(open(&v, NULL, kw_buf_bytes(&renewed), &v.opened), KW_OK);
    assert_string_equal(kw_buf_str(&v.opened), text);
    heads[0].key_ref[0] ^= 1;
    assert_int_equal(kw_record_read(&v.record, NULL, kw_buf_bytes(&v.sealed), NULL), KW_OK);
    assert_int_equal(kw_record_replace_heads(&v.record, heads, &renewed, NULL), KW_STATE_CONFLICT);
}

static void many_fields(void **state)
{
    KW_UNUSED(state);
    AUTO_VAULT v;
    vault_init(&v, "$.list[*]");
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    kw_buf_append_str(&text, "{\"list\":[0");
    for (int i = 1; i < 2000; i++)
        kw_buf_printf(&text, ",%d", i);
    kw_buf_append_str(&text, "]}");
    assert_int_equal(seal(&v, kw_buf_str(&text), &v.sealed), KW_OK);
    assert_int_equal(open(&v, NULL, kw_buf_bytes(&v.sealed), &v.opened), KW_OK);
    assert_string_equal(kw_buf_str(&v.opened), kw_buf_str(&text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_outside_stay_and_inside_return),
        cmocka_unit_test(a_field_costs_at_most_33_bytes),
        cmocka_unit_test(nothing_matches),
        cmocka_unit_test(classes_have_keys_of_their_own_and_open_apart),
        cmocka_unit_test(values_cannot_be_moved_or_replaced),
        cmocka_unit_test(plaintext_is_no_downgrade),
        cmocka_unit_test(broken_heads),
        cmocka_unit_test(every_character_of_a_value_counts),
        cmocka_unit_test(another_context_or_class),
        cmocka_unit_test(members_may_be_put_in_another_order),
        cmocka_unit_test(sealed_records_are_not_sealed_again),
        cmocka_unit_test(not_a_record),
        cmocka_unit_test(overlapping_paths),
        cmocka_unit_test(heads_are_replaced_and_nothing_else),
        cmocka_unit_test(many_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

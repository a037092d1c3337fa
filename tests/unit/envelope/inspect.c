/* The text form, and what sealed things say of themselves without a key. */
#include "envelope/inspect.h"

#include "envelope/message.h"
#include "envelope/stream.h"
#include "envelope/text.h"
#include "envelope_scene.h"

static void text_form(void **state)
{
    KW_UNUSED(state);
    static const char *const bad[] = {"",         "kw1",      "kw2.AAAA",  "KW1.AAAA",
                                      "AAAA",     "kw1.A",    "kw1.AA==",  "kw1.AB",
                                      "kw1.A+/A", "kw1.AA A", " kw1.AAAA", "kw1.AAAA\n"};
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_AUTO(kw_buf) bytes = KW_BUF_INIT;
    kw_text_encode(&text, kw_bytes("\xfb\xff\x00", 3));
    assert_string_equal(kw_buf_str(&text), "kw1.-_8A");
    assert_int_equal(kw_text_decode(&bytes, kw_buf_bytes(&text), NULL), KW_OK);
    assert_int_equal(bytes.len, 3);
    assert_memory_equal(bytes.data, "\xfb\xff\x00", 3);
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        struct kw_error err;
        kw_code code = kw_text_decode(&bytes, kw_bytes_str(bad[i]), &err);
        assert_true(code == KW_BAD_FORMAT || code == KW_BAD_ENCODING);
        assert_int_equal(bytes.len, 3);
    }
}

static void check_head(const struct kw_inspection *found, const struct scene *s)
{
    assert_int_equal(found->heads, 1);
    assert_int_equal(found->head[0].version, 7);
    assert_memory_equal(found->head[0].key_ref, s->w.key_ref, KW_KEY_REF_SIZE);
    assert_memory_equal(found->head[0].class_tag, s->w.class_tag, KW_CLASS_TAG_SIZE);
    assert_string_equal(kw_head_suite_name(&found->head[0]), kw_suite_name(kw_suite_default()));
}

/* As bytes and as text with a line end; every shorter beginning is refused or says the same. */
static void inspect(struct kw_inspection *found, const struct scene *s, struct kw_bytes sealed)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    struct kw_inspection other;
    assert_int_equal(kw_sealed_inspect(found, sealed, sealed.len, NULL), KW_OK);
    assert_false(found->is_text);
    check_head(found, s);
    kw_text_encode(&text, sealed);
    kw_buf_append_str(&text, "\r\n");
    assert_int_equal(kw_sealed_inspect(&other, kw_buf_bytes(&text), text.len, NULL), KW_OK);
    assert_true(other.is_text);
    assert_int_equal(other.format, found->format);
    assert_int_equal(other.plain_size, found->plain_size);
    assert_int_equal(other.sealed_size, sealed.len);
    check_head(&other, s);
    for (size_t len = 0; len < KW_HEAD_SIZE; len++)
        assert_int_not_equal(kw_sealed_inspect(&other, kw_bytes(sealed.data, len), len, NULL),
                             KW_OK);
}

static void every_format(void **state)
{
    KW_UNUSED(state);
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    struct kw_inspection found;
    uint8_t bytes[5 + KW_ENVELOPE_OVERHEAD];
    kw_wrapped_key_write(&s.key.head, bytes);
    inspect(&found, &s, kw_bytes(bytes, KW_HEAD_SIZE));
    assert_string_equal(kw_format_name(found.format), "wrapped data key");
    assert_int_equal(kw_sealed_inspect(&found, kw_bytes(bytes, sizeof bytes), sizeof bytes, NULL),
                     KW_BAD_FORMAT);
    assert_int_equal(kw_envelope_seal(bytes, &s.key, &s.context, kw_bytes("hello", 5), NULL),
                     KW_OK);
    inspect(&found, &s, kw_bytes(bytes, sizeof bytes));
    assert_int_equal(found.format, KW_FORMAT_ENVELOPE);
    assert_int_equal(found.plain_size, 5);
    KW_AUTO(kw_buf) message = KW_BUF_INIT;
    scene_new_key(&s);
    assert_int_equal(
        kw_message_seal_with_key(&message, &s.key, &s.context, NULL, kw_bytes("hello", 5), NULL),
        KW_OK);
    inspect(&found, &s, kw_buf_bytes(&message));
    assert_int_equal(found.format, KW_FORMAT_MESSAGE);
    assert_int_equal(found.plain_size, 5);
    assert_false(found.is_signed);
    assert_int_equal(found.head_at, 2);
}

static void a_stream_by_its_front(void **state)
{
    KW_UNUSED(state);
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    KW_AUTO_PTR(kw_stream_sealer) sealer = NULL;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_inspection found;
    assert_int_equal(kw_stream_sealer_new(&sealer, &s.key, &s.context, NULL), KW_OK);
    assert_int_equal(kw_stream_sealer_add(sealer, kw_bytes("hello", 5), &out, NULL), KW_OK);
    assert_int_equal(kw_stream_sealer_end(sealer, &out, NULL), KW_OK);
    inspect(&found, &s, kw_buf_bytes(&out));
    assert_int_equal(found.plain_size, 5);
    uint64_t total = kw_stream_sealed_size(1ULL << 40);
    assert_int_equal(kw_sealed_inspect(&found, kw_bytes(out.data, KW_HEAD_SIZE), total, NULL),
                     KW_OK);
    assert_int_equal(found.plain_size, 1ULL << 40);
    assert_int_equal(
        kw_sealed_inspect(&found, kw_bytes(out.data, KW_HEAD_SIZE), KW_STREAM_START, NULL),
        KW_TRUNCATED);
}

static void a_record(void **state)
{
    KW_UNUSED(state);
    AUTO_SCENE s;
    scene_init(&s, KW_SUITE_AES256GCM);
    KW_AUTO(kw_record) record = KW_RECORD_INIT;
    KW_AUTO_PTR(kw_fields_spec) spec = NULL;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    struct kw_inspection found;
    const char *text = "{\"a\":1,\"b\":[2,3]}";
    assert_int_equal(kw_sealed_inspect(&found, kw_bytes_str(text), strlen(text), NULL),
                     KW_NOT_SEALED);
    assert_int_equal(kw_sealed_inspect(&found, kw_bytes_str(text), 100, NULL), KW_TOO_LARGE);
    assert_int_equal(kw_fields_spec_new(&spec, "$.a,$.b[*]", "pii", NULL), KW_OK);
    assert_int_equal(kw_record_plan(&record, spec, kw_bytes_str(text), NULL), KW_OK);
    assert_int_equal(kw_record_seal(&record, &s.context, &s.key, &out, NULL), KW_OK);
    assert_int_equal(kw_sealed_inspect(&found, kw_buf_bytes(&out), out.len, NULL), KW_OK);
    assert_int_equal(found.format, KW_FORMAT_RECORD);
    assert_int_equal(found.fields, 3);
    check_head(&found, &s);
    const char *field = strstr(kw_buf_str(&out), "kw1.");
    struct kw_bytes one = kw_bytes(field, strcspn(field, "\""));
    assert_int_equal(kw_sealed_inspect(&found, one, one.len, NULL), KW_OK);
    assert_int_equal(found.format, KW_FORMAT_FIELD);
    assert_int_equal(found.plain_size, 1);
    assert_int_equal(found.heads, 0);
}

static void nothing_of_ours(void **state)
{
    KW_UNUSED(state);
    struct kw_inspection found;
    assert_int_equal(kw_sealed_inspect(&found, kw_bytes("", 0), 0, NULL), KW_BAD_FORMAT);
    for (int first = 0; first < 256; first++) {
        uint8_t bytes[KW_HEAD_SIZE + 60] = {(uint8_t)first, 9};
        assert_int_not_equal(
            kw_sealed_inspect(&found, kw_bytes(bytes, sizeof bytes), sizeof bytes, NULL),
            first == KW_FORMAT_FIELD ? KW_INTERNAL : KW_OK);
    }
    assert_string_equal(kw_format_name((enum kw_format)0), "unknown");
    assert_string_equal(kw_format_name((enum kw_format)77), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_form),       cmocka_unit_test(every_format),
        cmocka_unit_test(a_record),        cmocka_unit_test(a_stream_by_its_front),
        cmocka_unit_test(nothing_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The bytes of every format, frozen (tests/golden/formats.json): what is sealed today is what was
 * sealed when the file was made, and what was sealed then opens. */
#include "envelope_commands.h"
#include "envelope_scene.h"
#include "json/json.h"

enum { GOLDEN_MAX = 4 << 20 };

static void read_golden(struct kw_buf *out)
{
    FILE *file = fopen(KW_SOURCE_DIR "/tests/golden/formats.json", "rb");
    assert_non_null(file);
    uint8_t *room = kw_buf_reserve(out, GOLDEN_MAX);
    assert_non_null(room);
    out->len = fread(room, 1, GOLDEN_MAX, file);
    fclose(file);
}

static struct kw_bytes slice(const struct kw_buf *text, const struct kw_json *value)
{
    assert_non_null(value);
    return kw_bytes(text->data + value->start, value->end - value->start);
}

static void every_case(void **state)
{
    KW_UNUSED(state);
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    read_golden(&text);
    assert_int_equal(kw_json_parse(&doc, kw_buf_bytes(&text), NULL), KW_OK);
    const struct kw_json *cases = kw_json_get(doc.root, "cases");
    assert_in_range(cases->count, 40, 100);
    for (const struct kw_json *c = cases->first; c != NULL; c = c->next) {
        KW_AUTO(kw_buf) answer = KW_BUF_INIT;
        kw_envelope_command(slice(&text, kw_json_get(c, "command")), &answer);
        struct kw_bytes expected = slice(&text, kw_json_get(c, "answer"));
        if (!kw_bytes_equal(kw_buf_bytes(&answer), expected))
            fail_msg("case at byte %zu: %.300s", c->start, kw_buf_str(&answer));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

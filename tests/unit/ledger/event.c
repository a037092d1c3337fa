/* The form of an entry is frozen: the log hashes its bytes. docs/spec/ledger.md. */
#include "ledger/event.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t digest[32] = {0xd1, [31] = 0x9e};

static struct kw_event full(void)
{
    return (struct kw_event){
        .time_ms = 1790000000123,
        .uid = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
                0xee, 0xff},
        .operation = "UnwrapDataKey",
        .activity = KW_ACTIVITY_READ,
        .outcome = KW_KEY_SUSPENDED,
        .request_id = "req-1",
        .principal = "spiffe://example.com/billing",
        .source = "2001:db8::7",
        .tenant = "acme",
        .region = "eu",
        .data_class = "pii",
        .key_reference = 0x00ff1122334455aa,
        .key_version = 3,
        .context_digest = digest,
        .justification = "ticket \"17\"",
        .detail = kw_bytes("{\"count\":2}", 11),
    };
}

static void check(const struct kw_event *event, const char *want)
{
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    kw_event_encode(&out, event);
    assert_string_equal(kw_buf_str(&out), want);
    assert_int_equal(kw_json_parse(&doc, kw_buf_bytes(&out), NULL), KW_OK);
}

static void with_every_member(void **state)
{
    KW_UNUSED(state);
    const struct kw_event event = full();
    check(
        &event,
        "{\"class_uid\":6003,\"category_uid\":6,\"activity_id\":2,\"type_uid\":600302,"
        "\"severity_id\":3,\"status_id\":2,\"time\":1790000000123,"
        "\"metadata\":{\"version\":\"1.8.0\",\"uid\":\"00112233445566778899aabbccddeeff\","
        "\"tenant_uid\":\"acme\",\"product\":{\"name\":\"Keyward\",\"vendor_name\":\"Keyward\"}},"
        "\"actor\":{\"user\":{\"uid\":\"spiffe://example.com/billing\"}},"
        "\"api\":{\"operation\":\"UnwrapDataKey\",\"request\":{\"uid\":\"req-1\"},"
        "\"response\":{\"code\":303,\"error\":\"key_suspended\"}},"
        "\"src_endpoint\":{\"ip\":\"2001:db8::7\"},"
        "\"resources\":[{\"uid\":\"00ff1122334455aa\",\"type\":\"tenant_key\",\"version\":\"3\"}],"
        "\"unmapped\":{\"region\":\"eu\",\"data_class\":\"pii\",\"context_sha256\":"
        "\"d10000000000000000000000000000000000000000000000000000000000009e\","
        "\"justification\":\"ticket \\\"17\\\"\",\"detail\":{\"count\":2}}}");
}

static void with_as_little_as_may_be(void **state)
{
    KW_UNUSED(state);
    const struct kw_event event = {
        .time_ms = 0,
        .operation = "Start",
        .activity = KW_ACTIVITY_OTHER,
        .request_id = "r",
        .principal = "root",
        .source = "local",
    };
    check(&event,
          "{\"class_uid\":6003,\"category_uid\":6,\"activity_id\":99,\"type_uid\":600399,"
          "\"severity_id\":1,\"status_id\":1,\"time\":0,"
          "\"metadata\":{\"version\":\"1.8.0\",\"uid\":\"00000000000000000000000000000000\","
          "\"product\":{\"name\":\"Keyward\",\"vendor_name\":\"Keyward\"}},"
          "\"actor\":{\"user\":{\"uid\":\"root\"}},"
          "\"api\":{\"operation\":\"Start\",\"request\":{\"uid\":\"r\"}},"
          "\"src_endpoint\":{\"name\":\"local\"}}");
}

static void addresses_and_other_words(void **state)
{
    KW_UNUSED(state);
    static const struct {
        const char *source;
        const char *member;
    } cases[] = {
        {"10.0.0.1", "\"src_endpoint\":{\"ip\":\"10.0.0.1\"}"},
        {"::1", "\"src_endpoint\":{\"ip\":\"::1\"}"},
        {"decade", "\"src_endpoint\":{\"name\":\"decade\"}"},
        {"host.example", "\"src_endpoint\":{\"name\":\"host.example\"}"},
        {NULL, "\"src_endpoint\":{\"name\":\"local\"}"},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        struct kw_event event = full();
        event.source = cases[i].source;
        kw_event_encode(&out, &event);
        assert_non_null(strstr(kw_buf_str(&out), cases[i].member));
    }
}

/* Whatever stands in a string from outside, the entry stays one JSON object with the same members.
 */
static void nothing_breaks_out_of_a_string(void **state)
{
    KW_UNUSED(state);
    struct kw_event event = full();
    const char *evil = "\"},\"class_uid\":1,\"x\":{\"\\\n\x01\xff\xe2\x80";
    event.principal = event.request_id = event.tenant = event.justification = event.source = evil;
    KW_AUTO(kw_buf) out = KW_BUF_INIT;
    KW_AUTO(kw_json_doc) doc = KW_JSON_DOC_INIT;
    kw_event_encode(&out, &event);
    assert_int_equal(kw_json_parse(&doc, kw_buf_bytes(&out), NULL), KW_OK);
    assert_string_equal(kw_json_get(doc.root, "class_uid")->text, "6003");
    assert_int_equal(doc.root->count, 13);
    assert_null(memchr(out.data, '\n', out.len));
}

static void severities(void **state)
{
    KW_UNUSED(state);
    static const struct {
        kw_code outcome;
        const char *member;
    } cases[] = {
        {KW_OK, "\"severity_id\":1,\"status_id\":1"},
        {KW_FORBIDDEN, "\"severity_id\":3,\"status_id\":2"},
        {KW_UNAUTHENTICATED, "\"severity_id\":3,\"status_id\":2"},
        {KW_SEAL_BROKEN, "\"severity_id\":3,\"status_id\":2"},
        {KW_UNAVAILABLE, "\"severity_id\":2,\"status_id\":2"},
        {KW_KEY_NOT_FOUND, "\"severity_id\":2,\"status_id\":2"},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        struct kw_event event = full();
        event.outcome = cases[i].outcome;
        kw_event_encode(&out, &event);
        assert_non_null(strstr(kw_buf_str(&out), cases[i].member));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_every_member),
        cmocka_unit_test(with_as_little_as_may_be),
        cmocka_unit_test(addresses_and_other_words),
        cmocka_unit_test(nothing_breaks_out_of_a_string),
        cmocka_unit_test(severities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

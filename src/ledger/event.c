#include "ledger/event.h"

#include "base/encode.h"
#include "json/write.h"

/* Appends a literal. */
#define PUT(out, literal) kw_buf_append((out), "" literal, sizeof(literal) - 1)

/* As written they must be in the order of docs/spec/ledger.md: the log hashes bytes. */

static void put_string(struct kw_buf *out, const char *text)
{
    struct kw_json_writer value = kw_json_writer(out);
    kw_json_str(&value, NULL, text != NULL ? text : "");
}

static void put_number(struct kw_buf *out, uint64_t number)
{
    struct kw_json_writer value = kw_json_writer(out);
    kw_json_uint(&value, NULL, number);
}

static void put_hex(struct kw_buf *out, const void *bytes, size_t len)
{
    struct kw_json_writer value = kw_json_writer(out);
    kw_json_hex(&value, NULL, kw_bytes(bytes, len));
}

static void put_time(struct kw_buf *out, int64_t ms)
{
    struct kw_json_writer value = kw_json_writer(out);
    kw_json_int(&value, NULL, ms);
}

/* OCSF severity: informational; medium for what was refused or does not verify; low for other
 * failures. */
static char severity(kw_code outcome)
{
    switch (kw_code_class(outcome)) {
    case KW_CLASS_NONE:
        return '1';
    case KW_CLASS_UNAUTHENTICATED:
    case KW_CLASS_DENIED:
    case KW_CLASS_INTEGRITY:
        return '3';
    default:
        return '2';
    }
}

static void put_class(struct kw_buf *out, const struct kw_event *event)
{
    unsigned activity = (unsigned)event->activity % 100;
    PUT(out, "{\"class_uid\":6003,\"category_uid\":6,\"activity_id\":");
    put_number(out, activity);
    PUT(out, ",\"type_uid\":");
    put_number(out, 600300 + activity);
    PUT(out, ",\"severity_id\":");
    kw_buf_append_byte(out, (uint8_t)severity(event->outcome));
    PUT(out, ",\"status_id\":");
    kw_buf_append_byte(out, event->outcome == KW_OK ? '1' : '2');
    PUT(out, ",\"time\":");
    put_time(out, event->time_ms);
}

static void put_metadata(struct kw_buf *out, const struct kw_event *event)
{
    PUT(out, ",\"metadata\":{\"version\":\"1.8.0\",\"uid\":");
    put_hex(out, event->uid, sizeof event->uid);
    if (event->tenant != NULL) {
        PUT(out, ",\"tenant_uid\":");
        put_string(out, event->tenant);
    }
    PUT(out, ",\"product\":{\"name\":\"Keyward\",\"vendor_name\":\"Keyward\"}}");
}

static void put_api(struct kw_buf *out, const struct kw_event *event)
{
    PUT(out, ",\"actor\":{\"user\":{\"uid\":");
    put_string(out, event->principal);
    PUT(out, "}},\"api\":{\"operation\":");
    put_string(out, event->operation);
    PUT(out, ",\"request\":{\"uid\":");
    put_string(out, event->request_id);
    kw_buf_append_byte(out, '}');
    if (event->outcome != KW_OK) {
        PUT(out, ",\"response\":{\"code\":");
        put_number(out, (uint64_t)event->outcome);
        PUT(out, ",\"error\":");
        put_string(out, kw_code_name(event->outcome));
        kw_buf_append_byte(out, '}');
    }
    kw_buf_append_byte(out, '}');
}

/* An address goes into ip, whose form OCSF prescribes, any other word ("local") into name. */
static void put_source(struct kw_buf *out, const char *source)
{
    if (source == NULL)
        source = "local";
    size_t len = strlen(source);
    bool address = len > 1 && strspn(source, "0123456789abcdefABCDEF.:") == len &&
                   strpbrk(source, ".:") != NULL;
    if (address)
        PUT(out, ",\"src_endpoint\":{\"ip\":");
    else
        PUT(out, ",\"src_endpoint\":{\"name\":");
    put_string(out, source);
    kw_buf_append_byte(out, '}');
}

static void put_resource(struct kw_buf *out, const struct kw_event *event)
{
    uint8_t reference[8];
    if (event->key_reference == 0)
        return;
    kw_put_u64(reference, event->key_reference);
    PUT(out, ",\"resources\":[{\"uid\":");
    put_hex(out, reference, sizeof reference);
    PUT(out, ",\"type\":\"tenant_key\"");
    if (event->key_version != 0) {
        PUT(out, ",\"version\":\"");
        put_number(out, event->key_version);
        kw_buf_append_byte(out, '"');
    }
    PUT(out, "}]");
}

/* What OCSF has no member for stands under unmapped. */
static void put_unmapped(struct kw_buf *out, const struct kw_event *event)
{
    struct kw_json_writer w = kw_json_writer(out);
    if (event->region == NULL && event->data_class == NULL && event->context_digest == NULL &&
        event->justification == NULL && event->detail.len == 0)
        return;
    PUT(out, ",\"unmapped\":");
    kw_json_begin(&w, NULL, '{');
    if (event->region != NULL)
        kw_json_str(&w, "region", event->region);
    if (event->data_class != NULL)
        kw_json_str(&w, "data_class", event->data_class);
    if (event->context_digest != NULL)
        kw_json_hex(&w, "context_sha256", kw_bytes(event->context_digest, 32));
    if (event->justification != NULL)
        kw_json_str(&w, "justification", event->justification);
    if (event->detail.len != 0)
        kw_json_raw(&w, "detail", event->detail);
    kw_json_end(&w);
}

void kw_event_encode(struct kw_buf *out, const struct kw_event *event)
{
    put_class(out, event);
    put_metadata(out, event);
    put_api(out, event);
    put_source(out, event->source);
    put_resource(out, event);
    put_unmapped(out, event);
    kw_buf_append_byte(out, '}');
}

#include "envelope/inspect.h"

#include "envelope/message.h"
#include "envelope/record_path.h"
#include "envelope/stream.h"
#include "envelope/text.h"

const char *kw_format_name(enum kw_format format)
{
    static const char *const names[] = {
        [KW_FORMAT_DATA_KEY] = "wrapped data key",
        [KW_FORMAT_ENVELOPE] = "envelope",
        [KW_FORMAT_RECORD] = "record",
        [KW_FORMAT_FIELD] = "field",
        [KW_FORMAT_STREAM] = "stream",
        [KW_FORMAT_MESSAGE] = "message",
    };
    size_t index = (size_t)format;
    return index > 0 && index < KW_COUNT(names) ? names[index] : "unknown";
}

const char *kw_head_suite_name(const struct kw_wrapped_key *head)
{
    const struct kw_suite *suite = NULL;
    return kw_suite_get(head->suite, &suite, NULL) == KW_OK ? kw_suite_name(suite) : "unknown";
}

static KW_ERR head_at(struct kw_inspection *out, struct kw_bytes front, size_t at,
                      struct kw_error *err)
{
    if (front.len < at + KW_HEAD_SIZE)
        return kw_fail(err, KW_TRUNCATED, "it is cut off within its head");
    out->heads = 1;
    out->head_at = at;
    return kw_wrapped_key_parse(&out->head[0], kw_bytes(front.data + at, KW_HEAD_SIZE), err);
}

static KW_ERR sized(struct kw_inspection *out, uint64_t overhead, struct kw_error *err)
{
    if (out->sealed_size < overhead)
        return kw_fail(err, KW_TRUNCATED, "it is cut off");
    out->plain_size = out->sealed_size - overhead;
    return KW_OK;
}

static KW_ERR message(struct kw_inspection *out, struct kw_bytes front, struct kw_error *err)
{
    if (front.len < 6)
        return kw_fail(err, KW_TRUNCATED, "the message is cut off");
    if (front.data[1] > 1)
        return kw_fail(err, KW_BAD_FORMAT, "the message has flags that are unknown");
    out->is_signed = front.data[1] == 1;
    out->signing_version = out->is_signed ? kw_get_u32(front.data + 2) : 0;
    uint64_t overhead = out->is_signed ? KW_MESSAGE_SIGNED_OVERHEAD : KW_MESSAGE_OVERHEAD;
    KW_TRY(head_at(out, front, (size_t)overhead - KW_ENVELOPE_OVERHEAD, err));
    if (out->head[0].format != KW_FORMAT_MESSAGE)
        return kw_fail(err, KW_BAD_FORMAT, "the message holds the head of another format");
    return sized(out, overhead, err);
}

static KW_ERR binary(struct kw_inspection *out, struct kw_bytes front, struct kw_error *err)
{
    out->format = (enum kw_format)front.data[0];
    switch (out->format) {
    case KW_FORMAT_DATA_KEY:
    case KW_FORMAT_RECORD:
        KW_TRY(head_at(out, front, 0, err));
        return out->sealed_size == KW_HEAD_SIZE
                   ? KW_OK
                   : kw_fail(err, KW_BAD_FORMAT, "bytes follow the wrapped data key");
    case KW_FORMAT_ENVELOPE:
        KW_TRY(head_at(out, front, 0, err));
        return sized(out, KW_ENVELOPE_OVERHEAD, err);
    case KW_FORMAT_FIELD:
        return sized(out, KW_FIELD_OVERHEAD, err);
    case KW_FORMAT_STREAM:
        KW_TRY(head_at(out, front, 0, err));
        return kw_stream_plain_size(out->sealed_size, &out->plain_size, err);
    case KW_FORMAT_MESSAGE:
        return message(out, front, err);
    default:
        return kw_fail(err, KW_BAD_FORMAT, "these bytes are not a sealed format of Keyward");
    }
}

static KW_ERR record(struct kw_inspection *out, struct kw_bytes text, struct kw_error *err)
{
    KW_AUTO(kw_record) parsed = KW_RECORD_INIT;
    KW_TRY(kw_record_read(&parsed, NULL, text, err));
    if (parsed.heads == 0)
        return kw_fail(err, KW_NOT_SEALED, "this JSON record has no sealed fields");
    out->format = KW_FORMAT_RECORD;
    out->heads = parsed.heads;
    out->fields = parsed.count;
    memcpy(out->head, parsed.head, parsed.heads * sizeof parsed.head[0]);
    return KW_OK;
}

static KW_ERR text_form(struct kw_inspection *out, struct kw_bytes text, struct kw_error *err)
{
    KW_AUTO(kw_buf) bytes = KW_BUF_INIT;
    while (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r')
        text.len--; /* a file's last line; the prefix stands before */
    KW_TRY(kw_text_decode(&bytes, text, err));
    if (bytes.len == 0)
        return kw_fail(err, KW_TRUNCATED, "the text is cut off");
    out->is_text = true;
    out->sealed_size = bytes.len;
    return binary(out, kw_buf_bytes(&bytes), err);
}

KW_ERR kw_sealed_inspect(struct kw_inspection *out, struct kw_bytes front, uint64_t total,
                         struct kw_error *err)
{
    struct kw_inspection found = {.sealed_size = total};
    kw_code code;
    if (front.len == 0)
        return kw_fail(err, KW_BAD_FORMAT, "there is nothing to inspect");
    bool text = kw_text_is(front);
    bool json = front.data[0] != '\0' && strchr("{ \t\r\n", front.data[0]) != NULL;
    if ((text || json) && front.len < total)
        return kw_fail(err, KW_TOO_LARGE, "this text is too large to be inspected");
    if (text)
        code = text_form(&found, front, err);
    else
        code = json ? record(&found, front, err) : binary(&found, front, err);
    if (code == KW_OK)
        *out = found;
    return code;
}

#include "base/clock.h"
#include "http/head.h"
#include "http/internal.h"

static const struct reason {
    int status;
    const char *text;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

const char *kw_http_reason(int status)
{
    for (size_t i = 0; i < KW_COUNT(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "";
}

static void append_number(struct kw_buf *out, size_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    kw_buf_append(out, digits + at, sizeof digits - at);
}

/* The Date line (RFC 9110, 6.6.1), made anew when the second changes. */
static void append_date(struct kw_buf *out)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static _Thread_local time_t made_for;
    static _Thread_local char line[64];
    time_t now = (time_t)(kw_clock_wall_ms() / 1000);
    if (now != made_for) {
        struct tm tm;
        gmtime_r(&now, &tm);
        snprintf(line, sizeof line, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
                 days + 3 * (tm.tm_wday % 7), tm.tm_mday, months + 3 * (tm.tm_mon % 12),
                 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        made_for = now;
    }
    kw_buf_append_str(out, line);
}

static bool append_field(struct kw_buf *out, const char *name, const char *value)
{
    size_t name_len = strlen(name);
    size_t value_len = strlen(value);
    if (!kw_http_is_token(name, name_len) || !kw_http_is_value(value, value_len))
        return false;
    kw_buf_append(out, name, name_len);
    kw_buf_append(out, ": ", 2);
    kw_buf_append(out, value, value_len);
    kw_buf_append(out, "\r\n", 2);
    return true;
}

static void begin_head(struct kw_buf *head, int status)
{
    kw_buf_reset(head);
    kw_buf_append_str(head, "HTTP/1.1 ");
    append_number(head, (size_t)status);
    kw_buf_append_byte(head, ' ');
    kw_buf_append_str(head, kw_http_reason(status));
    kw_buf_append(head, "\r\n", 2);
    append_date(head);
}

/* A header that is not allowed to go out is our own fault: an empty 500 says so. */
static void build_head(struct kw_http_exchange *ex, int status, const char *content_type,
                       const struct kw_http_field *headers)
{
    struct kw_buf *head = &ex->answer_head;
    bool ok = status >= 200 && status <= 599;
    begin_head(head, ok ? status : 500);
    if (content_type != NULL)
        ok = append_field(head, "Content-Type", content_type) && ok;
    for (; ok && headers != NULL && headers->name != NULL; headers++)
        ok = append_field(head, headers->name, headers->value);
    if (ok)
        return;
    kw_buf_wipe(&ex->answer_body);
    begin_head(head, 500);
}

/* RFC 9112, 6: no body and no length with 204 and 304; with HEAD the length that GET would have. */
static void answer(struct kw_http_exchange *ex, int status, const char *content_type,
                   const struct kw_http_field *headers)
{
    build_head(ex, status, content_type, headers);
    bool bodiless = status == 204 || status == 304;
    if (!bodiless) {
        kw_buf_append_str(&ex->answer_head, "Content-Length: ");
        append_number(&ex->answer_head, ex->answer_body.len);
        kw_buf_append(&ex->answer_head, "\r\n", 2);
    }
    if (bodiless || ex->message.req.method == KW_HTTP_HEAD)
        kw_buf_wipe(&ex->answer_body);
    ex->first = (struct kw_http_note){.exchange = ex, .kind = KW_HTTP_NOTE_ANSWER};
    kw_http_note_send(&ex->first);
}

static void move_body(struct kw_http_exchange *ex, struct kw_buf *body)
{
    if (body == NULL)
        return;
    kw_buf_wipe(&ex->answer_body);
    ex->answer_body = *body;
    ex->answer_body.secret = true;
    ex->answer_body.max = 0;
    *body = (struct kw_buf){.max = body->max, .secret = body->secret};
}

void kw_http_respond(struct kw_http_request *req, int status, const char *content_type,
                     struct kw_buf *body, const struct kw_http_field *headers)
{
    struct kw_http_exchange *ex = kw_http_exchange_of(req);
    if (body != NULL && body->failed) {
        kw_buf_wipe(body);
        kw_http_respond_error(req, KW_NO_MEMORY, NULL);
        return;
    }
    move_body(ex, body);
    answer(ex, status, content_type, headers);
}

static void append_json_text(struct kw_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            kw_buf_append_byte(out, '\\');
        /* Whatever is not plain ASCII may not be UTF-8 either. */
        kw_buf_append_byte(out, c < 0x20 || c >= 0x7f ? '?' : c);
    }
}

void kw_http_error_body(struct kw_buf *out, kw_code code, const char *message, const char *id)
{
    kw_buf_append_str(out, "{\"error\":{\"code\":\"");
    kw_buf_append_str(out, kw_code_name(code));
    kw_buf_append_str(out, "\",\"class\":\"");
    kw_buf_append_str(out, kw_class_name(kw_code_class(code)));
    kw_buf_append_str(out, "\",\"message\":\"");
    append_json_text(out, message != NULL ? message : kw_code_message(code));
    kw_buf_append_str(out, "\",\"retryable\":");
    kw_buf_append_str(out, kw_code_retryable(code) ? "true" : "false");
    kw_buf_append_str(out, ",\"request_id\":\"");
    append_json_text(out, id);
    kw_buf_append_str(out, "\"}}\n");
}

void kw_http_respond_error(struct kw_http_request *req, kw_code code, const char *message)
{
    static const struct kw_http_field retry[] = {{"retry-after", "1"}, {NULL, NULL}};
    struct kw_http_exchange *ex = kw_http_exchange_of(req);
    kw_buf_reset(&ex->answer_body);
    kw_http_error_body(&ex->answer_body, code, message, req->id);
    answer(ex, kw_code_http_status(code), "application/json",
           kw_code_retryable(code) ? retry : NULL);
}

void kw_http_respond_start(struct kw_http_request *req, int status, const char *content_type,
                           const struct kw_http_field *headers, const struct kw_http_stream *stream)
{
    struct kw_http_exchange *ex = kw_http_exchange_of(req);
    kw_buf_reset(&ex->answer_body);
    build_head(ex, status, content_type, headers);
    ex->chunked = ex->message.http11;
    if (ex->chunked)
        kw_buf_append_str(&ex->answer_head, "Transfer-Encoding: chunked\r\n");
    if (stream != NULL)
        ex->stream = *stream;
    atomic_store(&ex->wants_ready, true);
    ex->first = (struct kw_http_note){.exchange = ex, .kind = KW_HTTP_NOTE_START};
    kw_http_note_send(&ex->first);
}

KW_ERR kw_http_send_chunk(struct kw_http_request *req, struct kw_buf *chunk, struct kw_error *err)
{
    struct kw_http_exchange *ex = kw_http_exchange_of(req);
    if (atomic_load(&ex->gone))
        return kw_fail(err, KW_UNAVAILABLE, "the client is gone");
    KW_TRY(kw_buf_status(chunk, err));
    if (atomic_load(&ex->stream_waiting) >= KW_HTTP_OUT_HIGH) {
        /* Said first, asked again after: the worker may have made room in between. */
        atomic_store(&ex->wants_ready, true);
        if (atomic_load(&ex->stream_waiting) >= KW_HTTP_OUT_HIGH)
            return kw_fail(err, KW_AGAIN, "the client has not taken what it was sent");
    }
    struct kw_http_note *note = malloc(sizeof *note);
    if (note == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    *note = (struct kw_http_note){.exchange = ex, .kind = KW_HTTP_NOTE_CHUNK, .chunk = *chunk};
    note->chunk.secret = true;
    atomic_fetch_add(&ex->stream_waiting, chunk->len);
    *chunk = (struct kw_buf){.max = chunk->max, .secret = chunk->secret};
    kw_http_note_send(note);
    return KW_OK;
}

void kw_http_respond_end(struct kw_http_request *req, bool complete)
{
    struct kw_http_exchange *ex = kw_http_exchange_of(req);
    ex->last =
        (struct kw_http_note){.exchange = ex, .kind = KW_HTTP_NOTE_END, .complete = complete};
    kw_http_note_send(&ex->last);
}

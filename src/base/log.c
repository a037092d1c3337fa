#include "base/log.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic int minimum = KW_LOG_INFO;
static _Atomic int descriptor = 2;

/* A line never grows beyond LIMIT; the rest of the room is for its end, so that a line that was cut
 * is JSON still, and says that it was cut. */
enum { ROOM = 2048, LIMIT = ROOM - 32, SHORTEST_VALUE = 32 };

struct line {
    char text[ROOM];
    size_t len;
    bool cut;
};

/* All of it or nothing. */
static bool put(struct line *line, const char *text, size_t len)
{
    if (len > LIMIT - line->len) {
        line->cut = true;
        return false;
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
    return true;
}

static bool put_str(struct line *line, const char *text)
{
    return put(line, text, strlen(text));
}

/* One character of text, escaped where JSON or a terminal would take it for more than a character.
 * Returns how many bytes of text that was. */
static size_t escape(char out[8], size_t *out_len, struct kw_bytes text)
{
    const uint8_t *c = text.data;
    size_t len = kw_utf8_len(text);
    bool control = len == 1 && (c[0] < 0x20 || c[0] == '"' || c[0] == '\\' || c[0] == 0x7f);
    bool c1 = len == 2 && c[0] == 0xc2 && c[1] < 0xa0;
    if (len != 0 && !control && !c1) {
        memcpy(out, c, len);
        *out_len = len;
        return len;
    }
    unsigned point = len == 0 ? 0xfffd : control ? c[0] : c[1];
    *out_len = (size_t)snprintf(out, 8, "\\u%04x", point);
    return len == 0 ? 1 : len;
}

/* Cut between two characters where the room ends. */
static bool put_quoted(struct line *line, const char *text)
{
    struct kw_bytes rest = kw_bytes_str(text);
    if (!put(line, "\"", 1))
        return false;
    while (rest.len > 0) {
        char escaped[8];
        size_t len = 0;
        size_t used = escape(escaped, &len, rest);
        if (len + 1 > LIMIT - line->len) {
            line->cut = true;
            break;
        }
        put(line, escaped, len);
        rest = kw_bytes(rest.data + used, rest.len - used);
    }
    return put(line, "\"", 1);
}

static bool put_number(struct line *line, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    return put_str(line, text);
}

/* A field of which not even the start of the value fits is left out. */
static void put_field(struct line *line, const struct kw_log_field *field)
{
    size_t before = line->len;
    bool fits =
        put_str(line, ",") && put_quoted(line, field->name) && !line->cut && put_str(line, ":") &&
        LIMIT - line->len >= SHORTEST_VALUE &&
        (field->text != NULL ? put_quoted(line, field->text) : put_number(line, field->number));
    if (!fits) {
        line->len = before;
        line->cut = true;
    }
}

void kw_log_configure(enum kw_log_level level, int fd)
{
    atomic_store(&minimum, (int)level);
    atomic_store(&descriptor, fd);
}

bool kw_log_wanted(enum kw_log_level level)
{
    return (int)level >= atomic_load_explicit(&minimum, memory_order_relaxed);
}

void kw_log_fields(enum kw_log_level level, const char *event, const struct kw_log_field *fields)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (!kw_log_wanted(level))
        return;
    char time[KW_TIME_TEXT_SIZE];
    struct line line = {.len = 0};
    put_str(&line, "{\"time\":\"");
    put_str(&line, kw_time_text(kw_clock_wall_ms(), time));
    put_str(&line, "\",\"level\":\"");
    put_str(&line, names[level]);
    put_str(&line, "\",\"event\":");
    put_quoted(&line, event);
    for (; fields->name != NULL && !line.cut; fields++)
        put_field(&line, fields);
    const char *end = line.cut ? ",\"cut\":true}\n" : "}\n";
    memcpy(line.text + line.len, end, strlen(end));
    line.len += strlen(end);
    ssize_t written = write(atomic_load(&descriptor), line.text, line.len);
    (void)
        written; /* a log that cannot be written must not stop the work; the ledger is elsewhere */
}

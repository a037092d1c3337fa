#include "base/log.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic int minimum = KW_LOG_INFO;
static _Atomic int descriptor = 2;

struct line {
    char text[2048];
    size_t len;
};

/* Room is kept for the closing of the object, so that a cut line is still JSON. */
static void put(struct line *line, const char *text, size_t len)
{
    size_t room = sizeof line->text - 8 - line->len;
    if (len > room)
        len = room;
    for (size_t i = 0; i < len; i++)
        line->text[line->len++] = text[i];
}

static void put_str(struct line *line, const char *text)
{
    size_t len = 0;
    while (text[len] != '\0')
        len++;
    put(line, text, len);
}

static void put_quoted(struct line *line, const char *text)
{
    put(line, "\"", 1);
    for (const char *p = text; *p != '\0'; p++) {
        char escaped[8];
        int len = 1;
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
            len = snprintf(escaped, sizeof escaped, "\\u%04x", c);
        else
            escaped[0] = *p;
        if (line->len + (size_t)len + 16 > sizeof line->text)
            break;
        put(line, escaped, (size_t)len);
    }
    put(line, "\"", 1);
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
    for (; fields->name != NULL; fields++) {
        put_str(&line, ",");
        put_quoted(&line, fields->name);
        put_str(&line, ":");
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)fields->number);
        if (fields->text != NULL)
            put_quoted(&line, fields->text);
        else
            put_str(&line, number);
    }
    line.text[line.len++] = '}';
    line.text[line.len++] = '\n';
    ssize_t written = write(atomic_load(&descriptor), line.text, line.len);
    (void)written; /* a log that cannot be written must not stop the work; the ledger is elsewhere */
}

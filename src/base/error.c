#include "base/error.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#undef kw_fail /* what the static analyser is given instead */
#undef kw_fail_code
#undef kw_fail_errno

struct class_row {
    const char *name;
    int http;
    int exit_status;
    const char *sqlstate;
    bool retryable;
};

struct code_row {
    kw_code code;
    const char *name;
    kw_class cls;
    int http;
    const char *message;
};

static const struct class_row classes[] = {
#define KW_X(id, name, http, exit_status, sqlstate, retryable)                                     \
    {name, http, exit_status, sqlstate, retryable},
    KW_CLASSES(KW_X)
#undef KW_X
};

static const struct code_row codes[] = {
#define KW_X(number, id, name, class_id, http, message)                                            \
    {KW_##id, name, KW_CLASS_##class_id, http, message},
    KW_CODES(KW_X)
#undef KW_X
};

/* The table is small and only errors look here, so a scan is as good as an index. */
static const struct code_row *find(kw_code code)
{
    const struct code_row *internal = NULL;
    for (size_t i = 0; i < KW_COUNT(codes); i++) {
        if (codes[i].code == code)
            return &codes[i];
        if (codes[i].code == KW_INTERNAL)
            internal = &codes[i];
    }
    return internal;
}

const char *kw_code_name(kw_code code)
{
    return find(code)->name;
}

const char *kw_code_message(kw_code code)
{
    return find(code)->message;
}

kw_class kw_code_class(kw_code code)
{
    return find(code)->cls;
}

const char *kw_class_name(kw_class cls)
{
    return (size_t)cls < KW_COUNT(classes) ? classes[cls].name : "internal";
}

int kw_code_http_status(kw_code code)
{
    const struct code_row *row = find(code);
    return row->http != 0 ? row->http : classes[row->cls].http;
}

int kw_code_exit_status(kw_code code)
{
    return classes[find(code)->cls].exit_status;
}

const char *kw_code_sqlstate(kw_code code)
{
    return classes[find(code)->cls].sqlstate;
}

bool kw_code_retryable(kw_code code)
{
    return classes[find(code)->cls].retryable;
}

kw_code kw_code_from_name(const char *name)
{
    for (size_t i = 0; i < KW_COUNT(codes); i++)
        if (strcmp(codes[i].name, name) == 0)
            return codes[i].code;
    return KW_INTERNAL;
}

static bool is_control(const uint8_t *c, size_t len)
{
    return (len == 1 && (c[0] < 0x20 || c[0] == 0x7f)) ||
           (len == 2 && c[0] == 0xc2 && c[1] < 0xa0); /* U+0080 to U+009F */
}

/* One line of UTF-8: what comes from outside must not break a log, a terminal or a JSON answer.
 * A character that was cut at the end of the room goes the same way. */
static void flatten(char *text)
{
    uint8_t *p = (uint8_t *)text;
    size_t left = strlen(text);
    while (left > 0) {
        size_t len = kw_utf8_len(kw_bytes(p, left));
        size_t bad = len == 0 ? 1 : is_control(p, len) ? len : 0;
        memset(p, bad == 0 ? *p : len == 0 ? '?' : ' ', bad);
        p += bad != 0 ? bad : len;
        left -= bad != 0 ? bad : len;
    }
}

kw_code kw_fail(struct kw_error *err, kw_code code, const char *format, ...)
{
    if (err != NULL) {
        char text[KW_ERROR_TEXT_SIZE]; /* an argument may be err->text */
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        flatten(text);
        err->code = code;
        memcpy(err->text, text, strlen(text) + 1);
    }
    return code;
}

kw_code kw_fail_code(struct kw_error *err, kw_code code)
{
    return kw_fail(err, code, "%s", kw_code_message(code));
}

static kw_code code_of_errno(int value)
{
    switch (value) {
    case ENOSPC:
    case EDQUOT:
        return KW_DISK_FULL;
    case ENOMEM:
        return KW_NO_MEMORY;
    case ENOENT:
        return KW_NOT_FOUND;
    case EADDRINUSE:
        return KW_ADDRESS_IN_USE;
    default:
        return KW_IO;
    }
}

kw_code kw_fail_errno(struct kw_error *err, int errno_value, const char *what, ...)
{
    char act[KW_ERROR_TEXT_SIZE];
    char reason[128];
    va_list args;
    va_start(args, what);
    vsnprintf(act, sizeof act, what, args);
    va_end(args);
    return kw_fail(err, code_of_errno(errno_value), "%s: %s", act,
                   strerror_r(errno_value, reason, sizeof reason));
}

void kw_fd_auto_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

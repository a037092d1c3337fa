#include "base/file.h"
#include "config/internal.h"

#include <ini.h>
#include <pthread.h>

enum { FILE_MAX = 1 << 20, LINE_MAX_LEN = 4096, ORIGIN_SIZE = 512 };

struct reading {
    struct kw_config *config;
    const char *name;
    struct kw_bytes rest;
    unsigned line;
    kw_code code;
    struct kw_error *err;
};

/* The parser's settings belong to the process and say what our format is: longer lines, and no
 * values over several lines. */
static void set_parser(void)
{
    ini_use_stack = false;
    ini_max_line = LINE_MAX_LEN;
    ini_initial_alloc = LINE_MAX_LEN;
    ini_allow_multiline = false;
    ini_stop_on_first_error = true;
}

static void refuse(struct reading *reading, const char *why)
{
    if (reading->code == KW_OK)
        reading->code =
            kw_fail(reading->err, KW_BAD_CONFIG, "%s:%u: %s", reading->name, reading->line, why);
}

/* Gives the parser one line, as fgets would, and counts them. The first error ends the text. */
static char *next_line(char *out, int size, void *stream)
{
    struct reading *reading = stream;
    if (reading->rest.len == 0 || reading->code != KW_OK)
        return NULL;
    const uint8_t *end = memchr(reading->rest.data, '\n', reading->rest.len);
    size_t len = end != NULL ? (size_t)(end - reading->rest.data) + 1 : reading->rest.len;
    reading->line++;
    if (len > (size_t)size - 3)
        refuse(reading, "the line is too long");
    else if (memchr(reading->rest.data, '\0', len) != NULL)
        refuse(reading, "the line has a NUL byte");
    if (reading->code != KW_OK)
        return NULL;
    memcpy(out, reading->rest.data, len);
    out[len] = '\0';
    reading->rest = kw_bytes(reading->rest.data + len, reading->rest.len - len);
    return out;
}

static int on_value(void *arg, const char *section, const char *name, const char *value)
{
    struct reading *reading = arg;
    char full[LINE_MAX_LEN + 64];
    char origin[ORIGIN_SIZE];
    snprintf(full, sizeof full, "%s%s%s", section, section[0] == '\0' ? "" : ".", name);
    snprintf(origin, sizeof origin, "%s:%u", reading->name, reading->line);
    const struct kw_place place = {origin, true};
    if (reading->code == KW_OK)
        reading->code = kw_config_put(reading->config, full, value, &place, reading->err);
    return reading->code == KW_OK;
}

KW_ERR kw_config_text(struct kw_config *config, struct kw_bytes text, const char *name,
                      struct kw_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_parser);
    config->source++;
    struct reading reading = {config, name, text, 0, KW_OK, err};
    int line = ini_parse_stream(next_line, &reading, on_value, &reading);
    if (reading.code != KW_OK)
        return reading.code;
    if (line < 0)
        return kw_fail_code(err, KW_NO_MEMORY);
    if (line > 0)
        return kw_fail(err, KW_BAD_CONFIG, "%s:%d: neither [section] nor name = value", name, line);
    return KW_OK;
}

KW_ERR kw_config_file(struct kw_config *config, const char *path, struct kw_error *err)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    KW_TRY(kw_file_read(path, FILE_MAX, &text, err));
    return kw_config_text(config, kw_buf_bytes(&text), path, err);
}

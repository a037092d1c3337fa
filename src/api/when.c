/* Times and days that callers give. */
#include "api/internal.h"

#include <time.h>

enum { DAY_TEXT = 10, TIME_TEXT = 20, FRACTION_MAX = 9 };

static bool digits(const char *text, size_t count, int *out)
{
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

/* YYYY-MM-DD at the start of the text. A day that there is not (30 February) is refused: the
 * calendar would move it on. */
static bool read_day(const char *text, struct tm *tm)
{
    struct tm there = {0};
    if (strlen(text) < DAY_TEXT || text[4] != '-' || text[7] != '-' ||
        !digits(text, 4, &tm->tm_year) || !digits(text + 5, 2, &tm->tm_mon) ||
        !digits(text + 8, 2, &tm->tm_mday) || tm->tm_year < 1970)
        return false;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    there = *tm;
    time_t at = timegm(&there);
    return there.tm_year == tm->tm_year && there.tm_mon == tm->tm_mon &&
           there.tm_mday == tm->tm_mday && at >= 0;
}

/* THH:MM:SS, a fraction perhaps, Z. Of the fraction the milliseconds count. */
static bool read_time(const char *text, struct tm *tm, int *ms)
{
    int tenth = 0;
    if (text[0] != 'T' || text[3] != ':' || text[6] != ':' || !digits(text + 1, 2, &tm->tm_hour) ||
        !digits(text + 4, 2, &tm->tm_min) || !digits(text + 7, 2, &tm->tm_sec) ||
        tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 59)
        return false;
    text += 9;
    *ms = 0;
    if (*text == '.') {
        size_t places = strspn(++text, "0123456789");
        if (places == 0 || places > FRACTION_MAX)
            return false;
        for (size_t i = 0; i < 3; i++)
            *ms = *ms * 10 + (i < places && digits(text + i, 1, &tenth) ? tenth : 0);
        text += places;
    }
    return strcmp(text, "Z") == 0;
}

KW_ERR kw_day_read(const char *text, int64_t *out, struct kw_error *err)
{
    struct tm tm = {0};
    if (strlen(text) != DAY_TEXT || !read_day(text, &tm))
        return kw_fail(err, KW_BAD_REQUEST, "'%.40s' is not a day such as 2026-11-21", text);
    *out = (int64_t)timegm(&tm) / KW_DAY_SECONDS;
    return KW_OK;
}

const char *kw_day_text(int64_t day, char text[KW_DAY_TEXT_SIZE])
{
    time_t seconds = (time_t)(day * KW_DAY_SECONDS);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || strftime(text, KW_DAY_TEXT_SIZE, "%Y-%m-%d", &tm) == 0)
        text[0] = '\0';
    return text;
}

KW_ERR kw_body_time(const struct kw_json *object, const char *name, int64_t *out_ms,
                    struct kw_error *err)
{
    const char *text = NULL;
    struct tm tm = {0};
    int ms = 0;
    KW_TRY(kw_json_get_str(object, name, false, &text, err));
    if (text == NULL)
        return KW_OK;
    if (!read_day(text, &tm) || (text[DAY_TEXT] != '\0' && (strlen(text) < TIME_TEXT ||
                                                            !read_time(text + DAY_TEXT, &tm, &ms))))
        return kw_fail(err, KW_BAD_JSON,
                       "the member \"%s\" must be a time in UTC, 2026-11-21T22:48:40Z, or a day, "
                       "2026-11-21",
                       name);
    *out_ms = (int64_t)timegm(&tm) * 1000 + ms;
    return KW_OK;
}

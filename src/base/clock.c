#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic int64_t test_offset_ms;

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    int64_t offset = atomic_load_explicit(&test_offset_ms, memory_order_relaxed);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + offset * 1000;
}

int64_t kw_clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t kw_clock_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t kw_clock_ms(void)
{
    return kw_clock_us() / 1000;
}

const char *kw_time_text(int64_t wall_ms, char text[KW_TIME_TEXT_SIZE])
{
    int64_t ms = wall_ms % 1000;
    time_t seconds = (time_t)(wall_ms / 1000);
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    struct tm tm;
    size_t len = 0;
    if (gmtime_r(&seconds, &tm) != NULL)
        len = strftime(text, KW_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    if (len == 0)
        text[0] = '\0';
    else
        snprintf(text + len, KW_TIME_TEXT_SIZE - len, ".%03dZ", (int)ms);
    return text;
}

void kw_clock_test_offset(int64_t ms)
{
    atomic_store(&test_offset_ms, ms);
}

#include "cli/command.h"

#include "base/clock.h"

#include <unistd.h>

enum { BAR = 28, SHOW_US = 100000 };

bool kw_cli_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

const char *kw_cli_size_text(uint64_t bytes, char text[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < KW_COUNT(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(text, 32, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

const char *kw_cli_count_text(uint64_t n, char text[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    char *out = text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

static const char *amount(const struct kw_progress *progress, uint64_t n, char text[32])
{
    return progress->bytes ? kw_cli_size_text(n, text) : kw_cli_count_text(n, text);
}

static void show(struct kw_progress *progress)
{
    char bar[BAR * 3 + 1] = "";
    char done[32];
    char rate[32];
    int64_t us = progress->shown_us - progress->started_us;
    uint64_t per_second = us > 0 ? (uint64_t)((double)progress->done * 1e6 / (double)us) : 0;
    size_t filled = progress->total > 0 ? (size_t)(BAR * progress->done / progress->total) : 0;
    for (size_t i = 0, at = 0; progress->total > 0 && i < BAR; i++)
        at += (size_t)snprintf(bar + at, sizeof bar - at, "%s", i < filled ? "█" : "░");
    fprintf(stderr, "\r  %s %s %s, %s/s\033[K", progress->what, bar,
            amount(progress, progress->done, done), amount(progress, per_second, rate));
    fflush(stderr);
}

void kw_progress_start(struct kw_progress *progress, const char *what, uint64_t total, bool bytes)
{
    int64_t now_us = kw_clock_us();
    *progress = (struct kw_progress){.what = what,
                                     .total = total,
                                     .started_us = now_us,
                                     .shown_us = now_us,
                                     .on = kw_cli_is_terminal(2),
                                     .bytes = bytes};
}

void kw_progress_add(struct kw_progress *progress, uint64_t units)
{
    progress->done += units;
    if (progress->total != 0 && progress->done > progress->total)
        progress->total = progress->done;
    int64_t now_us = kw_clock_us();
    if (!progress->on || now_us - progress->shown_us < SHOW_US)
        return;
    progress->shown_us = now_us;
    show(progress);
}

void kw_progress_end(struct kw_progress *progress)
{
    if (progress->on && progress->shown_us != progress->started_us)
        fputs("\r\033[K", stderr);
}

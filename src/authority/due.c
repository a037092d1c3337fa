#include "authority/due.h"

enum { LEAP_MS = 3600 * 1000, HOLD_MS = 24 * 3600 * 1000 };

void kw_due_clock_start(struct kw_due_clock *clock, int64_t wall_ms, int64_t running_ms)
{
    *clock = (struct kw_due_clock){.wall_ms = wall_ms, .running_ms = running_ms};
}

int64_t kw_due_clock_read(struct kw_due_clock *clock, int64_t wall_ms, int64_t running_ms)
{
    int64_t expected_ms = clock->wall_ms + (running_ms - clock->running_ms);
    if (wall_ms <= expected_ms + LEAP_MS) {
        clock->leapt = false;
        return wall_ms;
    }
    if (!clock->leapt) {
        clock->leapt = true;
        clock->leapt_ms = running_ms;
    }
    if (running_ms - clock->leapt_ms < HOLD_MS)
        return expected_ms;
    kw_due_clock_start(clock, wall_ms, running_ms);
    return wall_ms;
}

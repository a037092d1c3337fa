/* The time by which destructions are due.
 *
 * It is the wall clock, with one exception. A wall clock that leaps ahead of the time that has
 * really passed (set by mistake, or by a time server that is wrong) would end every window at once,
 * and what has been destroyed cannot be brought back. So after a leap of more than an hour the time
 * goes on as if there had been none, for a day: long enough for somebody to see it, since the
 * scheduler reports it. Then the new time is believed. A clock that is put back makes destructions
 * later, which is safe. What happens while no authority is running is not seen.
 *
 * Not thread-safe: the scheduler's alone. Times are milliseconds of kw_clock_wall_ms and
 * kw_clock_ms. */
#ifndef KW_AUTHORITY_DUE_H
#define KW_AUTHORITY_DUE_H

#include <stdbool.h>
#include <stdint.h>

struct kw_due_clock {
    int64_t wall_ms;    /* at the start, and */
    int64_t running_ms; /* the running clock at the same moment */
    int64_t leapt_ms;   /* the running clock when a leap was first seen */
    bool leapt;
};

void kw_due_clock_start(struct kw_due_clock *clock, int64_t wall_ms, int64_t running_ms);

/* The time now. clock->leapt tells whether a leap is being held back. */
int64_t kw_due_clock_read(struct kw_due_clock *clock, int64_t wall_ms, int64_t running_ms);

#endif

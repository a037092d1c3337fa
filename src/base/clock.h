/* Time. Wall time is for records and people, monotonic time for deadlines and lifetimes.
 * Tests may shift both by kw_clock_test_offset. Thread-safe. */
#ifndef KW_BASE_CLOCK_H
#define KW_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds since 1970-01-01 UTC. */
int64_t kw_clock_wall_ms(void);

/* Microseconds and milliseconds of a clock that never goes back; it counts suspended time too
 * (CLOCK_BOOTTIME), so that a lifetime cannot be stretched by putting the machine to sleep. */
int64_t kw_clock_us(void);
int64_t kw_clock_ms(void);

enum { KW_TIME_TEXT_SIZE = 25 };

/* RFC 3339 in UTC with milliseconds: 2026-11-21T22:48:40.123Z. Returns text. */
const char *kw_time_text(int64_t wall_ms, char text[KW_TIME_TEXT_SIZE]);

/* For tests: added to both clocks, milliseconds. */
void kw_clock_test_offset(int64_t ms);

#endif

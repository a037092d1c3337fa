/* Warm unwraps with the root key far away and here, turn by turn. */
#include "bench.h"

enum { TENANTS = 1000, ROUNDS = 7, OUTSTANDING = 64, HANDS = 4, SHARE = 20 };

static size_t next(void *arg)
{
    size_t *at = arg;
    *at = (*at + 1) % TENANTS;
    return *at;
}

static void open_one(struct parts *parts, const struct settings *settings, int64_t delay_us)
{
    struct parts_options usual = {0};
    size_t at = 0;
    struct drive_report ignored;
    struct drive warm_up = {
        .parts = parts, .next = next, .arg = &at, .uses = TENANTS, .outstanding = 16, .hands = 16};
    folder_make(parts, settings);
    parts_open(parts, &usual, true);
    parts_fill(parts, TENANTS, delay_us);
    drive_run(&warm_up, &ignored);
}

void measure_warm(const struct settings *settings)
{
    static struct parts sides[2];
    static const char *const names[] = {"warm_far", "warm_here"};
    size_t at = 0;
    uint64_t uses = settings->uses / SHARE;
    open_one(&sides[0], settings, settings->delay_us);
    open_one(&sides[1], settings, 0);
    for (int turn = 0; turn < 2 * ROUNDS; turn++) {
        size_t side = (size_t)(turn + turn / 2) % 2; /* each is first as often */
        struct drive_report report;
        struct drive drive = {.parts = &sides[side],
                              .next = next,
                              .arg = &at,
                              .uses = uses,
                              .outstanding = OUTSTANDING,
                              .hands = HANDS};
        drive_run(&drive, &report);
        report_print(names[side], uses, &report);
    }
    for (size_t i = 0; i < 2; i++) {
        parts_close(&sides[i]);
        parts_wipe(&sides[i]);
    }
}

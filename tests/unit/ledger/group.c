/* Batches that wait for a kick: written together, and written also if the kick never comes. */
#include "ledger_fixture.h"
#include "scratch.h"

#include <stdatomic.h>

enum { TOGETHER = 20, TRIES = 50 };

struct group {
    struct kw_ledger_batch batch[TOGETHER];
    atomic_uint answered;
    atomic_uint failed;
};

static void count(struct kw_ledger_batch *batch, kw_code code)
{
    struct group *group = batch->arg;
    atomic_fetch_add(&group->failed, code != KW_OK);
    atomic_fetch_add(&group->answered, 1);
}

/* Appends one entry a batch; first is the number of the first. */
static void append_group(struct kw_ledger *ledger, struct group *group, uint64_t first)
{
    struct kw_error err;
    char text[128];
    atomic_store(&group->answered, 0);
    for (unsigned i = 0; i < TOGETHER; i++) {
        struct kw_ledger_batch *batch = &group->batch[i];
        kw_ledger_batch_reset(batch);
        fixture_must(kw_ledger_batch_add(batch, fixture_entry(first + i, text), &err), &err);
        batch->more = true;
        batch->done = count;
        batch->arg = group;
        fixture_must(kw_ledger_append(ledger, batch, &err), &err);
    }
}

static void wait_for(const struct group *group)
{
    const struct timespec pause = {.tv_nsec = 200000};
    while (atomic_load(&group->answered) < TOGETHER)
        nanosleep(&pause, NULL);
    assert_int_equal(atomic_load(&group->failed), 0);
}

static void wipe(struct group *group)
{
    for (unsigned i = 0; i < TOGETHER; i++)
        kw_ledger_batch_wipe(&group->batch[i]);
}

/* The watchdog may come in between, on a machine that stands still for a while, but not each time.
 */
static void one_write_for_all(void **state)
{
    const struct kw_ledger_options options = fixture_options(*state);
    struct group group = {0};
    unsigned tries = 0;
    uint64_t commits;
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    do {
        commits = kw_ledger_stats(ledger).commits;
        append_group(ledger, &group, (uint64_t)tries * TOGETHER);
        kw_ledger_kick(ledger);
        wait_for(&group);
    } while (kw_ledger_stats(ledger).commits != commits + 1 && ++tries < TRIES);
    assert_true(tries < TRIES);
    kw_ledger_kick(ledger); /* nothing waits: nothing happens */
    fixture_close(ledger);
    fixture_verify(*state, ((uint64_t)tries + 1) * TOGETHER);
    wipe(&group);
}

static void a_kick_that_never_comes(void **state)
{
    struct kw_ledger_options options = fixture_options(*state);
    struct group group = {0};
    fixture_create(*state);
    struct kw_ledger *ledger = fixture_open(&options);
    append_group(ledger, &group, 0);
    wait_for(&group);
    append_group(ledger, &group, TOGETHER);
    fixture_append(ledger, 2 * TOGETHER, 1); /* has no more: takes them along */
    wait_for(&group);
    append_group(ledger, &group, 2 * TOGETHER + 1);
    fixture_close(ledger); /* so does closing */
    wait_for(&group);
    fixture_verify(*state, 3 * TOGETHER + 1);
    wipe(&group);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kw_scratch_make, kw_scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_write_for_all),
        TEST(a_kick_that_never_comes),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kw_secret_wipe(&fixture_seed);
    return failed;
}

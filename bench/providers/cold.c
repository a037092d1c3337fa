/* Keys that nobody has used yet: 3,000 uses of the same one at once, by so many threads and the way
 * a server does it, and 1,000 keys in one batch and one after the other. */
#include "bench.h"

#include <pthread.h>

enum { TENANTS = 1000, CROWD = 3000, ROUNDS = 5, HANDS = 32, STACK_BYTES = 256 * 1024 };

struct crowd {
    struct parts *parts;
    pthread_barrier_t start;
    size_t tenant;
    _Atomic int64_t first_us, last_us;
};

static void unwrap_some(struct parts *parts, size_t first, size_t count)
{
    struct kw_error err;
    KW_AUTO(kw_dk_batch) batch = {0};
    must(kw_dk_batch_init(&batch, KW_DK_UNWRAP, count, &err), &err);
    batch.caller = bench_caller;
    for (size_t i = 0; i < count; i++)
        item_ask(&batch, i, parts, first + i);
    must(kw_dk_run(parts->authority, &batch, &err), &err);
    for (size_t i = 0; i < count; i++)
        item_check(&batch, i, parts, first + i);
}

static void *one_of_many(void *arg)
{
    struct crowd *crowd = arg;
    int64_t none = 0;
    pthread_barrier_wait(&crowd->start);
    atomic_compare_exchange_strong(&crowd->first_us, &none, now_us());
    unwrap_some(crowd->parts, crowd->tenant, 1);
    int64_t now = now_us();
    int64_t last = atomic_load(&crowd->last_us);
    while (last < now && !atomic_compare_exchange_weak(&crowd->last_us, &last, now))
        continue;
    return NULL;
}

/* From the first that asks to the last that has its key. */
static double crowd_run(struct parts *parts, size_t tenant)
{
    static pthread_t threads[CROWD];
    static struct crowd crowd;
    pthread_attr_t attr;
    crowd = (struct crowd){.parts = parts, .tenant = tenant};
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_barrier_init(&crowd.start, NULL, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        if (pthread_create(&threads[i], &attr, one_of_many, &crowd) != 0) {
            fprintf(stderr, "bench_providers: this machine does not give %d threads\n", CROWD);
            exit(1);
        }
    for (size_t i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&crowd.start);
    pthread_attr_destroy(&attr);
    return (double)(crowd.last_us - crowd.first_us) / 1e6;
}

static void print_round(const struct parts *parts, const char *name, uint64_t calls_before,
                        double seconds)
{
    printf("{\"name\": \"%s\", \"delay_us\": %lld, \"calls\": %llu, \"seconds\": %.6f}\n", name,
           (long long)atomic_load(&parts->far_root.delay_us),
           (unsigned long long)(atomic_load(&parts->far_root.unwraps) - calls_before), seconds);
    fflush(stdout);
}

static size_t same(void *arg)
{
    return *(size_t *)arg;
}

/* One worker that begins them all, and hands that wait for the provider. */
static double flood_run(struct parts *parts, size_t tenant)
{
    struct drive_report report;
    struct drive drive = {.parts = parts,
                          .next = same,
                          .arg = &tenant,
                          .uses = CROWD,
                          .outstanding = CROWD,
                          .hands = HANDS};
    drive_run(&drive, &report);
    return report.seconds;
}

/* Cold and warm in turn: the latter is what so many uses take by themselves. */
static void crowds(struct parts *parts, const char *name,
                   double (*run)(struct parts *parts, size_t tenant))
{
    char warm[32];
    snprintf(warm, sizeof warm, "%s_warm", name);
    for (size_t round = 0; round < ROUNDS; round++) {
        uint64_t before = atomic_load(&parts->far_root.unwraps);
        parts_flush(parts);
        print_round(parts, name, before, run(parts, round));
        before = atomic_load(&parts->far_root.unwraps);
        print_round(parts, warm, before, run(parts, round));
    }
}

static double seconds_of(struct parts *parts, size_t at_once)
{
    parts_flush(parts);
    int64_t begun_us = now_us();
    for (size_t at = 0; at < TENANTS; at += at_once)
        unwrap_some(parts, at, at_once);
    return (double)(now_us() - begun_us) / 1e6;
}

static void batches(struct parts *parts)
{
    for (size_t round = 0; round < ROUNDS; round++) {
        uint64_t before = atomic_load(&parts->far_root.unwraps);
        print_round(parts, "together", before, seconds_of(parts, TENANTS));
        before = atomic_load(&parts->far_root.unwraps);
        print_round(parts, "one_by_one", before, seconds_of(parts, 1));
    }
}

void measure_cold(const struct settings *settings)
{
    static struct parts parts;
    struct parts_options usual = {0};
    folder_make(&parts, settings);
    parts_open(&parts, &usual, true);
    parts_fill(&parts, TENANTS, settings->delay_us);
    crowds(&parts, "crowd", crowd_run);
    crowds(&parts, "flood", flood_run);
    batches(&parts);
    parts_close(&parts);
    parts_wipe(&parts);
}

/* Uses as a server makes them: a worker that never waits for a provider, hands that may, and many
 * uses under way, whose ledger entries are committed in groups. */
#include "bench.h"

#include <pthread.h>
#include <semaphore.h>

struct slot {
    struct kw_dk_batch batch;
    struct run *run;
    size_t tenant;
    int64_t began_us;
    struct slot *next;
};

struct run {
    const struct drive *drive;
    struct slot slots[OUTSTANDING_MAX];
    struct slot *idle;
    _Atomic(struct slot *) finished;
    sem_t wanted; /* something is among the finished */
    pthread_mutex_t lock;
    pthread_cond_t signal;
    struct slot *waiting, **waiting_end; /* for a hand */
    bool over;
    uint32_t *took_us;
    uint64_t begun, done;
};

static void finish(struct kw_dk_batch *batch)
{
    struct slot *slot = batch->arg;
    struct run *run = slot->run;
    slot->next = atomic_load(&run->finished);
    while (!atomic_compare_exchange_weak(&run->finished, &slot->next, slot))
        continue;
    if (slot->next == NULL)
        sem_post(&run->wanted);
}

static void *hand(void *arg)
{
    struct run *run = arg;
    struct kw_error err;
    pthread_mutex_lock(&run->lock);
    for (;;) {
        while (run->waiting == NULL && !run->over)
            pthread_cond_wait(&run->signal, &run->lock);
        struct slot *slot = run->waiting;
        if (slot == NULL)
            break;
        run->waiting = slot->next;
        if (run->waiting == NULL)
            run->waiting_end = &run->waiting;
        pthread_mutex_unlock(&run->lock);
        slot->batch.more = false;
        must(kw_dk_submit(run->drive->parts->authority, &slot->batch, true, &err), &err);
        pthread_mutex_lock(&run->lock);
    }
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

static void give_to_hand(struct run *run, struct slot *slot)
{
    pthread_mutex_lock(&run->lock);
    slot->next = NULL;
    *run->waiting_end = slot;
    run->waiting_end = &slot->next;
    pthread_cond_signal(&run->signal);
    pthread_mutex_unlock(&run->lock);
}

static void begin(struct run *run, struct slot *slot)
{
    struct kw_error err;
    const struct drive *drive = run->drive;
    must(kw_dk_batch_init(&slot->batch, KW_DK_UNWRAP, 1, &err), &err);
    slot->run = run;
    slot->tenant = drive->next(drive->arg);
    slot->began_us = now_us();
    slot->batch.caller = bench_caller;
    slot->batch.more = true;
    slot->batch.done = finish;
    slot->batch.arg = slot;
    item_ask(&slot->batch, 0, drive->parts, slot->tenant);
    run->begun++;
    kw_code code = kw_dk_submit(drive->parts->authority, &slot->batch, false, &err);
    if (code == KW_AGAIN)
        give_to_hand(run, slot);
    else
        must(code, &err);
}

static void take_finished(struct run *run)
{
    sem_wait(&run->wanted);
    struct slot *slot = atomic_exchange(&run->finished, NULL);
    while (slot != NULL) {
        struct slot *next = slot->next;
        item_check(&slot->batch, 0, run->drive->parts, slot->tenant);
        run->took_us[run->done++] = (uint32_t)(now_us() - slot->began_us);
        kw_dk_batch_wipe(&slot->batch);
        slot->next = run->idle;
        run->idle = slot;
        slot = next;
    }
}

static void work(struct run *run)
{
    const struct drive *drive = run->drive;
    while (run->done < drive->uses) {
        while (run->idle != NULL && run->begun < drive->uses) {
            struct slot *slot = run->idle;
            run->idle = slot->next;
            begin(run, slot);
        }
        kw_ledger_kick(drive->parts->ledger);
        take_finished(run);
    }
}

static int order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void with_hands(struct run *run)
{
    pthread_t hands[HANDS_MAX] = {0};
    for (size_t i = 0; i < run->drive->hands; i++)
        if (pthread_create(&hands[i], NULL, hand, run) != 0)
            exit(1);
    work(run);
    pthread_mutex_lock(&run->lock);
    run->over = true;
    pthread_cond_broadcast(&run->signal);
    pthread_mutex_unlock(&run->lock);
    for (size_t i = 0; i < run->drive->hands; i++)
        pthread_join(hands[i], NULL);
}

void drive_run(const struct drive *drive, struct drive_report *out)
{
    static struct run run;
    const struct far_root *root = &drive->parts->far_root;
    run = (struct run){
        .drive = drive, .lock = PTHREAD_MUTEX_INITIALIZER, .signal = PTHREAD_COND_INITIALIZER};
    run.waiting_end = &run.waiting;
    run.took_us = calloc(drive->uses, sizeof *run.took_us);
    if (run.took_us == NULL || sem_init(&run.wanted, 0, 0) != 0)
        exit(1);
    for (size_t i = 0; i < drive->outstanding; i++) {
        run.slots[i].next = run.idle;
        run.idle = &run.slots[i];
    }
    uint64_t calls = atomic_load(&root->unwraps);
    double cpu = cpu_s();
    int64_t begun_us = now_us();
    with_hands(&run);
    out->seconds = (double)(now_us() - begun_us) / 1e6;
    out->cpu_us = (cpu_s() - cpu) * 1e6 / (double)drive->uses;
    out->calls = atomic_load(&root->unwraps) - calls;
    qsort(run.took_us, drive->uses, sizeof *run.took_us, order);
    size_t middle = drive->uses / 2;
    size_t late = drive->uses * 99 / 100;
    out->p50_us = run.took_us[middle];
    out->p99_us = run.took_us[late];
    out->max_us = run.took_us[drive->uses - 1];
    free(run.took_us);
    sem_destroy(&run.wanted);
}

void report_print(const char *name, uint64_t uses, const struct drive_report *report)
{
    printf(
        "{\"name\": \"%s\", \"uses\": %llu, \"calls\": %llu, \"seconds\": %.3f, \"cpu_us\": %.2f, "
        "\"p50_us\": %.0f, \"p99_us\": %.0f, \"max_us\": %.0f}\n",
        name, (unsigned long long)uses, (unsigned long long)report->calls, report->seconds,
        report->cpu_us, report->p50_us, report->p99_us, report->max_us);
    fflush(stdout);
}

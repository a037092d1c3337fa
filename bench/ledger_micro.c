/* How fast the ledger is on this disk: durable entries a second by the number of threads that wait,
 * the time of one event's encoding, and of a command that appends one entry.
 *
 *     ledger_micro [folder]            the folder decides which disk is measured */
#include "base/clock.h"
#include "base/file.h"
#include "ledger/event.h"
#include "ledger/ledger.h"

#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SECONDS_MS = 1500 };

static char dir[KW_PATH_SIZE];
static struct kw_secret seed;
static _Atomic uint64_t entries;
static _Atomic int64_t stop_at;

static void must(kw_code code, const struct kw_error *err)
{
    if (code == KW_OK)
        return;
    fprintf(stderr, "ledger_micro: %s\n", err->text);
    exit(1);
}

static void encode(struct kw_buf *out, uint64_t number)
{
    static const uint8_t digest[32] = {1, 2, 3};
    struct kw_event event = {
        .time_ms = kw_clock_wall_ms(),
        .operation = "UnwrapDataKey",
        .activity = KW_ACTIVITY_READ,
        .request_id = "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        .principal = "spiffe://example.com/ns/prod/sa/billing",
        .source = "10.20.30.40",
        .tenant = "acme",
        .region = "eu",
        .data_class = "pii",
        .key_reference = 0x1122334455667788,
        .key_version = 3,
        .context_digest = digest,
    };
    memcpy(event.uid, &number, sizeof number);
    kw_event_encode(out, &event);
}

static void *append_loop(void *arg)
{
    struct kw_ledger *ledger = arg;
    KW_AUTO(kw_ledger_batch) batch = {0};
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    struct kw_error err;
    for (uint64_t i = 0; kw_clock_ms() < atomic_load(&stop_at); i++) {
        kw_ledger_batch_reset(&batch);
        kw_buf_reset(&text);
        encode(&text, i);
        must(kw_ledger_batch_add(&batch, kw_buf_bytes(&text), &err), &err);
        must(kw_ledger_append_wait(ledger, &batch, &err), &err);
        atomic_fetch_add(&entries, 1);
    }
    return NULL;
}

static double cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void measure_threads(unsigned threads)
{
    const struct kw_ledger_options options = {.dir = dir, .origin = "bench.example", .seed = &seed};
    struct kw_ledger *ledger;
    struct kw_error err;
    pthread_t id[256];
    must(kw_ledger_open(&options, &ledger, &err), &err);
    atomic_store(&entries, 0);
    double cpu = cpu_ms();
    int64_t start = kw_clock_ms();
    atomic_store(&stop_at, start + SECONDS_MS);
    for (unsigned i = 0; i < threads; i++)
        pthread_create(&id[i], NULL, append_loop, ledger);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(id[i], NULL);
    double ms = (double)(kw_clock_ms() - start);
    cpu = cpu_ms() - cpu;
    double count = (double)atomic_load(&entries);
    struct kw_ledger_stats s = kw_ledger_stats(ledger);
    printf("%3u waiting: %8.0f entries/s, %5.1f a commit, commit %4.0f us, CPU %5.2f us an entry\n",
           threads, count / ms * 1e3, count / (double)s.commits,
           (double)s.commit_us_total / (double)s.commits, cpu * 1e3 / count);
    must(kw_ledger_close(ledger, &err), &err);
}

/* One thread that keeps 16,384 entries in flight: what the ledger itself can take. */
static void count_done(struct kw_ledger_batch *batch, kw_code code)
{
    if (code == KW_OK)
        atomic_fetch_add(&entries, batch->count);
    atomic_store((_Atomic bool *)batch->arg, true);
}

enum { FLIGHT = 64, BATCH = 100 };

static void measure_pipeline(void)
{
    const struct kw_ledger_options options = {.dir = dir, .origin = "bench.example", .seed = &seed};
    static struct kw_ledger_batch batch[FLIGHT];
    static _Atomic bool free_again[FLIGHT];
    struct kw_ledger *ledger;
    struct kw_error err;
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    must(kw_ledger_open(&options, &ledger, &err), &err);
    atomic_store(&entries, 0);
    double cpu = cpu_ms();
    int64_t start = kw_clock_ms();
    for (unsigned i = 0; i < FLIGHT; i++)
        atomic_store(&free_again[i], true);
    for (unsigned i = 0; kw_clock_ms() < start + SECONDS_MS; i = (i + 1) % FLIGHT) {
        while (!atomic_load(&free_again[i]))
            usleep(50);
        kw_ledger_batch_reset(&batch[i]);
        for (uint64_t j = 0; j < BATCH; j++) {
            kw_buf_reset(&text);
            encode(&text, j);
            must(kw_ledger_batch_add(&batch[i], kw_buf_bytes(&text), &err), &err);
        }
        batch[i].done = count_done;
        batch[i].arg = &free_again[i];
        atomic_store(&free_again[i], false);
        must(kw_ledger_append(ledger, &batch[i], &err), &err);
    }
    must(kw_ledger_close(ledger, &err), &err);
    double ms = (double)(kw_clock_ms() - start);
    double count = (double)atomic_load(&entries);
    printf("batches of %d: %8.0f entries/s with publishing, CPU %5.2f us an entry\n", BATCH,
           count / ms * 1e3, (cpu_ms() - cpu) * 1e3 / count);
}

static void measure_command(void)
{
    const struct kw_ledger_options options = {.dir = dir, .origin = "bench.example", .seed = &seed};
    struct kw_error err;
    int64_t start = kw_clock_us();
    enum { RUNS = 50 };
    for (int i = 0; i < RUNS; i++) {
        KW_AUTO(kw_ledger_batch) batch = {0};
        struct kw_ledger *ledger;
        must(kw_ledger_open(&options, &ledger, &err), &err);
        must(kw_ledger_batch_add(&batch, kw_bytes_str("an entry"), &err), &err);
        must(kw_ledger_append_wait(ledger, &batch, &err), &err);
        must(kw_ledger_publish(ledger, &err), &err);
        must(kw_ledger_close(ledger, &err), &err);
    }
    printf("open, append one, publish, close: %.2f ms\n",
           (double)(kw_clock_us() - start) / 1e3 / RUNS);
}

static void measure_encode(void)
{
    KW_AUTO(kw_buf) text = KW_BUF_INIT;
    enum { RUNS = 200000 };
    int64_t start = kw_clock_us();
    for (uint64_t i = 0; i < RUNS; i++) {
        kw_buf_reset(&text);
        encode(&text, i);
    }
    printf("encode an event of %zu bytes: %.0f ns\n", text.len,
           (double)(kw_clock_us() - start) * 1e3 / RUNS);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    KW_UNUSED(st);
    KW_UNUSED(type);
    KW_UNUSED(ftw);
    return remove(path);
}

int main(int argc, char **argv)
{
    struct kw_error err;
    kw_secret_allow_unlocked();
    must(kw_path_format(dir, &err, "%s/ledger-micro-XXXXXX", argc > 1 ? argv[1] : "/tmp"), &err);
    if (mkdtemp(dir) == NULL)
        return 1;
    must(kw_secret_alloc(&seed, 32, &err), &err);
    const struct kw_ledger_options options = {.dir = dir, .origin = "bench.example", .seed = &seed};
    must(kw_ledger_create(&options, &err), &err);
    measure_encode();
    measure_command();
    for (unsigned threads = 1; threads <= 64; threads *= 4)
        measure_threads(threads);
    measure_pipeline();
    kw_secret_wipe(&seed);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

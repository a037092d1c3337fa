/* What a strict unwrap costs in the process, without sockets and TLS: kw_api_start to done(), the
 * ledger entry's encoding, hashing and writing included. Processor time of all threads, a call.
 *
 *     bench_api_micro FOLDER [SECONDS]      FOLDER on a tmpfs, so that no disk is measured
 */
#include "api/api.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

enum { OUTSTANDING = 64, BATCH_MAX = 100 };

struct parts {
    struct kw_store *store;
    struct kw_provider *provider;
    struct kw_router *router;
    struct kw_ledger *ledger;
    struct kw_authority *authority;
    struct kw_api *api;
};

static const struct kw_caller root = {.principal = "spiffe://keyward.local/service/bench",
                                      .rights = ~0U,
                                      .tenants = "*",
                                      .source = "127.0.0.1",
                                      .request_id = "0193-5b1e-7d3c"};

static void must(kw_code code, const struct kw_error *err)
{
    if (code == KW_OK)
        return;
    fprintf(stderr, "%s: %s\n", kw_code_name(code), err->text);
    exit(1);
}

static void open_parts(struct parts *p, const char *dir)
{
    struct kw_error err;
    struct kw_secret seed = KW_SECRET_INIT;
    static const char *const names[] = {"eu"};
    struct kw_router_region region = {.name = "eu", .route_count = 1, .routes = {{.key = "eu"}}};
    struct kw_router_options router = {.regions = &region, .region_count = 1};
    char store[512], ledger[512];
    snprintf(store, sizeof store, "%s/keyward.db", dir);
    snprintf(ledger, sizeof ledger, "%s/ledger", dir);
    must(kw_secret_alloc(&seed, 32, &err), &err);
    struct kw_ledger_options log = {.dir = ledger, .origin = "bench.example", .seed = &seed};
    must(kw_store_sqlite_open(store, true, &p->store, &err), &err);
    must(kw_provider_software_new("software", &seed, &p->provider, &err), &err);
    must(kw_ledger_create(&log, &err), &err);
    must(kw_ledger_open(&log, &p->ledger, &err), &err);
    region.routes[0].provider = p->provider;
    must(kw_router_new(&router, &p->router, &err), &err);
    struct kw_authority_options options = {.store = p->store,
                                           .ledger = p->ledger,
                                           .router = p->router,
                                           .regions = names,
                                           .region_count = 1};
    must(kw_authority_new(&options, &p->authority, &err), &err);
    struct kw_api_options api = {.authority = p->authority};
    must(kw_api_new(&api, &p->api, &err), &err);
    kw_secret_wipe(&seed);
}

static void close_parts(struct parts *p)
{
    struct kw_error err;
    kw_api_free(p->api);
    kw_authority_free(p->authority);
    must(kw_ledger_close(p->ledger, &err), &err);
    kw_store_free(p->store);
    kw_router_free(p->router);
    kw_provider_free(p->provider);
}

/* ---- A worker that keeps calls outstanding, as the server's do ---------------------------------
 */

struct slot {
    struct kw_api_call call; /* first: posted calls are slots */
    void (*resume)(struct kw_api_call *call);
    struct slot *next;
};

static _Atomic(struct slot *) posted;
static sem_t wanted; /* something was posted */
static struct slot *idle;
static unsigned long answered;

static void post(struct kw_api_call *call, void (*resume)(struct kw_api_call *call))
{
    struct slot *slot = (struct slot *)call;
    slot->resume = resume;
    slot->next = atomic_load(&posted);
    while (!atomic_compare_exchange_weak(&posted, &slot->next, slot))
        ;
    if (slot->next == NULL)
        sem_post(&wanted);
}

static void done(struct kw_api_call *call)
{
    struct slot *slot = (struct slot *)call;
    if (call->status != 200) {
        fprintf(stderr, "%d %.*s\n", call->status, (int)call->body_out.len,
                (const char *)call->body_out.data);
        exit(1);
    }
    kw_buf_reset(&call->body_out);
    answered++;
    slot->next = idle;
    idle = slot;
}

static void run_posted(void)
{
    sem_wait(&wanted);
    struct slot *slot = atomic_exchange(&posted, NULL);
    while (slot != NULL) {
        struct slot *next = slot->next;
        slot->resume(&slot->call);
        slot = next;
    }
}

static double clock_s(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(struct parts *p, const char *name, const struct kw_buf *body, size_t items,
                    double seconds)
{
    static struct slot slots[OUTSTANDING];
    idle = NULL;
    answered = 0;
    for (size_t i = 0; i < OUTSTANDING; i++) {
        slots[i].call = (struct kw_api_call){.method = "POST",
                                             .path = "/v1/data-keys/unwrap",
                                             .query = "",
                                             .body = kw_buf_bytes(body),
                                             .done = done,
                                             .post = post};
        slots[i].next = idle;
        idle = &slots[i];
    }
    double wall = clock_s(CLOCK_MONOTONIC);
    double self = clock_s(CLOCK_THREAD_CPUTIME_ID);
    double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    while (clock_s(CLOCK_MONOTONIC) - wall < seconds) {
        while (idle != NULL) {
            struct slot *slot = idle;
            idle = slot->next;
            slot->call.caller = root;
            slot->call.more = true;
            kw_api_start(p->api, &slot->call);
        }
        kw_api_kick(p->api);
        run_posted();
    }
    cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    self = clock_s(CLOCK_THREAD_CPUTIME_ID) - self;
    wall = clock_s(CLOCK_MONOTONIC) - wall;
    double n = (double)answered * (double)items;
    printf("%-22s %8.2f us an item, all threads; %.2f us on the worker; %.0f items/s\n", name,
           cpu / n * 1e6, self / n * 1e6, n / wall);
    for (size_t i = 0; i < OUTSTANDING; i++) {
        while (slots[i].call.state != NULL)
            run_posted();
        kw_buf_wipe(&slots[i].call.body_out);
    }
}

static void make_bodies(struct parts *p, struct kw_buf *one, struct kw_buf *many)
{
    struct kw_error err;
    const char *region = "eu";
    static const char spec[] = "{\"tenant\":\"acme\",\"region\":\"eu\",\"class\":\"pii\","
                               "\"context\":{\"table\":\"users\",\"row\":\"42\"}}";
    struct kw_tenant_spec tenant = {.id = "acme", .regions = &region, .region_count = 1};
    must(kw_authority_tenant_create(p->authority, &root, &tenant, &err), &err);
    struct kw_api_call call = {.method = "POST",
                               .path = "/v1/data-keys/generate",
                               .body = kw_bytes_str(spec),
                               .caller = root};
    kw_api_run(p->api, &call);
    const char *wrapped = strstr(kw_buf_str(&call.body_out), "\"wrapped\":\"");
    if (wrapped == NULL)
        exit(1);
    kw_buf_append_str(one, "{\"items\":[");
    kw_buf_append_str(many, "{\"items\":[");
    for (int i = 0; i < BATCH_MAX; i++)
        for (struct kw_buf *b = i == 0 ? one : many; b != NULL; b = b == one ? many : NULL)
            kw_buf_printf(b, "%s{%.*s,\"context\":{\"table\":\"users\",\"row\":\"42\"}}",
                          i == 0 ? "" : ",", 116, wrapped);
    kw_buf_append_str(one, "]}");
    kw_buf_append_str(many, "]}");
    kw_buf_wipe(&call.body_out);
}

int main(int argc, char **argv)
{
    struct parts parts = {0};
    KW_AUTO(kw_buf) one = KW_BUF_INIT;
    KW_AUTO(kw_buf) many = KW_BUF_INIT;
    char dir[256];
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER [SECONDS]\n", argv[0]);
        return 2;
    }
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
    snprintf(dir, sizeof dir, "%s/keyward-bench-XXXXXX", argv[1]);
    kw_secret_allow_unlocked();
    sem_init(&wanted, 0, 0);
    if (mkdtemp(dir) == NULL) {
        perror(argv[1]);
        return 1;
    }
    open_parts(&parts, dir);
    make_bodies(&parts, &one, &many);
    measure(&parts, "unwrap, 1 item", &one, 1, seconds);
    measure(&parts, "unwrap, 100 items", &many, BATCH_MAX, seconds);
    close_parts(&parts);
    printf("%s is left behind\n", dir);
    return 0;
}

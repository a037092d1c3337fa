#include "bench.h"

#include "base/clock.h"
#include "provider/ops.h"

#include <time.h>

enum { CREATE_AT_ONCE = 1000, REFRESH_THREADS = 8, ROOT_BYTES = 32 };

const struct kw_caller bench_caller = {.principal = "spiffe://keyward.local/service/bench",
                                       .rights = ~0U,
                                       .tenants = "*",
                                       .source = "127.0.0.1",
                                       .request_id = "0193-5b1e-7d3c"};

void must(kw_code code, const struct kw_error *err)
{
    if (code == KW_OK)
        return;
    fprintf(stderr, "bench_providers: %s: %s\n", kw_code_name(code), err->text);
    exit(1);
}

static double clock_s(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int64_t now_us(void)
{
    return (int64_t)(clock_s(CLOCK_MONOTONIC) * 1e6);
}

double cpu_s(void)
{
    return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- The far root -----------------------------------------------------------------------------
 */

struct far_state {
    struct far_root *root; /* the bench's */
    struct kw_provider *behind;
};

static void travel(struct far_root *root)
{
    int64_t us = atomic_load(&root->delay_us);
    struct timespec rest = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    if (us > 0)
        nanosleep(&rest, NULL);
}

static kw_code far_wrap(void *state, const struct kw_provider_call *call,
                        const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err)
{
    struct far_state *far_state = state;
    atomic_fetch_add(&far_state->root->wraps, 1);
    travel(far_state->root);
    return kw_provider_wrap(far_state->behind, call, plaintext, out, err);
}

static kw_code far_unwrap(void *state, const struct kw_provider_call *call, struct kw_bytes wrapped,
                          struct kw_secret *out, struct kw_error *err)
{
    struct far_state *far_state = state;
    atomic_fetch_add(&far_state->root->unwraps, 1);
    travel(far_state->root);
    return kw_provider_unwrap(far_state->behind, call, wrapped, out, err);
}

static kw_code far_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    struct far_state *far_state = state;
    travel(far_state->root);
    return kw_provider_check(far_state->behind, call->key, call->deadline_ms, err);
}

static void far_free(void *state)
{
    struct far_state *far_state = state;
    kw_provider_free(far_state->behind);
    free(far_state);
}

static const struct kw_provider_ops far_ops = {
    .kind = "far", .wrap = far_wrap, .unwrap = far_unwrap, .check = far_check, .free = far_free};

static void far_new(struct parts *parts, const struct kw_secret *seed)
{
    struct kw_error err;
    struct far_state *far_state = calloc(1, sizeof *far_state);
    if (far_state == NULL)
        exit(1);
    far_state->root = &parts->far_root;
    must(kw_provider_software_new("behind", seed, &far_state->behind, &err), &err);
    must(kw_provider_new(&far_ops, far_state, "far", &parts->provider, &err), &err);
}

/* ---- The parts --------------------------------------------------------------------------------
 */

static void open_ledger(struct parts *parts, const struct kw_secret *seed, bool create)
{
    struct kw_error err;
    char dir[512];
    struct kw_ledger_options log = {.dir = dir, .origin = "bench.example", .seed = seed};
    snprintf(dir, sizeof dir, "%s/ledger", parts->dir);
    if (create)
        must(kw_ledger_create(&log, &err), &err);
    must(kw_ledger_open(&log, &parts->ledger, &err), &err);
}

void parts_open(struct parts *parts, const struct parts_options *options, bool create)
{
    static const struct kw_keyring_age usual = {.ttl_ms = 300 * 1000, .hard_ttl_ms = 3600 * 1000};
    static const char *const names[] = {"eu"};
    struct kw_error err;
    char path[512];
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    must(kw_secret_alloc(&seed, ROOT_BYTES, &err), &err);
    memset(seed.data, 7, seed.len);
    snprintf(path, sizeof path, "%s/keyward.db", parts->dir);
    must(kw_store_sqlite_open(path, create, &parts->store, &err), &err);
    open_ledger(parts, &seed, create);
    far_new(parts, &seed);
    must(kw_meter_new(&parts->meter, &err), &err);
    struct kw_router_region region = {
        .name = "eu",
        .route_count = 1,
        .routes = {{.provider = parts->provider, .key = "eu", .price_nano = 3000}}};
    struct kw_router_options router = {
        .regions = &region, .region_count = 1, .used = kw_meter_used, .used_arg = parts->meter};
    must(kw_router_new(&router, &parts->router, &err), &err);
    struct kw_authority_options authority = {.store = parts->store,
                                             .ledger = parts->ledger,
                                             .router = parts->router,
                                             .meter = parts->meter,
                                             .regions = names,
                                             .region_count = 1,
                                             .keyring_bytes = options->keyring_bytes,
                                             .age = options->age.ttl_ms != 0 ? options->age : usual,
                                             .refresh_threads = REFRESH_THREADS,
                                             .background = true};
    must(kw_authority_new(&authority, &parts->authority, &err), &err);
}

void parts_close(struct parts *parts)
{
    struct kw_error err;
    kw_authority_free(parts->authority);
    must(kw_ledger_close(parts->ledger, &err), &err);
    kw_router_free(parts->router);
    kw_meter_free(parts->meter);
    kw_provider_free(parts->provider);
    kw_store_free(parts->store);
}

void parts_flush(struct parts *parts)
{
    struct kw_error err;
    must(kw_authority_flush(parts->authority, &bench_caller, &err), &err);
}

/* ---- Tenants and their data keys --------------------------------------------------------------
 */

static void name_tenant(char out[KW_TENANT_MAX + 1], size_t number)
{
    snprintf(out, KW_TENANT_MAX + 1, "tenant-%07zu", number);
}

static void create_some(struct parts *parts, size_t first, size_t count)
{
    static char names[CREATE_AT_ONCE][KW_TENANT_MAX + 1];
    static struct kw_tenant_spec specs[CREATE_AT_ONCE];
    static const char *const region = "eu";
    struct kw_error err;
    for (size_t i = 0; i < count; i++) {
        name_tenant(names[i], first + i);
        specs[i] = (struct kw_tenant_spec){.id = names[i], .regions = &region, .region_count = 1};
    }
    must(kw_authority_tenants_create(parts->authority, &bench_caller, specs, count, &err), &err);
}

static void generate_some(struct parts *parts, size_t first, size_t count)
{
    struct kw_error err;
    KW_AUTO(kw_dk_batch) batch = {0};
    must(kw_dk_batch_init(&batch, KW_DK_GENERATE, count, &err), &err);
    batch.caller = bench_caller;
    for (size_t i = 0; i < count; i++) {
        name_tenant(batch.items[i].tenant, first + i);
        snprintf(batch.items[i].region, sizeof batch.items[i].region, "eu");
        snprintf(batch.items[i].data_class, sizeof batch.items[i].data_class, "pii");
    }
    must(kw_dk_run(parts->authority, &batch, &err), &err);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *plaintext = NULL;
        struct known_key *key = &parts->keys[first + i];
        must(kw_dk_key(&batch, i, &plaintext, &err), &err);
        memcpy(key->plaintext, plaintext, sizeof key->plaintext);
        memcpy(key->wrapped, batch.items[i].wrapped, sizeof key->wrapped);
    }
}

void parts_fill(struct parts *parts, size_t tenants, int64_t delay_us)
{
    parts->tenants = tenants;
    parts->keys = calloc(tenants, sizeof *parts->keys);
    if (parts->keys == NULL)
        exit(1);
    atomic_store(&parts->far_root.delay_us, 0);
    for (size_t at = 0; at < tenants; at += CREATE_AT_ONCE) {
        size_t left = tenants - at;
        size_t count = left < CREATE_AT_ONCE ? left : CREATE_AT_ONCE;
        create_some(parts, at, count);
        generate_some(parts, at, count);
    }
    atomic_store(&parts->far_root.delay_us, delay_us);
    parts_flush(parts);
}

void parts_wipe(struct parts *parts)
{
    free(parts->keys);
    parts->keys = NULL;
}

void item_ask(struct kw_dk_batch *batch, size_t i, const struct parts *parts, size_t tenant)
{
    memcpy(batch->items[i].wrapped, parts->keys[tenant].wrapped, KW_HEAD_SIZE);
}

void item_check(struct kw_dk_batch *batch, size_t i, const struct parts *parts, size_t tenant)
{
    struct kw_error err;
    const uint8_t *plaintext = NULL;
    must(batch->code, &(struct kw_error){.text = "the ledger failed"});
    must(kw_dk_key(batch, i, &plaintext, &err), &err);
    if (!kw_equal_ct(plaintext, parts->keys[tenant].plaintext, KW_DK_SIZE)) {
        fprintf(stderr, "bench_providers: a wrong key\n");
        exit(1);
    }
}

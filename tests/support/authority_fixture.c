#include "authority_fixture.h"

#include "ledger/reader.h"
#include "ledger/state.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

const struct kw_caller kw_fixture_root = {
    .principal = "test:root",
    .rights = ~0U,
    .tenants = "*",
    .source = "127.0.0.1",
    .request_id = "r-1",
};

static void must(kw_code code, const struct kw_error *err)
{
    if (code != KW_OK)
        print_error("%s: %s\n", kw_code_name(code), err->text);
    assert_int_equal(code, KW_OK);
}

/* ---- The ledger's disk ------------------------------------------------------------------------
 */

static struct kw_fixture *of_io(struct kw_ledger_io *io)
{
    return (struct kw_fixture *)((char *)io - offsetof(struct kw_fixture, io));
}

static ssize_t io_pwrite(struct kw_ledger_io *io, int fd, const void *data, size_t len, off_t at)
{
    if (!atomic_load(&of_io(io)->ledger_fails))
        return kw_ledger_io_system()->pwrite(kw_ledger_io_system(), fd, data, len, at);
    errno = EIO;
    return -1;
}

static int io_sync(struct kw_ledger_io *io, int fd)
{
    if (!atomic_load(&of_io(io)->ledger_fails))
        return kw_ledger_io_system()->sync(kw_ledger_io_system(), fd);
    errno = EIO;
    return -1;
}

static void open_ledger(struct kw_fixture *f, bool fresh)
{
    struct kw_error err;
    KW_AUTO(kw_secret) seed = KW_SECRET_INIT;
    must(kw_secret_alloc(&seed, 32, &err), &err);
    memset(seed.data, 3, seed.len);
    struct kw_ledger_options options = {.dir = f->ledger_dir,
                                        .origin = "keyward.test/ledger",
                                        .seed = &seed,
                                        .append_deadline_ms = 2000};
    if (fresh)
        must(kw_ledger_create(&options, &err), &err);
    f->io = *kw_ledger_io_system();
    f->io.pwrite = io_pwrite;
    f->io.sync = io_sync;
    must(kw_ledger_open_io(&options, &f->io, &f->ledger, &err), &err);
}

/* ---- Opening and closing ----------------------------------------------------------------------
 */

static void open_store(struct kw_fixture *f)
{
    struct kw_error err;
    char path[4200];
    snprintf(path, sizeof path, "%s/keyward.db", f->dir);
    must(kw_store_sqlite_open(path, true, &f->store, &err), &err);
    if (!f->options.faulty_store)
        return;
    must(kw_faulty_wrap(f->store, &f->faulty, &err), &err);
    f->store = f->faulty.store;
}

static const struct kw_fixture_place usual_places[] = {
    {.provider = "software-eu", .region = "eu"},
    {.provider = "software-us", .region = "us"},
};

static struct kw_script *script_at(struct kw_fixture *f, size_t i, const char *name)
{
    if (strcmp(name, "software-eu") == 0)
        return &f->eu;
    return strcmp(name, "software-us") == 0 ? &f->us : &f->scripts[i];
}

struct kw_script *kw_fixture_script(struct kw_fixture *f, const char *provider)
{
    for (size_t i = 0; i < f->provider_count; i++)
        if (strcmp(kw_provider_name(f->providers[i]), provider) == 0)
            return script_at(f, i, provider);
    fail_msg("the fixture has no provider %s", provider);
    return NULL;
}

/* The roots differ, and are the same after a restart. */
static struct kw_provider *provider_of(struct kw_fixture *f, const char *name)
{
    struct kw_error err;
    struct kw_provider *behind = NULL;
    size_t at = f->provider_count;
    for (size_t i = 0; i < at; i++)
        if (strcmp(kw_provider_name(f->providers[i]), name) == 0)
            return f->providers[i];
    assert_true(at < KW_FIXTURE_PROVIDERS_MAX);
    must(kw_provider_test_new("software", (uint8_t)(at + 1), &behind, &err), &err);
    if (f->options.wrap_provider != NULL && strcmp(name, "software-eu") == 0)
        must(f->options.wrap_provider(f->options.arg, behind, &behind, &err), &err);
    struct kw_script *script = script_at(f, at, name);
    script->seen = f->options.seen;
    script->seen_arg = f->options.seen_arg;
    must(kw_provider_scripted_new(name, behind, script, &f->providers[at], &err), &err);
    f->provider_count++;
    return f->providers[at];
}

static void place(struct kw_fixture *f, const struct kw_fixture_place *from,
                  struct kw_router_region *region, struct kw_router_guest *guests)
{
    struct kw_provider *provider = provider_of(f, from->provider);
    if (strcmp(from->region, region->name) != 0)
        return;
    if (from->tenants != NULL) {
        guests[region->guest_count++] = (struct kw_router_guest){.provider = provider,
                                                                 .tenants = from->tenants,
                                                                 .hsm = from->hsm,
                                                                 .price_nano = from->price_nano};
        return;
    }
    region->routes[region->route_count++] =
        (struct kw_router_route){.provider = provider,
                                 .key = from->key != NULL ? from->key : from->region,
                                 .hsm = from->hsm,
                                 .price_nano = from->price_nano};
}

static void open_router(struct kw_fixture *f)
{
    struct kw_error err;
    struct kw_router_guest guests[2][KW_FIXTURE_PROVIDERS_MAX];
    struct kw_router_region regions[2] = {{.name = "eu"}, {.name = "us"}};
    bool own = f->options.places != NULL;
    const struct kw_fixture_place *places = own ? f->options.places : usual_places;
    size_t count = own ? f->options.place_count : KW_COUNT(usual_places);
    for (size_t r = 0; r < KW_COUNT(regions); r++) {
        regions[r].copies_min = f->options.copies_min;
        regions[r].preference = f->options.preference;
        regions[r].guests = guests[r];
        for (size_t i = 0; i < count; i++)
            place(f, &places[i], &regions[r], guests[r]);
    }
    struct kw_router_options options = {.regions = regions,
                                        .region_count = KW_COUNT(regions),
                                        .attempt_ms = f->options.attempt_ms,
                                        .open_ms = f->options.open_ms,
                                        .used = kw_meter_used};
    must(kw_meter_new(&f->meter, &err), &err);
    options.used_arg = f->meter;
    must(kw_router_new(&options, &f->router, &err), &err);
}

static void open_authority(struct kw_fixture *f)
{
    static const char *const regions[] = {"eu", "us"};
    struct kw_error err;
    struct kw_authority_options options = {
        .store = f->store,
        .ledger = f->ledger,
        .router = f->router,
        .meter = f->meter,
        .budget = f->options.budget,
        .regions = regions,
        .region_count = KW_COUNT(regions),
        .classes = f->options.classes,
        .class_count = f->options.class_count,
        .keyring_bytes = f->options.keyring_bytes,
        .age = f->options.age,
        .attached_age = f->options.attached_age,
        .calls_target = f->options.calls_target,
        .refresh_threads = f->options.refresh_threads,
        .wraps_limit = f->options.wraps_limit,
        .background = f->options.background,
    };
    must(kw_authority_new(&options, &f->authority, &err), &err);
}

static void open_parts(struct kw_fixture *f, bool fresh)
{
    open_store(f);
    open_router(f);
    open_ledger(f, fresh);
    open_authority(f);
}

static void close_parts(struct kw_fixture *f)
{
    struct kw_error err;
    kw_authority_free(f->authority);
    kw_code code = kw_ledger_close(f->ledger, &err);
    if (!atomic_load(&f->ledger_fails))
        must(code, &err);
    kw_store_free(f->store);
    kw_router_free(f->router);
    kw_meter_free(f->meter);
    for (size_t i = 0; i < f->provider_count; i++)
        kw_provider_free(f->providers[i]);
    f->provider_count = 0;
    f->faulty = (struct kw_faulty){0};
}

struct kw_fixture *kw_fixture_open(const struct kw_fixture_options *options)
{
    struct kw_fixture *f = calloc(1, sizeof *f);
    void *dir = NULL;
    assert_non_null(f);
    kw_secret_allow_unlocked();
    assert_int_equal(kw_scratch_make(&dir), 0);
    snprintf(f->dir, sizeof f->dir, "%s", (char *)dir);
    free(dir);
    snprintf(f->ledger_dir, sizeof f->ledger_dir, "%s/ledger", f->dir);
    if (options != NULL)
        f->options = *options;
    open_parts(f, true);
    return f;
}

void kw_fixture_restart(struct kw_fixture *f)
{
    close_parts(f);
    open_parts(f, false);
}

void kw_fixture_close(struct kw_fixture *f)
{
    void *dir = strdup(f->dir);
    close_parts(f);
    assert_int_equal(kw_scratch_remove(&dir), 0);
    free(f);
}

/* ---- What tests do with it --------------------------------------------------------------------
 */

struct kw_caller kw_fixture_caller(const char *roles, const char *tenants)
{
    struct kw_caller caller = kw_fixture_root;
    struct kw_error err;
    must(kw_roles_parse(roles, &caller.rights, &err), &err);
    caller.principal = "test:caller";
    caller.tenants = tenants;
    return caller;
}

void kw_fixture_tenant(struct kw_fixture *f, const char *id, const char *region)
{
    struct kw_error err;
    struct kw_tenant_spec spec = {.id = id, .regions = &region, .region_count = 1};
    must(kw_authority_tenant_create(f->authority, &kw_fixture_root, &spec, &err), &err);
}

static void open_batch(struct kw_dk_batch *batch, enum kw_dk_op op, uint8_t context)
{
    struct kw_error err;
    must(kw_dk_batch_init(batch, op, 1, &err), &err);
    batch->caller = kw_fixture_root;
    memset(batch->items[0].context_digest, context, sizeof batch->items[0].context_digest);
}

/* Runs it, and copies the key out. */
static kw_code run(struct kw_fixture *f, struct kw_dk_batch *batch, uint8_t plaintext[KW_DK_SIZE])
{
    const uint8_t *key = NULL;
    kw_code code = kw_dk_run(f->authority, batch, NULL);
    if (code == KW_OK)
        code = kw_dk_key(batch, 0, &key, NULL);
    if (code == KW_OK)
        memcpy(plaintext, key, KW_DK_SIZE);
    return code;
}

kw_code kw_fixture_generate(struct kw_fixture *f, const char *tenant, const char *region,
                            uint8_t context, struct kw_fixture_key *out)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    open_batch(&batch, KW_DK_GENERATE, context);
    snprintf(batch.items[0].tenant, sizeof batch.items[0].tenant, "%s", tenant);
    snprintf(batch.items[0].region, sizeof batch.items[0].region, "%s", region);
    snprintf(batch.items[0].data_class, sizeof batch.items[0].data_class, "default");
    kw_code code = run(f, &batch, out->plaintext);
    memcpy(out->wrapped, batch.items[0].wrapped, sizeof out->wrapped);
    return code;
}

kw_code kw_fixture_unwrap(struct kw_fixture *f, const struct kw_fixture_key *key, uint8_t context,
                          uint8_t out[KW_DK_SIZE])
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    open_batch(&batch, KW_DK_UNWRAP, context);
    memcpy(batch.items[0].wrapped, key->wrapped, sizeof key->wrapped);
    return run(f, &batch, out);
}

kw_code kw_fixture_rewrap(struct kw_fixture *f, struct kw_fixture_key *key, uint8_t context)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    open_batch(&batch, KW_DK_REWRAP, context);
    memcpy(batch.items[0].wrapped, key->wrapped, sizeof key->wrapped);
    kw_code code = kw_dk_run(f->authority, &batch, NULL);
    if (code == KW_OK)
        code = kw_dk_outcome(&batch, 0, NULL);
    if (code == KW_OK)
        memcpy(key->wrapped, batch.items[0].wrapped, sizeof key->wrapped);
    return code;
}

/* Entries are written by one encoder in one form, so texts can be looked for. */
static bool entry_is(const struct kw_buf *entry, const char *operation, const char *outcome)
{
    char text[128];
    snprintf(text, sizeof text, "\"operation\":\"%s\"", operation);
    if (memmem(entry->data, entry->len, text, strlen(text)) == NULL)
        return false;
    if (outcome == NULL)
        return true;
    snprintf(text, sizeof text, "\"error\":\"%s\"", outcome);
    if (outcome[0] == '\0')
        snprintf(text, sizeof text, "\"status_id\":1");
    return memmem(entry->data, entry->len, text, strlen(text)) != NULL;
}

size_t kw_fixture_entries(struct kw_fixture *f, const char *operation, const char *outcome)
{
    KW_AUTO(kw_buf) entry = KW_BUF_INIT;
    struct kw_error err;
    size_t found = 0;
    uint64_t size = kw_ledger_stats(f->ledger).size;
    for (uint64_t i = 0; i < size; i++) {
        kw_buf_reset(&entry);
        must(kw_ledger_entry(f->ledger, i, &entry, &err), &err);
        found += entry_is(&entry, operation, outcome);
    }
    return found;
}

struct kw_key_row kw_fixture_key_row(struct kw_fixture *f, const char *tenant, const char *region)
{
    struct kw_key_row row;
    struct kw_error err;
    must(kw_store_key_get(f->store, tenant, region, &row, &err), &err);
    return row;
}

struct kw_version_row kw_fixture_version_row(struct kw_fixture *f, uint64_t reference,
                                             uint32_t version)
{
    struct kw_version_row row;
    struct kw_error err;
    must(kw_store_version_get(f->store, reference, version, &row, &err), &err);
    return row;
}

static bool name_copy(void *arg, const struct kw_copy_row *row)
{
    char *out = arg;
    size_t len = strlen(out);
    snprintf(out + len, KW_FIXTURE_COPIES_SIZE - len, "%s=%s ", row->provider, row->provider_key);
    return true;
}

void kw_fixture_copies(struct kw_fixture *f, const char *tenant, const char *region,
                       uint32_t version, char out[KW_FIXTURE_COPIES_SIZE])
{
    struct kw_error err;
    uint64_t reference = kw_fixture_key_row(f, tenant, region).reference;
    out[0] = '\0';
    must(kw_store_copies(f->store, reference, version, name_copy, out, &err), &err);
}

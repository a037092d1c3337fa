#include "authority_custody.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct kw_fixture_place places[] = {
    {.provider = "software-eu", .region = "eu"},
    {.provider = "software-us", .region = "us"},
    {.provider = "acme-kms", .region = "eu", .tenants = "acme"},
    {.provider = "acme-two", .region = "eu", .tenants = "initech,acme"},
    {.provider = "globex-kms", .region = "eu", .tenants = "globex"},
};

static int64_t offset_ms;

struct kw_fixture *kw_custody_open(const struct kw_fixture_options *options)
{
    struct kw_fixture_options all = {.attempt_ms = 0};
    if (options != NULL)
        all = *options;
    all.places = places;
    all.place_count = KW_COUNT(places);
    offset_ms = 0;
    kw_clock_test_offset(0);
    struct kw_fixture *f = kw_fixture_open(&all);
    kw_fixture_tenant(f, "acme", "eu");
    kw_fixture_tenant(f, "globex", "eu");
    return f;
}

void kw_custody_later(int64_t ms)
{
    offset_ms += ms;
    kw_clock_test_offset(offset_ms);
}

static kw_code move(struct kw_fixture *f, const struct kw_attachment *to)
{
    return kw_authority_key_attach(f->authority, &kw_fixture_root, to, NULL, NULL);
}

kw_code kw_custody_attach(struct kw_fixture *f, const char *tenant, const char *provider,
                          const char *key)
{
    struct kw_attachment to = {.tenant = tenant, .region = "eu", .provider = provider, .key = key};
    return move(f, &to);
}

kw_code kw_custody_hold(struct kw_fixture *f, const char *tenant, const char *provider,
                        const char *key)
{
    struct kw_attachment to = {
        .tenant = tenant, .region = "eu", .provider = provider, .key = key, .hold = true};
    return move(f, &to);
}

kw_code kw_custody_detach(struct kw_fixture *f, const char *tenant)
{
    return kw_authority_key_detach(f->authority, &kw_fixture_root, tenant, "eu", NULL, NULL);
}

struct looked_for {
    const char *provider, *provider_key;
    size_t found;
};

static bool see_copy(void *arg, const struct kw_copy_row *row)
{
    struct looked_for *looked = arg;
    looked->found +=
        strcmp(row->provider, looked->provider) == 0 &&
        (looked->provider_key == NULL || strcmp(row->provider_key, looked->provider_key) == 0);
    return true;
}

size_t kw_custody_copies(struct kw_fixture *f, const char *tenant, const char *provider,
                         const char *provider_key)
{
    struct looked_for looked = {.provider = provider, .provider_key = provider_key};
    struct kw_key_row key = kw_fixture_key_row(f, tenant, "eu");
    for (uint32_t v = 1; v <= key.current_version; v++)
        assert_int_equal(kw_store_copies(f->store, key.reference, v, see_copy, &looked, NULL),
                         KW_OK);
    return looked.found;
}

uint64_t kw_custody_calls(struct kw_fixture *f, const char *provider)
{
    const struct kw_script *script = kw_fixture_script(f, provider);
    return script->wraps + script->unwraps;
}

/* Runs it and takes out what came of each item. */
static kw_code run(struct kw_fixture *f, struct kw_dk_batch *batch, uint8_t (*plaintexts)[32],
                   kw_code *codes)
{
    batch->caller = kw_fixture_root;
    for (size_t i = 0; i < batch->count; i++)
        memset(batch->items[i].context_digest, 1, sizeof batch->items[i].context_digest);
    kw_code code = kw_dk_run(f->authority, batch, NULL);
    for (size_t i = 0; code == KW_OK && i < batch->count; i++) {
        const uint8_t *key = NULL;
        codes[i] = kw_dk_key(batch, i, &key, NULL);
        if (codes[i] == KW_OK)
            memcpy(plaintexts[i], key, KW_DK_SIZE);
    }
    return code;
}

kw_code kw_custody_generate(struct kw_fixture *f, const struct kw_custody_ask *asks, size_t count,
                            struct kw_fixture_key *keys, kw_code *codes)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    uint8_t(*plaintexts)[32] = calloc(count, sizeof *plaintexts);
    assert_non_null(plaintexts);
    assert_int_equal(kw_dk_batch_init(&batch, KW_DK_GENERATE, count, NULL), KW_OK);
    for (size_t i = 0; i < count; i++) {
        struct kw_dk_item *item = &batch.items[i];
        snprintf(item->tenant, sizeof item->tenant, "%s", asks[i].tenant);
        snprintf(item->region, sizeof item->region, "eu");
        snprintf(item->data_class, sizeof item->data_class, "%s",
                 asks[i].data_class != NULL ? asks[i].data_class : "default");
    }
    kw_code code = run(f, &batch, plaintexts, codes);
    for (size_t i = 0; i < count; i++) {
        memcpy(keys[i].plaintext, plaintexts[i], KW_DK_SIZE);
        memcpy(keys[i].wrapped, batch.items[i].wrapped, sizeof keys[i].wrapped);
    }
    free(plaintexts);
    return code;
}

kw_code kw_custody_unwrap(struct kw_fixture *f, const struct kw_fixture_key *keys, size_t count,
                          kw_code *codes)
{
    KW_AUTO(kw_dk_batch) batch = {.count = 0};
    uint8_t(*plaintexts)[32] = calloc(count, sizeof *plaintexts);
    assert_non_null(plaintexts);
    assert_int_equal(kw_dk_batch_init(&batch, KW_DK_UNWRAP, count, NULL), KW_OK);
    for (size_t i = 0; i < count; i++)
        memcpy(batch.items[i].wrapped, keys[i].wrapped, sizeof keys[i].wrapped);
    kw_code code = run(f, &batch, plaintexts, codes);
    for (size_t i = 0; code == KW_OK && i < count; i++)
        if (codes[i] == KW_OK)
            assert_memory_equal(plaintexts[i], keys[i].plaintext, KW_DK_SIZE);
    free(plaintexts);
    return code;
}

uint32_t kw_custody_version(const struct kw_fixture_key *key)
{
    struct kw_wrapped_key head;
    assert_int_equal(kw_wrapped_key_parse(&head, kw_bytes(key->wrapped, sizeof key->wrapped), NULL),
                     KW_OK);
    return head.version;
}

struct kw_fixture_key kw_custody_seal(struct kw_fixture *f, const char *tenant)
{
    struct kw_fixture_key key;
    assert_int_equal(kw_fixture_generate(f, tenant, "eu", 1, &key), KW_OK);
    return key;
}

kw_code kw_custody_reopen(struct kw_fixture *f, const struct kw_fixture_key *key)
{
    uint8_t out[KW_DK_SIZE];
    kw_code code = kw_fixture_unwrap(f, key, 1, out);
    if (code == KW_OK)
        assert_memory_equal(out, key->plaintext, sizeof out);
    return code;
}

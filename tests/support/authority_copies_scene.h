/* The tenant acme in eu, where two providers of ours are, alpha (hardware) and beta, and one of
 * the customer's own, acme-kms. */
#ifndef KW_TESTS_AUTHORITY_COPIES_SCENE_H
#define KW_TESTS_AUTHORITY_COPIES_SCENE_H

#include "authority/internal.h"
#include "authority_scene.h"

static struct kw_error err;

static struct kw_fixture_place places[] = {
    {.provider = "alpha", .region = "eu", .hsm = true},
    {.provider = "beta", .region = "eu"},
    {.provider = "software-us", .region = "us"},
    {.provider = "acme-kms", .region = "eu", .tenants = "acme"},
};

static struct kw_script *alpha, *beta, *guest;

/* What happens in the middle of alpha's work, as often as meetings says, and its code. */
static atomic_int meetings;
static kw_code (*meet)(void);
static kw_code met;

static inline void on_call(void *arg, const char *provider, const struct kw_provider_call *call)
{
    static _Thread_local bool meeting;
    KW_UNUSED(arg);
    KW_UNUSED(call);
    if (strcmp(provider, "alpha") != 0 || meeting || atomic_load(&meetings) == 0)
        return;
    atomic_fetch_sub(&meetings, 1);
    meeting = true;
    int left = atomic_exchange(&meetings, 0); /* the inner change meets nobody */
    met = meet();
    atomic_store(&meetings, left);
    meeting = false;
}

static inline int setup(void **state)
{
    const struct kw_fixture_options options = {
        .places = places, .place_count = KW_COUNT(places), .attempt_ms = 9000, .seen = on_call};
    KW_UNUSED(state);
    places[0].key = NULL;
    f = kw_fixture_open(&options);
    alpha = kw_fixture_script(f, "alpha");
    beta = kw_fixture_script(f, "beta");
    guest = kw_fixture_script(f, "acme-kms");
    kw_fixture_tenant(f, "acme", "eu");
    return 0;
}

/* By whom this version of the tenant's key in eu is wrapped: "alpha=eu beta=eu ". */
static inline void assert_copies(const char *tenant, uint32_t version, const char *providers)
{
    char found[KW_FIXTURE_COPIES_SIZE];
    kw_fixture_copies(f, tenant, "eu", version, found);
    assert_string_equal(found, providers);
}

static inline kw_code rotate(void)
{
    return kw_authority_key_rotate(f->authority, root, "acme", "eu", NULL, &err);
}

static inline kw_code suspend(void)
{
    return kw_authority_tenant_suspend(f->authority, root, "acme", NULL);
}

/* Unwraps the data key with the tenant key asked for anew. */
static inline void opens(const struct kw_fixture_key *key, kw_code expected)
{
    uint8_t out[KW_DK_SIZE];
    flush();
    assert_int_equal(kw_fixture_unwrap(f, key, 1, out), expected);
    if (expected == KW_OK)
        assert_memory_equal(out, key->plaintext, sizeof out);
}

/* Loads this version of acme's key, and what is known of it then. */
static inline struct kw_keyring_facts load(uint32_t version, kw_code expected)
{
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    struct kw_keyring_facts facts = {.reference = key_row().reference, .version = version};
    assert_int_equal(kw_version_load(f->authority, &facts, &key, &err), expected);
    return facts;
}

/* A round of the scheduler, ms after the test began. */
static inline void tick_after(int64_t ms)
{
    kw_clock_test_offset(ms);
    assert_int_equal(kw_authority_tick(f->authority, &err), KW_OK);
}

#endif

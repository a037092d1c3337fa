/* The wall, by property: whatever is configured, whatever fails and whatever is done to tenants and
 * keys, no provider is ever asked about a key that it may not hold. The allowed set is judged here,
 * by the context of each call, without the authority's or the router's code. KW_SEED repeats a run.
 */
#include "authority_fixture.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 10, STEPS = 60, PROVIDERS = 6, TENANTS = 4, KEYS = 16 };

static const char *const provider_names[PROVIDERS] = {"p0", "p1", "p2", "p3", "p4", "p5"};
static const char *const tenant_names[TENANTS] = {"acme", "globex", "initech", "umbrella"};
static const char *const region_names[] = {"eu", "us"};

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33) % below;
}

/* ---- What is allowed --------------------------------------------------------------------------
 */

static struct kw_fixture_place places[2 * PROVIDERS];
static size_t place_count;
static atomic_uint calls, breaches;

static const char *value_of(const struct kw_provider_call *call, const char *name)
{
    for (size_t i = 0; i < call->context_count; i++)
        if (strcmp(call->context[i].name, name) == 0)
            return call->context[i].value;
    return "";
}

static bool lists(const char *tenants, const char *tenant)
{
    char with[80];
    char all[120];
    snprintf(with, sizeof with, ",%s,", tenant);
    snprintf(all, sizeof all, ",%s,", tenants);
    return strstr(all, with) != NULL;
}

/* A check of a root key names nobody's key; only a region's own providers are checked unasked. */
static bool is_own_check(const char *provider, const struct kw_provider_call *call)
{
    bool own = false;
    for (size_t i = 0; i < place_count; i++)
        own = own || (places[i].tenants == NULL && strcmp(places[i].provider, provider) == 0);
    return call->context_count == 0 && own;
}

static void judge(void *arg, const char *provider, const struct kw_provider_call *call)
{
    const char *region = value_of(call, "keyward:region");
    const char *tenant = value_of(call, "keyward:tenant");
    KW_UNUSED(arg);
    atomic_fetch_add(&calls, 1);
    if (is_own_check(provider, call))
        return;
    for (size_t i = 0; i < place_count; i++)
        if (strcmp(places[i].provider, provider) == 0 && strcmp(places[i].region, region) == 0 &&
            (places[i].tenants == NULL || lists(places[i].tenants, tenant)))
            return;
    atomic_fetch_add(&breaches, 1);
    print_error("%s was asked about a key of %s in %s\n", provider, tenant, region);
}

/* Of each region the first drawn is a route, so that there is one; the others may be anything. */
static void draw_places(void)
{
    static const char *const lists_of_tenants[] = {"acme", "globex", "acme,globex",
                                                   "initech,umbrella"};
    place_count = 0;
    for (size_t r = 0; r < KW_COUNT(region_names); r++) {
        uint32_t first = draw(PROVIDERS);
        for (uint32_t i = 0; i < PROVIDERS; i++) {
            uint32_t role = i == first ? 0 : draw(4);
            if (role >= 2 + (i % 2))
                continue;
            places[place_count++] =
                (struct kw_fixture_place){.provider = provider_names[i],
                                          .region = region_names[r],
                                          .tenants = role == 0 ? NULL : lists_of_tenants[draw(4)],
                                          .hsm = draw(2) == 0};
        }
    }
}

/* ---- What is done -----------------------------------------------------------------------------
 */

static struct kw_fixture *f;
static const struct kw_caller *const root = &kw_fixture_root;
static struct kw_fixture_key keys[KEYS];
static size_t key_count;
static int64_t offset_ms;
static unsigned worked;

static void create(const char *tenant, const char *region)
{
    const char *both[] = {region, "us"};
    size_t count = draw(2) == 0 && strcmp(region, "us") != 0 ? 2 : 1;
    struct kw_tenant_spec spec = {.id = tenant, .regions = both, .region_count = count};
    worked += kw_authority_tenant_create(f->authority, root, &spec, NULL) == KW_OK;
}

static void generate(const char *tenant, const char *region)
{
    struct kw_fixture_key key;
    if (kw_fixture_generate(f, tenant, region, 1, &key) != KW_OK)
        return;
    keys[key_count < KEYS ? key_count++ : draw(KEYS)] = key;
    worked++;
}

static void unwrap(void)
{
    uint8_t out[KW_DK_SIZE];
    if (key_count == 0)
        return;
    const struct kw_fixture_key *key = &keys[draw((uint32_t)key_count)];
    if (draw(2) == 0)
        assert_int_equal(kw_authority_flush(f->authority, root, NULL), KW_OK);
    if (kw_fixture_unwrap(f, key, 1, out) != KW_OK)
        return;
    assert_memory_equal(out, key->plaintext, sizeof out);
    worked++;
}

/* As an attachment leaves it, and as somebody who can write the database could: the row names a
 * provider, which may be anybody's. */
static void claim(const char *tenant, const char *region)
{
    struct kw_key_row key;
    if (kw_store_key_get(f->store, tenant, region, &key, NULL) != KW_OK)
        return;
    bool give = draw(2) == 0;
    snprintf(key.custody, sizeof key.custody, "%s", give ? "attached" : "managed");
    snprintf(key.provider, sizeof key.provider, "%s", give ? provider_names[draw(PROVIDERS)] : "");
    snprintf(key.provider_key, sizeof key.provider_key, "%s", give ? "theirs" : "");
    assert_int_equal(kw_store_begin(f->store, NULL), KW_OK);
    assert_int_equal(kw_store_key_set(f->store, &key, NULL), KW_OK);
    assert_int_equal(kw_store_commit(f->store, NULL), KW_OK);
    worked += kw_authority_key_rotate(f->authority, root, tenant, region, NULL, NULL) == KW_OK;
}

static void disturb(void)
{
    static const kw_code ways[] = {
        KW_OK, KW_OK, KW_OK, KW_OK, KW_FORBIDDEN, KW_PROVIDER_UNAVAILABLE, KW_SEAL_BROKEN};
    const struct kw_fixture_place *place = &places[draw((uint32_t)place_count)];
    atomic_store(&kw_fixture_script(f, place->provider)->fail_with,
                 (int)ways[draw(KW_COUNT(ways))]);
}

static void step(void)
{
    const char *tenant = tenant_names[draw(TENANTS)];
    const char *region = region_names[draw(2)];
    struct kw_authority *a = f->authority;
    switch (draw(10)) {
    case 0:
        create(tenant, region);
        break;
    case 1:
        worked += kw_authority_tenant_add_region(a, root, tenant, region, NULL) == KW_OK;
        break;
    case 2:
        worked += kw_authority_key_rotate(a, root, tenant, region, NULL, NULL) == KW_OK;
        break;
    case 3:
        claim(tenant, region);
        break;
    case 4:
        offset_ms += 40000; /* breakers and searches have rested */
        kw_clock_test_offset(offset_ms);
        (void)!kw_authority_tick(a, NULL);
        break;
    case 5:
        kw_fixture_restart(f);
        break;
    case 6:
        disturb();
        break;
    default:
        draw(2) == 0 ? generate(tenant, region) : unwrap();
    }
}

static void test_wall(void **state)
{
    const char *given = getenv("KW_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)kw_clock_wall_ms();
    KW_UNUSED(state);
    print_message("KW_SEED=%llu\n", (unsigned long long)seed);
    random_state = seed;
    for (int round = 0; round < ROUNDS; round++) {
        key_count = 0;
        draw_places();
        const struct kw_fixture_options options = {.places = places,
                                                   .place_count = place_count,
                                                   .preference = (enum kw_preference)draw(3),
                                                   .seen = judge};
        f = kw_fixture_open(&options);
        for (size_t i = 0; i < TENANTS; i++)
            create(tenant_names[i], region_names[draw(2)]);
        for (int i = 0; i < STEPS; i++)
            step();
        kw_clock_test_offset(0);
        offset_ms = 0;
        kw_fixture_close(f);
        assert_int_equal(breaches, 0);
    }
    assert_true(calls > 0);
    assert_true(worked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wall)};
    return cmocka_run_group_tests_name("authority wall", tests, NULL, NULL);
}

/* The router: the wall, failover, breakers, preferences, quorum; and by property that no call
 * leaves the region whatever fails. */
#include "router/router.h"
#include "base/clock.h"
#include "crypto/random.h"
#include "provider_doubles.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PROVIDERS = 6, MAX_COPIES = 8 };

static struct kw_error err;

#define ok(call)                                                                                   \
    do {                                                                                           \
        if ((call) != KW_OK)                                                                       \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

/* Six providers, p0 to p5, each with a script. */
struct scene {
    struct kw_provider *providers[PROVIDERS];
    struct kw_script scripts[PROVIDERS];
};

static int setup(void **state)
{
    kw_clock_test_offset(0);
    struct scene *scene = calloc(1, sizeof *scene);
    for (int i = 0; i < PROVIDERS; i++) {
        struct kw_provider *behind = NULL;
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        ok(kw_provider_test_new(name, (uint8_t)(i + 1), &behind, &err));
        ok(kw_provider_scripted_new(name, behind, &scene->scripts[i], &scene->providers[i], &err));
    }
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    for (int i = 0; i < PROVIDERS; i++)
        kw_provider_free(scene->providers[i]);
    free(scene);
    kw_clock_test_offset(0);
    return 0;
}

static struct kw_router_region region_of(struct scene *scene, const char *name, int from, int to)
{
    struct kw_router_region region = {.name = name};
    for (int i = from; i < to; i++)
        region.routes[region.route_count++] = (struct kw_router_route){
            .provider = scene->providers[i], .key = name, .price_nano = (uint64_t)(10 - i)};
    return region;
}

static struct kw_router *router_of(const struct kw_router_region *regions, size_t count)
{
    struct kw_router *router = NULL;
    struct kw_router_options options = {.regions = regions, .region_count = count};
    ok(kw_router_new(&options, &router, &err));
    return router;
}

static const struct kw_provider_pair pairs[] = {{"tenant", "acme"}};

/* How long a call may take. Ten seconds where it is to succeed; little where it may fail for good,
 * since the router tries again until then. */
static int64_t patience_ms = 10000;

static struct kw_router_call call_in(const char *region)
{
    return (struct kw_router_call){.region = region,
                                   .context = pairs,
                                   .context_count = 1,
                                   .deadline_ms = kw_clock_ms() + patience_ms};
}

struct kept {
    char provider[MAX_COPIES][40];
    char key[MAX_COPIES][40];
    struct kw_buf blob[MAX_COPIES];
    struct kw_router_copy copies[MAX_COPIES];
    size_t count;
};

static KW_ERR keep(void *arg, const struct kw_router_copy *copy, struct kw_error *e)
{
    struct kept *kept = arg;
    size_t i = kept->count++;
    snprintf(kept->provider[i], sizeof kept->provider[i], "%s", copy->provider);
    snprintf(kept->key[i], sizeof kept->key[i], "%s", copy->provider_key);
    kw_buf_append(&kept->blob[i], copy->blob.data, copy->blob.len);
    kept->copies[i] = (struct kw_router_copy){.provider = kept->provider[i],
                                              .provider_key = kept->key[i],
                                              .blob = kw_buf_bytes(&kept->blob[i])};
    return kw_buf_status(&kept->blob[i], e);
}

static void kept_wipe(struct kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        kw_buf_wipe(&kept->blob[i]);
    kept->count = 0;
}

static kw_code wrap_in(struct kw_router *router, const char *region, bool hsm, struct kept *kept,
                       size_t *made)
{
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    struct kw_router_call call = call_in(region);
    call.hsm = hsm;
    ok(kw_secret_copy(&key, "0123456789abcdef0123456789abcdef", 32, &err));
    struct kw_router_wrapping wrapping = {.plaintext = &key, .keep = keep, .arg = kept};
    return kw_router_wrap(router, &call, &wrapping, made, &err);
}

static KW_ERR accept_all(void *arg, const struct kw_secret *plaintext, struct kw_error *e)
{
    KW_UNUSED(arg);
    return kw_equal_ct(plaintext->data, "0123456789abcdef0123456789abcdef", 32)
               ? KW_OK
               : kw_fail_code(e, KW_COMMITMENT);
}

static kw_code unwrap_in(struct kw_router *router, const char *region, const struct kept *kept)
{
    KW_AUTO(kw_secret) out = KW_SECRET_INIT;
    struct kw_router_call call = call_in(region);
    struct kw_router_unwrapping unwrapping = {
        .copies = kept->copies, .count = kept->count, .accept = accept_all};
    return kw_router_unwrap(router, &call, &unwrapping, &out, &err);
}

static uint64_t calls_of(const struct scene *scene, int i)
{
    return scene->scripts[i].wraps + scene->scripts[i].unwraps;
}

static void every_provider_has_a_copy_and_any_opens(void **state)
{
    struct scene *scene = *state;
    struct kept kept = {.count = 0};
    size_t made = 0;
    struct kw_router_region region = region_of(scene, "eu", 0, 3);
    KW_AUTO_PTR(kw_router) router = router_of(&region, 1);
    ok(wrap_in(router, "eu", false, &kept, &made));
    assert_int_equal(made, 3);
    for (int down = 0; down < 2; down++) {
        scene->scripts[down].fail_with = KW_PROVIDER_UNAVAILABLE;
        ok(unwrap_in(router, "eu", &kept));
    }
    assert_int_equal(scene->scripts[2].unwraps, 1);
    kept_wipe(&kept);
}

static void fewer_than_the_quorum_is_a_failure(void **state)
{
    struct scene *scene = *state;
    struct kept kept = {.count = 0};
    size_t made = 9;
    struct kw_router_region region = region_of(scene, "eu", 0, 3);
    region.copies_min = 2;
    KW_AUTO_PTR(kw_router) router = router_of(&region, 1);
    scene->scripts[0].fail_with = KW_PROVIDER_UNAVAILABLE;
    ok(wrap_in(router, "eu", false, &kept, &made));
    assert_int_equal(made, 2);
    scene->scripts[1].fail_with = KW_FORBIDDEN;
    assert_int_equal(wrap_in(router, "eu", false, &kept, &made), KW_PROVIDER_UNAVAILABLE);
    kept_wipe(&kept);
}

static void a_copy_of_outside_the_wall_is_not_looked_at(void **state)
{
    struct scene *scene = *state;
    struct kept kept = {.count = 0};
    struct kw_router_region regions[] = {region_of(scene, "eu", 0, 2),
                                         region_of(scene, "us", 2, 4)};
    KW_AUTO_PTR(kw_router) router = router_of(regions, 2);
    ok(wrap_in(router, "us", false, &kept, NULL));
    assert_int_equal(unwrap_in(router, "eu", &kept), KW_REGION_WALL);
    assert_int_equal(calls_of(scene, 0) + calls_of(scene, 1), 0);
    assert_int_equal(wrap_in(router, "mars", false, &kept, NULL), KW_UNKNOWN_REGION);
    kept_wipe(&kept);
}

static void a_key_that_is_not_the_pinned_one_is_refused(void **state)
{
    struct scene *scene = *state;
    struct kept kept = {.count = 0};
    KW_AUTO(kw_secret) other = KW_SECRET_INIT;
    struct kw_router_region region = region_of(scene, "eu", 0, 1);
    KW_AUTO_PTR(kw_router) router = router_of(&region, 1);
    struct kw_router_call call = call_in("eu");
    ok(kw_random_secret(&other, 32, &err));
    struct kw_router_wrapping wrapping = {.plaintext = &other, .keep = keep, .arg = &kept};
    ok(kw_router_wrap(router, &call, &wrapping, NULL, &err));
    assert_int_equal(unwrap_in(router, "eu", &kept), KW_COMMITMENT);
    kept_wipe(&kept);
}

static void hardware_where_it_is_required(void **state)
{
    struct scene *scene = *state;
    struct kept kept = {.count = 0};
    size_t made = 0;
    struct kw_router_region region = region_of(scene, "eu", 0, 3);
    region.routes[1].hsm = true;
    KW_AUTO_PTR(kw_router) router = router_of(&region, 1);
    ok(wrap_in(router, "eu", true, &kept, &made));
    assert_int_equal(made, 1);
    assert_string_equal(kept.provider[0], "p1");
    kept_wipe(&kept);
}

struct look {
    enum kw_breaker_state breaker;
    uint64_t spent_nano;
};

static void look_at_first(void *arg, const struct kw_route_status *status)
{
    struct look *look = arg;
    if (strcmp(status->provider, "p0") == 0)
        *look = (struct look){status->breaker, status->spent_nano};
}

static void the_breaker_opens_probes_and_closes(void **state)
{
    struct scene *scene = *state;
    struct kept kept = {.count = 0};
    struct look look;
    struct kw_router_region region = region_of(scene, "eu", 0, 2);
    KW_AUTO_PTR(kw_router) router = router_of(&region, 1);
    ok(wrap_in(router, "eu", false, &kept, NULL));
    scene->scripts[0].fail_with = KW_PROVIDER_UNAVAILABLE;
    for (int i = 0; i < 10; i++)
        ok(unwrap_in(router, "eu", &kept));
    assert_int_equal(scene->scripts[0].unwraps, 3); /* then it is left alone */
    kw_router_each(router, look_at_first, &look);
    assert_int_equal(look.breaker, KW_BREAKER_OPEN);
    assert_int_equal(look.spent_nano, 4 * 10); /* one wrap, three unwraps */
    scene->scripts[0].fail_with = KW_OK;
    kw_clock_test_offset(60000);
    kw_router_each(router, look_at_first, &look);
    assert_int_equal(look.breaker, KW_BREAKER_HALF_OPEN);
    scene->scripts[1].fail_with = KW_PROVIDER_UNAVAILABLE;
    ok(unwrap_in(router, "eu", &kept)); /* nothing else is left: the probe */
    kw_router_each(router, look_at_first, &look);
    assert_int_equal(look.breaker, KW_BREAKER_CLOSED);
    kept_wipe(&kept);
}

static void the_cheapest_where_price_decides(void **state)
{
    struct scene *scene = *state;
    struct kept kept = {.count = 0};
    struct kw_router_region region = region_of(scene, "eu", 0, 3); /* p2 is the cheapest */
    region.preference = KW_PREFER_PRICE;
    KW_AUTO_PTR(kw_router) router = router_of(&region, 1);
    ok(wrap_in(router, "eu", false, &kept, NULL));
    ok(unwrap_in(router, "eu", &kept));
    assert_int_equal(scene->scripts[2].unwraps, 1);
    assert_int_equal(scene->scripts[0].unwraps, 0);
    kept_wipe(&kept);
}

static void wrong_configurations(void **state)
{
    struct scene *scene = *state;
    struct kw_router *router = NULL;
    struct kw_router_region twice[] = {region_of(scene, "eu", 0, 1), region_of(scene, "eu", 1, 2)};
    struct kw_router_region few = region_of(scene, "eu", 0, 1);
    struct kw_router_region none = region_of(scene, "eu", 0, 0);
    struct kw_router_options options = {.regions = twice, .region_count = 2};
    assert_int_equal(kw_router_new(&options, &router, &err), KW_BAD_CONFIG);
    few.copies_min = 2;
    options = (struct kw_router_options){.regions = &few, .region_count = 1};
    assert_int_equal(kw_router_new(&options, &router, &err), KW_BAD_CONFIG);
    options.regions = &none;
    assert_int_equal(kw_router_new(&options, &router, &err), KW_BAD_CONFIG);
    few.copies_min = 0;
    few.routes[few.route_count++] = few.routes[0];
    options.regions = &few;
    assert_int_equal(kw_router_new(&options, &router, &err), KW_BAD_CONFIG);
    assert_null(router);
}

/* ---- By property ------------------------------------------------------------------------------
 */

static uint32_t draw(uint32_t below)
{
    uint32_t value = 0;
    kw_random(&value, sizeof value);
    return value % below;
}

static void random_faults(struct scene *scene)
{
    static const kw_code faults[] = {KW_OK,        KW_OK,          KW_PROVIDER_UNAVAILABLE,
                                     KW_FORBIDDEN, KW_SEAL_BROKEN, KW_KEY_SUSPENDED,
                                     KW_TIMEOUT,   KW_RATE_LIMITED};
    for (int i = 0; i < PROVIDERS; i++)
        scene->scripts[i].fail_with = faults[draw(KW_COUNT(faults))];
}

/* Two regions of random, overlapping providers. Whatever fails, only those of the region are
 * called, and what opens was wrapped by one of them. */
static void no_call_leaves_the_region(void **state)
{
    struct scene *scene = *state;
    for (int round = 0; round < 150; round++) {
        int from = (int)draw(PROVIDERS - 1);
        int to = from + 1 + (int)draw((uint32_t)(PROVIDERS - from));
        struct kw_router_region regions[] = {region_of(scene, "eu", from, to),
                                             region_of(scene, "us", 0, PROVIDERS)};
        struct kept kept = {.count = 0};
        uint64_t before[PROVIDERS];
        KW_AUTO_PTR(kw_router) router = router_of(regions, 2);
        for (int i = 0; i < PROVIDERS; i++)
            scene->scripts[i].fail_with = KW_OK;
        ok(wrap_in(router, "us", false, &kept, NULL)); /* every provider has a copy */
        for (int i = 0; i < PROVIDERS; i++)
            before[i] = calls_of(scene, i);
        patience_ms = 20;
        for (int step = 0; step < 3; step++) {
            struct kept more = {.count = 0};
            random_faults(scene);
            (void)!unwrap_in(router, "eu", &kept);
            (void)!wrap_in(router, "eu", false, &more, NULL);
            kept_wipe(&more);
        }
        patience_ms = 10000;
        for (int i = 0; i < PROVIDERS; i++)
            if ((i < from || i >= to) && calls_of(scene, i) != before[i])
                fail_msg("p%d was called for eu, which is p%d to p%d", i, from, to - 1);
        kept_wipe(&kept);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_provider_has_a_copy_and_any_opens),
        TEST(fewer_than_the_quorum_is_a_failure),
        TEST(a_copy_of_outside_the_wall_is_not_looked_at),
        TEST(a_key_that_is_not_the_pinned_one_is_refused),
        TEST(hardware_where_it_is_required),
        TEST(the_breaker_opens_probes_and_closes),
        TEST(the_cheapest_where_price_decides),
        TEST(wrong_configurations),
        TEST(no_call_leaves_the_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

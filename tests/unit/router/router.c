/* The router: copies, quorum, failover, preferences, hardware, guests, configurations. */
#include "router_scene.h"

#include "base/clock.h"
#include "crypto/random.h"

static void every_provider_has_a_copy_and_any_opens(void **state)
{
    struct scene *scene = scene_eu(state, 3, NULL);
    size_t made = 0;
    ok(scene_seal(scene, &made));
    assert_int_equal(made, 3);
    for (int down = 0; down < 2; down++) {
        scene->scripts[down].fail_with = KW_PROVIDER_UNAVAILABLE;
        ok(scene_open(scene));
    }
    assert_int_equal(scene->scripts[2].unwraps, 1);
    scene_uses_equal(scene);
}

static void fewer_than_the_quorum_is_a_failure(void **state)
{
    struct scene *scene = *state;
    size_t made = 9;
    struct kw_router_region region = scene_region(scene, "eu", 0, 3);
    region.copies_min = 2;
    scene_start(scene, &region, NULL);
    scene->scripts[0].fail_with = KW_PROVIDER_UNAVAILABLE;
    ok(scene_seal(scene, &made));
    assert_int_equal(made, 2);
    scene->scripts[1].fail_with = KW_FORBIDDEN;
    assert_int_equal(scene_seal(scene, &made), KW_PROVIDER_UNAVAILABLE);
}

static bool has_p1(void *arg, const char *provider)
{
    KW_UNUSED(arg);
    return strcmp(provider, "p1") == 0;
}

static KW_ERR keep_none(void *arg, const struct kw_router_copy *copy, struct kw_error *err)
{
    KW_UNUSED(arg);
    KW_UNUSED(copy);
    return kw_fail(err, KW_STORE_UNAVAILABLE, "the disk is gone");
}

static void what_has_a_copy_is_not_asked_and_counts(void **state)
{
    struct scene *scene = *state;
    size_t made = 0;
    KW_AUTO(kw_secret) key = KW_SECRET_INIT;
    struct kw_router_region region = scene_region(scene, "eu", 0, 2);
    region.copies_min = 1;
    scene_start(scene, &region, NULL);
    ok(kw_random_secret(&key, 32, &scene_err));
    struct kw_router_wrapping wrapping = {.plaintext = &key, .keep = keep_none, .skip = has_p1};
    scene->scripts[0].fail_with = KW_FORBIDDEN;
    ok(kw_router_wrap(scene->router, &scene->call, &wrapping, &made, &scene_err));
    assert_int_equal(made, 1);
    assert_int_equal(scene_calls(scene, 1), 0);
    scene->scripts[0].fail_with = KW_OK;
    assert_int_equal(kw_router_wrap(scene->router, &scene->call, &wrapping, &made, &scene_err),
                     KW_INTERNAL);
    assert_non_null(strstr(scene_err.text, "the disk is gone"));
}

static void a_copy_of_outside_the_wall_is_not_looked_at(void **state)
{
    struct scene *scene = *state;
    struct scene_kept kept = {.count = 0};
    struct kw_router_region regions[] = {scene_region(scene, "eu", 0, 2),
                                         scene_region(scene, "us", 2, 4)};
    KW_AUTO_PTR(kw_router) router = scene_router(scene, regions, 2, NULL);
    struct kw_router_call eu = scene_call("eu");
    struct kw_router_call us = scene_call("us");
    struct kw_router_call mars = scene_call("mars");
    ok(scene_wrap(router, &us, &kept, NULL));
    assert_int_equal(scene_unwrap(router, &eu, &kept), KW_REGION_WALL);
    assert_int_equal(scene_calls(scene, 0) + scene_calls(scene, 1), 0);
    assert_int_equal(scene_wrap(router, &mars, &kept, NULL), KW_UNKNOWN_REGION);
    scene_kept_wipe(&kept);
}

static void a_key_that_is_not_the_pinned_one_is_refused(void **state)
{
    struct scene *scene = *state;
    struct scene_kept kept = {.count = 0};
    struct kw_router_region region = scene_region(scene, "eu", 0, 2);
    struct kw_router_region us = scene_region(scene, "us", 0, 1);
    struct kw_router_region both[] = {region, us};
    KW_AUTO_PTR(kw_router) router = scene_router(scene, both, 2, NULL);
    struct kw_router_call call = scene_call("eu");
    ok(scene_wrap(router, &call, &kept, NULL));
    kept.copies[0].provider_key = "us"; /* another key: it opens nothing */
    scene->scripts[1].fail_with = KW_FORBIDDEN;
    assert_int_equal(scene_unwrap(router, &call, &kept), KW_SEAL_BROKEN);
    scene->scripts[1].fail_with = KW_OK;
    ok(scene_unwrap(router, &call, &kept)); /* but the other copy does */
    scene_kept_wipe(&kept);
}

static KW_ERR accept_none(void *arg, const struct kw_secret *plaintext, struct kw_error *err)
{
    unsigned *judged = arg;
    KW_UNUSED(plaintext);
    ++*judged;
    return kw_fail_code(err, KW_COMMITMENT);
}

static void every_copy_is_judged(void **state)
{
    struct scene *scene = scene_eu(state, 3, NULL);
    unsigned judged = 0;
    KW_AUTO(kw_secret) out = KW_SECRET_INIT;
    ok(scene_seal(scene, NULL));
    struct kw_router_unwrapping unwrapping = {.copies = scene->kept.copies,
                                              .count = scene->kept.count,
                                              .accept = accept_none,
                                              .arg = &judged};
    assert_int_equal(kw_router_unwrap(scene->router, &scene->call, &unwrapping, &out, &scene_err),
                     KW_COMMITMENT);
    assert_int_equal(judged, 3);
    assert_null(out.data);
}

static void hardware_where_it_is_required(void **state)
{
    struct scene *scene = *state;
    size_t made = 0;
    struct kw_router_region region = scene_region(scene, "eu", 0, 3);
    region.routes[1].hsm = true;
    scene_start(scene, &region, NULL);
    scene->call.hsm = true;
    ok(scene_seal(scene, &made));
    assert_int_equal(made, 1);
    assert_string_equal(scene->kept.provider[0], "p1");
    assert_true(kw_router_in_hardware(scene->router, "eu", "p1"));
    assert_false(kw_router_in_hardware(scene->router, "eu", "p0"));
    assert_false(kw_router_in_hardware(scene->router, "us", "p1"));
    assert_ptr_equal(kw_router_provider(scene->router, "eu", "p2"), scene->providers[2]);
    assert_null(kw_router_provider(scene->router, "eu", "p3"));
}

static void a_region_for_hardware_alone(void **state)
{
    struct scene *scene = *state;
    struct scene_kept kept = {.count = 0};
    struct kw_router *router = NULL;
    struct kw_router_region region = scene_region(scene, "eu", 0, 2);
    struct kw_router_options options = {.regions = &region, .region_count = 1};
    region.hsm = true;
    region.routes[0].hsm = true;
    assert_int_equal(kw_router_new(&options, &router, &scene_err), KW_BAD_CONFIG);
    region.routes[1].hsm = true;
    router = scene_router(scene, &region, 1, NULL);
    struct kw_router_call call = scene_call("eu");
    ok(scene_wrap(router, &call, &kept, NULL));
    kw_router_free(router);
    scene_kept_wipe(&kept);
}

static void a_quorum_of_hardware_that_is_not_there(void **state)
{
    struct scene *scene = *state;
    struct kw_router_region region = scene_region(scene, "eu", 0, 3);
    region.routes[1].hsm = true;
    region.copies_min = 2;
    scene_start(scene, &region, NULL);
    scene->call.hsm = true;
    assert_int_equal(scene_seal(scene, NULL), KW_REGION_WALL);
    assert_int_equal(scene_calls(scene, 1), 0);
}

static void the_cheapest_where_price_decides(void **state)
{
    struct scene *scene = *state;
    struct kw_router_region region = scene_region(scene, "eu", 0, 3); /* p2 is the cheapest */
    region.preference = KW_PREFER_PRICE;
    scene_start(scene, &region, NULL);
    ok(scene_seal(scene, NULL));
    ok(scene_open(scene));
    assert_int_equal(scene->scripts[2].unwraps, 1);
    assert_int_equal(scene->scripts[0].unwraps, 0);
    assert_int_equal(scene->uses[2].nano, 2 * 8);
}

/* The fast one is asked; the slow one again after a while, and then the fast one. */
static void the_fastest_and_the_slow_one_is_not_forgotten(void **state)
{
    struct scene *scene = *state;
    struct kw_router_region region = scene_region(scene, "eu", 0, 2);
    struct kw_router_options options = {.attempt_ms = 60000};
    region.preference = KW_PREFER_LATENCY;
    scene_start(scene, &region, &options);
    scene->call.deadline_ms += 3600000;
    scene->scripts[0].delay_ms = 60;
    ok(scene_seal(scene, NULL));
    for (int i = 0; i < 4; i++)
        ok(scene_open(scene));
    assert_int_equal(scene->scripts[1].unwraps, 4);
    kw_clock_test_offset(1200000); /* both are forgotten by now; the list's first is asked */
    ok(scene_open(scene));
    assert_int_equal(scene->scripts[0].unwraps, 1);
    for (int i = 0; i < 4; i++)
        ok(scene_open(scene));
    assert_int_equal(scene->scripts[1].unwraps, 8);
}

static kw_code made_of(const struct kw_router_region *regions, size_t count)
{
    struct kw_router *router = NULL;
    struct kw_router_options options = {.regions = regions, .region_count = count};
    kw_code code = kw_router_new(&options, &router, &scene_err);
    kw_router_free(router);
    return code;
}

static void wrong_configurations(void **state)
{
    struct scene *scene = *state;
    struct kw_router_region twice[] = {scene_region(scene, "eu", 0, 1),
                                       scene_region(scene, "eu", 1, 2)};
    struct kw_router_region few = scene_region(scene, "eu", 0, 1);
    struct kw_router_region none = scene_region(scene, "eu", 0, 0);
    assert_int_equal(made_of(twice, 2), KW_BAD_CONFIG);
    assert_int_equal(made_of(twice, 0), KW_BAD_CONFIG);
    few.copies_min = 2;
    assert_int_equal(made_of(&few, 1), KW_BAD_CONFIG);
    assert_int_equal(made_of(&none, 1), KW_BAD_CONFIG);
    few.copies_min = 0;
    assert_int_equal(made_of(&few, 1), KW_OK);
    few.routes[few.route_count++] = few.routes[0];
    assert_int_equal(made_of(&few, 1), KW_BAD_CONFIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_provider_has_a_copy_and_any_opens),
        TEST(fewer_than_the_quorum_is_a_failure),
        TEST(what_has_a_copy_is_not_asked_and_counts),
        TEST(a_copy_of_outside_the_wall_is_not_looked_at),
        TEST(a_key_that_is_not_the_pinned_one_is_refused),
        TEST(every_copy_is_judged),
        TEST(hardware_where_it_is_required),
        TEST(a_region_for_hardware_alone),
        TEST(a_quorum_of_hardware_that_is_not_there),
        TEST(the_cheapest_where_price_decides),
        TEST(the_fastest_and_the_slow_one_is_not_forgotten),
        TEST(wrong_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

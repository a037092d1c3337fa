/* Guests: customers' providers, for the keys of their tenants and no others. */
#include "router_scene.h"

/* eu over p0 and p1, with p2 as the guest of acme and initech, p3 as globex's. */
struct place {
    struct kw_router_guest guests[2];
    struct kw_router_region region;
};

static struct place place_of(struct scene *scene)
{
    struct place place = {
        .guests = {{.provider = scene->providers[2], .tenants = "acme, initech", .price_nano = 7},
                   {.provider = scene->providers[3], .tenants = "globex", .hsm = true}},
        .region = scene_region(scene, "eu", 0, 2),
    };
    place.region.guest_count = 2;
    place.region.copies_min = 2;
    return place;
}

static struct kw_router *router_of(struct scene *scene, struct place *place)
{
    place->region.guests = place->guests;
    return scene_router(scene, &place->region, 1, NULL);
}

static struct kw_router_call guest_call(const char *tenant, const char *guest)
{
    struct kw_router_call call = scene_call("eu");
    call.tenant = tenant;
    call.guest = guest;
    call.guest_key = "theirs";
    return call;
}

static void the_guest_alone_is_asked(void **state)
{
    struct scene *scene = *state;
    struct scene_kept kept = {.count = 0};
    size_t made = 0;
    struct place place = place_of(scene);
    KW_AUTO_PTR(kw_router) router = router_of(scene, &place);
    struct kw_router_call call = guest_call("acme", "p2");
    ok(scene_wrap(router, &call, &kept, &made));
    assert_int_equal(made, 1); /* the quorum is of the region's own routes */
    assert_string_equal(kept.key[0], "theirs");
    assert_string_equal(scene->last_tenant, "acme");
    assert_string_equal(scene->last_key, "theirs");
    ok(scene_unwrap(router, &call, &kept));
    assert_int_equal(scene_calls(scene, 2), 2);
    assert_int_equal(scene->uses[2].nano, 14);
    scene->scripts[2].fail_with = KW_FORBIDDEN;
    assert_int_equal(scene_unwrap(router, &call, &kept), KW_FORBIDDEN);
    assert_int_equal(scene->last_code, KW_FORBIDDEN);
    assert_int_equal(scene_calls(scene, 0) + scene_calls(scene, 1) + scene_calls(scene, 3), 0);
    scene_uses_equal(scene);
    scene_kept_wipe(&kept);
}

static void others_keys_do_not_go_there(void **state)
{
    struct scene *scene = *state;
    struct scene_kept kept = {.count = 0};
    struct place place = place_of(scene);
    KW_AUTO_PTR(kw_router) router = router_of(scene, &place);
    const struct kw_router_call wrong[] = {
        guest_call("globex", "p2"), guest_call("acme", "p3"), guest_call("acm", "p2"),
        guest_call("acmee", "p2"),  guest_call("", "p2"),     guest_call(NULL, "p2"),
        guest_call("acme", "p0"), /* a route, but no guest */
        guest_call("acme", "p5"),   guest_call("acme", ""),
    };
    for (size_t i = 0; i < KW_COUNT(wrong); i++)
        assert_int_equal(scene_wrap(router, &wrong[i], &kept, NULL), KW_REGION_WALL);
    struct kw_router_call soft = guest_call("acme", "p2");
    soft.hsm = true;
    assert_int_equal(scene_wrap(router, &soft, &kept, NULL), KW_REGION_WALL);
    struct kw_router_call hard = guest_call("globex", "p3");
    hard.hsm = true;
    ok(scene_wrap(router, &hard, &kept, NULL));
    assert_int_equal(scene_calls(scene, 2), 0);
    scene_kept_wipe(&kept);
}

/* A copy that a guest made opens by a call that names the guest, and by no other. */
static void a_guests_copy_needs_its_name(void **state)
{
    struct scene *scene = *state;
    struct scene_kept kept = {.count = 0};
    struct scene_kept own = {.count = 0};
    struct place place = place_of(scene);
    KW_AUTO_PTR(kw_router) router = router_of(scene, &place);
    struct kw_router_call call = guest_call("acme", "p2");
    struct kw_router_call plain = guest_call("acme", NULL);
    ok(scene_wrap(router, &call, &kept, NULL));
    ok(scene_wrap(router, &plain, &own, NULL));
    assert_int_equal(own.count, 2);
    assert_int_equal(scene_unwrap(router, &plain, &kept), KW_REGION_WALL);
    assert_int_equal(scene_unwrap(router, &call, &own), KW_REGION_WALL);
    ok(scene_unwrap(router, &plain, &own));
    scene_kept_wipe(&own);
    scene_kept_wipe(&kept);
}

/* A guest that is for one root key wraps under no other, whoever names it; what other keys there
 * have wrapped it opens. */
static void a_guest_may_be_for_one_key(void **state)
{
    struct scene *scene = *state;
    struct scene_kept kept = {.count = 0};
    struct scene_kept none = {.count = 0};
    struct place place = place_of(scene);
    KW_AUTO_PTR(kw_router) any = router_of(scene, &place);
    struct kw_router_call call = guest_call("acme", "p2");
    ok(scene_wrap(any, &call, &kept, NULL));
    place.guests[0].key = "another";
    KW_AUTO_PTR(kw_router) strict = router_of(scene, &place);
    assert_int_equal(scene_wrap(strict, &call, &none, NULL), KW_REGION_WALL);
    assert_int_equal(none.count, 0);
    ok(scene_unwrap(strict, &call, &kept));
    call.guest_key = "another";
    ok(scene_wrap(strict, &call, &none, NULL));
    scene_kept_wipe(&none);
    scene_kept_wipe(&kept);
}

static void count_guests(void *arg, const struct kw_route_status *status)
{
    unsigned *seen = arg;
    if (status->tenants == NULL) {
        seen[0]++;
        return;
    }
    seen[1]++;
    assert_string_equal(status->key, "");
    assert_string_equal(status->region, "eu");
    if (strcmp(status->provider, "p2") == 0) {
        assert_string_equal(status->tenants, "acme,initech");
        assert_int_equal(status->price_nano, 7);
        assert_int_equal(status->spent_nano, 7);
        assert_int_equal(status->wraps, 1);
    }
}

static void guests_are_listed_after_the_routes(void **state)
{
    struct scene *scene = *state;
    struct scene_kept kept = {.count = 0};
    unsigned seen[2] = {0, 0};
    struct place place = place_of(scene);
    KW_AUTO_PTR(kw_router) router = router_of(scene, &place);
    struct kw_router_call call = guest_call("initech", "p2");
    ok(scene_wrap(router, &call, &kept, NULL));
    kw_router_each(router, count_guests, seen);
    assert_int_equal(seen[0], 2);
    assert_int_equal(seen[1], 2);
    assert_int_equal(kw_router_routes(router, "eu"), 2);
    assert_true(kw_router_in_hardware(router, "eu", "p3"));
    assert_ptr_equal(kw_router_provider(router, "eu", "p2"), scene->providers[2]);
    scene_kept_wipe(&kept);
}

static kw_code made_of(struct scene *scene, struct place *place)
{
    struct kw_router *router = NULL;
    KW_UNUSED(scene);
    place->region.guests = place->guests;
    struct kw_router_options options = {.regions = &place->region, .region_count = 1};
    kw_code code = kw_router_new(&options, &router, &scene_err);
    kw_router_free(router);
    return code;
}

static void wrong_configurations(void **state)
{
    struct scene *scene = *state;
    struct place place = place_of(scene);
    assert_int_equal(made_of(scene, &place), KW_OK);
    place.guests[0].provider = scene->providers[1]; /* a route */
    assert_int_equal(made_of(scene, &place), KW_BAD_CONFIG);
    place = place_of(scene);
    place.guests[0].provider = scene->providers[3]; /* twice */
    assert_int_equal(made_of(scene, &place), KW_BAD_CONFIG);
    place = place_of(scene);
    place.guests[0].tenants = " ,"; /* nobody's */
    assert_int_equal(made_of(scene, &place), KW_BAD_CONFIG);
    place = place_of(scene);
    place.region.hsm = true;
    place.region.routes[0].hsm = place.region.routes[1].hsm = true;
    assert_int_equal(made_of(scene, &place), KW_BAD_CONFIG); /* the guest is not */
    place.guests[0].hsm = true;
    assert_int_equal(made_of(scene, &place), KW_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_guest_alone_is_asked),           TEST(others_keys_do_not_go_there),
        TEST(a_guests_copy_needs_its_name),       TEST(a_guest_may_be_for_one_key),
        TEST(guests_are_listed_after_the_routes), TEST(wrong_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The wall, by property: whatever is configured, whatever fails and whatever is asked, no call ever
 * reaches a provider outside the set that is allowed for it; and every call is told. */
#include "router_scene.h"

#include "base/clock.h"

enum { ROUNDS = 200, STEPS = 6, REGIONS = 2 };

static const char *const region_names[REGIONS] = {"eu", "us"};

/* What was configured, kept beside the router and judged without its code. */
struct model {
    struct kw_router_region regions[REGIONS];
    struct kw_router_guest guests[REGIONS][SCENE_PROVIDERS];
    unsigned routes[REGIONS];                    /* bit i: p<i> is a route */
    unsigned for_tenant[REGIONS][SCENE_TENANTS]; /* bit i: p<i> is a guest of this tenant */
    unsigned hsm[REGIONS];                       /* bit i: marked as hardware in this region */
    char tenants[REGIONS][SCENE_PROVIDERS][64];
};

static void draw_guest(struct scene *scene, struct model *model, int r, int i)
{
    struct kw_router_region *region = &model->regions[r];
    char *list = model->tenants[r][i];
    unsigned some = 1 + scene_draw((1U << SCENE_TENANTS) - 1);
    list[0] = '\0';
    for (int t = 0; t < SCENE_TENANTS; t++) {
        if ((some >> t & 1) == 0)
            continue;
        size_t len = strlen(list);
        snprintf(list + len, 64 - len, "%s%s", len == 0 ? "" : ", ", scene_tenants[t]);
        model->for_tenant[r][t] |= 1U << i;
    }
    model->guests[r][region->guest_count++] = (struct kw_router_guest){
        .provider = scene->providers[i], .tenants = list, .hsm = (model->hsm[r] >> i & 1) != 0};
}

static void draw_region(struct scene *scene, struct model *model, int r)
{
    struct kw_router_region *region = &model->regions[r];
    *region = (struct kw_router_region){
        .name = region_names[r],
        .preference = (enum kw_preference)scene_draw(3),
        .hsm = scene_draw(4) == 0,
        .guests = model->guests[r],
    };
    model->hsm[r] = region->hsm ? ~0U : scene_draw(1U << SCENE_PROVIDERS);
    for (int i = 0; i < SCENE_PROVIDERS; i++) {
        unsigned role = scene_draw(3);
        if (role == 1)
            draw_guest(scene, model, r, i);
        if (role == 0 || (i == SCENE_PROVIDERS - 1 && region->route_count == 0 && role != 1)) {
            region->routes[region->route_count++] =
                (struct kw_router_route){.provider = scene->providers[i],
                                         .key = region->name,
                                         .hsm = (model->hsm[r] >> i & 1) != 0,
                                         .price_nano = scene_draw(5)};
            model->routes[r] |= 1U << i;
        }
    }
    region->copies_min =
        region->route_count == 0 ? 0 : 1 + scene_draw((uint32_t)region->route_count);
}

/* False: one of the regions has no route. */
static bool draw_model(struct scene *scene, struct model *model)
{
    memset(model, 0, sizeof *model);
    for (int r = 0; r < REGIONS; r++)
        draw_region(scene, model, r);
    return model->routes[0] != 0 && model->routes[1] != 0;
}

struct ask {
    int region, tenant, guest; /* guest -1: none */
    bool hsm, wrap;
};

static unsigned allowed(const struct model *model, const struct ask *ask)
{
    int r = ask->region;
    bool hsm = ask->hsm || model->regions[r].hsm;
    unsigned set =
        ask->guest < 0 ? model->routes[r] : model->for_tenant[r][ask->tenant] & (1U << ask->guest);
    return hsm ? set & model->hsm[r] : set;
}

static struct ask draw_ask(void)
{
    return (struct ask){
        .region = (int)scene_draw(REGIONS),
        .tenant = (int)scene_draw(SCENE_TENANTS),
        .guest = scene_draw(2) == 0 ? -1 : (int)scene_draw(SCENE_PROVIDERS),
        .hsm = scene_draw(3) == 0,
        .wrap = scene_draw(2) == 0,
    };
}

static void draw_faults(struct scene *scene)
{
    static const kw_code faults[] = {KW_OK,        KW_OK,          KW_PROVIDER_UNAVAILABLE,
                                     KW_FORBIDDEN, KW_SEAL_BROKEN, KW_KEY_SUSPENDED,
                                     KW_TIMEOUT,   KW_RATE_LIMITED};
    for (int i = 0; i < SCENE_PROVIDERS; i++)
        scene->scripts[i].fail_with = faults[scene_draw(KW_COUNT(faults))];
}

/* A copy of each provider, as if the database had been mixed with another's. */
static void copies_of_all(struct scene *scene, struct scene_kept *kept)
{
    struct kw_router_region all = scene_region(scene, "all", 0, SCENE_PROVIDERS);
    KW_AUTO_PTR(kw_router) router = scene_router(scene, &all, 1, NULL);
    struct kw_router_call call = scene_call("all");
    for (int i = 0; i < SCENE_PROVIDERS; i++)
        scene->scripts[i].fail_with = KW_OK;
    ok(scene_wrap(router, &call, kept, NULL));
}

static void act(struct kw_router *router, const struct ask *ask, int64_t patience_ms,
                const struct scene_kept *kept)
{
    char guest[8];
    struct scene_kept more = {.count = 0};
    struct kw_router_call call = scene_call(region_names[ask->region]);
    call.deadline_ms = kw_clock_ms() + patience_ms;
    call.hsm = ask->hsm;
    call.tenant = scene_tenants[ask->tenant];
    call.guest_key = "theirs";
    snprintf(guest, sizeof guest, "p%d", ask->guest);
    call.guest = ask->guest >= 0 ? guest : NULL;
    if (ask->wrap)
        (void)!scene_wrap(router, &call, &more, NULL);
    else
        (void)!scene_unwrap(router, &call, kept);
    scene_kept_wipe(&more);
}

static void one_ask(struct scene *scene, const struct model *model, struct kw_router *router,
                    const struct scene_kept *kept)
{
    uint64_t before[SCENE_PROVIDERS];
    const struct ask ask = draw_ask();
    unsigned set = allowed(model, &ask);
    draw_faults(scene);
    for (int i = 0; i < SCENE_PROVIDERS; i++)
        before[i] = scene_calls(scene, i);
    act(router, &ask, 15, kept);
    for (int i = 0; i < SCENE_PROVIDERS; i++)
        if ((set >> i & 1) == 0 && scene_calls(scene, i) != before[i])
            fail_msg("p%d was called in %s for %s (guest %d, hsm %d, wrap %d), where %#x may be", i,
                     region_names[ask.region], scene_tenants[ask.tenant], ask.guest, ask.hsm,
                     ask.wrap, set);
    scene_uses_equal(scene);
}

static void no_call_leaves_the_allowed_set(void **state)
{
    struct scene *scene = *state;
    unsigned tried = 0;
    for (int round = 0; round < ROUNDS; round++) {
        static struct model model;
        struct scene_kept kept = {.count = 0};
        if (!draw_model(scene, &model))
            continue;
        copies_of_all(scene, &kept);
        KW_AUTO_PTR(kw_router) router = scene_router(scene, model.regions, REGIONS, NULL);
        for (int step = 0; step < STEPS; step++)
            one_ask(scene, &model, router, &kept);
        scene_kept_wipe(&kept);
        tried++;
    }
    assert_true(tried > ROUNDS / 2);
}

/* And what is allowed does happen: a call of each provider that may be asked, when nothing fails.
 */
static void what_is_allowed_is_asked(void **state)
{
    struct scene *scene = *state;
    for (int round = 0; round < ROUNDS; round++) {
        static struct model model;
        struct scene_kept kept = {.count = 0};
        if (!draw_model(scene, &model))
            continue;
        KW_AUTO_PTR(kw_router) router = scene_router(scene, model.regions, REGIONS, NULL);
        struct ask ask = draw_ask();
        ask.wrap = true;
        unsigned set = allowed(&model, &ask);
        bool enough = ask.guest >= 0 ||
                      (size_t)__builtin_popcount(set) >= model.regions[ask.region].copies_min;
        uint64_t before[SCENE_PROVIDERS];
        for (int i = 0; i < SCENE_PROVIDERS; i++)
            before[i] = scene->scripts[i].wraps;
        act(router, &ask, 30000, &kept);
        for (int i = 0; i < SCENE_PROVIDERS; i++)
            assert_int_equal(scene->scripts[i].wraps - before[i], enough ? set >> i & 1 : 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_call_leaves_the_allowed_set),
        TEST(what_is_allowed_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

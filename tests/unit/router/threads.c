/* Many callers at once: calls side by side, a provider that hangs, and every call counted. */
#include "router_scene.h"

#include "base/clock.h"
#include "router/internal.h"

#include <pthread.h>

enum { CALLERS = 16, STEPS = 60 };

struct caller {
    struct scene *scene;
    kw_code code;
    size_t made;
    pthread_t thread;
};

static void start(struct caller *caller, void *(*work)(void *arg))
{
    assert_int_equal(pthread_create(&caller->thread, NULL, work, caller), 0);
}

static void *wrap_once(void *arg)
{
    struct caller *caller = arg;
    caller->code = scene_seal(caller->scene, &caller->made);
    return NULL;
}

static void *unwrap_once(void *arg)
{
    struct caller *caller = arg;
    struct kw_router_call call = scene_call("eu");
    call.deadline_ms += 60000;
    caller->code = scene_unwrap(caller->scene->router, &call, &caller->scene->kept);
    return NULL;
}

static void routes_are_asked_side_by_side(void **state)
{
    struct kw_router_options options = {.attempt_ms = 60000};
    struct scene *scene = scene_eu(state, 3, &options);
    struct caller caller = {.scene = scene};
    for (int i = 0; i < 3; i++)
        scene->scripts[i].hold = true;
    start(&caller, wrap_once);
    for (int i = 0; i < 3; i++)
        scene_wait_inside(scene, i, 1);
    for (int i = 0; i < 3; i++)
        scene->scripts[i].hold = false;
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.code, KW_OK);
    assert_int_equal(caller.made, 3);
    for (int i = 0; i < 3; i++) /* in the order of the list */
        assert_int_equal(scene->kept.provider[i][1], '0' + i);
}

/* Sixty-four callers hang in p0; the next one is served by p1. */
static void a_provider_that_hangs_takes_some_callers_only(void **state)
{
    static struct caller callers[KW_BREAKER_CALLS_MAX];
    struct kw_router_options options = {.attempt_ms = 60000};
    struct scene *scene = scene_eu(state, 2, &options);
    ok(scene_seal(scene, NULL));
    scene->scripts[0].hold = true;
    for (int i = 0; i < KW_BREAKER_CALLS_MAX; i++) {
        callers[i] = (struct caller){.scene = scene};
        start(&callers[i], unwrap_once);
    }
    scene_wait_inside(scene, 0, KW_BREAKER_CALLS_MAX);
    assert_int_equal(scene->scripts[1].unwraps, 0);
    ok(scene_open(scene));
    assert_int_equal(scene->scripts[1].unwraps, 1);
    assert_int_equal(kw_router_trouble(scene->router, "eu"), 500);
    scene->scripts[1].fail_with = KW_FORBIDDEN;
    assert_int_equal(scene_open(scene), KW_RATE_LIMITED);
    assert_int_equal(scene->scripts[0].unwraps, KW_BREAKER_CALLS_MAX);
    scene->scripts[0].hold = false;
    for (int i = 0; i < KW_BREAKER_CALLS_MAX; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].code, KW_OK);
    }
    scene_uses_equal(scene);
}

static void *work_with_faults(void *arg)
{
    static const kw_code faults[] = {KW_OK,      KW_OK,           KW_PROVIDER_UNAVAILABLE,
                                     KW_TIMEOUT, KW_RATE_LIMITED, KW_FORBIDDEN};
    struct caller *caller = arg;
    struct scene *scene = caller->scene;
    for (int i = 0; i < STEPS; i++) {
        struct scene_kept kept = {.count = 0};
        struct kw_router_call call = scene_call("eu");
        call.deadline_ms = kw_clock_ms() + 20;
        /* p2 stays well: no unwrap may fail. */
        scene->scripts[scene_draw(2)].fail_with = faults[scene_draw(KW_COUNT(faults))];
        if (scene_draw(4) == 0) {
            (void)!scene_wrap(scene->router, &call, &kept, NULL);
            scene_kept_wipe(&kept);
            continue;
        }
        call = scene_call("eu");
        kw_code code = scene_unwrap(scene->router, &call, &scene->kept);
        if (code != KW_OK)
            caller->code = code;
    }
    return NULL;
}

/* Every admission was reported, once. */
static void breakers_have_no_calls_left(struct kw_router *router)
{
    for (struct kw_breaker *breaker = router->breakers; breaker != NULL; breaker = breaker->next) {
        assert_int_equal(breaker->in_flight, 0);
        assert_false(breaker->probing);
    }
}

static void all_at_once_and_none_fails_while_a_copy_is_well(void **state)
{
    static struct caller callers[CALLERS];
    struct kw_router_options options = {.open_ms = 2, .open_max_ms = 8};
    struct scene *scene = scene_eu(state, 3, &options);
    ok(scene_seal(scene, NULL));
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.scene = scene};
        start(&callers[i], work_with_faults);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].code, KW_OK);
    }
    scene_uses_equal(scene);
    breakers_have_no_calls_left(scene->router);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(routes_are_asked_side_by_side),
        TEST(a_provider_that_hangs_takes_some_callers_only),
        TEST(all_at_once_and_none_fails_while_a_copy_is_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

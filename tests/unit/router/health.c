/* Breakers, limits of calls in flight, retries, and what is told of trouble. */
#include "router_scene.h"

#include "base/clock.h"
#include "router/breaker.h"

static void state_of_p0(void *arg, const struct kw_route_status *status)
{
    enum kw_breaker_state *state = arg;
    if (strcmp(status->provider, "p0") == 0)
        *state = status->breaker;
}

static enum kw_breaker_state p0(struct kw_router *router)
{
    enum kw_breaker_state state = KW_BREAKER_CLOSED;
    kw_router_each(router, state_of_p0, &state);
    return state;
}

static void the_breaker_opens_probes_and_closes(void **state)
{
    struct scene *scene = scene_eu(state, 2, NULL);
    scene->call.deadline_ms += 3600000;
    ok(scene_seal(scene, NULL));
    scene->scripts[0].fail_with = KW_PROVIDER_UNAVAILABLE;
    for (int i = 0; i < 10; i++)
        ok(scene_open(scene));
    assert_int_equal(scene->scripts[0].unwraps, 3); /* then it is left alone */
    assert_int_equal(p0(scene->router), KW_BREAKER_OPEN);
    assert_int_equal(scene->uses[0].nano, 4 * 10); /* one wrap, three unwraps */
    assert_int_equal(scene->uses[0].failures, 3);
    scene->scripts[0].fail_with = KW_OK;
    kw_clock_test_offset(60000);
    assert_int_equal(p0(scene->router), KW_BREAKER_HALF_OPEN);
    scene->scripts[1].fail_with = KW_PROVIDER_UNAVAILABLE;
    ok(scene_open(scene)); /* nothing else is left: the probe */
    assert_int_equal(p0(scene->router), KW_BREAKER_CLOSED);
}

static void the_preferred_comes_back_while_others_serve(void **state)
{
    struct scene *scene = scene_eu(state, 2, NULL);
    scene->call.deadline_ms += 3600000;
    ok(scene_seal(scene, NULL));
    scene->scripts[0].fail_with = KW_PROVIDER_UNAVAILABLE;
    for (int i = 0; i < 10; i++)
        ok(scene_open(scene));
    kw_router_heal(scene->router); /* it is not due yet */
    assert_int_equal(scene->scripts[0].checks, 0);
    kw_clock_test_offset(60000);
    kw_router_heal(scene->router); /* still down: left alone for longer */
    assert_int_equal(scene->scripts[0].checks, 1);
    assert_int_equal(p0(scene->router), KW_BREAKER_OPEN);
    scene->scripts[0].fail_with = KW_OK;
    kw_clock_test_offset(120000);
    ok(scene_open(scene));
    assert_int_equal(scene->scripts[0].unwraps, 3); /* the other one serves */
    kw_router_heal(scene->router);
    kw_router_heal(scene->router); /* it is well: not asked again */
    assert_int_equal(scene->scripts[0].checks, 2);
    assert_int_equal(p0(scene->router), KW_BREAKER_CLOSED);
    ok(scene_open(scene));
    assert_int_equal(scene->scripts[0].unwraps, 4);
    assert_int_equal(scene->scripts[1].checks, 0);
}

static void final_answers_do_not_open_it(void **state)
{
    struct scene *scene = scene_eu(state, 1, NULL);
    ok(scene_seal(scene, NULL));
    scene->scripts[0].fail_with = KW_KEY_SUSPENDED;
    for (int i = 0; i < 10; i++)
        assert_int_equal(scene_open(scene), KW_KEY_SUSPENDED);
    assert_int_equal(scene->scripts[0].unwraps, 10); /* and none is tried twice */
    assert_int_equal(p0(scene->router), KW_BREAKER_CLOSED);
}

static void what_passes_is_tried_again(void **state)
{
    struct scene *scene = scene_eu(state, 1, NULL);
    size_t made = 0;
    scene->scripts[0].fail_first = 1;
    ok(scene_seal(scene, &made));
    assert_int_equal(scene->scripts[0].wraps, 2);
    scene->scripts[0].fail_first = 2;
    ok(scene_open(scene));
    assert_int_equal(scene->scripts[0].unwraps, 3);
    scene->scripts[0].fail_first = 2;
    assert_int_equal(scene_seal(scene, &made), KW_PROVIDER_UNAVAILABLE);
    scene->call.deadline_ms = 0; /* no time is set: once */
    scene->scripts[0].fail_first = 1;
    assert_int_equal(scene_open(scene), KW_PROVIDER_UNAVAILABLE);
    scene_uses_equal(scene);
}

/* A missing extra copy is nobody's wait. */
static void an_extra_copy_is_not_tried_again(void **state)
{
    struct scene *scene = scene_eu(state, 3, NULL);
    size_t made = 0;
    scene->scripts[1].fail_with = KW_PROVIDER_UNAVAILABLE;
    ok(scene_seal(scene, &made));
    assert_int_equal(made, 2);
    assert_int_equal(scene->scripts[1].wraps, 1);
}

/* With all breakers open the answer comes at once: the deadline is an hour away. */
static void all_open_is_told_at_once(void **state)
{
    struct scene *scene = scene_eu(state, 2, NULL);
    scene->call.deadline_ms += 3600000;
    ok(scene_seal(scene, NULL));
    scene->scripts[0].fail_with = KW_PROVIDER_UNAVAILABLE;
    scene->scripts[1].fail_with = KW_TIMEOUT;
    assert_int_equal(scene_open(scene), KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(scene->scripts[0].unwraps, 3);
    assert_int_equal(scene->scripts[1].unwraps, 3);
    assert_non_null(strstr(scene_err.text, "region eu"));
    assert_non_null(strstr(scene_err.text, "next tries: p0 in "));
    assert_non_null(strstr(scene_err.text, "the script says so"));
    assert_int_equal(scene_open(scene), KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(scene_seal(scene, NULL), KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(scene->scripts[0].unwraps, 3);
    scene_uses_equal(scene);
}

/* A copy that does not open and a provider that may have a better one: not final. */
static void an_open_breaker_outweighs_a_final_answer(void **state)
{
    struct kw_router_options options = {.failures_to_open = 1};
    struct scene *scene = scene_eu(state, 2, &options);
    ok(scene_seal(scene, NULL));
    scene->scripts[0].fail_with = KW_PROVIDER_UNAVAILABLE;
    ok(scene_open(scene));
    scene->scripts[1].fail_with = KW_SEAL_BROKEN;
    assert_int_equal(scene_open(scene), KW_PROVIDER_UNAVAILABLE);
    assert_int_equal(scene->scripts[0].unwraps, 1);
}

/* A deadline that is over before anything is asked tells nothing of a provider. */
static void no_time_is_no_failure(void **state)
{
    struct kw_router_options options = {.failures_to_open = 1, .attempt_ms = 60000};
    struct scene *scene = scene_eu(state, 1, &options);
    ok(scene_seal(scene, NULL));
    scene->call.deadline_ms = kw_clock_ms() - 1;
    assert_int_equal(scene_open(scene), KW_TIMEOUT);
    assert_int_equal(scene->scripts[0].unwraps, 0);
    scene->call.deadline_ms = kw_clock_ms() + 50;
    scene->scripts[0].delay_ms = 60;
    assert_int_equal(scene_open(scene), KW_TIMEOUT);
    assert_int_equal(p0(scene->router), KW_BREAKER_CLOSED);
    scene_uses_equal(scene);
}

static void trouble_is_told(void **state)
{
    struct kw_router_options options = {.failures_to_open = 1};
    struct scene *scene = scene_eu(state, 2, &options);
    ok(scene_seal(scene, NULL));
    assert_int_equal(kw_router_trouble(scene->router, "eu"), 0);
    assert_int_equal(kw_router_trouble(scene->router, "mars"), 0);
    scene->scripts[0].fail_with = KW_PROVIDER_UNAVAILABLE;
    ok(scene_open(scene));
    assert_int_equal(kw_router_trouble(scene->router, "eu"), 500);
    scene->scripts[1].fail_with = KW_RATE_LIMITED;
    (void)!scene_open(scene);
    assert_int_equal(kw_router_trouble(scene->router, "eu"), 1000);
    scene->scripts[0].fail_with = scene->scripts[1].fail_with = KW_OK;
    kw_clock_test_offset(60000);
    scene->call = scene_call("eu");
    ok(scene_seal(scene, NULL));
    assert_int_equal(kw_router_trouble(scene->router, "eu"), 0);
}

static void slowness_is_trouble_and_passes(void **state)
{
    struct scene *scene = scene_eu(state, 1, NULL);
    ok(scene_seal(scene, NULL));
    for (int i = 0; i < 200; i++)
        ok(scene_open(scene));
    scene->scripts[0].delay_ms = 200;
    ok(scene_open(scene));
    assert_in_range(kw_router_trouble(scene->router, "eu"), 100, 900);
    kw_clock_test_offset(3600000);
    assert_int_equal(kw_router_trouble(scene->router, "eu"), 0);
}

/* ---- The breaker itself ----------------------------------------------------------------------
 */

static struct kw_breaker breaker_of(void)
{
    struct kw_breaker breaker;
    kw_breaker_init(&breaker, &(struct kw_router_options){.failures_to_open = 2, .open_ms = 1000});
    return breaker;
}

/* Sixty calls that fail together open it once, for the first pause. */
static void a_burst_opens_it_once(void **state)
{
    struct kw_breaker breaker = breaker_of();
    struct kw_breaker_ticket tickets[60];
    KW_UNUSED(state);
    for (int i = 0; i < 60; i++)
        assert_int_equal(kw_breaker_admit(&breaker, &tickets[i]), KW_BREAKER_ADMITTED);
    for (int i = 0; i < 60; i++)
        kw_breaker_report(&breaker, &tickets[i], KW_BREAKER_FAILED, 1);
    assert_int_equal(breaker.pause_ms, 1000);
    assert_int_equal(breaker.in_flight, 0);
    kw_breaker_destroy(&breaker);
}

static void stragglers_change_nothing(void **state)
{
    struct kw_breaker breaker = breaker_of();
    struct kw_breaker_ticket old[4];
    struct kw_breaker_ticket probe;
    struct kw_breaker_ticket other;
    KW_UNUSED(state);
    for (int i = 0; i < 4; i++)
        assert_int_equal(kw_breaker_admit(&breaker, &old[i]), KW_BREAKER_ADMITTED);
    kw_breaker_report(&breaker, &old[0], KW_BREAKER_FAILED, 1);
    kw_breaker_report(&breaker, &old[1], KW_BREAKER_FAILED, 1);
    kw_breaker_report(&breaker, &old[2], KW_BREAKER_GOOD, 1); /* of before: it stays open */
    assert_int_equal(kw_breaker_admit(&breaker, &other), KW_BREAKER_REFUSED);
    kw_clock_test_offset(5000);
    assert_int_equal(kw_breaker_admit(&breaker, &probe), KW_BREAKER_ADMITTED);
    kw_breaker_report(&breaker, &old[3], KW_BREAKER_FAILED, 1); /* does not end the probe */
    assert_int_equal(kw_breaker_admit(&breaker, &other), KW_BREAKER_REFUSED);
    kw_breaker_report(&breaker, &probe, KW_BREAKER_NOTHING, 1); /* it never left */
    assert_int_equal(kw_breaker_admit(&breaker, &probe), KW_BREAKER_ADMITTED);
    kw_breaker_report(&breaker, &probe, KW_BREAKER_FAILED, 1);
    assert_int_equal(breaker.pause_ms, 2000);
    kw_clock_test_offset(10000);
    assert_int_equal(kw_breaker_admit(&breaker, &probe), KW_BREAKER_ADMITTED);
    kw_breaker_report(&breaker, &probe, KW_BREAKER_ANSWERED, 1);
    assert_int_equal(kw_breaker_look(&breaker).state, KW_BREAKER_CLOSED);
    assert_int_equal(breaker.in_flight, 0);
    kw_breaker_destroy(&breaker);
    kw_clock_test_offset(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_breaker_opens_probes_and_closes),
        TEST(the_preferred_comes_back_while_others_serve),
        TEST(final_answers_do_not_open_it),
        TEST(what_passes_is_tried_again),
        TEST(an_extra_copy_is_not_tried_again),
        TEST(all_open_is_told_at_once),
        TEST(an_open_breaker_outweighs_a_final_answer),
        TEST(no_time_is_no_failure),
        TEST(trouble_is_told),
        TEST(slowness_is_trouble_and_passes),
        cmocka_unit_test(a_burst_opens_it_once),
        cmocka_unit_test(stragglers_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

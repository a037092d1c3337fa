/* The round trip with a provider: what is well passes every step, and each way of being careless is
 * found by the step that looks for it, and by no other. */
#include "provider/probe.h"
#include "base/clock.h"
#include "provider_doubles.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct kw_error err;

#define ok(call)                                                                                   \
    do {                                                                                           \
        if ((call) != KW_OK)                                                                       \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

static struct kw_provider *lax_of(enum kw_lax how)
{
    struct kw_provider *behind = NULL;
    struct kw_provider *out = NULL;
    ok(kw_provider_test_new("behind", 7, &behind, &err));
    ok(kw_provider_lax_new(how, behind, &out, &err));
    return out;
}

static struct kw_probe_report probed(struct kw_provider *provider, const char *key, bool create,
                                     const char *disabled)
{
    struct kw_probe_report report;
    const struct kw_probe probe = {
        .key = key, .disabled = disabled, .create = create, .deadline_ms = kw_clock_ms() + 20000};
    ok(kw_provider_probe(provider, &probe, &report, &err));
    bool failed = false;
    for (size_t i = 0; i < report.count; i++) {
        const struct kw_probe_step *step = &report.steps[i];
        assert_true(step->found[0] != '\0');
        assert_null(strchr(step->found, '\n'));
        failed = failed || step->verdict == KW_PROBE_FAILED;
    }
    assert_int_equal(report.passed, !failed);
    return report;
}

static const struct kw_probe_step *step_of(const struct kw_probe_report *report, const char *name)
{
    for (size_t i = 0; i < report->count; i++)
        if (strcmp(report->steps[i].name, name) == 0)
            return &report->steps[i];
    static const struct kw_probe_step none;
    fail_msg("there is no step %s", name);
    return &none;
}

/* Failed is this step alone, with this in its line. */
static void fails_alone(const struct kw_probe_report *report, const char *name, const char *text)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct kw_probe_step *step = &report->steps[i];
        bool is = strcmp(step->name, name) == 0;
        if ((step->verdict == KW_PROBE_FAILED) != is)
            fail_msg("%s: %s: %s", step->name, kw_probe_verdict_name(step->verdict), step->found);
        if (is && strstr(step->found, text) == NULL)
            fail_msg("%s: '%s' says nothing of '%s'", step->name, step->found, text);
    }
}

static void what_is_well_passes(void **state)
{
    static const char *const names[] = {"find",    "wrap", "sealed",   "unwrap", "other-context",
                                        "altered", "cut",  "disabled", "time"};
    KW_AUTO_PTR(kw_provider) provider = lax_of(KW_LAX_NOT);
    KW_UNUSED(state);
    struct kw_probe_report report = probed(provider, "eu", false, "off");
    assert_true(report.passed);
    assert_true(report.wrapped_bytes > 32);
    assert_int_equal(report.count, KW_COUNT(names));
    for (size_t i = 0; i < report.count; i++) {
        assert_string_equal(report.steps[i].name, names[i]);
        assert_int_equal(report.steps[i].verdict, KW_PROBE_PASSED);
        assert_true(report.steps[i].us >= 0);
    }
    assert_int_equal(step_of(&report, "other-context")->code, KW_SEAL_BROKEN);
    assert_int_equal(step_of(&report, "disabled")->code, KW_KEY_SUSPENDED);
}

static void what_was_not_asked_for_is_left_out(void **state)
{
    KW_AUTO_PTR(kw_provider) provider = lax_of(KW_LAX_NOT);
    KW_UNUSED(state);
    struct kw_probe_report report = probed(provider, "eu", true, NULL);
    assert_true(report.passed);
    assert_int_equal(step_of(&report, "create")->verdict, KW_PROBE_LEFT_OUT);
    assert_int_equal(step_of(&report, "disabled")->verdict, KW_PROBE_LEFT_OUT);
}

static void each_carelessness_is_found(void **state)
{
    static const struct {
        enum kw_lax how;
        const char *step, *text;
    } cases[] = {
        {KW_LAX_CONTEXT, "other-context", "another tenant was unwrapped"},
        {KW_LAX_VERSION, "other-context", "another version was unwrapped"},
        {KW_LAX_FORBIDS, "other-context", "forbidden where seal_broken was due"},
        {KW_LAX_FIRST, "altered", "first byte altered was unwrapped"},
        {KW_LAX_LAST, "altered", "last byte altered was unwrapped"},
        {KW_LAX_CUT, "cut", "without its last byte was unwrapped"},
        {KW_LAX_DISABLED, "disabled", "switching a key off does not stop it"},
        {KW_LAX_READS, "disabled", "the disabled key unwrapped"},
        {KW_LAX_HEX, "sealed", "does not encrypt"},
        {KW_LAX_OTHER_BYTES, "unwrap", "other bytes came out"},
    };
    KW_UNUSED(state);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        KW_AUTO_PTR(kw_provider) provider = lax_of(cases[i].how);
        struct kw_probe_report report = probed(provider, "eu", false, "off");
        fails_alone(&report, cases[i].step, cases[i].text);
    }
}

/* A refusal that looks as if it might pass makes every damaged copy wait for the deadline. */
static void a_refusal_must_be_final(void **state)
{
    KW_AUTO_PTR(kw_provider) provider = lax_of(KW_LAX_RETRYABLE);
    KW_UNUSED(state);
    struct kw_probe_report report = probed(provider, "eu", false, NULL);
    assert_int_equal(step_of(&report, "other-context")->verdict, KW_PROBE_PASSED);
    assert_int_equal(step_of(&report, "altered")->verdict, KW_PROBE_FAILED);
    assert_int_equal(step_of(&report, "cut")->verdict, KW_PROBE_FAILED);
    assert_non_null(strstr(step_of(&report, "altered")->found, "must be a final answer"));
}

static void a_key_that_is_missing(void **state)
{
    KW_AUTO_PTR(kw_provider) provider = lax_of(KW_LAX_NOT);
    KW_AUTO_PTR(kw_provider) weak = lax_of(KW_LAX_NO_MAKING);
    KW_UNUSED(state);
    struct kw_probe_report report = probed(provider, "gone", false, NULL);
    fails_alone(&report, "find", "make the key at the provider");
    assert_int_equal(step_of(&report, "wrap")->verdict, KW_PROBE_LEFT_OUT);
    report = probed(weak, "gone", true, NULL);
    fails_alone(&report, "create", "permission");
    assert_int_equal(step_of(&report, "wrap")->verdict, KW_PROBE_LEFT_OUT);
    report = probed(provider, "gone", true, NULL);
    assert_true(report.passed);
    assert_int_equal(step_of(&report, "find")->verdict, KW_PROBE_LEFT_OUT);
    assert_int_equal(step_of(&report, "create")->verdict, KW_PROBE_PASSED);
}

static void a_key_that_is_off_where_one_in_use_was_meant(void **state)
{
    KW_AUTO_PTR(kw_provider) provider = lax_of(KW_LAX_NOT);
    KW_UNUSED(state);
    struct kw_probe_report report = probed(provider, "off", false, "gone");
    assert_int_equal(step_of(&report, "find")->code, KW_KEY_SUSPENDED);
    assert_non_null(strstr(step_of(&report, "wrap")->found, "switch the key on"));
    assert_int_equal(step_of(&report, "unwrap")->verdict, KW_PROBE_LEFT_OUT);
    assert_int_equal(step_of(&report, "disabled")->verdict, KW_PROBE_FAILED);
    assert_non_null(strstr(step_of(&report, "disabled")->found, "name a key that is there"));
}

static void a_provider_that_is_away(void **state)
{
    struct kw_script script = {.fail_with = KW_TIMEOUT};
    struct kw_provider *behind = NULL;
    struct kw_provider *made = NULL;
    KW_UNUSED(state);
    ok(kw_provider_test_new("behind", 7, &behind, &err));
    ok(kw_provider_scripted_new("away", behind, &script, &made, &err));
    KW_AUTO_PTR(kw_provider) provider = made;
    struct kw_probe_report report = probed(provider, "eu", false, "off");
    fails_alone(&report, "find", "can be reached");
    assert_int_equal(script.checks + script.wraps + script.unwraps, 1); /* nobody waits again */
}

/* What breaks the dispatcher's rules is refused before it is a copy. */
static void a_provider_that_does_not_wrap(void **state)
{
    KW_AUTO_PTR(kw_provider) provider = lax_of(KW_LAX_PLAIN);
    KW_UNUSED(state);
    struct kw_probe_report report = probed(provider, "eu", false, "off");
    fails_alone(&report, "wrap", "its copy holds the plaintext");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_well_passes),
        cmocka_unit_test(what_was_not_asked_for_is_left_out),
        cmocka_unit_test(each_carelessness_is_found),
        cmocka_unit_test(a_refusal_must_be_final),
        cmocka_unit_test(a_key_that_is_missing),
        cmocka_unit_test(a_key_that_is_off_where_one_in_use_was_meant),
        cmocka_unit_test(a_provider_that_is_away),
        cmocka_unit_test(a_provider_that_does_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "provider/probe.h"

#include "base/clock.h"
#include "base/encode.h"
#include "crypto/random.h"

#include <stdarg.h>

enum { MATERIAL = 32, WINDOW = 8, MORE_TRIPS = 5 };

struct run {
    struct kw_provider *provider;
    const struct kw_probe *probe;
    struct kw_probe_report *report;
    struct kw_secret material;
    struct kw_buf copy;
    int64_t began_us; /* of the step */
    bool reached, there, wrapped, opened;
};

static void run_wipe(struct run *run)
{
    kw_secret_wipe(&run->material);
    kw_buf_wipe(&run->copy);
}
KW_CLEANUP_WIPE(run)

static const struct kw_provider_pair context[] = {
    {"keyward:purpose", "probe"}, {"keyward:tenant", "probe-a"}, {"keyward:version", "1"}};
static const struct kw_provider_pair other_tenant[] = {
    {"keyward:purpose", "probe"}, {"keyward:tenant", "probe-b"}, {"keyward:version", "1"}};
static const struct kw_provider_pair other_version[] = {
    {"keyward:purpose", "probe"}, {"keyward:tenant", "probe-a"}, {"keyward:version", "2"}};

const char *kw_probe_verdict_name(enum kw_probe_verdict verdict)
{
    static const char *const names[] = {"?", "passed", "failed", "left_out"};
    return (size_t)verdict < KW_COUNT(names) ? names[verdict] : names[0];
}

/* ---- Steps ------------------------------------------------------------------------------------
 */

static struct kw_probe_step *begin(struct run *run, const char *name)
{
    struct kw_probe_step *step = &run->report->steps[run->report->count++];
    step->name = name;
    run->began_us = kw_clock_us();
    return step;
}

__attribute__((format(printf, 5, 6))) static void end(struct run *run, struct kw_probe_step *step,
                                                      enum kw_probe_verdict verdict, kw_code code,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(step->found, sizeof step->found, format, args);
    va_end(args);
    step->verdict = verdict;
    step->code = code;
    step->us = kw_clock_us() - run->began_us;
    if (verdict == KW_PROBE_FAILED)
        run->report->passed = false;
}

static void leave_out(struct run *run, const char *name, const char *why)
{
    struct kw_probe_step *step = begin(run, name);
    end(run, step, KW_PROBE_LEFT_OUT, KW_OK, "%s", why);
}

static const char *remedy(kw_code code)
{
    switch (code) {
    case KW_KEY_NOT_FOUND:
        return "make the key at the provider, have it made (create), or correct its name";
    case KW_FORBIDDEN:
        return "give the identity that Keyward uses this permission for the key";
    case KW_KEY_SUSPENDED:
        return "switch the key on at the provider";
    case KW_KEY_PENDING:
        return "cancel the key's deletion at the provider, or name another key";
    case KW_KEY_DESTROYED:
        return "name another key";
    case KW_RATE_LIMITED:
        return "wait a little, or have the provider's limit raised";
    case KW_TIMEOUT:
    case KW_PROVIDER_UNAVAILABLE:
        return "see that the provider runs and can be reached from here, and the provider's "
               "settings";
    case KW_BAD_NAME:
        return "correct the key's name";
    default:
        return "see the provider's own log";
    }
}

static void failed(struct run *run, struct kw_probe_step *step, const struct kw_error *err)
{
    end(run, step, KW_PROBE_FAILED, err->code, "%.250s; %s", err->text, remedy(err->code));
}

/* ---- What is asked ---------------------------------------------------------------------------
 */

static struct kw_provider_call call_of(const struct run *run, const struct kw_provider_pair *pairs,
                                       size_t count)
{
    return (struct kw_provider_call){.key = run->probe->key,
                                     .context = pairs,
                                     .context_count = count,
                                     .deadline_ms = run->probe->deadline_ms};
}

/* Unwraps the bytes: KW_OK only if the material came out, KW_COMMITMENT (which no provider may say)
 * if it was something else. */
static kw_code open_copy(struct run *run, const struct kw_provider_call *call, struct kw_bytes copy,
                         struct kw_error *err)
{
    KW_AUTO(kw_secret) out = KW_SECRET_INIT;
    KW_TRY(kw_provider_unwrap(run->provider, call, copy, &out, err));
    if (kw_secret_equal(&out, &run->material))
        return KW_OK;
    return kw_fail(err, KW_COMMITMENT, "other bytes came out than were wrapped");
}

static bool came_out(kw_code code)
{
    return code == KW_OK || code == KW_COMMITMENT;
}

/* An answer for good, of the provider's. */
static bool is_final(kw_code code)
{
    return !came_out(code) && !kw_code_retryable(code) && kw_code_class(code) != KW_CLASS_INTERNAL;
}

static void find(struct run *run)
{
    struct kw_error err;
    const struct kw_probe *probe = run->probe;
    struct kw_probe_step *step = begin(run, "find");
    kw_code code = kw_provider_check(run->provider, probe->key, probe->deadline_ms, &err);
    run->reached = !kw_code_retryable(code);
    run->there = code != KW_KEY_NOT_FOUND;
    if (code == KW_OK)
        end(run, step, KW_PROBE_PASSED, code, "the key is there and in use");
    else if (code == KW_KEY_NOT_FOUND && probe->create)
        end(run, step, KW_PROBE_LEFT_OUT, code, "the key is not there yet");
    else
        failed(run, step, &err);
    if (!probe->create)
        return;
    if (code != KW_KEY_NOT_FOUND) {
        leave_out(run, "create", code == KW_OK ? "the key was there" : "it was not found missing");
        return;
    }
    step = begin(run, "create");
    code = kw_provider_create(run->provider, probe->key, probe->deadline_ms, &err);
    run->reached = !kw_code_retryable(code);
    run->there = code == KW_OK;
    if (code == KW_OK)
        end(run, step, KW_PROBE_PASSED, code, "the key was made");
    else
        failed(run, step, &err);
}

static void wrap(struct run *run)
{
    struct kw_error err;
    struct kw_provider_call call = call_of(run, context, KW_COUNT(context));
    struct kw_probe_step *step = begin(run, "wrap");
    kw_code code = kw_provider_wrap(run->provider, &call, &run->material, &run->copy, &err);
    run->wrapped = code == KW_OK;
    run->report->wrapped_bytes = run->copy.len;
    if (code == KW_OK)
        end(run, step, KW_PROBE_PASSED, code, "%d bytes were wrapped: the copy has %zu", MATERIAL,
            run->copy.len);
    else
        failed(run, step, &err);
}

static bool shows(const struct run *run, const void *text, size_t len)
{
    return memmem(run->copy.data, run->copy.len, text, len) != NULL;
}

/* As it is (any part of it), in hexadecimal, or in base64. */
static void sealed(struct run *run)
{
    KW_AUTO(kw_buf) hex = KW_BUF_SECRET;
    KW_AUTO(kw_buf) base64 = KW_BUF_SECRET;
    struct kw_bytes inside = kw_bytes(run->material.data, run->material.len);
    struct kw_probe_step *step = begin(run, "sealed");
    bool seen = false;
    for (size_t i = 0; i + WINDOW <= inside.len; i++)
        seen = seen || shows(run, inside.data + i, WINDOW);
    kw_hex_encode(&hex, inside);
    kw_base64_encode(&base64, inside);
    seen = seen || shows(run, hex.data, hex.len) || shows(run, base64.data, base64.len - 2);
    if (hex.failed || base64.failed)
        end(run, step, KW_PROBE_FAILED, KW_NO_MEMORY, "there was no memory to look");
    else if (seen)
        end(run, step, KW_PROBE_FAILED, KW_OK,
            "what was wrapped can be read in the copy: this provider does not encrypt, do not use "
            "it");
    else
        end(run, step, KW_PROBE_PASSED, KW_OK, "the copy does not show what is inside");
}

static void unwrap(struct run *run)
{
    struct kw_error err;
    struct kw_provider_call call = call_of(run, context, KW_COUNT(context));
    struct kw_probe_step *step = begin(run, "unwrap");
    kw_code code = open_copy(run, &call, kw_buf_bytes(&run->copy), &err);
    run->opened = code == KW_OK;
    if (code == KW_OK)
        end(run, step, KW_PROBE_PASSED, code, "the same bytes came back");
    else if (code == KW_COMMITMENT || code == KW_SEAL_BROKEN)
        end(run, step, KW_PROBE_FAILED, code,
            "%.250s: it does not give back what it wrapped itself; do not use it", err.text);
    else
        failed(run, step, &err);
}

/* What must be refused, and how the refusals went. */
struct refusals {
    const char *what; /* the one that was not refused as it should be */
    struct kw_error err;
    bool opened;
};

static void must_refuse(struct run *run, const struct kw_provider_call *call, struct kw_bytes copy,
                        const char *what, struct refusals *refusals)
{
    struct kw_error err = {0};
    if (refusals->what != NULL)
        return;
    kw_code code = open_copy(run, call, copy, &err);
    bool ordinary = refusals->err.code == KW_OK || refusals->err.code == KW_SEAL_BROKEN;
    if (is_final(code)) {
        refusals->err = ordinary ? err : refusals->err; /* what is not as the others is told */
        return;
    }
    *refusals = (struct refusals){.what = what, .err = err, .opened = came_out(code)};
}

static void judge_refusals(struct run *run, struct kw_probe_step *step,
                           const struct refusals *refusals, const char *danger)
{
    if (refusals->what == NULL)
        end(run, step, KW_PROBE_PASSED, refusals->err.code, "refused: %.200s", refusals->err.text);
    else if (refusals->opened)
        end(run, step, KW_PROBE_FAILED, refusals->err.code, "%s was unwrapped: %s", refusals->what,
            danger);
    else
        end(run, step, KW_PROBE_FAILED, refusals->err.code,
            "%s was not refused for good: %.200s; this must be a final answer, not one to try "
            "again",
            refusals->what, refusals->err.text);
}

/* Here the code counts, too: by it callers know a wrong context from a want of permission. */
static void other_context(struct run *run)
{
    struct refusals refusals = {.what = NULL};
    struct kw_bytes copy = kw_buf_bytes(&run->copy);
    struct kw_probe_step *step = begin(run, "other-context");
    struct kw_provider_call tenant = call_of(run, other_tenant, KW_COUNT(other_tenant));
    struct kw_provider_call version = call_of(run, other_version, KW_COUNT(other_version));
    struct kw_provider_call fewer = call_of(run, context, KW_COUNT(context) - 1);
    must_refuse(run, &tenant, copy, "a copy of another tenant", &refusals);
    must_refuse(run, &version, copy, "a copy of another version", &refusals);
    must_refuse(run, &fewer, copy, "a copy with a part of its context left out", &refusals);
    if (refusals.what == NULL && refusals.err.code != KW_SEAL_BROKEN)
        end(run, step, KW_PROBE_FAILED, refusals.err.code,
            "refused, but as %s where %s was due: %.150s; see the key's policy for conditions",
            kw_code_name(refusals.err.code), kw_code_name(KW_SEAL_BROKEN), refusals.err.text);
    else
        judge_refusals(run, step, &refusals,
                       "the context is not bound to what is wrapped; do not use this provider");
}

static void altered(struct run *run)
{
    struct refusals refusals = {.what = NULL};
    struct kw_provider_call call = call_of(run, context, KW_COUNT(context));
    struct kw_probe_step *step = begin(run, "altered");
    const size_t places[] = {0, run->copy.len / 2, run->copy.len - 1};
    const char *const whats[] = {"a copy with its first byte altered",
                                 "a copy with a byte in its middle altered",
                                 "a copy with its last byte altered"};
    for (size_t i = 0; i < KW_COUNT(places); i++) {
        run->copy.data[places[i]] ^= 1;
        must_refuse(run, &call, kw_buf_bytes(&run->copy), whats[i], &refusals);
        run->copy.data[places[i]] ^= 1;
    }
    judge_refusals(run, step, &refusals,
                   "the provider does not authenticate what it wrapped; do not use it");
}

static void cut(struct run *run)
{
    struct refusals refusals = {.what = NULL};
    struct kw_provider_call call = call_of(run, context, KW_COUNT(context));
    struct kw_probe_step *step = begin(run, "cut");
    must_refuse(run, &call, kw_bytes(run->copy.data, run->copy.len - 1),
                "a copy without its last byte", &refusals);
    must_refuse(run, &call, kw_bytes(run->copy.data, (run->copy.len + 1) / 2), "half a copy",
                &refusals);
    judge_refusals(run, step, &refusals,
                   "the provider does not authenticate what it wrapped; do not use it");
}

/* ---- A key that is switched off ---------------------------------------------------------------
 */

static kw_code try_disabled(struct run *run, int way, struct kw_error *err)
{
    KW_AUTO(kw_buf) copy = KW_BUF_INIT;
    struct kw_provider_call call = call_of(run, context, KW_COUNT(context));
    call.key = run->probe->disabled;
    switch (way) {
    case 0:
        return kw_provider_wrap(run->provider, &call, &run->material, &copy, err);
    case 1:
        return kw_provider_check(run->provider, call.key, call.deadline_ms, err);
    default:
        return open_copy(run, &call, kw_buf_bytes(&run->copy), err);
    }
}

static void disabled(struct run *run)
{
    static const char *const ways[] = {"wrapped", "was found fit for use", "unwrapped"};
    struct kw_error first = {0};
    struct kw_probe_step *step = begin(run, "disabled");
    for (int way = 0; way < (run->wrapped ? 3 : 2); way++) {
        struct kw_error err = {0};
        kw_code code = try_disabled(run, way, &err);
        if (came_out(code)) {
            end(run, step, KW_PROBE_FAILED, code,
                "the disabled key %s: switching a key off does not stop it; see that it is off",
                ways[way]);
            return;
        }
        if (!is_final(code) || code == KW_KEY_NOT_FOUND) {
            end(run, step, KW_PROBE_FAILED, code,
                "%.200s; this tells nothing: name a key that is there and switched off", err.text);
            return;
        }
        first = way == 0 ? err : first;
    }
    end(run, step, KW_PROBE_PASSED, first.code, "refused: %.200s", first.text);
}

/* ---- The whole --------------------------------------------------------------------------------
 */

static void measure(struct run *run)
{
    struct kw_error err;
    int64_t least = INT64_MAX;
    int64_t most = 0;
    struct kw_provider_call call = call_of(run, context, KW_COUNT(context));
    struct kw_probe_step *step = begin(run, "time");
    for (int i = 0; i < MORE_TRIPS; i++) {
        int64_t start_us = kw_clock_us();
        if (open_copy(run, &call, kw_buf_bytes(&run->copy), &err) != KW_OK) {
            failed(run, step, &err);
            return;
        }
        int64_t us = kw_clock_us() - start_us;
        least = us < least ? us : least;
        most = us > most ? us : most;
    }
    end(run, step, KW_PROBE_PASSED, KW_OK, "%d more unwraps took %lld.%lld to %lld.%lld ms each",
        MORE_TRIPS, (long long)(least / 1000), (long long)(least % 1000 / 100),
        (long long)(most / 1000), (long long)(most % 1000 / 100));
}

typedef void step_fn(struct run *run);

static void step_if(struct run *run, bool possible, step_fn *step, const char *name,
                    const char *why)
{
    if (possible)
        step(run);
    else
        leave_out(run, name, why);
}

KW_ERR kw_provider_probe(struct kw_provider *provider, const struct kw_probe *probe,
                         struct kw_probe_report *out, struct kw_error *err)
{
    static const char unreached[] = "the provider was not reached";
    static const char no_key[] = "there is no key";
    static const char no_copy[] = "there is no copy to try it with";
    static const char no_way[] = "the copy does not open even as it should";
    struct kw_probe_report report = {.passed = true};
    KW_AUTO(run) run = {.provider = provider, .probe = probe, .report = &report};
    KW_TRY(kw_random_secret(&run.material, MATERIAL, err));
    find(&run);
    step_if(&run, run.reached && run.there, wrap, "wrap", run.reached ? no_key : unreached);
    step_if(&run, run.wrapped, sealed, "sealed", no_copy);
    step_if(&run, run.wrapped, unwrap, "unwrap", no_copy);
    const char *why = run.wrapped ? no_way : no_copy;
    step_if(&run, run.opened, other_context, "other-context", why);
    step_if(&run, run.opened, altered, "altered", why);
    step_if(&run, run.opened, cut, "cut", why);
    if (probe->disabled == NULL)
        leave_out(&run, "disabled", "no disabled key was named");
    else
        step_if(&run, run.reached, disabled, "disabled", unreached);
    step_if(&run, run.opened, measure, "time", why);
    *out = report;
    return KW_OK;
}

#include "provider_doubles.h"

#include "base/clock.h"
#include "provider/ops.h"

#include <unistd.h>

struct bad {
    enum kw_bad how;
};

static kw_code bad_failure(const struct bad *bad, struct kw_error *err)
{
    if (bad->how == KW_BAD_CODE)
        return kw_fail_code(err, KW_EXISTS);
    if (bad->how == KW_BAD_SILENT)
        return KW_KEY_NOT_FOUND;
    return kw_fail_code(err, KW_PROVIDER_UNAVAILABLE);
}

static kw_code bad_wrap(void *state, const struct kw_provider_call *call,
                        const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err)
{
    const struct bad *bad = state;
    KW_UNUSED(call);
    switch (bad->how) {
    case KW_BAD_EMPTY:
        return KW_OK;
    case KW_BAD_PLAIN:
        kw_buf_append_str(out, "wrapped:");
        kw_buf_append(out, plaintext->data, plaintext->len);
        return KW_OK;
    case KW_BAD_LARGE:
        for (int i = 0; i <= KW_PROVIDER_WRAPPED_MAX; i++)
            kw_buf_append_byte(out, 'x');
        return KW_OK;
    default:
        kw_buf_append_str(out, "rubbish");
        return bad_failure(bad, err);
    }
}

static kw_code bad_unwrap(void *state, const struct kw_provider_call *call, struct kw_bytes wrapped,
                          struct kw_secret *out, struct kw_error *err)
{
    const struct bad *bad = state;
    KW_UNUSED(call);
    switch (bad->how) {
    case KW_BAD_EMPTY:
        return KW_OK;
    case KW_BAD_PLAIN:
        return kw_secret_copy(out, wrapped.data, wrapped.len, err);
    case KW_BAD_LARGE:
        return kw_secret_alloc(out, KW_PROVIDER_PLAINTEXT_MAX + 1, err);
    default:
        KW_TRY(kw_secret_alloc(out, 32, err));
        return bad_failure(bad, err);
    }
}

static kw_code bad_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    KW_UNUSED(call);
    return bad_failure(state, err);
}

static const struct kw_provider_ops bad_ops = {
    .kind = "bad", .wrap = bad_wrap, .unwrap = bad_unwrap, .check = bad_check, .free = free};

KW_ERR kw_provider_bad_new(enum kw_bad how, struct kw_provider **out, struct kw_error *err)
{
    struct bad *bad = calloc(1, sizeof *bad);
    if (bad == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    bad->how = how;
    return kw_provider_new(&bad_ops, bad, "bad", out, err);
}

struct scripted {
    struct kw_provider *behind;
    struct kw_script *script;
    char name[64];
};

static KW_ERR play(const struct scripted *to, const struct kw_provider_call *call,
                   _Atomic uint64_t *calls, struct kw_error *err)
{
    struct kw_script *script = to->script;
    atomic_fetch_add(calls, 1);
    if (script->seen != NULL)
        script->seen(script->seen_arg, to->name, call);
    atomic_fetch_add(&script->inside, 1);
    while (atomic_load(&script->hold))
        usleep(200);
    int64_t delay = atomic_load(&script->delay_ms);
    if (delay > 0)
        usleep((useconds_t)delay * 1000);
    atomic_fetch_sub(&script->inside, 1);
    if (atomic_load(&script->skip_ms) != 0)
        kw_clock_test_offset(atomic_load(&script->skip_ms));
    kw_code code = (kw_code)atomic_load(&script->fail_with);
    uint64_t left = atomic_load(&script->fail_first);
    while (left > 0 && !atomic_compare_exchange_weak(&script->fail_first, &left, left - 1))
        continue;
    if (left > 0)
        code = KW_PROVIDER_UNAVAILABLE;
    return code == KW_OK ? KW_OK : kw_fail(err, code, "the script says so");
}

static kw_code scripted_wrap(void *state, const struct kw_provider_call *call,
                             const struct kw_secret *plaintext, struct kw_buf *out,
                             struct kw_error *err)
{
    struct scripted *to = state;
    KW_TRY(play(to, call, &to->script->wraps, err));
    return kw_provider_wrap(to->behind, call, plaintext, out, err);
}

static kw_code scripted_unwrap(void *state, const struct kw_provider_call *call,
                               struct kw_bytes wrapped, struct kw_secret *out, struct kw_error *err)
{
    struct scripted *to = state;
    KW_TRY(play(to, call, &to->script->unwraps, err));
    return kw_provider_unwrap(to->behind, call, wrapped, out, err);
}

static kw_code scripted_check(void *state, const struct kw_provider_call *call,
                              struct kw_error *err)
{
    struct scripted *to = state;
    KW_TRY(play(to, call, &to->script->checks, err));
    return kw_provider_check(to->behind, call->key, call->deadline_ms, err);
}

static void scripted_free(void *state)
{
    struct scripted *to = state;
    kw_provider_free(to->behind);
    free(to);
}

static const struct kw_provider_ops scripted_ops = {.kind = "scripted",
                                                    .wrap = scripted_wrap,
                                                    .unwrap = scripted_unwrap,
                                                    .check = scripted_check,
                                                    .free = scripted_free};

KW_ERR kw_provider_scripted_new(const char *name, struct kw_provider *behind,
                                struct kw_script *script, struct kw_provider **out,
                                struct kw_error *err)
{
    struct scripted *state = calloc(1, sizeof *state);
    if (state == NULL) {
        kw_provider_free(behind);
        return kw_fail_code(err, KW_NO_MEMORY);
    }
    state->behind = behind;
    state->script = script;
    snprintf(state->name, sizeof state->name, "%s", name);
    return kw_provider_new(&scripted_ops, state, name, out, err);
}

KW_ERR kw_provider_test_new(const char *name, uint8_t seed, struct kw_provider **out,
                            struct kw_error *err)
{
    KW_AUTO(kw_secret) root = KW_SECRET_INIT;
    KW_TRY(kw_secret_alloc(&root, 32, err));
    memset(root.data, seed, root.len);
    return kw_provider_software_new(name, &root, out, err);
}

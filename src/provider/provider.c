#include "provider/ops.h"

#include "base/clock.h"

#include <stdatomic.h>

enum { NAME_MAX_LEN = 32, TELLING = 16 };

struct kw_provider {
    const struct kw_provider_ops *ops;
    void *state;
    char name[NAME_MAX_LEN + 1];
    _Atomic uint64_t wraps;
    _Atomic uint64_t unwraps;
    _Atomic uint64_t failures;
    _Atomic uint64_t us_total;
};

KW_ERR kw_provider_new(const struct kw_provider_ops *ops, void *state, const char *name,
                       struct kw_provider **out, struct kw_error *err)
{
    size_t len = strlen(name);
    struct kw_provider *provider = calloc(1, sizeof *provider);
    if (provider == NULL || len == 0 || len > NAME_MAX_LEN) {
        ops->free(state);
        if (provider == NULL)
            return kw_fail_code(err, KW_NO_MEMORY);
        free(provider);
        return kw_fail(err, KW_BAD_NAME, "a provider's name has 1 to %d characters", NAME_MAX_LEN);
    }
    memcpy(provider->name, name, len + 1);
    provider->ops = ops;
    provider->state = state;
    *out = provider;
    return KW_OK;
}

void kw_provider_free(struct kw_provider *provider)
{
    if (provider == NULL)
        return;
    provider->ops->free(provider->state);
    free(provider);
}

const char *kw_provider_name(const struct kw_provider *provider)
{
    return provider->name;
}

const char *kw_provider_kind(const struct kw_provider *provider)
{
    return provider->ops->kind;
}

struct kw_provider_stats kw_provider_stats(const struct kw_provider *provider)
{
    return (struct kw_provider_stats){
        .wraps = atomic_load_explicit(&provider->wraps, memory_order_relaxed),
        .unwraps = atomic_load_explicit(&provider->unwraps, memory_order_relaxed),
        .failures = atomic_load_explicit(&provider->failures, memory_order_relaxed),
        .us_total = atomic_load_explicit(&provider->us_total, memory_order_relaxed),
    };
}

static bool text_fits(const char *text, size_t least, size_t most)
{
    if (text == NULL)
        return false;
    size_t len = strnlen(text, most + 1);
    return len >= least && len <= most;
}

static KW_ERR check_call(const struct kw_provider *provider, const struct kw_provider_call *call,
                         struct kw_error *err)
{
    if (!text_fits(call->key, 1, KW_PROVIDER_KEY_NAME_MAX))
        return kw_fail(err, KW_BAD_NAME, "provider %s: a root key's name has 1 to %d bytes",
                       provider->name, KW_PROVIDER_KEY_NAME_MAX);
    if (call->context_count > KW_PROVIDER_PAIRS_MAX)
        return kw_fail(err, KW_BAD_CONTEXT, "provider %s: more than %d context pairs",
                       provider->name, KW_PROVIDER_PAIRS_MAX);
    for (size_t i = 0; i < call->context_count; i++)
        if (!text_fits(call->context[i].name, 1, KW_PROVIDER_PAIR_TEXT_MAX) ||
            !text_fits(call->context[i].value, 0, KW_PROVIDER_PAIR_TEXT_MAX))
            return kw_fail(err, KW_BAD_CONTEXT, "provider %s: context pair %zu is malformed",
                           provider->name, i);
    return KW_OK;
}

static bool is_late(const struct kw_provider_call *call)
{
    return call->deadline_ms != 0 && kw_clock_ms() >= call->deadline_ms;
}

/* From here on the provider's own operation runs. */
static void asks(const struct kw_provider_call *call)
{
    if (call->asked != NULL)
        *call->asked = true;
}

static kw_code late(const struct kw_provider *provider, struct kw_error *err)
{
    return kw_fail(err, KW_TIMEOUT, "provider %s did not answer in time", provider->name);
}

static kw_code misbehaves(const struct kw_provider *provider, const char *how, struct kw_error *err)
{
    return kw_fail(err, KW_PROVIDER_UNAVAILABLE, "provider %s misbehaves: %s", provider->name, how);
}

static bool may_fail_with(kw_code code)
{
    static const kw_code allowed[] = {
        KW_PROVIDER_UNAVAILABLE, KW_TIMEOUT,     KW_RATE_LIMITED,  KW_SEAL_BROKEN,   KW_FORBIDDEN,
        KW_KEY_SUSPENDED,        KW_KEY_PENDING, KW_KEY_NOT_FOUND, KW_KEY_DESTROYED, KW_NO_MEMORY,
        KW_NO_SECURE_MEMORY,     KW_CRYPTO,
    };
    for (size_t i = 0; i < KW_COUNT(allowed); i++)
        if (allowed[i] == code)
            return true;
    return false;
}

/* What a provider answered: passed on if it is one of its errors and came in time. */
static KW_ERR judge(const struct kw_provider *provider, const struct kw_provider_call *call,
                    kw_code code, struct kw_error *err)
{
    if (code == KW_OK)
        return is_late(call) ? late(provider, err) : KW_OK;
    if (!may_fail_with(code))
        return misbehaves(provider, "it fails with an error that is not a provider's", err);
    if (err != NULL && err->code != code)
        return kw_fail_code(err, code);
    return code;
}

/* Does the outside hold the inside? Short secrets may stand there by chance. */
static bool holds(struct kw_bytes outside, const struct kw_secret *inside)
{
    return inside->len >= TELLING &&
           memmem(outside.data, outside.len, inside->data, inside->len) != NULL;
}

static int64_t start(struct kw_error *err)
{
    if (err != NULL)
        err->code = KW_OK; /* shows whether the provider says more than its code */
    return kw_clock_us();
}

static KW_ERR finish(struct kw_provider *provider, _Atomic uint64_t *calls, int64_t began_us,
                     kw_code code)
{
    uint64_t us = (uint64_t)(kw_clock_us() - began_us);
    atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&provider->us_total, us, memory_order_relaxed);
    if (code != KW_OK)
        atomic_fetch_add_explicit(&provider->failures, 1, memory_order_relaxed);
    return code;
}

static KW_ERR wrap_judged(struct kw_provider *provider, const struct kw_provider_call *call,
                          const struct kw_secret *plaintext, struct kw_buf *wrapped,
                          struct kw_error *err)
{
    if (is_late(call))
        return late(provider, err);
    asks(call);
    kw_code code = provider->ops->wrap(provider->state, call, plaintext, wrapped, err);
    KW_TRY(judge(provider, call, code, err));
    if (wrapped->failed)
        return misbehaves(provider, "its copy is too large", err);
    if (wrapped->len == 0)
        return misbehaves(provider, "its copy is empty", err);
    if (holds(kw_buf_bytes(wrapped), plaintext))
        return misbehaves(provider, "its copy holds the plaintext", err);
    return KW_OK;
}

KW_ERR kw_provider_wrap(struct kw_provider *provider, const struct kw_provider_call *call,
                        const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err)
{
    KW_TRY(check_call(provider, call, err));
    if (plaintext->len == 0 || plaintext->len > KW_PROVIDER_PLAINTEXT_MAX)
        return kw_fail(err, KW_TOO_LARGE, "a provider wraps 1 to %d bytes",
                       KW_PROVIDER_PLAINTEXT_MAX);
    /* Marked secret: should the provider write plaintext here, it goes no further and is wiped. */
    KW_AUTO(kw_buf) wrapped = {.secret = true, .max = KW_PROVIDER_WRAPPED_MAX};
    int64_t began = start(err);
    kw_code code = wrap_judged(provider, call, plaintext, &wrapped, err);
    KW_TRY(finish(provider, &provider->wraps, began, code));
    if (kw_buf_reserve(out, wrapped.len) == NULL)
        return kw_buf_status(out, err);
    kw_buf_append(out, wrapped.data, wrapped.len);
    return KW_OK;
}

static KW_ERR unwrap_judged(struct kw_provider *provider, const struct kw_provider_call *call,
                            struct kw_bytes wrapped, struct kw_secret *plaintext,
                            struct kw_error *err)
{
    if (is_late(call))
        return late(provider, err);
    asks(call);
    kw_code code = provider->ops->unwrap(provider->state, call, wrapped, plaintext, err);
    KW_TRY(judge(provider, call, code, err));
    if (plaintext->len == 0 || plaintext->len > KW_PROVIDER_PLAINTEXT_MAX)
        return misbehaves(provider, "what it unwrapped is empty or too large", err);
    if (holds(wrapped, plaintext))
        return misbehaves(provider, "what it unwrapped stood in the copy", err);
    return KW_OK;
}

KW_ERR kw_provider_unwrap(struct kw_provider *provider, const struct kw_provider_call *call,
                          struct kw_bytes wrapped, struct kw_secret *out, struct kw_error *err)
{
    KW_TRY(check_call(provider, call, err));
    if (out->data != NULL)
        return kw_fail(err, KW_INTERNAL, "a secret is unwrapped over another");
    if (wrapped.len == 0 || wrapped.len > KW_PROVIDER_WRAPPED_MAX)
        return kw_fail(err, KW_SEAL_BROKEN, "a wrapped copy has 1 to %d bytes",
                       KW_PROVIDER_WRAPPED_MAX);
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    int64_t began = start(err);
    kw_code code = unwrap_judged(provider, call, wrapped, &plaintext, err);
    KW_TRY(finish(provider, &provider->unwraps, began, code));
    kw_secret_move(out, &plaintext);
    return KW_OK;
}

static KW_ERR look(struct kw_provider *provider, const char *key, int64_t deadline_ms, bool create,
                   struct kw_error *err)
{
    const struct kw_provider_call call = {.key = key, .deadline_ms = deadline_ms};
    KW_TRY(check_call(provider, &call, err));
    if (is_late(&call))
        return late(provider, err);
    (void)start(err);
    create = create && provider->ops->create != NULL;
    kw_code code = create ? provider->ops->create(provider->state, &call, err)
                          : provider->ops->check(provider->state, &call, err);
    code = judge(provider, &call, code, err);
    if (code != KW_OK)
        atomic_fetch_add_explicit(&provider->failures, 1, memory_order_relaxed);
    return code;
}

KW_ERR kw_provider_check(struct kw_provider *provider, const char *key, int64_t deadline_ms,
                         struct kw_error *err)
{
    return look(provider, key, deadline_ms, false, err);
}

KW_ERR kw_provider_create(struct kw_provider *provider, const char *key, int64_t deadline_ms,
                          struct kw_error *err)
{
    return look(provider, key, deadline_ms, true, err);
}

void kw_provider_text_encode(struct kw_buf *out, const char *text)
{
    uint8_t len[2];
    size_t bytes = strlen(text);
    kw_put_u16(len, (uint16_t)bytes);
    kw_buf_append(out, len, sizeof len);
    kw_buf_append(out, text, bytes);
}

void kw_provider_context_encode(struct kw_buf *out, const struct kw_provider_call *call)
{
    kw_buf_append_byte(out, (uint8_t)call->context_count);
    for (size_t i = 0; i < call->context_count; i++) {
        kw_provider_text_encode(out, call->context[i].name);
        kw_provider_text_encode(out, call->context[i].value);
    }
}

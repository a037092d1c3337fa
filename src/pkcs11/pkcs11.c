#include "pkcs11/pkcs11.h"

#include "pkcs11/internal.h"

static kw_code pkcs11_wrap(void *state, const struct kw_provider_call *call,
                           const struct kw_secret *plaintext, struct kw_buf *out,
                           struct kw_error *err)
{
    KW_AUTO_PTR(kw_p11_job) job = NULL;
    KW_TRY(kw_p11_job_new(KW_P11_WRAP, call, &job, err));
    KW_TRY(kw_secret_copy(&job->plaintext, plaintext->data, plaintext->len, err));
    KW_TRY(kw_p11_submit(state, &job, call->deadline_ms, err));
    kw_buf_append(out, job->wrapped.data, job->wrapped.len);
    return kw_buf_status(out, err);
}

static kw_code pkcs11_unwrap(void *state, const struct kw_provider_call *call,
                             struct kw_bytes wrapped, struct kw_secret *out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_p11_job) job = NULL;
    KW_TRY(kw_p11_job_new(KW_P11_UNWRAP, call, &job, err));
    kw_buf_append(&job->wrapped, wrapped.data, wrapped.len);
    KW_TRY(kw_buf_status(&job->wrapped, err));
    KW_TRY(kw_p11_submit(state, &job, call->deadline_ms, err));
    kw_secret_move(out, &job->plaintext);
    return KW_OK;
}

static KW_ERR run(void *state, enum kw_p11_act act, const struct kw_provider_call *call,
                  struct kw_error *err)
{
    KW_AUTO_PTR(kw_p11_job) job = NULL;
    KW_TRY(kw_p11_job_new(act, call, &job, err));
    return kw_p11_submit(state, &job, call->deadline_ms, err);
}

static kw_code pkcs11_check(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    return run(state, KW_P11_CHECK, call, err);
}

static kw_code pkcs11_create(void *state, const struct kw_provider_call *call, struct kw_error *err)
{
    return run(state, KW_P11_CREATE, call, err);
}

static void pkcs11_free(void *state)
{
    kw_p11_free(state);
}

static const struct kw_provider_ops ops = {
    .kind = "pkcs11",
    .wrap = pkcs11_wrap,
    .unwrap = pkcs11_unwrap,
    .check = pkcs11_check,
    .create = pkcs11_create,
    .free = pkcs11_free,
};

KW_ERR kw_provider_pkcs11_new(const struct kw_provider_settings *settings, struct kw_provider **out,
                              struct kw_error *err)
{
    struct kw_p11 *p11;
    KW_TRY(kw_p11_new(settings, &p11, err));
    return kw_provider_new(&ops, p11, settings->name, out, err);
}

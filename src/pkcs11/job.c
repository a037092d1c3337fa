#include "pkcs11/internal.h"

#include "crypto/random.h"

enum { ATTEMPTS = 3, PROBE_BYTES = 16 };

KW_ERR kw_p11_job_new(enum kw_p11_act act, const struct kw_provider_call *call,
                      struct kw_p11_job **out, struct kw_error *err)
{
    KW_AUTO_PTR(kw_p11_job) job = calloc(1, sizeof *job);
    if (job == NULL)
        return kw_fail_code(err, KW_NO_MEMORY);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&job->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    job->act = act;
    job->wrapped.secret = true;
    snprintf(job->key, sizeof job->key, "%s", call->key);
    kw_provider_context_encode(&job->context, call);
    KW_TRY(kw_buf_status(&job->context, err));
    *out = job;
    job = NULL;
    return KW_OK;
}

void kw_p11_job_free(struct kw_p11_job *job)
{
    if (job == NULL)
        return;
    pthread_cond_destroy(&job->answered);
    kw_buf_wipe(&job->context);
    kw_buf_wipe(&job->wrapped);
    kw_secret_wipe(&job->plaintext);
    free(job);
}

/* Opens what was just wrapped and compares: a module that used another IV than it let on, or a key
 * that may only encrypt, must not leave a copy behind that nobody can open. */
static KW_ERR wrap(struct kw_p11_session *session, CK_OBJECT_HANDLE key, struct kw_buf *context,
                   const struct kw_secret *plaintext, struct kw_buf *out, struct kw_error *err)
{
    KW_AUTO(kw_secret) again = KW_SECRET_INIT;
    kw_buf_reset(out); /* of an attempt before */
    KW_TRY(kw_p11_encrypt(session, key, context, plaintext, out, err));
    kw_code code = kw_p11_decrypt(session, key, context, out, &again, err);
    if (code == KW_OK && kw_secret_equal(plaintext, &again))
        return KW_OK;
    if (code == KW_OK || code == KW_SEAL_BROKEN)
        return kw_fail(err, KW_PROVIDER_UNAVAILABLE,
                       "%s: the module cannot open what it encrypted; if it generates IVs itself, "
                       "set iv = module",
                       session->p11->options.where);
    return code;
}

/* Does the key wrap and unwrap? */
static KW_ERR probe(struct kw_p11_session *session, CK_OBJECT_HANDLE key, struct kw_error *err)
{
    KW_AUTO(kw_secret) plaintext = KW_SECRET_INIT;
    KW_AUTO(kw_buf) context = KW_BUF_INIT;
    KW_AUTO(kw_buf) wrapped = KW_BUF_SECRET;
    kw_buf_append_str(&context, "keyward probe");
    KW_TRY(kw_buf_status(&context, err));
    KW_TRY(kw_random_secret(&plaintext, PROBE_BYTES, err));
    return wrap(session, key, &context, &plaintext, &wrapped, err);
}

/* Some modules, SoftHSM among them, say CKR_GENERAL_ERROR to a wrong tag, which is also what they
 * say when they are broken. If it happens twice and the same key works on something else, it is the
 * copy. */
static KW_ERR unwrap(struct kw_p11_session *session, CK_OBJECT_HANDLE key, struct kw_p11_job *job,
                     struct kw_error *err)
{
    kw_code code = KW_INTERNAL;
    for (int i = 0; i < 2; i++) {
        code = kw_p11_decrypt(session, key, &job->context, &job->wrapped, &job->plaintext, err);
        if (code == KW_OK || !kw_p11_is_vague(session->rv))
            return code;
    }
    KW_TRY(probe(session, key, err));
    session->rv = CKR_OK;
    return kw_fail_code(err, KW_SEAL_BROKEN);
}

static KW_ERR create(struct kw_p11_session *session, const struct kw_p11_job *job,
                     struct kw_error *err)
{
    CK_OBJECT_HANDLE key;
    KW_TRY(kw_p11_mechanism_check(session, err));
    kw_code code = kw_p11_key_find(session, job->key, &key, err);
    if (code == KW_KEY_NOT_FOUND && session->rv == CKR_OK) {
        KW_TRY(kw_p11_key_make(session, job->key, err));
        code = kw_p11_key_find(session, job->key, &key, err);
    }
    KW_TRY(code);
    return probe(session, key, err);
}

static KW_ERR check(struct kw_p11_session *session, const struct kw_p11_job *job,
                    struct kw_error *err)
{
    CK_OBJECT_HANDLE key;
    kw_p11_keys_forget(session); /* judge it as it is now */
    KW_TRY(kw_p11_mechanism_check(session, err));
    KW_TRY(kw_p11_key_find(session, job->key, &key, err));
    return probe(session, key, err);
}

static KW_ERR attempt(struct kw_p11_session *session, struct kw_p11_job *job, struct kw_error *err)
{
    CK_OBJECT_HANDLE key;
    KW_TRY(kw_p11_session_open(session, job->act == KW_P11_CREATE, err));
    session->rv = CKR_OK;
    if (job->act == KW_P11_CREATE)
        return create(session, job, err);
    if (job->act == KW_P11_CHECK)
        return check(session, job, err);
    KW_TRY(kw_p11_key_find(session, job->key, &key, err));
    if (job->act == KW_P11_WRAP)
        return wrap(session, key, &job->context, &job->plaintext, &job->wrapped, err);
    return unwrap(session, key, job, err);
}

static KW_ERR attempts(struct kw_p11_session *session, struct kw_p11_job *job, struct kw_error *err)
{
    for (int i = 1;; i++) {
        kw_code code = attempt(session, job, err);
        bool lost = code != KW_OK && kw_p11_is_lost(session->rv);
        /* An operation may be half done in a session that failed in an unclear way. */
        if (lost || code == KW_PROVIDER_UNAVAILABLE)
            kw_p11_session_close(session);
        if (!lost || i == ATTEMPTS)
            return code;
    }
}

KW_ERR kw_p11_job_run(struct kw_p11_session *session, struct kw_p11_job *job, struct kw_error *err)
{
    kw_p11_module_enter(session->p11->module);
    kw_code code = attempts(session, job, err);
    kw_p11_module_leave(session->p11->module);
    return code;
}

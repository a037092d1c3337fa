#include "pkcs11/internal.h"

void kw_p11_keys_forget(struct kw_p11_session *session)
{
    memset(session->kept, 0, sizeof session->kept);
    session->next_kept = 0;
}

/* A handle from before the module was begun anew may be another session's now. */
static bool is_void(const struct kw_p11_session *session)
{
    return session->generation != kw_p11_module_generation(session->p11->module);
}

void kw_p11_session_close(struct kw_p11_session *session)
{
    if (session->open && !is_void(session))
        (void)session->fn->C_CloseSession(session->handle); /* may be gone already */
    session->open = false;
    kw_p11_keys_forget(session);
}

static KW_ERR open_session(struct kw_p11_session *session, bool writable, struct kw_error *err)
{
    CK_FLAGS flags = CKF_SERIAL_SESSION | (writable ? CKF_RW_SESSION : 0);
    KW_TRY(kw_p11_token_find(session, &session->slot, err));
    CK_RV rv = session->fn->C_OpenSession(session->slot, flags, NULL, NULL, &session->handle);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_OpenSession", err);
    session->open = true;
    session->generation = kw_p11_module_generation(session->p11->module);
    session->writable = writable;
    return kw_p11_login(session, err);
}

static KW_ERR start_and_open(struct kw_p11_session *session, bool writable, struct kw_error *err)
{
    bool anew = session->rv == CKR_CRYPTOKI_NOT_INITIALIZED;
    CK_RV rv = kw_p11_module_start(session->p11->module, anew);
    if (rv != CKR_OK)
        return kw_p11_fail(session, rv, "C_Initialize", err);
    session->rv = CKR_OK;
    /* One at a time: so that a wrong PIN is tried once, and because slot and token functions of
     * some modules are not as thread-safe as they promise (SoftHSM's use gmtime). */
    pthread_mutex_lock(&session->p11->open_lock);
    kw_code code = open_session(session, writable, err);
    pthread_mutex_unlock(&session->p11->open_lock);
    if (code != KW_OK)
        kw_p11_session_close(session);
    return code;
}

KW_ERR kw_p11_session_open(struct kw_p11_session *session, bool writable, struct kw_error *err)
{
    if (session->open && !is_void(session) && (session->writable || !writable))
        return KW_OK;
    kw_p11_session_close(session);
    kw_code code = start_and_open(session, writable, err);
    /* Tokens that went and came back, a connection that broke: some modules find out only when they
     * are initialised. */
    if (code == KW_PROVIDER_UNAVAILABLE && kw_p11_module_restart(session->p11->module))
        code = start_and_open(session, writable, err);
    return code;
}
